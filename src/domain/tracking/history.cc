#include <algorithm>
#include <boost/describe.hpp>
#include <functional>
#include <limits>
#include <map>

#include "domain/tracking/store.h"
#include "io/db/put.h"

namespace slipway::tracking {
namespace {

// What one transaction of a move does at most: a few milliseconds of work, and a log that grows by
// about a megabyte.
constexpr std::int64_t kBatchesOfMove = 256;
constexpr std::size_t kPointsOfMove = 64'000;
constexpr std::size_t kSeriesOfMove = 64;

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

Chunk without_data(Chunk chunk) {
  chunk.data = {};
  return chunk;
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

/// Those that are missing are made now, and added to `made` too.
Result<std::vector<ChunkHeads>> read_heads(db::Tx& tx, std::int64_t series,
                                           std::vector<NewHeads>& made) {
  std::vector<ChunkHeads> heads = TRY(tx.all<ChunkHeads>(
      "select chunk, points, first_step, last_step, data from metric_heads where series = ? "
      "order by chunk",
      series));
  const auto chunks =
      TRY(tx.one<std::int64_t>("select count(*) from metric_chunks where series = ?", series));
  if (chunks.value_or(0) == static_cast<std::int64_t>(heads.size())) return heads;
  for (std::int64_t number : TRY(tx.all<std::int64_t>(
           "select c.chunk from metric_chunks c where c.series = ? and not exists (select 1 from "
           "metric_heads h where h.series = c.series and h.chunk = c.chunk)",
           series))) {
    for (Chunk& chunk : to_chunks(TRY(read_chunk(tx, series, number)))) {
      heads.push_back({number, chunk.points, chunk.first_step, chunk.last_step,
                       db::Blob{chunk.heads}});
      made.push_back({series, number, without_data(std::move(chunk))});
    }
  }
  return heads;
}

/// Charts of more points than this are drawn from heads.
constexpr std::int64_t kExactMax = 1 << 17;

Result<> collect_chart(db::Tx& tx, std::int64_t series, const std::optional<StepRange>& steps,
                       Chart& chart, std::vector<NewHeads>& made) {
  const std::vector<ChunkHeads> chunks = TRY(read_heads(tx, series, made));
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

Result<> put_chunk(db::Tx& tx, std::int64_t series, std::int64_t chunk, const Chunk& filled) {
  return db::put(tx,
              "insert into metric_chunks (series, chunk, points, first_ms, last_ms, data) "
              "values (?, ?, ?, ?, ?, ?) on conflict (series, chunk) do update set "
              "points = excluded.points, first_ms = excluded.first_ms, "
              "last_ms = excluded.last_ms, data = excluded.data",
              series, chunk, filled.points, filled.first_ms, filled.last_ms,
              db::Blob{filled.data});
}

Result<> put_chunk_with_heads(db::Tx& tx, std::int64_t series, std::int64_t chunk,
                              const Chunk& filled) {
  TRY(put_chunk(tx, series, chunk, filled));
  return db::put(tx,
                 "insert into metric_heads (series, chunk, points, first_step, last_step, data) "
                 "values (?, ?, ?, ?, ?, ?) on conflict (series, chunk) do update set "
                 "points = excluded.points, first_step = excluded.first_step, "
                 "last_step = excluded.last_step, data = excluded.data",
                 series, chunk, filled.points, filled.first_step, filled.last_step,
                 db::Blob{filled.heads});
}

/// Numbered from `number` on.
Result<> put_chunks(db::Tx& tx, std::int64_t series, std::int64_t number,
                    std::span<const Chunk> chunks) {
  for (const Chunk& chunk : chunks) TRY(put_chunk_with_heads(tx, series, number++, chunk));
  return {};
}

/// Adds points to the newest chunk of a series while it has room, then to new ones.
Result<> append_to_chunks(db::Tx& tx, std::int64_t series, const std::optional<TailRow>& newest,
                          std::vector<Point> points) {
  if (!newest) return put_chunks(tx, series, 1, to_chunks(std::move(points)));
  if (newest->points >= static_cast<std::int64_t>(kChunkPoints)) {
    return put_chunks(tx, series, newest->chunk + 1, to_chunks(std::move(points)));
  }
  const std::vector<Point> before = TRY(decode_chunk(newest->data.bytes));
  points.insert(points.begin(), before.begin(), before.end());
  return put_chunks(tx, series, newest->chunk, to_chunks(std::move(points)));
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

Result<Sample> read_sample(db::Tx& tx, const std::string& run_id, const std::string& key,
                           const std::optional<StepRange>& steps, std::size_t count) {
  std::optional<SeriesId> series =
      TRY(tx.one<SeriesId>("select s.id, s.run from runs r join metric_series s on s.run = r.id "
                            "where r.run_id = ? and s.key = ?",
                            run_id, key));
  if (!series) return Sample{};
  Sample sample;
  Chart chart(steps);
  TRY(collect_batches(tx, *series, chart));
  TRY(collect_chart(tx, series->series, steps, chart, sample.made));
  sample.points = std::move(chart).take(count);
  return sample;
}

Result<> add_chunks(db::Tx& tx, std::int64_t series, std::span<const Chunk> chunks,
                    std::vector<NewHeads>& heads) {
  std::optional<std::int64_t> last = TRY(tx.one<std::int64_t>(
      "select chunk from metric_chunks where series = ? order by chunk desc limit 1", series));
  std::int64_t number = last.value_or(0);
  for (const Chunk& chunk : chunks) {
    TRY(put_chunk(tx, series, ++number, chunk));
    heads.push_back({series, number,
                     {chunk.points, chunk.first_ms, chunk.last_ms, "", chunk.first_step,
                      chunk.last_step, chunk.heads}});
  }
  return {};
}

Result<> put_heads(db::Tx& tx, std::span<const NewHeads> heads) {
  for (const auto& [series, number, chunk] : heads) {
    TRY(db::put(tx,
                "insert into metric_heads (series, chunk, points, first_step, last_step, data) "
                "select series, chunk, points, ?, ?, ? from metric_chunks where series = ? and "
                "chunk = ? and points = ? and first_ms = ? and last_ms = ? "
                "on conflict (series, chunk) do nothing",
                chunk.first_step, chunk.last_step, db::Blob{chunk.heads}, series, number,
                chunk.points, chunk.first_ms, chunk.last_ms));
  }
  return {};
}

namespace {

/// Of one run, while its batches are moved.
struct Moving {
  std::int64_t run = 0;
  std::optional<Move> move;  // that goes on
  std::vector<BatchSize> batches;  // the oldest ones
  std::map<std::int64_t, std::vector<Point>> series;
  bool all = true;  // no series is left after these
  std::int64_t waiting = 0;  // batches that are left, as far as they were counted
};

/// The same question about each of the runs; it has one value.
Result<> ask_of_runs(db::Tx& tx, std::string_view sql, std::vector<Moving>& runs,
                     const std::function<Result<>(Moving&, const db::Columns&)>& each) {
  std::vector<std::vector<db::Value>> lists;
  for (const Moving& run : runs) lists.push_back({db::Value(run.run)});
  return db::ask_each(tx, sql, lists,
                      [&](std::size_t i, const db::Columns& columns) -> Result<> {
                        return each(runs[i], columns);
                      });
}

/// Fills in the moves that go on, and what else may be moved.
Result<> find_moves(db::Tx& tx, std::vector<Moving>& runs) {
  TRY(ask_of_runs(tx, "select last_batch, last_series from metric_moves where run = ?", runs,
                  [](Moving& run, const db::Columns& columns) {
                    return db::read_row(columns, run.move.emplace());
                  }));
  static const std::string kOldest =
      "select id, points from metric_batches where run = ? order by id limit " +
      std::to_string(kBatchesOfMove);
  return ask_of_runs(tx, kOldest, runs, [](Moving& run, const db::Columns& columns) {
    return db::read_row(columns, run.batches.emplace_back());
  });
}

/// Up to which batch a move goes: one that goes on as it was begun, another the oldest ones, at
/// least one. How many points that is.
std::size_t plan_move(Moving& run) {
  const bool goes_on = run.move.has_value();
  std::size_t points = 0;
  for (const BatchSize& batch : run.batches) {
    const auto more = static_cast<std::size_t>(batch.points);
    const bool is_over = goes_on ? batch.id > run.move->last_batch
                                 : run.move && points + more > kPointsOfMove;
    if (is_over) break;
    points += more;
    if (!goes_on) run.move = Move{batch.id, 0};
  }
  return points;
}

/// Runs that nothing is to be moved of go, and those that would be too much for one transaction:
/// these are left for another.
std::vector<std::int64_t> plan_moves(std::vector<Moving>& runs) {
  std::vector<std::int64_t> left;
  std::size_t points = 0;  // of all of them
  std::vector<Moving> moving;
  for (Moving& run : runs) {
    if (run.batches.empty() && !run.move) continue;
    const std::size_t more = plan_move(run);
    if (!moving.empty() && points + more > kPointsOfMove) {
      left.push_back(run.run);
      continue;
    }
    points += more;
    moving.push_back(std::move(run));
  }
  runs = std::move(moving);
  return left;
}

Result<> gather(db::Tx& tx, std::vector<Moving>& runs) {
  std::vector<std::vector<db::Value>> lists;
  for (const Moving& run : runs)
    lists.push_back({db::Value(run.run), db::Value(run.move->last_batch)});
  return db::ask_each(
      tx, "select data from metric_batches where run = ? and id <= ? order by id", lists,
      [&](std::size_t i, const db::Columns& columns) -> Result<> {
        Moving& run = runs[i];
        run.all &= TRY(
            gather_batch(columns.blob(0), run.move->last_series, kSeriesOfMove, run.series));
        return {};
      });
}

/// Leaves runs for another transaction whose series would be too many for this one.
void keep_few_series(std::vector<Moving>& runs, std::vector<std::int64_t>& left) {
  std::size_t series = 0, kept = 0;
  while (kept < runs.size()) {
    series += runs[kept].series.size();
    if (kept > 0 && series > kSeriesOfMove) break;
    ++kept;
  }
  for (std::size_t i = kept; i < runs.size(); ++i) left.push_back(runs[i].run);
  runs.resize(kept);
}

Result<> append_all(db::Tx& tx, std::vector<Moving>& runs) {
  std::vector<std::vector<db::Value>> lists;
  for (const Moving& run : runs)
    for (const auto& [id, points] : run.series) lists.push_back({db::Value(id)});
  std::vector<std::optional<TailRow>> newest(lists.size());
  TRY(db::ask_each(tx,
                   "select chunk, points, data from metric_chunks where series = ? "
                   "order by chunk desc limit 1",
                   lists, [&](std::size_t i, const db::Columns& columns) {
                     return db::read_row(columns, newest[i].emplace());
                   }));
  std::size_t at = 0;
  for (Moving& run : runs)
    for (auto& [id, points] : run.series)
      TRY(append_to_chunks(tx, id, newest[at++], std::move(points)));
  return {};
}

Result<> end_move(db::Tx& tx, const Moving& run) {
  if (!run.all) {
    return db::put(tx,
                   "insert into metric_moves (run, last_batch, last_series) values (?, ?, ?) "
                   "on conflict (run) do update set last_series = excluded.last_series",
                   run.run, run.move->last_batch, run.series.rbegin()->first);
  }
  TRY(db::put(tx, "delete from metric_moves where run = ?", run.run));
  TRY(db::put(tx, "delete from metric_batches where run = ? and id <= ?", run.run,
              run.move->last_batch));
  return note_run(tx, run.run);
}

}  // namespace

Result<std::vector<std::int64_t>> compact_runs(db::Tx& tx, std::span<const std::int64_t> of) {
  std::vector<Moving> runs(of.size());
  for (std::size_t i = 0; i < of.size(); ++i) runs[i].run = of[i];
  TRY(find_moves(tx, runs));
  std::vector<std::int64_t> left = plan_moves(runs);
  TRY(gather(tx, runs));
  keep_few_series(runs, left);
  TRY(append_all(tx, runs));
  for (const Moving& run : runs) TRY(end_move(tx, run));
  static const std::string kWaiting =
      "select count(*) from (select 1 from metric_batches where run = ? limit " +
      std::to_string(kBatchesOfMove / 2) + ") w";
  TRY(ask_of_runs(tx, kWaiting, runs, [](Moving& run, const db::Columns& columns) {
    return db::read_row(columns, run.waiting);
  }));
  // A few are not worth another move.
  for (const Moving& run : runs)
    if (!run.all || run.waiting >= kBatchesOfMove / 2) left.push_back(run.run);
  return left;
}

Result<bool> compact_run(db::Tx& tx, std::int64_t run) {
  return !TRY(compact_runs(tx, std::span(&run, 1))).empty();
}

}  // namespace slipway::tracking
