#include "domain/project/plan.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/ids.h"
#include "base/text.h"
#include "domain/project/sketch_testing.h"

namespace slipway::project {
namespace {

const std::map<std::string, std::string> kDocuments = {{"contracts/hour.odcs.yaml", "a: 1\n"}};

Declared declared(std::string text, std::map<std::string, std::string> documents = kDocuments) {
  Result<Declared> result = declare(std::move(text), std::move(documents));
  EXPECT_TRUE(result.ok()) << result.error().message;
  return result.ok() ? std::move(*result) : Declared();
}

std::string sketch_with(std::string_view from, std::string_view to) {
  std::string text = replace_all(kSketch, from, to);
  EXPECT_NE(text, kSketch) << from;
  return text;
}

Plan first_plan(const std::string& text, const Facts& facts = {}) {
  return plan(nullptr, declared(text), facts);
}

std::vector<std::string> names_of(const std::vector<Change>& changes) {
  std::vector<std::string> names;
  for (const Change& change : changes) {
    names.push_back(std::string(to_string(change.kind)) + " " + change.object.kind + " " +
                    change.object.name);
  }
  return names;
}

TEST(Declare, NamesTheFilesThatAreNotThere) {
  Result<Declared> result = declare(kSketch, {});
  EXPECT_EQ(result.error().code, Code::kInvalid);
  EXPECT_EQ(result.error().message,
            "slipway.yaml:11:28: found no file \"contracts/hour.odcs.yaml\", expected the contract "
            "of \"data/hour.csv\"; `slipway infer` drafts one\n"
            "slipway.yaml:11:73: found no file \"contracts/hour.odcs.yaml\", expected the contract "
            "of \"data/live.parquet\"; `slipway infer` drafts one");
}

TEST(Declare, NamesTheFeatureViewsThatAreNotThere) {
  EXPECT_EQ(declare("version: 1\nproject: tiny\nfeatures: [a.yaml, b.yaml]\n", {{"a.yaml", ""}})
                .error()
                .message,
            "slipway.yaml:3:20: found no file \"b.yaml\", expected a feature view");
}

TEST(Declare, TakesTextsOnly) {
  EXPECT_EQ(declare(kSketch, {{"contracts/hour.odcs.yaml", "\xff"}}).error().message,
            "contracts/hour.odcs.yaml is no text (UTF-8)");
  EXPECT_NE(declare(kSketch, {{"contracts/hour.odcs.yaml", std::string((1u << 20) + 1, 'x')}})
                .error()
                .message.find("is longer than 1048576 bytes"),
            std::string::npos);
}

TEST(ReadDeclared, FollowsNoLinkOutOfTheRepository) {
  std::filesystem::path root =
      std::filesystem::temp_directory_path() / ("slipway-" + random_hex32());
  std::filesystem::create_directories(root / "p/contracts");
  ASSERT_TRUE(write_file_quick(root / "p/slipway.yaml", kSketch).ok());
  ASSERT_TRUE(write_file_quick(root / "secret", "s").ok());
  std::filesystem::create_symlink("../../secret", root / "p/contracts/hour.odcs.yaml");
  EXPECT_EQ(read_declared(root / "p").error().message,
            "contracts/hour.odcs.yaml is a link that leaves the repository");
  std::filesystem::remove(root / "p/contracts/hour.odcs.yaml");
  EXPECT_NE(
      read_declared(root / "p").error().message.find("found no file \"contracts/hour.odcs.yaml\""),
      std::string::npos);
  ASSERT_TRUE(write_file_quick(root / "p/contracts/hour.odcs.yaml", "a: 1\n").ok());
  EXPECT_EQ(read_declared(root / "p")->documents, kDocuments);
  std::filesystem::remove_all(root);
}

TEST(Declare, LeavesOutWhatNothingNames) {
  Result<Declared> result =
      declare(kSketch, {{"contracts/hour.odcs.yaml", ""}, {"/etc/passwd", "x"}});
  EXPECT_EQ(result->documents.size(), 1u);
}

TEST(Changes, AreAllAdditionsAtFirst) {
  std::vector<Change> changes = changes_between(nullptr, declared(kSketch));
  EXPECT_EQ(names_of(changes),
            (std::vector<std::string>{"added project bikes",
                                      "added use_case bikes",
                                      "added requirement quality",
                                      "added requirement latency",
                                      "added requirement freshness",
                                      "added contract data/hour.csv",
                                      "added contract data/live.parquet",
                                      "added pipeline train",
                                      "added pipeline package",
                                      "added trigger nightly",
                                      "added trigger new-data",
                                      "added trigger training-code",
                                      "added trigger app-code",
                                      "added trigger message",
                                      "added trigger decay",
                                      "added deployment bikes",
                                      "added monitor bikes/drift",
                                      "added monitor bikes/quality",
                                      "added monitor bikes/age",
                                      "added notification ${env:SLIPWAY_WEBHOOK}"}));
}

TEST(Changes, AreNoneBetweenFilesThatSayTheSame) {
  Declared before = declared(kSketch);
  Declared after = declared(sketch_with("traffic: 24/d", "traffic: 24/1d"));
  EXPECT_TRUE(changes_between(&before, after).empty());
  EXPECT_NE(digest_of(before), digest_of(after));
}

TEST(Changes, NameEachFieldWithItsOldAndNewValue) {
  Declared before = declared(kSketch);
  Declared after = declared(sketch_with("canary: {percent: 50, min_requests: 50",
                                        "canary: {percent: 20, min_requests: "
                                        "60"));
  std::vector<Change> changes = changes_between(&before, after);
  ASSERT_EQ(names_of(changes), std::vector<std::string>{"changed deployment bikes"});
  ASSERT_EQ(changes[0].fields.size(), 2u);
  EXPECT_EQ(changes[0].fields[0].field, "rollout[1].canary.percent");
  EXPECT_EQ(changes[0].fields[0].before.as_double(), 50);
  EXPECT_EQ(changes[0].fields[0].after.as_double(), 20);
  EXPECT_EQ(changes[0].fields[1].field, "rollout[1].canary.min_requests");
}

TEST(Changes, TellAnEditOfAContractFromOneOfItsPath) {
  Declared before = declared(kSketch);
  Declared after = declared(kSketch, {{"contracts/hour.odcs.yaml", "a: 2\n"}});
  std::vector<Change> changes = changes_between(&before, after);
  EXPECT_EQ(names_of(changes), (std::vector<std::string>{"changed contract data/hour.csv",
                                                         "changed contract data/live.parquet"}));
  EXPECT_EQ(changes[0].fields[0].field, "sha256");
}

TEST(Changes, OfAGuardAreFieldsOfIt) {
  Declared before = declared(kSketch);
  Declared after = declared(sketch_with("margin: 0.1, critical: true", "critical: true"));
  std::vector<Change> changes = changes_between(&before, after);
  ASSERT_EQ(changes.size(), 1u);
  EXPECT_EQ(changes[0].fields[0].field, "guards.error_rate.margin");
  EXPECT_TRUE(changes[0].fields[0].after.is_null());
}

TEST(Changes, NameWhatIsRemovedAsItWas) {
  Declared before = declared(kSketch);
  Declared after =
      declared(sketch_with("  new-data: {pipeline: train, data: data/hour.csv, settle: 2m}\n", ""));
  std::vector<Change> changes = changes_between(&before, after);
  ASSERT_EQ(names_of(changes), std::vector<std::string>{"removed trigger new-data"});
  EXPECT_EQ(changes[0].before.find("settle")->as_string(), "2m");
}

TEST(Plan, OfTheExampleIsNotRefused) {
  Plan result = first_plan(kSketch);
  EXPECT_TRUE(result.first);
  EXPECT_TRUE(result.refusals.empty()) << join(result.refusals, "\n");
  EXPECT_TRUE(result.warnings.empty()) << join(result.warnings, "\n");
  EXPECT_TRUE(result.notes.empty()) << join(result.notes, "\n");
  ASSERT_EQ(result.rollouts.size(), 1u);
  const RolloutPlan& rollout = result.rollouts[0];
  EXPECT_EQ(rollout.alpha, 0.0125);
  EXPECT_EQ(rollout.traffic_from, "declared");
  ASSERT_EQ(rollout.steps.size(), 2u);
  EXPECT_EQ(rollout.steps[0].before, 336);
  EXPECT_EQ(rollout.steps[0].needed, 120);
  EXPECT_EQ(rollout.steps[1].before, 168);
  EXPECT_EQ(rollout.steps[1].needed, 50);
  ASSERT_EQ(rollout.steps[1].guards.size(), 1u);
  EXPECT_EQ(rollout.steps[1].guards[0].guard, "error_rate");
}

TEST(Plan, RefusesAMarginThatCannotBeShownInTime) {
  Plan result = first_plan(sketch_with("margin: 0.1", "margin: 0.01"));
  ASSERT_EQ(result.refusals.size(), 2u);
  EXPECT_EQ(result.refusals[1],
            "slipway.yaml:34:9: this canary of bikes can't end: the guard error_rate at its "
            "margin 0.01 needs 4585 answers of the candidate, and 168 come before max_wait 2w at "
            "24/d (declared), 50 % of them; wait longer, take a larger share or a wider margin");
}

TEST(Plan, RefusesAMinimumThatCannotCome) {
  Plan result = first_plan(sketch_with("min_requests: 120", "min_requests: 337"));
  ASSERT_EQ(result.refusals.size(), 1u);
  EXPECT_NE(result.refusals[0].find("min_requests needs 337 answers"), std::string::npos);
}

std::string two_deployments(const std::string& first, const std::string& second) {
  return "version: 1\nproject: bikes\ndeployments:\n  us: {model: bikes" + first +
         "}\n  eu: {model: bikes" + second + "}\n  vans: {model: vans}\n";
}

TEST(Plan, RefusesTwoDeploymentsThatMoveOneAlias) {
  const auto refusals = [](const std::string& first, const std::string& second) {
    return plan(nullptr, declared(two_deployments(first, second), {}), {}).refusals;
  };
  EXPECT_EQ(refusals("", ""),
            (std::vector<std::string>{
                "slipway.yaml:5:3: deployment eu would move the alias champion of model bikes, as "
                "us does: give one of them another (alias: NAME), or none (alias: none)"}));
  EXPECT_EQ(refusals(", alias: best", ", alias: best").size(), 1u);
  EXPECT_TRUE(refusals("", ", alias: champion-eu").empty());
  EXPECT_TRUE(refusals(", alias: none", ", alias: none").empty());
}

TEST(Plan, RefusesAnotherModelWhereOneIsServed) {
  const Declared next = declared("version: 1\nproject: p\ndeployments:\n  live: {model: other}\n", {});
  const auto refusals = [&](const Served& served) {
    Facts facts;
    facts.served["live"] = served;
    return plan(nullptr, next, facts).refusals;
  };
  Served served;
  served.model = "tiny";
  EXPECT_TRUE(refusals(served).empty()) << "nothing came of it";
  served.stable = 3;
  EXPECT_EQ(refusals(served),
            (std::vector<std::string>{
                "slipway.yaml:4:3: deployment live serves model tiny and can't become one of other: "
                "give the new one another name, and take this one out where it is not wanted any "
                "more"}));
  served.model = "other";
  EXPECT_TRUE(refusals(served).empty());
}

TEST(Changes, OfADefaultAliasAreNone) {
  const Declared plain = declared(two_deployments("", ", alias: none"), {});
  const Declared said = declared(two_deployments(", alias: champion", ", alias: none"), {});
  EXPECT_TRUE(changes_between(&plain, said).empty());
  const Declared other = declared(two_deployments(", alias: best", ", alias: none"), {});
  EXPECT_EQ(changes_between(&plain, other).size(), 1u);
}

TEST(Plan, TakesTheMeasuredRateBeforeTheDeclaredOne) {
  Facts facts;
  facts.deployments["bikes"].traffic = parse_rate("4/d");
  Plan result = first_plan(kSketch, facts);
  EXPECT_EQ(result.rollouts[0].traffic_from, "measured");
  EXPECT_EQ(result.rollouts[0].steps[0].before, 56);
  EXPECT_EQ(result.refusals.size(), 2u);  // 120 of 56, 50 of 28
  ASSERT_EQ(result.warnings.size(), 2u);
  EXPECT_EQ(result.warnings[1],
            "slipway.yaml:38:7: a window of the monitor quality of bikes is expected to hold 28 "
            "rows (4/d for 7d), and it needs 100: it would stay undecided");
}

TEST(Plan, WarnsOfWindowsThatTheLogDoesNotKeep) {
  const Plan result = first_plan(
      sketch_with("    monitors:\n", "    log: {sample: 0.5, retention: 8d}\n    monitors:\n"));
  EXPECT_EQ(join(result.warnings, "\n"),
            "slipway.yaml:38:7: a window of the monitor drift of bikes is 2w, and the log keeps "
            "answers for 8d (log.retention): it would see the end of it only\n"
            "slipway.yaml:39:7: a window of the monitor quality of bikes is expected to hold 84 "
            "rows (24/d for 7d, of which the log keeps 50.0 %), and it needs 100: it would stay "
            "undecided");
}

TEST(Plan, OfAnUnknownRateSaysSoAndRefusesNothing) {
  Plan result = first_plan(
      sketch_with("    traffic: 24/d                              # until a week has been "
                  "measured\n",
                  ""));
  EXPECT_TRUE(result.refusals.empty());
  EXPECT_TRUE(result.warnings.empty());
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_EQ(result.notes[0],
            "slipway.yaml:28:3: the traffic of bikes is not known: whether its rollout can end was "
            "not judged; say \"traffic:\" until a week has been measured");
  EXPECT_FALSE(result.rollouts[0].steps[0].before);
}

TEST(Plan, NeverRefusesARolloutThatWaitsForEver) {
  Plan result =
      first_plan(replace_all(sketch_with("margin: 0.1", "margin: 0.001"), ", max_wait: 14d", ""));
  EXPECT_TRUE(result.refusals.empty()) << result.refusals[0];
}

TEST(Plan, CountsMoreErrorsWhereMoreWereMeasured) {
  Facts facts;
  facts.deployments["bikes"].error_rate = 0.2;
  Plan noisy = first_plan(kSketch, facts);
  EXPECT_GT(*noisy.rollouts[0].steps[1].guards[0].answers,
            *first_plan(kSketch).rollouts[0].steps[1].guards[0].answers);
}

TEST(Plan, RefusesACanaryThatLeavesNothingToCompareWith) {
  Plan result = first_plan(sketch_with("canary: {percent: 50", "canary: {percent: 100"));
  ASSERT_EQ(result.refusals.size(), 1u);
  EXPECT_NE(result.refusals[0].find("it leaves the live version no answers to compare with"),
            std::string::npos);
}

TEST(Plan, RefusesFlipsWithoutShadow) {
  std::string text =
      "version: 1\nproject: p\ndeployments:\n  d:\n    model: m\n    traffic: 1000/h\n"
      "    rollout: [{canary: {percent: 5}}]\n    guards: [{metric: label_flips, margin: 0.05}]\n";
  Plan result = first_plan(text);
  ASSERT_EQ(result.refusals.size(), 1u);
  EXPECT_TRUE(result.refusals[0].starts_with("slipway.yaml:8:14: the guard label_flips"));
  Plan with_shadow =
      first_plan(replace_all(text, "[{canary", "[{shadow: {percent: 100}}, {canary"));
  EXPECT_TRUE(with_shadow.refusals.empty());
  EXPECT_TRUE(with_shadow.rollouts[0].steps[0].guards[0].answers);
  EXPECT_FALSE(with_shadow.rollouts[0].steps[1].guards[0].answers);
}

TEST(Plan, CountsSlowAnswersLikeErrors) {
  Plan result =
      first_plan(sketch_with("{requirement: latency}", "{requirement: latency, margin: 0.1}"));
  const std::vector<GuardNeed>& guards = result.rollouts[0].steps[0].guards;
  ASSERT_EQ(guards.size(), 2u);
  EXPECT_EQ(guards[1].guard, "requirement latency");
  EXPECT_EQ(guards[1].answers, guards[0].answers);  // 1 % may be slow, 1 % errors are assumed
}

TEST(Plan, SaysWhyANumberIsNotKnown) {
  Plan result = first_plan(sketch_with(
      "{requirement: latency}", "{requirement: latency}, {requirement: freshness, margin: 3}"));
  const GuardNeed& need = result.rollouts[0].steps[0].guards.back();
  EXPECT_EQ(need.guard, "requirement freshness");
  EXPECT_FALSE(need.answers);
  EXPECT_EQ(need.unknown, "the spread of its metric is not known beforehand");
  EXPECT_TRUE(result.refusals.empty());
}

TEST(Plan, AsksTheTestThatItIsGiven) {
  Plan result = plan(nullptr, declared(kSketch), {},
                     [](const Question&) { return std::optional<std::int64_t>(1000); });
  EXPECT_EQ(result.refusals.size(), 2u);
}

TEST(PlanText, SaysThatNothingWouldChange) {
  Declared before = declared(kSketch);
  EXPECT_TRUE(to_text(plan(&before, before, {})).starts_with("nothing would change\n"));
}

TEST(PlanText, ShowsOldAndNew) {
  Declared before = declared(kSketch);
  Declared after = declared(sketch_with("cron: \"30 2 * * *\"", "cron: \"0 3 * * *\""));
  std::string text = to_text(plan(&before, after, {}));
  EXPECT_TRUE(text.starts_with(
      "~ trigger nightly\n    cron: \"30 2 * * *\" -> \"0 3 * * *\"\n"
      "requirement quality is enforced by gate quality of bikes, monitor quality of bikes\n"))
      << text;
  EXPECT_NE(text.find("rollout of bikes, 24/d (declared), alpha 0.0125 a guard and step\n"
                      "  shadow 100 %: needs 120 answers of the candidate; 336 come before "
                      "max_wait 2w\n    error_rate within 0.1: 46\n"),
            std::string::npos)
      << text;
}

TEST(PlanJson, HasEverything) {
  wire::Json json = to_json(first_plan(sketch_with("margin: 0.1", "margin: 0.01")));
  EXPECT_TRUE(json.find("first")->as_bool());
  EXPECT_EQ(json.find("changes")->as_array().size(), 20u);
  EXPECT_EQ(json.find("refusals")->as_array().size(), 2u);
  EXPECT_EQ(json.find("bindings")->as_array()[1].find("enforced_by")->as_array().size(), 1u);
  const wire::Json& step = json.find("rollouts")->as_array()[0].find("steps")->as_array()[1];
  EXPECT_EQ(step.find("before_max_wait")->as_int64(), 168);
}

}  // namespace
}  // namespace slipway::project
