#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "domain/delivery/counters.h"
#include "domain/delivery/plan.h"
#include "domain/delivery/sequential.h"
#include "domain/delivery/verdict.h"

// What happens next to a candidate: a pure function from what is known to one action. Nothing here
// has a clock, a thread or a table; store.h makes actions durable, the data plane does them.
//
//   Pending -> Gating -> Shadowing -> Canarying -> Promoting -> Live
//              Gating -> Stopped                                 (a gate did not let it pass)
//              any of them -> Aborting -> RolledBack
//
// Paused is not a phase but a hold on one: the candidate keeps its share, and only a person or harm
// ends it.
namespace slipway::delivery {

enum class Phase {
  kPending,
  kGating,
  kShadowing,
  kCanarying,
  kPromoting,
  kLive,
  kAborting,
  kRolledBack,
  kStopped,
  kSuperseded,  // a newer candidate took its place before anything was served by it
};
/// "pending", "gating", ..., "rolled_back", ...
const char* to_string(Phase phase);
Result<Phase> phase_from(std::string_view word);
bool is_over(Phase phase);
/// Whether the candidate scores requests in it.
bool has_traffic(Phase phase);

/// All that the decision depends on.
struct RolloutSnapshot {
  RolloutPlan plan;
  Phase phase = Phase::kPending;
  int step = 0;  // index into plan.steps, while it has traffic
  UnixMs now_ms = 0;
  UnixMs step_started_ms = 0;   // for min_time
  UnixMs waiting_since_ms = 0;  // for max_wait: the start, or the last resume
  /// Of the steps up to this one; a step that is missing has counted nothing.
  std::vector<StepCounts> counts;
  bool counts_known = true;  // false: their source can't be read now
  GateSummary gates;         // while gating

  bool has_stable = true;       // false: nothing is served yet
  bool route_settled = false;   // promoting, aborting: no answer is on the old route any more
  bool paused = false;          // by a person, or undecided for too long
  bool undecided = false;       // and that because a step was, not by a person
  bool newer_waits = false;     // another candidate waits for this one to end
  bool quarantined = false;     // the candidate, and nobody forced it
  std::string frozen_by;        // who froze the deployment; "" when nobody
  std::string abort_asked;      // who asked for a rollback, and why; "" when nobody
  std::string promote_asked;    // who asked to promote it now, and why; "" when nobody
  std::string candidate_fault;  // it can't be loaded or crashed the engine; "" when it can
  std::string stable_fault;     // it can't be loaded, and nothing answers; "" when it can
};

/// What one guard says about one step.
struct GuardEvidence {
  std::string guard;
  Measure measure = Measure::kErrors;
  bool critical = false, paired = false, has_margin = false;
  Finding finding = Finding::kUndecided;
  Evidence log_e;
  double log_enough = 0;     // what evidence has to reach
  Trials candidate, stable;  // answers, and what is counted of them; pairs where it is paired
  double share = 0;          // of the answers, the candidate's
  double difference = 0;     // of rates, or of means: candidate less stable
  double callers = 0;        // as many as were answered by the candidate (clusters.h); 0: unknown
  double design_effect = 1;  // so many events of one caller weigh as one
  double unseen_effect = 1;  // the same, for evidence that nothing is wrong
  bool has_data = false;
  bool stable_misses = false;  // the stable version is shown to miss the guard's requirement itself
  bool leans = false;          // undecided, but rather harm than not, and the guard is critical
  bool clear = false;          // the candidate may go on, as far as this guard sees
  std::int64_t needed =
      0;  // candidate answers until it is shown within its margin; 0: none, unknown, or callers
  std::int64_t callers_needed = 0, callers_came = 0;  // where callers count, not their answers
  std::string words;
};
wire::Json to_json(const GuardEvidence& evidence);

struct Action {
  enum class Kind {
    kWait,
    kStartGates,
    kAdvance,   // to `step`
    kPromote,   // the candidate becomes the stable version
    kRollBack,  // off the route; quarantined when `quarantine`
    kStop,      // by a gate
    kPause,     // undecided for too long
    kSettle,    // what was decided has happened: Promoting to Live, Aborting to RolledBack
  };
  Kind kind = Kind::kWait;
  int step = 0;
  bool quarantine = false;
  std::string reason;
  std::vector<GuardEvidence> evidence;
};
/// "wait", "start_gates", "advance", "promote", "roll_back", "stop", "pause", "settle".
const char* to_string(Action::Kind kind);

/// The rules, in this order while a candidate has traffic:
///  1. a person's rollback, a fault of the candidate, quarantine, harm on a critical guard: back at
///     once, paused and frozen or not;
///  2. paused: wait, or back, without quarantine, when that is because it was undecided and a newer
///     candidate waits; a person's promotion: promote, unless the deployment is frozen;
///  3. after min_time and min_requests: harm on any guard: back; else, when every guard is clear,
///     its counters can be read, the stable version itself keeps what it must and nobody froze the
///     deployment: on to the next step, after the last one promote;
///  4. after max_wait: harm on any guard: back; else pause, undecided. Not while frozen.
/// A guard with a margin is clear when the candidate is shown to be non-inferior in this very step;
/// one without a margin when both versions have answered and no harm is shown; a critical one not
/// while what happened leans to harm either (guards.h). No data is never clear. One that is being
/// promoted and can't be loaded goes back too. Harm counts from this step alone, and from all canary
/// steps together, half each.
Action next_action(const RolloutSnapshot& snapshot);

/// What the guards say now, with `needed` filled in: for people. Empty without traffic.
std::vector<GuardEvidence> weigh_guards(const RolloutSnapshot& snapshot);

/// Where the action leads; kConflict when it can't be done in that phase. `kind_of_step` is that of
/// the step an advance leads to.
Result<Phase> phase_after(Phase phase, Action::Kind action, project::StepKind kind_of_step);

}  // namespace slipway::delivery
