#include "domain/project/project_file.h"

#include <gtest/gtest.h>

#include <set>

#include "base/file.h"
#include "base/text.h"
#include "domain/project/bindings.h"
#include "domain/project/sketch_testing.h"

namespace slipway::project {
namespace {

using std::chrono::hours;

std::string fault_of(std::string_view text) {
  Result<ProjectFile> file = parse_project(text);
  if (file.ok()) return "no fault";
  EXPECT_EQ(file.error().code, Code::kInvalid);
  return file.error().message;
}

/// A valid file of `rest` below the two keys that every file has.
std::string with_head(const std::string& rest) {
  return "version: 1\nproject: p\n" + rest;
}

/// A deployment of `rest`, from line 5 on, indented by four.
std::string deployment(const std::string& rest) {
  return with_head("deployments:\n  d:\n    model: m\n" + rest);
}

class Sketch : public testing::Test {
 protected:
  void SetUp() override {
    Result<ProjectFile> parsed = parse_project(kSketch);
    ASSERT_TRUE(parsed.ok()) << parsed.error().message;
    file = std::move(*parsed);
  }
  ProjectFile file;
};

TEST_F(Sketch, HasTheUseCaseAndItsRequirements) {
  EXPECT_EQ(file.name, "bikes");
  EXPECT_EQ(file.use_case.owner, "ops@example.org");
  ASSERT_EQ(file.use_case.requirements.size(), 3u);
  const Requirement& latency = *file.find_requirement("latency");
  EXPECT_EQ(latency.metric, "latency_ms");
  EXPECT_EQ(latency.at_most, 5);
  EXPECT_EQ(latency.share, 0.99);
  EXPECT_EQ(latency.on, "serving");
  EXPECT_EQ(latency.at.line, 9);
  EXPECT_EQ(file.find_requirement("freshness")->at_most, 400.0 * 86400);
}

TEST_F(Sketch, HasContractsAndPipelines) {
  EXPECT_EQ(file.find_contract("data/hour.csv")->file, "contracts/hour.odcs.yaml");
  const PipelineSpec& train = *file.find_pipeline("train");
  EXPECT_EQ(train.stages, (std::vector<std::string>{"prepare", "train", "evaluate"}));
  EXPECT_EQ(train.register_model, "bikes");
  EXPECT_EQ(file.find_pipeline("package")->register_model, "");
}

TEST_F(Sketch, HasOneTriggerOfEachSource) {
  ASSERT_EQ(file.triggers.size(), 6u);
  EXPECT_EQ(std::get<CronSource>(file.triggers[0].source).tz, "Europe/Berlin");
  EXPECT_EQ(std::get<DataSource>(file.triggers[1].source).settle, std::chrono::minutes(2));
  EXPECT_EQ(std::get<GitSource>(file.triggers[2].source).paths,
            std::vector<std::string>{"train/**"});
  EXPECT_EQ(std::get<GitSource>(file.triggers[3].source).branch, "main");
  EXPECT_EQ(std::get<MessageSource>(file.triggers[4].source).type, "org.example.labels.ready");
  const TriggerSpec& decay = file.triggers[5];
  EXPECT_EQ(std::get<IncidentSource>(decay.source).monitor, "quality");
  EXPECT_EQ(decay.params[0].key, "train.as_of");
  EXPECT_EQ(decay.params[0].value, "${event.time}");
  EXPECT_EQ(decay.data->from, "deployments/bikes");
  EXPECT_TRUE(decay.data->labelled);
  EXPECT_EQ(decay.data->to, "data/live.parquet");
  EXPECT_EQ(decay.cooldown, hours(21 * 24));
  EXPECT_EQ(decay.at_most->count, 3);
  EXPECT_EQ(decay.at_most->per, hours(90 * 24));
}

TEST_F(Sketch, HasTheDeployment) {
  const DeploymentSpec& bikes = *file.find_deployment("bikes");
  EXPECT_EQ(bikes.gates.size(), 5u);
  EXPECT_EQ(bikes.traffic->count, 24);
  ASSERT_EQ(bikes.rollout.size(), 2u);
  EXPECT_EQ(bikes.rollout[0].kind, StepKind::kShadow);
  EXPECT_EQ(bikes.rollout[1].kind, StepKind::kCanary);
  EXPECT_EQ(bikes.rollout[1].percent, 50);
  EXPECT_EQ(bikes.rollout[1].min_requests, 50);
  EXPECT_EQ(bikes.rollout[1].max_wait, hours(14 * 24));
  EXPECT_EQ(bikes.guards[0].margin, 0.1);
  EXPECT_TRUE(bikes.guards[0].critical);
  EXPECT_EQ(bikes.guards[1].requirement, "latency");
  EXPECT_FALSE(bikes.guards[1].margin);
  EXPECT_EQ(bikes.monitors[0].against, "training");
  EXPECT_TRUE(bikes.monitors[1].delayed_labels);
  EXPECT_EQ(bikes.monitors[1].persist, 2);
  EXPECT_EQ(file.notify[0].webhook, "${env:SLIPWAY_WEBHOOK}");
  EXPECT_EQ(file.notify[0].on, (std::vector<std::string>{"incident", "rollback"}));
}

TEST_F(Sketch, BindsEachRequirement) {
  std::vector<Binding> all = bindings(file);
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].enforcers,
            (std::vector<Enforcer>{{"gate", "bikes", "quality"}, {"monitor", "bikes", "quality"}}));
  EXPECT_EQ(all[1].enforcers, (std::vector<Enforcer>{{"guard", "bikes", "latency"}}));
  EXPECT_EQ(all[2].enforcers, (std::vector<Enforcer>{{"monitor", "bikes", "age"}}));
  EXPECT_EQ(to_text(all[0].enforcers[0]), "gate quality of bikes");
}

