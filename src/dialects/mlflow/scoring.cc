#include "dialects/mlflow/scoring.h"

#include <cmath>
#include <memory>
#include <utility>

#include "base/text.h"
#include "dialects/mlflow/scoring_data.h"
#include "domain/serving/enrich.h"
#include "domain/serving/request_facts.h"
#include "domain/serving/table.h"
#include "io/wire/json.h"

namespace slipway::mlflow {
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
constexpr std::size_t kSmallBodyBytes = 64u << 10;
constexpr std::size_t kValuesMax = 16u << 20;

Response error_response(const char* code, std::string_view message, int status) {
  std::string body = "{\"error_code\": \"" + std::string(code) + "\", \"message\": ";
  wire::append_quoted(body, message);
  return Response::json(body + "}", status);
}

struct ErrorRow {
  std::string_view tag;
  const char* code;
  int status;
};
constexpr ErrorRow kByTag[] = {
    {"bad_request", "BAD_REQUEST", 400},
    {"not_servable", "NOT_IMPLEMENTED", 501},
    {"broken", "INTERNAL_ERROR", 500},
    {"not_ready", "TEMPORARILY_UNAVAILABLE", 503},
};
struct CodeRow {
  Code code;
  const char* name;
};
constexpr CodeRow kByCode[] = {
    {Code::kInvalid, "INVALID_PARAMETER_VALUE"}, {Code::kMissing, "RESOURCE_DOES_NOT_EXIST"},
    {Code::kConflict, "INVALID_STATE"},          {Code::kDenied, "PERMISSION_DENIED"},
    {Code::kBusy, "REQUEST_LIMIT_EXCEEDED"},     {Code::kUnavailable, "TEMPORARILY_UNAVAILABLE"},
    {Code::kInternal, "INTERNAL_ERROR"},
};

Response render_error(const Error& error) {
  for (const ErrorRow& row : kByTag) {
    if (row.tag == error.tag) return error_response(row.code, error.message, row.status);
  }
  for (const CodeRow& row : kByCode) {
    if (row.code == error.code)
      return error_response(row.name, error.message, http::status_of(error.code));
  }
  return error_response("INTERNAL_ERROR", error.message, 500);
}

enum class Format { kJson, kCsv };

/// The format of the body, or the answer that refuses it.
struct ContentType {
  Format format = Format::kJson;
  std::string refusal;
};
ContentType read_content_type(const std::string& header) {
  const std::vector<std::string_view> parts = split(header, ';');
  std::string unknown;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::string_view pair = trim(parts[i]);
    const std::string_view key = pair.substr(0, pair.find('='));
    if (key != "charset")
      unknown += (unknown.empty() ? "" : ", ") + std::string(key);
    else if (to_lower(pair.substr(std::min(pair.size(), key.size() + 1))) != "utf-8")
      return {Format::kJson, "The scoring server only supports UTF-8"};
  }
  if (!unknown.empty())
    return {Format::kJson, "Unrecognized content type parameters: " + unknown + "."};
  const std::string_view type = trim(parts[0]);
  if (type == "text/csv") return {Format::kCsv, ""};
  if (type == "application/json") return {Format::kJson, ""};
  return {Format::kJson,
          "This predictor only supports the following content types: Types: ['text/csv', "
          "'application/json']. Got '" +
              header + "'."};
}

/// Float32 results as Python shows them: widened to double, then in its shortest form.
void append_prediction(std::string& out, float value) {
  wire::append_double(out, value);
}
void append_prediction(std::string& out, std::int64_t value) {
  out += std::to_string(value);
}

template <class T>
std::string predictions_text(const std::vector<T>& values, std::size_t width) {
  std::string out = "{\"predictions\": [";
  out.reserve(32 + values.size() * 20);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) out += ", ";
    if (width > 1 && i % width == 0) out += '[';
    append_prediction(out, values[i]);
    if (width > 1 && i % width == width - 1) out += ']';
  }
  return out + "]}";
}

/// Values as the engine gave them, row by row.
Response respond(const serving::LoadedVersion& version, const std::vector<float>& values,
                 std::size_t rows) {
  const engine::Model& engine = *version.engine;
  if (!engine.traits().classifier)
    return Response::json(predictions_text(values, engine.traits().width));
  std::vector<std::int64_t> labels(rows);
  engine.labels(values, rows, labels);
  return Response::json(predictions_text(labels, 1));
}

