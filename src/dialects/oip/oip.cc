#include "dialects/oip/oip.h"

#include <charconv>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "base/text.h"
#include "dialects/oip/infer.h"
#include "domain/serving/serving.h"
#include "io/http/compress.h"
#include "io/wire/codec.h"
#include "io/wire/json.h"

namespace slipway::oip {
namespace {

using http::Method;
using http::Place;
using http::Reply;
using http::Request;
using http::Response;
using serving::Loaded;
using serving::Serving;

constexpr http::Permission kRead = http::reads("serving");
constexpr std::uint64_t kSmallBodyBytes = 64u << 10;
constexpr std::size_t kCompressedBytesMin = 1024;  // what fits a packet gains nothing

struct ServerMetadata {
  std::string name, version;
  std::vector<std::string> extensions;
};
WIRE(ServerMetadata, name, version, extensions)

struct TensorMetadata {
  std::string name, datatype;
  std::vector<std::int64_t> shape;
};
WIRE(TensorMetadata, name, datatype, shape)

struct ColumnMetadata {
  std::string name;
  std::optional<std::string> type;  // MLflow's: "double"; nothing without a signature
  bool required = true;
};
WIRE(ColumnMetadata, name, type, required)

/// What the protocol has no member for; MLServer has it in the same place.
struct ModelParameters {
  std::string default_version;          // which one the bare name means
  std::vector<ColumnMetadata> columns;  // of the input matrix, in its order
};
WIRE(ModelParameters, default_version, columns)

struct ModelMetadata {
  std::string name;
  std::vector<std::string> versions;
  std::string platform;
  std::vector<TensorMetadata> inputs, outputs;
  ModelParameters parameters;
};
WIRE(ModelMetadata, name, versions, platform, inputs, outputs, parameters)

struct IndexParameters {
  bool is_default = false, loaded = false;
};
WIRE(IndexParameters, is_default, loaded)

struct IndexEntry {
  std::string name, version, state, reason;
  IndexParameters parameters;
};
WIRE(IndexEntry, name, version, state, reason, parameters)

struct IndexRequest {
  bool ready = false;
};
WIRE(IndexRequest, ready)

struct ModelList {
  std::vector<std::string> models;
};
WIRE(ModelList, models)

Response error_response(std::string_view message, int status) {
  std::string body = "{\"error\":";
  wire::append_quoted(body, message);
  body += '}';
  return Response::json(std::move(body), status);
}

Response render_error(const Error& error) {
  if (error.tag == "not_servable") return error_response(error.message, 501);
  return error_response(error.message, http::status_of(error.code));
}

Response not_found(const Request&, bool wrong_method) {
  return wrong_method ? error_response("Method Not Allowed", 405)
                      : error_response("Not Found", 404);
}

/// Serving's reason in Triton's words.
Error in_our_words(Error error, const std::string& model, const std::string& version) {
  const std::string unknown = "Request for unknown model: '" + model + "'";
  const std::string named = version.empty() ? unknown : unknown + " version " + version;
  if (error.tag == "unknown_model")
    error.message = unknown + " is not found";
  else if (error.tag == "no_versions")
    error.message = unknown + " has no available versions";
  else if (error.tag == "unknown_version")
    error.message = named + " is not found";
  else if (error.tag == "not_ready")
    error.message = named + " is not at ready state: " + error.message;
  else if (error.tag == "not_servable" || error.tag == "broken")
    error.message = "model '" + model + "': " + error.message;
  return error;
}

/// The address in a request's path. A version that is neither digits nor "@alias" names nothing.
struct Address {
  std::string model, version;
  bool valid = true;
};
Address address_of(const Request& request) {
  Address address;
  for (const auto& [name, value] : request.captures) {
    if (name == "model") address.model = value;
    if (name == "version") {
      address.version = value;
      const bool digits = value.find_first_not_of("0123456789") == std::string::npos;
      address.valid = !value.empty() && (digits || (value[0] == '@' && value.size() > 1));
    }
  }
  return address;
}

/// Calls use(version, reply), at once when the version is in memory, else on the loader's thread.
template <class Use>
void with_version(Serving& serving, const Address& address, Reply reply, Use use) {
  if (!address.valid) return reply.finish(error_response("Not Found", 404));
  if (Loaded version = serving.ready(address.model, address.version))
    return use(std::move(version), std::move(reply), true);
  serving.find_later(
      address.model, address.version,
      [address, reply = std::move(reply), use = std::move(use)](Result<Loaded> found) mutable {
        if (found.ok()) return use(std::move(*found), std::move(reply), false);
        reply.finish(in_our_words(std::move(found.error()), address.model, address.version));
      });
}

/// One inference on its way: what it needs lives until the reply is finished.
class Inference {
 public:
  Inference(Serving& serving, Loaded version, std::string model, Request request, Reply reply)
      : serving_(serving),
        version_(std::move(version)),
        model_(std::move(model)),
        request_(std::move(request)),
        reply_(std::move(reply)),
        coding_(http::to_coding(request_.headers.get("Content-Encoding"))),
        wanted_(http::preferred_coding(request_.headers.get("Accept-Encoding"))) {}

