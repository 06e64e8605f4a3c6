#include "app/score_api.h"

#include "app/api.h"
#include "domain/project/applied.h"

namespace slipway::app {
namespace {

void add_watchers(const project::DeploymentSpec& deployment, evidence::Declared& declared) {
  for (const project::MonitorSpec& monitor : deployment.monitors) {
    const auto metric = declared.metrics.find(monitor.requirement);
    declared.watchers.push_back({deployment.name + "/" + monitor.name,
                                 metric == declared.metrics.end() ? "" : metric->second,
                                 monitor.delayed_labels, !monitor.against.empty()});
  }
}

/// Nothing before the first apply.
Result<evidence::Declared> declared_for(db::Tx& tx, const std::string& model) {
  evidence::Declared declared;
  const std::optional<project::Applied> applied = TRY(project::current(tx));
  if (!applied) return declared;
  for (const auto& one : applied->declared.file.use_case.requirements) {
    declared.metrics[one.id] = one.metric;
  }
  for (const project::DeploymentSpec& one : applied->declared.file.deployments) {
    if (one.model == model) add_watchers(one, declared);
  }
  return declared;
}

}  // namespace

Result<evidence::TestScore> test_score(db::Tx& tx, const std::string& model) {
  return evidence::score_of(TRY(evidence::score_facts(tx, model, TRY(declared_for(tx, model)))));
}

void mount_score(http::Router& router, db::Pool& pool) {
  router.group("/api/slipway/v1", http::render_plain_error)
      .add({http::Method::kGet, "/models/{model}/score", http::reads("graph"),
            http::Place::kBlocking},
           [&pool](http::Request& request) -> Result<http::Response> {
             const bool words = TRY(wants_words(request));
             const evidence::TestScore score = TRY(
                 pool.read([&](db::Tx& tx) { return test_score(tx, request.capture("model")); }));
             if (words) return http::Response::text(evidence::to_text(score));
             return http::Response::json(wire::dump(evidence::to_json(score)));
           });
}

}  // namespace slipway::app
