#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dialects/mlflow/filter.h"
#include "domain/tracking/tracking.h"
#include "io/http/message.h"
#include "io/wire/codec.h"

// Tracking's nouns in MLflow's words. A member that is an empty optional is left out, as protobuf's
// JSON leaves out what is not set; the order of members is that of the protobuf fields.
namespace slipway::mlflow {

/// MLflow's tags with a meaning of their own.
inline constexpr char kRunNameTag[] = "mlflow.runName";
inline constexpr char kDatasetContextTag[] = "mlflow.data.context";
inline constexpr char kLoggedModelsTag[] = "mlflow.log-model.history";

struct TagMessage {
  std::string key, value;
};
WIRE(TagMessage, key, value)

struct ExperimentMessage {
  std::string experiment_id, name, artifact_location, lifecycle_stage;
  std::int64_t last_update_time = 0, creation_time = 0;
  std::optional<std::vector<TagMessage>> tags;
  std::string workspace;
};
WIRE(ExperimentMessage, experiment_id, name, artifact_location, lifecycle_stage, last_update_time,
     creation_time, tags, workspace)

struct RunInfoMessage {
  std::string run_uuid, experiment_id, run_name, user_id, status;
  std::int64_t start_time = 0;
  std::optional<std::int64_t> end_time;
  std::string artifact_uri, lifecycle_stage, run_id;
};
WIRE(RunInfoMessage, run_uuid, experiment_id, run_name, user_id, status, start_time, end_time,
     artifact_uri, lifecycle_stage, run_id)

struct MetricMessage {
  std::string key;
  double value = 0;
  std::int64_t timestamp = 0, step = 0;
  std::optional<std::string> run_id;
};
WIRE(MetricMessage, key, value, timestamp, step, run_id)

struct RunDataMessage {
  std::optional<std::vector<MetricMessage>> metrics;
  std::optional<std::vector<TagMessage>> params, tags;
};
WIRE(RunDataMessage, metrics, params, tags)

struct DatasetMessage {
  std::string name, digest, source_type, source;
  std::optional<std::string> schema, profile;
};
WIRE(DatasetMessage, name, digest, source_type, source, schema, profile)

struct DatasetInputMessage {
  std::optional<std::vector<TagMessage>> tags;
  DatasetMessage dataset;
};
WIRE(DatasetInputMessage, tags, dataset)

struct ModelInputMessage {
  std::string model_id;
};
WIRE(ModelInputMessage, model_id)

struct ModelOutputMessage {
  std::string model_id;
  std::int64_t step = 0;
};
WIRE(ModelOutputMessage, model_id, step)

struct RunInputsMessage {
  std::optional<std::vector<DatasetInputMessage>> dataset_inputs;
  std::optional<std::vector<ModelInputMessage>> model_inputs;
};
WIRE(RunInputsMessage, dataset_inputs, model_inputs)

struct RunOutputsMessage {
  std::optional<std::vector<ModelOutputMessage>> model_outputs;
};
WIRE(RunOutputsMessage, model_outputs)

struct RunMessage {
  RunInfoMessage info;
  RunDataMessage data;
  RunInputsMessage inputs;
  std::optional<RunOutputsMessage> outputs;
};
WIRE(RunMessage, info, data, inputs, outputs)

ExperimentMessage to_message(tracking::Experiment experiment);
RunInfoMessage to_message(tracking::RunInfo info);
/// `outputs` are written, if only as {}, when `with_outputs` is set.
RunMessage to_message(tracking::Run run, bool with_outputs);

std::vector<tracking::Tag> to_tags(std::vector<TagMessage> messages);
/// A query's conditions and order. Errors in MLflow's words.
Result<std::vector<tracking::Condition>> to_conditions(const std::string& filter,
                                                       const SearchRules& rules);
Result<std::vector<tracking::Ordering>> to_order(const std::vector<std::string>& terms,
                                                 const SearchRules& rules);
/// A ViewType as MLflow sends it: 1, "1" or "ACTIVE_ONLY", and so on; null is the default.
Result<tracking::View> to_view(const wire::Json& view, const char* name);

tracking::Actor to_actor(const http::Principal& principal);

/// A list that is left out when it is empty.
template <class T>
std::optional<std::vector<T>> unless_empty(std::vector<T> list) {
  if (list.empty()) return std::nullopt;
  return list;
}

}  // namespace slipway::mlflow
