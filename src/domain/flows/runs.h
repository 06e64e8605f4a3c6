#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "domain/flows/trigger.h"

// One execution of a pipeline, from the wish to its end: which state follows which is decided from
// values alone. Any thread.
namespace slipway::flows {

/// QUEUED -> RUNNING -> (RETRY_WAIT -> RUNNING)* -> one of the last five.
enum class RunState {
  kQueued,
  kRunning,
  kRetryWait,
  kSucceeded,
  kFailed,
  kCancelled,
  kTimedOut,
  kSkipped,  // there was no new information
};
const char* to_string(RunState state);
Result<RunState> run_state_from(const std::string& text);
inline bool is_over(RunState state) {
  return state >= RunState::kSucceeded;
}

/// What the run is to do, fixed when it was asked for: a project applied later does not change it.
struct RunPlan {
  std::string pipeline;
  std::vector<std::string> stages;  // empty: all
  std::string register_model;       // ""
  int attempts_max = 1;             // of a stage
  std::int64_t timeout_ms = 0;      // of the whole run; 0: none
  std::string commit;               // "": found when it starts
  std::string branch;               // whose tip that is; "": HEAD
  std::vector<ParamInput> params;
  /// Copied or drawn into the data cache before the run starts, and placed in its work tree.
  struct Data {
    std::string
        from;  // "deployments/NAME", or kFromProject: the file at `to` of the person's folder
    bool labelled = false;
    std::string to;
    std::string md5 = {};      // once it was drawn; ends with ".dir" for a folder
    std::int64_t size = 0;     // bytes
    std::int64_t nfiles = -1;  // of a folder
  };
  std::vector<Data> data;
  std::string event_time;  // of what caused it
};
inline constexpr char kFromProject[] = "project";
wire::Json to_json(const RunPlan& plan);
Result<RunPlan> run_plan_from(const wire::Json& json);

struct PipelineRun {
  std::string id;       // UUIDv7
  std::string trigger;  // "": by hand
  std::string firing;
  RunPlan plan;
  RunState state = RunState::kQueued;
  std::string reason;                   // of the state
  int attempts = 0;                     // begun so far
  int lost = 0;                         // of these, whose supervisor vanished
  std::map<std::string, int> failures;  // of each stage
  UnixMs due_ms = 0;                    // of kRetryWait
  std::int64_t spent_ms = 0;            // by ended attempts, as a clock that never jumps has it
  std::string cancel_asked;             // by whom; ""
  std::string ref;                      // of its dvc.lock: "refs/slipway/runs/ID"; ""
  std::string server;                   // whose folder its attempts are in; "": of the only one
  std::int64_t cause_seq = 0, last_seq = 0;
  std::int64_t revision = 0;
  UnixMs created_ms = 0, started_ms = 0, ended_ms = 0;
};

/// Whether all that it asks for is in the data cache.
bool has_its_data(const RunPlan& plan);

/// How one attempt of a run ended.
struct RunOutcome {
  enum class Kind {
    kDone,        // every stage is up to date
    kNothingNew,  // and none had to be executed for it
    kFailed,      // stages failed, or it could not begin: `permanent` when trying again is no use
    kCancelled,
    kTimedOut,
    kLost,  // nobody knows
  };
  Kind kind = Kind::kLost;
  std::vector<std::string> failed_stages;
  bool permanent = false;
  std::string reason;
  std::string commit, ref;
  std::int64_t spent_ms = 0;
};

/// Whether its next attempt may begin. No pause of a retry is longer than it was made: a clock that
/// was put back does not lengthen it.
bool is_due(const PipelineRun& run, UnixMs now_ms);

/// Of attempts whose supervisor vanished; they count apart from failures.
inline constexpr int kLostMax = 3;

struct RunStep {
  RunState state = RunState::kQueued;
  std::string reason;
  UnixMs due_ms = 0;                    // of kRetryWait
  std::map<std::string, int> failures;  // as they are then
  int lost = 0;
};
/// What follows from the end of its attempt. A stage is tried attempts_max times; the pauses are
/// 10 s, doubled each time, at most 5 min.
RunStep after_attempt(const PipelineRun& run, const RunOutcome& outcome, UnixMs now_ms);

}  // namespace slipway::flows
