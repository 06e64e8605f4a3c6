#include "dialects/mlflow/access_rules.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "dialects/mlflow/artifact_path.h"
#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/people.h"
#include "dialects/mlflow/request.h"
#include "domain/registry/reference.h"

namespace slipway::mlflow {
namespace {

using access::Level;
using access::Rule;
using access::Thing;
using access::Things;
using http::Request;
using wire::Json;
using enum access::Level;
using What = Thing::What;
using On = Rule::On;

// Every parameter that names something, as calls carry it.
constexpr Parameter kNames[] = {
    {"run_id"}, {"run_uuid"}, {"experiment_id"}, {"name"},        {"experiment_name"},
    {"path"},   {"username"}, {"resource_type"}, {"resource_id"}, {"run_ids", Type::kTexts}};
constexpr Parameter kManyRuns[] = {{"run_id", Type::kTexts}};

Result<std::string> text_of(const Json& arguments, std::string_view name) {
  const Json* value = arguments.find(name);
  if (value == nullptr || value->is_null()) return std::string();
  if (value->is_string()) return value->as_string();
  if (value->is_integer()) return wire::dump(*value);
  return invalid_parameter(name, *value);
}

Result<std::string> required_text(const Json& arguments, std::string_view name) {
  std::string text = TRY(text_of(arguments, name));
  if (text.empty()) return missing_parameter(name);
  return text;
}

/// What a handler would take, and what it might: each name must be permitted.
Result<> add_runs(Things& things, const Json& arguments, Level level) {
  for (const char* name : {"run_id", "run_uuid"}) {
    std::string id = TRY(text_of(arguments, name));
    if (!id.empty()) things.push_back({What::kRun, std::move(id), level});
  }
  if (things.empty()) return missing_parameter("run_id");
  return {};
}

/// The logged models that items of a list name in their member "model_id".
void add_models_of(Things& things, const Json* list, Level level) {
  if (list == nullptr || !list->is_array()) return;
  for (const Json& item : list->as_array()) {
    const Json* id = item.find("model_id");
    if (id == nullptr || !id->is_string() || id->as_string().empty()) continue;
    const bool known = std::ranges::any_of(
        things, [&](const Thing& thing) { return thing.id == id->as_string(); });
    if (!known) things.push_back({What::kLoggedModel, id->as_string(), level});
  }
}

Result<Things> run(const Request& request, Level level) {
  Things things;
  TRY(add_runs(things, TRY(read_arguments(request, kNames)), level));
  return things;
}

/// A metric may be a logged model's as well.
Result<Things> run_and_metrics(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  Things things;
  TRY(add_runs(things, arguments, level));
  add_models_of(things, arguments.find("metrics"), level);
  const std::string own = TRY(text_of(arguments, "model_id"));
  if (!own.empty()) things.push_back({What::kLoggedModel, own, level});
  return things;
}

Result<Things> run_and_inputs(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  Things things;
  TRY(add_runs(things, arguments, level));
  add_models_of(things, arguments.find("models"), kRead);
  return things;
}

Result<Things> run_and_outputs(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  Things things;
  TRY(add_runs(things, arguments, level));
  add_models_of(things, arguments.find("models"), level);
  return things;
}

Result<Things> run_or_model(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  Things things;
  const std::string model = TRY(text_of(arguments, "model_id"));
  if (!model.empty()) things.push_back({What::kLoggedModel, model, level});
  const std::string id = TRY(text_of(arguments, "run_id"));
  if (!id.empty()) things.push_back({What::kRun, id, level});
  if (things.empty()) return invalid("Exactly one of run_id and model_id must be provided.");
  return things;
}

Result<Things> runs_listed(const Request& request, Level level) {
  Things things;
  const bool interval = request.path.ends_with("-interval");
  const Json arguments =
      interval ? TRY(read_arguments(request, kNames)) : TRY(read_arguments(request, kManyRuns));
  const char* name = interval ? "run_ids" : "run_id";
  const Json* list = arguments.find(name);
  if (list == nullptr || !list->is_array()) return missing_parameter(name);
  for (const Json& id : list->as_array()) {
    if (!id.is_string()) return invalid_parameter(name, *list);
    things.push_back({What::kRun, id.as_string(), level});
  }
  return things;
}

/// Of addresses whose handlers look at the query, whatever the method.
Result<Things> run_of_query(const Request& request, Level level) {
  Things things;
  for (const auto& [name, value] : request.query) {
    if (name == "run_id" || name == "run_uuid") things.push_back({What::kRun, value, level});
  }
  if (things.empty()) return missing_parameter("run_id");
  return things;
}

Result<Things> model_of_query(const Request& request, Level level) {
  Things things;
  for (const auto& [name, value] : request.query) {
    if (name == "name") things.push_back({What::kModel, value, level});
  }
  if (things.empty()) return missing_parameter("name");
  return things;
}

Result<Things> experiment(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  return Things{{What::kExperiment, TRY(required_text(arguments, "experiment_id")), level}};
}

Result<Things> experiment_named(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  return Things{{What::kExperimentName, TRY(required_text(arguments, "experiment_name")), level}};
}

/// A run without an experiment is of the default one.
Result<Things> experiment_or_default(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  const std::string id = TRY(text_of(arguments, "experiment_id"));
  return Things{{What::kExperiment, id.empty() ? "0" : id, level}};
}

/// Whose files lie below a place of this server's own store.
Result<> add_place(Things& things, const std::string& location, Level level) {
  if (location.empty()) return {};
  Result<std::string> key = artifact_key(location);
  if (key.ok()) {
    things.push_back({What::kPath, *key, level});
  } else if (key.error().tag != "not_servable") {
    return key.error();
  }
  return {};
}

/// Whoever makes an experiment takes no other one's files by where it lies.
Result<Things> new_experiment(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  Things things;
  TRY(add_place(things, TRY(text_of(arguments, "artifact_location")), level));
  return things;
}

Result<Things> new_logged_model(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  Things things{{What::kExperiment, TRY(required_text(arguments, "experiment_id")), level}};
  const std::string source = TRY(text_of(arguments, "source_run_id"));
  if (!source.empty()) things.push_back({What::kRun, source, kRead});
  return things;
}

Result<Things> logged_model(const Request& request, Level level) {
  return Things{{What::kLoggedModel, request.capture("model_id"), level}};
}

constexpr Parameter kTraceNames[] = {{"trace_id"}, {"request_id"}, {"trace_ids", Type::kTexts}};

Result<Things> trace(const Request& request, Level level) {
  return Things{{What::kTrace, request.capture("id"), level}};
}

/// Of a call that names one trace or many, by any of their names.
Result<Things> traces_named(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kTraceNames));
  Things things;
  for (const char* name : {"trace_id", "request_id"}) {
    std::string id = TRY(text_of(arguments, name));
    if (!id.empty()) things.push_back({What::kTrace, std::move(id), level});
  }
  if (const Json* list = arguments.find("trace_ids"); list != nullptr && list->is_array()) {
    for (const Json& id : list->as_array()) {
      if (!id.is_string()) return invalid_parameter("trace_ids", *list);
      things.push_back({What::kTrace, id.as_string(), level});
    }
  }
  if (things.empty()) return missing_parameter("trace_id");
  return things;
}

