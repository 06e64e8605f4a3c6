#include "domain/tracking/series.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

namespace slipway::tracking {
namespace {

Point latest_of(const SeriesRow& row) {
  return {row.timestamp_ms, row.step, row.value, row.is_nan};
}

void set_latest(SeriesRow& row, const Point& point) {
  row.value = point.value;
  row.is_nan = point.nan;
  row.timestamp_ms = point.timestamp_ms;
  row.step = point.step;
}

/// Finds the places of keys in the order in which they first came.
class Places {
 public:
  std::size_t operator[](std::string_view key) {
    // Most requests tell of one series, or go through theirs one by one.
    if (size_ > 0 && key == last_key_) return last_;
    auto [found, made] = index_.try_emplace(key, size_);
    if (made) ++size_;
    last_key_ = key;
    return last_ = found->second;
  }
  std::size_t size() const { return size_; }

 private:
  std::unordered_map<std::string_view, std::size_t> index_;
  std::size_t size_ = 0, last_ = 0;
  std::string_view last_key_;
};

}  // namespace

void add_point(SeriesRow& row, const Point& point) {
  if (row.points == 0 || is_later(point, latest_of(row))) set_latest(row, point);
  row.first_step = row.points == 0 ? point.step : std::min(row.first_step, point.step);
  row.last_step = row.points == 0 ? point.step : std::max(row.last_step, point.step);
  row.points += 1;
  if (point.nan) return;
  row.min_value = std::min(row.min_value.value_or(point.value), point.value);
  row.max_value = std::max(row.max_value.value_or(point.value), point.value);
}

void add_sum(SeriesRow& row, const SeriesRow& later) {
  if (later.points == 0) return;
  const Point latest = latest_of(later);
  if (row.points == 0 || is_later(latest, latest_of(row))) set_latest(row, latest);
  row.first_step = row.points == 0 ? later.first_step : std::min(row.first_step, later.first_step);
  row.last_step = row.points == 0 ? later.last_step : std::max(row.last_step, later.last_step);
  row.points += later.points;
  if (!later.min_value) return;
  row.min_value = std::min(row.min_value.value_or(*later.min_value), *later.min_value);
  row.max_value = std::max(row.max_value.value_or(*later.max_value), *later.max_value);
}

std::vector<Addition> to_additions(std::span<const Metric> metrics) {
  Places places;
  std::vector<std::size_t> place(metrics.size()), count;
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    place[i] = places[metrics[i].key];
    if (place[i] == count.size()) count.push_back(0);
    ++count[place[i]];
  }
  std::vector<Addition> additions(places.size());
  for (std::size_t i = 0; i < count.size(); ++i) additions[i].points.reserve(count[i]);
  for (std::size_t i = 0; i < metrics.size(); ++i) {
    Addition& addition = additions[place[i]];
    if (addition.points.empty()) addition.sum.key = metrics[i].key;
    addition.points.push_back(
        to_point(metrics[i].value, metrics[i].timestamp_ms, metrics[i].step));
    add_point(addition.sum, addition.points.back());
  }
  for (Addition& addition : additions) {
    if (addition.points.size() < kOwnChunkPoints) continue;
    addition.chunks = to_chunks(std::move(addition.points));
    addition.points.clear();
  }
  return additions;
}

}  // namespace slipway::tracking
