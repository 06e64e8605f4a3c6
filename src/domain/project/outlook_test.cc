#include "domain/project/outlook.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "domain/project/plan.h"
#include "domain/project/sketch_testing.h"

namespace slipway::project {
namespace {

ProjectFile parsed(const std::string& requirements, const std::string& rest) {
  const std::string text = "version: 1\nproject: tiny\nuse_case:\n  requirements:\n" +
                           requirements + "deployments:\n  live:\n    model: tiny\n" + rest;
  Result<ProjectFile> file = parse_project(text);
  EXPECT_TRUE(file.ok()) << file.error().message;
  return file.ok() ? std::move(*file) : ProjectFile();
}

constexpr char kLatency[] =
    "    - {id: latency, metric: latency_ms, at_most: 50, share: 0.99, on: serving}\n";

TEST(Unworkable, IsAQualityGateWithoutARequirementOnHoldout) {
  const ProjectFile file =
      parsed(kLatency, "    gates: [integrity, quality]\n    guards: [{requirement: latency}]\n");
  const Remarks remarks = unworkable(file);
  EXPECT_EQ(join(remarks.refusals, "\n"),
            "slipway.yaml:9:24: the gate \"quality\" of live judges requirements with \"on: "
            "holdout\", and found \"latency\" on serving: it would have nothing to judge and let "
            "no version through; expected a requirement on holdout, or no such gate");
}

TEST(Unworkable, IsNoQualityGateWithARequirementOnHoldout) {
  const ProjectFile file =
      parsed("    - {id: quality, metric: mae, at_most: 1}\n", "    gates: [quality]\n");
  const Remarks remarks = unworkable(file);
  EXPECT_TRUE(remarks.refusals.empty()) << join(remarks.refusals, "\n");
  EXPECT_TRUE(remarks.warnings.empty()) << join(remarks.warnings, "\n");
}

TEST(Unworkable, IsAMonitorOfAMetricThatNoWindowCanTell) {
  const ProjectFile file =
      parsed("    - {id: quality, metric: mea, at_most: 1}\n",
             "    gates: [quality]\n    monitors: {week: {requirement: quality, window: 7d}}\n");
  const Remarks remarks = unworkable(file);
  EXPECT_EQ(join(remarks.refusals, "\n"),
            "slipway.yaml:10:36: the monitor week of live judges the requirement \"quality\" on "
            "\"mea\", which no window can tell; expected one on mae, mae_relative, mse, rmse, "
            "log_loss, accuracy, bias, bias_relative, error_rate or latency_ms or an age; did you "
            "mean \"mae\"?");
}

TEST(Unworkable, SaysThatThereIsOneAge) {
  const ProjectFile file = parsed("    - {id: age, metric: data_age, at_most: 30d, on: serving}\n",
                                  "    monitors: {old: {requirement: age}}\n");
  EXPECT_EQ(join(unworkable(file).warnings, "\n"),
            "slipway.yaml:5:25: found the metric \"data_age\" of \"age\": every metric that ends "
            "in \"_age\" is the age of the live version; expected model_age");
}

TEST(Unworkable, SaysThatABoundIsOnTheWrongSide) {
  const ProjectFile file = parsed(
      "    - {id: hit, metric: accuracy, at_most: 0.62}\n"
      "    - {id: fast, metric: latency_ms, at_least: 5, on: serving}\n"
      "    - {id: both, metric: accuracy, at_least: 0.5, at_most: 0.99}\n"
      "    - {id: own, metric: profit, at_most: 1}\n",
      "    gates: [quality, performance]\n");
  const std::vector<std::string> warnings = unworkable(file).warnings;
  ASSERT_EQ(warnings.size(), 2u) << join(warnings, "\n");
  EXPECT_EQ(warnings[0],
            "slipway.yaml:5:7: the requirement \"hit\" wants accuracy at most 0.62, and accuracy "
            "is better when it is higher: the better a model, the sooner it is stopped; did you mean "
            "at_least?");
  EXPECT_TRUE(warnings[1].ends_with("did you mean at_most?")) << warnings[1];
}

TEST(Unworkable, SaysThatOneModelDoesNotAnswerWithClassesAndNumbers) {
  const ProjectFile file = parsed(
      "    - {id: hit, metric: accuracy, at_least: 0.6}\n"
      "    - {id: near, metric: mae, at_most: 3}\n",
      "    gates: [quality]\n");
  EXPECT_EQ(join(unworkable(file).warnings, "\n"),
            "slipway.yaml:6:26: the requirement \"near\" is on mae, which is of numbers, and "
            "\"hit\" on accuracy, which is of classes: a model answers with one of them");
}

TEST(Unworkable, SaysThatAMonitorOfOutcomesDoesNotWaitForThem) {
  const ProjectFile file = parsed(
      "    - {id: quality, metric: mae, at_most: 1}\n"
      "    - {id: wrong, metric: error_rate, at_most: 0.1}\n"
      "    - {id: failing, metric: error_rate, at_most: 0.1, on: serving}\n",
      "    gates: [quality]\n    monitors:\n      a: {requirement: quality, window: 7d}\n"
      "      b: {requirement: quality, labels: delayed, window: 7d}\n"
      "      c: {requirement: wrong, window: 7d}\n      d: {requirement: failing, window: 7d}\n");
  const std::vector<std::string> warnings = unworkable(file).warnings;
  ASSERT_EQ(warnings.size(), 2u) << join(warnings, "\n");
  EXPECT_TRUE(warnings[0].starts_with("slipway.yaml:13:7: the monitor a of live judges mae without "
                                      "\"labels: delayed\": 5 minutes after a window ends"))
      << warnings[0];
  EXPECT_TRUE(warnings[1].starts_with("slipway.yaml:15:7: the monitor c of live has no \"labels: "
                                      "delayed\": it judges how many requests fail"))
      << warnings[1];
}

TEST(Unworkable, SaysThatWhatTheLogDoesNotKeepIsNotDrawn) {
  const auto warned = [](const std::string& columns) {
    const std::string text = replace_all(
        kSketch, "    model: bikes\n", "    model: bikes\n    log: {columns: {" + columns + "}}\n");
    const Result<ProjectFile> file = parse_project(text);
    EXPECT_TRUE(file.ok()) << file.error().message;
    return join(unworkable(*file).warnings, "\n");
  };
  EXPECT_EQ(warned("hr: keep"), "");
  const std::string warning = warned("hr: hash, user: drop");
  EXPECT_TRUE(warning.starts_with(
      "slipway.yaml:24:65: the log of bikes does not keep the values of \"hr\", \"user\""))
      << warning;
}

TEST(Prospects, SayThatARequirementIsOnNumbersWhereTheModelAnswersWithClasses) {
  const ProjectFile file =
      parsed("    - {id: near, metric: mae, at_most: 3}\n", "    gates: [quality]\n");
  const auto said = [&](std::vector<std::string> logged) {
    return join(prospects(file, {{"tiny", {2, std::move(logged)}}}).warnings, "\n");
  };
  EXPECT_EQ(said({"accuracy"}),
            "slipway.yaml:5:26: the requirement \"near\" is on mae, which is of numbers, and the "
            "run of version 2 of tiny logged accuracy, which is of classes");
  EXPECT_EQ(said({"accuracy", "mae"}), "");
  EXPECT_EQ(said({"loss"}), "");
}

TEST(Prospects, AreOfModelsThatNobodyRegistered) {
  const ProjectFile file = parsed(kLatency, "    guards: [{requirement: latency}]\n");
  const Prospects none = prospects(file, {});
  EXPECT_EQ(join(none.notes, "\n"),
            "slipway.yaml:8:12: no version of the model \"tiny\" is registered yet: live answers "
            "503 until one has passed its gates; a run registers it by that name, or a pipeline "
            "by \"register: {model: ...}\"");
  EXPECT_TRUE(none.warnings.empty());
  const Prospects nearly = prospects(file, {{"tinny", {3, {}}}});
  ASSERT_EQ(nearly.warnings.size(), 1u);
  EXPECT_TRUE(nearly.warnings[0].ends_with("; did you mean \"tinny\"?")) << nearly.warnings[0];
  const Prospects there = prospects(file, {{"tiny", {1, {}}}});
  EXPECT_TRUE(there.notes.empty() && there.warnings.empty());
  EXPECT_EQ(prospects(file, {{"tiny", {0, {}}}}).notes.size(), 1u) << "a model without a version";
}

TEST(Prospects, NameThePipelineThatMakesTheModel) {
  Result<ProjectFile> file = parse_project(
      "version: 1\nproject: tiny\npipelines: {train: {register: {model: tiny}}}\n"
      "deployments: {live: {model: tiny}}\n");
  ASSERT_TRUE(file.ok());
  const Prospects found = prospects(*file, {{"tinny", {3, {}}}});
  ASSERT_EQ(found.notes.size(), 1u);
  EXPECT_TRUE(found.notes[0].ends_with("; `slipway run train` makes one")) << found.notes[0];
}

TEST(Prospects, AreOfMetricsThatTheNewestRunDidNotLog) {
  const ProjectFile file =
      parsed("    - {id: quality, metric: f2, at_least: 0.5}\n", "    gates: [quality]\n");
  const ModelsKnown models = {{"tiny", {3, std::vector<std::string>{"f1", "auc"}}}};
  EXPECT_EQ(join(prospects(file, models).warnings, "\n"),
            "slipway.yaml:5:29: found the metric \"f2\", which the gate \"quality\" does not "
            "compute, and the run of version 3 of tiny did not log (it logged f1 or auc): no "
            "version would pass; did you mean \"f1\"?");
  EXPECT_TRUE(prospects(file, {{"tiny", {3, std::vector<std::string>{"f2"}}}}).warnings.empty());
  EXPECT_TRUE(
      prospects(file, {{"tiny", {3, std::vector<std::string>{"quality"}}}}).warnings.empty())
      << "a metric may have the name of the requirement";
}

TEST(Prospects, AreOfSlipsWhereNoRunIsKnown) {
  const auto with = [](const std::string& metric) {
    return prospects(parsed("    - {id: quality, metric: " + metric + ", at_most: 1}\n",
                            "    gates: [quality]\n"),
                     {{"tiny", {3, {}}}});
  };
  ASSERT_EQ(with("mae_relativ").warnings.size(), 1u);
  EXPECT_EQ(with("mae_relativ").warnings[0],
            "slipway.yaml:5:29: found the metric \"mae_relativ\", which the gate \"quality\" does "
            "not compute itself: it counts what the run logs under that name, or as \"quality\"; "
            "did you mean \"mae_relative\"?");
  EXPECT_TRUE(with("calibration_error").warnings.empty());
  EXPECT_EQ(with("calibration_error").notes.size(), 1u);
  EXPECT_TRUE(with("rmse").warnings.empty() && with("rmse").notes.empty());
}

TEST(Farewell, SaysWhoIsAnsweredByWhatIsTakenAway) {
  const ProjectFile before = parsed(
      kLatency, "    guards: [{requirement: latency}]\n    monitors: {week: {window: 7d}}\n");
  ProjectFile next = before;
  next.deployments.clear();
  EXPECT_EQ(farewell(before.deployments[0], next, {3, 4, 5}, Rate{168, std::chrono::hours(168)}),
            "slipway.yaml: the deployment live is taken away: version 3 of tiny, which serves it "
            "(168/7d measured), answers there no more; the rollout of version 4 ends and goes "
            "back; requests to live get 404; requests for the model tiny are answered by version "
            "5, as the registry has it, without gates, prediction ids and log; its windows are "
            "judged no more; what it answered stays in the log");
  EXPECT_EQ(farewell(before.deployments[0], next, {}, {}),
            "slipway.yaml: the deployment live is taken away: no version serves there");
  next.deployments = before.deployments;
  next.deployments[0].name = "other";
  EXPECT_NE(farewell(before.deployments[0], next, {3, 0, 3}, {})
                .find("requests for the model tiny go to its other deployment"),
            std::string::npos);
  next.deployments[0].name = "live";
  next.deployments[0].model = "huge";
  EXPECT_NE(farewell(before.deployments[0], next, {3, 0, 3}, {})
                .find("the deployment live is of the model huge now: version 3 of tiny"),
            std::string::npos);
}

TEST(Plan, WarnsOfADeploymentThatIsTakenAway) {
  const std::string head = "version: 1\nproject: tiny\ndeployments:\n";
  Result<Declared> before = declare(head + "  live: {model: tiny}\n  other: {model: tiny}\n", {});
  Result<Declared> after = declare(head + "  other: {model: tiny}\n", {});
  ASSERT_TRUE(before.ok() && after.ok());
  Facts facts;
  facts.served["live"] = {1, 0, 1};
  const Plan made = plan(&*before, *after, facts);
  EXPECT_EQ(join(made.warnings, "\n"),
            "slipway.yaml: the deployment live is taken away: version 1 of tiny, which serves it, "
            "answers there no more; requests to live get 404; requests for the model tiny go to "
            "its other deployment; what it answered stays in the log");
  EXPECT_NE(to_text(made).find("- deployment live\n"), std::string::npos);
  EXPECT_TRUE(plan(&*before, *before, facts).warnings.empty());
}

}  // namespace
}  // namespace slipway::project
