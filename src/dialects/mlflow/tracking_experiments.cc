#include <filesystem>
#include <system_error>

#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/limits.h"
#include "dialects/mlflow/request.h"
#include "dialects/mlflow/tracking_messages.h"
#include "dialects/mlflow/tracking_routes.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Reply;
using http::Request;
using http::Response;
using tracking::Tracking;

struct CreateExperiment {
  std::string name, artifact_location;
  std::vector<TagMessage> tags;
};
WIRE(CreateExperiment, name, artifact_location, tags)
constexpr Parameter kCreate[] = {
    {"name", Type::kText, kRequired}, {"artifact_location"}, {"tags", Type::kList}};

struct CreateExperimentReply {
  std::string experiment_id;
};
WIRE(CreateExperimentReply, experiment_id)

struct ExperimentCall {
  std::string experiment_id, experiment_name, new_name, key, value;
};
WIRE(ExperimentCall, experiment_id, experiment_name, new_name, key, value)
constexpr Parameter kById[] = {{"experiment_id", Type::kText, kRequired}};
constexpr Parameter kByName[] = {{"experiment_name", Type::kText, kRequired}};
constexpr Parameter kUpdate[] = {{"experiment_id", Type::kText, kRequired},
                                 {"new_name", Type::kText, kRequired}};
constexpr Parameter kSetTag[] = {
    {"experiment_id", Type::kText, kRequired}, {"key", Type::kText, kRequired}, {"value"}};
constexpr Parameter kDeleteTag[] = {{"experiment_id", Type::kText, kRequired},
                                    {"key", Type::kText, kRequired}};

struct ExperimentReply {
  ExperimentMessage experiment;
};
WIRE(ExperimentReply, experiment)

struct SearchExperiments {
  std::int64_t max_results = 1000;
  std::string page_token, filter;
  std::vector<std::string> order_by;
  wire::Json view_type;
};
WIRE(SearchExperiments, max_results, page_token, filter, order_by, view_type)
constexpr Parameter kSearch[] = {{"view_type", Type::kAny},
                                 {"max_results", Type::kInteger},
                                 {"order_by", Type::kList},
                                 {"filter"},
                                 {"page_token"}};

struct SearchExperimentsReply {
  std::optional<std::vector<ExperimentMessage>> experiments;
  std::optional<std::string> next_page_token;
};
WIRE(SearchExperimentsReply, experiments, next_page_token)

Result<> check_tag(const TagMessage& tag) {
  TRY(check_name(tag.key, "key"));
  TRY(check_length(tag.key, kKeyMax, "key"));
  return check_length(tag.value, kExperimentTagValueMax, "value");
}

/// A plain relative path is one below the folder that the server was started in.
std::string absolute_location(std::string location) {
  const bool plain = !location.empty() && location.find(':') == std::string::npos;
  if (!plain || location.starts_with('/')) return location;
  std::error_code failed;
  std::filesystem::path path = std::filesystem::absolute(location, failed);
  return failed ? location : path.lexically_normal().string();
}

Result<> create(Tracking& tracking, const Request& request, Reply& reply) {
  CreateExperiment call = TRY(read_request<CreateExperiment>(request, kCreate));
  if (!call.artifact_location.empty()) TRY(check_artifact_location(call.artifact_location));
  TRY(check_length(call.name, kExperimentNameMax, "name"));
  for (const TagMessage& tag : call.tags) TRY(check_tag(tag));
  if (Result<> distinct = check_distinct_keys(call.tags, "tags"); !distinct.ok()) {
    return Error{Code::kConflict, distinct.error().message, "already_exists"};  // as upstream
  }
  tracking.create_experiment(
      {std::move(call.name), absolute_location(std::move(call.artifact_location)),
       to_tags(std::move(call.tags))},
      to_actor(request.principal), then_answer<tracking::Experiment>(reply, [](auto experiment) {
        return to_response(CreateExperimentReply{std::to_string(experiment.id)});
      }));
  return {};
}

Result<Response> get(Tracking& tracking, Request& request) {
  ExperimentCall call = TRY(read_request<ExperimentCall>(request, kById));
  const std::int64_t id = TRY(to_experiment_id(call.experiment_id));
  return to_response(ExperimentReply{to_message(TRY(tracking.experiment(id)))});
}

Result<Response> get_by_name(Tracking& tracking, Request& request) {
  ExperimentCall call = TRY(read_request<ExperimentCall>(request, kByName));
  std::optional<tracking::Experiment> experiment =
      TRY(tracking.experiment_named(call.experiment_name));
  if (!experiment) {
    return missing("Could not find experiment with name '" + call.experiment_name + "'");
  }
  return to_response(ExperimentReply{to_message(std::move(*experiment))});
}

Result<> check_page_size(std::int64_t max_results) {
  constexpr std::int64_t kMax = 50'000;
  const std::string start =
      "Invalid value " + std::to_string(max_results) + " for parameter 'max_results' supplied. ";
  if (max_results < 1) return invalid(start + "It must be a positive integer");
  if (max_results > kMax) return invalid(start + "It must be at most " + std::to_string(kMax));
  return {};
}