Result<Things> traces_and_run(const Request& request, Level level) {
  Things things = TRY(traces_named(request, level));
  const Json arguments = TRY(read_arguments(request, kNames));
  things.push_back({What::kRun, TRY(required_text(arguments, "run_id")), level});
  return things;
}

/// The experiment that a trace's `location` names; a location of another kind is refused later.
Result<> add_location(Things& things, const Json* location, Level level) {
  const Json* experiment = location == nullptr ? nullptr : location->find("mlflow_experiment");
  const Json* id = experiment == nullptr ? nullptr : experiment->find("experiment_id");
  if (id == nullptr) return missing_parameter("experiment_id");
  things.push_back({What::kExperiment, TRY(text_of(*experiment, "experiment_id")), level});
  return {};
}

Result<Things> new_trace(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, {}));
  const Json* trace = arguments.find("trace");
  const Json* info = trace == nullptr ? nullptr : trace->find("trace_info");
  Things things;
  TRY(add_location(things, info == nullptr ? nullptr : info->find("trace_location"), level));
  return things;
}

Result<Things> trace_locations(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, {}));
  const Json* locations = arguments.find("locations");
  if (locations == nullptr || !locations->is_array()) return missing_parameter("locations");
  Things things;
  for (const Json& location : locations->as_array()) {
    if (location.find("mlflow_experiment") == nullptr) continue;  // nothing is searched there
    TRY(add_location(things, &location, level));
  }
  return things;
}