struct Bad {
  const char* name;
  std::string text;
  std::string message;
};
void PrintTo(const Bad& bad, std::ostream* out) {
  *out << bad.name;
}

class BadFile : public testing::TestWithParam<Bad> {};

TEST_P(BadFile, SaysWhereWhatAndWhatElse) {
  EXPECT_EQ(fault_of(GetParam().text), GetParam().message);
}

const Bad kBad[] = {
    {"NotAMap", "- 1\n", "slipway.yaml:1:1: found a list, expected a map (the file)"},
    {"Empty", "", "slipway.yaml:1:1: found nothing, expected a map (the file)"},
    {"NoHead", "{}",
     "slipway.yaml:1:1: found no \"version\" in the file, expected one\n"
     "slipway.yaml:1:1: found no \"project\" in the file, expected one"},
    {"Version", "version: 2\nproject: p\n",
     "slipway.yaml:1:10: found the number 2, expected the number 1 for \"version\""},
    {"UnknownTopKey", with_head("pipeline: {}\n"),
     "slipway.yaml:3:1: found the key \"pipeline\" in the file, expected version, project, "
     "use_case, contracts, features, pipelines, triggers, deployments, notify or lint; did you "
     "mean "
     "\"pipelines\"?"},
    {"DuplicateKey", "version: 1\nproject: p\nproject: q\n",
     "slipway.yaml:3:1: the key \"project\" stands here a second time"},
    {"ProjectName", "version: 1\nproject: a b\n",
     "slipway.yaml:2:10: found the text \"a b\", expected a name of letters, digits, '.', '_' and "
     "'-' for \"project\""},
    {"RequirementKeys",
     with_head("use_case:\n  requirements:\n    - {id: q, metrik: mae, at_most: 1}\n"),
     "slipway.yaml:5:7: found no \"metric\" in a requirement, expected one\n"
     "slipway.yaml:5:15: found the key \"metrik\" in a requirement, expected id, metric, at_most, "
     "at_least, share or on; did you mean \"metric\"?"},
    {"RequirementTwice",
     with_head("use_case:\n  requirements:\n    - {id: q, metric: mae, at_most: 1}\n"
               "    - {id: q, metric: rmse, at_most: 1}\n"),
     "slipway.yaml:6:7: found the requirement \"q\" a second time (first in line 5), expected "
     "another id"},
    {"RequirementBound", with_head("use_case:\n  requirements:\n    - {id: q, metric: mae}\n"),
     "slipway.yaml:5:7: found no bound in the requirement \"q\", expected at_most or at_least"},
    {"RequirementBoundsCross",
     with_head("use_case:\n  requirements:\n    - {id: q, metric: r2, at_least: 2, at_most: 1}\n"),
     "slipway.yaml:5:7: found at_least 2 above at_most 1 in the requirement \"q\", expected it "
     "below"},
    {"RequirementAgeWithoutUnit",
     with_head("use_case:\n  requirements:\n    - {id: q, metric: model_age, at_most: 400}\n"),
     "slipway.yaml:5:43: found the number 400, expected a span such as 90s, 2m, 6h, 7d or 2w for "
     "\"at_most\""},
    {"RequirementShare",
     with_head("use_case:\n  requirements:\n    - {id: q, metric: mae, at_most: 1, share: 0}\n"),
     "slipway.yaml:5:47: found the number 0, expected a number above 0, at most 1 for \"share\""},
    {"RequirementOn",
     with_head("use_case:\n  requirements:\n    - {id: q, metric: mae, at_most: 1, on: servnig}\n"),
     "slipway.yaml:5:44: found the text \"servnig\", expected holdout or serving for \"on\"; did "
     "you mean \"serving\"?"},
    {"RequirementUnenforced",
     with_head("use_case:\n  requirements:\n    - {id: q, metric: mae, at_most: 1}\n"),
     "slipway.yaml:5:7: found nothing that enforces the requirement \"q\", expected the gate "
     "\"quality\" or a monitor with \"requirement: q\" in a deployment"},
    {"LatencyUnenforced",
     with_head("use_case:\n  requirements:\n    - {id: l, metric: latency_ms, at_most: 1, on: "
               "serving}\n"),
     "slipway.yaml:5:7: found nothing that enforces the requirement \"l\", expected the gate "
     "\"performance\", a guard or a monitor with \"requirement: l\" in a deployment"},
    {"ContractOutside", with_head("contracts: {../x.csv: c.yaml, a.csv: /c.yaml}\n"),
     "slipway.yaml:3:13: found the text \"../x.csv\", expected a path inside the repository, "
     "relative to its root for \"contracts\"\n"
     "slipway.yaml:3:38: found the text \"/c.yaml\", expected a path inside the repository, "
     "relative to its root for \"a.csv\""},
    {"ContractTwice", with_head("contracts: {a.csv: c.yaml, ./a.csv: c.yaml}\n"),
     "slipway.yaml:3:28: found \"a.csv\" a second time, expected one contract a table"},
    {"PipelineStages", with_head("pipelines: {t: {stages: train}}\n"),
     "slipway.yaml:3:25: found the text \"train\", expected a list of texts for \"stages\""},
    {"PipelineStageTwice", with_head("pipelines: {t: {stages: [a, a]}}\n"),
     "slipway.yaml:3:29: found \"a\" a second time, expected it once for \"stages\""},
    {"PipelineAttempts", with_head("pipelines: {t: {attempts: 0, timeout: 5}}\n"),
     "slipway.yaml:3:27: found the number 0, expected a whole number from 1 to 100 for "
     "\"attempts\"\n"
     "slipway.yaml:3:39: found the number 5, expected a span such as 90s, 2m, 6h, 7d or 2w for "
     "\"timeout\""},
    {"RegisterModel", with_head("pipelines: {t: {register: {model: a/b}}}\n"),
     "slipway.yaml:3:35: found the text \"a/b\", expected the name of a registered model (without "
     "'/' and ':') for \"model\""},
    {"TriggerPipeline",
     with_head("pipelines: {train: {}, package: {}}\ntriggers: {n: {pipeline: trian, data: x}}\n"),
     "slipway.yaml:4:26: found the pipeline \"trian\", expected train or package; did you mean "
     "\"train\"?"},
    {"TriggerWithoutSource", with_head("pipelines: {t: }\ntriggers: {n: {pipeline: t}}\n"),
     "slipway.yaml:4:12: found no source in the trigger \"n\", expected cron, data, git, alert, "
     "cloudevent or incident"},
    {"TriggerWithTwoSources",
     with_head("pipelines: {t: }\ntriggers: {n: {pipeline: t, data: x, git: {}}}\n"),
     "slipway.yaml:4:12: found data and git in the trigger \"n\", expected one source"},
    {"TriggerCron", with_head("pipelines: {t: }\ntriggers: {n: {pipeline: t, cron: 30 2 * *}}\n"),
     "slipway.yaml:4:35: found the text \"30 2 * *\", expected five fields: minute, hour, day of "
     "month, month, day of week (\"30 2 * * *\") for \"cron\""},
    {"TriggerZone", with_head("pipelines: {t: }\ntriggers: {n: {pipeline: t, data: x, tz: UTC}}\n"),
     "slipway.yaml:4:42: found \"tz\" in a trigger without \"cron\", expected it beside \"cron\" "
     "only"},
    {"TriggerSettle",
     with_head("pipelines: {t: }\ntriggers: {n: {pipeline: t, git: {}, settle: 2m}}\n"),
     "slipway.yaml:4:46: found \"settle\" in a trigger without \"data\", expected it beside "
     "\"data\" only"},
    {"TriggerRate",
     with_head("pipelines: {t: }\ntriggers: {n: {pipeline: t, data: x, at_most: 3}}\n"),
     "slipway.yaml:4:47: found the number 3, expected a rate such as 24/d or 3/90d for "
     "\"at_most\""},
    {"TriggerOverlap",
     with_head("pipelines: {t: }\ntriggers: {n: {pipeline: t, data: x, overlap: buffer}}\n"),
     "slipway.yaml:4:47: found the text \"buffer\", expected skip, buffer_one or allow for "
     "\"overlap\""},
    {"TriggerTemplate",
     with_head("pipelines: {t: }\ntriggers: {n: {pipeline: t, data: x, with: {params: {a: "
               "\"${evnt.time}\"}}}}\n"),
     "slipway.yaml:4:57: found the text \"${evnt.time}\", expected a value, in which "
     "${event.NAME} is the only template for \"a\""},
    {"TriggerDataFrom",
     with_head("pipelines: {t: }\ntriggers: {n: {pipeline: t, data: x, with: {data: {from: "
               "deployments/x, to: y}}}}\n"),
     "slipway.yaml:4:58: found the deployment \"x\", expected none, as none is declared"},
    {"TriggerMonitor",
     deployment("    monitors: {quality: {window: 7d}}\npipelines: {t: }\ntriggers: {n: {pipeline: "
                "t, incident: {monitor: qualty}}}\n"),
     "slipway.yaml:8:49: found the monitor \"qualty\", expected quality; did you mean "
     "\"quality\"?"},
    {"DeploymentModel", with_head("deployments: {d: {}}\n"),
     "slipway.yaml:3:15: found no \"model\" in the deployment \"d\", expected one"},
    {"DeploymentIsText", with_head("deployments: {d: m}\n"),
     "slipway.yaml:3:18: found the text \"m\", expected a map (the deployment \"d\") for \"d\""},
    {"Gate", deployment("    gates: [integrity, qualitty]\n"),
     "slipway.yaml:6:24: found the text \"qualitty\", expected integrity, signature, contract, "
     "parity, quality, performance or approval for \"gates\"; did you mean \"quality\"?"},
    {"GateTwice", deployment("    gates: [parity, parity]\n"),
     "slipway.yaml:6:21: found the gate \"parity\" a second time, expected it once"},
    {"StepKind", deployment("    rollout: [{canari: {percent: 5}}]\n"),
     "slipway.yaml:6:16: found the key \"canari\" in a step of a rollout, expected shadow or "
     "canary; did you mean \"canary\"?"},
    {"StepPercent", deployment("    rollout: [{canary: {percent: 101}}]\n"),
     "slipway.yaml:6:34: found the number 101, expected a number above 0, at most 100 for "
     "\"percent\""},
    {"StepWait", deployment("    rollout: [{canary: {percent: 5, min_time: 7d, max_wait: 6d}}]\n"),
     "slipway.yaml:6:16: found max_wait 6d below min_time 7d in a step, expected it above"},
    {"StepIsText", deployment("    rollout: [canary]\n"),
     "slipway.yaml:6:15: found the text \"canary\", expected a step: shadow or canary with its "
     "settings for \"rollout\""},
    {"GuardOfNothing", deployment("    guards: [{margin: 0.1}]\n"),
     "slipway.yaml:6:14: found neither metric nor requirement in a guard, expected one of them"},
    {"GuardMetric", deployment("    guards: [{metric: error_rat}]\n"),
     "slipway.yaml:6:23: found the text \"error_rat\", expected error_rate, score_mean or "
     "label_flips for \"metric\"; did you mean \"error_rate\"?"},
    {"GuardMargin", deployment("    guards: [{metric: error_rate, margin: 1}]\n"),
     "slipway.yaml:6:43: found the number 1, expected a number above 0 and below 1 for \"margin\""},
    {"GuardTwice", deployment("    guards: [{metric: error_rate}, {metric: error_rate}]\n"),
     "slipway.yaml:6:36: found a second guard of \"error_rate\" (first in line 6), expected one"},
    {"GuardRequirement", deployment("    guards: [{requirement: latency}]\n"),
     "slipway.yaml:6:28: found the requirement \"latency\", expected none, as none is declared"},
    {"GuardOnHoldout",
     deployment("    guards: [{requirement: q}]\nuse_case: {requirements: [{id: q, metric: mae, "
                "at_most: 1}]}\n"),
     "slipway.yaml:6:28: found a guard of \"q\", which is on holdout, expected a requirement on "
     "serving; the gate \"quality\" enforces those on holdout"},
    {"MonitorWindow", deployment("    monitors: {drift: {against: training}}\n"),
     "slipway.yaml:6:16: found no \"window\" in the monitor \"drift\", expected a span such as 7d"},
    {"MonitorWindowOfNothing", deployment("    monitors: {drift: {window: 0s}}\n"),
     "slipway.yaml:6:32: found the text \"0s\", expected a span above 0, such as 7d for "
     "\"window\""},
    {"MonitorWindowTooLong", deployment("    monitors: {drift: {window: 400000w}}\n"),
     "slipway.yaml:6:32: found the text \"400000w\", expected a span of at most a hundred years "
     "(5228w) for \"window\""},
    {"MonitorWindowNoSpan", deployment("    monitors: {drift: {window: long}}\n"),
     "slipway.yaml:6:32: found the text \"long\", expected a span such as 90s, 2m, 6h, 7d or 2w "
     "for \"window\""},
    {"MonitorAgainst", deployment("    monitors: {drift: {against: trainig, window: 7d}}\n"),
     "slipway.yaml:6:33: found the text \"trainig\", expected training or previous for "
     "\"against\"; did you mean \"training\"?"},
    {"MonitorCounts", deployment("    monitors: {d: {window: 7d, min_rows: 0, persist: x}}\n"),
     "slipway.yaml:6:42: found the number 0, expected a whole number from 1 to 1000000000000 for "
     "\"min_rows\"\n"
     "slipway.yaml:6:54: found the text \"x\", expected a whole number from 1 to 1000 for "
     "\"persist\""},
    {"LogColumns", deployment("    log: {sample: 2, columns: {ssn: hsh}}\n"),
     "slipway.yaml:6:19: found the number 2, expected a number above 0, at most 1 for \"sample\"\n"
     "slipway.yaml:6:37: found the text \"hsh\", expected keep, drop or hash for \"ssn\"; did you "
     "mean \"hash\"?"},
    {"NotifySecretIsNotRepeated",
     with_head("notify: [{webhook: \"https://x/y\", secret: hunter2, on: [incident]}]\n"),
     "slipway.yaml:3:43: found a text, expected ${env:NAME} for \"secret\""},
    {"NotifyUrl", with_head("notify: [{webhook: \"ftp://x\", on: [incidents]}]\n"),
     "slipway.yaml:3:20: found a text, expected an http or https URL or ${env:NAME} for "
     "\"webhook\"\n"
     "slipway.yaml:3:36: found the text \"incidents\", expected incident, rollback, promotion, "
     "rollout_paused or run_failed for \"on\"; did you mean \"incident\"?"},
};

