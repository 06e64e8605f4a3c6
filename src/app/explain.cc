#include "app/explain.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "base/text.h"
#include "domain/evidence/explain.h"
#include "domain/registry/registry.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

std::string of_version(const std::string& model, std::int64_t number) {
  return "models:/" + model + "/" + std::to_string(number);
}

/// "models:/ID" is a logged model; where none has that id, a registered one by its bare name.
Result<std::string> resolve_bare(db::Tx& tx, const std::string& id) {
  const std::string logged = "model:" + id;
  if (TRY(graph::find_node(tx, TRY(evidence::parse_subject(logged))))) return logged;
  const auto meant = registry::meant_version(tx, id);
  if (!meant.ok()) return logged;  // explain says that nothing is known of it
  if (!*meant) return missing("model '" + id + "' has no version yet");
  return of_version(id, **meant);
}

/// "models:/NAME@ALIAS" and its kin become "models:/NAME/VERSION"; anything else stays.
Result<std::string> resolve(db::Pool& pool, const std::string& subject) {
  if (!registry::is_reference(subject)) return subject;
  registry::Reference reference = TRY(registry::parse_reference(subject));
  if (!reference.logged_model_id.empty())
    return pool.read([&](db::Tx& tx) { return resolve_bare(tx, reference.logged_model_id); });
  SystemClock clock;
  registry::Registry models(pool, clock);
  registry::Version version = TRY(models.resolve(reference));
  return of_version(version.model, version.number);
}

/// What let the version answer that did: a step of a rollout, or the version itself where none is
/// known.
graph::NodeRef cause_of(const PredictionView& view) {
  if (!view.step_ids.front().empty()) return {graph::kind::kRolloutStep, view.step_ids.front()};
  const serving::Layout& layout = view.answers.front().layout;
  return {graph::kind::kModelVersion, layout.model + "/" + layout.version};
}

/// Closures put together, each thing once.
class Union {
 public:
  explicit Union(graph::Node root) { add(std::move(root)); }

  void add(graph::Closure closure) {
    closure_.truncated |= closure.truncated;
    for (graph::Node& node : closure.nodes) add(std::move(node));
    for (graph::Edge& edge : closure.edges) add(std::move(edge));
  }
  /// Not over what is known of it already.
  void add(graph::Node node) {
    if (nodes_.insert(node.ref).second) closure_.nodes.push_back(std::move(node));
  }
  void add(graph::Edge edge) {
    auto key = std::tuple(edge.effect, edge.relation, edge.cause, wire::dump(edge.attributes));
    if (edges_.insert(std::move(key)).second) closure_.edges.push_back(std::move(edge));
  }
  graph::Closure take() { return std::move(closure_); }

 private:
  graph::Closure closure_;
  std::set<graph::NodeRef> nodes_;
  std::set<std::tuple<graph::NodeRef, std::string, graph::NodeRef, std::string>> edges_;
};

graph::Edge edge_of(const graph::NodeRef& effect, const char* relation,
                    const graph::NodeRef& cause) {
  return {effect, relation, cause, wire::Json(wire::Json::Object())};
}

/// Nothing for a thing that is no longer known.
Result<> add_causes(db::Tx& tx, const graph::NodeRef& ref, Union& all) {
  Result<graph::Closure> causes = evidence::explain(tx, ref, graph::Direction::kToCauses);
  if (causes.ok())
    all.add(std::move(*causes));
  else if (causes.error().code != Code::kMissing)
    return causes.error();
  return {};
}

/// The earlier steps of the same rollout that verdicts decided: gates, and the trials before.
Result<> add_earlier_steps(db::Tx& tx, const graph::NodeRef& step, Union& all) {
  constexpr std::int64_t kStepsMax = 100;
  const std::size_t slash = step.id.rfind('/');
  const std::int64_t number = to_int64(step.id.substr(slash + 1)).value_or(0);
  for (std::int64_t n = number - 1; n > 0 && n >= number - kStepsMax; --n) {
    const graph::NodeRef earlier{step.kind, step.id.substr(0, slash + 1) + std::to_string(n)};
    const std::vector<graph::Edge> causes = TRY(graph::causes_of(tx, earlier));
    const bool decided = std::any_of(causes.begin(), causes.end(), [](const graph::Edge& edge) {
      return edge.relation == graph::relation::kDecidedBy;
    });
    if (!decided) continue;
    all.add(edge_of(step, graph::relation::kFollows, earlier));
    TRY(add_causes(tx, earlier, all));
  }
  return {};
}

/// The version of the view by which its features were looked up.
Result<> add_features(db::Tx& tx, const graph::NodeRef& prediction, const PredictionView& view,
                      Union& all) {
  const auto& looked_up = view.answers.front().prediction.looked_up;
  if (!looked_up) return {};
  const graph::NodeRef version{graph::kind::kFeatureViewVersion,
                               looked_up->view + "@" + looked_up->view_version};
  TRY(add_causes(tx, version, all));
  // A view that no training set was made with is not in the graph.
  all.add(graph::Node{version, wire::Json(wire::Json::Object()), 0});
  all.add(edge_of(prediction, graph::relation::kUsed, version));
  return {};
}

/// The prediction, and behind it all that its version comes from, and what let it answer.
Result<graph::Closure> closure_of(db::Pool& pool, const PredictionView& view,
                                  graph::Direction direction) {
  wire::Json attributes = to_json(view);
  const graph::NodeRef ref{graph::kind::kPrediction, attributes.find("id")->as_string()};
  Union all({ref, std::move(attributes), view.id.time_ms()});
  if (direction == graph::Direction::kToEffects) return all.take();
  const graph::NodeRef cause = cause_of(view);
  all.add(edge_of(ref, graph::relation::kAnsweredBy, cause));
  TRY(pool.read([&](db::Tx& tx) -> Result<> {
    TRY(add_causes(tx, cause, all));
    TRY(add_features(tx, ref, view, all));
    if (cause.kind != graph::kind::kRolloutStep) return {};
    return add_earlier_steps(tx, cause, all);
  }));
  return all.take();
}

Result<Explained> explain_prediction(db::Pool& pool, const std::filesystem::path& state,
                                     std::string_view id, graph::Direction direction,
                                     const FlushLog& flush) {
  Explained explained;
  explained.prediction = TRY(find_prediction(pool, state, id, flush));
  explained.closure = TRY(closure_of(pool, *explained.prediction, direction));
  return explained;
}

}  // namespace

std::string to_text(const Explained& explained, graph::Direction direction) {
  std::string tree = evidence::to_tree(explained.closure, direction);
  if (explained.prediction)
    tree.insert(std::min(tree.size(), tree.find('\n') + 1), to_text(*explained.prediction));
  return tree;
}

Result<Explained> explain(db::Pool& pool, const std::filesystem::path& state,
                          const std::string& subject, graph::Direction direction,
                          const FlushLog& flush) {
  constexpr std::string_view kPrediction = "prediction:";
  const std::string_view id = std::string_view(subject).starts_with(kPrediction)
                                  ? std::string_view(subject).substr(kPrediction.size())
                                  : std::string_view(subject);
  if (is_prediction_id(id)) return explain_prediction(pool, state, id, direction, flush);
  const std::string resolved = TRY(resolve(pool, subject));
  const graph::NodeRef ref = TRY(evidence::parse_subject(resolved));
  return Explained{
      TRY(pool.read([&](db::Tx& tx) { return evidence::explain(tx, ref, direction); })), {}};
}

}  // namespace slipway::app
