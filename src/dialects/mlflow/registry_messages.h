#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "domain/registry/types.h"
#include "io/wire/codec.h"

// The registry's nouns in MLflow's words. A member that is an empty optional is left out, as
// protobuf's JSON leaves out what is not set; the order of members is that of the protobuf fields.
namespace slipway::mlflow {

/// Marks a model that is a prompt, and its versions.
inline constexpr char kIsPromptTag[] = "mlflow.prompt.is_prompt";
/// Of a logged model: the versions that were made from it.
inline constexpr char kModelVersionsTag[] = "mlflow.modelVersions";

struct VersionMessage {
  std::string name, version;
  std::int64_t creation_timestamp = 0, last_updated_timestamp = 0;
  std::string current_stage, description, source, run_id, status;
  std::optional<registry::Tags> tags;
  std::string run_link;
  std::optional<std::vector<std::string>> aliases;
};
WIRE(VersionMessage, name, version, creation_timestamp, last_updated_timestamp, current_stage,
     description, source, run_id, status, tags, run_link, aliases)

struct AliasMessage {
  std::string alias, version;
};
WIRE(AliasMessage, alias, version)

struct ModelMessage {
  std::string name;
  std::int64_t creation_timestamp = 0, last_updated_timestamp = 0;
  std::optional<std::string> description;
  std::optional<std::vector<VersionMessage>> latest_versions;
  std::optional<registry::Tags> tags;
  std::optional<std::vector<AliasMessage>> aliases;
};
WIRE(ModelMessage, name, creation_timestamp, last_updated_timestamp, description, latest_versions,
     tags, aliases)

struct LoggedModelMetricMessage {
  std::string key;
  double value = 0;
  std::int64_t timestamp = 0, step = 0;
  std::optional<std::string> dataset_name, dataset_digest;
  std::string model_id, run_id;
};
WIRE(LoggedModelMetricMessage, key, value, timestamp, step, dataset_name, dataset_digest, model_id,
     run_id)

struct LoggedModelInfoMessage {
  std::string model_id, experiment_id, name;
  std::int64_t creation_timestamp_ms = 0, last_updated_timestamp_ms = 0;
  std::string artifact_uri, status, model_type, source_run_id;
  std::optional<registry::Tags> tags;
};
WIRE(LoggedModelInfoMessage, model_id, experiment_id, name, creation_timestamp_ms,
     last_updated_timestamp_ms, artifact_uri, status, model_type, source_run_id, tags)

struct LoggedModelDataMessage {
  std::optional<registry::Tags> params;
  std::optional<std::vector<LoggedModelMetricMessage>> metrics;
};
WIRE(LoggedModelDataMessage, params, metrics)

struct LoggedModelMessage {
  LoggedModelInfoMessage info;
  LoggedModelDataMessage data;
};
WIRE(LoggedModelMessage, info, data)

/// "None", "Staging", "Production", "Archived".
const char* stage_name(registry::Stage stage);
/// Any case. kInvalid in MLflow's words.
Result<registry::Stage> to_stage(const std::string& name);
/// kInvalid in MLflow's words.
Result<std::int64_t> to_version_number(const std::string& text);
/// Whether the tags, the last of each key counting, make a prompt.
/// The characters that clients may use in the keys of tags.
Result<> check_tag_keys(const registry::Tags& tags);
bool is_prompt(const registry::Tags& tags);

VersionMessage to_message(registry::Version version);
ModelMessage to_message(registry::Model model);
LoggedModelMessage to_message(registry::LoggedModel model);

}  // namespace slipway::mlflow
