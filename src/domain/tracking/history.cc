#include <algorithm>
#include <boost/describe.hpp>
#include <limits>
#include <map>

#include "domain/tracking/store.h"

namespace slipway::tracking {
namespace {

constexpr std::int64_t kBatchesPerCall = 256;

struct BatchRow {
  std::int64_t id = 0;
  db::Blob data;
};
BOOST_DESCRIBE_STRUCT(BatchRow, (), (id, data))

struct ChunkSpan {
  std::int64_t chunk = 0;
  UnixMs first_ms = 0;
};
BOOST_DESCRIBE_STRUCT(ChunkSpan, (), (chunk, first_ms))

struct TailRow {
  std::int64_t chunk = 0, points = 0;
  db::Blob data;
};
BOOST_DESCRIBE_STRUCT(TailRow, (), (chunk, points, data))

struct SeriesId {
  std::int64_t series = 0, run = 0;
};
BOOST_DESCRIBE_STRUCT(SeriesId, (), (series, run))

/// Points of one series after a place in its history, in order, as they are found.
class Collector {
 public:
  Collector(const std::optional<Point>& after, std::size_t limit) : after_(after), limit_(limit) {}

  void add(std::vector<Point> points) {
    for (const Point& point : points) {
      if (!after_ || comes_before(*after_, point)) points_.push_back(point);
    }
    tidied_ = false;
  }
  /// Whether points that are not before `first_ms` can no longer be among the first `limit` + 1.
  bool is_full_before(UnixMs first_ms) {
    if (points_.size() <= limit_) return false;
    sort();
    return points_.size() > limit_ && points_[limit_].timestamp_ms < first_ms;
  }
  HistoryPage page() && {
    sort();
    const bool more = points_.size() > limit_;
    if (more) points_.resize(limit_);
    return {std::move(points_), more};
  }

 private:
  void sort() {
    if (!tidied_) tidy(points_);
    tidied_ = true;
  }
  std::optional<Point> after_;
  std::size_t limit_;
  std::vector<Point> points_;
  bool tidied_ = true;
};

struct SeriesSize {
  std::int64_t series = 0, run = 0, points = 0;
};
BOOST_DESCRIBE_STRUCT(SeriesSize, (), (series, run, points))

/// Every n-th of the points it is given, of a range of steps; by step.
class Thinner {
 public:
  Thinner(std::size_t every, const std::optional<StepRange>& steps)
      : every_(every), steps_(steps) {}

  void add(const std::vector<Point>& points) {
    for (const Point& point : points) {
      if (steps_ && (point.step < steps_->first || point.step > steps_->last)) continue;
      if (seen_++ % every_ == 0) points_.push_back(point);
    }
  }
  std::vector<Point> points() && {
    std::sort(points_.begin(), points_.end(), comes_before_by_step);
    points_.erase(std::unique(points_.begin(), points_.end()), points_.end());
    return std::move(points_);
  }