/// Spans say by headers where they belong.
Result<Things> spans(const Request& request, Level level) {
  Things things{
      {What::kExperiment, std::string(request.headers.get("x-mlflow-experiment-id")), level}};
  const std::string run(request.headers.get("x-mlflow-run-id"));
  if (!run.empty()) things.push_back({What::kRun, run, level});
  return things;
}

Result<Things> model(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  return Things{{What::kModel, TRY(required_text(arguments, "name")), level}};
}

/// What a version is made of is shown with it: whoever makes it has to see that.
Result<> add_source(Things& things, const std::string& source) {
  constexpr std::string_view kRuns = "runs:/", kModels = "models:/";
  if (source.starts_with(kRuns)) {
    const std::string rest(trim(std::string_view(source).substr(kRuns.size())));
    const std::size_t start = rest.find_first_not_of('/');
    if (start == std::string::npos) return {};
    things.push_back({What::kRun, rest.substr(start, rest.find('/', start) - start), kRead});
    return {};
  }
  if (!source.starts_with(kModels)) return add_place(things, source, kRead);
  const Result<registry::Reference> reference = registry::parse_reference(source);
  if (!reference.ok()) return {};  // the call will be refused
  if (!reference->logged_model_id.empty()) {
    things.push_back({What::kLoggedModel, reference->logged_model_id, kRead});
  } else {
    things.push_back({What::kModel, reference->model, kRead});
  }
  return {};
}

Result<Things> new_version(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  Things things{{What::kModel, TRY(required_text(arguments, "name")), level}};
  TRY(add_source(things, TRY(text_of(arguments, "source"))));
  const std::string run = TRY(text_of(arguments, "run_id"));
  if (!run.empty()) things.push_back({What::kRun, run, kRead});
  const std::string logged = TRY(text_of(arguments, "model_id"));
  if (!logged.empty()) things.push_back({What::kLoggedModel, logged, kRead});
  return things;
}

Result<Things> path(const Request& request, Level level) {
  return Things{{What::kPath, TRY(safe_path(request.capture("path"))), level}};
}

Result<Things> path_of_query(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  return Things{{What::kPath, TRY(safe_path(TRY(text_of(arguments, "path")))), level}};
}

Result<Things> person(const Request& request, Level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  return Things{{What::kPerson, TRY(required_text(arguments, "username")), kManage}};
}

/// Whoever may manage a thing says who may do what with it; of every thing, administrators do.
Result<Things> granted(const Request& request, Level level) {
  const Json arguments = TRY(read_arguments(request, kNames));
  const std::string id = TRY(required_text(arguments, "resource_id"));
  const access::Kind kind = TRY(resource_kind(TRY(required_text(arguments, "resource_type"))));
  if (id == access::kEvery) return Things{{What::kAdmin}};
  const What what = kind == access::Kind::kExperiment ? What::kExperiment : What::kModel;
  return Things{{what, id, level}};
}

Result<Things> deployment(const Request& request, Level level) {
  return Things{{What::kDeployment, request.capture("name"), level}};
}

/// An empty name is that of whatever answers where none is named.
Result<Things> default_deployment(const Request&, Level level) {
  return Things{{What::kDeployment, "", level}};
}

Result<> experiments_listed(Request& request, const Rule::MayRead& may_read) {
  Json arguments = TRY(read_arguments(request, {}));
  const Json* list = arguments.find("experiment_ids");
  if (list == nullptr || !list->is_array()) return {};
  Json::Array kept;
  for (const Json& id : list->as_array()) {
    if (!id.is_string() || may_read(id.as_string())) kept.push_back(id);
  }
  if (kept.size() == list->as_array().size()) return {};
  // None is not the same as those that are none's.
  constexpr char kNone[] = "9223372036854775807";
  if (kept.empty()) kept.emplace_back(kNone);
  arguments.set("experiment_ids", std::move(kept));
  request.body = wire::dump(arguments);
  return {};
}

struct Row {
  const char* route;
  On on;
  Level level;
  Result<Things> (*things)(const Request& request, Level level) = nullptr;
  Result<> (*narrow)(Request& request, const Rule::MayRead& may_read) = nullptr;
  bool tells_changes = false;
};

