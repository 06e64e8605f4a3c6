#include "domain/evidence/walk.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "domain/evidence/explain.h"
#include "graph/kinds.h"
#include "io/db/db_testing.h"

namespace slipway::evidence {
namespace {

using graph::Direction;
using graph::NodeRef;
using wire::Json;

Json object(std::initializer_list<Json::Member> members) {
  return Json(Json::Object(members));
}

/// What stages and a registry would leave, written by hand.
class WalkTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    db::OnEachEngine::SetUp();
    if (!HasFatalFailure()) pool_ = open(graph::migrations());
  }
  void TearDown() override { pool_.reset(); }

  void node(const NodeRef& ref, const Json& attributes) {
    auto put = pool_->write([&](db::Tx& tx) { return graph::put_node(tx, ref, attributes, 1); });
    ASSERT_TRUE(put.ok()) << put.error().message;
  }
  void edge(const NodeRef& effect, const char* relation, const NodeRef& cause,
            Json attributes = object({})) {
    auto put = pool_->write([&](db::Tx& tx) {
      return graph::put_edge(tx, {effect, relation, cause, attributes}, 1);
    });
    ASSERT_TRUE(put.ok()) << put.error().message;
  }
  void attempt(const std::string& id, UnixMs started, UnixMs ended) {
    node({"attempt", id}, object({{"stage", id}, {"started_ms", started}, {"ended_ms", ended}}));
  }
  void used(const std::string& attempt, const std::string& data, const std::string& path) {
    edge({"attempt", attempt}, "used", {"data", data}, object({{"path", path}}));
  }
  void made(const std::string& attempt, const std::string& data, const std::string& path) {
    edge({"data", data}, "produced_by", {"attempt", attempt}, object({{"path", path}}));
  }
  std::string tree(const NodeRef& subject, Direction direction = Direction::kToCauses) {
    auto found = pool_->read([&](db::Tx& tx) { return explain(tx, subject, direction); });
    return found.ok() ? to_tree(*found, direction) : found.error().message;
  }

  std::unique_ptr<db::Pool> pool_;
};
INSTANTIATE_TEST_SUITE_P(Engines, WalkTest, db::every_engine(), db::engine_name);

TEST_P(WalkTest, DataComeFromWhoMadeThemAtThePathWhereTheyWereRead) {
  attempt("other", 10, 20);
  attempt("prep", 10, 30);
  attempt("train", 40, 50);
  made("other", "d1", "q.txt");
  made("prep", "d1", "p.txt");
  used("train", "d1", "p.txt");
  edge({"attempt", "other"}, "used", {"commit", "c0"});
  EXPECT_EQ(
      tree({"attempt", "train"}),
      "attempt train  stage train in 0.0 s  at 1970-01-01T00:00:00Z\n"
      "└─ used data d1  as p.txt\n"
      "   ├─ produced by attempt prep  stage prep in 0.0 s  at 1970-01-01T00:00:00Z  as p.txt\n"
      "   └─ the same bytes were also produced by attempt other  stage other in 0.0 s  at "
      "1970-01-01T00:00:00Z  as q.txt\n");
}

TEST_P(WalkTest, NothingLaterThanTheEffectIsItsCause) {
  attempt("first", 10, 20);
  attempt("train", 30, 40);
  attempt("again", 50, 60);
  made("first", "d1", "p.txt");
  made("again", "d1", "p.txt");
  used("train", "d1", "p.txt");
  std::string text = tree({"attempt", "train"});
  EXPECT_NE(text.find("attempt first"), std::string::npos) << text;
  EXPECT_EQ(text.find("attempt again"), std::string::npos) << text;
}

TEST_P(WalkTest, TheLatestMakerBeforeTheUseIsTheCause) {
  attempt("first", 10, 20);
  attempt("again", 21, 29);
  attempt("train", 30, 40);
  made("first", "d1", "p.txt");
  made("again", "d1", "p.txt");
  used("train", "d1", "p.txt");
  std::string text = tree({"attempt", "train"});
  EXPECT_NE(text.find("─ produced by attempt again"), std::string::npos) << text;
  EXPECT_EQ(text.find("─ produced by attempt first"), std::string::npos) << text;
}

TEST_P(WalkTest, AnIncidentNamesItsVersionAndTheStoryEndsThere) {
  edge({"model_version", "bikes/2"}, "produced_by", {"run", "r2"});
  edge({"pipeline_run", "p"}, "started_by", {"firing", "f"});
  edge({"firing", "f"}, "caused_by", {"incident", "i"});
  edge({"incident", "i"}, "about", {"model_version", "bikes/1"});
  edge({"model_version", "bikes/1"}, "produced_by", {"run", "r1"});
  const std::string text = tree({"pipeline_run", "p"});
  EXPECT_NE(text.find("about model version bikes/1"), std::string::npos) << text;
  EXPECT_EQ(text.find("run r1"), std::string::npos) << text;
  EXPECT_NE(tree({"incident", "i"}).find("run r1"), std::string::npos) << "unless it is asked for";
}

