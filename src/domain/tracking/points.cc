#include "domain/tracking/points.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <limits>

namespace slipway::tracking {
namespace {

constexpr char kBatchVersion = 1;
constexpr char kChunkVersion = 1;
constexpr std::size_t kPointBytesMin = 10;  // two varints and a value

static_assert(std::endian::native == std::endian::little,
              "values are copied as they lie in memory");

// --- writing ------------------------------------------------------------------------------------

void put_varint(std::string& out, std::uint64_t v) {
  while (v >= 0x80) {
    out += static_cast<char>(v | 0x80);
    v >>= 7;
  }
  out += static_cast<char>(v);
}

/// Differences wrap around, so that any two numbers have one.
void put_difference(std::string& out, std::int64_t from, std::int64_t to) {
  const std::uint64_t d = static_cast<std::uint64_t>(to) - static_cast<std::uint64_t>(from);
  const auto sign = static_cast<std::uint64_t>(-static_cast<std::int64_t>(d >> 63));
  put_varint(out, (d << 1) ^ sign);
}

void put_value(std::string& out, const Point& point) {
  const double value = value_of(point);
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

/// Times, steps and values lie together, each kind; `base` is what the first differs from.
void put_points(std::string& out, std::span<const Point> points, const Point& base) {
  UnixMs timestamp_ms = base.timestamp_ms;
  for (const Point& point : points) {
    put_difference(out, timestamp_ms, point.timestamp_ms);
    timestamp_ms = point.timestamp_ms;
  }
  std::int64_t step = base.step;
  for (const Point& point : points) {
    put_difference(out, step, point.step);
    step = point.step;
  }
  for (const Point& point : points) put_value(out, point);
}

// --- reading ------------------------------------------------------------------------------------

Error damaged() {
  return internal("stored metric points are damaged");
}

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  Result<std::uint64_t> varint() {
    std::uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) return damaged();
      const auto byte = static_cast<unsigned char>(rest_.front());
      rest_.remove_prefix(1);
      v |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return v;
    }
    return damaged();
  }
  Result<std::int64_t> plus_difference(std::int64_t from) {
    const std::uint64_t coded = TRY(varint());
    const std::uint64_t d = (coded >> 1) ^ (~(coded & 1) + 1);
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(from) + d);
  }
  /// A count of things that take at least `bytes_each`.
  Result<std::size_t> count(std::size_t bytes_each) {
    const std::uint64_t n = TRY(varint());
    if (n > rest_.size() / bytes_each) return damaged();
    return static_cast<std::size_t>(n);
  }
  Result<> version(char expected) {
    if (rest_.empty() || rest_.front() != expected) {
      return internal("metric points are stored in a form that this program does not know");
    }
    rest_.remove_prefix(1);
    return {};
  }
  Result<> points(std::vector<Point>& points, const Point& base) {
    UnixMs timestamp_ms = base.timestamp_ms;
    for (Point& point : points) {
      timestamp_ms = TRY(plus_difference(timestamp_ms));
      point.timestamp_ms = timestamp_ms;
    }
    std::int64_t step = base.step;
    for (Point& point : points) {
      step = TRY(plus_difference(step));
      point.step = step;
    }
    if (rest_.size() < points.size() * sizeof(double)) return damaged();
    for (Point& point : points) {
      double value = 0;
      std::memcpy(&value, rest_.data(), sizeof value);
      rest_.remove_prefix(sizeof value);
      point = to_point(value, point.timestamp_ms, point.step);
    }
    return {};
  }
  Result<> skip_points(std::size_t n) {
    for (std::size_t i = 0; i < 2 * n; ++i) TRY(varint());
    if (rest_.size() < n * sizeof(double)) return damaged();
    rest_.remove_prefix(n * sizeof(double));
    return {};
  }
  Result<> end() const { return rest_.empty() ? Result<>() : Result<>(damaged()); }

 private:
  std::string_view rest_;
};

