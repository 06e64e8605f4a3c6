#include "dialects/mlflow/traces.h"

#include <algorithm>
#include <memory>

#include "base/ids.h"
#include "base/text.h"
#include "dialects/mlflow/api.h"
#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/otlp.h"
#include "dialects/mlflow/request.h"
#include "dialects/mlflow/trace_messages.h"
#include "dialects/mlflow/trace_search.h"
#include "domain/traces/traces.h"
#include "io/http/compress.h"
#include "io/wire/protobuf.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Request;
using http::Response;
using traces::Trace;
using wire::Json;

constexpr char kArtifactLocationTag[] = "mlflow.artifactLocation";
constexpr char kSpansLocationTag[] = "mlflow.trace.spansLocation";
constexpr char kSpansHere[] = "TRACKING_STORE";
constexpr std::uint64_t kOtlpBytesMax = 64u << 20;
constexpr std::size_t kIdsMax = 1000;

// --- calls --------------------------------------------------------------------------------------

struct StartCall {
  Json trace;
};
WIRE(StartCall, trace)
constexpr Parameter kStart[] = {{"trace", Type::kAny, kRequired}};

struct GetCall {
  std::string trace_id;
  bool allow_partial = false;
};
WIRE(GetCall, trace_id, allow_partial)
constexpr Parameter kGet[] = {{"trace_id", Type::kText, kRequired}, {"allow_partial", Type::kFlag}};

struct IdsCall {
  std::vector<std::string> trace_ids, experiment_ids;
  std::string run_id;
};
WIRE(IdsCall, trace_ids, experiment_ids, run_id)
constexpr Parameter kIds[] = {{"trace_ids", Type::kTexts, kRequired},
                              {"experiment_ids", Type::kTexts}};
constexpr Parameter kLink[] = {{"trace_ids", Type::kTexts, kRequired},
                               {"run_id", Type::kText, kRequired}};

struct SearchCall {
  std::vector<Json> locations;
  std::string filter;
  std::optional<std::int64_t> max_results;
  std::vector<std::string> order_by;
  std::string page_token;
};
WIRE(SearchCall, locations, filter, max_results, order_by, page_token)
constexpr Parameter kSearch[] = {{"locations", Type::kList, kRequired},
                                 {"filter"},
                                 {"max_results", Type::kInteger},
                                 {"order_by", Type::kTexts},
                                 {"page_token"}};

struct DeleteCall {
  std::string experiment_id;
  std::optional<std::int64_t> max_timestamp_millis, max_traces;
  std::vector<std::string> request_ids;
};
WIRE(DeleteCall, experiment_id, max_timestamp_millis, max_traces, request_ids)
constexpr Parameter kDelete[] = {{"experiment_id", Type::kText, kRequired},
                                 {"max_timestamp_millis", Type::kInteger},
                                 {"max_traces", Type::kInteger},
                                 {"request_ids", Type::kTexts}};

struct TagCall {
  std::string key, value;
};
WIRE(TagCall, key, value)
constexpr Parameter kTag[] = {{"key", Type::kText, kRequired}, {"value"}};

struct AssessmentCall {
  Json assessment;
  std::string update_mask;
};
WIRE(AssessmentCall, assessment, update_mask)
constexpr Parameter kAssess[] = {{"assessment", Type::kAny, kRequired}};
constexpr Parameter kChange[] = {{"assessment", Type::kAny, kRequired},
                                 {"update_mask", Type::kText, kRequired}};

Response json_response(const Json& json) {
  return Response::json(wire::dump(json, {.ascii = true, .non_finite_as_string = true}));
}

Json wrapped(const char* name, Json inner) {
  Json outer;
  outer.set(name, std::move(inner));
  return outer;
}

/// {"trace_info": ..., "spans": [...]}, with the spans as they are kept.
std::string whole_text(const Trace& trace, const std::vector<std::string>& spans) {
  std::string text = "{\"trace_info\":" + wire::dump(to_message(trace), {.ascii = true});
  if (!spans.empty()) text += ",\"spans\":[" + join(spans, ",") + "]";
  return text + "}";
}