/// Times are whole numbers here.
Result<> check_whole(const std::vector<tracking::Condition>& conditions) {
  for (const tracking::Condition& condition : conditions) {
    const auto* real = std::get_if<double>(&condition.value);
    if (real == nullptr) continue;
    return invalid("Invalid value for numeric attribute '" + condition.key + "': '" +
                   wire::dump(wire::Json(*real)) + "'");
  }
  return {};
}

Result<Response> search(Tracking& tracking, Request& request) {
  SearchExperiments call = TRY(read_request<SearchExperiments>(request, kSearch));
  TRY(check_page_size(call.max_results));
  tracking::ExperimentQuery query;
  query.where = TRY(to_conditions(call.filter, kExperimentSearch));
  TRY(check_whole(query.where));
  query.order = TRY(to_order(call.order_by, kExperimentSearch));
  for (const tracking::Ordering& ordering : query.order) {
    if (ordering.field == tracking::Field::kTag) return invalid("Invalid order_by entity: tag");
  }
  query.view = TRY(to_view(call.view_type, "view_type"));
  query.among = to_listed(request.principal.experiments, /*whole=*/true);
  query.limit = static_cast<int>(call.max_results);
  query.offset = TRY(page_offset(call.page_token));
  tracking::ExperimentPage page = TRY(tracking.search(query));
  SearchExperimentsReply reply;
  if (page.more) reply.next_page_token = page_token(query.offset + query.limit);
  std::vector<ExperimentMessage> experiments;
  for (tracking::Experiment& experiment : page.experiments) {
    experiments.push_back(to_message(std::move(experiment)));
  }
  reply.experiments = unless_empty(std::move(experiments));
  return to_response(reply);
}

/// A name that is taken has a code of its own only for a new experiment.
Done<> as_bad_request_if_taken(Done<> done) {
  return [done = std::move(done)](Result<> renamed) mutable {
    const bool taken = !renamed.ok() && renamed.error().tag == "already_exists";
    if (taken) return done(Error{Code::kInvalid, renamed.error().message, "bad_request"});
    done(std::move(renamed));
  };
}

Result<> update(Tracking& tracking, const Request& request, Reply& reply) {
  ExperimentCall call = TRY(read_request<ExperimentCall>(request, kUpdate));
  TRY(check_length(call.new_name, kExperimentNameMax, "name"));
  const std::int64_t id = TRY(to_experiment_id(call.experiment_id));
  tracking.rename_experiment(id, std::move(call.new_name), to_actor(request.principal),
                             as_bad_request_if_taken(then_empty(reply)));
  return {};
}

Result<> remove(Tracking& tracking, const Request& request, Reply& reply) {
  ExperimentCall call = TRY(read_request<ExperimentCall>(request, kById));
  const std::int64_t id = TRY(to_experiment_id(call.experiment_id));
  tracking.delete_experiment(id, to_actor(request.principal), then_empty(reply));
  return {};
}

Result<> restore(Tracking& tracking, const Request& request, Reply& reply) {
  ExperimentCall call = TRY(read_request<ExperimentCall>(request, kById));
  const std::int64_t id = TRY(to_experiment_id(call.experiment_id));
  tracking.restore_experiment(id, to_actor(request.principal), then_empty(reply));
  return {};
}

Result<> set_tag(Tracking& tracking, const Request& request, Reply& reply) {
  ExperimentCall call = TRY(read_request<ExperimentCall>(request, kSetTag));
  TRY(check_tag({call.key, call.value}));
  const std::int64_t id = TRY(to_experiment_id(call.experiment_id));
  tracking.set_experiment_tag(id, {std::move(call.key), std::move(call.value)}, then_empty(reply));
  return {};
}

Result<> delete_tag(Tracking& tracking, const Request& request, Reply& reply) {
  ExperimentCall call = TRY(read_request<ExperimentCall>(request, kDeleteTag));
  const std::int64_t id = TRY(to_experiment_id(call.experiment_id));
  tracking.delete_experiment_tag(id, std::move(call.key), then_empty(reply));
  return {};
}

}  // namespace

void mount_experiments(Api& api, Tracking& tracking) {
  ServiceApi routes(api, tracking);
  routes.read(Method::kGet, "/experiments/get", kReadsTracking, get);
  routes.read(Method::kGet, "/experiments/get-by-name", kReadsTracking, get_by_name);
  routes.read(Method::kGet, "/experiments/search", kReadsTracking, search);
  routes.read(Method::kPost, "/experiments/search", kReadsTracking, search);
  routes.write(Method::kPost, "/experiments/create", kWritesTracking, create);
  routes.write(Method::kPost, "/experiments/update", kWritesTracking, update);
  routes.write(Method::kPost, "/experiments/delete", kWritesTracking, remove);
  routes.write(Method::kPost, "/experiments/restore", kWritesTracking, restore);
  routes.write(Method::kPost, "/experiments/set-experiment-tag", kWritesTracking, set_tag);
  routes.write(Method::kPost, "/experiments/delete-experiment-tag", kWritesTracking, delete_tag);
}

}  // namespace slipway::mlflow
