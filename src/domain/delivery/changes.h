#pragma once

#include <string>

#include "domain/delivery/schema.h"
#include "domain/delivery/store.h"
#include "io/wire/json.h"

// How a change of a rollout or deployment becomes durable: its row, one event, one line of its
// history, all in the caller's transaction. For this folder only.
namespace slipway::delivery {

struct Change {
  std::string action;  // "advance", "resume": what the history says
  std::string event;   // "rollout.advanced"
  Phase to = Phase::kPending;
  std::string reason, actor;
  wire::Json data;  // added to the event's
};

/// Moves `rollout` to its next revision, with whatever else the caller has changed in it, and fills
/// in phase, reason (but when it settles: then why it was promoted or taken back stays), last_seq
/// and, at its end, ended_ms. The event's seq.
Result<std::int64_t> record(db::Tx& tx, Rollout& rollout, const Change& change, UnixMs now_ms);

/// The node of its newest change.
std::string step_id_of(const Rollout& rollout);

/// The one that waits, if any, becomes active; its id, or "". One that would replace itself is
/// superseded instead.
Result<std::string> start_waiting(db::Tx& tx, const Deployment& deployment, UnixMs now_ms);

Result<> put_in_quarantine(db::Tx& tx, const Rollout& rollout, const std::string& reason,
                           UnixMs now_ms);

/// An event about the deployment that is no change of a rollout.
Result<std::int64_t> tell(db::Tx& tx, const std::string& type, const std::string& deployment,
                          const std::string& actor, std::int64_t cause_seq, wire::Json data,
                          UnixMs now_ms);

}  // namespace slipway::delivery
