#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "domain/delivery/rollout.h"
#include "domain/delivery/routing.h"
#include "domain/project/project_file.h"
#include "io/db/db.h"
#include "io/wire/codec.h"

// Deployments and their rollouts in the catalogue. Functions of a caller's Tx; no threads of their
// own. docs/formats/deployments.md describes the tables.
//
// A state and its event are one transaction, and every change of a rollout bears its revision: to
// do one twice is kConflict, tag "stale", and changes nothing. So whoever decides reads a snapshot,
// calls next_action and applies the action under the revision it read; after a crash between the
// two it simply does so again.
//
// Of one deployment one rollout is active at a time, and one candidate at most waits: the newest. A
// newer request takes the place of one that waits, never of one that is under way.
namespace slipway::delivery {

std::vector<db::Migration> migrations();

struct Deployment {
  std::string name, model;
  std::int64_t stable = 0, previous = 0;  // versions; 0: none
  std::string salt;                       // of its buckets; stays
  std::string step_id;                    // node of the step that made its route
  std::string frozen_by, frozen_reason;   // "" when nobody did
  std::int64_t revision = 0;              // of its route
  UnixMs created_ms = 0, updated_ms = 0;
};

struct Rollout {
  std::string id;  // UUIDv7
  std::string deployment, model;
  std::int64_t version = 0;
  std::int64_t replaces = 0;  // the stable version when it became active; 0: none
  Phase phase = Phase::kPending;
  bool waiting = false;  // another one is under way
  int step = 0;
  std::string paused;      // who or what holds it; "" when nothing
  bool undecided = false;  // and it was a step that could not be decided
  bool forced = false;
  std::string reason;  // of the last change
  RolloutPlan plan;
  std::vector<std::string> gates;
  std::string asked_by;
  std::int64_t cause_seq = 0, last_seq = 0;  // the event that asked for it; its own newest
  std::string abort_asked, promote_asked;
  std::int64_t revision = 0;
  UnixMs created_ms = 0, step_started_ms = 0, waiting_since_ms = 0, ended_ms = 0;
};

// --- asking for a rollout -----------------------------------------------------------------------

struct Request {
  const project::DeploymentSpec* spec = nullptr;  // as declared; outlives the call
  const std::vector<project::Requirement>* requirements = nullptr;
  std::int64_t version = 0;
  std::string asked_by;        // for the log: a user, "slipway"
  std::int64_t cause_seq = 0;  // the event that asks: alias moved, version registered; 0 for none
  bool force = false;          // though it is in quarantine
};
struct Requested {
  std::string rollout;
  bool made = false;  // false: the same cause has asked before, or that version is under way
  bool waiting = false;
  std::string refused;     // why there is no rollout at all; ""
  std::string deployment;  // that was asked
  std::int64_t refused_seq = 0;  // the event "rollout.refused"; 0: none, also where it is live
  std::string superseded;  // the rollout whose place it took; ""
};
/// Makes the deployment on first use. One rollout per cause and deployment, however often it asks.
///   kInvalid: what make_plan refuses. kConflict, tag "quarantined": rolled back before, and not
///   forced; tag "already_live": it is the stable version.
Result<Requested> request_rollout(db::Tx& tx, const Request& request, UnixMs now_ms);

/// The same for every deployment of `file` that serves `model`. One where it is live already, in
/// quarantine, or where the plan can't be made, answers with `refused`; but for the first with an
/// event "rollout.refused" as well.
Result<std::vector<Requested>> request_rollouts(db::Tx& tx, const project::ProjectFile& file,
                                                const std::string& model, std::int64_t version,
                                                const std::string& asked_by, std::int64_t cause_seq,
                                                UnixMs now_ms);

/// Makes the deployments that `file` declares and that are not there yet; names those that have
/// never asked for a rollout. Where the name serves another model already it stays as it is, and an
/// event "rollout.refused" says so.
Result<std::vector<std::string>> declare_deployments(db::Tx& tx, const project::ProjectFile& file,
                                                     std::int64_t cause_seq, UnixMs now_ms);
/// The highest version that any rollout of it was asked for; 0: none.
Result<std::int64_t> newest_asked(db::Tx& tx, const std::string& deployment);

// --- deciding -----------------------------------------------------------------------------------

/// What only the running server knows.
struct Observed {
  UnixMs now_ms = 0;
  bool counts_known = true, route_settled = false;
  std::string candidate_fault, stable_fault;
};
struct Decidable {
  Rollout rollout;
  RolloutSnapshot snapshot;
};
/// Everything that next_action needs. kMissing.
Result<Decidable> load_snapshot(db::Tx& tx, const std::string& rollout, const Observed& observed);

struct Transition {
  bool changed = false;  // false for a wait
  Phase phase = Phase::kPending;
  std::int64_t event_seq = 0;
  std::string step_id;  // node of the rollout step
  std::string started;  // the rollout that waited and is active now; ""
};
/// Makes the action hold: the rollout's row, what it does to the deployment, one event, the rollout
/// step and the verdicts that decided it in the graph. `revision` is that of the snapshot:
/// kConflict, tag "stale", when something else happened meanwhile. kConflict when its phase forbids
/// it.
Result<Transition> apply(db::Tx& tx, const std::string& rollout, std::int64_t revision,
                         const Action& action, const std::string& actor, UnixMs now_ms);

/// What `source` (a process of a server) has counted of a step since it started: all of it, so that
/// saying it twice changes nothing. Late counts of a rollout that is over are dropped.
Result<> save_counts(db::Tx& tx, const std::string& rollout, int step, const std::string& source,
                     const StepCounts& counts, UnixMs now_ms);
/// Of all sources together.
Result<StepCounts> load_counts(db::Tx& tx, const std::string& rollout, int step);

// --- gates --------------------------------------------------------------------------------------

/// Keeps the verdict of one gate, waived where a waiver covers it. kConflict unless the rollout is
/// at its gates. The same verdict again changes nothing.
Result<> put_gate_verdict(db::Tx& tx, const std::string& rollout, const GateVerdict& verdict,
                          UnixMs now_ms);
/// In the order in which they came.
Result<std::vector<GateVerdict>> gate_verdicts(db::Tx& tx, const std::string& rollout);
/// Its id. What check_waiver refuses is kInvalid.
Result<std::string> add_waiver(db::Tx& tx, const Waiver& waiver, UnixMs now_ms);
/// kMissing; revoking twice is fine.
Result<> revoke_waiver(db::Tx& tx, const std::string& id, const std::string& actor, UnixMs now_ms);
struct KeptWaiver {
  std::string id, gate;
  std::int64_t version = 0;
  std::string name, reason;
  UnixMs created_ms = 0, expires_ms = 0;
  std::optional<UnixMs> revoked_ms;
};
WIRE(KeptWaiver, id, gate, version, name, reason, created_ms, expires_ms, revoked_ms)
/// All there ever were, oldest first.
Result<std::vector<KeptWaiver>> all_waivers_of(db::Tx& tx, const std::string& model);
/// Those that are neither revoked nor expired.
Result<std::vector<Waiver>> waivers_of(db::Tx& tx, const std::string& model, UnixMs now_ms);

/// The first word counts: kConflict, tag "approved", when somebody has given it already. What
/// check_approval refuses is kInvalid.
Result<> approve(db::Tx& tx, const Approval& approval);
/// kMissing when nobody has. A version that has passed its gates stays where it is.
Result<> disapprove(db::Tx& tx, const std::string& model, std::int64_t version, UnixMs made_ms,
                    const std::string& actor, const std::string& reason, UnixMs now_ms);
Result<std::optional<Approval>> approval_of(db::Tx& tx, const std::string& model,
                                            std::int64_t version, UnixMs made_ms);

// --- by hand ------------------------------------------------------------------------------------
// Each is an event with its actor. kMissing for a deployment that is not there; kConflict for what
// can't be done as things stand: no rollout is under way, or that is over.

/// No step forward until it is lifted; harm still rolls back.
Result<> freeze(db::Tx& tx, const std::string& deployment, const std::string& actor,
                const std::string& reason, UnixMs now_ms);
Result<> unfreeze(db::Tx& tx, const std::string& deployment, const std::string& actor,
                  const std::string& reason, UnixMs now_ms);
/// Of the active rollout.
Result<> pause(db::Tx& tx, const std::string& deployment, const std::string& actor,
               const std::string& reason, UnixMs now_ms);
/// max_wait begins again.
Result<> resume(db::Tx& tx, const std::string& deployment, const std::string& actor,
                const std::string& reason, UnixMs now_ms);
/// The next decision rolls the active rollout back; one that waits comes next.
Result<> ask_rollback(db::Tx& tx, const std::string& deployment, const std::string& actor,
                      const std::string& reason, UnixMs now_ms);
/// The next decision promotes it, unless it is harmful or a gate says no. Ends a pause.
Result<> ask_promotion(db::Tx& tx, const std::string& deployment, const std::string& actor,
                       const std::string& reason, UnixMs now_ms);
/// The previous version is stable again, the present one goes into quarantine, and an active
/// rollout is asked to end. kConflict without a previous one; with the tag "quarantined" where the
/// deployment has gone back from that one too, unless `force`, which takes it out of quarantine.
Result<> restore_previous(db::Tx& tx, const std::string& deployment, const std::string& actor,
                          const std::string& reason, UnixMs now_ms, bool force = false);

/// Whether the deployment went back from it, so that it may not serve by itself there. Of another
/// deployment of the model that says nothing: others ask there.
Result<bool> is_quarantined(db::Tx& tx, const std::string& deployment, std::int64_t version);
/// kMissing when it is not in quarantine.
Result<> release(db::Tx& tx, const std::string& deployment, std::int64_t version,
                 const std::string& actor, UnixMs now_ms);

struct Quarantined {
  std::int64_t version = 0;
  std::string rollout, reason;
  UnixMs since_ms = 0;
};
WIRE(Quarantined, version, rollout, reason, since_ms)
Result<std::vector<Quarantined>> quarantine_of(db::Tx& tx, const std::string& deployment);

// --- what must stay -----------------------------------------------------------------------------

/// How a deployment needs a version, the gravest first.
enum class Need { kServes, kTries, kGoesBackTo, kServed };
struct Needed {
  std::int64_t version = 0;
  std::string deployment;
  Need how = Need::kServed;
};
/// Every version of the model that a deployment has answered with, or would: what answered must be
/// found again for as long as anybody may ask. By `how`, then by the version.
Result<std::vector<Needed>> needed_versions(db::Tx& tx, const std::string& model);
/// "deployment live serves it".
std::string to_words(const Needed& needed);

// --- files of versions --------------------------------------------------------------------------

/// What a file of a version's folder was when somebody looked first. A version is known by when it
/// was made too: one that was made anew under its number is another.
struct RecordedFile {
  std::string path, sha256;
  std::int64_t bytes = 0;
  UnixMs recorded_ms = 0;
};
WIRE(RecordedFile, path, sha256, bytes, recorded_ms)
/// Keeps what is not kept yet: the first record of a path stays.
Result<> put_version_files(db::Tx& tx, const std::string& model, std::int64_t version,
                           UnixMs made_ms, const std::vector<RecordedFile>& files, UnixMs now_ms);
/// By path; empty when nobody has looked.
Result<std::vector<RecordedFile>> version_files(db::Tx& tx, const std::string& model,
                                                std::int64_t version, UnixMs made_ms);
/// Whether there are any of a version of that number, whenever it was made.
Result<bool> was_recorded(db::Tx& tx, const std::string& model, std::int64_t version);

/// Where a step began later than `now_ms` the clock was put back, and the step begins anew: it must
/// not take as much longer as the clock had run ahead.
Result<> heed_clock(db::Tx& tx, UnixMs now_ms);

// --- reading ------------------------------------------------------------------------------------

Result<std::optional<Deployment>> find_deployment(db::Tx& tx, const std::string& name);
Result<std::vector<Deployment>> deployments(db::Tx& tx);
Result<std::optional<Rollout>> find_rollout(db::Tx& tx, const std::string& id);
/// The one under way; nothing when there is none.
Result<std::optional<Rollout>> active_rollout(db::Tx& tx, const std::string& deployment);
/// Newest first.
Result<std::vector<Rollout>> rollouts_of(db::Tx& tx, const std::string& deployment, int limit);
/// Every rollout that a decision is due for.
Result<std::vector<std::string>> open_rollouts(db::Tx& tx);

struct TransitionRow {
  std::string rollout;
  std::int64_t number = 0;  // 1, 2, ...: its revisions
  std::string action, from_phase, to_phase;
  std::int64_t step = 0;
  std::string reason, actor;
  std::int64_t event_seq = 0;
  UnixMs time_ms = 0;
};
WIRE(TransitionRow, rollout, number, action, from_phase, to_phase, step, reason, actor, event_seq,
     time_ms)
/// Oldest first.
Result<std::vector<TransitionRow>> transitions_of(db::Tx& tx, const std::string& rollout);

/// The rollout step by which a version answered for a deployment at that time: for the way from a
/// prediction back. Nothing when it never did.
Result<std::optional<std::string>> step_at(db::Tx& tx, const std::string& deployment,
                                           std::int64_t version, UnixMs time_ms);

/// What the data plane should do now. Pure.
DeploymentRoute route_of(const Deployment& deployment, const std::optional<Rollout>& active);
/// With `unserved` where no version serves and the newest rollout came to nothing.
Result<std::vector<DeploymentRoute>> routes(db::Tx& tx);

}  // namespace slipway::delivery
