#include <algorithm>
#include <unordered_set>

#include "base/ids.h"
#include "base/text.h"
#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/limits.h"
#include "dialects/mlflow/plain_batch.h"
#include "dialects/mlflow/request.h"
#include "dialects/mlflow/tracking_messages.h"
#include "dialects/mlflow/tracking_routes.h"
#include "domain/registry/logged_models.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Reply;
using http::Request;
using tracking::Tracking;

// --- calls --------------------------------------------------------------------------------------

struct LogMetric {
  std::string run_id, run_uuid, key;
  std::optional<double> value;
  std::optional<std::int64_t> timestamp, step;
  std::string model_id, dataset_name, dataset_digest;
};
WIRE(LogMetric, run_id, run_uuid, key, value, timestamp, step, model_id, dataset_name,
     dataset_digest)
constexpr Parameter kLogMetric[] = {{"run_id", Type::kText, kRequired},
                                    {"key", Type::kText, kRequired},
                                    {"value", Type::kNumber, kRequired},
                                    {"timestamp", Type::kInteger, kRequired},
                                    {"step", Type::kInteger},
                                    {"model_id"},
                                    {"dataset_name"},
                                    {"dataset_digest"},
                                    {"run_uuid"}};

struct BatchMetric {
  std::string key;
  std::optional<double> value;
  std::optional<std::int64_t> timestamp, step;
  std::string model_id, dataset_name, dataset_digest;
};
WIRE(BatchMetric, key, value, timestamp, step, model_id, dataset_name, dataset_digest)

struct LogBatch {
  std::string run_id;
  std::vector<BatchMetric> metrics;
  std::vector<TagMessage> params, tags;
};
WIRE(LogBatch, run_id, metrics, params, tags)
constexpr Parameter kLogBatch[] = {{"run_id", Type::kText, kRequired},
                                   {"metrics", Type::kList},
                                   {"params", Type::kList},
                                   {"tags", Type::kList}};

struct SetPair {
  std::string run_id, run_uuid, key, value;
};
WIRE(SetPair, run_id, run_uuid, key, value)
constexpr Parameter kSetPair[] = {
    {"run_id", Type::kText, kRequired}, {"key", Type::kText, kRequired}, {"value"}, {"run_uuid"}};
constexpr Parameter kDeleteTag[] = {
    {"run_id", Type::kText, kRequired}, {"key", Type::kText, kRequired}, {"run_uuid"}};

struct LogModel {
  std::string run_id, model_json;
};
WIRE(LogModel, run_id, model_json)
constexpr Parameter kLogModel[] = {{"run_id", Type::kText, kRequired},
                                   {"model_json", Type::kText, kRequired}};

bool is_complete(const LogMetric& call) {
  return !call.run_id.empty() && !call.key.empty() && call.value && call.timestamp;
}
bool is_complete(const LogBatch& call) {
  return !call.run_id.empty();
}
bool is_complete(const SetPair& call) {
  return !call.run_id.empty() && !call.key.empty();
}

std::string take_run_id(std::string& run_id, std::string& run_uuid) {
  return std::move(run_id.empty() ? run_uuid : run_id);
}

// --- checks -------------------------------------------------------------------------------------