INSTANTIATE_TEST_SUITE_P(Each, BadFile, testing::ValuesIn(kBad),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(ParseProject, SaysThatNothingEnforcesARequirementBesideOtherFaults) {
  const auto text = parse_project(
      "version: 1\nproject: rides\n"
      "use_case: {requirements: [{id: a, metric: mae, at_most: 1}, {id: b, metric: mae, on: x}]}\n"
      "pipelines: {train: }\n"
      "triggers: {t: {pipeline: trian, cron: \"0 3 * * *\"}}\n"
      "deployments: {rides: {model: rides, traffic: often}}\n");
  ASSERT_FALSE(text.ok());
  const std::string& said = text.error().message;
  EXPECT_NE(said.find("found nothing that enforces the requirement \"a\""), std::string::npos)
      << said;
  EXPECT_EQ(said.find("enforces the requirement \"b\""), std::string::npos) << said;
  EXPECT_NE(said.find("found the pipeline \"trian\""), std::string::npos) << said;
  EXPECT_NE(said.find("found the text \"often\""), std::string::npos) << said;
}

TEST(ParseProject, SaysItOnceWhereTheMonitorOfARequirementIsWrong) {
  const auto text = parse_project(
      "version: 1\nproject: rides\n"
      "use_case: {requirements: [{id: a, metric: mae, at_most: 1}]}\n"
      "deployments: {rides: {model: rides, monitors: {m: {requirement: b, window: 7d}}}}\n");
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().message.find('\n'), std::string::npos) << text.error().message;
}

