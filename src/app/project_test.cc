#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "app/project_facts.h"
#include "app/project_judges.h"
#include "base/ids.h"
#include "base/text.h"
#include "domain/delivery/plan.h"
#include "domain/project/sketch_testing.h"
#include "domain/serving/prediction_log.h"
#include "io/blob/disk.h"

namespace slipway::app {
namespace {

constexpr char kContract[] =
    "apiVersion: v3.1.0\nkind: DataContract\nid: hour\nversion: 1.0.0\nstatus: active\n"
    "schema: [{name: hour, properties: [{name: cnt, logicalType: integer}]}]\n";

project::Declared declared(const std::string& text, const std::string& contract = kContract) {
  Result<project::Declared> result =
      project::declare(text, {{"contracts/hour.odcs.yaml", contract}, {"view.yaml", "name: ["}});
  EXPECT_TRUE(result.ok()) << result.error().message;
  return result.ok() ? std::move(*result) : project::Declared();
}

std::string judged(const std::string& text, const std::string& contract = kContract) {
  Result<> result = check_declared(declared(text, contract));
  return result.ok() ? "right" : result.error().message;
}

std::string sketch_with(std::string_view from, std::string_view to) {
  std::string text = replace_all(project::kSketch, from, to);
  EXPECT_NE(text, project::kSketch) << from;
  return text;
}

TEST(CheckDeclared, TakesTheExampleOfTheProduct) {
  EXPECT_EQ(judged(project::kSketch), "right");
}

TEST(CheckDeclared, KnowsTheCalendar) {
  EXPECT_TRUE(judged(sketch_with("30 2 * * *", "61 2 * * *")).starts_with("slipway.yaml:16:"));
  std::string zone = judged(sketch_with("Europe/Berlin", "Europe/Berlni"));
  EXPECT_TRUE(zone.starts_with("slipway.yaml:16:54: ")) << zone;
  EXPECT_NE(zone.find("Europe/Berlin"), std::string::npos) << zone;
}

TEST(CheckDeclared, KnowsContractsAndViews) {
  std::string contract = judged(project::kSketch, "schma: []\n");
  EXPECT_TRUE(contract.starts_with("contracts/hour.odcs.yaml:1:1: ")) << contract;
  EXPECT_EQ(
      split(contract, '\n').size(),
      split(judged(sketch_with("data/live.parquet:", "data/other.parquet:"), "schma: []\n"), '\n')
          .size());
  std::string view = judged(std::string(project::kSketch) + "features: [view.yaml]\n");
  EXPECT_TRUE(view.starts_with("view.yaml:2:1: ")) << view;
  EXPECT_NE(judged(sketch_with("    model: bikes\n", "    model: bikes\n    features: weather\n"))
                .find("found the feature view \"weather\", expected none, as none is declared"),
            std::string::npos);
}

TEST(CheckDeclared, KnowsRollouts) {
  std::string text = judged(sketch_with("canary: {percent: 50", "canary: {percent: 100"));
  EXPECT_TRUE(text.starts_with("slipway.yaml:34:")) << text;
  EXPECT_NE(text.find("nothing to compare with"), std::string::npos) << text;
}

TEST(CheckDeclared, TellsEverythingAtOnce) {
  std::string text = judged(sketch_with("30 2 * * *", "61 2 * * *"), "schma: []\n");
  EXPECT_GE(split(text, '\n').size(), 2u) << text;
}

TEST(CheckDeclared, ACalendarThatNeverComesIsAnErrorWithItsPlace) {
  const std::string text = judged(sketch_with("30 2 * * *", "0 0 31 2 *"));
  EXPECT_NE(text.find("'0 0 31 2 *' never fires"), std::string::npos) << text;
  EXPECT_TRUE(text.starts_with("slipway.yaml:")) << text;
  EXPECT_EQ(judged(sketch_with("30 2 * * *", "0 0 29 2 *")), "right");
}

TEST(FaultsOf, AreOfEveryPartAtOnceInTheOrderOfTheText) {
  const std::filesystem::path root =
      std::filesystem::temp_directory_path() / ("slipway-" + random_hex32());
  std::filesystem::create_directories(root);
  const std::string text =
      "version: 1\nproject: rides\n"
      "use_case: {requirements: [{id: a, metric: mae, at_most: 1}]}\n"
      "contracts: {a.csv: nothere.yaml, b.csv: bad.yaml}\n"
      "features: [view.yaml]\n"
      "pipelines: {train: {stages: [trian]}}\n"
      "triggers:\n"
      "  t: {pipeline: train, cron: \"0 99 * * *\", tz: Europe/Berlni, with: {params: {tree: "
      "\"${event.nothing}\"}}}\n"
      "deployments: {rides: {model: rides, traffic: often}}\n";
  std::ofstream(root / "slipway.yaml") << text;
  std::ofstream(root / "bad.yaml") << "schma: []\n";
  std::ofstream(root / "view.yaml") << "kind: feature_view\n";
  const auto draft = project::read_draft(root);
  ASSERT_TRUE(draft.ok()) << draft.error().message;
  EXPECT_FALSE(draft->is_whole);
  project::Workspace workspace;
  workspace.stages = {{"train", {}, {}}};
  workspace.unknown_stages = {"trian"};
  workspace.params = {{"params.yaml", true, {"trees"}}};
  const std::vector<std::string> faults = faults_of(*draft, workspace);
  const std::string all = join(faults, "\n");
  const char* const expected[] = {
      "enforces the requirement \"a\"", "no file \"nothere.yaml\"", "names the stage trian",
      "slipway.yaml:8:30: ",            "Europe/Berlin",             "sets a parameter: there is",
      "${event.nothing}",               "\"often\"",                 "bad.yaml:1:1: ",
      "view.yaml:1:1: "};
  for (const char* words : expected) EXPECT_NE(all.find(words), std::string::npos) << words << all;
  EXPECT_TRUE(faults.front().starts_with("slipway.yaml:3:")) << all;
  std::filesystem::remove_all(root);
}

TEST(RemarksOn, NameContractsInWhichNothingCanFail) {
  const std::string warns = std::string(kContract) +
                            "customProperties: [{property: slipway.severity, value: warn}]\n";
  EXPECT_TRUE(remarks_on(declared(project::kSketch)).warnings.empty());
  const std::vector<std::string> warnings =
      remarks_on(declared(project::kSketch, warns)).warnings;
  ASSERT_EQ(warnings.size(), 1u) << "the file is bound twice";
  EXPECT_NE(warnings[0].find("nothing in the contract contracts/hour.odcs.yaml can fail"),
            std::string::npos)
      << warnings[0];
}

TEST(RemarksOn, NameColumnsOfTheLogThatAreMisspelt) {
  const auto warnings_with = [](const std::string& columns) {
    const std::string text = sketch_with(
        "    model: bikes\n", "    model: bikes\n    log: {columns: {" + columns + "}}\n");
    return join(remarks_on(declared(text)).warnings, "\n");
  };
  EXPECT_EQ(warnings_with("cnt: drop, user: hash"), "") << "not every column has a contract";
  EXPECT_NE(warnings_with("cnnt: drop").find("did you mean"), std::string::npos);
}

TEST(RemarksOn, SayThatAContractsDriftWantsMoreRowsThanAMonitorWaitsFor) {
  const auto with_drift = [](const std::string& more) {
    return "apiVersion: v3.1.0\nkind: DataContract\nid: hour\nversion: 1.0.0\nstatus: active\n"
           "schema: [{name: hour, properties: [{name: cnt, quality: [{type: custom, "
           "engine: slipway, implementation: {drift: {stat: js" +
           more + "}}}]}]}]\n";
  };
  const auto warnings = [](const std::string& contract) {
    return remarks_on(declared(project::kSketch, contract)).warnings;
  };
  EXPECT_TRUE(warnings(with_drift(", min_rows: 100")).empty());
  EXPECT_TRUE(warnings(with_drift(", vs: last_year")).empty()) << "no monitor's reference";
  const std::vector<std::string> found = warnings(with_drift(""));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_NE(found[0].find("asks for 100 rows, and the drift of 'cnt' in contracts/hour.odcs.yaml "
                          "for 200"),
            std::string::npos)
      << found[0];
}

TEST(UnsetVariables, AreNamedWithWhatTheyWereFor) {
  const auto file = project::parse_project(
      "version: 1\nproject: rides\nnotify:\n"
      "  - {webhook: \"${env:HOOK}\", secret: \"${env:HOOK_SECRET}\", on: [incident]}\n"
      "  - {webhook: \"http://receiver/\", on: [incident]}\n");
  ASSERT_TRUE(file.ok()) << file.error().message;
  const notify::Variable one = [](const std::string& name) {
    return name == "HOOK" ? std::optional<std::string>("http://receiver/") : std::nullopt;
  };
  EXPECT_EQ(join(unset_variables(*file, one, true).warnings, "\n"),
            "slipway.yaml:4:5: the variable HOOK_SECRET, which has the secret of this "
            "notification, is not set in the environment of the server that runs: it is to be started again with "
            "it, and until then nothing is sent");
  const notify::Variable none = [](const std::string&) { return std::optional<std::string>(); };
  EXPECT_EQ(unset_variables(*file, none, false).warnings.size(), 2u);
}

TEST(PlanWithTheTestsOfTheRollout, DoesNotRefuseTheExampleOfTheProduct) {
  project::Plan plan =
      project::plan(nullptr, declared(project::kSketch), {}, delivery::answers_for);
  EXPECT_TRUE(plan.refusals.empty()) << join(plan.refusals, "\n");
  ASSERT_TRUE(plan.rollouts[0].steps[1].guards[0].answers);
  EXPECT_GT(*plan.rollouts[0].steps[1].guards[0].answers, 0);
}

class MeasuredFacts : public testing::Test {
 protected:
  static constexpr UnixMs kHour = 3'600'000;
  static constexpr UnixMs kNow = 1'306'800'000'000;  // 2011-05-31

