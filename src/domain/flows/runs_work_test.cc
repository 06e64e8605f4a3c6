#include "domain/flows/runs_work.h"

#include <gtest/gtest.h>

#include "base/file.h"
#include "base/ids.h"
#include "graph/kinds.h"

namespace slipway::flows {
namespace {

std::string written(const std::string& text, const std::string& key, const std::string& value) {
  Result<std::string> after = with_values(text, "params.yaml", {{"params.yaml", key, value}});
  return after.ok() ? *after : after.error().message;
}

TEST(WithValues, OnlyTheValueChanges) {
  EXPECT_EQ(written("a: 1  # why\ntrain: {depth: 5}\n", "a", "2"),
            "a: 2  # why\ntrain: {depth: 5}\n");
  EXPECT_EQ(written("train:\n  depth: 5\n  # a note\n  trees: 7\n", "train.depth", "6"),
            "train:\n  depth: 6\n  # a note\n  trees: 7\n");
}

TEST(WithValues, NumbersStayNumbersAndTextsTexts) {
  EXPECT_EQ(written("n: 1\n", "n", "0.5"), "n: 0.5\n");
  EXPECT_EQ(written("b: true\n", "b", "false"), "b: false\n");
  // A text that looks like something else is in quotes, as it was a text before.
  EXPECT_EQ(written("day: \"2011-05-01\"\n", "day", "2011-10-24"), "day: '2011-10-24'\n");
  EXPECT_EQ(written("seed: \"7\"\n", "seed", "8"), "seed: '8'\n");
  EXPECT_EQ(written("", "name", "a: b"), "name: 'a: b'\n");
}

TEST(WithValues, TextsAreTextsToEveryReaderOfYaml) {
  for (const char* text : {"12:30", "yes", "off", "017", "1_000", "1_000.5", "0x10", "0o17", "+5", "1e3x"}) {
    const std::string after = written("n: 0\n", "n", text);
    const Result<yaml::Node> older = yaml::parse(after, "params.yaml", yaml::Schema::kYaml11);
    ASSERT_TRUE(older.ok()) << after;
    EXPECT_TRUE(older->find("n")->is_string()) << after;
    EXPECT_EQ(older->find("n")->text, text);
  }
  EXPECT_EQ(written("n: 0\n", "n", "-5"), "n: -5\n");
  EXPECT_EQ(written("n: 0\n", "n", "1e+22"), "n: 1e+22\n");
}

TEST(WithValues, MakesWhatIsNotThere) {
  EXPECT_EQ(written("", "train.depth", "5"), "train:\n  depth: 5\n");
  EXPECT_EQ(written("a: 1\n", "b", "2"), "a: 1\nb: 2\n");
}

TEST(WithValues, RefusesAKeyInsideSomethingElse) {
  EXPECT_NE(written("train: 5\n", "train.depth", "6").find("no map"), std::string::npos);
  EXPECT_NE(written("- 1\n", "a", "6").find("no map"), std::string::npos);
  EXPECT_FALSE(with_values("a: [", "params.yaml", {{"params.yaml", "a", "1"}}).ok());
}

class RunFiles : public testing::Test {
 protected:
  void TearDown() override { std::filesystem::remove_all(folder_.path); }
  RunFolder folder_{std::filesystem::temp_directory_path() / ("slipway-" + random_hex32())};
};

TEST_F(RunFiles, SayWhatTheProcessIsTold) {
  RunRequest request;
  request.run = "r";
  request.attempt = 2;
  request.plan.pipeline = "train";
  request.plan.params = {{"params.yaml", "a", "1"}};
  request.project = "/a b";
  request.state = "/s";
  request.timeout_ms = 5;
  request.now_ms = 7;
  ASSERT_TRUE(write_request(folder_, request).ok());
  Result<RunRequest> read = read_request(folder_);
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(read->run, "r");
  EXPECT_EQ(read->attempt, 2);
  EXPECT_EQ(to_json(read->plan), to_json(request.plan));
  EXPECT_EQ(read->project, request.project);
  EXPECT_EQ(read->timeout_ms, 5);
  EXPECT_TRUE(std::filesystem::is_directory(folder_.attempt(2)));
}

TEST_F(RunFiles, SayHowItEnded) {
  std::filesystem::create_directories(folder_.attempt(1));
  EXPECT_EQ(read_outcome(folder_, 1).error().code, Code::kMissing);
  RunOutcome outcome;
  outcome.kind = RunOutcome::Kind::kTimedOut;
  outcome.failed_stages = {"a", "b"};
  outcome.permanent = true;
  outcome.reason = "too long";
  outcome.commit = "c";
  outcome.ref = "refs/slipway/runs/r";
  outcome.spent_ms = 9;
  ASSERT_TRUE(write_outcome(folder_, 1, outcome).ok());
  Result<RunOutcome> read = read_outcome(folder_, 1);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->kind, outcome.kind);
  EXPECT_EQ(read->failed_stages, outcome.failed_stages);
  EXPECT_TRUE(read->permanent);
  EXPECT_EQ(read->reason, outcome.reason);
  EXPECT_EQ(read->ref, outcome.ref);
  EXPECT_EQ(read->spent_ms, 9);
}

TEST_F(RunFiles, NonsenseIsNoRequestAndNoOutcome) {
  std::filesystem::create_directories(folder_.attempt(1));
  for (const char* text : {"", "[]", "{}", R"({"run": "r", "attempt": 0, "plan": {}})"}) {
    ASSERT_TRUE(write_file_quick(folder_.request(), text).ok());
    EXPECT_FALSE(read_request(folder_).ok()) << text;
    ASSERT_TRUE(write_file_quick(folder_.outcome(1), text).ok());
    EXPECT_FALSE(read_outcome(folder_, 1).ok()) << text;
  }
}

TEST(AttemptOfARun, IsPartOfIt) {
  AttemptStarted fact;
  fact.id = "a";
  fact.inputs.stage = "train";
  fact.pipeline_run = "r";
  const graph::Edge expected{{graph::kind::kAttempt, "a"},
                             graph::relation::kPartOf,
                             {graph::kind::kPipelineRun, "r"},
                             wire::Json(wire::Json::Object())};
  GraphFacts facts = to_graph(fact);
  ASSERT_EQ(facts.edges.size(), 1u);
  EXPECT_EQ(facts.edges[0].cause, expected.cause);
  EXPECT_EQ(facts.edges[0].relation, expected.relation);
  fact.pipeline_run.clear();
  EXPECT_TRUE(to_graph(fact).edges.empty());
  EXPECT_EQ(to_json(fact).find("pipeline_run"), nullptr);
}

}  // namespace
}  // namespace slipway::flows