const std::string* tag_of(const traces::Tags& tags, std::string_view key) {
  for (const traces::Tag& tag : tags) {
    if (tag.key == key) return &tag.value;
  }
  return nullptr;
}

/// Whether all spans that its maker counted are here.
bool is_whole(const Trace& trace, std::size_t spans) {
  const std::string* stats = tag_of(trace.metadata, kSizeStatsKey);
  if (stats == nullptr) return spans > 0;
  const Result<Json> parsed = wire::parse(*stats);
  const Json* count = parsed.ok() ? parsed->find("num_spans") : nullptr;
  const bool counts = count != nullptr && count->is_integer() && count->as_int64() > 0;
  return spans > 0 && (!counts || spans >= static_cast<std::size_t>(count->as_int64()));
}

Error not_whole(const std::string& id) {
  return missing("Trace with ID " + id + " is not fully exported yet, please try again later.");
}

Result<> check_mutable(const std::string& key, const char* what) {
  if (key != kSpansLocationTag && key != "mlflow.trace.archiveLocation") return {};
  return invalid("Tag '" + key + "' is immutable and cannot be " + what + " on a trace.");
}

Result<std::int64_t> experiment_number(const std::string& text) {
  if (const auto id = to_int64(text)) return *id;
  return invalid("Invalid experiment ID '" + text + "'. Experiment ID must be a valid integer.");
}

Result<> check_count(std::size_t count, const char* what) {
  if (count <= kIdsMax) return {};
  return invalid("A call may name " + std::to_string(kIdsMax) + " " + what + ", got " +
                 std::to_string(count));
}

/// Where MLflow's clients put files of a trace.
std::string artifact_location(const tracking::Experiment& experiment, const std::string& id) {
  std::string root = experiment.artifact_location;
  std::string query;
  if (const std::size_t at = root.find('?'); at != std::string::npos) {
    query = root.substr(at);
    root.resize(at);
  }
  if (!root.ends_with('/')) root += '/';
  return root + "traces/" + id + "/artifacts" + query;
}

/// Of a route that tells which experiments its caller may change.
traces::MayChange may_change(const Request& request) {
  return [changes = request.principal.experiments](std::int64_t experiment) {
    if (changes == nullptr) return true;
    const bool named = std::ranges::find(changes->names, std::to_string(experiment)) !=
                       changes->names.end();
    return named != changes->all_but;
  };
}

class Traces {
 public:
  Traces(db::Pool& pool, tracking::Tracking& tracking, const Clock& clock)
      : pool_(pool), tracking_(tracking), clock_(clock) {}

  Result<Response> start(const Request& request) {
    auto call = TRY(read_request<StartCall>(request, kStart));
    const Json* info = call.trace.find("trace_info");
    if (info == nullptr) return missing_parameter("trace.trace_info");
    Trace trace = TRY(to_trace(*info));
    const auto experiment = TRY(tracking_.experiment(trace.experiment_id));
    if (experiment.deleted) {
      return invalid("The experiment " + std::to_string(experiment.id) +
                     " must be in the 'active' state. Current state is deleted.");
    }
    trace.tags.push_back({kArtifactLocationTag, artifact_location(experiment, trace.id)});
    trace.metadata.push_back({kFinalizedKey, "true"});
    if (const Json* all = info->find("assessments"); all != nullptr && all->is_array()) {
      for (const Json& one : all->as_array()) {
        trace.assessments.push_back(
            TRY(to_assessment(one, trace.id, "a-" + random_hex32(), clock_.now_ms())));
      }
    }
    const Trace kept = TRY(pool_.write([&](db::Tx& tx) -> Result<Trace> {
      TRY(traces::put_trace(tx, trace, may_change(request)));
      return traces::find_trace(tx, trace.id);
    }));
    return json_response(wrapped("trace", wrapped("trace_info", to_message(kept))));
  }

  Result<Response> info(const Request& request) {
    const Trace trace =
        TRY(pool_.read([&](db::Tx& tx) { return traces::find_trace(tx, request.capture("id")); }));
    return json_response(wrapped("trace", wrapped("trace_info", to_message(trace))));
  }

