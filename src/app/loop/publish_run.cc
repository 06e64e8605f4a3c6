#include "app/loop/publish_run.h"

#include <future>
#include <optional>

#include "base/failpoint.h"
#include "domain/registry/logged_models.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

using graph::NodeRef;
namespace kind = graph::kind;
namespace relation = graph::relation;

struct Made {
  bool is_registered = false;  // under the wanted name
  std::string model, run;      // the newest logged model, a finished one if there is any; ""
  bool is_ready = false;
  UnixMs created_ms = 0;
};

/// A client that got no answer asks again, and leaves a model behind that never gets its files.
bool is_better(const registry::LoggedModel& model, const Made& than) {
  const bool is_ready = model.status == registry::LoggedModelStatus::kReady;
  if (is_ready != than.is_ready) return is_ready;
  return model.created_ms >= than.created_ms;
}

Result<std::vector<NodeRef>> effects(db::Tx& tx, const NodeRef& cause, const char* by,
                                     const char* of_kind) {
  std::vector<NodeRef> found;
  for (const graph::Edge& edge : TRY(graph::effects_of(tx, cause)))
    if (edge.relation == by && edge.effect.kind == of_kind) found.push_back(edge.effect);
  return found;
}

bool is_version_of(const NodeRef& version, const std::string& model) {
  return version.id.substr(0, version.id.rfind('/')) == model;
}

Result<> look_at_run(db::Tx& tx, const NodeRef& run, const std::string& name, Made& made) {
  std::vector<NodeRef> sources = {run};
  for (const NodeRef& model : TRY(effects(tx, run, relation::kProducedBy, kind::kModel))) {
    sources.push_back(model);
    const auto logged = TRY(registry::find_logged_model(tx, model.id));
    if (!logged || logged->status == registry::LoggedModelStatus::kFailed) continue;
    if (!is_better(*logged, made)) continue;
    made.model = model.id;
    made.run = run.id;
    made.is_ready = logged->status == registry::LoggedModelStatus::kReady;
    made.created_ms = logged->created_ms;
  }
  for (const NodeRef& source : sources) {
    for (const NodeRef& version :
         TRY(effects(tx, source, relation::kProducedBy, kind::kModelVersion)))
      made.is_registered = made.is_registered || is_version_of(version, name);
  }
  return {};
}

Result<Made> made_by(db::Tx& tx, const flows::PipelineRun& run) {
  Made made;
  const NodeRef node{kind::kPipelineRun, run.id};
  for (const NodeRef& attempt : TRY(effects(tx, node, relation::kPartOf, kind::kAttempt))) {
    for (const NodeRef& tracked : TRY(effects(tx, attempt, relation::kProducedBy, kind::kRun)))
      TRY(look_at_run(tx, tracked, run.plan.register_model, made));
  }
  return made;
}

/// What a function that takes a Done answers, on this thread.
template <class T, class F>
Result<T> wait_for(F call) {
  std::promise<Result<T>> promise;
  auto answer = promise.get_future();
  call([&promise](Result<T> result) { promise.set_value(std::move(result)); });
  return answer.get();
}

}  // namespace

Result<> publish_run(db::Pool& pool, registry::Registry& registry, const flows::PipelineRun& run) {
  const std::string& name = run.plan.register_model;
  if (name.empty()) return {};
  const Made made = TRY(pool.read([&](db::Tx& tx) { return made_by(tx, run); }));
  if (made.is_registered || made.model.empty()) return {};
  const Result<registry::Model> model = wait_for<registry::Model>([&](auto done) {
    registry.create_model("slipway", {name, "", {}}, std::move(done));
  });
  if (!model.ok() && model.error().tag != "already_exists") return model.error();
  failpoint("run.model_made");
  registry::NewVersion version;
  version.model = name;
  version.source = "models:/" + made.model;
  version.run_id = made.run;
  version.logged_model_id = made.model;
  TRY(wait_for<registry::Version>(
      [&](auto done) { registry.create_version("slipway", std::move(version), std::move(done)); }));
  return {};
}

}  // namespace slipway::app
