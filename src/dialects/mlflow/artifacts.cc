#include "dialects/mlflow/artifacts.h"

#include <limits>

#include "dialects/mlflow/api.h"
#include "dialects/mlflow/artifact_files.h"
#include "dialects/mlflow/artifact_parts.h"
#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/registry_messages.h"
#include "dialects/mlflow/request.h"
#include "domain/registry/logged_models.h"
#include "domain/registry/names.h"
#include "domain/registry/registry.h"
#include "domain/tracking/tracking.h"

namespace slipway::mlflow {
namespace {

using blob::Blobs;
using http::Method;
using http::Place;
using http::Request;
using http::Response;
using registry::LoggedModels;
using registry::Registry;
using tracking::Tracking;

constexpr http::Permission kReads = http::reads("artifacts");
constexpr http::Permission kWrites = http::writes("artifacts");
constexpr std::size_t kPageUploadBytesMax = 10u << 20;

struct ListFolder {
  std::optional<std::string> path;
};
WIRE(ListFolder, path)
constexpr Parameter kListFolder[] = {{"path"}};

struct ListOfRun {
  std::string run_id, run_uuid;
  std::optional<std::string> path;
};
WIRE(ListOfRun, run_id, run_uuid, path)
constexpr Parameter kListOfRun[] = {{"run_id"}, {"run_uuid"}, {"path"}};

struct ListOfModel {
  std::optional<std::string> artifact_directory_path;
};
WIRE(ListOfModel, artifact_directory_path)
constexpr Parameter kListOfModel[] = {{"artifact_directory_path"}};

/// A folder that clients ask for by its absence is the root; one that they name must not be
/// absolute, and "" is the root too.
Result<std::string> folder_of(const std::optional<std::string>& path) {
  return safe_path(path.value_or(""));
}

// --- the proxy ----------------------------------------------------------------------------------

Result<Response> put(Blobs& blobs, Request& request) {
  const std::string key = TRY(path_to_write(request.capture("path")));
  const blob::Stored stored = TRY(upload(blobs, key, *request.body_stream));
  Response response;
  response.headers.set("ETag", etag_of(stored.sha256, stored.stamp));
  return response;
}

Result<Response> get(Blobs& blobs, const Request& request) {
  return download(blobs, request, TRY(safe_path(request.capture("path"))));
}

Result<Response> remove(Blobs& blobs, const MayRemove& may_remove, const Request& request) {
  const std::string key = TRY(safe_path(request.capture("path")));
  if (key.empty()) return invalid("Invalid path");  // it would empty the store
  if (may_remove) TRY(may_remove(key));
  TRY(blobs.remove(key));
  return empty_response();
}

Result<Response> list(Blobs& blobs, const Request& request) {
  const auto call = TRY(read_request<ListFolder>(request, kListFolder));
  return to_response(TRY(list_files(blobs, TRY(folder_of(call.path)), "")));
}

void mount_proxy(http::Router& router, Blobs& blobs, const MayRemove& may_remove,
                 const std::string& prefix) {
  Calls group(router, prefix + "/2.0/mlflow-artifacts");
  const auto add = [&](Method method, const char* path, http::Permission permission, auto* call) {
    group.add({method, path, permission, Place::kBlocking},
              [&blobs, call](Request& request) { return call(blobs, request); });
  };
  constexpr char kFile[] = "/artifacts/{path*}";
  add(Method::kGet, "/artifacts", kReads, &list);
  add(Method::kGet, kFile, kReads, &get);
  group.add({Method::kDelete, kFile, kWrites, Place::kBlocking},
            [&blobs, may_remove](Request& request) { return remove(blobs, may_remove, request); });
  group.add({.method = Method::kPut,
             .pattern = kFile,
             .permission = kWrites,
             .place = Place::kBlocking,
             .body_bytes_max = std::numeric_limits<std::int64_t>::max(),
             .streams_body = true},
            [&blobs](Request& request) { return put(blobs, request); });
  mount_parts(group, blobs, prefix + "/2.0/mlflow-artifacts");
}

// --- below a run, a version, a logged model -----------------------------------------------------

Result<Response> list_below(Blobs& blobs, const std::string& location, const std::string& path) {
  FilesAnswer answer = TRY(list_files(blobs, below(TRY(root_of(location)), path), path));
  answer.root_uri = location;
  return to_response(answer);
}

Result<Response> download_below(Blobs& blobs, const Request& request, const std::string& location,
                                const std::string& path) {
  return download(blobs, request, below(TRY(root_of(location)), path));
}

Result<std::string> query_path(const Request& request, std::string_view parameter) {
  std::optional<std::string> path = request.query_value(parameter);
  if (path) return safe_path(*path);
  Error error = missing_parameter(parameter);
  error.tag = "bad_request";
  return error;
}

Result<Response> list_of_run(Blobs& blobs, Tracking& tracking, const Request& request) {
  const auto call = TRY(read_request<ListOfRun>(request, kListOfRun));
  const std::string& id = call.run_id.empty() ? call.run_uuid : call.run_id;
  if (id.empty()) return missing_parameter("run_id");
  const std::string path = TRY(folder_of(call.path));
  return list_below(blobs, TRY(tracking.run_info(id)).artifact_uri, path);
}

Result<Response> file_of_run(Blobs& blobs, Tracking& tracking, const Request& request) {
  const std::string path = TRY(query_path(request, "path"));
  std::optional<std::string> id = request.query_value("run_id");
  if (!id) id = request.query_value("run_uuid");
  if (!id) return missing_parameter("run_id");
  return download_below(blobs, request, TRY(tracking.run_info(*id)).artifact_uri, path);
}

Result<Response> file_of_version(Blobs& blobs, Registry& registry, const Request& request) {
  const std::string path = TRY(query_path(request, "path"));
  const std::string name = request.query_value("name").value_or("");
  TRY(registry::check_model_name(name));
  const std::int64_t number = TRY(to_version_number(request.query_value("version").value_or("")));
  return download_below(blobs, request, TRY(registry.version(name, number)).location, path);
}

Result<Response> list_of_model(Blobs& blobs, LoggedModels& models, const Request& request) {
  const auto call = TRY(read_request<ListOfModel>(request, kListOfModel));
  const std::string path = TRY(folder_of(call.artifact_directory_path));
  return list_below(blobs, TRY(models.find(request.capture("model_id"))).location, path);
}

Result<Response> file_of_model(Blobs& blobs, LoggedModels& models, const Request& request) {
  constexpr char kPath[] = "artifact_file_path";
  if (request.query_value(kPath).value_or("").empty()) {
    return Error{Code::kInvalid, "Request must include the \"artifact_file_path\" query parameter.",
                 "bad_request"};
  }
  const std::string path = TRY(query_path(request, kPath));
  return download_below(blobs, request, TRY(models.find(request.capture("model_id"))).location, path);
}

/// What people add on the page.
Result<Response> take_from_page(Blobs& blobs, Tracking& tracking, const Request& request) {
  const std::string id = request.query_value("run_uuid").value_or("");
  if (id.empty()) return invalid("Request must specify run_uuid.");
  const std::string given = request.query_value("path").value_or("");
  if (given.empty()) return invalid("Request must specify path.");
  const std::string path = TRY(path_to_write(given));
  if (request.body.empty()) return invalid("Request must specify data.");
  if (request.body.size() > kPageUploadBytesMax) {
    return invalid("Artifact size is too large. Max size is 10MB.");
  }
  const std::string root = TRY(root_of(TRY(tracking.run_info(id)).artifact_uri));
  std::unique_ptr<blob::Writer> object = TRY(blobs.create(below(root, path)));
  TRY(object->write(request.body));
  TRY(object->commit());
  return empty_response();
}

}  // namespace

void mount_artifacts(http::Router& router, Blobs& blobs, Registry& registry, LoggedModels& models,
                     Tracking& tracking, MayRemove may_remove) {
  mount_proxy(router, blobs, may_remove, "/api");
  mount_proxy(router, blobs, may_remove, "/ajax-api");

  Api api(router, "2.0");
  api.read(Method::kGet, "/artifacts/list", kReads,
           [&blobs, &tracking](Request& request) { return list_of_run(blobs, tracking, request); });
  api.read(Method::kGet, "/logged-models/{model_id}/artifacts/directories", kReads,
           [&blobs, &models](Request& request) { return list_of_model(blobs, models, request); });
  api.read(Method::kGet, "/logged-models/{model_id}/artifacts/files", kReads,
           [&blobs, &models](Request& request) { return file_of_model(blobs, models, request); });

  mount_presigned(api, blobs, models, tracking);

  // A little more is read, so that what is too large is told in MLflow's words.
  Calls(router, "/ajax-api/2.0/mlflow")
      .add({.method = Method::kPost,
            .pattern = "/upload-artifact",
            .permission = kWrites,
            .place = Place::kBlocking,
            .body_bytes_max = 2 * kPageUploadBytesMax},
           [&blobs, &tracking](Request& request) {
             return take_from_page(blobs, tracking, request);
           });

  Calls root(router, "");
  root.add({Method::kGet, "/get-artifact", kReads, Place::kBlocking},
           [&blobs, &tracking](Request& request) { return file_of_run(blobs, tracking, request); });
  root.add(
      {Method::kGet, "/model-versions/get-artifact", kReads, Place::kBlocking},
      [&blobs, &registry](Request& request) { return file_of_version(blobs, registry, request); });
}

}  // namespace slipway::mlflow