Result<Frame> read_frame(std::string_view body, Format format) {
  return format == Format::kCsv ? read_csv_frame(body) : read_json_frame(body);
}

Result<> check_rows(const Frame& frame, const serving::LoadedVersion& version) {
  if (frame.rows <= kValuesMax / std::max<std::size_t>(version.engine->traits().width, 1))
    return {};
  return invalid("too many rows for one request");
}

/// The cells of every row, when it fits the version.
Result<std::vector<float>> fit(const Frame& frame, const serving::LoadedVersion& version) {
  std::vector<float> cells = TRY(to_cells(frame, version.mlmodel, version.engine->traits()));
  TRY(check_rows(frame, version));
  return cells;
}

std::string text_of(const Cell& cell) {
  switch (cell.kind) {
    case Cell::Kind::kBool:
      return cell.integer != 0 ? "true" : "false";
    case Cell::Kind::kInteger:
      return std::to_string(cell.integer);
    case Cell::Kind::kReal: {
      if (std::isnan(cell.real)) return "";
      std::string text;
      wire::append_double(text, cell.real);
      return text;
    }
    case Cell::Kind::kText:
      return cell.text;
    default:
      return "";
  }
}

std::vector<serving::SentColumn> sent_columns(const Frame& frame) {
  std::vector<serving::SentColumn> columns;
  for (std::size_t i = 0; i < frame.columns.size(); ++i) {
    serving::SentColumn& column = columns.emplace_back();
    column.name = frame.names[i];
    for (const Cell& cell : frame.columns[i]) column.texts.push_back(text_of(cell));
    column.texts.resize(frame.rows);
  }
  return columns;
}

Result<Response> score(Serving& serving, const serving::LoadedVersion& version,
                       std::string_view body, Format format) {
  const auto began = serving.clock().monotonic();
  const Frame frame = TRY(read_frame(body, format));
  const std::vector<float> cells = TRY(fit(frame, version));
  std::vector<float> values(frame.rows * version.engine->traits().width);
  version.engine->values(cells, frame.rows, values);
  Response response = respond(version, values, frame.rows);
  serving.count(version, frame.rows, (serving.clock().monotonic() - began).count(),
                /*failed=*/false);
  return response;
}

/// What a caller of a deployment says in headers: the body has no place for it.
Result<serving::RequestFacts> facts_of(const http::Headers& headers) {
  return serving::request_facts({headers.get(serving::kKeyHeader),
                                 headers.get(serving::kEventTimeHeader),
                                 headers.get(serving::kRequestIdHeader)});
}

/// One request to a deployment.
class Deployed {
 public:
  Deployed(Deployments& deployments, Deployment deployment, serving::RequestFacts facts)
      : deployments_(deployments), deployment_(std::move(deployment)), facts_(std::move(facts)) {}

  Result<Response> answer(std::string_view body, Format format) {
    const Frame frame = TRY(read_frame(body, format));
    assignment_ = TRY(deployments_.assign(deployment_, facts_.key));
    auto cells = fit_assigned(frame);
    if (!cells.ok()) cells = fit_stable(frame, cells.error());
    const std::string id = assignment_.id.text();
    auto scored = deployments_.answer(assignment_, TRY(std::move(cells)), frame.rows, facts_,
                                      deployments_.now_ms());
    Response response = scored.ok() ? respond(*scored->version, scored->values, frame.rows)
                                    : render_error(scored.error());
    response.headers.add(serving::kPredictionIdHeader, id);
    response.headers.add(serving::kRouteHeader,
                         serving::route_text(assignment_, scored.ok() && scored->fell_back));
    return response;
  }

 private:
  /// A candidate with other columns is asked for what the stable version reads: who sends rows
  /// without names means its order.
  Result<std::vector<float>> fit_assigned(const Frame& frame) {
    if (serving::reads_as_stable(assignment_)) {
      auto cells = fit_version(frame, *deployment_->stable);
      assignment_.as_stable = cells.ok();
      if (cells.ok()) return cells;
    }
    return fit_version(frame, *assignment_.version);
  }

