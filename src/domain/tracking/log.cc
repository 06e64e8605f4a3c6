#include <boost/describe.hpp>
#include <string_view>

#include "base/text.h"
#include "domain/tracking/store.h"

namespace slipway::tracking {
namespace {

struct Known {
  bool added = false;
  std::string value;  // of a param that was there
};

Result<Known> put_param(db::Tx& tx, std::int64_t run, const Param& param) {
  std::int64_t added = TRY(tx.run(
      "insert into run_params (run, key, value) values (?, ?, ?) on conflict (run, key) do nothing",
      run, param.key, param.value));
  if (added > 0) return Known{true, ""};
  std::optional<std::string> value = TRY(tx.one<std::string>(
      "select value from run_params where run = ? and key = ?", run, param.key));
  return Known{false, value.value_or("")};
}

Error changed(std::string message) {
  return {Code::kConflict, "Changing param values is not allowed. " + std::move(message),
          "changed"};
}

Result<> put_params(db::Tx& tx, std::int64_t run, const std::string& run_id,
                    std::span<const Param> params) {
  std::string changes;
  for (const Param& param : params) {
    Known known = TRY(put_param(tx, run, param));
    if (known.added || known.value == param.value) continue;
    if (!changes.empty()) changes += ", ";
    changes += "{'key': " + python_repr(param.key) + ", 'old_value': " + python_repr(known.value) +
               ", 'new_value': " + python_repr(param.value) + "}";
  }
  if (changes.empty()) return {};
  return changed("Params were already logged='[" + changes + "]' for run ID='" + run_id + "'.");
}

/// What one request adds to a series.
struct Addition {
  const std::string* key = nullptr;
  std::vector<Point> points;
};

/// The points of a request by series, in the order in which the series first appear.
std::vector<Addition> group(std::span<const Metric> metrics) {
  std::vector<Addition> additions;
  std::unordered_map<std::string_view, std::size_t> index;
  for (const Metric& metric : metrics) {
    auto [found, made] = index.try_emplace(metric.key, additions.size());
    if (made) additions.push_back({&metric.key, {}});
    additions[found->second].points.push_back(
        to_point(metric.value, metric.timestamp_ms, metric.step));
  }
  return additions;
}

/// The row of a series as these points alone would make it.
struct Summary {
  Point latest;
  std::optional<double> min, max;  // of numbers
  std::int64_t first_step = 0, last_step = 0;
};

Summary summarize(std::span<const Point> points) {
  Summary sum;
  sum.latest = points.front();
  sum.first_step = sum.last_step = points.front().step;
  for (const Point& point : points) {
    if (is_later(point, sum.latest)) sum.latest = point;
    sum.first_step = std::min(sum.first_step, point.step);
    sum.last_step = std::max(sum.last_step, point.step);
    if (point.nan) continue;
    sum.min = std::min(sum.min.value_or(point.value), point.value);
    sum.max = std::max(sum.max.value_or(point.value), point.value);
  }
  return sum;
}

#define LATER                                                           \
  "case when (excluded.step, excluded.timestamp_ms, excluded.value) > " \
  "(metric_series.step, metric_series.timestamp_ms, metric_series.value) then "
// The rule of is_later() and summarize(), over rows.
constexpr char kAddToSeries[] =
    "insert into metric_series (run, key, points, value, is_nan, timestamp_ms, step, min_value, "
    "max_value, first_step, last_step) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "on conflict (run, key) do update set "
    "points = metric_series.points + excluded.points, "
    "value = " LATER
    "excluded.value else metric_series.value end, "
    "is_nan = " LATER
    "excluded.is_nan else metric_series.is_nan end, "
    "timestamp_ms = " LATER
    "excluded.timestamp_ms else metric_series.timestamp_ms end, "
    "step = " LATER
    "excluded.step else metric_series.step end, "
    "min_value = case when metric_series.min_value is null or "
    "excluded.min_value < metric_series.min_value then excluded.min_value "
    "else metric_series.min_value end, "
    "max_value = case when metric_series.max_value is null or "
    "excluded.max_value > metric_series.max_value then excluded.max_value "
    "else metric_series.max_value end, "
    "first_step = case when excluded.first_step < metric_series.first_step "
    "then excluded.first_step else metric_series.first_step end, "
    "last_step = case when excluded.last_step > metric_series.last_step "
    "then excluded.last_step else metric_series.last_step end "
    "returning id";
#undef LATER

Result<std::int64_t> add_to_series(db::Tx& tx, std::int64_t run, const Addition& addition) {
  const Summary sum = summarize(addition.points);
  std::optional<std::int64_t> series = TRY(tx.one<std::int64_t>(
      kAddToSeries, run, *addition.key, static_cast<std::int64_t>(addition.points.size()),
      sum.latest.value, sum.latest.nan, sum.latest.timestamp_ms, sum.latest.step, sum.min, sum.max,
      sum.first_step, sum.last_step));
  if (!series) return internal("a series has no key");
  return *series;
}

Result<> put_metrics(db::Tx& tx, std::int64_t run, std::span<const Metric> metrics) {
  if (metrics.empty()) return {};
  std::vector<SeriesPoints> batch;
  for (Addition& addition : group(metrics)) {
    const std::int64_t series = TRY(add_to_series(tx, run, addition));
    batch.push_back({series, std::move(addition.points)});
  }
  TRY(tx.run("insert into metric_batches (run, points, data) values (?, ?, ?)", run,
             static_cast<std::int64_t>(metrics.size()), db::Blob{encode_batch(batch)}));
  return {};
}

}  // namespace

Result<> write_param(db::Tx& tx, const std::string& run_id, const Param& param) {
  RunKey run = TRY(find_live_run(tx, run_id));
  Known known = TRY(put_param(tx, run.key, param));
  if (known.added || known.value == param.value) return {};
  return changed("Param with key='" + param.key + "' was already logged with value='" +
                 known.value + "' for run ID='" + run_id + "'. Attempted logging new value '" +
                 param.value + "'.");
}

Result<Logged> write_batch(db::Tx& tx, const std::string& run_id, const Batch& batch,
                           UnixMs now_ms) {
  RunKey run = TRY(find_live_run(tx, run_id));
  TRY(put_params(tx, run.key, run_id, batch.params));
  TRY(put_metrics(tx, run.key, batch.metrics));
  TRY(write_tags(tx, run.key, run_id, batch.tags, now_ms));
  if (batch.name) TRY(rename_run(tx, run.key, run_id, *batch.name, now_ms));
  if (batch.with) TRY(batch.with(tx));
  return Logged{run.key, batch.metrics.size()};
}

Result<> write_tags(db::Tx& tx, std::int64_t run, const std::string& run_id,
                    std::span<const Tag> tags, UnixMs now_ms) {
  for (const Tag& tag : tags) {
    TRY(
        tx.run("insert into run_tags (run, key, value) values (?, ?, ?) "
               "on conflict (run, key) do update set value = excluded.value",
               run, tag.key, tag.value));
    if (tag.key == kAttemptTag && !tag.value.empty()) {
      TRY(tie_to_attempt(tx, run_id, tag.value, now_ms));
    }
  }
  return {};
}

Result<> delete_tag(db::Tx& tx, const std::string& run_id, const std::string& key) {
  RunKey run = TRY(find_live_run(tx, run_id));
  std::int64_t gone = TRY(tx.run("delete from run_tags where run = ? and key = ?", run.key, key));
  if (gone > 0) return {};
  return missing("No tag with name: " + key + " in run with id " + run_id);
}

Result<> append_to_tag(db::Tx& tx, const std::string& run_id, const std::string& key,
                       const wire::Json& item) {
  constexpr std::size_t kBytesMax = 4u << 20;
  RunKey run = TRY(find_live_run(tx, run_id));
  std::optional<std::string> before = TRY(
      tx.one<std::string>("select value from run_tags where run = ? and key = ?", run.key, key));
  wire::Json::Array list;
  if (before) {
    Result<wire::Json> parsed = wire::parse(*before);
    if (!parsed.ok() || !parsed->is_array()) {
      return conflict("The tag '" + key + "' of run " + run_id +
                      " does not hold a JSON list; delete it to start one.");
    }
    list = std::move(parsed->as_array());
  }
  list.push_back(item);
  const std::string value =
      wire::dump(wire::Json(std::move(list)), {.ascii = true, .spaces = true});
  if (value.size() > kBytesMax) {
    return invalid("The list in the tag '" + key + "' of run " + run_id + " would grow to " +
                   std::to_string(value.size()) + " bytes; at most " + std::to_string(kBytesMax) +
                   " are kept.");
  }
  const Tag tag{key, value};
  return write_tags(tx, run.key, run_id, std::span(&tag, 1), 0);
}

}  // namespace slipway::tracking