  /// On the loop when it is small and plain, else on a scorer's thread.
  static void start(std::unique_ptr<Inference> self, bool on_loop) {
    if (on_loop && self->request_.body.size() <= kSmallBodyBytes &&
        self->coding_ == http::Coding::kIdentity) {
      if (!self->read()) return;
      if (self->serving_.small(*self->version_, self->request_.body.size(), self->batch_.rows))
        return self->score();
      return later(std::move(self), /*read_first=*/false);
    }
    later(std::move(self), /*read_first=*/true);
  }

 private:
  static void later(std::unique_ptr<Inference> self, bool read_first) {
    Serving& serving = self->serving_;
    auto shared = std::make_shared<std::unique_ptr<Inference>>(std::move(self));
    auto queued = serving.run_later([shared, read_first] {
      Inference& inference = **shared;
      if (!read_first || inference.read()) inference.score();
    });
    if (!queued.ok()) (*shared)->fail(queued.error());
  }

  void fail(const Error& error) {
    serving_.count(*version_, 0, 0, /*failed=*/true);
    reply_.finish(error);
  }

  bool read() {
    began_ = serving_.clock().monotonic();
    auto fits = read_and_fit();
    if (!fits.ok()) fail(fits.error());
    return fits.ok();
  }

  Result<> read_and_fit() {
    if (coding_ != http::Coding::kIdentity) {
      request_.body = TRY(http::decompress(coding_, request_.body, InferLimits{}.bytes_max));
    }
    const std::string_view body = request_.body;
    const std::string_view length = request_.headers.get("Inference-Header-Content-Length");
    if (!request_.headers.has("Inference-Header-Content-Length")) {
      infer_ = TRY(read_infer_request(body, body.size(), model_));
    } else {
      const std::size_t header_bytes = TRY(header_length(length, body.size()));
      infer_ = header_bytes == 0 ? TRY(read_raw_request(*version_, body))
                                 : TRY(read_infer_request(body, header_bytes, model_));
    }
    batch_ = TRY(make_batch(*version_, model_, infer_));
    return {};
  }

  static Result<std::size_t> header_length(std::string_view text, std::size_t body_bytes) {
    std::int64_t value = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool number = !text.empty() && error == std::errc() && stop == text.data() + text.size();
    if (!number || value > std::numeric_limits<std::int32_t>::max() ||
        value < std::numeric_limits<std::int32_t>::min()) {
      return invalid("Unable to parse Inference-Header-Content-Length, got: " +
                     std::string(text.substr(0, 40)));
    }
    if (value < 0 || static_cast<std::uint64_t>(value) > body_bytes) {
      return invalid("inference header size should be in range (0, " + std::to_string(body_bytes) +
                     "), got: " + std::to_string(value));
    }
    return static_cast<std::size_t>(value);
  }

  void score() {
    Response response = answer(*version_, model_, infer_, batch_);
    serving_.count(*version_, batch_.rows, (serving_.clock().monotonic() - began_).count(),
                   /*failed=*/false);
    if (wanted_ != http::Coding::kIdentity && response.body.size() >= kCompressedBytesMin) {
      response.body = http::compress(wanted_, response.body);
      response.headers.add("Content-Encoding", wanted_ == http::Coding::kGzip ? "gzip" : "deflate");
    }
    reply_.finish(std::move(response));
  }

