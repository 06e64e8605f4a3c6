#include "domain/features/training.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/hash.h"
#include "domain/features/csv.h"
#include "graph/kinds.h"
#include "io/db/db_testing.h"

namespace slipway::features {
namespace {

Plan plan_of(const std::string& text) {
  Result<View> view = parse_view(text, "view.yaml");
  EXPECT_TRUE(view.ok()) << view.error().message;
  Result<Plan> plan = Plan::make(*view);
  EXPECT_TRUE(plan.ok()) << plan.error().message;
  return *plan;
}

/// A folder with tables, and what a training set of them looks like.
struct Files {
  db::TemporaryFolder folder;

  void write(const std::string& name, const std::string& text) const {
    ASSERT_TRUE(write_file_quick(folder.path() / name, text).ok());
  }
  std::string read(const std::string& name) const { return *read_file(folder.path() / name); }
  TrainingFiles files() const {
    return {folder.path(), folder.path() / "entities.csv", folder.path() / "out.csv"};
  }
  Result<TrainingResult> draw(const std::vector<ViewUse>& uses, TrainingRules rules = {}) const {
    return write_training_set(files(), uses, rules);
  }
  /// The set as text, or the error.
  std::string drawn(const std::vector<ViewUse>& uses, TrainingRules rules = {}) const {
    Result<TrainingResult> result = draw(uses, rules);
    return result.ok() ? read("out.csv") : "error: " + result.error().message;
  }
};

constexpr char kWeather[] =
    "kind: feature_view\nname: location\nentity: {location_id: int64}\n"
    "source: {file: w.csv, event_time: ts}\nfeatures: {temperature: float64}\n";

TEST(Training, RowsKeepTheirOrderAndAllTheirColumns) {
  Files f;
  f.write("w.csv", "location_id,ts,temperature\n1,2026-01-01T00:00:00Z,1.5\n2,2026-01-01,2\n");
  f.write("entities.csv",
          "note,location_id,event_timestamp\n"
          "\"a, b\",2,2026-01-01T19:00:00-05:00\n\"\",1,2025-12-31\n,1,2026-01-02\n");
  EXPECT_EQ(f.drawn({{plan_of(kWeather), "", {}}}),
            "note,location_id,event_timestamp,temperature\n"
            "\"a, b\",2,2026-01-02T00:00:00Z,2.0\n"
            "\"\",1,2025-12-31T00:00:00Z,\n"
            ",1,2026-01-02T00:00:00Z,1.5\n");
}

TEST(Training, V12OneViewServesTwoKeys) {
  Files f;
  f.write("w.csv", "location_id,ts,temperature\n1,2026-01-01,1.5\n2,2026-01-01,2.5\n");
  f.write("entities.csv", "origin_id,destination_id,event_timestamp\n1,2,2026-01-02\n");
  const Plan plan = plan_of(kWeather);
  const std::vector<ViewUse> uses = {{plan, "origin", {{"location_id", "origin_id"}}},
                                     {plan, "destination", {{"location_id", "destination_id"}}}};
  TrainingRules full;
  full.full_names = true;
  EXPECT_EQ(
      f.drawn(uses, full),
      "origin_id,destination_id,event_timestamp,origin__temperature,destination__temperature\n"
      "1,2,2026-01-02T00:00:00Z,1.5,2.5\n");
  Result<TrainingResult> refused = f.draw(uses);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().tag, "name_collision");
}

TEST(Training, V14ColumnsOfTheSourceMayHaveOtherNames) {
  Files f;
  f.write("d.csv", "id,at,x\n7,2026-01-01,11\n");
  f.write("entities.csv", "driver_id,event_timestamp\n7,2026-01-02\n8,2026-01-02\n");
  const Plan plan = plan_of(
      "kind: feature_view\nname: d\nentity: {driver_id: int64}\n"
      "source: {file: d.csv, event_time: ts, rename: {id: driver_id, at: ts}}\nfeatures: {x: "
      "int64}\n");
  EXPECT_EQ(f.drawn({{plan, "", {}}}),
            "driver_id,event_timestamp,x\n7,2026-01-02T00:00:00Z,11\n8,2026-01-02T00:00:00Z,\n");
}

constexpr char kRich[] =
    "kind: feature_view\nname: driver\nentity: {driver: string}\n"
    "source: {file: d.csv, event_time: ts, created: made, columns: {trips: int64, accepts: "
    "int64}}\n"
    "ttl: 2h\nrequest: {surge: float64}\n"
    "features:\n"
    "  rate: {expr: \"coalesce(accepts / nullif(trips, 0), 0)\", type: float64}\n"
    "  busy: {expr: \"trips_sum_1h * surge\", type: float64}\n"
    "  hour: {expr: \"hour(request_time)\", type: int64}\n"
    "aggregates: [{of: trips, fn: [sum, count], windows: [1h], exact: true}]\n";

TEST(Training, ExpressionsSeeRowAggregatesAndRequest) {
  Files f;
  f.write("d.csv",
          "driver,ts,made,trips,accepts\n"
          "a,2026-01-01T10:00:00Z,,4,1\n"
          "a,2026-01-01T10:30:00Z,,0,0\n"
          "a,2026-01-01T10:45:00Z,2026-01-01T12:00:00Z,3,3\n");
  f.write("entities.csv",
          "driver,at,surge\n"
          "a,2026-01-01T10:40:00Z,1.5\n"
          "a,2026-01-01T11:00:00Z,2\n"
          "a,2026-01-01T13:00:00Z,2\n"
          "b,2026-01-01T11:00:00Z,2\n");
  TrainingRules rules;
  rules.event_time = "at";
  const std::vector<ViewUse> uses = {{plan_of(kRich), "", {}}};
  EXPECT_EQ(f.drawn(uses, rules),
            "driver,at,surge,rate,busy,hour,trips_sum_1h,trips_count_1h\n"
            "a,2026-01-01T10:40:00Z,1.5,0.0,6.0,10,4,2\n"
            "a,2026-01-01T11:00:00Z,2.0,1.0,14.0,11,7,3\n"
            "a,2026-01-01T13:00:00Z,2.0,,,13,,0\n"
            "b,2026-01-01T11:00:00Z,2.0,,,11,,0\n");
  Result<TrainingResult> result = f.draw(uses, rules);
  ASSERT_TRUE(result.ok());
  EXPECT_EQ(result->reports[0].unmatched, 1u);
  EXPECT_EQ(result->reports[0].expired, 1u);
  rules.created_cutoff = true;  // a null created never passes
  EXPECT_EQ(f.drawn(uses, rules),
            "driver,at,surge,rate,busy,hour,trips_sum_1h,trips_count_1h\n"
            "a,2026-01-01T10:40:00Z,1.5,,,10,,0\n"
            "a,2026-01-01T11:00:00Z,2.0,,,11,,0\n"
            "a,2026-01-01T13:00:00Z,2.0,,,13,,0\n"
            "b,2026-01-01T11:00:00Z,2.0,,,11,,0\n");
}

TEST(Training, SaysWhatIsMissing) {
  Files f;
  f.write("w.csv", "location_id,ts,temperature\n1,2026-01-01,x\n");
  f.write("entities.csv", "locationid,event_timestamp\n1,2026-01-02\n");
  const std::vector<ViewUse> uses = {{plan_of(kWeather), "", {}}};
  EXPECT_EQ(f.drawn(uses).substr(f.drawn(uses).find(": found")),
            ": found 'x', expected float64 in column 'temperature'");
  f.write("w.csv", "location_id,ts,temperature\n1,2026-01-01,1\n");
  EXPECT_EQ(f.drawn(uses),
            "error: the entity table has no column 'location_id' (the key 'location_id' of "
            "location); did you mean 'locationid'?");
  f.write("w.csv", "location_id,when,temperature\n1,2026-01-01,1\n");
  EXPECT_NE(f.drawn(uses).find("w.csv has no column 'ts'"), std::string::npos);
  EXPECT_NE(f.drawn({{plan_of(kWeather), "", {{"locaton_id", "x"}}}}).find("error"),
            std::string::npos);
}

TEST(Training, TheSetIsDrawnFromVersionsOfViewsAndData) {
  Files f;
  f.write("w.csv", "location_id,ts,temperature\n1,2026-01-01,1.5\n");
  f.write("entities.csv", "location_id,event_timestamp\n1,2026-01-02\n");
  const std::vector<ViewUse> uses = {{plan_of(kWeather), "", {}}};
  Result<TrainingResult> result = f.draw(uses);
  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(result->md5, md5_hex(f.read("out.csv")));

  Metrics metrics;
  Result<std::unique_ptr<db::Pool>> pool = db::Pool::open(
      "sqlite://" + (f.folder.path() / "c.db").string(), graph::migrations(), metrics);
  ASSERT_TRUE(pool.ok()) << pool.error().message;
  Result<> written = (*pool)->write([&](db::Tx& tx) -> Result<> {
    return record(tx, to_graph(f.files(), *result, uses, {}), 1);
  });
  ASSERT_TRUE(written.ok()) << written.error().message;
  Result<std::vector<graph::Edge>> causes = (*pool)->read([&](db::Tx& tx) {
    return graph::causes_of(tx, {graph::kind::kData, result->md5});
  });
  ASSERT_TRUE(causes.ok());
  std::vector<std::string> ids;
  for (const graph::Edge& edge : *causes) {
    EXPECT_EQ(edge.relation, "drawn_from");
    ids.push_back(edge.cause.id);
  }
  std::vector<std::string> expected = {md5_hex(f.read("entities.csv")), md5_hex(f.read("w.csv")),
                                       uses[0].plan.id()};
  std::sort(expected.begin(), expected.begin() + 2);
  EXPECT_EQ(ids, expected);
}

TEST(Training, UsesAreWrittenWithAliasAndKeys) {
  Result<UseText> use = parse_use("location:origin:id=origin_id,day=date");
  ASSERT_TRUE(use.ok());
  EXPECT_EQ(use->view, "location");
  EXPECT_EQ(use->alias, "origin");
  EXPECT_EQ(use->keys, (std::map<std::string, std::string>{{"id", "origin_id"}, {"day", "date"}}));
  EXPECT_FALSE(parse_use("a:b:c").ok());
  EXPECT_FALSE(parse_use("").ok());
}

TEST(Csv, RefusesWhatIsNotStrict) {
  const auto fault = [](std::string_view text) {
    Result<CsvTable> table = parse_csv(text, "t.csv");
    return table.ok() ? "accepted" : table.error().message;
  };
  EXPECT_EQ(fault("a,b\n1\n"), "t.csv:2: found 1 fields, expected 2");
  EXPECT_EQ(fault("a,b\n1,2\n\"x\n\",2,3\n"), "t.csv:3: found 3 fields, expected 2");
  EXPECT_EQ(fault("a\n\"x"), "t.csv:2: found no closing quote");
  EXPECT_EQ(fault("a\n\"x\"y\n"), "t.csv:2: found text after a closing quote");
  EXPECT_EQ(fault("a\nx\"y\n"), "t.csv:2: found a quote inside a field without quotes");
  EXPECT_EQ(fault("a\rb\n"), "t.csv:1: found text after a carriage return");
  EXPECT_EQ(fault("a,a\n"), "t.csv:1: found two columns named 'a'");
  EXPECT_EQ(fault(""), "t.csv:1: found nothing, expected a line of column names");
  EXPECT_EQ(fault("a\n\xff\n"), "t.csv:1: found bytes that are no UTF-8");
}

TEST(Csv, ReadsBackWhatItWrites) {
  Table table;
  Column texts(Type::kString), reals(Type::kFloat64), times(Type::kTimestamp);
  for (const char* text : {"plain", "a,b", "say \"hi\"", "two\nlines", "", " blank "}) {
    texts.push(std::string(text));
    reals.push(0.1 * static_cast<double>(texts.size()));
    times.push(Timestamp{static_cast<std::int64_t>(texts.size()) * 1'234'567});
  }
  texts.push_null();
  reals.push_null();
  times.push_null();
  table.add("t\"x", texts);
  table.add("r", reals);
  table.add("at", times);
  const std::string text = to_csv(table);
  Result<CsvTable> read = parse_csv(text, "t.csv");
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->names, table.names);
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    Result<Column> column = csv_column(*read, i, table.columns[i].type, "t.csv");
    ASSERT_TRUE(column.ok()) << column.error().message;
    ASSERT_EQ(column->size(), table.rows);
    for (std::size_t row = 0; row < table.rows; ++row) {
      EXPECT_TRUE(identical(column->at(row), table.columns[i].at(row)));
    }
  }
}

}  // namespace
}  // namespace slipway::features
