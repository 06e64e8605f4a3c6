#include "dialects/mlflow/registry_messages.h"

#include "base/text.h"
#include "dialects/mlflow/limits.h"

namespace slipway::mlflow {
namespace {

using registry::LoggedModelStatus;
using registry::Stage;

template <class T>
std::optional<T> unless_empty(T value) {
  if (value.empty()) return std::nullopt;
  return value;
}

const char* status_name(LoggedModelStatus status) {
  switch (status) {
    case LoggedModelStatus::kPending:
      return "LOGGED_MODEL_PENDING";
    case LoggedModelStatus::kReady:
      return "LOGGED_MODEL_READY";
    case LoggedModelStatus::kFailed:
      return "LOGGED_MODEL_UPLOAD_FAILED";
  }
  return "LOGGED_MODEL_STATUS_UNSPECIFIED";
}

LoggedModelMetricMessage to_metric(registry::ModelMetric metric) {
  return {std::move(metric.key),
          metric.value,
          metric.timestamp_ms,
          metric.step,
          unless_empty(std::move(metric.dataset_name)),
          unless_empty(std::move(metric.dataset_digest)),
          std::move(metric.model_id),
          std::move(metric.run_id)};
}

}  // namespace

const char* stage_name(Stage stage) {
  switch (stage) {
    case Stage::kNone:
      return "None";
    case Stage::kStaging:
      return "Staging";
    case Stage::kProduction:
      return "Production";
    case Stage::kArchived:
      return "Archived";
  }
  return "None";
}

Result<Stage> to_stage(const std::string& name) {
  if (std::optional<Stage> stage = registry::parse_stage(name)) return *stage;
  return invalid("Invalid Model Version stage: " + name +
                 ". Value must be one of None, Staging, Production, Archived.");
}

Result<std::int64_t> to_version_number(const std::string& text) {
  if (std::optional<std::int64_t> number = to_int64(trim(text))) return *number;
  return invalid("Parameter 'version' must be an integer, got '" + text + "'.");
}

Result<> check_tag_keys(const registry::Tags& tags) {
  for (const registry::Tag& tag : tags) TRY(check_name(tag.key, "key"));
  return {};
}

bool is_prompt(const registry::Tags& tags) {
  bool prompt = false;
  for (const registry::Tag& tag : tags) {
    if (tag.key == kIsPromptTag) prompt = to_lower(tag.value) == "true";
  }
  return prompt;
}

VersionMessage to_message(registry::Version version) {
  VersionMessage message;
  message.name = std::move(version.model);
  message.version = std::to_string(version.number);
  message.creation_timestamp = version.created_ms;
  message.last_updated_timestamp = version.updated_ms;
  message.current_stage = stage_name(version.stage);
  message.description = std::move(version.description);
  message.source = std::move(version.source);
  message.run_id = std::move(version.run_id);
  message.status = "READY";
  message.tags = unless_empty(std::move(version.tags));
  message.run_link = std::move(version.run_link);
  message.aliases = unless_empty(std::move(version.aliases));
  return message;
}

ModelMessage to_message(registry::Model model) {
  ModelMessage message;
  message.name = std::move(model.name);
  message.creation_timestamp = model.created_ms;
  message.last_updated_timestamp = model.updated_ms;
  message.description = unless_empty(std::move(model.description));
  message.tags = unless_empty(std::move(model.tags));
  std::vector<VersionMessage> latest;
  for (registry::Version& version : model.latest) latest.push_back(to_message(std::move(version)));
  message.latest_versions = unless_empty(std::move(latest));
  std::vector<AliasMessage> aliases;
  for (registry::Alias& alias : model.aliases) {
    aliases.push_back({std::move(alias.alias), std::to_string(alias.number)});
  }
  message.aliases = unless_empty(std::move(aliases));
  return message;
}

LoggedModelMessage to_message(registry::LoggedModel model) {
  LoggedModelMessage message;
  LoggedModelInfoMessage& info = message.info;
  info.model_id = std::move(model.id);
  info.experiment_id = std::move(model.experiment_id);
  info.name = std::move(model.name);
  info.creation_timestamp_ms = model.created_ms;
  info.last_updated_timestamp_ms = model.updated_ms;
  info.artifact_uri = std::move(model.location);
  info.status = status_name(model.status);
  info.model_type = std::move(model.type);
  info.source_run_id = std::move(model.run_id);
  info.tags = unless_empty(std::move(model.tags));
  message.data.params = unless_empty(std::move(model.params));
  std::vector<LoggedModelMetricMessage> metrics;
  for (registry::ModelMetric& metric : model.metrics)
    metrics.push_back(to_metric(std::move(metric)));
  message.data.metrics = unless_empty(std::move(metrics));
  return message;
}

}  // namespace slipway::mlflow