/// Calls `each(series, n, base)` at the points of every series.
template <class Each>
Result<> read_batch(Reader& reader, Each each) {
  TRY(reader.version(kBatchVersion));
  Point base;
  base.timestamp_ms = TRY(reader.plus_difference(0));
  base.step = TRY(reader.plus_difference(0));
  const std::size_t count = TRY(reader.count(2));
  std::int64_t series = 0;
  for (std::size_t i = 0; i < count; ++i) {
    series = TRY(reader.plus_difference(series));
    const std::size_t n = TRY(reader.count(kPointBytesMin));
    TRY(each(series, n, base));
  }
  return reader.end();
}

}  // namespace

Point to_point(double value, UnixMs timestamp_ms, std::int64_t step) {
  if (std::isnan(value)) return {timestamp_ms, step, 0, true};
  constexpr double kMax = std::numeric_limits<double>::max();
  return {timestamp_ms, step, std::clamp(value, -kMax, kMax), false};
}

double value_of(const Point& point) {
  return point.nan ? std::numeric_limits<double>::quiet_NaN() : point.value;
}

void tidy(std::vector<Point>& points) {
  if (!std::is_sorted(points.begin(), points.end(), comes_before)) {
    std::sort(points.begin(), points.end(), comes_before);
  }
  points.erase(std::unique(points.begin(), points.end()), points.end());
}

std::vector<Point> take_evenly(std::span<const Point> points, std::size_t count) {
  if (points.size() <= count) return {points.begin(), points.end()};
  if (count == 0) return {};
  // The first parts take the points that are left over, one each.
  const std::size_t size = points.size() / count;
  const std::size_t larger = points.size() % count;
  std::vector<Point> taken;
  taken.reserve(count);
  for (std::size_t i = 0; i < count; ++i) taken.push_back(points[i * size + std::min(i, larger)]);
  if (!(taken.back() == points.back())) taken.back() = points.back();
  return taken;
}

std::vector<Point> take_heads(std::span<const Head> heads, std::size_t count) {
  std::size_t points = 0;
  for (const Head& head : heads) points += head.points;
  if (heads.empty() || count == 0) return {};
  const std::size_t size = points / count;
  const std::size_t larger = points % count;
  std::vector<Point> taken;
  taken.reserve(count);
  std::size_t at = 0, before = 0;  // the head looked at, and the points before it
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t start = i * size + std::min(i, larger);
    while (at + 1 < heads.size() && before < start) before += heads[at++].points;
    taken.push_back(heads[at].point);
  }
  taken.back() = heads.back().point;
  return taken;
}

std::string encode_batch(std::span<const SeriesView> batch) {
  std::size_t points = 0;
  for (const SeriesView& series : batch) points += series.points.size();
  Point base;
  if (points > 0) base = batch.front().points.front();
  std::string out(1, kBatchVersion);
  out.reserve(16 + 4 * batch.size() + 14 * points);
  put_difference(out, 0, base.timestamp_ms);
  put_difference(out, 0, base.step);
  put_varint(out, batch.size());
  std::int64_t series_id = 0;
  for (const SeriesView& series : batch) {
    put_difference(out, series_id, series.series);
    series_id = series.series;
    put_varint(out, series.points.size());
    put_points(out, series.points, base);
  }
  return out;
}

Result<std::vector<SeriesPoints>> decode_batch(std::string_view bytes) {
  Reader reader(bytes);
  std::vector<SeriesPoints> batch;
  TRY(read_batch(reader, [&](std::int64_t series, std::size_t n, const Point& base) -> Result<> {
    SeriesPoints& read = batch.emplace_back(SeriesPoints{series, std::vector<Point>(n)});
    return reader.points(read.points, base);
  }));
  return batch;
}

