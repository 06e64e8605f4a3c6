#include <algorithm>
#include <boost/describe.hpp>
#include <limits>

#include "domain/tracking/moves.h"
#include "domain/tracking/store.h"

namespace slipway::tracking {
namespace {

struct ChunkSpan {
  std::int64_t chunk = 0;
  UnixMs first_ms = 0;
};
BOOST_DESCRIBE_STRUCT(ChunkSpan, (), (chunk, first_ms))

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

}  // namespace slipway::tracking
