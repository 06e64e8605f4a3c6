#include "dialects/oip/oip.h"

#include <charconv>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "base/text.h"
#include "dialects/oip/infer.h"
#include "domain/serving/request_facts.h"
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
using serving::Assignment;
using serving::Deployment;
using serving::Deployments;
using serving::Loaded;
using serving::Serving;

/// Who can answer.
struct Services {
  Serving& serving;
  Deployments& deployments;
};

constexpr http::Permission kRead = http::reads("serving");
constexpr std::uint64_t kSmallBodyBytes = 64u << 10;
constexpr std::uint64_t kSmallKeysBytes = 4u << 10;
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
  std::string default_version;            // which one the bare name means
  std::optional<std::string> deployment;  // that answers for the name
  std::vector<ColumnMetadata> columns;    // of the input matrix, in its order
};
WIRE(ModelParameters, default_version, deployment, columns)

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
  else if (error.tag == "not_ready" || error.tag == "not_deployed")
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

/// The version of a deployment that an address means: digits, or an alias of its model, have to be
/// on the route.
std::string version_meant(const Serving& serving, const serving::Deployed& deployed,
                          const std::string& version) {
  if (version.empty() || version[0] != '@') return version;
  const auto table = serving.table();
  const auto model = table->models.find(deployed.route.model);
  if (model == table->models.end()) return version;
  const serving::VersionEntry* entry = model->second->find(version);
  return entry == nullptr ? version : entry->version;
}

Result<Assignment> assign(const Services& services, const Deployment& deployment,
                          const std::string& version, const std::string& key) {
  if (version.empty()) return services.deployments.assign(deployment, key);
  return services.deployments.assign_version(
      deployment, version_meant(services.serving, *deployment, version), key);
}

/// One inference on its way: what it needs lives until the reply is finished.
class Inference {
 public:
  /// By a version that the registry means.
  Inference(Services services, Loaded version, Address address, Request request, Reply reply)
      : services_(services),
        version_(std::move(version)),
        address_(std::move(address)),
        request_(std::move(request)),
        reply_(std::move(reply)),
        coding_(http::to_coding(request_.headers.get("Content-Encoding"))),
        wanted_(http::preferred_coding(request_.headers.get("Accept-Encoding"))) {}
  /// By a deployment, that serves `version` at least.
  Inference(Services services, Deployment deployment, Loaded version, Address address,
            Request request, Reply reply)
      : Inference(services, std::move(version), std::move(address), std::move(request),
                  std::move(reply)) {
    deployment_ = std::move(deployment);
  }

  /// On the loop when it is small and plain, else on a scorer's thread.
  static void start(std::unique_ptr<Inference> self, bool on_loop) {
    if (on_loop && self->request_.body.size() <= self->small_body_bytes() &&
        self->coding_ == http::Coding::kIdentity) {
      if (!self->read()) return;
      const Serving& serving = self->services_.serving;
      if (serving.small(*self->version_, self->request_.body.size(), self->batch_.rows))
        return self->score();
      return later(std::move(self), /*read_first=*/false);
    }
    later(std::move(self), /*read_first=*/true);
  }

 private:
  /// A key takes few bytes, and its features many steps.
  std::uint64_t small_body_bytes() const {
    const bool looks_up = deployment_ && !deployment_->route.features.empty();
    return looks_up ? kSmallKeysBytes : kSmallBodyBytes;
  }

  static void later(std::unique_ptr<Inference> self, bool read_first) {
    Serving& serving = self->services_.serving;
    auto shared = std::make_shared<std::unique_ptr<Inference>>(std::move(self));
    auto queued = serving.run_later([shared, read_first] {
      Inference& inference = **shared;
      if (!read_first || inference.read()) inference.score();
    });
    if (!queued.ok()) (*shared)->fail(queued.error());
  }

  void fail(const Error& error) {
    services_.serving.count(*version_, 0, 0, /*failed=*/true);
    reply_.finish(in_our_words(error, address_.model, address_.version));
  }

