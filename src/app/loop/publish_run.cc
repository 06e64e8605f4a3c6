#include "app/loop/publish_run.h"

#include <algorithm>
#include <future>
#include <optional>

#include "base/failpoint.h"
#include "base/text.h"
#include "domain/registry/logged_models.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

using graph::NodeRef;
namespace kind = graph::kind;
namespace relation = graph::relation;

struct Made {
  std::vector<std::string> registered;  // models that got a version
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

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Result<> look_at_run(db::Tx& tx, const NodeRef& run, Made& made) {
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
      made.registered.push_back(version.id.substr(0, version.id.rfind('/')));
  }
  return {};
}

Result<Made> made_by(db::Tx& tx, const flows::PipelineRun& run) {
  Made made;
  const NodeRef node{kind::kPipelineRun, run.id};
  for (const NodeRef& attempt : TRY(effects(tx, node, relation::kPartOf, kind::kAttempt))) {
    for (const NodeRef& tracked : TRY(effects(tx, attempt, relation::kProducedBy, kind::kRun)))
      TRY(look_at_run(tx, tracked, made));
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

/// Makes the version that the pipeline declares.
Result<> register_model(registry::Registry& registry, const std::string& name, const Made& made) {
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

/// That the loop ends here: no model that the run is for got a version.
std::string words_of_nothing(const std::vector<std::string>& wanted, const Made& made,
                             bool is_declared) {
  std::string words = "no version of model " + join(wanted, " or ") + " was registered by this run";
  if (!made.registered.empty()) words += " (it registered " + join(made.registered, ", ") + ")";
  if (made.model.empty() && is_declared) return words + ": its stages logged no model";
  return words +
         ": its script logs a model with registered_model_name, or its pipeline has \"register: "
         "{model: " +
         wanted.front() + "}\"";
}

void add(const std::string& model, std::vector<std::string>& models) {
  if (!model.empty() && !has(models, model)) models.push_back(model);
}

bool is_watched_by(const project::DeploymentSpec& spec, const std::string& monitor) {
  return std::any_of(spec.monitors.begin(), spec.monitors.end(),
                     [&](const project::MonitorSpec& one) { return one.name == monitor; });
}

}  // namespace

std::vector<std::string> models_wanted(const flows::PipelineRun& run,
                                       const project::ProjectFile* file) {
  std::vector<std::string> models;
  add(run.plan.register_model, models);
  if (file == nullptr) return models;
  constexpr std::string_view kDeployments = "deployments/";
  for (const flows::RunPlan::Data& data : run.plan.data) {
    if (!data.from.starts_with(kDeployments)) continue;
    const auto* spec = file->find_deployment(data.from.substr(kDeployments.size()));
    if (spec != nullptr) add(spec->model, models);
  }
  for (const project::TriggerSpec& trigger : file->triggers) {
    const auto* incident = std::get_if<project::IncidentSource>(&trigger.source);
    if (incident == nullptr || trigger.name != run.trigger) continue;
    for (const project::DeploymentSpec& spec : file->deployments) {
      const bool is_meant = incident->deployment.empty() || incident->deployment == spec.name;
      const bool is_seen = incident->monitor.empty() || is_watched_by(spec, incident->monitor);
      if (is_meant && is_seen) add(spec.model, models);
    }
  }
  return models;
}

Result<std::string> publish_run(db::Pool& pool, registry::Registry& registry,
                                const flows::PipelineRun& run,
                                const std::vector<std::string>& wanted) {
  const std::string& name = run.plan.register_model;
  if (name.empty() && wanted.empty()) return std::string();
  Made made = TRY(pool.read([&](db::Tx& tx) { return made_by(tx, run); }));
  if (!name.empty() && !has(made.registered, name) && !made.model.empty()) {
    TRY(register_model(registry, name, made));
    made.registered.push_back(name);
  }
  const bool is_made =
      wanted.empty() || std::any_of(wanted.begin(), wanted.end(), [&](const std::string& model) {
        return has(made.registered, model);
      });
  return is_made ? std::string() : words_of_nothing(wanted, made, !name.empty());
}

}  // namespace slipway::app
