#pragma once

#include <string>
#include <vector>

#include "domain/flows/facts.h"
#include "domain/flows/runs.h"
#include "io/db/db.h"
#include "io/wire/codec.h"

// Triggers, pipeline runs and their attempts in the catalogue. Functions of a caller's Tx; no
// threads of their own. docs/formats/runs.md describes the tables. A state and its event are one
// transaction, and every change of a run bears its revision: to do one twice is kConflict, tag
// "stale", and changes nothing.
namespace slipway::flows {

/// Of triggers (trigger_store.h) and runs.
std::vector<db::Migration> migrations();

struct WishedRun {
  RunPlan plan;
  std::string trigger, firing;
  std::int64_t cause_seq = 0;
  std::string actor;
};
/// A new run that waits, its node, its edge to the firing, and the event "pipeline_run.requested".
Result<PipelineRun> request_run(db::Tx& tx, const WishedRun& wish, UnixMs now_ms);

Result<std::optional<PipelineRun>> find_run(db::Tx& tx, const std::string& id);
/// The only one whose id begins like this; kMissing, kInvalid when there are several.
Result<PipelineRun> run_by_prefix(db::Tx& tx, const std::string& prefix);
/// Newest first.
Result<std::vector<PipelineRun>> recent_runs(db::Tx& tx, int limit);
/// Those that are not over, oldest first.
Result<std::vector<PipelineRun>> open_runs(db::Tx& tx);
Result<bool> has_open_run(db::Tx& tx, const std::string& trigger);

struct RunAttempt {
  std::string run;
  std::int64_t number = 0;
  std::string state;  // "running", or as the outcome: "done", "nothing_new", "failed", "cancelled",
                      // "timed_out", "lost"
  std::string reason;
  UnixMs started_ms = 0, ended_ms = 0;
  std::int64_t spent_ms = 0;
};
WIRE(RunAttempt, run, number, state, reason, started_ms, ended_ms, spent_ms)
/// Oldest first.
Result<std::vector<RunAttempt>> attempts_of(db::Tx& tx, const std::string& run);

/// From kQueued or kRetryWait: what its plan asks for is in the data cache now. `drawn` in the
/// order of plan.data; of each the version is a node, the run `used` it, and it was `drawn_from`
/// the deployment. Event "data.drawn" about the first of them.
Result<PipelineRun> keep_drawn(db::Tx& tx, const PipelineRun& run,
                               const std::vector<DataFact>& drawn, UnixMs now_ms);
/// From kQueued or kRetryWait: the intent, before the process is started. Event
/// "pipeline_run.attempt_started". `server`: whose folder has the attempt, where several share the
/// catalogue.
Result<PipelineRun> begin_attempt(db::Tx& tx, const PipelineRun& run, UnixMs now_ms,
                                  const std::string& server = {});
/// From kRunning, by after_attempt(). Event "pipeline_run.succeeded" and so on; of a retry
/// "pipeline_run.retry_wait". The firing of one that was skipped counts no more for its trigger.
Result<PipelineRun> end_attempt(db::Tx& tx, const PipelineRun& run, const RunOutcome& outcome,
                                UnixMs now_ms);
/// One that does not run ends at once; one that does is asked to. kConflict when it is over. Asking
/// twice is fine.
Result<PipelineRun> cancel_run(db::Tx& tx, const std::string& id, const std::string& actor,
                               UnixMs now_ms);

wire::Json to_json(const PipelineRun& run);
wire::Json to_json(const RunAttempt& attempt);

}  // namespace slipway::flows
