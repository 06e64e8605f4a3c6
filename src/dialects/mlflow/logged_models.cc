#include "dialects/mlflow/logged_models.h"

#include <random>

#include "base/text.h"
#include "dialects/mlflow/api.h"
#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/limits.h"
#include "dialects/mlflow/logged_model_search.h"
#include "dialects/mlflow/registry_messages.h"
#include "dialects/mlflow/request.h"
#include "domain/registry/logged_models.h"
#include "domain/registry/names.h"
#include "domain/tracking/tracking.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Reply;
using http::Request;
using http::Response;
using registry::LoggedModels;
using registry::LoggedModelStatus;
using tracking::Tracking;

constexpr http::Permission kReads = http::reads("registry");
constexpr http::Permission kWrites = http::writes("registry");
constexpr http::Permission kManages = http::manages("registry");
constexpr char kModelPath[] = "/logged-models/{model_id}";

struct CreateModel {
  std::string experiment_id, name, model_type, source_run_id;
  registry::Tags params, tags;
};
WIRE(CreateModel, experiment_id, name, model_type, source_run_id, params, tags)
constexpr Parameter kCreate[] = {{"experiment_id", Type::kText, kRequired},
                                 {"name"},
                                 {"model_type"},
                                 {"source_run_id"},
                                 {"params", Type::kList},
                                 {"tags", Type::kList}};

struct Finalize {
  std::string model_id;
  wire::Json status;  // a number, its text, or a name
};
WIRE(Finalize, model_id, status)
constexpr Parameter kFinalize[] = {{"model_id", Type::kText, kRequired},
                                   {"status", Type::kAny, kRequired}};

struct SetTags {
  registry::Tags tags;
};
WIRE(SetTags, tags)
constexpr Parameter kSetTags[] = {{"tags", Type::kList}};

struct LogParams {
  std::string model_id;
  registry::Tags params;
};
WIRE(LogParams, model_id, params)
constexpr Parameter kLogParams[] = {{"model_id", Type::kText, kRequired}, {"params", Type::kList}};

constexpr Parameter kSearch[] = {{"experiment_ids", Type::kTexts, kRequired},
                                 {"filter"},
                                 {"datasets", Type::kList},
                                 {"max_results", Type::kInteger},
                                 {"order_by", Type::kList},
                                 {"page_token"}};

struct ModelAnswer {
  LoggedModelMessage model;
};
WIRE(ModelAnswer, model)
struct ModelsAnswer {
  std::optional<std::vector<LoggedModelMessage>> models;
  std::optional<std::string> next_page_token;
};
WIRE(ModelsAnswer, models, next_page_token)

Response answer(registry::LoggedModel model) {
  return to_response(ModelAnswer{to_message(std::move(model))});
}
Done<registry::LoggedModel> then_model(Reply& reply) {
  return then_answer<registry::LoggedModel>(reply, &answer);
}

std::string random_name() {
  std::random_device device;
  return tracking::random_run_name(std::uint64_t{device()} << 32 | device());
}

Result<> create(LoggedModels& models, Tracking& tracking, const Request& request, Reply& reply) {
  auto call = TRY(read_request<CreateModel>(request, kCreate));
  TRY(check_distinct_keys(call.params, "params"));
  TRY(check_distinct_keys(call.tags, "tags"));
  if (!call.name.empty()) TRY(registry::check_logged_model_name(call.name));
  const std::int64_t id = TRY(to_experiment_id(call.experiment_id));
  const tracking::Experiment experiment = TRY(tracking.experiment(id));
  if (experiment.deleted) {
    return Error{Code::kConflict,
                 "The experiment " + call.experiment_id +
                     " must be in the 'active' state. Current state is deleted.",
                 "inactive"};
  }
  registry::NewLoggedModel model;
  model.experiment_id = std::to_string(id);
  model.experiment_location = experiment.artifact_location;
  model.name = call.name.empty() ? random_name() : std::move(call.name);
  model.type = std::move(call.model_type);
  model.run_id = std::move(call.source_run_id);
  model.tags = std::move(call.tags);
  model.params = std::move(call.params);
  models.create(request.principal.name, std::move(model), then_model(reply));
  return {};
}