 private:
  std::size_t every_, seen_ = 0;
  std::optional<StepRange> steps_;
  std::vector<Point> points_;
};

/// Batches that are not in chunks yet: few, see Tracking::Compactor.
Result<> collect_batches(db::Tx& tx, const SeriesId& series, Collector& collector) {
  auto add = [&](const db::Columns& columns) -> Result<> {
    collector.add(TRY(decode_batch_of(columns.blob(0), series.series)));
    return {};
  };
  return tx.query("select data from metric_batches where run = ? order by id",
                  std::vector<db::Value>{db::Value(series.run)}, add);
}

Result<> collect_chunks(db::Tx& tx, std::int64_t series, const std::optional<Point>& after,
                        Collector& collector) {
  const UnixMs from_ms = after ? after->timestamp_ms : std::numeric_limits<UnixMs>::min();
  std::vector<ChunkSpan> spans = TRY(tx.all<ChunkSpan>(
      "select chunk, first_ms from metric_chunks where series = ? and last_ms >= ? "
      "order by first_ms, chunk",
      series, from_ms));
  for (const ChunkSpan& span : spans) {
    if (collector.is_full_before(span.first_ms)) return {};
    std::optional<db::Blob> data = TRY(tx.one<db::Blob>(
        "select data from metric_chunks where series = ? and chunk = ?", series, span.chunk));
    if (data) collector.add(TRY(decode_chunk(data->bytes)));
  }
  return {};
}

Result<> put_chunk(db::Tx& tx, std::int64_t series, std::int64_t chunk,
                   const Chunk& filled) {
  TRY(
      tx.run("insert into metric_chunks (series, chunk, points, first_ms, last_ms, data) "
             "values (?, ?, ?, ?, ?, ?) on conflict (series, chunk) do update set "
             "points = excluded.points, first_ms = excluded.first_ms, "
             "last_ms = excluded.last_ms, data = excluded.data",
             series, chunk, filled.points, filled.first_ms, filled.last_ms,
             db::Blob{filled.data}));
  return {};
}

/// Numbered from `number` on.
Result<> put_chunks(db::Tx& tx, std::int64_t series, std::int64_t number,
                    std::span<const Chunk> chunks) {
  for (const Chunk& chunk : chunks) TRY(put_chunk(tx, series, number++, chunk));
  return {};
}

/// Adds points to the newest chunk of a series while it has room, then to new ones.
Result<> append_to_chunks(db::Tx& tx, std::int64_t series, std::vector<Point> points) {
  std::optional<TailRow> tail = TRY(tx.one<TailRow>(
      "select chunk, points, data from metric_chunks where series = ? order by chunk desc limit 1",
      series));
  if (!tail) return put_chunks(tx, series, 1, to_chunks(std::move(points)));
  if (tail->points >= static_cast<std::int64_t>(kChunkPoints)) {
    return put_chunks(tx, series, tail->chunk + 1, to_chunks(std::move(points)));
  }
  std::vector<Point> before = TRY(decode_chunk(tail->data.bytes));
  points.insert(points.begin(), before.begin(), before.end());
  return put_chunks(tx, series, tail->chunk, to_chunks(std::move(points)));
}

}  // namespace

Result<HistoryPage> read_history(db::Tx& tx, const std::string& run_id, const std::string& key,
                                 const std::optional<Point>& after, std::size_t limit) {
  std::optional<SeriesId> series =
      TRY(tx.one<SeriesId>("select s.id, s.run from runs r join metric_series s on s.run = r.id "
                            "where r.run_id = ? and s.key = ?",
                            run_id, key));
  if (!series) return HistoryPage{};
  Collector collector(after, limit);
  TRY(collect_batches(tx, *series, collector));
  TRY(collect_chunks(tx, series->series, after, collector));
  return std::move(collector).page();
}

Result<std::vector<Point>> read_sample(db::Tx& tx, const std::string& run_id,
                                       const std::string& key,
                                       const std::optional<StepRange>& steps, std::size_t count) {
  // 32 bytes each; what is beyond is thinned out evenly, batch by batch, as it was logged.
  constexpr std::int64_t kPointsMax = 2'000'000;
  std::optional<SeriesSize> series =
      TRY(tx.one<SeriesSize>("select s.id, s.run, s.points from runs r join metric_series s on "
                             "s.run = r.id where r.run_id = ? and s.key = ?",
                             run_id, key));
  if (!series) return std::vector<Point>{};
  const auto every = static_cast<std::size_t>(1 + series->points / kPointsMax);
  Thinner thinner(every, steps);
  TRY(tx.query("select data from metric_batches where run = ? order by id",
               std::vector<db::Value>{db::Value(series->run)},
               [&](const db::Columns& columns) -> Result<> {
                 thinner.add(TRY(decode_batch_of(columns.blob(0), series->series)));
                 return {};
               }));
  TRY(tx.query("select data from metric_chunks where series = ? order by chunk",
               std::vector<db::Value>{db::Value(series->series)},
               [&](const db::Columns& columns) -> Result<> {
                 thinner.add(TRY(decode_chunk(columns.blob(0))));
                 return {};
               }));
  std::vector<Point> points = std::move(thinner).points();
  return take_evenly(points, count);
}

Result<> add_chunks(db::Tx& tx, std::int64_t series, std::span<const Chunk> chunks) {
  std::optional<std::int64_t> last = TRY(tx.one<std::int64_t>(
      "select chunk from metric_chunks where series = ? order by chunk desc limit 1", series));
  return put_chunks(tx, series, last.value_or(0) + 1, chunks);
}

Result<bool> compact_run(db::Tx& tx, std::int64_t run) {
  std::vector<BatchRow> batches =
      TRY(tx.all<BatchRow>("select id, data from metric_batches where run = ? order by id limit ?",
                           run, kBatchesPerCall));
  if (batches.empty()) return false;
  std::map<std::int64_t, std::vector<Point>> series;
  for (const BatchRow& batch : batches) {
    for (SeriesPoints& part : TRY(decode_batch(batch.data.bytes))) {
      std::vector<Point>& points = series[part.series];
      points.insert(points.end(), part.points.begin(), part.points.end());
    }
  }
  for (auto& [id, points] : series) TRY(append_to_chunks(tx, id, std::move(points)));
  TRY(tx.run("delete from metric_batches where run = ? and id <= ?", run, batches.back().id));
  return static_cast<std::int64_t>(batches.size()) == kBatchesPerCall;
}

}  // namespace slipway::tracking