  bool read() {
    began_ = services_.serving.clock().monotonic();
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
      infer_ = TRY(read_infer_request(body, body.size(), address_.model));
    } else {
      const std::size_t header_bytes = TRY(header_length(length, body.size()));
      infer_ = header_bytes == 0 ? TRY(read_raw_request(*version_, body))
                                 : TRY(read_infer_request(body, header_bytes, address_.model));
    }
    if (deployment_) return fit_deployed();
    batch_ = TRY(make_batch(*version_, address_.model, infer_));
    return {};
  }

  /// Who answers is drawn by the request's key; what it sent has to fit that version.
  Result<> fit_deployed() {
    const auto said = [this](const std::string& parameter, const char* header) {
      return parameter.empty() ? request_.headers.get(header) : std::string_view(parameter);
    };
    facts_ = TRY(
        serving::request_facts({said(infer_.slipway_key, serving::kKeyHeader),
                                said(infer_.event_time, serving::kEventTimeHeader), infer_.id}));
    assignment_ = TRY(assign(services_, deployment_, address_.version, facts_.key));
    auto fitted = fit_assigned();
    if (!fitted.ok()) fitted = fit_stable(fitted.error());
    batch_ = TRY(std::move(fitted));
    version_ = assignment_.version;
    return {};
  }

  /// A candidate with other columns is asked for what the stable version reads: who sends rows
  /// without names means its order.
  Result<Batch> fit_assigned() {
    if (serving::reads_as_stable(assignment_)) {
      auto fitted = fit(*deployment_->stable);
      assignment_.as_stable = fitted.ok();
      if (fitted.ok()) return fitted;
    }
    return fit(*assignment_.version);
  }

  /// The rows as sent, or filled up where they have only keys.
  Result<Batch> fit(const serving::LoadedVersion& version) {
    facts_.looked_up.clear();
    facts_.entity.reset();
    const auto lookup = TRY(services_.deployments.lookup(*deployment_));
    if (!lookup) return make_batch(version, address_.model, infer_);
    std::vector<std::string_view> names;
    for (const InputTensor& input : infer_.inputs) names.push_back(input.name);
    if (!serving::asks_for_features(lookup->plan().view(), version, names))
      return make_batch(version, address_.model, infer_);
    const SentColumns sent = TRY(sent_columns(version, address_.model, infer_));
    const UnixMs at_ms =
        facts_.event_time_ms.value_or(services_.deployments.now_ms());
    auto enriched = serving::enrich(*lookup, version, sent.columns, sent.rows, at_ms);
    if (!enriched.ok()) {
      enriched.error().message = infer_.prefix() + enriched.error().message;
      return enriched.error();
    }
    facts_.looked_up = std::move(enriched->looked_up);
    facts_.entity = std::move(enriched->entity);
    return Batch{sent.rows, std::move(enriched->cells)};
  }

  /// What the stable version can read and a candidate on trial can't is the candidate's error.
  Result<Batch> fit_stable(Error error) {
    const bool trial = assignment_.role == delivery::Role::kCandidate && !assignment_.chosen;
    if (!trial || !deployment_->stable) return error;
    Batch batch = TRY(fit(*deployment_->stable));
    services_.deployments.fail(assignment_, facts_, services_.deployments.now_ms(), error);
    assignment_.role = delivery::Role::kStable;
    assignment_.version = deployment_->stable;
    assignment_.chosen = true;  // counted once, as the candidate's
    return batch;
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
    if (deployment_) return score_deployed();
    Response response = answer(*version_, address_.model, infer_, batch_);
    services_.serving.count(*version_, batch_.rows,
                            (services_.serving.clock().monotonic() - began_).count(),
                            /*failed=*/false);
    send(std::move(response));
  }

  void score_deployed() {
    const std::string id = assignment_.id.text();
    auto scored = services_.deployments.answer(assignment_, std::move(batch_.cells), batch_.rows,
                                               facts_, services_.deployments.now_ms());
    Response response =
        scored.ok()
            ? respond(*scored->version, address_.model, infer_, batch_.rows, scored->values, id)
            : render_error(in_our_words(scored.error(), address_.model, address_.version));
    response.headers.reserve(response.headers.all().size() + 2);
    response.headers.add(serving::kPredictionIdHeader, id);
    response.headers.add(serving::kRouteHeader,
                         serving::route_text(assignment_, scored.ok() && scored->fell_back));
    // Whoever waits for requests to leave an older route sees this one gone before its answer.
    assignment_ = {};
    deployment_ = nullptr;
    send(std::move(response));
  }

  void send(Response response) {
    if (wanted_ != http::Coding::kIdentity && response.body.size() >= kCompressedBytesMin) {
      response.body = http::compress(wanted_, response.body);
      response.headers.add("Content-Encoding", wanted_ == http::Coding::kGzip ? "gzip" : "deflate");
    }
    reply_.finish(std::move(response));
  }

  const Services services_;
  Deployment deployment_;  // null: the registry decided
  Loaded version_;
  const Address address_;
  Request request_;
  Reply reply_;
  const http::Coding coding_, wanted_;
  InferRequest infer_;
  serving::RequestFacts facts_;
  Assignment assignment_;
  Batch batch_;
  std::chrono::nanoseconds began_{0};
};