  Result<Response> get(const Request& request) {
    auto call = TRY(read_request<GetCall>(request, kGet));
    const std::string text = TRY(pool_.read([&](db::Tx& tx) -> Result<std::string> {
      Result<Trace> trace = traces::find_trace(tx, call.trace_id);
      if (!trace.ok() && trace.error().code == Code::kMissing) {
        return missing("Trace with ID " + call.trace_id + " is not found.");
      }
      const std::vector<std::string> spans = TRY(traces::span_contents(tx, TRY(trace).id));
      if (!call.allow_partial && !is_whole(*trace, spans.size())) return not_whole(trace->id);
      return whole_text(*trace, spans);
    }));
    return Response::json("{\"trace\":" + text + "}");
  }

  Result<Response> batch_get(const Request& request) {
    auto call = TRY(read_request<IdsCall>(request, kIds));
    TRY(check_count(call.trace_ids.size(), "traces"));
    std::string text = TRY(pool_.read([&](db::Tx& tx) -> Result<std::string> {
      std::vector<std::string> whole;
      for (const Trace& trace : TRY(traces::find_traces(tx, call.trace_ids))) {
        const std::vector<std::string> spans = TRY(traces::span_contents(tx, trace.id));
        if (is_whole(trace, spans.size())) whole.push_back(whole_text(trace, spans));
      }
      if (whole.empty()) return std::string("{}");
      return "{\"traces\":[" + join(whole, ",") + "]}";
    }));
    return Response::json(std::move(text));
  }

  Result<Response> batch_get_infos(const Request& request) {
    auto call = TRY(read_request<IdsCall>(request, kIds));
    TRY(check_count(call.trace_ids.size(), "traces"));
    const auto found =
        TRY(pool_.read([&](db::Tx& tx) { return traces::find_traces(tx, call.trace_ids); }));
    Json answer(Json::Object{});
    if (!found.empty()) answer.set("trace_infos", to_list(found));
    return json_response(answer);
  }

  Result<Response> search(const Request& request) {
    const wire::Json arguments = TRY(read_arguments(request, kSearch));
    auto call = TRY(read_arguments_into<SearchCall>(arguments, kSearch));
    const std::int64_t most = call.max_results.value_or(100);
    if (most > 500) return invalid_parameter("max_results", *arguments.find("max_results"));
    if (most < 1) {
      return invalid("Invalid value for max_results. It must be a positive integer, but got " +
                     std::to_string(most));
    }
    traces::Query query = TRY(to_trace_query(call.filter, call.order_by));
    TRY(check_count(call.locations.size(), "locations"));
    for (const Json& location : call.locations) {
      const Json* experiment = location.find("mlflow_experiment");
      const Json* id = experiment == nullptr ? nullptr : experiment->find("experiment_id");
      if (id == nullptr) continue;
      query.experiments.push_back(
          TRY(experiment_number(id->is_string() ? id->as_string() : wire::dump(*id))));
    }
    query.limit = static_cast<int>(most);
    query.offset = TRY(page_offset(call.page_token));
    const auto found = TRY(pool_.read([&](db::Tx& tx) { return traces::search(tx, query); }));
    Json answer(Json::Object{});
    if (!found.empty()) answer.set("traces", to_list(found));
    if (found.size() == static_cast<std::size_t>(most)) {
      answer.set("next_page_token", page_token(query.offset + most));
    }
    return json_response(answer);
  }

  Result<Response> remove(const Request& request) {
    auto call = TRY(read_request<DeleteCall>(request, kDelete));
    if (!call.max_timestamp_millis && call.request_ids.empty()) {
      return invalid("Either `max_timestamp_millis` or `trace_ids` must be specified.");
    }
    if (call.max_timestamp_millis && !call.request_ids.empty()) {
      return invalid("Only one of `max_timestamp_millis` and `trace_ids` can be specified.");
    }
    if (!call.request_ids.empty() && call.max_traces) {
      return invalid("`max_traces` can't be specified if `trace_ids` is specified.");
    }
    if (call.max_traces && *call.max_traces <= 0) {
      return invalid("`max_traces` must be a positive integer, received " +
                     std::to_string(*call.max_traces) + ".");
    }
    TRY(check_count(call.request_ids.size(), "traces"));
    const traces::Deletion deletion{TRY(experiment_number(call.experiment_id)),
                                    call.max_timestamp_millis, call.request_ids, call.max_traces};
    const std::int64_t gone =
        TRY(pool_.write([&](db::Tx& tx) { return traces::delete_traces(tx, deletion); }));
    return json_response(wrapped("traces_deleted", gone));
  }

