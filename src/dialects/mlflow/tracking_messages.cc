#include "dialects/mlflow/tracking_messages.h"

#include <iterator>
#include <utility>

#include "base/text.h"
#include "dialects/mlflow/errors.h"

namespace slipway::mlflow {
namespace {

using tracking::Field;
using tracking::View;

const char* stage_of(bool deleted) {
  return deleted ? "deleted" : "active";
}

std::optional<std::vector<TagMessage>> to_tag_messages(std::vector<tracking::Tag> tags) {
  std::vector<TagMessage> messages;
  messages.reserve(tags.size());
  for (tracking::Tag& tag : tags) messages.push_back({std::move(tag.key), std::move(tag.value)});
  return unless_empty(std::move(messages));
}

RunDataMessage to_data(tracking::Run& run) {
  RunDataMessage data;
  std::vector<MetricMessage> metrics;
  metrics.reserve(run.metrics.size());
  for (tracking::Metric& metric : run.metrics) {
    metrics.push_back(
        {std::move(metric.key), metric.value, metric.timestamp_ms, metric.step, std::nullopt});
  }
  data.metrics = unless_empty(std::move(metrics));
  std::vector<TagMessage> params;
  params.reserve(run.params.size());
  for (tracking::Param& param : run.params) {
    params.push_back({std::move(param.key), std::move(param.value)});
  }
  data.params = unless_empty(std::move(params));
  data.tags = to_tag_messages(std::move(run.tags));
  return data;
}

std::optional<std::string> unless_blank(std::string text) {
  if (text.empty()) return std::nullopt;
  return text;
}

RunInputsMessage to_inputs(tracking::Run& run) {
  RunInputsMessage inputs;
  std::vector<DatasetInputMessage> datasets;
  for (tracking::DatasetInput& input : run.datasets) {
    tracking::Dataset& dataset = input.dataset;
    datasets.push_back(
        {to_tag_messages(std::move(input.tags)),
         {std::move(dataset.name), std::move(dataset.digest), std::move(dataset.source_type),
          std::move(dataset.source), unless_blank(std::move(dataset.schema)),
          unless_blank(std::move(dataset.profile))}});
  }
  inputs.dataset_inputs = unless_empty(std::move(datasets));
  std::vector<ModelInputMessage> models;
  for (tracking::ModelLink& link : run.models_used) models.push_back({std::move(link.model_id)});
  inputs.model_inputs = unless_empty(std::move(models));
  return inputs;
}

RunOutputsMessage to_outputs(tracking::Run& run) {
  std::vector<ModelOutputMessage> models;
  for (tracking::ModelLink& link : run.models_made) {
    models.push_back({std::move(link.model_id), link.step});
  }
  return {unless_empty(std::move(models))};
}

Field field_of(Entity entity) {
  switch (entity) {
    case Entity::kAttribute:
      return Field::kAttribute;
    case Entity::kMetric:
      return Field::kMetric;
    case Entity::kParam:
      return Field::kParam;
    case Entity::kTag:
      return Field::kTag;
    case Entity::kDataset:
      return Field::kDataset;
    default:  // of traces only
      break;
  }
  return Field::kAttribute;
}

/// Beyond MLflow's: metrics.loss.min is the least value of loss where a run has logged no loss.min.
/// In quotes a key is only itself.
template <class Term>
Field field_of(const Term& term) {
  const bool part = term.entity == Entity::kMetric && !term.quoted && tracking::part_of(term.key);
  return part ? Field::kMetricPart : field_of(term.entity);
}

struct ViewName {
  std::int64_t number;
  const char* name;
  View view;
};
constexpr ViewName kViews[] = {
    {1, "ACTIVE_ONLY", View::kActive},
    {2, "DELETED_ONLY", View::kDeleted},
    {3, "ALL", View::kAll},
};

}  // namespace

ExperimentMessage to_message(tracking::Experiment experiment) {
  return {std::to_string(experiment.id),
          std::move(experiment.name),
          std::move(experiment.artifact_location),
          stage_of(experiment.deleted),
          experiment.updated_ms,
          experiment.created_ms,
          to_tag_messages(std::move(experiment.tags)),
          "default"};
}

RunInfoMessage to_message(tracking::RunInfo info) {
  RunInfoMessage message;
  message.run_uuid = info.id;
  message.experiment_id = std::to_string(info.experiment_id);
  message.run_name = std::move(info.name);
  message.user_id = std::move(info.user_id);
  message.status = to_string(info.status);
  message.start_time = info.start_ms;
  // As MLflow, which takes 0 for no end.
  if (info.end_ms.value_or(0) != 0) message.end_time = info.end_ms;
  message.artifact_uri = std::move(info.artifact_uri);
  message.lifecycle_stage = stage_of(info.deleted);
  message.run_id = std::move(info.id);
  return message;
}

RunMessage to_message(tracking::Run run, bool with_outputs) {
  RunMessage message;
  message.info = to_message(std::move(run.info));
  message.data = to_data(run);
  message.inputs = to_inputs(run);
  if (with_outputs) message.outputs = to_outputs(run);
  return message;
}

std::vector<tracking::Tag> to_tags(std::vector<TagMessage> messages) {
  std::vector<tracking::Tag> tags;
  tags.reserve(messages.size());
  for (TagMessage& tag : messages) tags.push_back({std::move(tag.key), std::move(tag.value)});
  return tags;
}

Result<std::vector<tracking::Condition>> to_conditions(const std::string& filter,
                                                       const SearchRules& rules) {
  std::vector<tracking::Condition> conditions;
  for (Clause& clause : TRY(parse_filter(filter, rules))) {
    const bool context = clause.entity == Entity::kDataset && clause.key == "context";
    if (context)
      conditions.push_back({Field::kDatasetTag, kDatasetContextTag, clause.op,
                            std::move(clause.value), clause.joint});
    else
      conditions.push_back({field_of(clause), std::move(clause.key), clause.op,
                            std::move(clause.value), clause.joint});
  }
  return conditions;
}

Result<std::vector<tracking::Ordering>> to_order(const std::vector<std::string>& terms,
                                                 const SearchRules& rules) {
  std::vector<tracking::Ordering> order;
  for (const std::string& term : terms) {
    OrderTerm parsed = TRY(parse_order(term, rules));
    order.push_back({field_of(parsed), std::move(parsed.key), parsed.ascending});
  }
  return order;
}

Result<View> to_view(const wire::Json& view, const char* name) {
  if (view.is_null()) return View::kActive;
  std::optional<std::int64_t> number;
  if (view.is_integer()) number = view.as_int64();
  if (view.is_string()) number = to_int64(view.as_string());
  for (const ViewName& known : kViews) {
    if (number == known.number || (view.is_string() && view.as_string() == known.name)) {
      return known.view;
    }
  }
  return invalid_parameter(name, view);
}

tracking::Actor to_actor(const http::Principal& principal) {
  return {principal.name, principal.attempt};
}

}  // namespace slipway::mlflow
