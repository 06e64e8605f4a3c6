#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

// Metric points as bytes (docs/formats/metrics.md) and the rules about them. Pure.
namespace slipway::tracking {

/// A point as stored: NaN is 0 with a flag, infinities are the largest finite numbers.
struct Point {
  UnixMs timestamp_ms = 0;
  std::int64_t step = 0;
  double value = 0;
  bool nan = false;
  bool operator==(const Point&) const = default;
};
Point to_point(double value, UnixMs timestamp_ms, std::int64_t step);
double value_of(const Point& point);

/// The order of a history: by time, step, value.
inline bool comes_before(const Point& a, const Point& b) {
  return std::tie(a.timestamp_ms, a.step, a.value, a.nan) <
         std::tie(b.timestamp_ms, b.step, b.value, b.nan);
}
/// Whether `a` replaces `b` as the latest of its series: step first, then time, then value.
inline bool is_later(const Point& a, const Point& b) {
  return std::tie(a.step, a.timestamp_ms, a.value) > std::tie(b.step, b.timestamp_ms, b.value);
}
/// Puts points in the order of a history and drops exact duplicates.
void tidy(std::vector<Point>& points);

/// The order of a chart: by step, time, value.
inline bool comes_before_by_step(const Point& a, const Point& b) {
  return std::tie(a.step, a.timestamp_ms, a.value, a.nan) <
         std::tie(b.step, b.timestamp_ms, b.value, b.nan);
}
/// The first of each of `count` parts of about equal size; the last point takes the place of the
/// last one taken, or follows it where there is room. All of them when they are not more.
std::vector<Point> take_evenly(std::span<const Point> points, std::size_t count);

/// A point of a chart that stands for itself and those that follow it.
struct Head {
  Point point;
  std::size_t points = 1;
};
/// The same of heads that stand for more than `count` points, each for at most kHeadPoints and
/// those in order: in each part the first point that is a head.
std::vector<Point> take_heads(std::span<const Head> heads, std::size_t count);

struct SeriesPoints {
  std::int64_t series = 0;
  std::vector<Point> points;
};

struct SeriesView {
  std::int64_t series = 0;
  std::span<const Point> points;
};

/// The points of one request, grouped by series; no series is empty.
std::string encode_batch(std::span<const SeriesView> batch);
Result<std::vector<SeriesPoints>> decode_batch(std::string_view bytes);
/// Of one series only; the others are skipped without being kept.
Result<std::vector<Point>> decode_batch_of(std::string_view bytes, std::int64_t series);
/// Adds the points of the series with numbers above `above` to `found`.
Result<> gather_batch(std::string_view bytes, std::int64_t above,
                      std::map<std::int64_t, std::vector<Point>>& found);

/// Points of one series, as a row of metric_chunks and one of metric_heads.
struct Chunk {
  std::int64_t points = 0;  // at most kChunkPoints, each once
  UnixMs first_ms = 0, last_ms = 0;
  std::string data;
  std::int64_t first_step = 0, last_step = 0;
  std::string heads;  // by step: every kHeadPoints-th point, and the last
};
/// What charts of long series are drawn from. A part of such a chart has more points than this.
inline constexpr std::size_t kHeadPoints = 32;
/// Heads of a chunk of `points` points.
Result<std::vector<Head>> decode_heads(std::string_view bytes, std::size_t points);
inline constexpr std::size_t kChunkPoints = 1024;
/// Tidied and in order.
std::vector<Chunk> to_chunks(std::vector<Point> points);
std::string encode_chunk(std::span<const Point> points);
Result<std::vector<Point>> decode_chunk(std::string_view bytes);

}  // namespace slipway::tracking
