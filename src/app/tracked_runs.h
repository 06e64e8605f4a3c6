#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "domain/tracking/tracking.h"
#include "io/db/db.h"
#include "io/http/router.h"
#include "io/wire/codec.h"

// Runs that scripts logged, for commands: the best of them, one by its name, many deleted or
// restored at once, and a search as a file. Functions for the API and for a command where nobody
// serves; filters are MLflow's with what tracking.md adds.
namespace slipway::app {

struct TrackedWorld {
  tracking::Tracking& tracking;
  db::Pool& pool;
};

/// Which experiments the caller may see; null: all.
using Seen = std::shared_ptr<const http::Sight>;

struct BestRequest {
  std::vector<std::string> experiments;  // ids or names; none: all
  std::string filter, metric;
  std::string taken;   // "last" (also ""), "min", "max"
  std::string goal;    // "maximize", "minimize"; "": by the metric's name
  std::string across;  // "branches", "tags.KEY", "params.KEY"; "": configurations are compared
  std::vector<std::string> varying;  // params of repeats that may differ; none: seeds
  double confidence = 0.95;
  std::int64_t limit = 5;
  std::string actor;  // record_best(): as of ManyRequest
};
WIRE(BestRequest, experiments, filter, metric, taken, goal, across, varying, confidence, limit,
     actor)
/// {"metric", "taken", "goal", "across", "confidence", "confidence_each", "runs", "not_finite",
/// "groups", "shown", "verdict", "contenders": [...]}. kMissing when no run has the metric.
Result<wire::Json> best_run(const TrackedWorld& world, const BestRequest& request,
                            const Seen& seen);

/// The same, kept in the log as the event `run.compared` of the best run; "event" is its number. Of
/// each contender it names kRunIdsKept runs at most.
inline constexpr std::size_t kRunIdsKept = 100;
Result<wire::Json> record_best(const TrackedWorld& world, const BestRequest& request,
                               const Seen& seen, const tracking::Actor& actor);

struct NamedRequest {
  std::string name;  // a run's id, or its name
  std::vector<std::string> experiments;
};
WIRE(NamedRequest, name, experiments)
/// Everything about the run. kMissing; kConflict where several have the name: which those are.
Result<wire::Json> show_tracked_run(const TrackedWorld& world, const NamedRequest& request,
                                    const Seen& seen);

struct ManyRequest {
  std::vector<std::string> experiments;  // at least one
  std::string filter;
  bool all = false;  // without a filter: every run of the experiments
  bool dry_run = false;
  std::string actor;  // of the owner of the state folder; others are who they are
};
WIRE(ManyRequest, experiments, filter, all, dry_run, actor)
/// {"runs": how many, "dry_run", "some": the first of them}. A few hundred in a transaction: what
/// was done when the program is killed stays done, and the rest is found again.
Result<wire::Json> delete_runs(const TrackedWorld& world, const ManyRequest& request,
                               const tracking::Actor& actor);
Result<wire::Json> restore_runs(const TrackedWorld& world, const ManyRequest& request,
                                const tracking::Actor& actor);

/// The experiment that a text names: one of digits by its id, else by its name. kMissing.
Result<tracking::Experiment> experiment_of(const TrackedWorld& world, const std::string& text);
/// Ids of those named, or of all that may be seen. kMissing also for one that may not be seen.
Result<std::vector<std::int64_t>> experiments_of(const TrackedWorld& world,
                                                 const std::vector<std::string>& named,
                                                 const Seen& seen);

/// POST /tracked-runs/best, record-best, show, delete, restore, columns, export under
/// /api/slipway/v1.
void mount_tracked_runs(http::Router& router, TrackedWorld world);

}  // namespace slipway::app
