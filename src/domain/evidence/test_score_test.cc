#include "domain/evidence/test_score.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "io/db/db_testing.h"

namespace slipway::evidence {
namespace {

using wire::Json;
constexpr UnixMs kDay = 24 * 3600 * 1000, kWeek = 7 * kDay, kNow = 1000 * kDay;

ScoreFacts::Window window(int weeks_ago, const std::string& metric = "") {
  ScoreFacts::Window one;
  one.link = "window:w" + std::to_string(weeks_ago);
  one.metric = metric;
  one.status = "good";
  one.end_ms = kNow - weeks_ago * kWeek;
  one.start_ms = one.end_ms - kWeek;
  return one;
}

ScoreFacts facts() {
  ScoreFacts facts;
  facts.model = "bikes";
  facts.version = 3;
  facts.now_ms = kNow;
  return facts;
}

const Probe& probe(const TestScore& score, const std::string& test) {
  return *std::find_if(score.probes.begin(), score.probes.end(),
                       [&](const Probe& one) { return one.test == test; });
}
Points points(const ScoreFacts& facts, const std::string& test) {
  return probe(score_of(facts), test).points;
}

TEST(TestScoreTest, HasTwentyEightTestsInFourSections) {
  const TestScore score = score_of(facts());
  EXPECT_EQ(score.probes.size(), 28u);
  std::map<char, int> sections;
  for (const Probe& one : score.probes) ++sections[one.test.front()];
  EXPECT_EQ(sections, (std::map<char, int>{{'D', 7}, {'M', 7}, {'I', 7}, {'N', 7}}));
  EXPECT_EQ(score.score, 0);
  for (const Probe& one : score.probes) {
    EXPECT_TRUE(one.points == Points::kNone || one.points == Points::kNotMeasurable) << one.test;
    EXPECT_FALSE(one.why.empty()) << one.test;
  }
}

TEST(TestScoreTest, TellsWhatTheUserCanSupplyFromWhatThisVersionDoesNotMeasure) {
  ScoreFacts known = facts();
  known.gates = {{"quality", "pass", "verdict:r/quality"}};
  const TestScore score = score_of(known);
  EXPECT_EQ(score.measured, 10);
  for (const Probe& one : score.probes) {
    if (one.points == Points::kNotMeasurable) {
      EXPECT_TRUE(one.how.empty()) << one.test;
      EXPECT_TRUE(one.why.starts_with("not measured by this version")) << one.test;
    } else {
      EXPECT_EQ(one.how.empty(), one.points == Points::kFull) << one.test;
    }
  }
  EXPECT_NE(probe(score, "I7").how.find("`slipway rollback DEPLOYMENT`"), std::string::npos);
  const Json json = to_json(score);
  EXPECT_EQ(json.find("measured")->as_int64(), 10);
  EXPECT_EQ(json.find("not_measured")->as_int64(), 18);
  const std::string text = to_text(score);
  const std::size_t apart = text.find("not measured by this version, whatever you do");
  ASSERT_NE(apart, std::string::npos) << text;
  EXPECT_LT(text.find("  N7 0  "), apart);
  EXPECT_GT(text.find("  D2 every feature is beneficial"), apart);
  EXPECT_NE(text.find("to have it: "), std::string::npos);
}

TEST(TestScoreTest, TheSchemaCountsWhereTrainingAndServingAreJudged) {
  ScoreFacts known = facts();
  known.checks_by_hand = {"verdict:v"};
  EXPECT_EQ(points(known, "D1"), Points::kHalf);
  known.gates = {{"contract", "pass", "verdict:r/contract"}};
  EXPECT_EQ(points(known, "D1"), Points::kNone) << "not on requests yet";
  known.windows = {window(1)};
  known.windows[0].has_contract = true;
  EXPECT_EQ(points(known, "D1"), Points::kFull);
  known.gates[0].status = "waived";
  known.checks_by_hand.clear();
  EXPECT_EQ(points(known, "D1"), Points::kNone);
}

TEST(TestScoreTest, OnlyWindowsThatWereJudgedCount) {
  ScoreFacts known = facts();
  known.gates = {{"contract", "pass", "verdict:r/contract"}};
  known.windows = {window(2), window(1)};
  for (ScoreFacts::Window& one : known.windows) {
    one.has_contract = one.has_reference = true;
    one.status = "undecided";
  }
  for (const char* test : {"D1", "N2", "N3"})
    EXPECT_EQ(points(known, test), Points::kNone) << test;
  EXPECT_EQ(probe(score_of(known), "N2").why, "nothing could be judged: 2 windows were undecided");
  for (const char* judged : {"good", "warn", "bad"}) {
    known.windows[1].status = judged;
    for (const char* test : {"D1", "N2", "N3"}) {
      EXPECT_EQ(points(known, test), Points::kFull) << test << " " << judged;
      EXPECT_TRUE(probe(score_of(known), test)
                      .why.ends_with(
                          ": 1 window, and 1 undecided one that counts for nothing"))
          << probe(score_of(known), test).why;
    }
  }
}

TEST(TestScoreTest, AFailingTestScoresAndAWaivedOneDoesNot) {
  ScoreFacts known = facts();
  known.gates = {{"quality", "fail", "verdict:r/quality"}};
  EXPECT_EQ(points(known, "I4"), Points::kFull);
  for (const char* status : {"waived", "no_data", "error"}) {
    known.gates[0].status = status;
    EXPECT_EQ(points(known, "I4"), Points::kNone) << status;
  }
}

TEST(TestScoreTest, SaysThatAGateWasWaivedOrCouldNotJudge) {
  ScoreFacts known = facts();
  const auto text = [&] { return to_text(score_of(known)); };
  EXPECT_NE(text().find("no quality gate judged this version"), std::string::npos) << text();
  known.gates = {{"quality", "waived", "verdict:r/quality"}};
  EXPECT_NE(text().find("its quality gate was waived for this version, which shows nothing\n"
                        "         to have it: a version that passes the quality gate without a "
                        "waiver: "),
            std::string::npos)
      << text();
  known.gates[0].status = "no_data";
  EXPECT_NE(text().find("its quality gate could not judge this version: no_data"),
            std::string::npos)
      << text();
}

TEST(TestScoreTest, EvidenceThatIsOldScoresNothing) {
  ScoreFacts known = facts();
  known.windows = {window(4), window(3)};
  EXPECT_EQ(points(known, "N2"), Points::kFull);
  known.windows = {window(4, "model_age"), window(3, "mae")};
  EXPECT_EQ(points(known, "N2"), Points::kNone) << "these look at nothing that requests carry";
  known.windows = {window(6), window(5)};
  EXPECT_EQ(points(known, "N2"), Points::kNone);
  known.rollbacks = {{"model_version:bikes/2", kNow - 29 * kDay}};
  EXPECT_EQ(points(known, "I7"), Points::kFull);
  known.rollbacks = {{"model_version:bikes/2", kNow - 31 * kDay}};
  EXPECT_EQ(points(known, "I7"), Points::kNone);
  known.pipeline_runs = {{"pipeline_run:a", kNow - 9 * kDay}};
  EXPECT_EQ(points(known, "I3"), Points::kNone);
  known.pipeline_runs.push_back({"pipeline_run:b", kNow - 6 * kDay});
  EXPECT_EQ(points(known, "I3"), Points::kFull);
}

TEST(TestScoreTest, WindowsSayWhatIsWatched) {
  ScoreFacts known = facts();
  known.windows = {window(4, "mae_relative"), window(3, "mae_relative"), window(2, "mae_relative"),
                   window(1, "model_age")};
  EXPECT_EQ(points(known, "N4"), Points::kFull);
  EXPECT_EQ(points(known, "N7"), Points::kNone) << "labels never came";
  EXPECT_EQ(points(known, "N3"), Points::kNone);
  for (auto& one : known.windows) one.labelled = 160;
  EXPECT_EQ(points(known, "N7"), Points::kFull);
  EXPECT_EQ(points(known, "M4"), Points::kFull);
  known.windows[3].has_reference = true;
  EXPECT_EQ(points(known, "N3"), Points::kFull);
  known.windows.pop_back();
  EXPECT_EQ(points(known, "M4"), Points::kNone) << "three windows are no curve";
}

TEST(TestScoreTest, AMonitorThatIsDeclaredIsNeverAdvised) {
  ScoreFacts known = facts();
  known.gates = {{"contract", "pass", "verdict:r/contract"}};
  known.watchers = {{"bikes/quality", "mae_relative", true, false},
                    {"bikes/age", "model_age", false, false},
                    {"bikes/drift", "", false, true}};
  const TestScore fresh = score_of(known);
  EXPECT_EQ(probe(fresh, "N2").why, "no window of bikes/drift was judged yet");
  EXPECT_EQ(probe(fresh, "N3").why, "no window of bikes/drift was judged yet");
  EXPECT_EQ(probe(fresh, "N4").why, "no window of bikes/age was judged yet");
  EXPECT_EQ(probe(fresh, "N7").why, "no window of bikes/quality was judged yet");
  EXPECT_EQ(probe(fresh, "N4").how,
            "a window of bikes/age: `slipway monitors` says when its next window is judged");
  for (const char* test : {"D1", "M4", "N2", "N3", "N4", "N7"}) {
    EXPECT_EQ(probe(fresh, test).points, Points::kNone) << test;
    EXPECT_NE(probe(fresh, test).how.find("bikes/"), std::string::npos) << probe(fresh, test).how;
  }
  known.windows = {window(1, "mae_relative"), window(9, "model_age")};
  EXPECT_EQ(probe(score_of(known), "N7").why, "no window had labels");
  EXPECT_NE(probe(score_of(known), "N7").how.find("`slipway feedback`"), std::string::npos);
  EXPECT_EQ(probe(score_of(known), "N4").how, probe(fresh, "N4").how) << "old, and declared";
  known.watchers.clear();
  EXPECT_EQ(probe(score_of(known), "N4").how, "a requirement on model_age, and a monitor of it");
}

TEST(TestScoreTest, TheScoreIsTheLeastSection) {
  ScoreFacts known = facts();
  known.gates = {{"contract", "pass", "verdict:r/contract"},
                 {"quality", "pass", "verdict:r/quality"}};
  for (int week = 5; week > 0; --week) {
    known.windows.push_back(window(week, "mae_relative"));
    known.windows.back().labelled = 160;
    known.windows.back().has_contract = known.windows.back().has_reference = true;
  }
  known.canary_steps = {"rollout_step:r/3"};
  const TestScore score = score_of(known);
  EXPECT_EQ(score.sections.at("data"), 1);
  EXPECT_EQ(score.sections.at("model"), 1);
  EXPECT_EQ(score.sections.at("infrastructure"), 2);
  EXPECT_EQ(score.sections.at("monitoring"), 3);
  EXPECT_EQ(score.score, 1);
  EXPECT_NE(to_text(score).find("N7 1   quality"), std::string::npos) << to_text(score);
  EXPECT_LE(probe(score, "N2").links.size(), 5u);
}

class ScoreFactsTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    OnEachEngine::SetUp();
    pool_ = open(graph::migrations());
  }
  void edge(const graph::NodeRef& effect, const char* relation, const graph::NodeRef& cause) {
    auto put = pool_->write([&](db::Tx& tx) {
      return graph::put_edge(tx, {effect, relation, cause, Json(Json::Object{})}, 1);
    });
    ASSERT_TRUE(put.ok()) << put.error().message;
  }
  void node(const graph::NodeRef& ref, Json::Object attributes) {
    auto put = pool_->write(
        [&](db::Tx& tx) { return graph::put_node(tx, ref, Json(std::move(attributes)), 1); });
    ASSERT_TRUE(put.ok()) << put.error().message;
  }
  Result<ScoreFacts> facts(const std::string& model) {
    return pool_->read([&](db::Tx& tx) {
      return score_facts(tx, model, {{{"fresh", "model_age"}}, {}});
    });
  }
  std::unique_ptr<db::Pool> pool_;
};
INSTANTIATE_TEST_SUITE_P(Engines, ScoreFactsTest, db::every_engine(), db::engine_name);