  Result<Response> set_tag(const Request& request) {
    auto call = TRY(read_request<TagCall>(request, kTag));
    TRY(check_mutable(call.key, "set"));
    traces::Tag tag{call.key, call.value};
    TRY(check_trace_tag(tag));
    TRY(pool_.write([&](db::Tx& tx) { return traces::set_tag(tx, request.capture("id"), tag); }));
    return empty_response();
  }

  Result<Response> delete_tag(const Request& request) {
    auto call = TRY(read_request<TagCall>(request, kTag));
    TRY(check_mutable(call.key, "deleted"));
    TRY(pool_.write(
        [&](db::Tx& tx) { return traces::delete_tag(tx, request.capture("id"), call.key); }));
    return empty_response();
  }

  Result<Response> link(const Request& request) {
    auto call = TRY(read_request<IdsCall>(request, kLink));
    constexpr std::size_t kLinksMax = 100;
    if (call.trace_ids.size() > kLinksMax) {
      return invalid("Cannot link more than 100 traces to a run in a single request. Provided " +
                     std::to_string(call.trace_ids.size()) + " traces.");
    }
    TRY(tracking_.run_info(call.run_id));
    TRY(pool_.write(
        [&](db::Tx& tx) { return traces::link_to_run(tx, call.trace_ids, call.run_id); }));
    return empty_response();
  }

  Result<Response> assess(const Request& request) {
    auto call = TRY(read_request<AssessmentCall>(request, kAssess));
    const std::string& trace = request.capture("id");
    const traces::Assessment made =
        TRY(to_assessment(call.assessment, trace, "a-" + random_hex32(), clock_.now_ms()));
    TRY(pool_.write([&](db::Tx& tx) { return traces::add_assessment(tx, made); }));
    return json_response(wrapped("assessment", to_message(made)));
  }

  Result<Response> assessment(const Request& request) {
    const auto found = TRY(pool_.read([&](db::Tx& tx) {
      return traces::find_assessment(tx, request.capture("id"), request.capture("assessment"));
    }));
    return json_response(wrapped("assessment", to_message(found)));
  }

  Result<Response> change_assessment(const Request& request) {
    auto call = TRY(read_request<AssessmentCall>(request, kChange));
    const auto changed = TRY(pool_.write([&](db::Tx& tx) -> Result<traces::Assessment> {
      const auto before =
          TRY(traces::find_assessment(tx, request.capture("id"), request.capture("assessment")));
      auto after = TRY(to_changed(before, call.assessment, call.update_mask, clock_.now_ms()));
      TRY(traces::change_assessment(tx, after));
      return after;
    }));
    return json_response(wrapped("assessment", to_message(changed)));
  }

  Result<Response> delete_assessment(const Request& request) {
    TRY(pool_.write([&](db::Tx& tx) {
      return traces::delete_assessment(tx, request.capture("id"), request.capture("assessment"));
    }));
    return empty_response();
  }

  /// What MLflow's page downloads as traces.json.
  Result<Response> file(const Request& request) {
    const std::string id = request.query_value("request_id").value_or("");
    if (id.empty()) {
      return with_tag(invalid("Request must include the \"request_id\" query parameter."),
                      "bad_request");
    }
    Json::Array spans;
    const auto contents = TRY(pool_.read([&](db::Tx& tx) -> Result<std::vector<std::string>> {
      TRY(traces::find_trace(tx, id));
      return traces::span_contents(tx, id);
    }));
    for (const std::string& content : contents) {
      spans.push_back(to_span_file(TRY(wire::parse(content))));
    }
    Response response =
        Response::json(wire::dump(wrapped("spans", std::move(spans)), {.ascii = true}));
    response.headers.set("Content-Type", "application/octet-stream");
    response.headers.add("Content-Disposition", "attachment; filename=traces.json");
    response.headers.add("X-Content-Type-Options", "nosniff");
    return response;
  }