/// Any version of the route, to begin with; which one answers shows once the request is read.
void infer_deployed(const Services& services, Deployment deployment, const Address& address,
                    Request request, Reply reply) {
  if (!address.valid) return reply.finish(error_response("Not Found", 404));
  Loaded first = address.version.empty() ? deployment->stable : nullptr;
  if (!first) {
    auto assigned = assign(services, deployment, address.version, "");
    if (!assigned.ok()) {
      return reply.finish(
          in_our_words(std::move(assigned.error()), address.model, address.version));
    }
    first = std::move(assigned->version);
  }
  Inference::start(std::make_unique<Inference>(services, std::move(deployment), std::move(first),
                                               address, std::move(request), std::move(reply)),
                   /*on_loop=*/true);
}

void infer(const Services& services, Request request, Reply reply) {
  const Address address = address_of(request);
  if (http::to_coding(request.headers.get("Content-Encoding")) == http::Coding::kUnknown) {
    Response refused =
        error_response("Content-Encoding is not supported, only gzip and deflate are", 501);
    refused.headers.add("Accept-Encoding", "gzip, deflate");
    return reply.finish(std::move(refused));
  }
  auto deployment = services.deployments.find_one(address.model);
  if (!deployment.ok()) return reply.finish(deployment.error());
  if (*deployment) {
    return infer_deployed(services, std::move(*deployment), address, std::move(request),
                          std::move(reply));
  }
  auto held = std::make_shared<Request>(std::move(request));
  with_version(services.serving, address, std::move(reply),
               [services, address, held](Loaded version, Reply to, bool on_loop) {
                 Inference::start(std::make_unique<Inference>(services, std::move(version), address,
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

ModelMetadata describe(const Address& address, const serving::LoadedVersion& version) {
  return {address.model,
          {version.version},
          version.engine->traits().platform,
          metadata_of(inputs_of(version)),
          metadata_of(outputs_of(version)),
          {"", std::nullopt, column_metadata(version)}};
}

ModelMetadata describe_registered(const Serving& serving, const Address& address,
                                  const serving::LoadedVersion& version) {
  ModelMetadata model = describe(address, version);
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

/// The versions on a route: all that may answer.
std::vector<Loaded> versions_of(const serving::Deployed& deployed) {
  std::vector<Loaded> versions;
  if (deployed.stable) versions.push_back(deployed.stable);
  if (deployed.candidate) versions.push_back(deployed.candidate);
  return versions;
}

Result<Response> describe_deployed(const Services& services, const Deployment& deployment,
                                   const Address& address) {
  auto assigned = assign(services, deployment, address.version, "");
  if (!assigned.ok())
    return in_our_words(std::move(assigned.error()), address.model, address.version);
  const bool bare = address.version.empty();
  ModelMetadata model =
      describe(address, bare && deployment->stable ? *deployment->stable : *assigned->version);
  model.parameters.deployment = deployment->route.deployment;
  if (deployment->stable) model.parameters.default_version = deployment->stable->version;
  if (bare) {
    model.versions.clear();
    for (const Loaded& version : versions_of(*deployment))
      model.versions.push_back(version->version);
  }
  return Response::json(wire::encode(model));
}

void metadata(const Services& services, const Request& request, Reply reply) {
  const Address address = address_of(request);
  if (!address.valid) return reply.finish(error_response("Not Found", 404));
  auto deployment = services.deployments.find_one(address.model);
  if (!deployment.ok()) return reply.finish(deployment.error());
  if (*deployment) return reply.finish(describe_deployed(services, *deployment, address));
  with_version(
      services.serving, address, std::move(reply),
      [&serving = services.serving, address](Loaded version, Reply to, bool) {
        to.finish(Response::json(wire::encode(describe_registered(serving, address, *version))));
      });
}

void reply_ready(const std::string& model, bool ready, Reply reply) {
  if (!ready) return reply.finish(error_response("Model version not ready", 400));
  std::string body = "{\"name\":";
  wire::append_quoted(body, model);
  reply.finish(Response::json(body + ",\"ready\":true}"));
}

void model_ready(const Services& services, const Request& request, Reply reply) {
  const Address address = address_of(request);
  if (!address.valid) return reply.finish(error_response("Not Found", 404));
  auto deployment = services.deployments.find_one(address.model);
  if (!deployment.ok()) return reply.finish(deployment.error());
  if (*deployment) {
    const bool ready = assign(services, *deployment, address.version, "").ok();
    return reply_ready(address.model, ready, std::move(reply));
  }
  services.serving.find_later(address.model, address.version,
                              [address, reply = std::move(reply)](Result<Loaded> found) mutable {
                                reply_ready(address.model, found.ok(), std::move(reply));
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

IndexEntry deployed_entry(const std::string& name, const Deployment& deployment,
                          const Loaded& version) {
  return {name,
          version->version,
          "READY",
          version == deployment->stable ? "" : "candidate of a rollout",
          {version == deployment->stable, true}};
}

/// Whether no rollout could ever load it, for what its own files are.
bool can_not_be_served(const serving::VersionEntry& version) {
  return version.state == serving::State::kNotServable ||
         version.state == serving::State::kBroken;
}

/// Of a model with deployments: only what their rollouts have loaded answers.
IndexEntry index_entry_deployed(const std::vector<Deployment>& deployments,
                                const serving::ModelEntry& model,
                                const serving::VersionEntry& version) {
  std::vector<std::string> names;
  for (const Deployment& deployment : deployments) {
    if (const Loaded loaded = deployment->find(version.version))
      return deployed_entry(model.name, deployment, loaded);
    names.push_back(deployment->route.deployment);
  }
  const std::string reason = can_not_be_served(version)
                                 ? version.reason
                                 : "not loaded by the rollout of deployment " + join(names, ", ");
  return {model.name, version.version, "UNAVAILABLE", reason, {false, false}};
}

std::vector<IndexEntry> index_entries(const Services& services) {
  std::vector<IndexEntry> entries;
  std::map<std::string, std::vector<Deployment>, std::less<>> by_model;
  const auto table = services.serving.table();
  for (const Deployment& deployment : services.deployments.all()) {
    by_model[deployment->route.model].push_back(deployment);
    const std::string& name = deployment->route.deployment;
    if (name == deployment->route.model) continue;
    for (const Loaded& version : versions_of(*deployment))
      entries.push_back(deployed_entry(name, deployment, version));
  }
  for (const auto& [name, model] : table->models) {
    const auto deployed = by_model.find(name);
    for (const auto& version : model->versions) {
      entries.push_back(deployed == by_model.end()
                            ? index_entry(*model, version)
                            : index_entry_deployed(deployed->second, *model, version));
    }
  }
  return entries;
}

Result<Response> index(const Services& services, const Request& request) {
  IndexRequest wanted;
  if (!trim(request.body).empty())
    wanted = TRY(wire::decode<IndexRequest>(std::string_view(request.body)));
  std::vector<IndexEntry> entries = index_entries(services);
  if (wanted.ready)
    std::erase_if(entries, [](const auto& entry) { return entry.state != "READY"; });
  return Response::json(wire::encode(entries));
}

Response server_metadata() {
  return Response::json(wire::encode(
      ServerMetadata{"slipway", SLIPWAY_VERSION, {"binary_tensor_data", "parameters"}}));
}

Response model_list(const Services& services) {
  std::set<std::string> names;
  const auto table = services.serving.table();
  for (const auto& [name, model] : table->models) names.insert(name);
  for (const std::string& name : services.deployments.names()) names.insert(name);
  const ModelList list{{names.begin(), names.end()}};
  return Response::json(wire::encode(list));
}

Response health(const char* word, bool good) {
  return Response::json("{\"" + std::string(word) + "\":" + (good ? "true}" : "false}"),
                        good ? 200 : 400);
}

}  // namespace

void mount(http::Router& router, Serving& serving, Deployments& deployments) {
  const Services services{serving, deployments};
  auto v2 = router.group("/v2", &render_error);
  v2.otherwise(&not_found);
  for (const char* root : {"", "/"}) {
    v2.add({Method::kGet, root, http::kPublic, Place::kInline},
           [](Request&) { return server_metadata(); });
  }
  v2.add({Method::kGet, "/health/live", http::kPublic, Place::kInline},
         [](Request&) { return health("live", true); });
  v2.add({Method::kGet, "/health/ready", http::kPublic, Place::kInline},
         [services](Request&) {
           return health("ready",
                         services.serving.started() && !services.deployments.is_any_down());
         });
  v2.add({Method::kGet, "/models", kRead, Place::kInline},
         [services](Request&) { return model_list(services); });
  for (const char* path : {"/repository/index", "/repository/{repository}/index"}) {
    v2.add({Method::kPost, path, kRead, Place::kInline, 64u << 10},
           [services](Request& request) { return index(services, request); });
  }
  for (const std::string path : {"/models/{model}", "/models/{model}/versions/{version}"}) {
    v2.add_late({Method::kGet, path, kRead, Place::kInline},
                [services](const Request& request, Reply reply) {
                  metadata(services, request, std::move(reply));
                });
    v2.add_late({Method::kGet, path + "/ready", kRead, Place::kInline},
                [services](const Request& request, Reply reply) {
                  model_ready(services, request, std::move(reply));
                });
    v2.add_late({Method::kPost, path + "/infer", kRead, Place::kInline},
                [services](Request request, Reply reply) {
                  infer(services, std::move(request), std::move(reply));
                });
  }
}

}  // namespace slipway::oip
