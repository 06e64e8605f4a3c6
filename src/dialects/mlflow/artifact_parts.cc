#include "dialects/mlflow/artifact_parts.h"

#include "base/text.h"
#include "dialects/mlflow/artifact_files.h"
#include "dialects/mlflow/artifact_path.h"
#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/request.h"
#include "domain/registry/logged_models.h"
#include "domain/tracking/tracking.h"

namespace slipway::mlflow {
namespace {

using blob::Blobs;
using blob::DirectUse;
using http::Method;
using http::Place;
using http::Request;
using http::Response;

constexpr http::Permission kReads = http::reads("artifacts");
constexpr http::Permission kWrites = http::writes("artifacts");

constexpr std::uint64_t kPartBytesMax = 5ull << 30;  // S3's
constexpr std::chrono::hours kPartsLast{24};         // time to send all parts of a file
constexpr std::chrono::seconds kDownloadLasts{300};
constexpr std::int64_t kUploadLasts_s = 900, kLastsMax_s = 604'800;

struct CreateParts {
  std::string path;
  std::optional<std::int64_t> num_parts;
};
WIRE(CreateParts, path, num_parts)
constexpr Parameter kCreateParts[] = {{"path", Type::kText, kRequired},
                                      {"num_parts", Type::kInteger}};

struct PartMessage {
  std::int64_t part_number = 0;
  std::optional<std::string> etag;
};
WIRE(PartMessage, part_number, etag)
struct CompleteParts {
  std::string path, upload_id;
  std::vector<PartMessage> parts;
};
WIRE(CompleteParts, path, upload_id, parts)
constexpr Parameter kCompleteParts[] = {{"path", Type::kText, kRequired},
                                        {"upload_id"},
                                        {"parts", Type::kList, kRequired}};

struct AbortParts {
  std::string path, upload_id;
};
WIRE(AbortParts, path, upload_id)
constexpr Parameter kAbortParts[] = {{"path", Type::kText, kRequired}, {"upload_id"}};

struct PresignedUpload {
  std::string run_id, model_id, path;
  std::optional<std::int64_t> expiration;
};
WIRE(PresignedUpload, run_id, model_id, path, expiration)
constexpr Parameter kPresignedUpload[] = {{"run_id"},
                                          {"model_id"},
                                          {"path", Type::kText, kRequired},
                                          {"expiration", Type::kInteger}};
struct PresignedDownload {
  std::string run_id, path;
  std::optional<std::int64_t> expiration;
};
WIRE(PresignedDownload, run_id, path, expiration)
constexpr Parameter kPresignedDownload[] = {{"run_id", Type::kText, kRequired},
                                            {"path", Type::kText, kRequired},
                                            {"expiration", Type::kInteger}};

/// This server as the caller knows it: the Host has been checked, and a proxy that ends TLS says so.
std::string own_address(const Request& request) {
  const bool tls = request.headers.get("X-Forwarded-Proto") == "https";
  return (tls ? "https://" : "http://") + std::string(request.headers.get("Host"));
}

/// Clients send nothing of their own to an address they are told, so they are told this as well.
wire::Json headers_for(const Request& request) {
  wire::Json headers{wire::Json::Object{}};
  if (request.headers.has("Authorization")) {
    headers.set("Authorization", request.headers.get("Authorization"));
  }
  return headers;
}

void set_unless_empty(wire::Json& message, const char* name, wire::Json object) {
  if (!object.as_object().empty()) message.set(name, std::move(object));
}

Result<std::string> key_of(const Request& request, const std::string& local_path) {
  const std::string folder = TRY(safe_path(request.capture("path")));
  const std::string_view name = file_name_of(local_path);
  if (name.empty()) return invalid("Artifact path must include a filename (cannot end with '/').");
  return path_to_write(below(folder, std::string(name)));
}

/// One part's address, and what to send with it.
Result<wire::Json> credential(Blobs& blobs, const Request& request, const std::string& prefix,
                              const DirectUse& use) {
  wire::Json credential;
  std::optional<std::string> direct = TRY(blobs.direct_url(use));
  const bool is_ours = !direct.has_value();
  if (is_ours) {
    direct = own_address(request) + prefix + "/mpu/part/" + use.upload + "/" +
             std::to_string(use.part);
  }
  credential.set("url", std::move(*direct));
  credential.set("part_number", use.part);
  if (is_ours) set_unless_empty(credential, "headers", headers_for(request));
  return credential;
}

Result<Response> create_parts(Blobs& blobs, const std::string& prefix, const Request& request) {
  TRY(safe_path(request.capture("path")));
  const auto call = TRY(read_request<CreateParts>(request, kCreateParts));
  const std::string key = TRY(key_of(request, call.path));
  const std::int64_t count = call.num_parts.value_or(1);
  if (count < 1 || count > blob::kPartsMax) {
    return invalid("A file is uploaded in 1 to " + std::to_string(blob::kPartsMax) + " parts, not " +
                   std::to_string(count) + "; use larger parts.");
  }
  DirectUse use;
  use.what = DirectUse::What::kPart;
  use.key = key;
  use.upload = TRY(blobs.begin_parts(key));
  use.lasts = kPartsLast;
  wire::Json::Array credentials;
  for (use.part = 1; use.part <= count; ++use.part) {
    credentials.push_back(TRY(credential(blobs, request, prefix, use)));
  }
  wire::Json answer;
  answer.set("upload_id", use.upload);
  answer.set("credentials", std::move(credentials));
  return Response::json(wire::dump(answer, {.ascii = true}));
}

std::string unquoted(std::string etag) {
  if (etag.size() >= 2 && etag.front() == '"' && etag.back() == '"') {
    etag = etag.substr(1, etag.size() - 2);
  }
  return etag;
}

Result<Response> complete_parts(Blobs& blobs, const Request& request) {
  TRY(safe_path(request.capture("path")));
  const auto call = TRY(read_request<CompleteParts>(request, kCompleteParts));
  std::vector<blob::Part> parts;
  for (const PartMessage& part : call.parts) {
    if (part.part_number < 1 || part.part_number > blob::kPartsMax) {
      return invalid("Parts are numbered from 1 to " + std::to_string(blob::kPartsMax) + ", not " +
                     std::to_string(part.part_number) + ".");
    }
    parts.push_back({static_cast<int>(part.part_number), unquoted(part.etag.value_or(""))});
  }
  TRY(blobs.join_parts(TRY(key_of(request, call.path)), call.upload_id, parts));
  return empty_response();
}

Result<Response> abort_parts(Blobs& blobs, const Request& request) {
  TRY(safe_path(request.capture("path")));
  const auto call = TRY(read_request<AbortParts>(request, kAbortParts));
  TRY(blobs.drop_parts(TRY(key_of(request, call.path)), call.upload_id));
  return empty_response();
}

Result<Response> put_part(Blobs& blobs, const Request& request) {
  const std::optional<std::int64_t> number = to_int64(request.capture("number"));
  if (!number || *number < 1 || *number > blob::kPartsMax) {
    return invalid("There is no part '" + request.capture("number") + "' of an upload.");
  }
  std::unique_ptr<blob::Writer> part =
      TRY(blobs.create_part(request.capture("upload"), static_cast<int>(*number)));
  const blob::Stored stored = TRY(fill(*part, *request.body_stream));
  Response response;
  response.headers.set("ETag", '"' + stored.stamp + '"');
  return response;
}

/// Where a file can be fetched in parallel.
Result<Response> presigned(Blobs& blobs, const std::string& prefix, const Request& request) {
  const std::string key = TRY(safe_path(request.capture("path")));
  if (key.empty()) return invalid("Artifact path refers to a directory, not a file: ''");
  const std::optional<blob::Entry> file = TRY(blobs.find(key));
  if (!file) return missing("No such artifact: '" + key + "'");
  if (file->is_folder) {
    return invalid("Artifact path refers to a directory, not a file: '" + key + "'");
  }
  DirectUse use;
  use.key = key;
  use.lasts = kDownloadLasts;
  std::optional<std::string> direct = TRY(blobs.direct_url(use));
  wire::Json answer, headers{wire::Json::Object{}};
  if (!direct) {
    // Once more for every layer of escapes that is taken off.
    direct = own_address(request) + prefix + "/artifacts/" + http::percent_encode(key, "/");
    headers = headers_for(request);
  }
  answer.set("url", std::move(*direct));
  answer.set("headers", std::move(headers));
  answer.set("file_size", static_cast<std::int64_t>(file->bytes));
  return Response::json(wire::dump(answer, {.ascii = true}));
}

// --- for a run or a logged model, as clients of cloud stores ask -------------------------------

/// Of a file at `path` below `location`.
Result<wire::Json> presign(Blobs& blobs, DirectUse::What what, const std::string& location,
                           const std::string& path, std::int64_t lasts_s) {
  if (lasts_s < 1 || lasts_s > kLastsMax_s) {
    return invalid("expiration must be between 1 and " + std::to_string(kLastsMax_s) +
                   " seconds (got " + std::to_string(lasts_s) + ").");
  }
  const bool reads = what == DirectUse::What::kRead;
  DirectUse use{what, below(TRY(root_of(location)), path), "", 0, std::chrono::seconds(lasts_s)};
  std::optional<std::string> direct = TRY(blobs.direct_url(use));
  if (!direct) {
    return invalid(std::string("Presigned ") + (reads ? "download" : "upload") +
                   " is not supported for " + (reads ? "runs with " : "") +
                   "proxied artifact storage (artifact URI scheme: mlflow-artifacts). This "
                   "endpoint requires a " +
                   (reads ? "run with a " : "") + "direct cloud storage artifact URI.");
  }
  wire::Json answer;
  answer.set("presigned_url", std::move(*direct));
  if (!reads) return answer;
  if (const std::optional<blob::Entry> file = TRY(blobs.find(use.key)); file && !file->is_folder) {
    answer.set("file_size", static_cast<std::int64_t>(file->bytes));
  }
  return answer;
}

Result<Response> presign_upload(Blobs& blobs, registry::LoggedModels& models,
                                tracking::Tracking& tracking, const Request& request) {
  const auto call = TRY(read_request<PresignedUpload>(request, kPresignedUpload));
  if (call.run_id.empty() == call.model_id.empty()) {
    return invalid("Exactly one of run_id and model_id must be provided.");
  }
  const std::string path = TRY(path_to_write(call.path));
  const std::string location = call.run_id.empty() ? TRY(models.find(call.model_id)).location
                                                   : TRY(tracking.run_info(call.run_id)).artifact_uri;
  return Response::json(wire::dump(TRY(presign(blobs, DirectUse::What::kWrite, location, path,
                                               call.expiration.value_or(kUploadLasts_s))),
                                   {.ascii = true}));
}

Result<Response> presign_download(Blobs& blobs, tracking::Tracking& tracking,
                                  const Request& request) {
  const auto call = TRY(read_request<PresignedDownload>(request, kPresignedDownload));
  const std::string path = TRY(path_to_write(call.path));
  const std::string location = TRY(tracking.run_info(call.run_id)).artifact_uri;
  return Response::json(
      wire::dump(TRY(presign(blobs, DirectUse::What::kRead, location, path,
                             call.expiration.value_or(kDownloadLasts.count()))),
                 {.ascii = true}));
}

}  // namespace

std::string_view file_name_of(std::string_view local_path) {
  const std::size_t slash = local_path.find_last_of("/\\");
  return slash == std::string_view::npos ? local_path : local_path.substr(slash + 1);
}

Result<std::string> root_of(const std::string& location) {
  Result<std::string> key = artifact_key(location);
  if (!key.ok() && key.error().tag == "not_servable") {
    return Error{Code::kInvalid, key.error().message, "not_implemented"};
  }
  return key;
}

void mount_parts(Calls& group, Blobs& blobs, const std::string& prefix) {
  group.add({Method::kPost, "/mpu/create/{path*}", kWrites, Place::kBlocking},
            [&blobs, prefix](Request& request) { return create_parts(blobs, prefix, request); });
  group.add({Method::kPost, "/mpu/complete/{path*}", kWrites, Place::kBlocking},
            [&blobs](Request& request) { return complete_parts(blobs, request); });
  group.add({Method::kPost, "/mpu/abort/{path*}", kWrites, Place::kBlocking},
            [&blobs](Request& request) { return abort_parts(blobs, request); });
  group.add({.method = Method::kPut,
             .pattern = "/mpu/part/{upload}/{number}",
             .permission = kWrites,
             .place = Place::kBlocking,
             .body_bytes_max = kPartBytesMax,
             .streams_body = true},
            [&blobs](Request& request) { return put_part(blobs, request); });
  group.add({Method::kGet, "/presigned/{path*}", kReads, Place::kBlocking},
            [&blobs, prefix](Request& request) { return presigned(blobs, prefix, request); });
}

void mount_presigned(Api& api, Blobs& blobs, registry::LoggedModels& models,
                     tracking::Tracking& tracking) {
  api.read(Method::kPost, "/artifacts/presigned-upload-url", kWrites,
           [&blobs, &models, &tracking](Request& request) {
             return presign_upload(blobs, models, tracking, request);
           });
  api.read(Method::kPost, "/artifacts/presigned-download-url", kReads,
           [&blobs, &tracking](Request& request) {
             return presign_download(blobs, tracking, request);
           });
}

}  // namespace slipway::mlflow