TEST_P(ScoreFactsTest, AnUnknownModelIsMissing) {
  auto found = facts("bikes");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, Code::kMissing);
}

TEST_P(ScoreFactsTest, AreWhatTheGraphHolds) {
  const graph::NodeRef version{"model_version", "bikes/12"};
  edge({"model_version", "bikes/9"}, "produced_by", {"run", "r9"});
  edge(version, "produced_by", {"run", "r12"});
  node({"verdict", "roll/parity"}, {{"status", "pass"}});
  edge({"verdict", "roll/parity"}, "about", version);
  node({"verdict", "roll/4/error_rate"}, {{"status", "clear"}});
  edge({"verdict", "roll/4/error_rate"}, "about", version);
  node({"rollout_step", "roll/3"}, {{"phase", "shadowing"}});
  edge({"rollout_step", "roll/3"}, "of", version);
  node({"rollout_step", "roll/1"}, {{"phase", "gating"}});
  edge({"rollout_step", "roll/1"}, "of", version);
  node({"window", "w"}, {{"status", "good"}, {"start_ms", 10}, {"end_ms", 20}, {"labelled", 7}});
  edge({"window", "w"}, "observed", version);
  edge({"verdict", "w"}, "by", {"requirement", "fresh"});
  edge({"verdict", "w"}, "by", {"contract_version", "c"});
  edge({"verdict", "w"}, "used", {"profile", "own"});
  edge({"verdict", "w"}, "used", {"profile", "training"});
  node({"pipeline_run", "p"}, {{"state", "succeeded"}, {"ended_ms", 30}});
  node({"pipeline_run", "q"}, {{"state", "failed"}, {"ended_ms", 40}});

  auto found = facts("bikes");
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->version, 12);
  ASSERT_EQ(found->gates.size(), 1u);
  EXPECT_EQ(found->gates[0].name, "parity");
  EXPECT_EQ(found->canary_steps, std::vector<std::string>{"rollout_step:roll/3"});
  ASSERT_EQ(found->windows.size(), 1u);
  EXPECT_EQ(found->windows[0].metric, "model_age");
  EXPECT_EQ(found->windows[0].labelled, 7);
  EXPECT_TRUE(found->windows[0].has_contract);
  EXPECT_TRUE(found->windows[0].has_reference);
  ASSERT_EQ(found->pipeline_runs.size(), 1u);
  EXPECT_EQ(found->pipeline_runs[0].time_ms, 30);
}

}  // namespace
}  // namespace slipway::evidence
