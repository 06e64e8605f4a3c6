#include "app/explain.h"

#include "domain/evidence/explain.h"
#include "domain/registry/registry.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

/// "models:/NAME@ALIAS" and its kin become "models:/NAME/VERSION"; anything else stays.
Result<std::string> resolve(db::Pool& pool, const std::string& subject) {
  if (!registry::is_reference(subject)) return subject;
  registry::Reference reference = TRY(registry::parse_reference(subject));
  if (!reference.logged_model_id.empty()) return "model:" + reference.logged_model_id;
  SystemClock clock;
  registry::Registry models(pool, clock);
  registry::Version version = TRY(models.resolve(reference));
  return "models:/" + version.model + "/" + std::to_string(version.number);
}

/// What let the version answer that did: a step of a rollout, or the version itself where none is
/// known.
graph::NodeRef cause_of(const PredictionView& view) {
  if (!view.step_ids.front().empty()) return {graph::kind::kRolloutStep, view.step_ids.front()};
  const serving::Layout& layout = view.answers.front().layout;
  return {graph::kind::kModelVersion, layout.model + "/" + layout.version};
}

/// The prediction, and behind it all that its version comes from.
Result<graph::Closure> closure_of(db::Pool& pool, const PredictionView& view,
                                  graph::Direction direction) {
  wire::Json attributes = to_json(view);
  const graph::NodeRef ref{graph::kind::kPrediction, attributes.find("id")->as_string()};
  graph::Closure closure;
  closure.nodes.push_back({ref, std::move(attributes), view.id.time_ms()});
  if (direction == graph::Direction::kToEffects) return closure;
  const graph::NodeRef cause = cause_of(view);
  Result<graph::Closure> behind =
      pool.read([&](db::Tx& tx) { return evidence::explain(tx, cause, direction); });
  closure.edges.push_back(
      {ref, graph::relation::kAnsweredBy, cause, wire::Json(wire::Json::Object())});
  if (!behind.ok() && behind.error().code == Code::kMissing) return closure;
  TRY(behind);
  closure.truncated = behind->truncated;
  for (graph::Node& node : behind->nodes) closure.nodes.push_back(std::move(node));
  for (graph::Edge& edge : behind->edges) closure.edges.push_back(std::move(edge));
  return closure;
}

Result<Explained> explain_prediction(db::Pool& pool, const std::filesystem::path& state,
                                     std::string_view id, graph::Direction direction) {
  Explained explained;
  explained.prediction = TRY(find_prediction(pool, state, id));
  explained.closure = TRY(closure_of(pool, *explained.prediction, direction));
  return explained;
}

}  // namespace

Result<Explained> explain(db::Pool& pool, const std::filesystem::path& state,
                          const std::string& subject, graph::Direction direction) {
  constexpr std::string_view kPrediction = "prediction:";
  const std::string_view id = std::string_view(subject).starts_with(kPrediction)
                                  ? std::string_view(subject).substr(kPrediction.size())
                                  : std::string_view(subject);
  if (is_prediction_id(id)) return explain_prediction(pool, state, id, direction);
  const std::string resolved = TRY(resolve(pool, subject));
  const graph::NodeRef ref = TRY(evidence::parse_subject(resolved));
  return Explained{
      TRY(pool.read([&](db::Tx& tx) { return evidence::explain(tx, ref, direction); })), {}};
}

}  // namespace slipway::app