  // --- OTLP -------------------------------------------------------------------------------------

  Response ingest(const Request& request) {
    Result<Response> taken = take(request);
    return taken.ok() ? std::move(*taken) : otlp_error(taken.error());
  }

 private:
  static Json to_list(const std::vector<Trace>& traces) {
    Json::Array list;
    for (const Trace& one : traces) list.push_back(to_message(one));
    return list;
  }

  static Response detail(const std::string& text, int status) {
    return Response::json(wire::dump(wrapped("detail", text)), status);
  }
  static Response otlp_error(const Error& error) {
    if (error.tag == "otlp_422") return detail(error.message, 422);
    if (error.code == Code::kInvalid) return detail(error.message, 400);
    return render_error(error);
  }

  static Result<std::string> plain_body(const Request& request) {
    const std::string coding(request.headers.get("Content-Encoding"));
    switch (http::to_coding(coding)) {
      case http::Coding::kIdentity:
        return request.body;
      case http::Coding::kGzip:
      case http::Coding::kDeflate: {
        Result<std::string> plain =
            http::decompress(http::to_coding(coding), request.body, kOtlpBytesMax);
        if (plain.ok()) return plain;
        return invalid("Failed to decompress " + coding + " payload: " + plain.error().message);
      }
      case http::Coding::kUnknown:
        break;
    }
    return invalid("Unsupported Content-Encoding: " + coding.substr(0, 100));
  }

  static Result<OtlpSpans> read(const std::string& body, bool is_json) {
    Result<OtlpSpans> spans = is_json ? read_otlp_json(body) : read_otlp_protobuf(body);
    if (spans.ok() || spans.error().tag == "no_spans") return spans;
    return invalid("Invalid OpenTelemetry format: " + spans.error().message);
  }

  Result<Response> take(const Request& request) {
    const std::string_view type = request.headers.get("Content-Type");
    const std::string_view media = trim(type.substr(0, type.find(';')));
    const bool is_json = media == "application/json";
    if (!request.headers.has("x-mlflow-experiment-id")) {
      return Error{Code::kInvalid, "the header x-mlflow-experiment-id is required", "otlp_422"};
    }
    if (!is_json && media != "application/x-protobuf") {
      return invalid("Invalid Content-Type: " + std::string(type.substr(0, 100)) +
                     ". Expected: application/x-protobuf or application/json");
    }
    OtlpSpans spans = TRY(read(TRY(plain_body(request)), is_json));
    if (spans.batches.empty() && spans.refused > 0) {
      return Error{Code::kInvalid, "Cannot convert OpenTelemetry span to MLflow span: " + spans.why,
                   "otlp_422"};
    }
    TRY(keep(request, spans));
    return answer(spans, is_json);
  }

  Result<> keep(const Request& request, OtlpSpans& spans) {
    const std::string place(request.headers.get("x-mlflow-experiment-id"));
    const std::int64_t id = TRY(experiment_number(place));
    const auto experiment = TRY(tracking_.experiment(id));
    const std::string run(request.headers.get("x-mlflow-run-id"));
    for (traces::SpanBatch& batch : spans.batches) {
      batch.experiment_id = id;
      batch.new_tags = {{kArtifactLocationTag, artifact_location(experiment, batch.trace_id)}};
      batch.tags.push_back({kSpansLocationTag, kSpansHere});
    }
    const traces::MayChange may = may_change(request);
    const bool has_run = !run.empty() && tracking_.run_info(run).ok();
    const std::int64_t over = TRY(pool_.write([&](db::Tx& tx) -> Result<std::int64_t> {
      std::int64_t refused = 0;
      for (const traces::SpanBatch& batch : spans.batches) {
        refused += TRY(traces::put_spans(tx, batch, may));
      }
      if (has_run) TRY(traces::link_to_run(tx, spans.complete, run));
      return refused;
    }));
    if (over > 0 && spans.why.empty()) {
      spans.why = "a trace may have " + std::to_string(traces::kSpansOfTraceMax) + " spans";
    }
    spans.refused += over;
    return {};
  }

