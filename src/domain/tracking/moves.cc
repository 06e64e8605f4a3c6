#include "domain/tracking/moves.h"

#include <algorithm>
#include <functional>

#include "domain/tracking/store.h"
#include "io/db/put.h"

namespace slipway::tracking {
namespace {

// What one transaction of a move does at most: a few milliseconds of work, and a log that grows by
// about a megabyte.
constexpr std::int64_t kBatchesOfMove = 256;
constexpr std::size_t kPointsOfMove = 128'000;
constexpr std::size_t kSeriesOfMove = 64;
constexpr std::size_t kKnownPointsMax = 4 * kPointsOfMove;

constexpr char kFindMove[] = "select last_batch, last_series from metric_moves where run = ?";

struct BatchSize {
  std::int64_t id = 0, points = 0;
};
BOOST_DESCRIBE_STRUCT(BatchSize, (), (id, points))

/// Of one run, while its batches are moved.
struct Moving {
  std::int64_t run = 0;
  std::optional<Move> move;  // that goes on
  std::vector<BatchSize> batches;  // the oldest ones
  std::size_t points = 0;          // of those that the move is of
  MovePoints::OfRun* known = nullptr;
  std::int64_t waiting = 0;  // batches that are left, as far as they were counted

  std::size_t series() const { return std::min(known->series.size(), kSeriesOfMove); }
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
  TRY(ask_of_runs(tx, kFindMove, runs, [](Moving& run, const db::Columns& columns) {
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
/// least one.
void plan_move(Moving& run) {
  const bool goes_on = run.move.has_value();
  for (const BatchSize& batch : run.batches) {
    const auto more = static_cast<std::size_t>(batch.points);
    const bool is_over = goes_on ? batch.id > run.move->last_batch
                                 : run.move && run.points + more > kPointsOfMove;
    if (is_over) break;
    run.points += more;
    if (!goes_on) run.move = Move{batch.id, 0};
  }
}

/// Runs that nothing is to be moved of go, and those that would be too much for one transaction:
/// these are left for another.
std::vector<std::int64_t> plan_moves(std::vector<Moving>& runs) {
  std::vector<std::int64_t> left;
  std::size_t points = 0;  // of all of them
  std::vector<Moving> moving;
  for (Moving& run : runs) {
    if (run.batches.empty() && !run.move) continue;
    plan_move(run);
    if (!moving.empty() && points + run.points > kPointsOfMove) {
      left.push_back(run.run);
      continue;
    }
    points += run.points;
    moving.push_back(std::move(run));
  }
  runs = std::move(moving);
  return left;
}

/// Reads what is not known yet. What was read in part only is not kept.
Result<> gather(db::Tx& tx, std::vector<Moving>& runs, MovePoints& known) {
  std::vector<Moving*> asked;
  std::vector<std::vector<db::Value>> lists;
  for (Moving& run : runs) {
    run.known = known.find(run.run, *run.move, run.points);
    if (run.known) continue;
    asked.push_back(&run);
    lists.push_back({db::Value(run.run), db::Value(run.move->last_batch)});
  }
  std::vector<MovePoints::BySeries> read(asked.size());
  TRY(db::ask_each(tx, "select data from metric_batches where run = ? and id <= ? order by id",
                   lists, [&](std::size_t i, const db::Columns& columns) {
                     return gather_batch(columns.blob(0), asked[i]->move->last_series, read[i]);
                   }));
  for (std::size_t i = 0; i < asked.size(); ++i) {
    Moving& run = *asked[i];
    run.known = &known.put(run.run, {*run.move, run.points, std::move(read[i])});
  }
  return {};
}

/// Leaves runs for another transaction whose series would be too many for this one.
void keep_few_series(std::vector<Moving>& runs, std::vector<std::int64_t>& left) {
  std::size_t series = 0, kept = 0;
  while (kept < runs.size()) {
    series += runs[kept].series();
    if (kept > 0 && series > kSeriesOfMove) break;
    ++kept;
  }
  for (std::size_t i = kept; i < runs.size(); ++i) left.push_back(runs[i].run);
  runs.resize(kept);
}

/// Takes what this transaction moves from what is known, and notes in it how far it is.
std::vector<SeriesPoints> take(std::vector<Moving>& runs) {
  std::vector<SeriesPoints> taken;
  for (Moving& run : runs) {
    MovePoints::BySeries& series = run.known->series;
    for (std::size_t left = run.series(); left > 0; --left) {
      auto first = series.extract(series.begin());
      run.move->last_series = first.key();
      taken.push_back({first.key(), std::move(first.mapped())});
    }
    run.known->move = *run.move;
  }
  return taken;
}

Result<> end_move(db::Tx& tx, const Moving& run, bool is_last) {
  if (!is_last) {
    return db::put(tx,
                   "insert into metric_moves (run, last_batch, last_series) values (?, ?, ?) "
                   "on conflict (run) do update set last_series = excluded.last_series",
                   run.run, run.move->last_batch, run.move->last_series);
  }
  TRY(db::put(tx, "delete from metric_moves where run = ?", run.run));
  TRY(db::put(tx, "delete from metric_batches where run = ? and id <= ?", run.run,
              run.move->last_batch));
  return note_run(tx, run.run);
}

}  // namespace

MovePoints::OfRun* MovePoints::find(std::int64_t run, const Move& move, std::size_t points) {
  const auto found = runs_.find(run);
  if (found == runs_.end()) return nullptr;
  OfRun& known = found->second;
  const bool fits = known.move.last_batch == move.last_batch &&
                    known.move.last_series == move.last_series && known.points == points;
  return fits ? &known : nullptr;
}

MovePoints::OfRun& MovePoints::put(std::int64_t run, OfRun known) {
  return runs_[run] = std::move(known);
}

void MovePoints::limit() {
  std::size_t points = 0;
  for (const auto& [run, known] : runs_) points += known.points;
  if (points > kKnownPointsMax) runs_.clear();
}

Result<std::optional<Move>> find_move(db::Tx& tx, std::int64_t run) {
  return tx.one<Move>(kFindMove, run);
}

Result<std::vector<std::int64_t>> compact_runs(db::Tx& tx, std::span<const std::int64_t> of,
                                               MovePoints& known) {
  known.limit();
  std::vector<Moving> runs(of.size());
  for (std::size_t i = 0; i < of.size(); ++i) runs[i].run = of[i];
  TRY(find_moves(tx, runs));
  std::vector<std::int64_t> left = plan_moves(runs);
  TRY(gather(tx, runs, known));
  keep_few_series(runs, left);
  TRY(append_to_chunks(tx, take(runs)));
  for (const Moving& run : runs) TRY(end_move(tx, run, run.known->series.empty()));
  static const std::string kWaiting =
      "select count(*) from (select 1 from metric_batches where run = ? limit " +
      std::to_string(kBatchesOfMove / 2) + ") w";
  TRY(ask_of_runs(tx, kWaiting, runs, [](Moving& run, const db::Columns& columns) {
    return db::read_row(columns, run.waiting);
  }));
  for (const Moving& run : runs) {
    const bool is_over = run.known->series.empty();
    // A few are not worth another move.
    if (!is_over || run.waiting >= kBatchesOfMove / 2) left.push_back(run.run);
    if (is_over) known.forget(run.run);
  }
  return left;
}

Result<bool> compact_run(db::Tx& tx, std::int64_t run, MovePoints& known) {
  return !TRY(compact_runs(tx, std::span(&run, 1), known)).empty();
}

}  // namespace slipway::tracking
