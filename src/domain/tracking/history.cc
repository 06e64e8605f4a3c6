#include <algorithm>
#include <boost/describe.hpp>
#include <limits>
#include <map>

#include "domain/tracking/store.h"

namespace slipway::tracking {
namespace {

// What one transaction of a move does at most: a few milliseconds of work, and a log that grows by
// about a megabyte.
constexpr std::int64_t kBatchesOfMove = 256;
constexpr std::size_t kPointsOfMove = 64'000;
constexpr std::size_t kSeriesPerCall = 64;

struct BatchSize {
  std::int64_t id = 0, points = 0;
};
BOOST_DESCRIBE_STRUCT(BatchSize, (), (id, points))

/// How far a move of batches is that takes more than one transaction: of batches up to
/// `last_batch`, series up to `last_series` are in chunks already.
struct Move {
  std::int64_t last_batch = 0, last_series = 0;
};
BOOST_DESCRIBE_STRUCT(Move, (), (last_batch, last_series))

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

/// The points of a chart: those of a range of steps, or heads that stand for several.
class Chart {
 public:
  explicit Chart(const std::optional<StepRange>& steps) : steps_(steps) {}

  void expect(std::size_t heads) { heads_.reserve(heads_.size() + heads); }

  void add(const std::vector<Point>& points) {
    for (const Point& point : points) {
      if (!steps_ || (point.step >= steps_->first && point.step <= steps_->last)) {
        heads_.push_back({point, 1});
      }
    }
  }
  void add(const std::vector<Head>& heads) {
    heads_.insert(heads_.end(), heads.begin(), heads.end());
    exact_ = false;
  }
  std::vector<Point> take(std::size_t count) && {
    const auto before = [](const Head& a, const Head& b) {
      return comes_before_by_step(a.point, b.point);
    };
    if (!std::is_sorted(heads_.begin(), heads_.end(), before)) {
      std::sort(heads_.begin(), heads_.end(), before);
    }
    if (!exact_) return take_heads(heads_, count);
    std::vector<Point> points;
    points.reserve(heads_.size());
    for (const Head& head : heads_) {
      if (points.empty() || !(points.back() == head.point)) points.push_back(head.point);
    }
    return take_evenly(points, count);
  }