// Below /api/2.0/mlflow, as below /ajax-api/2.0/mlflow.
constexpr Row kTracking[] = {
    {"GET /experiments/get", On::kThings, kRead, experiment},
    {"GET /experiments/get-by-name", On::kThings, kRead, experiment_named},
    {"GET /experiments/search", On::kSearch, kRead},
    {"POST /experiments/search", On::kSearch, kRead},
    {"POST /experiments/create", On::kThings, kEdit, new_experiment},
    {"POST /experiments/update", On::kThings, kEdit, experiment},
    {"POST /experiments/delete", On::kThings, kManage, experiment},
    {"POST /experiments/restore", On::kThings, kManage, experiment},
    {"POST /experiments/set-experiment-tag", On::kThings, kEdit, experiment},
    {"POST /experiments/delete-experiment-tag", On::kThings, kEdit, experiment},
    {"POST /experiments/search-datasets", On::kSearch, kRead, nullptr, experiments_listed},
    {"GET /runs/get", On::kThings, kRead, run},
    {"POST /runs/search", On::kSearch, kRead, nullptr, experiments_listed},
    {"POST /runs/create", On::kThings, kEdit, experiment_or_default},
    {"POST /runs/update", On::kThings, kEdit, run},
    {"POST /runs/delete", On::kThings, kManage, run},
    {"POST /runs/restore", On::kThings, kManage, run},
    {"POST /runs/log-metric", On::kThings, kEdit, run_and_metrics},
    {"POST /runs/log-batch", On::kThings, kEdit, run_and_metrics},
    {"POST /runs/log-parameter", On::kThings, kEdit, run},
    {"POST /runs/set-tag", On::kThings, kEdit, run},
    {"POST /runs/delete-tag", On::kThings, kEdit, run},
    {"POST /runs/log-model", On::kThings, kEdit, run},
    {"POST /runs/log-inputs", On::kThings, kEdit, run_and_inputs},
    {"POST /runs/outputs", On::kThings, kEdit, run_and_outputs},
    {"GET /metrics/get-history", On::kThings, kRead, run},
    {"GET /metrics/get-history-bulk", On::kThings, kRead, runs_listed},
    {"GET /metrics/get-history-bulk-interval", On::kThings, kRead, runs_listed},
    {"GET /artifacts/list", On::kThings, kRead, run},
    {"POST /artifacts/presigned-upload-url", On::kThings, kEdit, run_or_model},
    {"POST /artifacts/presigned-download-url", On::kThings, kRead, run},
    {"POST /upload-artifact", On::kThings, kEdit, run_of_query},
    {"POST /logged-models", On::kThings, kEdit, new_logged_model},
    {"POST /logged-models/search", On::kSearch, kRead, nullptr, experiments_listed},
    {"GET /logged-models/{model_id}", On::kThings, kRead, logged_model},
    {"PATCH /logged-models/{model_id}", On::kThings, kEdit, logged_model},
    {"DELETE /logged-models/{model_id}", On::kThings, kManage, logged_model},
    {"PATCH /logged-models/{model_id}/tags", On::kThings, kEdit, logged_model},
    {"DELETE /logged-models/{model_id}/tags/{key}", On::kThings, kEdit, logged_model},
    {"POST /logged-models/{model_id}/params", On::kThings, kEdit, logged_model},
    {"GET /logged-models/{model_id}/artifacts/directories", On::kThings, kRead, logged_model},
    {"GET /logged-models/{model_id}/artifacts/files", On::kThings, kRead, logged_model},
    {"GET /gateway-proxy", On::kSomebody, kRead},
    {"POST /gateway-proxy", On::kSomebody, kRead},
};