Result<Response> get(LoggedModels& models, const Request& request) {
  const bool also_deleted = to_lower(request.query_value("allow_deleted").value_or("")) == "true";
  return answer(TRY(models.find(request.capture("model_id"), also_deleted)));
}

/// The values of MLflow's enum: 1 is pending, 2 ready, 3 failed.
Result<LoggedModelStatus> to_status(const wire::Json& status) {
  constexpr std::pair<std::string_view, LoggedModelStatus> kNames[] = {
      {"LOGGED_MODEL_PENDING", LoggedModelStatus::kPending},
      {"LOGGED_MODEL_READY", LoggedModelStatus::kReady},
      {"LOGGED_MODEL_UPLOAD_FAILED", LoggedModelStatus::kFailed},
  };
  std::string text = status.is_string() ? status.as_string() : "";
  if (status.is_integer()) text = wire::dump(status);
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (text == kNames[i].first || text == std::to_string(i + 1)) return kNames[i].second;
  }
  return invalid_parameter("status", status);
}

Result<> finalize(LoggedModels& models, const Request& request, Reply& reply) {
  auto call = TRY(read_request<Finalize>(request, kFinalize));
  const LoggedModelStatus status = TRY(to_status(call.status));
  models.finalize(request.principal.name, request.capture("model_id"), status, then_model(reply));
  return {};
}

Result<> remove(LoggedModels& models, const Request& request, Reply& reply) {
  models.remove(request.principal.name, request.capture("model_id"), then_empty(reply));
  return {};
}

Result<> set_tags(LoggedModels& models, const Request& request, Reply& reply) {
  auto call = TRY(read_request<SetTags>(request, kSetTags));
  models.set_tags(request.capture("model_id"), std::move(call.tags), then_empty(reply));
  return {};
}

Result<> delete_tag(LoggedModels& models, const Request& request, Reply& reply) {
  models.delete_tag(request.capture("model_id"), request.capture("key"), then_empty(reply));
  return {};
}

Result<> log_params(LoggedModels& models, const Request& request, Reply& reply) {
  auto call = TRY(read_request<LogParams>(request, kLogParams));
  TRY(check_distinct_keys(call.params, "params"));
  models.log_params(request.capture("model_id"), std::move(call.params), then_empty(reply));
  return {};
}

Result<Response> search(LoggedModels& models, const Request& request) {
  const auto call = TRY(read_request<SearchLoggedModels>(request, kSearch));
  const registry::LoggedQuery query = TRY(to_query(call));
  registry::Page<registry::LoggedModel> page = TRY(models.search(query));
  ModelsAnswer found;
  if (!page.items.empty()) found.models.emplace();
  for (registry::LoggedModel& model : page.items) {
    found.models->push_back(to_message(std::move(model)));
  }
  if (page.more) found.next_page_token = next_token(call, query);
  return to_response(found);
}

}  // namespace

void mount_logged_models(http::Router& router, LoggedModels& models, Tracking& tracking) {
  Api api(router, "2.0");
  ServiceApi routes(api, models);
  const std::string model = kModelPath;
  // Reads before it writes, so not on the connection's loop.
  api.write_large(Method::kPost, "/logged-models", kWrites,
                  [&models, &tracking](const Request& request, Reply& reply) {
                    return create(models, tracking, request, reply);
                  });
  routes.read(Method::kGet, model, kReads, get);
  routes.read(Method::kPost, "/logged-models/search", kReads, search);
  routes.write(Method::kPatch, model, kWrites, finalize);
  routes.write(Method::kDelete, model, kManages, remove);
  routes.write(Method::kPatch, model + "/tags", kWrites, set_tags);
  routes.write(Method::kDelete, model + "/tags/{key}", kWrites, delete_tag);
  routes.write(Method::kPost, model + "/params", kWrites, log_params);
}

}  // namespace slipway::mlflow