 private:
  std::optional<StepRange> steps_;
  std::vector<Head> heads_;
  bool exact_ = true;
};

Result<std::optional<Move>> find_move(db::Tx& tx, std::int64_t run) {
  return tx.one<Move>("select last_batch, last_series from metric_moves where run = ?", run);
}

/// Points that are not in chunks yet: few, see Tracking::Compactor.
template <class Collecting>
Result<> collect_batches(db::Tx& tx, const SeriesId& series, Collecting& collector) {
  const std::optional<Move> move = TRY(find_move(tx, series.run));
  const bool moved = move && series.series <= move->last_series;
  auto add = [&](const db::Columns& columns) -> Result<> {
    collector.add(TRY(decode_batch_of(columns.blob(0), series.series)));
    return {};
  };
  return tx.query(
      "select data from metric_batches where run = ? and id > ? order by id",
      std::vector<db::Value>{db::Value(series.run), db::Value(moved ? move->last_batch : 0)}, add);
}

struct ChunkHeads {
  std::int64_t chunk = 0, points = 0, first_step = 0, last_step = 0;
  db::Blob data;
};
BOOST_DESCRIBE_STRUCT(ChunkHeads, (), (chunk, points, first_step, last_step, data))

Result<std::vector<Point>> read_chunk(db::Tx& tx, std::int64_t series, std::int64_t chunk) {
  std::optional<db::Blob> data = TRY(tx.one<db::Blob>(
      "select data from metric_chunks where series = ? and chunk = ?", series, chunk));
  if (!data) return std::vector<Point>{};
  return decode_chunk(data->bytes);
}

/// Of chunks that were written before there were heads they are made now.
Result<std::vector<ChunkHeads>> read_heads(db::Tx& tx, std::int64_t series) {
  std::vector<ChunkHeads> heads = TRY(tx.all<ChunkHeads>(
      "select chunk, points, first_step, last_step, data from metric_heads where series = ? "
      "order by chunk",
      series));
  const auto chunks =
      TRY(tx.one<std::int64_t>("select count(*) from metric_chunks where series = ?", series));
  if (chunks.value_or(0) == static_cast<std::int64_t>(heads.size())) return heads;
  for (std::int64_t chunk : TRY(tx.all<std::int64_t>(
           "select c.chunk from metric_chunks c where c.series = ? and not exists (select 1 from "
           "metric_heads h where h.series = c.series and h.chunk = c.chunk)",
           series))) {
    for (Chunk& made : to_chunks(TRY(read_chunk(tx, series, chunk)))) {
      heads.push_back({chunk, made.points, made.first_step, made.last_step,
                       db::Blob{std::move(made.heads)}});
    }
  }
  return heads;
}

/// Charts of more points than this are drawn from heads.
constexpr std::int64_t kExactMax = 1 << 17;

Result<> collect_chart(db::Tx& tx, std::int64_t series, const std::optional<StepRange>& steps,
                       Chart& chart) {
  const std::vector<ChunkHeads> chunks = TRY(read_heads(tx, series));
  const auto within = [&](const ChunkHeads& c) {
    return !steps || (c.last_step >= steps->first && c.first_step <= steps->last);
  };
  const auto wholly = [&](const ChunkHeads& c) {
    return !steps || (c.first_step >= steps->first && c.last_step <= steps->last);
  };
  std::int64_t points = 0;
  for (const ChunkHeads& chunk : chunks) points += within(chunk) ? chunk.points : 0;
  if (points > kExactMax) chart.expect(chunks.size() * (kChunkPoints / kHeadPoints + 1));
  for (const ChunkHeads& chunk : chunks) {
    if (!within(chunk)) continue;
    if (points > kExactMax && wholly(chunk))
      chart.add(TRY(decode_heads(chunk.data.bytes, static_cast<std::size_t>(chunk.points))));
    else
      chart.add(TRY(read_chunk(tx, series, chunk.chunk)));
  }
  return {};
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
    collector.add(TRY(read_chunk(tx, series, span.chunk)));
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
  TRY(
      tx.run("insert into metric_heads (series, chunk, points, first_step, last_step, data) "
             "values (?, ?, ?, ?, ?, ?) on conflict (series, chunk) do update set "
             "points = excluded.points, first_step = excluded.first_step, "
             "last_step = excluded.last_step, data = excluded.data",
             series, chunk, filled.points, filled.first_step, filled.last_step,
             db::Blob{filled.heads}));
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
  std::optional<SeriesId> series =
      TRY(tx.one<SeriesId>("select s.id, s.run from runs r join metric_series s on s.run = r.id "
                            "where r.run_id = ? and s.key = ?",
                            run_id, key));
  if (!series) return std::vector<Point>{};
  Chart chart(steps);
  TRY(collect_batches(tx, *series, chart));
  TRY(collect_chart(tx, series->series, steps, chart));
  return std::move(chart).take(count);
}

Result<> add_chunks(db::Tx& tx, std::int64_t series, std::span<const Chunk> chunks) {
  std::optional<std::int64_t> last = TRY(tx.one<std::int64_t>(
      "select chunk from metric_chunks where series = ? order by chunk desc limit 1", series));
  return put_chunks(tx, series, last.value_or(0) + 1, chunks);
}

namespace {

/// Up to which batch a move goes: the oldest ones, at least one; nothing when there are none.
Result<std::optional<std::int64_t>> plan_move(db::Tx& tx, std::int64_t run) {
  std::optional<std::int64_t> last;
  std::size_t points = 0;
  for (const BatchSize& batch : TRY(tx.all<BatchSize>(
           "select id, points from metric_batches where run = ? order by id limit ?", run,
           kBatchesOfMove))) {
    points += static_cast<std::size_t>(batch.points);
    if (last && points > kPointsOfMove) break;
    last = batch.id;
  }
  return last;
}

struct Gathered {
  std::map<std::int64_t, std::vector<Point>> series;
  bool all = true;  // no series is left after these
};

Result<Gathered> gather(db::Tx& tx, std::int64_t run, const Move& move) {
  Gathered gathered;
  TRY(tx.query("select data from metric_batches where run = ? and id <= ? order by id",
               std::vector<db::Value>{db::Value(run), db::Value(move.last_batch)},
               [&](const db::Columns& columns) -> Result<> {
                 gathered.all &= TRY(gather_batch(columns.blob(0), move.last_series,
                                                  kSeriesPerCall, gathered.series));
                 return {};
               }));
  return gathered;
}

}  // namespace

Result<bool> compact_run(db::Tx& tx, std::int64_t run) {
  std::optional<Move> move = TRY(find_move(tx, run));
  if (!move) {
    std::optional<std::int64_t> last = TRY(plan_move(tx, run));
    if (!last) return false;
    move = Move{*last, 0};
  }
  Gathered gathered = TRY(gather(tx, run, *move));
  for (auto& [id, points] : gathered.series) TRY(append_to_chunks(tx, id, std::move(points)));
  if (!gathered.all) {
    TRY(
        tx.run("insert into metric_moves (run, last_batch, last_series) values (?, ?, ?) "
               "on conflict (run) do update set last_series = excluded.last_series",
               run, move->last_batch, gathered.series.rbegin()->first));
    return true;
  }
  TRY(tx.run("delete from metric_moves where run = ?", run));
  TRY(tx.run("delete from metric_batches where run = ? and id <= ?", run, move->last_batch));
  TRY(note_run(tx, run));
  // A few are not worth another move.
  const auto waiting = TRY(tx.one<std::int64_t>(
      "select count(*) from (select 1 from metric_batches where run = ? limit ?) w", run,
      kBatchesOfMove / 2));
  return waiting.value_or(0) >= kBatchesOfMove / 2;
}

}  // namespace slipway::tracking