  /// The rows as sent, or filled up where they have only keys.
  Result<std::vector<float>> fit_version(const Frame& frame,
                                         const serving::LoadedVersion& version) {
    facts_.looked_up.clear();
    facts_.entity.reset();
    const auto lookup = TRY(deployments_.lookup(*deployment_));
    const std::vector<std::string_view> names(frame.names.begin(), frame.names.end());
    const bool asks =
        lookup && frame.named && serving::asks_for_features(lookup->plan().view(), version, names);
    if (!asks && !lookup) return fit(frame, version);
    if (!asks) return with_keys(fit(frame, version), lookup->plan().view());
    TRY(check_rows(frame, version));
    const UnixMs at_ms = facts_.event_time_ms.value_or(deployments_.now_ms());
    serving::Enriched enriched =
        TRY(serving::enrich(*lookup, version, sent_columns(frame), frame.rows, at_ms));
    facts_.looked_up = std::move(enriched.looked_up);
    facts_.entity = std::move(enriched.entity);
    return std::move(enriched.cells);
  }

  /// Of rows that do not fit: the caller may have misspelt the keys that features are looked up by.
  Result<std::vector<float>> with_keys(Result<std::vector<float>> cells,
                                       const features::View& view) const {
    if (cells.ok() || view.entity.empty()) return cells;
    std::vector<std::string> keys;
    for (const features::Input& key : view.entity) keys.push_back(key.name);
    Error error = cells.error();
    error.message += " (deployment " + deployment_->route.deployment +
                     " looks up the features of " + view.name + " for rows that have " +
                     join(keys, ", ") + ")";
    return error;
  }

  /// What the stable version can read and a candidate on trial can't is the candidate's error.
  Result<std::vector<float>> fit_stable(const Frame& frame, const Error& error) {
    const bool trial = assignment_.role == delivery::Role::kCandidate;
    if (!trial || !deployment_->stable) return error;
    std::vector<float> cells = TRY(fit_version(frame, *deployment_->stable));
    deployments_.fail(assignment_, facts_, deployments_.now_ms(), error);
    assignment_.role = delivery::Role::kStable;
    assignment_.version = deployment_->stable;
    assignment_.chosen = true;  // counted once, as the candidate's
    return cells;
  }

  Deployments& deployments_;
  const Deployment deployment_;
  serving::RequestFacts facts_;
  Assignment assignment_;
};

/// Everything one request needs until it is answered.
struct Invocation {
  Services services;
  Loaded version;  // of a deployment: any of its versions
  Deployment deployment;
  serving::RequestFacts facts;
  std::string body;
  Format format;
  Reply reply;

  void run() {
    // Whoever waits for requests to leave an older route sees this one gone before its answer.
    auto result = deployment ? Deployed(services.deployments, std::exchange(deployment, nullptr),
                                        std::move(facts))
                                   .answer(body, format)
                             : score(services.serving, *version, body, format);
    if (!result.ok()) services.serving.count(*version, 0, 0, /*failed=*/true);
    reply.finish(std::move(result));
  }
};

/// A row of JSON costs far more to read than to score, so that the length of the body decides.
void run_somewhere(std::shared_ptr<Invocation> invocation, bool on_loop) {
  Serving& serving = invocation->services.serving;
  if (on_loop && serving.small(*invocation->version, invocation->body.size(), 1) &&
      invocation->body.size() <= kSmallBodyBytes) {
    return invocation->run();
  }
  auto queued = serving.run_later([invocation] { invocation->run(); });
  if (!queued.ok()) invocation->reply.finish(queued.error());
}

void invoke_deployed(const Services& services, Deployment deployment, Request request,
                     Format format, Reply reply) {
  auto facts = facts_of(request.headers);
  if (!facts.ok()) return reply.finish(facts.error());
  Loaded version = deployment->stable ? deployment->stable : deployment->candidate;
  if (!version) return reply.finish(services.deployments.assign(deployment, "").error());
  run_somewhere(std::make_shared<Invocation>(Invocation{
                    services, std::move(version), std::move(deployment), std::move(*facts),
                    std::move(request.body), format, std::move(reply)}),
                /*on_loop=*/true);
}

