#include "base/ids.h"
#include "domain/delivery/changes.h"
#include "domain/delivery/store.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::delivery {
namespace {

using wire::Json;

/// A deployment that never served anything may become one of another model.
Result<bool> change_model(db::Tx& tx, Deployment& d, const std::string& model) {
  if (d.stable != 0 || d.previous != 0 || TRY(active_rollout(tx, d.name))) return false;
  TRY(tx.run("update deployments set model = ? where name = ?", model, d.name));
  // Its versions have the same numbers, and nothing to do with those.
  TRY(tx.run("delete from deployment_quarantine where deployment = ?", d.name));
  d.model = model;
  return true;
}

Result<Deployment> find_or_make(db::Tx& tx, const project::DeploymentSpec& spec, UnixMs now_ms) {
  auto found = TRY(find_deployment(tx, spec.name));
  if (found && found->model == spec.model) return std::move(*found);
  if (found && TRY(change_model(tx, *found, spec.model))) return std::move(*found);
  if (found)
    return conflict("deployment \"" + spec.name + "\" serves model " + found->model + ", not " +
                    spec.model + ": give the new one another name");
  Deployment made;
  made.name = spec.name;
  made.model = spec.model;
  made.salt = random_hex32().substr(0, 16);
  made.created_ms = made.updated_ms = now_ms;
  TRY(rows::insert_deployment(tx, made));
  TRY(graph::put_node(tx, {graph::kind::kDeployment, made.name},
                      Json(Json::Object{{"model", made.model}}), now_ms));
  return made;
}

/// The rollout that this cause has asked for already.
Result<std::string> asked_before(db::Tx& tx, const Request& request) {
  if (request.cause_seq == 0) return std::string();
  return TRY(tx.one<std::string>("select id from rollouts where deployment = ? and cause_seq = ?",
                                 request.spec->name, request.cause_seq))
      .value_or("");
}

Result<> check_candidate(db::Tx& tx, const Request& request, const Deployment& deployment) {
  const std::string name = deployment.model + "/" + std::to_string(request.version);
  if (request.version <= 0) return invalid("a version is a number from 1");
  if (deployment.stable == request.version)
    return Error{Code::kConflict, name + " is live in " + deployment.name + " already",
                 "already_live"};
  if (request.force || !TRY(is_quarantined(tx, deployment.name, request.version))) return {};
  return Error{Code::kConflict,
               name + " is in quarantine: " + deployment.name +
                   " went back from it before. Release it, or force it",
               "quarantined"};
}

Rollout new_rollout(const Request& request, const Deployment& deployment, RolloutPlan plan,
                    UnixMs now_ms) {
  Rollout r;
  r.id = uuid7(now_ms);
  r.deployment = deployment.name;
  r.model = deployment.model;
  r.version = request.version;
  r.replaces = deployment.stable;
  r.forced = request.force;
  r.plan = std::move(plan);
  r.gates = request.spec->gates;
  r.asked_by = request.asked_by;
  r.cause_seq = request.cause_seq;
  r.created_ms = r.step_started_ms = r.waiting_since_ms = now_ms;
  return r;
}

/// Ends the one that waits, for a newer one.
Result<std::string> supersede_waiting(db::Tx& tx, const Rollout& newer, UnixMs now_ms) {
  auto waits = TRY(rows::in_slot(tx, newer.deployment, "waiting"));
  if (!waits) return std::string();
  waits->waiting = false;
  TRY(record(tx, *waits,
             {"supersede",
              "rollout.superseded",
              Phase::kSuperseded,
              "version " + std::to_string(newer.version) + " is newer",
              newer.asked_by,
              {}},
             now_ms));
  return waits->id;
}

}  // namespace

Result<Requested> request_rollout(db::Tx& tx, const Request& request, UnixMs now_ms) {
  RolloutPlan plan = TRY(make_plan(*request.spec, *request.requirements));
  const Deployment deployment = TRY(find_or_make(tx, *request.spec, now_ms));
  Requested result;
  result.deployment = deployment.name;
  result.rollout = TRY(asked_before(tx, request));
  if (!result.rollout.empty()) return result;
  for (const char* slot : {"active", "waiting"}) {
    const auto open = TRY(rows::in_slot(tx, deployment.name, slot));
    if (!open || open->version != request.version) continue;
    result.rollout = open->id;
    result.waiting = open->waiting;
    return result;
  }
  TRY(check_candidate(tx, request, deployment));

  Rollout made = new_rollout(request, deployment, std::move(plan), now_ms);
  made.waiting = TRY(rows::in_slot(tx, deployment.name, "active")).has_value();
  if (made.waiting) result.superseded = TRY(supersede_waiting(tx, made, now_ms));
  TRY(rows::insert_rollout(tx, made));
  TRY(record(tx, made,
             {"request", "rollout.requested", Phase::kPending,
              made.waiting ? "waits for the one under way" : "a candidate", request.asked_by,
              Json(Json::Object{{"forced", request.force}})},
             now_ms));
  result.rollout = made.id;
  result.made = true;
  result.waiting = made.waiting;
  return result;
}

Result<std::vector<Requested>> request_rollouts(db::Tx& tx, const project::ProjectFile& file,
                                                const std::string& model, std::int64_t version,
                                                const std::string& asked_by, std::int64_t cause_seq,
                                                UnixMs now_ms) {
  std::vector<Requested> all;
  for (const project::DeploymentSpec& spec : file.deployments) {
    if (spec.model != model) continue;
    auto requested = request_rollout(
        tx, {&spec, &file.use_case.requirements, version, asked_by, cause_seq, false}, now_ms);
    if (requested.ok()) {
      all.push_back(std::move(*requested));
      continue;
    }
    const Error& error = requested.error();
    if (error.code != Code::kConflict && error.code != Code::kInvalid) return error;
    Requested refused;
    refused.deployment = spec.name;
    refused.refused = error.message;
    if (error.tag != "already_live")
      refused.refused_seq =
          TRY(tell(tx, "rollout.refused", spec.name, asked_by, cause_seq,
                   Json(Json::Object{
                       {"model", model}, {"version", version}, {"reason", error.message}}),
                   now_ms));
    all.push_back(std::move(refused));
  }
  return all;
}

Result<std::vector<std::string>> declare_deployments(db::Tx& tx, const project::ProjectFile& file,
                                                     std::int64_t cause_seq, UnixMs now_ms) {
  std::vector<std::string> fresh;
  for (const project::DeploymentSpec& spec : file.deployments) {
    auto made = find_or_make(tx, spec, now_ms);
    if (!made.ok()) {
      if (made.error().code != Code::kConflict) return made.error();
      TRY(tell(tx, "rollout.refused", spec.name, "slipway", cause_seq,
               Json(Json::Object{{"model", spec.model}, {"reason", made.error().message}}),
               now_ms));
      continue;
    }
    if (made->stable == 0 && TRY(newest_asked(tx, spec.name)) == 0) fresh.push_back(spec.name);
  }
  return fresh;
}

Result<std::int64_t> newest_asked(db::Tx& tx, const std::string& deployment) {
  const auto newest = TRY(tx.one<std::int64_t>(
      "select coalesce(max(version), 0) from rollouts where deployment = ?", deployment));
  return newest.value_or(0);
}

}  // namespace slipway::delivery
