#include "domain/flows/facts.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "graph/kinds.h"

namespace slipway::flows {
namespace {

namespace kind = graph::kind;
namespace relation = graph::relation;

AttemptStarted a_start() {
  AttemptStarted fact;
  fact.id = "0190-attempt";
  fact.inputs.stage = "train";
  fact.inputs.pipeline = "sub/dvc.yaml";
  fact.inputs.command = "python train.py";
  fact.inputs.commit = {"c0ffee", true, "d1ff"};
  fact.inputs.data = {{"data/x", "11111111111111111111111111111111", 3, -1},
                      {"data/d", "22222222222222222222222222222222.dir", 5, 2}};
  fact.inputs.params = described(*wire::parse(R"({"params.yaml": {"lr": 0.1}})"));
  fact.environment = described(*wire::parse(R"({"system": {"machine": "x86_64"}})"));
  fact.host = "here";
  fact.started_ms = 1000;
  return fact;
}

AttemptEnded an_end() {
  AttemptEnded fact;
  fact.id = "0190-attempt";
  fact.stage = "train";
  fact.pipeline = "sub/dvc.yaml";
  fact.state = AttemptEnded::State::kSucceeded;
  fact.ended_ms = 2000;
  fact.outputs = {{"model", "33333333333333333333333333333333", 7, -1}};
  return fact;
}

/// Remembers what was delivered as the graph would see it.
struct Recorder final : FactSink {
  std::vector<GraphFacts> facts;
  Result<> started(const AttemptStarted& fact) override { return keep(to_graph(fact)); }
  Result<> ended(const AttemptEnded& fact) override { return keep(to_graph(fact)); }
  Result<> restored(const StageRestored& fact) override { return keep(to_graph(fact)); }
  Result<> flush() override { return {}; }
  Result<> keep(GraphFacts fact) {
    facts.push_back(std::move(fact));
    return {};
  }
};

bool has_edge(const GraphFacts& facts, const graph::NodeRef& effect, const char* how,
              const graph::NodeRef& cause) {
  return std::any_of(facts.edges.begin(), facts.edges.end(), [&](const graph::Edge& edge) {
    return edge.effect == effect && edge.relation == how && edge.cause == cause;
  });
}

TEST(Facts, AnAttemptUsedItsCommitDataParamsAndEnvironment) {
  AttemptStarted fact = a_start();
  GraphFacts facts = to_graph(fact);
  graph::NodeRef attempt{kind::kAttempt, fact.id};
  EXPECT_TRUE(has_edge(facts, attempt, relation::kUsed, {kind::kCommit, "c0ffee"}));
  for (const DataFact& data : fact.inputs.data) {
    EXPECT_TRUE(has_edge(facts, attempt, relation::kUsed, {kind::kData, data.md5}));
  }
  EXPECT_TRUE(
      has_edge(facts, attempt, relation::kUsed, {kind::kParams, fact.inputs.params.digest}));
  EXPECT_TRUE(
      has_edge(facts, attempt, relation::kUsed, {kind::kEnvironment, fact.environment.digest}));
  EXPECT_EQ(facts.edges.size(), 5u);
  EXPECT_EQ(facts.events.at(0).type, "attempt.started");
}

TEST(Facts, ADirtyTreeIsOnTheEdgeToItsCommit) {
  GraphFacts facts = to_graph(a_start());
  const wire::Json& attributes = facts.edges.at(0).attributes;
  EXPECT_TRUE(attributes.find("dirty")->as_bool());
  EXPECT_EQ(attributes.find("diff")->as_string(), "d1ff");
}

TEST(Facts, OutputsWereProducedByTheAttempt) {
  GraphFacts facts = to_graph(an_end());
  EXPECT_TRUE(has_edge(facts, {kind::kData, an_end().outputs[0].md5}, relation::kProducedBy,
                       {kind::kAttempt, an_end().id}));
  EXPECT_EQ(facts.events.at(0).type, "attempt.succeeded");
}

TEST(Facts, ARestoredStageMakesNoEdges) {
  StageRestored fact;
  fact.inputs = a_start().inputs;
  fact.outputs = an_end().outputs;
  GraphFacts facts = to_graph(fact);
  EXPECT_TRUE(facts.edges.empty());
  EXPECT_EQ(facts.events.at(0).type, "attempt.restored");
}

TEST(Facts, WhatWasRestoredFromElsewhereWasProducedByAnAttemptThatSaysSo) {
  StageRestored fact;
  fact.id = "0190-restored";
  fact.inputs = a_start().inputs;
  fact.outputs = an_end().outputs;
  fact.from_run_cache = true;
  GraphFacts facts = restored_attempt(fact);
  graph::NodeRef attempt{kind::kAttempt, fact.id};
  EXPECT_TRUE(has_edge(facts, {kind::kData, fact.outputs[0].md5}, relation::kProducedBy, attempt));
  EXPECT_TRUE(has_edge(facts, attempt, relation::kUsed, {kind::kData, fact.inputs.data[0].md5}));
  EXPECT_EQ(facts.nodes.at(0).second.find("state")->as_string(), "restored");
}

TEST(Facts, ATextTooLongForTheGraphIsCutAndSaysByHowMuch) {
  AttemptStarted fact = a_start();
  wire::Json values, file;
  values.set("lr", 0.1);
  values.set("long", std::string(1'200'000, 'x'));
  file.set("params.yaml", values);
  fact.inputs.params = described(file);
  Recorder recorder;
  ASSERT_TRUE(deliver(to_json(fact), recorder).ok());
  for (const auto& [ref, attributes] : recorder.facts.at(0).nodes) {
    EXPECT_LE(wire::dump(attributes).size(), 512u << 10);
    if (ref.kind != kind::kParams) continue;
    EXPECT_EQ(ref.id, fact.inputs.params.digest) << "named by what it was";
    const wire::Json* kept = attributes.find("values")->find("params.yaml");
    EXPECT_TRUE(*kept->find("lr") == wire::Json(0.1));
    EXPECT_TRUE(kept->find("long")->as_string().ends_with("x… (1134464 bytes more)"));
  }
}

TEST(Facts, ACutLeavesNoHalfLetterAndManyTextsAreCutMore) {
  wire::Json::Array many;
  std::string letters;
  for (int i = 0; i < 3000; ++i) letters += "ä";
  for (int i = 0; i < 200; ++i) many.emplace_back(letters);
  wire::Json attributes;
  attributes.set("many", many);
  std::string text = wire::dump(fitted(attributes));
  EXPECT_LE(text.size(), 512u << 10);
  EXPECT_TRUE(wire::parse(text).ok());
}

TEST(Facts, ArriveElsewhereAsTheyWere) {
  StageRestored restored;
  restored.id = "0190-restored";
  restored.inputs = a_start().inputs;
  restored.outputs = an_end().outputs;
  Recorder recorder;
  ASSERT_TRUE(deliver(to_json(a_start()), recorder).ok());
  ASSERT_TRUE(deliver(to_json(an_end()), recorder).ok());
  ASSERT_TRUE(deliver(to_json(restored), recorder).ok());
  std::vector<GraphFacts> direct = {to_graph(a_start()), to_graph(an_end()), to_graph(restored)};
  for (std::size_t i = 0; i < direct.size(); ++i) {
    ASSERT_EQ(recorder.facts[i].nodes.size(), direct[i].nodes.size());
    for (std::size_t k = 0; k < direct[i].nodes.size(); ++k) {
      EXPECT_EQ(recorder.facts[i].nodes[k].first, direct[i].nodes[k].first);
      EXPECT_EQ(wire::dump(recorder.facts[i].nodes[k].second),
                wire::dump(direct[i].nodes[k].second));
    }
    EXPECT_EQ(recorder.facts[i].edges.size(), direct[i].edges.size());
    EXPECT_EQ(wire::dump(recorder.facts[i].events.at(0).data),
              wire::dump(direct[i].events.at(0).data));
  }
}

TEST(Facts, WhatIsNoneIsRefused) {
  Recorder recorder;
  for (const char* text :
       {"{}", "[]", "3", R"({"fact": "begun"})", R"({"fact": "ended", "id": "x"})",
        R"({"fact": "ended", "id": "x", "stage": "s", "pipeline": "p", "state": "happy",
            "exit_code": 0, "signal": 0, "ended_ms": 1, "cpu_us": 1, "memory_max_kb": 1,
            "message": "", "outputs": []})",
        R"({"fact": "started", "id": 3})"}) {
    Result<> delivered = deliver(*wire::parse(text), recorder);
    ASSERT_FALSE(delivered.ok()) << text;
    EXPECT_EQ(delivered.error().code, Code::kInvalid);
  }
  EXPECT_TRUE(recorder.facts.empty());
}

TEST(Facts, ADescriptionIsNamedByItsCanonicalForm) {
  EXPECT_EQ(described(*wire::parse(R"({"b": 1, "a": 2})")).digest,
            described(*wire::parse(R"({"a":2,"b":1})")).digest);
  EXPECT_TRUE(described(wire::Json()).digest.empty());
}

TEST(Facts, UntrackedFilesStandBesideTheCommit) {
  AttemptStarted fact = a_start();
  fact.inputs.commit.untracked = 2;
  fact.inputs.commit.untracked_digest = "0123";
  GraphFacts facts = to_graph(fact);
  auto edge = std::find_if(facts.edges.begin(), facts.edges.end(),
                           [](const graph::Edge& one) { return one.cause.kind == "commit"; });
  ASSERT_NE(edge, facts.edges.end());
  EXPECT_EQ(wire::dump(edge->attributes),
            R"({"dirty":true,"diff":"d1ff","untracked":2,"untracked_digest":"0123"})");
  EXPECT_EQ(to_json(fact).find("untracked")->as_int64(), 2);
}

}  // namespace
}  // namespace slipway::flows