TEST_P(WalkTest, ACopyIsNoCycle) {
  attempt("make", 10, 20);
  attempt("copy", 30, 40);
  attempt("use", 50, 60);
  made("make", "d1", "c.txt");
  used("copy", "d1", "c.txt");
  made("copy", "d1", "d.txt");
  used("use", "d1", "d.txt");
  std::string text = tree({"attempt", "use"});
  std::size_t copy = text.find("─ produced by attempt copy");
  std::size_t make = text.find("─ produced by attempt make");
  ASSERT_NE(copy, std::string::npos) << text;
  ASSERT_NE(make, std::string::npos) << text;
  EXPECT_LT(copy, make) << text;
  EXPECT_EQ(text.find("see above"), std::string::npos) << text;
  EXPECT_EQ(text.find("same bytes"), std::string::npos) << text;
}

TEST_P(WalkTest, ACopyOfWhatNobodyMadeIsNoCycleEither) {
  attempt("prep", 10, 20);
  attempt("train", 30, 40);
  used("prep", "d1", "x");
  made("prep", "d1", "p.txt");
  used("train", "d1", "p.txt");
  std::string text = tree({"attempt", "train"});
  EXPECT_EQ(text.find("attempt prep"), text.rfind("attempt prep")) << text;
  EXPECT_TRUE(text.ends_with("      └─ used data d1  as x\n")) << text;
}

TEST_P(WalkTest, EmptyFilesJoinNothing) {
  node({"data", "d0"}, object({{"size", 0}}));
  attempt("other", 10, 20);
  attempt("train", 30, 40);
  made("other", "d0", "log.txt");
  used("train", "d0", "flag");
  EXPECT_EQ(tree({"attempt", "train"}).find("other"), std::string::npos);
}

TEST_P(WalkTest, EffectsFollowTheSameRules) {
  attempt("prep", 10, 20);
  attempt("other", 11, 21);
  attempt("train", 30, 40);
  made("prep", "d1", "p.txt");
  made("other", "d1", "q.txt");
  used("train", "d1", "p.txt");
  std::string text = tree({"attempt", "prep"}, Direction::kToEffects);
  EXPECT_NE(text.find("└─ produced data d1  as p.txt\n   └─ used by attempt train"),
            std::string::npos)
      << text;
  text = tree({"attempt", "other"}, Direction::kToEffects);
  EXPECT_EQ(text.find("train"), std::string::npos) << text;
}

TEST_P(WalkTest, AModelMadeAnewUnderItsNameHasNotTheRunOfTheOldOne) {
  const NodeRef version{"model_version", "prod/1"};
  node(version, object({{"created_ms", 10}}));
  edge(version, "produced_by", {"run", "r0"}, object({{"created_ms", 10}}));
  node(version, object({{"created_ms", 20}}));
  edge(version, "produced_by", {"run", "r1"}, object({{"created_ms", 20}}));
  EXPECT_EQ(tree(version),
            "model version prod/1  at 1970-01-01T00:00:00Z\n└─ produced by run r1\n");
  EXPECT_EQ(tree({"run", "r0"}, Direction::kToEffects), "run r0\n");
}

TEST_P(WalkTest, AnAttemptThatTookARunUpLaterMadeNothingBefore) {
  const NodeRef version{"model_version", "m/1"};
  node(version, object({{"created_ms", 25}}));
  edge(version, "produced_by", {"run", "r"}, object({{"created_ms", 25}}));
  attempt("first", 20, 30);
  attempt("later", 40, 50);
  edge({"run", "r"}, "produced_by", {"attempt", "first"});
  edge({"run", "r"}, "produced_by", {"attempt", "later"});
  std::string text = tree(version);
  EXPECT_NE(text.find("attempt first"), std::string::npos) << text;
  EXPECT_EQ(text.find("attempt later"), std::string::npos) << text;
}

TEST_P(WalkTest, AVersionStandsOnceUnderItsRun) {
  const NodeRef version{"model_version", "m/1"};
  edge(version, "produced_by", {"run", "r"});
  edge(version, "produced_by", {"model", "m-1"});
  edge({"model", "m-1"}, "produced_by", {"run", "r"});
  EXPECT_EQ(tree({"run", "r"}, Direction::kToEffects),
            "run r\n└─ produced model m-1\n   └─ produced model version m/1\n");
}

TEST_P(WalkTest, TheBeginningOfAnIdIsEnough) {
  node({"commit", "9a586f198140aa"}, object({}));
  node({"commit", "9a586f298140aa"}, object({}));
  EXPECT_EQ(tree({"commit", "9a586f1"}), "commit 9a586f198140\n");
  EXPECT_EQ(tree({"commit", "9a586f"}),
            "'9a586f' begins the id of more than one commit: 9a586f198140aa, 9a586f298140aa");
  EXPECT_EQ(tree({"commit", "9a58"}), "nothing is known of commit '9a58' here");
  EXPECT_EQ(tree({"run", "9a586f1"}), "nothing is known of run '9a586f1' here");
}

}  // namespace
}  // namespace slipway::evidence
