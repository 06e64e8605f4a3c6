#include "app/runs_export.h"

#include <gtest/gtest.h>

#include <limits>

#include "io/wire/json.h"

namespace slipway::app {
namespace {

TEST(CsvCell, IsQuotedWhereItsTextNeedsIt) {
  EXPECT_EQ(csv_cell("plain", false), "plain");
  EXPECT_EQ(csv_cell("a,b", false), "\"a,b\"");
  EXPECT_EQ(csv_cell("say \"no\"", false), "\"say \"\"no\"\"\"");
  EXPECT_EQ(csv_cell("a\nb", false), "\"a\nb\"");
  EXPECT_EQ(csv_cell("a\rb", false), "\"a\rb\"");
  EXPECT_EQ(csv_cell(" a", false), "\" a\"");
  EXPECT_EQ(csv_cell("", false), "\"\"") << "an empty text is not the absence of one";
}

TEST(CsvCell, IsWhatWasLoggedUnlessASpreadsheetIsToReadIt) {
  for (const char* text : {"=1+1", "+1", "-1", "@a", "\tx"}) {
    EXPECT_EQ(csv_cell(text, false), text);
    EXPECT_EQ(csv_cell(text, true), "'" + std::string(text));
  }
  EXPECT_EQ(csv_cell("=a,b", true), "\"'=a,b\"");
  EXPECT_EQ(csv_cell("a=b", true), "a=b");
}

tracking::Run example() {
  tracking::Run run;
  run.info.id = "0af";
  run.info.experiment_id = 7;
  run.info.name = "one";
  run.info.start_ms = 0;
  run.params = {{"a", "-1"}, {"b", ""}};
  run.metrics = {{{"loss", -0.1, 0, 0}, 1, -0.1, -0.1, 0, 0},
                 {{"nan", std::numeric_limits<double>::quiet_NaN(), 0, 0}, 1, {}, {}, 0, 0}};
  return run;
}

TEST(CsvLine, TellsWhatARunHasNotFromWhatIsEmpty) {
  const std::vector<std::string> columns = {
      "run_id",   "experiment",   "end_time",    "params.a",     "params.b",
      "params.c", "metrics.loss", "metrics.nan", "metrics.none", "tags.x"};
  EXPECT_EQ(csv_line(example(), "exp", columns, false), "0af,exp,,-1,\"\",,-0.1,NaN,,\n");
  EXPECT_EQ(csv_line(example(), "exp", columns, true), "0af,exp,,'-1,\"\",,-0.1,NaN,,\n")
      << "a number is no formula";
}

TEST(CsvLine, NumbersReadBackAsTheyWere) {
  tracking::Run run = example();
  run.metrics.front().value = 0.1 + 0.2;
  EXPECT_EQ(csv_line(run, "", {"metrics.loss"}, false), "0.30000000000000004\n");
}

TEST(JsonOfRun, HasWhatTheRunHas) {
  const wire::Json json = json_of_run(example(), "exp");
  EXPECT_EQ(json.find("experiment")->as_string(), "exp");
  EXPECT_EQ(json.find("experiment_id")->as_string(), "7");
  EXPECT_TRUE(json.find("end_time")->is_null());
  EXPECT_EQ(json.find("params")->as_object().size(), 2u);
  EXPECT_EQ(wire::dump(*json.find("metrics")), R"({"loss":-0.1,"nan":"NaN"})");
  EXPECT_TRUE(json.find("tags")->as_object().empty());
}

}  // namespace
}  // namespace slipway::app
