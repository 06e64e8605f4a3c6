#include <boost/describe.hpp>

#include "domain/tracking/store.h"
#include "io/db/put.h"

namespace slipway::tracking {
namespace {

struct TailRow {
  std::int64_t chunk = 0, points = 0;
  db::Blob data;
};
BOOST_DESCRIBE_STRUCT(TailRow, (), (chunk, points, data))

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
Result<> append_behind(db::Tx& tx, std::int64_t series, const std::optional<TailRow>& newest,
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

Result<> append_to_chunks(db::Tx& tx, std::vector<SeriesPoints> of) {
  std::vector<std::vector<db::Value>> lists;
  for (const SeriesPoints& series : of) lists.push_back({db::Value(series.series)});
  std::vector<std::optional<TailRow>> newest(lists.size());
  TRY(db::ask_each(tx,
                   "select chunk, points, data from metric_chunks where series = ? "
                   "order by chunk desc limit 1",
                   lists, [&](std::size_t i, const db::Columns& columns) {
                     return db::read_row(columns, newest[i].emplace());
                   }));
  for (std::size_t i = 0; i < of.size(); ++i)
    TRY(append_behind(tx, of[i].series, newest[i], std::move(of[i].points)));
  return {};
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

}  // namespace slipway::tracking