TEST(ProjectFile, ReportsEveryFaultInTheOrderOfTheText) {
  std::string message = fault_of(
      "version: 1\nproject: p\ntriggers:\n  a: {pipeline: x}\npipelines: {y: {stagse: []}}\n"
      "deployments: {d: {gates: 3}}\n");
  std::vector<std::string> places;
  for (std::string_view line : split(message, '\n')) {
    places.push_back(std::string(line.substr(0, line.find(": "))));
  }
  EXPECT_EQ(places,
            (std::vector<std::string>{"slipway.yaml:4:3", "slipway.yaml:4:17", "slipway.yaml:5:17",
                                      "slipway.yaml:6:15", "slipway.yaml:6:26"}));
}

TEST(ProjectFile, BoundsWhatItReads) {
  EXPECT_NE(fault_of(std::string((1u << 20) + 1, ' ')).find("is longer than"), std::string::npos);
  std::string many = with_head("pipelines:\n");
  for (int i = 0; i <= 1000; ++i) many += "  p" + std::to_string(i) + ": {}\n";
  EXPECT_EQ(fault_of(many),
            "slipway.yaml:4:3: found 1001 entries, expected at most 1000 for \"pipelines\"");
  std::string faults = with_head("notify:\n");
  for (int i = 0; i < 300; ++i) faults += "  - 1\n";
  std::string message = fault_of(faults);
  EXPECT_TRUE(message.ends_with("\nand 100 more")) << message.substr(message.size() - 100);
}

