#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "domain/tracking/points.h"
#include "io/db/db.h"

// Batches of runs become chunks of their series, inside transactions of the writer.
namespace slipway::tracking {

/// How far a move of batches is that takes more than one transaction: of batches up to
/// `last_batch`, series up to `last_series` are in chunks already.
struct Move {
  std::int64_t last_batch = 0, last_series = 0;
};
BOOST_DESCRIBE_STRUCT(Move, (), (last_batch, last_series))

/// The move of a run that is not at its end.
Result<std::optional<Move>> find_move(db::Tx& tx, std::int64_t run);

/// Points that a move has read and not yet put into chunks, for its next transaction: without it
/// each one would read all batches anew. What does not fit the tables (a transaction that was
/// rolled back, a run that was deleted) is passed over, so nothing depends on it. Not shared between
/// threads; a few megabytes at most.
class MovePoints {
 public:
  using BySeries = std::map<std::int64_t, std::vector<Point>>;
  struct OfRun {
    Move move;
    std::size_t points = 0;  // of the batches
    BySeries series;         // behind move.last_series
  };
  /// Of a run whose move stands there, with batches of so many points; null: not known.
  OfRun* find(std::int64_t run, const Move& move, std::size_t points);
  OfRun& put(std::int64_t run, OfRun known);
  void forget(std::int64_t run) { runs_.erase(run); }
  /// Forgets all when it has become much: of runs that were deleted in the middle, say.
  void limit();

 private:
  std::map<std::int64_t, OfRun> runs_;
};

/// Moves batches of runs into chunks of their series, as much as a transaction may do at most, in
/// as many trips for all of them as for one; the runs of which batches are left for another call.
Result<std::vector<std::int64_t>> compact_runs(db::Tx& tx, std::span<const std::int64_t> of,
                                               MovePoints& known);
/// The same of one; whether batches are left.
Result<bool> compact_run(db::Tx& tx, std::int64_t run, MovePoints& known);

}  // namespace slipway::tracking