void invoke(const Services& services, const std::string& name, Request request, Reply reply) {
  const ContentType type = read_content_type(std::string(request.headers.get("Content-Type")));
  if (!type.refusal.empty()) return reply.finish(Response::text(type.refusal, 415));
  auto deployment = services.deployments.find_one(name);
  if (!deployment.ok()) return reply.finish(deployment.error());
  if (*deployment)
    return invoke_deployed(services, std::move(*deployment), std::move(request), type.format,
                           std::move(reply));
  const auto invocation = [services, format = type.format](Loaded version, std::string body,
                                                           Reply to) {
    return std::make_shared<Invocation>(Invocation{
        services, std::move(version), nullptr, {}, std::move(body), format, std::move(to)});
  };
  if (Loaded version = services.serving.ready(name, "")) {
    return run_somewhere(invocation(std::move(version), std::move(request.body), std::move(reply)),
                         /*on_loop=*/true);
  }
  services.serving.find_later(
      name, "",
      [invocation, body = std::move(request.body),
       reply = std::move(reply)](Result<Loaded> found) mutable {
        if (!found.ok()) return reply.finish(found.error());
        run_somewhere(invocation(std::move(*found), std::move(body), std::move(reply)),
                      /*on_loop=*/false);
      });
}

/// The deployment or, where there is none at all, the model behind the bare addresses.
Result<std::string> bare_name(const Services& services, const ScoringOptions& options) {
  if (!options.default_deployment.empty()) return options.default_deployment;
  const auto table = services.serving.table();
  const std::vector<std::string> deployments = services.deployments.names();
  const std::vector<std::string> names =
      deployments.empty() ? candidates(*table).names : deployments;
  if (names.size() == 1) return names[0];
  std::string found =
      deployments.empty() ? "there are several models: " : "there are several deployments: ";
  found += join(names, ", ");
  if (names.empty())
    found = table->models.empty() ? "no model is registered" : "no registered model is servable";
  return Error{Code::kInvalid,
               "which model is meant? " + found +
                   ". Ask /deployments/NAME/invocations, or start with --default-deployment NAME.",
               "bad_request"};
}

/// Calls use(name, reply) with the model behind the bare addresses; waits for the loader where that
/// depends on what it has not tried yet.
template <class Use>
void with_bare_name(const Services& services, const ScoringOptions& options, Reply reply, Use use) {
  auto answer = [services, options, use = std::move(use)](Reply to) mutable {
    auto name = bare_name(services, options);
    if (name.ok())
      use(*name, std::move(to));
    else
      to.finish(name.error());
  };
  const bool named = !options.default_deployment.empty() || !services.deployments.names().empty();
  if (named) return answer(std::move(reply));
  const serving::Candidates known = candidates(*services.serving.table());
  const bool decided = !known.names.empty() && !known.untried;
  if (decided) return answer(std::move(reply));
  services.serving.look_later(
      [answer = std::move(answer), reply = std::move(reply)](Result<> looked) mutable {
        if (looked.ok())
          answer(std::move(reply));
        else
          reply.finish(looked.error());
      });
}

void ping(const Services& services, const std::string& name, Reply reply) {
  auto deployment = services.deployments.find_one(name);
  if (!deployment.ok() || *deployment) {
    const bool serves = deployment.ok() && services.deployments.assign(*deployment, "").ok();
    return reply.finish(Response::json("\n", serves ? 200 : 404));
  }
  services.serving.find_later(name, "", [reply = std::move(reply)](Result<Loaded> found) mutable {
    reply.finish(Response::json("\n", found.ok() ? 200 : 404));
  });
}

}  // namespace

void mount_scoring(http::Router& router, Serving& serving, Deployments& deployments,
                   ScoringOptions options) {
  const Services services{serving, deployments};
  auto group = router.group("", &render_error);
  group.add_late({Method::kPost, "/deployments/{name}/invocations", kRead, Place::kInline},
                 [services](Request request, Reply reply) {
                   const std::string name = request.capture("name");
                   invoke(services, name, std::move(request), std::move(reply));
                 });
  group.add_late({Method::kPost, "/invocations", kRead, Place::kInline},
                 [services, options](Request request, Reply reply) {
                   auto held = std::make_shared<Request>(std::move(request));
                   with_bare_name(services, options, std::move(reply),
                                  [services, held](const std::string& name, Reply to) {
                                    invoke(services, name, std::move(*held), std::move(to));
                                  });
                 });
  group.add_late({Method::kGet, "/ping", kRead, Place::kInline},
                 [services, options](const Request&, Reply reply) {
                   with_bare_name(services, options, std::move(reply),
                                  [services](const std::string& name, Reply to) {
                                    ping(services, name, std::move(to));
                                  });
                 });
}

}  // namespace slipway::mlflow