  void TearDown() override { std::filesystem::remove_all(state); }

  /// One request an hour for so many days until now; every `failing`-th one fails.
  void answer(int days, int failing) {
    Metrics metrics;
    blob::Disk disk;
    serving::PredictionLogOptions options;
    options.root = state / "predictions";
    serving::PredictionLog log(disk, metrics, options);
    auto layout = std::make_shared<serving::Layout>(
        serving::Layout{"bikes", "1", {{"hr", {}, false}}, {"predict"}});
    auto stream = log.stream("bikes", {});
    for (int hour = 1; hour <= days * 24; ++hour) {
      serving::Prediction one;
      one.event_time_ms = kNow - hour * kHour;
      one.id = serving::make_prediction_id("bikes", one.event_time_ms);
      bool failed = failing > 0 && hour % failing == 0;
      one.status = failed ? 500 : 200;
      one.rows = failed ? 0 : 1;
      if (!failed) {
        one.cells = {1};
        one.outputs = {2};
      }
      stream->log(one, layout);
      one.role = serving::Role::kShadow;  // another version's answer to the same request
      stream->log(one, layout);
    }
    ASSERT_TRUE(log.flush().ok());
    log.stop();
  }

  project::DeploymentFacts measure(const std::string& text = project::kSketch) {
    Result<project::Facts> facts = measured_facts(state, declared(text).file, kNow);
    EXPECT_TRUE(facts.ok()) << facts.error().message;
    return facts.ok() ? facts->deployments["bikes"] : project::DeploymentFacts();
  }

  std::filesystem::path state =
      std::filesystem::temp_directory_path() / ("slipway-" + random_hex32());
};

TEST_F(MeasuredFacts, AreNoneWithoutALog) {
  EXPECT_FALSE(measure().traffic);
}

TEST_F(MeasuredFacts, AreNoneBeforeAWeek) {
  answer(5, 0);
  EXPECT_FALSE(measure().traffic);
}

TEST_F(MeasuredFacts, CountWhatWasAnsweredInTheLastWeek) {
  answer(20, 10);
  project::DeploymentFacts facts = measure();
  ASSERT_TRUE(facts.traffic);
  EXPECT_EQ(project::to_text(*facts.traffic), "168/7d");
  EXPECT_NEAR(*facts.error_rate, 0.1, 0.01);
}

TEST_F(MeasuredFacts, UndoTheSampling) {
  answer(8, 0);
  project::DeploymentFacts facts =
      measure(sketch_with("    model: bikes\n", "    model: bikes\n    log: {sample: 0.5}\n"));
  EXPECT_EQ(facts.traffic->count, 336);
}

}  // namespace
}  // namespace slipway::app
