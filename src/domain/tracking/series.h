#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "domain/tracking/points.h"
#include "domain/tracking/types.h"

// What the points of a series add up to, and what a request adds to it. Pure: requests are summed
// up where they come in, so that the one writer only writes.
namespace slipway::tracking {

/// A row of metric_series.
struct SeriesRow {
  std::int64_t id = 0;  // 0 while there is no row
  std::string key;
  std::int64_t points = 0;
  double value = 0;  // of the latest point, as the next three
  bool is_nan = false;
  std::int64_t timestamp_ms = 0, step = 0;
  std::optional<double> min_value, max_value;  // of numbers
  std::int64_t first_step = 0, last_step = 0;
};
BOOST_DESCRIBE_STRUCT(SeriesRow, (),
                      (id, key, points, value, is_nan, timestamp_ms, step, min_value, max_value,
                       first_step, last_step))
void add_point(SeriesRow& row, const Point& point);
/// As if every point that `later` sums up were added; its id and key are passed over.
void add_sum(SeriesRow& row, const SeriesRow& later);

/// This many points of one series in one request are chunks of their own from the start: they would
/// only be read and written once more.
inline constexpr std::size_t kOwnChunkPoints = 512;

/// What one request adds to a series.
struct Addition {
  SeriesRow sum;
  std::vector<Point> points;  // for a batch; or
  std::vector<Chunk> chunks;  // of its own
};
/// In the order in which the series first appear.
std::vector<Addition> to_additions(std::span<const Metric> metrics);

}  // namespace slipway::tracking
