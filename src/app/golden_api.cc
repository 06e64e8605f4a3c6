#include "app/golden_api.h"

#include "dialects/mlflow/artifact_path.h"
#include "domain/delivery/golden.h"
#include "domain/registry/logged_models.h"
#include "graph/graph.h"
#include "graph/kinds.h"
#include "io/wire/json.h"

namespace slipway::app {
namespace {

constexpr int kRunsMax = 1000;

/// What was produced by `cause` and is of that kind.
Result<std::vector<std::string>> products(db::Tx& tx, const graph::NodeRef& cause,
                                          const char* kind) {
  std::vector<std::string> ids;
  for (const graph::Edge& edge : TRY(graph::effects_of(tx, cause, kRunsMax))) {
    if (edge.relation == graph::relation::kProducedBy && edge.effect.kind == kind)
      ids.push_back(edge.effect.id);
  }
  return ids;
}

/// A model and the folder it lies in.
struct Logged {
  std::string uri, location;
};

Result<std::vector<Logged>> models_of_run(db::Tx& tx, const std::string& run) {
  std::vector<Logged> models;
  for (const std::string& id : TRY(products(tx, {graph::kind::kRun, run}, graph::kind::kModel))) {
    const auto model = TRY(registry::find_logged_model(tx, id));
    if (model && model->status == registry::LoggedModelStatus::kReady)
      models.push_back({"models:/" + id, model->location});
  }
  return models;
}

/// Clients of the time before logged models left them among the run's artifacts.
Result<> add_run_folders(blob::Blobs& blobs, const std::string& key, const std::string& uri,
                         int depth, std::vector<Logged>& models) {
  constexpr int kDepthMax = 3;
  std::vector<blob::Entry> entries = TRY(blobs.list(key));
  for (const blob::Entry& entry : entries) {
    if (entry.name == "MLmodel" && !entry.is_folder) {
      models.push_back({uri, mlflow::below(key, "")});
      return {};
    }
  }
  if (depth == kDepthMax) return {};
  for (const blob::Entry& entry : entries) {
    if (!entry.is_folder) continue;
    TRY(add_run_folders(blobs, mlflow::below(key, entry.name), uri + "/" + entry.name, depth + 1,
                        models));
  }
  return {};
}

Result<bool> has_golden(blob::Blobs& blobs, const std::string& folder) {
  return TRY(blobs.find(mlflow::below(folder, delivery::kGoldenFile))).has_value();
}

Result<wire::Json> models_json(const std::string& attempt, db::Pool& pool,
                               tracking::Tracking& tracking, blob::Blobs& blobs) {
  wire::Json::Array uris;
  const auto runs = TRY(pool.read([&](db::Tx& tx) {
    return products(tx, {graph::kind::kAttempt, attempt}, graph::kind::kRun);
  }));
  for (const std::string& run : runs) {
    std::vector<Logged> models = TRY(pool.read([&](db::Tx& tx) { return models_of_run(tx, run); }));
    for (Logged& model : models) {
      Result<std::string> key = mlflow::artifact_key(model.location);
      // Files elsewhere are nobody's to serve from here.
      model.location = key.ok() ? *key : "";
    }
    if (models.empty()) {
      const tracking::RunInfo info = TRY(tracking.run_info(run));
      Result<std::string> key = mlflow::artifact_key(info.artifact_uri);
      if (key.ok()) TRY(add_run_folders(blobs, *key, "runs:/" + run, 0, models));
    }
    for (const Logged& model : models) {
      if (!model.location.empty() && !TRY(has_golden(blobs, model.location)))
        uris.emplace_back(model.uri);
    }
  }
  return wire::Json(wire::Json::Object{{"models", std::move(uris)}});
}

}  // namespace

void mount_golden(http::Router& router, db::Pool& pool, tracking::Tracking& tracking,
                  blob::Blobs& blobs) {
  router.group("/api/slipway/v1", http::render_plain_error)
      .add({http::Method::kGet, "/attempts/{id}/models", http::reads("registry"),
            http::Place::kBlocking},
           [&](http::Request& request) -> Result<http::Response> {
             return http::Response::json(
                 wire::dump(TRY(models_json(request.capture("id"), pool, tracking, blobs))));
           });
}

}  // namespace slipway::app