  Serving& serving_;
  Loaded version_;
  std::string model_;
  Request request_;
  Reply reply_;
  const http::Coding coding_, wanted_;
  InferRequest infer_;
  Batch batch_;
  std::chrono::nanoseconds began_{0};
};

void infer(Serving& serving, Request request, Reply reply) {
  const Address address = address_of(request);
  if (http::to_coding(request.headers.get("Content-Encoding")) == http::Coding::kUnknown) {
    Response refused =
        error_response("Content-Encoding is not supported, only gzip and deflate are", 501);
    refused.headers.add("Accept-Encoding", "gzip, deflate");
    return reply.finish(std::move(refused));
  }
  auto held = std::make_shared<Request>(std::move(request));
  with_version(serving, address, std::move(reply),
               [&serving, address, held](Loaded version, Reply to, bool on_loop) {
                 Inference::start(
                     std::make_unique<Inference>(serving, std::move(version), address.model,
                                                 std::move(*held), std::move(to)),
                     on_loop);
               });
}

std::vector<TensorMetadata> metadata_of(const std::vector<TensorFace>& faces) {
  std::vector<TensorMetadata> tensors;
  for (const TensorFace& face : faces)
    tensors.push_back({face.name, to_string(face.datatype), face.shape});
  return tensors;
}

std::vector<ColumnMetadata> column_metadata(const serving::LoadedVersion& version) {
  std::vector<ColumnMetadata> columns;
  for (const engine::Column& column : columns_of(version)) {
    const bool typed = column.type != engine::ColumnType::kOther;
    columns.push_back(
        {column.name,
         typed ? std::optional<std::string>(engine::to_string(column.type)) : std::nullopt,
         column.required});
  }
  return columns;
}

/// What the table says about a version's model; null when it is gone.
std::shared_ptr<const serving::ModelEntry> entry_of(const Serving& serving,
                                                    const std::string& model) {
  const auto table = serving.table();
  const auto found = table->models.find(model);
  return found == table->models.end() ? nullptr : found->second;
}

ModelMetadata describe(const Serving& serving, const Address& address,
                       const serving::LoadedVersion& version) {
  ModelMetadata model{address.model,
                      {version.version},
                      version.engine->traits().platform,
                      metadata_of(inputs_of(version)),
                      metadata_of(outputs_of(version)),
                      {"", column_metadata(version)}};
  const auto entry = entry_of(serving, address.model);
  if (!entry) return model;
  model.parameters.default_version = entry->meant;
  if (!address.version.empty()) return model;
  model.versions.clear();
  for (const auto& one : entry->versions) {
    if (one.answers()) model.versions.push_back(one.version);
  }
  return model;
}

void metadata(Serving& serving, const Request& request, Reply reply) {
  const Address address = address_of(request);
  with_version(serving, address, std::move(reply),
               [&serving, address](Loaded version, Reply to, bool) {
                 to.finish(Response::json(wire::encode(describe(serving, address, *version))));
               });
}

void model_ready(Serving& serving, const Request& request, Reply reply) {
  const Address address = address_of(request);
  if (!address.valid) return reply.finish(error_response("Not Found", 404));
  serving.find_later(address.model, address.version,
                     [address, reply = std::move(reply)](Result<Loaded> found) mutable {
                       if (!found.ok())
                         return reply.finish(error_response("Model version not ready", 400));
                       std::string body = "{\"name\":";
                       wire::append_quoted(body, address.model);
                       reply.finish(Response::json(body + ",\"ready\":true}"));
                     });
}

/// Triton's READY is a promise to answer, which an idle version keeps: it is loaded on the way.
IndexEntry index_entry(const serving::ModelEntry& model, const serving::VersionEntry& version) {
  IndexEntry entry{model.name,
                   version.version,
                   version.answers() ? "READY" : "UNAVAILABLE",
                   version.reason,
                   {version.version == model.meant, version.loaded != nullptr}};
  if (version.state == serving::State::kIdle) entry.reason = "loads when first asked";
  if (version.state == serving::State::kWaiting) entry.reason = "not looked at yet";
  return entry;
}

Result<Response> index(const Serving& serving, const Request& request) {
  IndexRequest wanted;
  if (!trim(request.body).empty())
    wanted = TRY(wire::decode<IndexRequest>(std::string_view(request.body)));
  std::vector<IndexEntry> entries;
  const auto table = serving.table();
  for (const auto& [name, model] : table->models) {
    for (const auto& version : model->versions) {
      if (!wanted.ready || version.answers()) entries.push_back(index_entry(*model, version));
    }
  }
  return Response::json(wire::encode(entries));
}

Response server_metadata() {
  return Response::json(wire::encode(
      ServerMetadata{"slipway", SLIPWAY_VERSION, {"binary_tensor_data", "parameters"}}));
}

Response model_list(const Serving& serving) {
  ModelList list;
  const auto table = serving.table();
  for (const auto& [name, model] : table->models) list.models.push_back(name);
  return Response::json(wire::encode(list));
}

Response health(const char* word, bool good) {
  return Response::json("{\"" + std::string(word) + "\":" + (good ? "true}" : "false}"),
                        good ? 200 : 400);
}

}  // namespace

void mount(http::Router& router, Serving& serving) {
  auto v2 = router.group("/v2", &render_error);
  v2.otherwise(&not_found);
  for (const char* root : {"", "/"}) {
    v2.add({Method::kGet, root, http::kPublic, Place::kInline},
           [](Request&) { return server_metadata(); });
  }
  v2.add({Method::kGet, "/health/live", http::kPublic, Place::kInline},
         [](Request&) { return health("live", true); });
  v2.add({Method::kGet, "/health/ready", http::kPublic, Place::kInline},
         [&serving](Request&) { return health("ready", serving.started()); });
  v2.add({Method::kGet, "/models", kRead, Place::kInline},
         [&serving](Request&) { return model_list(serving); });
  for (const char* path : {"/repository/index", "/repository/{repository}/index"}) {
    v2.add({Method::kPost, path, kRead, Place::kInline, 64u << 10},
           [&serving](Request& request) { return index(serving, request); });
  }
  for (const std::string path : {"/models/{model}", "/models/{model}/versions/{version}"}) {
    v2.add_late({Method::kGet, path, kRead, Place::kInline},
                [&serving](const Request& request, Reply reply) {
                  metadata(serving, request, std::move(reply));
                });
    v2.add_late({Method::kGet, path + "/ready", kRead, Place::kInline},
                [&serving](const Request& request, Reply reply) {
                  model_ready(serving, request, std::move(reply));
                });
    v2.add_late({Method::kPost, path + "/infer", kRead, Place::kInline},
                [&serving](Request request, Reply reply) {
                  infer(serving, std::move(request), std::move(reply));
                });
  }
}

}  // namespace slipway::oip
