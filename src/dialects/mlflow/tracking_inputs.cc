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

constexpr std::size_t kDatasetsMax = 1000;  // of one call; models likewise

struct DatasetCall {
  std::string name, digest, source_type, source, schema, profile;
};
WIRE(DatasetCall, name, digest, source_type, source, schema, profile)
struct DatasetInputCall {
  std::vector<TagMessage> tags;
  DatasetCall dataset;
};
WIRE(DatasetInputCall, tags, dataset)
struct ModelCall {
  std::string model_id;
  std::int64_t step = 0;
};
WIRE(ModelCall, model_id, step)

struct LogInputs {
  std::string run_id;
  std::vector<DatasetInputCall> datasets;
  std::vector<ModelCall> models;
};
WIRE(LogInputs, run_id, datasets, models)
constexpr Parameter kLogInputs[] = {
    {"run_id", Type::kText, kRequired}, {"datasets", Type::kList}, {"models", Type::kList}};

struct LogOutputs {
  std::string run_id;
  std::vector<ModelCall> models;
};
WIRE(LogOutputs, run_id, models)
constexpr Parameter kLogOutputs[] = {{"run_id", Type::kText, kRequired},
                                     {"models", Type::kList, kRequired}};

struct SearchDatasets {
  std::vector<std::string> experiment_ids;
};
WIRE(SearchDatasets, experiment_ids)
constexpr Parameter kSearchDatasets[] = {{"experiment_ids", Type::kList}};

struct DatasetSummary {
  std::string experiment_id, name, digest;
  std::optional<std::string> context;
};
WIRE(DatasetSummary, experiment_id, name, digest, context)
struct SearchDatasetsReply {
  std::optional<std::vector<DatasetSummary>> dataset_summaries;
};
WIRE(SearchDatasetsReply, dataset_summaries)

Result<> check_dataset(const DatasetCall& dataset, const std::string& path) {
  if (dataset.name.empty()) return missing_parameter(path + ".name");
  if (dataset.digest.empty()) return missing_parameter(path + ".digest");
  TRY(check_length(dataset.name, 500, "name"));
  TRY(check_length(dataset.digest, 36, "digest"));
  TRY(check_length(dataset.source, 65'535, "source"));
  TRY(check_length(dataset.source_type, 500, "source_type"));
  TRY(check_length(dataset.schema, 1'048'575, "schema"));
  return check_length(dataset.profile, 16'777'215, "profile");
}

Result<> check_inputs(const LogInputs& call) {
  TRY(check_run_id(call.run_id));
  TRY(check_batch_size(call.datasets.size(), kDatasetsMax, "datasets"));
  TRY(check_batch_size(call.models.size(), kDatasetsMax, "models"));
  for (std::size_t i = 0; i < call.datasets.size(); ++i) {
    const DatasetInputCall& input = call.datasets[i];
    TRY(check_dataset(input.dataset, "datasets[" + std::to_string(i) + "].dataset"));
    TRY(check_batch_size(input.tags.size(), kTagsMax, "tags of a dataset"));
    for (const TagMessage& tag : input.tags) {
      TRY(check_length(tag.key, 255, "key"));
      TRY(check_length(tag.value, 500, "value"));
    }
  }
  return {};
}

Result<std::vector<tracking::ModelLink>> to_links(std::vector<ModelCall> models) {
  std::vector<tracking::ModelLink> links;
  for (std::size_t i = 0; i < models.size(); ++i) {
    if (models[i].model_id.empty()) {
      return missing_parameter("models[" + std::to_string(i) + "].model_id");
    }
    TRY(check_length(models[i].model_id, kKeyMax, "model_id"));
    links.push_back({std::move(models[i].model_id), models[i].step});
  }
  return links;
}

tracking::DatasetInput to_input(DatasetInputCall call) {
  DatasetCall& dataset = call.dataset;
  return {{std::move(dataset.name), std::move(dataset.digest), std::move(dataset.source_type),
           std::move(dataset.source), std::move(dataset.schema), std::move(dataset.profile)},
          to_tags(std::move(call.tags))};
}

Result<> log_inputs(Tracking& tracking, const Request& request, Reply& reply) {
  LogInputs call = TRY(read_request<LogInputs>(request, kLogInputs));
  TRY(check_inputs(call));
  tracking::Inputs inputs;
  for (DatasetInputCall& input : call.datasets)
    inputs.datasets.push_back(to_input(std::move(input)));
  inputs.models = TRY(to_links(std::move(call.models)));
  tracking.log_inputs(std::move(call.run_id), std::move(inputs), then_empty(reply));
  return {};
}

Result<> log_outputs(Tracking& tracking, const Request& request, Reply& reply) {
  LogOutputs call = TRY(read_request<LogOutputs>(request, kLogOutputs));
  TRY(check_batch_size(call.models.size(), kDatasetsMax, "models"));
  // First: where it is refused, the reply must still be there to say so.
  std::vector<tracking::ModelLink> links = TRY(to_links(std::move(call.models)));
  tracking.log_outputs(std::move(call.run_id), std::move(links), then_empty(reply));
  return {};
}

Result<> check_experiment_count(std::size_t count) {
  constexpr std::size_t kMax = 20;
  if (count == 0) {
    return invalid("SearchDatasets request must specify at least one experiment_id.");
  }
  if (count <= kMax) return {};
  const std::string got = std::to_string(count);
  return invalid("SearchDatasets request cannot specify more than " + std::to_string(kMax) +
                 " experiment_ids. Received " + got + " experiment_ids.");
}

Result<Response> search_datasets(Tracking& tracking, Request& request) {
  constexpr std::size_t kSummariesMax = 1000;
  SearchDatasets call = TRY(read_request<SearchDatasets>(request, kSearchDatasets));
  TRY(check_experiment_count(call.experiment_ids.size()));
  std::vector<std::int64_t> experiments;
  for (const std::string& id : call.experiment_ids) {
    experiments.push_back(TRY(to_experiment_id(id)));
  }
  std::vector<DatasetSummary> summaries;
  for (tracking::DatasetUse& use :
       TRY(tracking.dataset_uses(experiments, kDatasetContextTag, kSummariesMax))) {
    summaries.push_back({std::to_string(use.experiment_id), std::move(use.name),
                         std::move(use.digest), std::move(use.tag)});
  }
  return to_response(SearchDatasetsReply{unless_empty(std::move(summaries))});
}

}  // namespace

void mount_inputs(Api& api, Tracking& tracking) {
  ServiceApi routes(api, tracking);
  routes.write_large(Method::kPost, "/runs/log-inputs", kWritesTracking, log_inputs);
  routes.write(Method::kPost, "/runs/outputs", kWritesTracking, log_outputs);
  mount_search_datasets(api, tracking);
}

void mount_search_datasets(Api& api, Tracking& tracking) {
  ServiceApi routes(api, tracking);
  routes.read(Method::kPost, "/experiments/search-datasets", kReadsTracking, search_datasets);
}

}  // namespace slipway::mlflow