TEST(ProjectFile, IsReadInTimeHoweverManyNamesAreWrong) {
  std::string text = with_head("pipelines:\n");
  std::string long_name(95, 'x');
  for (int i = 0; i < 1000; ++i) text += "  " + long_name + std::to_string(i) + ": {}\n";
  text += "triggers:\n";
  for (int i = 0; i < 1000; ++i) {
    text += "  t" + std::to_string(i) + ": {pipeline: y" + long_name + ", data: a}\n";
  }
  EXPECT_TRUE(fault_of(text).ends_with("\nand 800 more"));
}

TEST(ProjectFile, IsMissingWhereThereIsNone) {
  Result<ProjectFile> file = read_project("/nonexistent");
  EXPECT_EQ(file.error().code, Code::kMissing);
  EXPECT_EQ(file.error().message,
            "there is no slipway.yaml in /nonexistent; `slipway init` lays one out");
}

TEST(Span, IsReadAndWritten) {
  EXPECT_EQ(parse_span("90s"), std::chrono::seconds(90));
  EXPECT_EQ(parse_span("250ms"), std::chrono::milliseconds(250));
  EXPECT_EQ(parse_span("2w"), hours(14 * 24));
  EXPECT_EQ(parse_span("0s"), Span(0));
  for (const char* text : {"", "7", "d", "7 d", "-7d", "+7d", "1.5h", "7D", "7d ", "0x1d",
                           "99999999999999999999d", "9999999w"}) {
    EXPECT_FALSE(parse_span(text)) << text;
  }
  for (const char* text : {"1ms", "90s", "2m", "6h", "7d", "2w", "400d", "25h", "0s"}) {
    EXPECT_EQ(to_text(*parse_span(text)), text);
  }
  EXPECT_EQ(to_text(hours(48)), "2d");
  for (const char* text : {"5229w", "400000w", "99999999999999999999d"})
    EXPECT_TRUE(is_too_long_span(text)) << text;
  for (const char* text : {"5228w", "0s", "w", "7", "7 d", "long"})
    EXPECT_FALSE(is_too_long_span(text)) << text;
}

