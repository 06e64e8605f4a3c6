#include "domain/delivery/changes.h"

#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::delivery {

using wire::Json;

std::string step_id_of(const Rollout& rollout) {
  return rollout.id + "/" + std::to_string(rollout.revision);
}

Result<std::int64_t> tell(db::Tx& tx, const std::string& type, const std::string& deployment,
                          const std::string& actor, std::int64_t cause_seq, Json data,
                          UnixMs now_ms) {
  return graph::append_event(
      tx, {type, {graph::kind::kDeployment, deployment}, actor, cause_seq, std::move(data)},
      now_ms);
}

Result<std::int64_t> record(db::Tx& tx, Rollout& r, const Change& change, UnixMs now_ms) {
  const Phase from = r.phase;
  Json data = change.data.is_object() ? change.data : Json(Json::Object{});
  data.set("rollout", r.id);
  data.set("model", r.model);
  data.set("version", r.version);
  data.set("replaces", r.replaces);
  data.set("from", to_string(from));
  data.set("to", to_string(change.to));
  data.set("step", r.step);
  data.set("reason", change.reason);
  // Its own history is one chain, which begins with the event that asked for it.
  const std::int64_t cause = r.last_seq > 0 ? r.last_seq : r.cause_seq;
  const std::int64_t seq =
      TRY(tell(tx, change.event, r.deployment, change.actor, cause, std::move(data), now_ms));
  r.phase = change.to;
  // That the old route is gone is no reason why it is live or was taken back: that one stays.
  if (change.event != "rollout.settled") r.reason = change.reason;
  r.last_seq = seq;
  r.revision += 1;
  if (is_over(r.phase)) r.ended_ms = now_ms;
  TRY(rows::update_rollout(tx, r));
  TRY(
      tx.run("insert into rollout_transitions (rollout, number, action, from_phase, to_phase, "
             "step, reason, actor, event_seq, time_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
             r.id, r.revision, change.action, to_string(from), to_string(change.to), r.step,
             change.reason, change.actor, seq, now_ms));
  return seq;
}

Result<std::string> start_waiting(db::Tx& tx, const Deployment& deployment, UnixMs now_ms) {
  auto next = TRY(rows::in_slot(tx, deployment.name, "waiting"));
  if (!next) return std::string();
  next->waiting = false;
  next->replaces = deployment.stable;
  next->step_started_ms = next->waiting_since_ms = now_ms;
  if (next->version == deployment.stable) {
    TRY(record(tx, *next,
               {"supersede",
                "rollout.superseded",
                Phase::kSuperseded,
                "that version is live already",
                "slipway",
                {}},
               now_ms));
    return std::string();
  }
  TRY(record(
      tx, *next,
      {"activate", "rollout.activated", next->phase, "the one before it is over", "slipway", {}},
      now_ms));
  return next->id;
}

Result<> put_in_quarantine(db::Tx& tx, const Rollout& rollout, const std::string& reason,
                           UnixMs now_ms) {
  TRY(
      tx.run("insert into deployment_quarantine (deployment, version, rollout, reason, since_ms) "
             "values (?, ?, ?, ?, ?) on conflict (deployment, version) do nothing",
             rollout.deployment, rollout.version, rollout.id, reason, now_ms));
  return {};
}

}  // namespace slipway::delivery