constexpr Row kRegistry[] = {
    {"GET /registered-models/get", On::kThings, kRead, model},
    {"GET /registered-models/search", On::kSearch, kRead},
    {"GET /registered-models/get-latest-versions", On::kThings, kRead, model},
    {"POST /registered-models/get-latest-versions", On::kThings, kRead, model},
    {"POST /registered-models/create", On::kSomebody, kEdit},
    {"POST /registered-models/rename", On::kThings, kEdit, model},
    {"PATCH /registered-models/update", On::kThings, kEdit, model},
    {"DELETE /registered-models/delete", On::kThings, kManage, model},
    {"POST /registered-models/set-tag", On::kThings, kEdit, model},
    {"DELETE /registered-models/delete-tag", On::kThings, kManage, model},
    {"GET /registered-models/alias", On::kThings, kRead, model},
    {"POST /registered-models/alias", On::kThings, kEdit, model},
    {"DELETE /registered-models/alias", On::kThings, kManage, model},
    {"GET /model-versions/get", On::kThings, kRead, model},
    {"GET /model-versions/get-download-uri", On::kThings, kRead, model},
    {"GET /model-versions/search", On::kSearch, kRead},
    {"POST /model-versions/create", On::kThings, kEdit, new_version},
    {"PATCH /model-versions/update", On::kThings, kEdit, model},
    {"POST /model-versions/transition-stage", On::kThings, kEdit, model},
    {"DELETE /model-versions/delete", On::kThings, kManage, model},
    {"POST /model-versions/set-tag", On::kThings, kEdit, model},
    {"DELETE /model-versions/delete-tag", On::kThings, kManage, model},
};

constexpr Row kPeople[] = {
    {"POST /users/create", On::kAdmin, kManage},
    {"GET /users/get", On::kThings, kRead, person},
    {"GET /users/list", On::kAdmin, kRead},
    {"GET /users/current", On::kSomebody, kRead},
    {"PATCH /users/update-password", On::kThings, kManage, person},
    {"PATCH /users/update-admin", On::kAdmin, kManage},
    {"DELETE /users/delete", On::kAdmin, kManage},
    {"POST /experiments/permissions/create", On::kThings, kManage, experiment},
    {"GET /experiments/permissions/get", On::kThings, kManage, experiment},
    {"PATCH /experiments/permissions/update", On::kThings, kManage, experiment},
    {"DELETE /experiments/permissions/delete", On::kThings, kManage, experiment},
    {"POST /registered-models/permissions/create", On::kThings, kManage, model},
    {"GET /registered-models/permissions/get", On::kThings, kManage, model},
    {"PATCH /registered-models/permissions/update", On::kThings, kManage, model},
    {"DELETE /registered-models/permissions/delete", On::kThings, kManage, model},
};

// Below /api/3.0/mlflow.
constexpr Row kPeople3[] = {
    {"GET /server-info", On::kNobody, kNone},
    {"GET /users/current/permissions", On::kSomebody, kRead},
    {"GET /users/permissions/list", On::kThings, kRead, person},
    {"POST /users/permissions/grant", On::kThings, kManage, granted},
    {"POST /users/permissions/revoke", On::kThings, kManage, granted},
    {"GET /users/permissions/get", On::kThings, kRead, person},
    {"GET /users/roles/list", On::kThings, kRead, person},
    {"POST /roles/create", On::kAdmin, kManage},
    {"GET /roles/get", On::kAdmin, kManage},
    {"GET /roles/list", On::kAdmin, kManage},
    {"PATCH /roles/update", On::kAdmin, kManage},
    {"DELETE /roles/delete", On::kAdmin, kManage},
    {"POST /roles/permissions/add", On::kAdmin, kManage},
    {"DELETE /roles/permissions/remove", On::kAdmin, kManage},
    {"GET /roles/permissions/list", On::kAdmin, kManage},
    {"PATCH /roles/permissions/update", On::kAdmin, kManage},
    {"POST /roles/assign", On::kAdmin, kManage},
    {"DELETE /roles/unassign", On::kAdmin, kManage},
    {"GET /roles/users/list", On::kAdmin, kManage},
};

// Below /api/3.0/mlflow.
constexpr Row kTraces[] = {
    {"POST /traces", On::kThings, kEdit, new_trace, nullptr, /*tells_changes=*/true},
    {"GET /traces/get", On::kThings, kRead, traces_named},
    {"GET /traces/batchGet", On::kThings, kRead, traces_named},
    {"POST /traces/batchGetInfos", On::kThings, kRead, traces_named},
    {"POST /traces/search", On::kThings, kRead, trace_locations},
    {"GET /traces/{id}", On::kThings, kRead, trace},
    {"POST /traces/{id}/assessments", On::kThings, kEdit, trace},
    {"GET /traces/{id}/assessments/{assessment}", On::kThings, kRead, trace},
    {"PATCH /traces/{id}/assessments/{assessment}", On::kThings, kEdit, trace},
    {"DELETE /traces/{id}/assessments/{assessment}", On::kThings, kEdit, trace},
    {"POST /traces/metrics", On::kSomebody, kRead},
    {"POST /traces/calculate-filter-correlation", On::kSomebody, kRead},
};