/// "metrics[3]" and "name" give "metrics[3].name".
std::string at(const std::string& path, const char* member) {
  return path.empty() ? member : path + "." + member;
}
std::string item(const char* list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

Error negative_time(const tracking::Metric& metric, const std::string& path) {
  return invalid("Invalid value " + std::to_string(metric.timestamp_ms) + " for parameter '" +
                 at(path, "timestamp") + "' supplied: metric '" + metric.key +
                 "' (value=" + python_repr(metric.value) +
                 "). Timestamp must be a nonnegative long (64-bit integer) ");
}

/// Most keys are short and plain, "loss" or "val/top-5 acc.": words of a path, none of which begins
/// with a dot. check_name() takes all of these, and nothing is put together for them.
bool is_plain_name(std::string_view name) {
  if (name.empty() || name.size() > kKeyMax) return false;
  bool begins = true;
  for (const char c : name) {
    const bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (begins ? !is_word : !is_word && c != '.' && c != ' ' && c != '/') return false;
    begins = c == '/';
  }
  return !begins;
}

Result<> check_metric(const tracking::Metric& metric, const std::string& path) {
  if (!is_plain_name(metric.key)) TRY(check_name(metric.key, at(path, "name")));
  if (metric.timestamp_ms < 0) return negative_time(metric, path);
  return check_length(metric.key, kKeyMax, "Metric name");
}

Result<> check_param(tracking::Param& param, const std::string& path) {
  if (!is_plain_name(param.key)) TRY(check_name(param.key, at(path, "key")));
  TRY(check_length(param.key, kKeyMax, "Param key"));
  truncate(param.value, kParamValueMax);
  return {};
}

Result<> check_tag(tracking::Tag& tag, const std::string& path) {
  const std::string key = at(path, "key");
  if (!is_plain_name(tag.key)) TRY(check_name(tag.key, key));
  TRY(check_length(tag.key, kKeyMax, key));
  truncate(tag.value, kTagValueMax);
  return {};
}

/// A digest says nothing without the name of what it is of, nor a name without the digest.
Result<> check_dataset(std::string_view name, std::string_view digest) {
  if (name.empty() == digest.empty()) return {};
  return invalid("Both dataset_name and dataset_digest must be provided if one is provided");
}

Error missing_member(const char* list, std::size_t index, const char* member) {
  return missing_parameter(at(item(list, index), member));
}

Result<> check_members_present(const LogBatch& call) {
  for (std::size_t i = 0; i < call.metrics.size(); ++i) {
    const BatchMetric& metric = call.metrics[i];
    if (metric.key.empty()) return missing_member("metrics", i, "key");
    if (!metric.value) return missing_member("metrics", i, "value");
    if (!metric.timestamp) return missing_member("metrics", i, "timestamp");
    TRY(check_dataset(metric.dataset_name, metric.dataset_digest));
  }
  for (std::size_t i = 0; i < call.params.size(); ++i) {
    if (call.params[i].key.empty()) return missing_member("params", i, "key");
  }
  for (std::size_t i = 0; i < call.tags.size(); ++i) {
    if (call.tags[i].key.empty()) return missing_member("tags", i, "key");
  }
  return {};
}

Result<> check_sizes(const tracking::Batch& batch) {
  const std::size_t metrics = batch.metrics.size();
  const std::size_t params = batch.params.size();
  const std::size_t tags = batch.tags.size();
  TRY(check_batch_size(metrics, kMetricsMax, "metrics"));
  TRY(check_batch_size(params, kParamsMax, "params"));
  TRY(check_batch_size(tags, kTagsMax, "tags"));
  return check_batch_size(metrics + params + tags, kEntitiesMax, "metrics, params, and tags");
}

Result<> check_keys_unique(const std::vector<tracking::Param>& params) {
  std::unordered_set<std::string_view> seen;
  std::vector<std::string> twice;
  for (const tracking::Param& param : params) {
    if (!seen.insert(param.key).second) twice.push_back("'" + param.key + "'");
  }
  if (twice.empty()) return {};
  return invalid("Duplicate parameter keys have been submitted: [" + join(twice, ", ") +
                 "]. Please ensure the request contains only one param value per param key.");
}

// --- to the domain ------------------------------------------------------------------------------

/// The points that were also measured on a logged model, for the registry.
std::vector<registry::ModelMetric> points_of_models(const std::string& run_id,
                                                    std::vector<BatchMetric>& metrics) {
  std::vector<registry::ModelMetric> points;
  for (BatchMetric& metric : metrics) {
    if (metric.model_id.empty()) continue;
    points.push_back({std::move(metric.model_id), run_id, metric.key, *metric.value,
                      *metric.timestamp, metric.step.value_or(0), std::move(metric.dataset_name),
                      std::move(metric.dataset_digest)});
  }
  return points;
}

std::function<Result<>(db::Tx&)> then_log(std::vector<registry::ModelMetric> points) {
  if (points.empty()) return {};
  return
      [points = std::move(points)](db::Tx& tx) { return registry::log_model_metrics(tx, points); };
}

tracking::Batch to_batch(LogBatch& call) {
  tracking::Batch batch;
  batch.with = then_log(points_of_models(call.run_id, call.metrics));
  batch.metrics.reserve(call.metrics.size());
  for (BatchMetric& metric : call.metrics) {
    batch.metrics.push_back(
        {std::move(metric.key), *metric.value, *metric.timestamp, metric.step.value_or(0)});
  }
  for (TagMessage& param : call.params) {
    batch.params.push_back({std::move(param.key), std::move(param.value)});
  }
  batch.tags = to_tags(std::move(call.tags));
  return batch;
}

Result<BatchOfRun> read_batch(const Request& request) {
  TRY(check_content_type(request));
  if (auto plain = read_plain_batch(request.body)) return std::move(*plain);
  LogBatch call = TRY(read_body<LogBatch>(request, kLogBatch, is_complete));
  TRY(check_members_present(call));
  tracking::Batch batch = to_batch(call);
  return BatchOfRun{std::move(call.run_id), std::move(batch)};
}

Result<> check_each(tracking::Batch& batch) {
  for (std::size_t i = 0; i < batch.metrics.size(); ++i) {
    const tracking::Metric& metric = batch.metrics[i];
    if (is_plain_name(metric.key) && metric.timestamp_ms >= 0) continue;
    TRY(check_metric(metric, item("metrics", i)));
  }
  for (std::size_t i = 0; i < batch.params.size(); ++i) {
    TRY(check_param(batch.params[i], item("params", i)));
  }
  for (std::size_t i = 0; i < batch.tags.size(); ++i) {
    TRY(check_tag(batch.tags[i], item("tags", i)));
  }
  return {};
}

/// The tag that holds the run's name renames the run; an empty one is passed over.
void take_name(tracking::Batch& batch) {
  std::erase_if(batch.tags, [](const tracking::Tag& tag) {
    return tag.key == kRunNameTag && tag.value.empty();
  });
  for (const tracking::Tag& tag : batch.tags) {
    if (tag.key == kRunNameTag) batch.name = tag.value;
  }
}

Result<> log_batch(Tracking& tracking, const Request& request, Reply& reply) {
  auto [run_id, batch] = TRY(read_batch(request));
  TRY(check_run_id(run_id));
  TRY(check_each(batch));
  TRY(check_sizes(batch));
  TRY(check_keys_unique(batch.params));
  take_name(batch);
  tracking.log(std::move(run_id), std::move(batch), then_empty(reply));
  return {};
}

Result<> log_metric(Tracking& tracking, const Request& request, Reply& reply) {
  LogMetric call = TRY(read_body<LogMetric>(request, kLogMetric, is_complete));
  std::string run_id = take_run_id(call.run_id, call.run_uuid);
  tracking::Batch batch;
  tracking::Metric metric{std::move(call.key), *call.value, *call.timestamp, call.step.value_or(0)};
  TRY(check_metric(metric, ""));
  TRY(check_dataset(call.dataset_name, call.dataset_digest));
  if (!call.model_id.empty()) {
    batch.with =
        then_log({{std::move(call.model_id), run_id, metric.key, metric.value, metric.timestamp_ms,
                   metric.step, std::move(call.dataset_name), std::move(call.dataset_digest)}});
  }
  batch.metrics.push_back(std::move(metric));
  tracking.log(std::move(run_id), std::move(batch), then_empty(reply));
  return {};
}

Result<> log_param(Tracking& tracking, const Request& request, Reply& reply) {
  SetPair call = TRY(read_body<SetPair>(request, kSetPair, is_complete));
  tracking::Param param{std::move(call.key), std::move(call.value)};
  TRY(check_param(param, ""));
  tracking.log_param(take_run_id(call.run_id, call.run_uuid), std::move(param), then_empty(reply));
  return {};
}

Result<> set_tag(Tracking& tracking, const Request& request, Reply& reply) {
  SetPair call = TRY(read_body<SetPair>(request, kSetPair, is_complete));
  tracking::Batch batch;
  batch.tags.push_back({std::move(call.key), std::move(call.value)});
  TRY(check_tag(batch.tags.front(), ""));
  take_name(batch);
  tracking.log(take_run_id(call.run_id, call.run_uuid), std::move(batch), then_empty(reply));
  return {};
}

Result<> delete_tag(Tracking& tracking, const Request& request, Reply& reply) {
  SetPair call = TRY(read_request<SetPair>(request, kDeleteTag));
  tracking.delete_tag(take_run_id(call.run_id, call.run_uuid), std::move(call.key),
                      then_empty(reply));
  return {};
}

// --- the record of models that older clients keep in a tag --------------------------------------

/// What of a model's description is kept; the configuration of a flavour is not.
wire::Json to_record(const wire::Json& model) {
  wire::Json record{wire::Json::Object{}};
  for (const char* key : {"run_id", "artifact_path", "utc_time_created", "model_uuid"}) {
    if (const wire::Json* value = model.find(key)) record.set(key, *value);
  }
  if (record.find("model_uuid") == nullptr) record.set("model_uuid", random_hex32());
  wire::Json flavors{wire::Json::Object{}};
  for (const auto& [name, flavor] : model.find("flavors")->as_object()) {
    wire::Json kept = flavor;
    if (kept.is_object()) {
      std::erase_if(kept.as_object(), [](const auto& member) { return member.first == "config"; });
    }
    flavors.set(name, std::move(kept));
  }
  record.set("flavors", std::move(flavors));
  return record;
}

Result<wire::Json> parse_model(const std::string& text) {
  Result<wire::Json> model = wire::parse(text, kBodyLimits);
  if (!model.ok() || !model->is_object()) {
    return invalid("Malformed model info. \n " + text.substr(0, 2000) + " \n is not a valid JSON.");
  }
  std::vector<std::string> absent;
  for (const char* key : {"artifact_path", "flavors", "run_id", "utc_time_created"}) {
    if (model->find(key) == nullptr) absent.push_back("'" + std::string(key) + "'");
  }
  if (!absent.empty()) {
    return invalid("Model json is missing mandatory fields: {" + join(absent, ", ") + "}");
  }
  if (!model->find("flavors")->is_object()) {
    return invalid("Malformed model info: 'flavors' is not an object.");
  }
  return model;
}

Result<> log_model(Tracking& tracking, const Request& request, Reply& reply) {
  LogModel call = TRY(read_request<LogModel>(request, kLogModel));
  wire::Json model = TRY(parse_model(call.model_json));
  tracking.append_to_tag(std::move(call.run_id), kLoggedModelsTag, to_record(model),
                         then_empty(reply));
  return {};
}

}  // namespace

void mount_logging(Api& api, Tracking& tracking) {
  // The longest batch that the bounds above allow, every character escaped.
  constexpr std::uint64_t kBatchBytesMax = 32u << 20;
  ServiceApi routes(api, tracking);
  routes.write(Method::kPost, "/runs/log-metric", kWritesTracking, log_metric);
  routes.write(Method::kPost, "/runs/log-batch", kWritesTracking, log_batch, kBatchBytesMax);
  routes.write(Method::kPost, "/runs/log-parameter", kWritesTracking, log_param);
  routes.write(Method::kPost, "/runs/set-tag", kWritesTracking, set_tag);
  routes.write(Method::kPost, "/runs/delete-tag", kWritesTracking, delete_tag);
  routes.write(Method::kPost, "/runs/log-model", kWritesTracking, log_model);
}

}  // namespace slipway::mlflow
