#pragma once

#include <optional>
#include <span>
#include <string>

#include "domain/tracking/series.h"
#include "domain/tracking/types.h"
#include "io/db/db.h"

// Experiments and runs that were kept elsewhere, taken over with their ids and times. In a write
// transaction of the caller. Nothing that is here is changed, but for the experiment 0 of a
// catalogue in which nobody has worked yet.
namespace slipway::tracking {

enum class Adoption {
  kMade,
  kJoined,     // the experiment 0 that is here: runs may go into it
  kIdTaken,    // by another one
  kNameTaken,  // by an experiment with another id
};
Result<Adoption> adopt_experiment(db::Tx& tx, const Experiment& experiment, const Actor& actor,
                                  UnixMs now_ms);

struct AdoptedRun {
  Run run;  // metrics are passed over: see adopt_points
  std::optional<UnixMs> deleted_ms;
};
/// kMade or kIdTaken. Its experiment must be there.
Result<Adoption> adopt_run(db::Tx& tx, const AdoptedRun& run, UnixMs now_ms);
/// Of a run, deleted or not.
Result<> adopt_points(db::Tx& tx, const std::string& run_id, std::span<const Addition> additions);
/// A run that is there goes on: it has no end any more.
Result<> forget_end(db::Tx& tx, const std::string& run_id);
/// After the last points of a run that came in many parts: as if it had been logged here.
Result<> settle_points(db::Tx& tx, const std::string& run_id);
/// The files of a run or of an experiment's new runs are elsewhere from now on.
Result<> move_files(db::Tx& tx, const std::string& run_id, const std::string& artifact_uri);
Result<> move_experiment_files(db::Tx& tx, std::int64_t id, const std::string& location);
/// At the end: the next experiment that is made gets a number of its own.
Result<> count_adopted(db::Tx& tx);

}  // namespace slipway::tracking
