#include "base/text.h"
#include "domain/delivery/changes.h"
#include "domain/delivery/store.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::delivery {
namespace {

using wire::Json;

constexpr std::size_t kReasonMax = 2000;

Result<> check_person(const std::string& actor, const std::string& reason) {
  if (trim(actor).empty()) return invalid("whoever does this by hand has a name");
  if (reason.size() > kReasonMax || !is_valid_utf8(reason))
    return invalid("a reason is UTF-8 of at most " + std::to_string(kReasonMax) + " bytes");
  return {};
}

/// "ann: wrong data"
std::string by(const std::string& actor, const std::string& reason) {
  return reason.empty() ? actor : actor + ": " + reason;
}

Result<Rollout> get_active(db::Tx& tx, const std::string& deployment) {
  TRY(rows::get_deployment(tx, deployment));
  auto active = TRY(active_rollout(tx, deployment));
  if (!active)
    return conflict("no rollout of " + deployment + " is under way; `slipway deploy " + deployment +
                    " --version N` asks for one");
  return std::move(*active);
}

Result<> keep(db::Tx& tx, Rollout& r, const char* action, const char* event,
              const std::string& actor, const std::string& reason, UnixMs now_ms) {
  const Phase same = r.phase;
  TRY(record(tx, r, {action, event, same, by(actor, reason), actor, {}}, now_ms));
  return {};
}

/// The previous version, tried again meanwhile, and gone back from.
Error tried_before(const Deployment& d) {
  const std::string version = std::to_string(d.previous);
  return {Code::kConflict,
          d.model + "/" + version + ", the version before the live one, is in quarantine: " +
              d.name + " went back from it before. Release it (`slipway deploy " + d.name +
              " --release " + version + "`), force it (`slipway rollback " + d.name +
              " --force`), or deploy another (`slipway deploy " + d.name + " --version N`)",
          "quarantined"};
}

}  // namespace

Result<> freeze(db::Tx& tx, const std::string& deployment, const std::string& actor,
                const std::string& reason, UnixMs now_ms) {
  TRY(check_person(actor, reason));
  Deployment d = TRY(rows::get_deployment(tx, deployment));
  if (!d.frozen_by.empty()) return conflict(deployment + " was frozen by " + d.frozen_by);
  d.frozen_by = actor;
  d.frozen_reason = reason;
  d.updated_ms = now_ms;
  TRY(rows::update_deployment(tx, d));
  TRY(tell(tx, "deployment.frozen", d.name, actor, 0, Json(Json::Object{{"reason", reason}}),
           now_ms));
  return {};
}

Result<> unfreeze(db::Tx& tx, const std::string& deployment, const std::string& actor,
                  const std::string& reason, UnixMs now_ms) {
  TRY(check_person(actor, reason));
  Deployment d = TRY(rows::get_deployment(tx, deployment));
  if (d.frozen_by.empty()) return conflict(deployment + " is not frozen");
  d.frozen_by = d.frozen_reason = "";
  d.updated_ms = now_ms;
  TRY(rows::update_deployment(tx, d));
  TRY(tell(tx, "deployment.unfrozen", d.name, actor, 0, Json(Json::Object{{"reason", reason}}),
           now_ms));
  // What was held back had no fair chance: its wait begins again.
  auto active = TRY(active_rollout(tx, deployment));
  if (!active) return {};
  active->waiting_since_ms = now_ms;
  return keep(tx, *active, "unfreeze", "rollout.unfrozen", actor, reason, now_ms);
}

Result<> pause(db::Tx& tx, const std::string& deployment, const std::string& actor,
               const std::string& reason, UnixMs now_ms) {
  TRY(check_person(actor, reason));
  Rollout r = TRY(get_active(tx, deployment));
  if (!r.paused.empty()) return conflict("the rollout is paused already: " + r.paused);
  r.paused = by(actor, reason);
  return keep(tx, r, "pause", "rollout.paused", actor, reason, now_ms);
}

Result<> resume(db::Tx& tx, const std::string& deployment, const std::string& actor,
                const std::string& reason, UnixMs now_ms) {
  TRY(check_person(actor, reason));
  Rollout r = TRY(get_active(tx, deployment));
  if (r.paused.empty()) return conflict("the rollout is not paused");
  r.paused = "";
  r.undecided = false;
  r.waiting_since_ms = now_ms;
  return keep(tx, r, "resume", "rollout.resumed", actor, reason, now_ms);
}

