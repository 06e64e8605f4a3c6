#include "dialects/mlflow/tracking.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/tracking_routes.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Place;
using http::Request;
using http::Response;

struct Features {
  bool gateway = false;
};
WIRE(Features, gateway)
/// What a client may use beyond the plain API.
struct ServerInfo {
  std::string store_type = "SqlStore";
  bool workspaces_enabled = false;
  bool trace_archival_enabled = false;
  bool multipart_uploads_enabled = false;
  bool multipart_downloads_enabled = false;
  bool presigned_upload_run_id_supported = false;
  bool presigned_upload_model_id_supported = false;
  Features features_enabled;
};
WIRE(ServerInfo, store_type, workspaces_enabled, trace_archival_enabled, multipart_uploads_enabled,
     multipart_downloads_enabled, presigned_upload_run_id_supported,
     presigned_upload_model_id_supported, features_enabled)

/// What MLflow's server has and this one has not yet, by the word after ".../mlflow/".
constexpr std::string_view kLater[] = {
    "datasets",
    "demo",
    "gateway",
    "genai",
    "get-online-trace-details",
    "issues",
    "jobs",
    "label-schemas",
    "prompt-optimization",
    "review-queues",
    "scorer",
    "scorers",
    "traces",
    "ui-telemetry",
    "unified-traces",
    "workspaces",
};
bool comes_later(std::string_view path) {
  constexpr std::string_view kRoot = "/mlflow/";
  const std::size_t root = path.find(kRoot);
  if (root == std::string_view::npos) return false;
  const std::string_view rest = path.substr(root + kRoot.size());
  if (rest == "runs/create-promptlab-run") return true;
  const std::string_view word = rest.substr(0, rest.find('/'));
  return std::find(std::begin(kLater), std::end(kLater), word) != std::end(kLater);
}

Response no_endpoint(const Request& request, bool wrong_method) {
  const std::string what = std::string(to_string(request.method)) + " " + request.path;
  if (!wrong_method && comes_later(request.path)) return render_error(not_implemented(what));
  Response response =
      render_error({Code::kMissing,
                    wrong_method ? what + ": this method is not allowed here."
                                 : what +
                                       " is not an endpoint of this server; it answers a "
                                       "part of the API of MLflow " +
                                       kMlflowVersion + ".",
                    "endpoint"});
  if (wrong_method) response.status = 405;
  return response;
}

void mount_server(http::Router& router) {
  http::Router::Group root = router.group("", render_error);
  // As MLflow's: that the process lives, whatever has become of its database.
  root.add({Method::kGet, "/health", http::kPublic, Place::kInline},
           [](Request&) -> Result<Response> { return Response::text("OK"); });
  root.add({Method::kGet, "/version", http::kPublic, Place::kInline},
           [](Request&) -> Result<Response> { return Response::text(kMlflowVersion); });
  for (const char* prefix : {"/api/3.0/mlflow", "/ajax-api/3.0/mlflow"}) {
    router.group(prefix, render_error)
        .add({Method::kGet, "/server-info", http::kPublic, Place::kInline},
             [](Request&) -> Result<Response> { return to_response(ServerInfo{}); });
  }
  for (const Method method : {Method::kGet, Method::kPost}) {
    root.add({method, "/ajax-api/2.0/mlflow/gateway-proxy", http::kPublic, Place::kInline},
             [](Request&) -> Result<Response> { return Response::json("{\"endpoints\": []}"); });
  }
  for (const char* prefix : {"/api/2.0", "/api/3.0", "/ajax-api/2.0", "/ajax-api/3.0"}) {
    router.group(prefix, render_error).otherwise(no_endpoint);
  }
}

}  // namespace

void mount_tracking(http::Router& router, tracking::Tracking& tracking) {
  mount_server(router);
  Api api(router, "2.0");
  mount_experiments(api, tracking);
  mount_runs(api, tracking);
  mount_logging(api, tracking);
  mount_inputs(api, tracking);
  mount_histories(api, tracking);
  // MLflow's own definition of this one call lacks a slash, and clients made from it send it so.
  Api without_slash(router, "2.0", "mlflow");
  mount_search_datasets(without_slash, tracking);
}

}  // namespace slipway::mlflow
