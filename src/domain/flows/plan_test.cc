#include "domain/flows/plan.h"

#include <gtest/gtest.h>

namespace slipway::flows {
namespace {

PlanNode node(const std::string& name, std::vector<std::filesystem::path> deps,
              std::vector<std::filesystem::path> outs) {
  PlanNode result;
  result.name = name;
  result.file = "/p/dvc.yaml";
  result.deps = std::move(deps);
  for (const std::filesystem::path& out : outs) result.out_names.push_back(out.filename());
  result.outs = std::move(outs);
  return result;
}

Graph graph_of(std::vector<PlanNode> nodes) {
  Result<Graph> graph = Graph::build(std::move(nodes));
  EXPECT_TRUE(graph.ok()) << graph.error().message;
  return std::move(*graph);
}

std::string names(const Graph& graph, const std::vector<std::size_t>& order) {
  std::string text;
  for (std::size_t i : order) text += (text.empty() ? "" : " ") + graph.node(i).name;
  return text;
}

std::string tag_of(std::vector<PlanNode> nodes) {
  Result<Graph> graph = Graph::build(std::move(nodes));
  return graph.ok() ? "" : graph.error().tag;
}

/// x -> prepare -> train -> evaluate, and `other` beside them.
Graph chain() {
  return graph_of({node("evaluate", {"/p/model"}, {"/p/score"}),
                   node("train", {"/p/data"}, {"/p/model"}), node("other", {"/p/w"}, {"/p/v"}),
                   node("prepare", {"/p/x"}, {"/p/data"})});
}

TEST(Plan, RunsCausesBeforeEffectsWhateverTheOrderInTheFile) {
  Graph graph = chain();
  EXPECT_EQ(names(graph, graph.order({}, Selection::kWithUpstream)),
            "prepare train evaluate other");
}

TEST(Plan, ATargetBringsWhatItDependsOn) {
  Graph graph = chain();
  EXPECT_EQ(names(graph, graph.order({1}, Selection::kWithUpstream)), "prepare train");
  EXPECT_EQ(names(graph, graph.order({1}, Selection::kOnly)), "train");
  EXPECT_EQ(names(graph, graph.order({1}, Selection::kDownstream)), "train evaluate");
  EXPECT_EQ(names(graph, graph.order({1}, Selection::kPipelines)), "prepare train evaluate");
}

TEST(Plan, DependsOnTheFolderAroundAndOnWhatLiesInside) {
  Graph graph = graph_of({node("part", {"/p/d/one"}, {"/p/a"}), node("make", {}, {"/p/d"}),
                          node("all", {"/p/e"}, {"/p/b"}), node("inner", {}, {"/p/e/f/g"})});
  EXPECT_EQ(names(graph, graph.upstream(0)), "make");
  EXPECT_EQ(names(graph, graph.upstream(2)), "inner");
}

TEST(Plan, ANameThatOnlyBeginsTheSameIsAnother) {
  Graph graph = graph_of({node("a", {"/p/data2"}, {"/p/x"}), node("b", {}, {"/p/data"})});
  EXPECT_TRUE(graph.upstream(0).empty());
}

TEST(Plan, AFrozenStageIsCutFromItsCauses) {
  PlanNode frozen = node("b", {"/p/a"}, {"/p/b"});
  frozen.frozen = true;
  Graph graph = graph_of({node("a", {}, {"/p/a"}), frozen, node("c", {"/p/b"}, {"/p/c"})});
  EXPECT_EQ(names(graph, graph.order({2}, Selection::kWithUpstream)), "b c");
}

TEST(Plan, NamesAllThatWaitForAFailure) {
  Graph graph = chain();
  EXPECT_EQ(names(graph, graph.dependents(3)), "evaluate train");
}

TEST(Plan, RefusesWhatHasNoOrder) {
  EXPECT_EQ(tag_of({node("a", {"/p/y"}, {"/p/x"}), node("b", {"/p/x"}, {"/p/y"})}), "cycle");
  EXPECT_EQ(tag_of({node("a", {"/p/x"}, {"/p/x"})}), "cycle");
  EXPECT_EQ(tag_of({node("a", {}, {"/p/x"}), node("b", {}, {"/p/x"})}), "duplicate_output");
  EXPECT_EQ(tag_of({node("a", {}, {"/p/d"}), node("b", {}, {"/p/d/e"})}), "overlapping_outputs");
  EXPECT_EQ(tag_of({node("a", {}, {"/p/d/e"}), node("b", {}, {"/p/d"})}), "overlapping_outputs");
  EXPECT_EQ(tag_of({node("a", {}, {"/p/dvc.yaml"})}), "file_in_output");
}

TEST(Plan, ALongChainNeedsNoStack) {
  std::vector<PlanNode> nodes;
  for (int i = 0; i < 20'000; ++i) {
    std::string number = std::to_string(i);
    nodes.push_back(node(number, {"/p/" + std::to_string(i + 1)}, {"/p/" + number}));
  }
  Graph graph = graph_of(std::move(nodes));
  EXPECT_EQ(graph.order({}, Selection::kWithUpstream).front(), 19'999u);
}

TEST(Plan, AFrozenNodeDependsOnNothingButStillTouchesIt) {
  PlanNode frozen = node("train", {"/p/data"}, {"/p/model"});
  frozen.frozen = true;
  Graph graph = graph_of({frozen, node("prepare", {"/p/x"}, {"/p/data"}),
                          node("evaluate", {"/p/model"}, {}), node("other", {"/p/x"}, {})});
  EXPECT_EQ(names(graph, graph.upstream(0)), "");
  EXPECT_EQ(names(graph, graph.touching(0)), "prepare evaluate");
  EXPECT_EQ(names(graph, graph.touching(1)), "train");
  EXPECT_EQ(names(graph, graph.touching(3)), "");
}

}  // namespace
}  // namespace slipway::flows