Result<std::vector<Point>> decode_batch_of(std::string_view bytes, std::int64_t series) {
  Reader reader(bytes);
  std::vector<Point> found;
  TRY(read_batch(reader, [&](std::int64_t id, std::size_t n, const Point& base) -> Result<> {
    if (id != series) return reader.skip_points(n);
    std::vector<Point> points(n);
    TRY(reader.points(points, base));
    found.insert(found.end(), points.begin(), points.end());
    return {};
  }));
  return found;
}

Result<> gather_batch(std::string_view bytes, std::int64_t above,
                      std::map<std::int64_t, std::vector<Point>>& found) {
  Reader reader(bytes);
  std::vector<Point> points;
  auto next = found.begin();  // where a request that goes through the series in order comes next
  return read_batch(reader, [&](std::int64_t id, std::size_t n, const Point& base) -> Result<> {
    if (id <= above) return reader.skip_points(n);
    points.resize(n);
    TRY(reader.points(points, base));
    const bool is_next = next != found.end() && next->first == id;
    const auto place = is_next ? next : found.try_emplace(id).first;
    place->second.insert(place->second.end(), points.begin(), points.end());
    next = std::next(place);
    return {};
  });
}

namespace {

void put_heads(Chunk& chunk, std::vector<Point> points) {
  if (!std::is_sorted(points.begin(), points.end(), comes_before_by_step)) {
    std::sort(points.begin(), points.end(), comes_before_by_step);
  }
  chunk.first_step = points.front().step;
  chunk.last_step = points.back().step;
  std::vector<Point> heads;
  for (std::size_t i = 0; i < points.size(); i += kHeadPoints) heads.push_back(points[i]);
  if ((points.size() - 1) % kHeadPoints != 0) heads.push_back(points.back());
  chunk.heads = encode_chunk(heads);
}

}  // namespace

std::vector<Chunk> to_chunks(std::vector<Point> points) {
  tidy(points);
  std::vector<Chunk> chunks;
  std::span<const Point> rest = points;
  while (!rest.empty()) {
    const std::span<const Point> part = rest.first(std::min(kChunkPoints, rest.size()));
    Chunk& chunk = chunks.emplace_back();
    chunk.points = static_cast<std::int64_t>(part.size());
    chunk.first_ms = part.front().timestamp_ms;
    chunk.last_ms = part.back().timestamp_ms;
    chunk.data = encode_chunk(part);
    put_heads(chunk, {part.begin(), part.end()});
    rest = rest.subspan(part.size());
  }
  return chunks;
}

Result<std::vector<Head>> decode_heads(std::string_view bytes, std::size_t points) {
  const std::vector<Point> stored = TRY(decode_chunk(bytes));
  const std::size_t regular = (points + kHeadPoints - 1) / kHeadPoints;
  const bool with_last = points > 0 && (points - 1) % kHeadPoints != 0;
  if (stored.size() != regular + (with_last ? 1 : 0)) return damaged();
  std::vector<Head> heads;
  heads.reserve(stored.size());
  for (const Point& point : stored) heads.push_back({point, kHeadPoints});
  if (heads.empty()) return heads;
  // What is over is the last one's, less one where the last point follows by itself.
  heads[regular - 1].points = points - (regular - 1) * kHeadPoints - (with_last ? 1 : 0);
  heads.back().points = with_last ? 1 : heads.back().points;
  return heads;
}

std::string encode_chunk(std::span<const Point> points) {
  std::string out(1, kChunkVersion);
  out.reserve(8 + 12 * points.size());
  put_varint(out, points.size());
  put_points(out, points, Point{});
  return out;
}

Result<std::vector<Point>> decode_chunk(std::string_view bytes) {
  Reader reader(bytes);
  TRY(reader.version(kChunkVersion));
  std::vector<Point> points(TRY(reader.count(kPointBytesMin)));
  TRY(reader.points(points, Point{}));
  TRY(reader.end());
  return points;
}

}  // namespace slipway::tracking