TEST(Rate, IsReadAndWritten) {
  EXPECT_EQ(parse_rate("24/d")->per, hours(24));
  EXPECT_EQ(parse_rate("0.5/h")->count, 0.5);
  EXPECT_EQ(parse_rate("3/90d")->per, hours(90 * 24));
  for (const char* text : {"", "/", "24", "24/", "/d", "0/d", "-1/d", "nan/d", "inf/d", "1/0d",
                           "1/d/d", " 1/d", ".5/d"}) {
    EXPECT_FALSE(parse_rate(text)) << text;
  }
  for (const char* text : {"24/d", "3/90d", "0.5/h", "1000/s"}) {
    EXPECT_EQ(to_text(*parse_rate(text)), text);
  }
}

TEST(Reference, DescribesEveryKeyAndNoOther) {
  Result<std::string> page = read_file(SLIPWAY_SOURCE_DIR "/docs/reference/slipway-yaml.md");
  ASSERT_TRUE(page.ok()) << page.error().message;
  std::set<std::string> described;
  for (std::string_view line : split(*page, '\n')) {
    if (!line.starts_with("| `")) continue;
    line.remove_prefix(3);
    std::string key(line.substr(0, line.find('`')));
    EXPECT_TRUE(described.insert(key).second) << key << " is described twice";
  }
  std::set<std::string> known;
  for (const std::string& key : known_keys()) known.insert(key);
  EXPECT_EQ(described, known);
}

TEST(Bindings, KnowGatesByWhatTheyMeasure) {
  Result<ProjectFile> file =
      parse_project(deployment("    gates: [quality, performance]\nuse_case:\n  requirements:\n"
                               "    - {id: l, metric: latency_ms, at_most: 5, on: serving}\n"
                               "    - {id: q, metric: mae, at_most: 1}\n"));
  ASSERT_TRUE(file.ok()) << file.error().message;
  std::vector<Binding> all = bindings(*file);
  EXPECT_EQ(all[0].enforcers, (std::vector<Enforcer>{{"gate", "d", "performance"}}));
  EXPECT_EQ(all[1].enforcers, (std::vector<Enforcer>{{"gate", "d", "quality"}}));
}

}  // namespace
}  // namespace slipway::project
