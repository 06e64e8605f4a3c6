#include "app/sync_checks.h"

#include <set>

#include "dialects/mlflow/limits.h"
#include "dialects/mlflow_store/words.h"
#include "domain/tracking/tracking.h"
#include "io/blob/blobs.h"

namespace slipway::app {
namespace {

constexpr std::size_t kNameBytesMax = 1000;
constexpr std::size_t kOriginBytesMax = 2000;
constexpr std::size_t kValueBytesMax = 1u << 20;
constexpr std::size_t kLongBytesMax = 16u << 20;

Result<> check_text(const std::string& text, const std::string& what,
                    std::size_t bytes_max = kNameBytesMax) {
  if (mlflow_store::is_storable(text, bytes_max)) return {};
  return invalid(what + " is no UTF-8, holds a NUL, or has more than " + std::to_string(bytes_max) +
                 " bytes");
}

Result<> check_key(const std::string& key, const std::string& place) {
  TRY(mlflow::check_name(key, place));
  return mlflow::check_length(key, mlflow::kKeyMax, place);
}

Result<> check_pairs(const std::vector<SyncPair>& pairs, const std::string& what) {
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const std::string place = what + "[" + std::to_string(i) + "]";
    TRY(check_key(pairs[i].key, place + ".key"));
    TRY(check_text(pairs[i].value, place + ".value", kValueBytesMax));
  }
  return mlflow::check_distinct_keys(pairs, what);
}

}  // namespace

Result<> check(const SyncRun& run) {
  if (!mlflow_store::is_run_id(run.run_id))
    return invalid("run_id '" + mlflow_store::shown(run.run_id) + "' is no 32 hex digits");
  if (!tracking::to_run_status(run.status))
    return invalid("status '" + mlflow_store::shown(run.status) +
                   "' is none of RUNNING, SCHEDULED, FINISHED, FAILED, KILLED");
  TRY(check_text(run.origin, "origin", kOriginBytesMax));
  TRY(check_text(run.name, "name"));
  TRY(check_text(run.user_id, "user_id"));
  if (run.name.empty()) return invalid("name is missing");
  TRY(check_pairs(run.params, "params"));
  TRY(check_pairs(run.tags, "tags"));
  for (const SyncDataset& set : run.datasets) {
    for (const std::string* text : {&set.name, &set.digest, &set.source_type})
      TRY(check_text(*text, "datasets"));
    for (const std::string* text : {&set.source, &set.schema, &set.profile})
      TRY(check_text(*text, "datasets", kLongBytesMax));
    for (const SyncPair& tag : set.tags) {
      TRY(check_text(tag.key, "datasets.tags"));
      TRY(check_text(tag.value, "datasets.tags", kValueBytesMax));
    }
  }
  for (const auto* links : {&run.models_used, &run.models_made})
    for (const SyncLink& link : *links) TRY(check_text(link.model_id, "models"));
  return {};
}

Result<> check(const SyncPoints& points) {
  std::size_t all = 0;
  std::set<std::string_view> keys;
  for (const SyncSeries& series : points.series) {
    TRY(check_key(series.key, "series.key"));
    TRY(check_text(series.now_digest, "series.now_digest"));
    const std::size_t count = series.values.size();
    if (series.times.size() != count || series.steps.size() != count)
      return invalid("series '" + series.key + "' has not as many times and steps as values");
    if (!keys.insert(series.key).second)
      return invalid("series '" + series.key + "' comes twice");
    all += count;
  }
  if (all <= kSyncPointsMax) return {};
  return invalid("found " + std::to_string(all) + " points, at most " +
                 std::to_string(kSyncPointsMax) + " come at once");
}

std::optional<registry::LoggedModelStatus> logged_status(const std::string& word) {
  using enum registry::LoggedModelStatus;
  for (const auto status : {kPending, kReady, kFailed})
    if (word == registry::to_string(status)) return status;
  return std::nullopt;
}

Result<> check(const SyncLoggedModel& model) {
  if (!mlflow_store::is_logged_model_id(model.model_id))
    return invalid("model_id '" + mlflow_store::shown(model.model_id) +
                   "' is no id of a logged model");
  if (!logged_status(model.status))
    return invalid("status '" + mlflow_store::shown(model.status) +
                   "' is none of those of a logged model");
  TRY(check_text(model.origin, "origin", kOriginBytesMax));
  for (const std::string* text : {&model.name, &model.type, &model.run_id})
    TRY(check_text(*text, "a name"));
  for (const auto* pairs : {&model.params, &model.tags}) {
    for (const SyncPair& pair : *pairs) {
      if (pair.key.empty()) return invalid("a param or tag has no key");
      TRY(check_text(pair.key, "a key"));
      TRY(check_text(pair.value, "a value", kValueBytesMax));
    }
  }
  for (const SyncModelMetric& metric : model.metrics)
    for (const std::string* text : {&metric.run_id, &metric.key, &metric.dataset_name,
                                    &metric.dataset_digest})
      TRY(check_text(*text, "metrics"));
  return {};
}

Result<> check(const SyncFiles& files) {
  if (files.run_id.empty() == files.model_id.empty())
    return invalid("name either run_id or model_id");
  if (files.files.size() > kSyncFilesMax)
    return invalid("found " + std::to_string(files.files.size()) + " files, at most " +
                   std::to_string(kSyncFilesMax) + " are asked about at once");
  for (const SyncFile& file : files.files) {
    TRY(blob::check_key(file.path));
    constexpr std::size_t kDigits = 64;
    if (file.digest.size() != kDigits) return invalid("the digest of a file is no SHA-256");
  }
  return {};
}

}  // namespace slipway::app