Result<> ask_rollback(db::Tx& tx, const std::string& deployment, const std::string& actor,
                      const std::string& reason, UnixMs now_ms) {
  TRY(check_person(actor, reason));
  Rollout r = TRY(get_active(tx, deployment));
  if (r.phase == Phase::kAborting || !r.abort_asked.empty()) return {};
  if (r.phase == Phase::kPromoting)
    return conflict("it has been promoted: restore the previous version instead");
  r.abort_asked = by(actor, reason);
  return keep(tx, r, "ask_rollback", "rollout.rollback_asked", actor, reason, now_ms);
}

Result<> ask_promotion(db::Tx& tx, const std::string& deployment, const std::string& actor,
                       const std::string& reason, UnixMs now_ms) {
  TRY(check_person(actor, reason));
  const Deployment d = TRY(rows::get_deployment(tx, deployment));
  Rollout r = TRY(get_active(tx, deployment));
  if (r.phase == Phase::kPromoting) return {};
  if (!d.frozen_by.empty())
    return conflict(deployment + " is frozen by " + by(d.frozen_by, d.frozen_reason) +
                    "; `slipway deploy " + deployment + " --unfreeze` lifts that");
  if (r.phase == Phase::kAborting || !r.abort_asked.empty())
    return conflict("the rollout is being rolled back: " + r.reason);
  r.promote_asked = by(actor, reason);
  r.paused = "";
  r.undecided = false;
  return keep(tx, r, "ask_promotion", "rollout.promotion_asked", actor, reason, now_ms);
}

Result<> restore_previous(db::Tx& tx, const std::string& deployment, const std::string& actor,
                          const std::string& reason, UnixMs now_ms, bool force) {
  TRY(check_person(actor, reason));
  Deployment d = TRY(rows::get_deployment(tx, deployment));
  if (d.previous == 0) return conflict(deployment + " has no previous version to go back to");
  if (!force && TRY(is_quarantined(tx, deployment, d.previous))) return tried_before(d);
  auto active = TRY(active_rollout(tx, deployment));
  if (active && active->phase == Phase::kPromoting)
    return conflict("a promotion of " + deployment + " is still settling: try again");
  const std::int64_t bad = d.stable;
  d.stable = d.previous;
  d.previous = 0;
  d.revision += 1;
  d.updated_ms = now_ms;
  d.step_id = TRY(step_at(tx, deployment, d.stable, now_ms)).value_or("");
  TRY(rows::update_deployment(tx, d));
  TRY(tx.run("delete from deployment_quarantine where deployment = ? and version = ?", d.name,
             d.stable));
  TRY(
      tx.run("insert into deployment_quarantine (deployment, version, rollout, reason, since_ms) "
             "values (?, ?, '', ?, ?) on conflict (deployment, version) do nothing",
             d.name, bad, "rolled back by " + by(actor, reason), now_ms));
  TRY(tell(
      tx, "deployment.rolled_back", d.name, actor, 0,
      Json(Json::Object{{"model", d.model}, {"from", bad}, {"to", d.stable}, {"reason", reason}}),
      now_ms));
  if (!active || active->phase == Phase::kAborting) return {};
  Action back;
  back.kind = Action::Kind::kRollBack;
  back.reason = "the version it is compared with was taken back";
  TRY(apply(tx, active->id, active->revision, back, actor, now_ms));
  return {};
}

Result<bool> is_quarantined(db::Tx& tx, const std::string& deployment, std::int64_t version) {
  return TRY(tx.one<std::int64_t>(
                 "select 1 from deployment_quarantine where deployment = ? and version = ?",
                 deployment, version))
      .has_value();
}

Result<std::vector<Quarantined>> quarantine_of(db::Tx& tx, const std::string& deployment) {
  return tx.all<Quarantined>(
      "select version, rollout, reason, since_ms from deployment_quarantine where deployment = ? "
      "order by version",
      deployment);
}

Result<> release(db::Tx& tx, const std::string& deployment, std::int64_t version,
                 const std::string& actor, UnixMs now_ms) {
  TRY(check_person(actor, ""));
  const Deployment d = TRY(rows::get_deployment(tx, deployment));
  const std::int64_t gone =
      TRY(tx.run("delete from deployment_quarantine where deployment = ? and version = ?",
                 deployment, version));
  const std::string name = d.model + "/" + std::to_string(version);
  if (gone == 0) return missing(name + " is not in quarantine of deployment " + deployment);
  TRY(graph::append_event(tx,
                          {"model_version.released",
                           {graph::kind::kModelVersion, name},
                           actor,
                           0,
                           Json(Json::Object{{"deployment", deployment}})},
                          now_ms));
  return {};
}

}  // namespace slipway::delivery
