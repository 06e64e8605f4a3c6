#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/tracking/types.h"
#include "io/db/db.h"

// What was deleted goes for good: which runs and experiments those are, as `mlflow gc` says, and
// how their rows go. Functions of a caller's Tx.
//
// A removal is a row (kind, thing) that is there before the first row of the thing goes, and until
// its files are gone too; so a kill in between ends in a removal that goes on, not in files that
// nobody knows. What is being removed cannot be restored.
namespace slipway::tracking {

/// "30d", "2d8h5m20s", "1.5h": in milliseconds. kInvalid.
Result<std::int64_t> parse_age(std::string_view text);

struct TrashQuery {
  std::optional<std::string> older_than;            // as parse_age() reads it
  std::optional<std::vector<std::string>> run_ids;  // nothing: every deleted run
  std::vector<std::int64_t> experiments;            // none: every deleted experiment
};
struct Condemned {
  std::vector<std::string> runs;          // those of `experiments` too; each once
  std::vector<std::int64_t> experiments;  // deleted
};
/// kMissing for a run or experiment that is named and unknown; kInvalid for one that is named and
/// not deleted, or not that long; kConflict where a run of a deleted experiment is not deleted.
Result<Condemned> condemned(db::Tx& tx, const TrashQuery& query, UnixMs now_ms);

/// Of a run that may be deleted or not.
struct TrashRun {
  std::string run_id, name, artifact_uri;
  std::int64_t experiment = 0;
};
Result<TrashRun> trash_run(db::Tx& tx, const std::string& run_id);

enum class Removed { kRun, kModel, kExperiment };
struct Removal {
  std::int64_t id = 0;
  Removed what = Removed::kRun;
  std::string thing;     // its id
  std::string location;  // of its files, as the thing had it; "": it has none to remove
  std::string actor;
  bool rows_gone = false;
};
/// Whether a run or an experiment is still deleted, the experiment with all of its runs, and so may
/// be removed. Whether a logged model is: not known here.
Result<bool> is_deleted_still(db::Tx& tx, const Removal& removal);
/// Nothing for a thing whose removal was asked for already.
Result<> ask_removal(db::Tx& tx, const Removal& removal, UnixMs now_ms);
/// Those asked for first: models and runs before experiments.
Result<std::vector<Removal>> removals(db::Tx& tx, int limit);
Result<std::int64_t> count_removals(db::Tx& tx);
Result<bool> is_being_removed(db::Tx& tx, Removed what, const std::string& thing);
Result<> note_rows_gone(db::Tx& tx, std::int64_t removal);
Result<> finish_removal(db::Tx& tx, std::int64_t removal);

/// At most about `rows` rows of a run, or of an experiment whose runs are gone; `rows` is less by
/// them afterwards. Its node in the graph goes and an event comes with the last one. Whether all is
/// gone now.
Result<bool> remove_some_of_run(db::Tx& tx, const std::string& run_id, std::int64_t& rows,
                                const std::string& actor, UnixMs now_ms);
Result<bool> remove_some_of_experiment(db::Tx& tx, std::int64_t experiment, std::int64_t& rows,
                                       const std::string& actor, UnixMs now_ms);

}  // namespace slipway::tracking