  /// An ExportTraceServiceResponse, with partial_success where something was refused.
  static Response answer(const OtlpSpans& spans, bool is_json) {
    if (is_json) {
      Json message(Json::Object{});
      if (spans.refused > 0) {
        Json partial;
        partial.set("rejectedSpans", std::to_string(spans.refused));
        partial.set("errorMessage", spans.why);
        message.set("partialSuccess", std::move(partial));
      }
      return Response::json(wire::dump(message));
    }
    std::string body;
    if (spans.refused > 0) {
      std::string partial;
      wire::append_proto_varint(partial, 1, static_cast<std::uint64_t>(spans.refused));
      wire::append_proto_bytes(partial, 2, spans.why);
      wire::append_proto_bytes(body, 1, partial);
    }
    Response response = Response::text(std::move(body));
    response.headers.set("Content-Type", "application/x-protobuf");
    return response;
  }

  db::Pool& pool_;
  tracking::Tracking& tracking_;
  const Clock& clock_;
};

}  // namespace

void mount_traces(http::Router& router, db::Pool& pool, tracking::Tracking& tracking,
                  const Clock& clock) {
  constexpr http::Permission kReads = http::reads("tracking");
  constexpr http::Permission kWrites = http::writes("tracking");
  constexpr http::Permission kManages = http::manages("tracking");
  const auto service = std::make_shared<Traces>(pool, tracking, clock);
  Api v2(router, "2.0"), v3(router, "3.0");
  // All wait for the database.
  const auto add = [&](Api& api, Method method, const char* path, http::Permission permission,
                       Result<Response> (Traces::*call)(const Request&)) {
    api.read(method, path, permission,
             [service, call](Request& request) { return ((*service).*call)(request); });
  };
  add(v3, Method::kPost, "/traces", kWrites, &Traces::start);
  add(v3, Method::kGet, "/traces/get", kReads, &Traces::get);
  add(v3, Method::kGet, "/traces/batchGet", kReads, &Traces::batch_get);
  add(v3, Method::kPost, "/traces/batchGetInfos", kReads, &Traces::batch_get_infos);
  add(v3, Method::kPost, "/traces/search", kReads, &Traces::search);
  add(v3, Method::kGet, "/traces/{id}", kReads, &Traces::info);
  for (Api* api : {&v2, &v3}) {
    add(*api, Method::kPatch, "/traces/{id}/tags", kWrites, &Traces::set_tag);
    add(*api, Method::kDelete, "/traces/{id}/tags", kWrites, &Traces::delete_tag);
    add(*api, Method::kPost, "/traces/delete-traces", kManages, &Traces::remove);
    add(*api, Method::kPost, "/traces/link-to-run", kWrites, &Traces::link);
  }
  add(v3, Method::kPost, "/traces/{id}/assessments", kWrites, &Traces::assess);
  constexpr char kAssessment[] = "/traces/{id}/assessments/{assessment}";
  add(v3, Method::kGet, kAssessment, kReads, &Traces::assessment);
  add(v3, Method::kPatch, kAssessment, kWrites, &Traces::change_assessment);
  add(v3, Method::kDelete, kAssessment, kWrites, &Traces::delete_assessment);

  // These would else be a trace's name with a wrong method.
  for (const char* later : {"/traces/metrics", "/traces/calculate-filter-correlation"}) {
    v3.read(Method::kPost, later, kReads, [](Request& request) -> Result<Response> {
      return not_implemented("POST " + request.path);
    });
  }
  for (const char* prefix : {"/ajax-api/2.0/mlflow", "/ajax-api/3.0/mlflow"}) {
    Calls(router, prefix)
        .add({Method::kGet, "/get-trace-artifact", kReads, http::Place::kBlocking},
             [service](Request& request) { return service->file(request); });
  }
  Calls(router, "")
      .add({Method::kPost, "/v1/traces", kWrites, http::Place::kBlocking, kOtlpBytesMax},
           [service](Request& request) -> Result<Response> { return service->ingest(request); });
}

}  // namespace slipway::mlflow