// Below either.
constexpr Row kTracesOfBoth[] = {
    {"PATCH /traces/{id}/tags", On::kThings, kEdit, trace},
    {"DELETE /traces/{id}/tags", On::kThings, kEdit, trace},
    {"POST /traces/delete-traces", On::kThings, kManage, experiment},
    {"POST /traces/link-to-run", On::kThings, kEdit, traces_and_run},
    {"GET /get-trace-artifact", On::kThings, kRead, traces_named},
};

// Where they send things is told by whoever runs the server. Below /api/2.0/mlflow.
constexpr Row kWebhooks[] = {
    {"POST /webhooks", On::kAdmin, kManage},
    {"GET /webhooks", On::kAdmin, kManage},
    {"GET /webhooks/{id}", On::kAdmin, kManage},
    {"PATCH /webhooks/{id}", On::kAdmin, kManage},
    {"DELETE /webhooks/{id}", On::kAdmin, kManage},
    {"POST /webhooks/{id}/test", On::kAdmin, kManage},
};

// Below /api/2.0/mlflow-artifacts.
constexpr Row kFiles[] = {
    {"GET /artifacts", On::kThings, kRead, path_of_query},
    {"GET /artifacts/{path*}", On::kThings, kRead, path},
    {"PUT /artifacts/{path*}", On::kThings, kEdit, path},
    {"DELETE /artifacts/{path*}", On::kThings, kManage, path},
    {"POST /mpu/create/{path*}", On::kThings, kEdit, path},
    {"POST /mpu/complete/{path*}", On::kThings, kEdit, path},
    {"POST /mpu/abort/{path*}", On::kThings, kEdit, path},
    // What names it is random, and told only to who may write the file.
    {"PUT /mpu/part/{upload}/{number}", On::kSomebody, kEdit},
    {"GET /presigned/{path*}", On::kThings, kRead, path},
};

constexpr Row kRoot[] = {
    {"GET /health", On::kNobody, kNone},
    {"GET /version", On::kNobody, kNone},
    {"GET /get-artifact", On::kThings, kRead, run_of_query},
    {"GET /model-versions/get-artifact", On::kThings, kRead, model_of_query},
    // Made of the calls above, each of which is judged by itself.
    {"GET /graphql", On::kSomebody, kRead},
    {"POST /graphql", On::kSomebody, kRead},
    {"POST /v1/traces", On::kThings, kEdit, spans, nullptr, /*tells_changes=*/true},
    {"POST /api/2.0mlflow/experiments/search-datasets", On::kSearch, kRead, nullptr,
     experiments_listed},
    {"POST /deployments/{name}/invocations", On::kAsk, kRead, deployment},
    {"POST /invocations", On::kAsk, kRead, default_deployment},
    {"GET /ping", On::kNobody, kNone},
};

template <std::size_t n>
void add(access::Rules& rules, const Row (&rows)[n], std::string_view below) {
  for (const Row& row : rows) {
    const std::string_view route = row.route;
    const std::size_t slash = route.find('/');
    rules.push_back({std::string(route.substr(0, slash)) + std::string(below) +
                         std::string(route.substr(slash)),
                     row.on, row.level, row.things, row.narrow, row.tells_changes});
  }
}

}  // namespace

access::Rules access_rules() {
  access::Rules rules;
  add(rules, kTracking, "/api/2.0/mlflow");
  add(rules, kRegistry, "/api/2.0/mlflow");
  add(rules, kPeople, "/api/2.0/mlflow");
  add(rules, kPeople3, "/api/3.0/mlflow");
  add(rules, kTraces, "/api/3.0/mlflow");
  add(rules, kTracesOfBoth, "/api/2.0/mlflow");
  add(rules, kTracesOfBoth, "/api/3.0/mlflow");
  add(rules, kWebhooks, "/api/2.0/mlflow");
  add(rules, kFiles, "/api/2.0/mlflow-artifacts");
  add(rules, kRoot, "");
  return rules;
}

}  // namespace slipway::mlflow
