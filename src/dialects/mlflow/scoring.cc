#include "dialects/mlflow/scoring.h"

#include <memory>
#include <utility>

#include "base/text.h"
#include "dialects/mlflow/scoring_data.h"
#include "domain/serving/table.h"
#include "io/wire/json.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Place;
using http::Reply;
using http::Request;
using http::Response;
using serving::Loaded;
using serving::Serving;

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

Response predict(const serving::LoadedVersion& version, const std::vector<float>& cells,
                 std::size_t rows) {
  const engine::Model& engine = *version.engine;
  const auto& traits = engine.traits();
  std::vector<float> values(rows * traits.width);
  engine.values(cells, rows, values);
  if (!traits.classifier) return Response::json(predictions_text(values, traits.width));
  std::vector<std::int64_t> labels(rows);
  engine.labels(values, rows, labels);
  return Response::json(predictions_text(labels, 1));
}

Result<Response> score(Serving& serving, const serving::LoadedVersion& version,
                       std::string_view body, Format format) {
  const auto began = serving.clock().monotonic();
  const Frame frame =
      format == Format::kCsv ? TRY(read_csv_frame(body)) : TRY(read_json_frame(body));
  const std::vector<float> cells = TRY(to_cells(frame, version.mlmodel, version.engine->traits()));
  if (frame.rows > kValuesMax / std::max<std::size_t>(version.engine->traits().width, 1)) {
    return invalid("too many rows for one request");
  }
  Response response = predict(version, cells, frame.rows);
  serving.count(version, frame.rows, (serving.clock().monotonic() - began).count(),
                /*failed=*/false);
  return response;
}

/// Everything one request needs until it is answered.
struct Invocation {
  Loaded version;
  std::string body;
  Format format;
  Reply reply;

  void run(Serving& serving) {
    auto result = score(serving, *version, body, format);
    if (!result.ok()) serving.count(*version, 0, 0, /*failed=*/true);
    reply.finish(std::move(result));
  }
};

/// A row of JSON costs far more to read than to score, so that the length of the body decides.
void run_somewhere(Serving& serving, std::shared_ptr<Invocation> invocation, bool on_loop) {
  if (on_loop && serving.small(*invocation->version, invocation->body.size(), 1) &&
      invocation->body.size() <= kSmallBodyBytes) {
    return invocation->run(serving);
  }
  auto queued = serving.run_later([&serving, invocation] { invocation->run(serving); });
  if (!queued.ok()) invocation->reply.finish(queued.error());
}

void invoke(Serving& serving, const std::string& name, Request request, Reply reply) {
  const ContentType type = read_content_type(std::string(request.headers.get("Content-Type")));
  if (!type.refusal.empty()) return reply.finish(Response::text(type.refusal, 415));
  if (Loaded version = serving.ready(name, "")) {
    auto invocation = std::make_shared<Invocation>(
        Invocation{std::move(version), std::move(request.body), type.format, std::move(reply)});
    return run_somewhere(serving, std::move(invocation), /*on_loop=*/true);
  }
  serving.find_later(name, "",
                     [&serving, body = std::move(request.body), format = type.format,
                      reply = std::move(reply)](Result<Loaded> found) mutable {
                       if (!found.ok()) return reply.finish(found.error());
                       auto invocation = std::make_shared<Invocation>(Invocation{
                           std::move(*found), std::move(body), format, std::move(reply)});
                       run_somewhere(serving, std::move(invocation), /*on_loop=*/false);
                     });
}

/// The model behind the bare addresses.
Result<std::string> bare_name(const serving::Table& table, const ScoringOptions& options) {
  if (!options.default_deployment.empty()) return options.default_deployment;
  const std::vector<std::string> names = candidates(table).names;
  if (names.size() == 1) return names[0];
  std::string found = "there are several models: " + join(names, ", ");
  if (names.empty())
    found = table.models.empty() ? "no model is registered" : "no registered model is servable";
  return Error{Code::kInvalid,
               "which model is meant? " + found +
                   ". Ask /deployments/NAME/invocations, or start with --default-deployment NAME.",
               "bad_request"};
}

/// Calls use(name, reply) with the model behind the bare addresses; waits for the loader where that
/// depends on what it has not tried yet.
template <class Use>
void with_bare_name(Serving& serving, const ScoringOptions& options, Reply reply, Use use) {
  auto answer = [&serving, options, use = std::move(use)](Reply to) mutable {
    auto name = bare_name(*serving.table(), options);
    if (name.ok())
      use(*name, std::move(to));
    else
      to.finish(name.error());
  };
  const serving::Candidates known = candidates(*serving.table());
  const bool decided = !known.names.empty() && (known.names.size() == 1 || !known.untried);
  if (!options.default_deployment.empty() || decided) return answer(std::move(reply));
  serving.look_later(
      [answer = std::move(answer), reply = std::move(reply)](Result<> looked) mutable {
        if (looked.ok())
          answer(std::move(reply));
        else
          reply.finish(looked.error());
      });
}

void ping(Serving& serving, const std::string& name, Reply reply) {
  serving.find_later(name, "", [reply = std::move(reply)](Result<Loaded> found) mutable {
    reply.finish(Response::json("\n", found.ok() ? 200 : 404));
  });
}

}  // namespace

void mount_scoring(http::Router& router, Serving& serving, ScoringOptions options) {
  auto group = router.group("", &render_error);
  group.add_late({Method::kPost, "/deployments/{name}/invocations", kRead, Place::kInline},
                 [&serving](Request request, Reply reply) {
                   const std::string name = request.capture("name");
                   invoke(serving, name, std::move(request), std::move(reply));
                 });
  group.add_late({Method::kPost, "/invocations", kRead, Place::kInline},
                 [&serving, options](Request request, Reply reply) {
                   auto held = std::make_shared<Request>(std::move(request));
                   with_bare_name(serving, options, std::move(reply),
                                  [&serving, held](const std::string& name, Reply to) {
                                    invoke(serving, name, std::move(*held), std::move(to));
                                  });
                 });
  group.add_late({Method::kGet, "/ping", kRead, Place::kInline},
                 [&serving, options](const Request&, Reply reply) {
                   with_bare_name(serving, options, std::move(reply),
                                  [&serving](const std::string& name, Reply to) {
                                    ping(serving, name, std::move(to));
                                  });
                 });
}

}  // namespace slipway::mlflow
