#include "app/delivery_api.h"

#include <algorithm>
#include <map>

#include "app/api.h"
#include "app/loop/alias.h"
#include "app/loop/gate_maker.h"
#include "app/loop/gate_subject.h"
#include "app/loop/intake_part.h"
#include "app/loop/version_folder.h"
#include "base/text.h"
#include "domain/delivery/gates.h"
#include "domain/delivery/store.h"
#include "domain/registry/rows.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

using wire::Json;

constexpr int kRolloutsShown = 50;

Json json_of(const delivery::GateVerdict& verdict) {
  return Json(Json::Object{{"gate", verdict.gate},
                           {"status", delivery::to_string(verdict.status)},
                           {"words", verdict.words},
                           {"evidence", verdict.evidence}});
}

/// What a row says, as JSON.
template <class Row>
Result<Json> json_of_row(const Row& row) {
  return wire::parse(wire::encode(row));
}

template <class Row>
Result<Json> json_of_rows(const std::vector<Row>& rows) {
  Json::Array list;
  for (const Row& row : rows) list.push_back(TRY(json_of_row(row)));
  return Json(std::move(list));
}

bool is_stepping(const delivery::Rollout& rollout) {
  const bool stepping =
      rollout.phase == delivery::Phase::kShadowing || rollout.phase == delivery::Phase::kCanarying;
  return stepping && rollout.step < static_cast<int>(rollout.plan.steps.size());
}

Json json_of(const delivery::Rollout& r) {
  Json json(Json::Object{{"id", r.id},
                         {"version", r.version},
                         {"replaces", r.replaces},
                         {"phase", delivery::to_string(r.phase)},
                         {"waiting", r.waiting},
                         {"step", r.step},
                         {"steps", static_cast<std::int64_t>(r.plan.steps.size())},
                         {"paused", r.paused},
                         {"undecided", r.undecided},
                         {"forced", r.forced},
                         {"reason", r.reason},
                         {"asked_by", r.asked_by},
                         {"cause_seq", r.cause_seq},
                         {"created_ms", r.created_ms},
                         {"step_started_ms", r.step_started_ms},
                         {"waiting_since_ms", r.waiting_since_ms},
                         {"ended_ms", r.ended_ms}});
  if (is_stepping(r)) json.set("percent", r.plan.steps[static_cast<std::size_t>(r.step)].percent);
  return json;
}

bool is_declared(const std::shared_ptr<const project::Applied>& project, const std::string& name) {
  return project && project->declared.file.find_deployment(name) != nullptr;
}

/// The one under way and the one that waits for it.
Result<> set_rollouts(db::Tx& tx, const std::string& deployment, Json& json) {
  json.set("rollout", nullptr);
  json.set("waiting", nullptr);
  for (const delivery::Rollout& rollout :
       TRY(delivery::rollouts_of(tx, deployment, kRolloutsShown))) {
    if (delivery::is_over(rollout.phase)) continue;
    json.set(rollout.waiting ? "waiting" : "rollout", json_of(rollout));
  }
  return {};
}

Result<bool> is_registered(db::Tx& tx, const std::string& model, std::int64_t version) {
  auto found = registry::rows::find_version(tx, model, version);
  if (!found.ok() && found.error().code != Code::kMissing) return found.error();
  return found.ok();
}

/// What the server has of it; null without one.
serving::Deployment held_by(const DeliveryWorld& world, const delivery::Deployment& d) {
  if (world.deployments == nullptr) return nullptr;
  serving::Deployment held = world.deployments->find(d.name);
  return held && held->route.deployment == d.name ? held : nullptr;
}

/// What became of the files of a version that serves.
struct FilesSeen {
  bool made_anew = false;
  std::vector<std::string> lost;  // paths
};
using AllFilesSeen = std::map<std::string, FilesSeen>;  // by deployment; of others nothing is known

/// Of one deployment, or of all. The store is asked while the catalogue is not.
Result<AllFilesSeen> look_at_files(const DeliveryWorld& world, const std::string& only = "") {
  const auto live = TRY(world.pool.read([](db::Tx& tx) { return live_versions(tx); }));
  AllFilesSeen seen;
  for (const auto& [deployment, version] : live) {
    if (!only.empty() && deployment != only) continue;
    seen[deployment] = {version.made_anew, world.live_files != nullptr
                                               ? world.live_files->lost(version)
                                               : lost_files(world.blobs, version)};
  }
  return seen;
}

/// "file 'MLmodel' of version 3 is gone or another one"
std::string words_of_lost(const std::vector<std::string>& lost, const std::string& version) {
  const bool is_one = lost.size() == 1;
  std::string words = is_one ? "file '" : "files '";
  words += lost.front() + "'";
  if (!is_one) words += " and " + std::to_string(lost.size() - 1) + " more";
  return words + " of " + version + (is_one ? " is" : " are") + " gone or changed";
}

/// Why the stable version does not answer, or soon will no more; "" where all is well. Only a
/// server knows what it has loaded.
Result<std::string> fault_of(db::Tx& tx, const DeliveryWorld& world, const FilesSeen& files,
                             const delivery::Deployment& d) {
  if (d.stable == 0) return std::string();
  const serving::Deployment held = held_by(world, d);
  const bool answers = held && held->find(std::to_string(d.stable)) != nullptr;
  const std::string version = "version " + std::to_string(d.stable);
  const std::string until = answers
                                ? "it answers from memory until the server ends, then nobody does"
                                : "nobody answers";
  const std::string another = "`slipway deploy " + d.name + " --version N` brings another one";
  if (!TRY(is_registered(tx, d.model, d.stable)))
    return version + " was deleted from the registry: " + until + "; " + another;
  if (files.made_anew)
    return version + " was deleted with its model, and the " + version +
           " that was registered anew has been through no gate: " + until + "; " + another;
  const bool is_said = held && !answers;  // by its route, with the reason
  if (!files.lost.empty() && !is_said)
    return words_of_lost(files.lost, version) + ": " + until +
           "; put back what was there, or " + another;
  if (!held || answers) return std::string();
  if (!held->stable) return held->route.unserved;
  return "version " + std::to_string(d.stable) +
         " is still being loaded, or can't be (then the server's log says why); until it is, "
         "version " +
         held->stable->version + " answers";
}

bool does_answer(const DeliveryWorld& world, const delivery::Deployment& d) {
  const serving::Deployment held = held_by(world, d);
  return held && held->stable != nullptr;
}

Result<Json> json_of(db::Tx& tx, const DeliveryWorld& world, const AllFilesSeen& seen,
                     const delivery::Deployment& d) {
  const auto files = seen.find(d.name);
  const bool declared = is_declared(TRY(world.project.get(tx)), d.name);
  Json json(Json::Object{{"name", d.name},
                         {"model", d.model},
                         {"declared", declared},
                         {"stable", d.stable},
                         {"previous", d.previous},
                         {"frozen_by", d.frozen_by},
                         {"frozen_reason", d.frozen_reason},
                         {"created_ms", d.created_ms},
                         {"updated_ms", d.updated_ms}});
  const FilesSeen of_it = files != seen.end() ? files->second : FilesSeen();
  json.set("fault", declared ? TRY(fault_of(tx, world, of_it, d)) : std::string());
  json.set("answers", world.deployments != nullptr ? Json(does_answer(world, d)) : Json());
  json.set("quarantine", TRY(json_of_rows(TRY(delivery::quarantine_of(tx, d.name)))));
  TRY(set_rollouts(tx, d.name, json));
  return json;
}

Result<Json> gates_of(db::Tx& tx, const std::string& rollout) {
  Json::Array list;
  for (const delivery::GateVerdict& verdict : TRY(delivery::gate_verdicts(tx, rollout)))
    list.push_back(json_of(verdict));
  return Json(std::move(list));
}

/// No gate is asked while what makes the version goes on: then it is that which is waited for.
Result<> heed_maker(db::Tx& tx, const delivery::Rollout& rollout, UnixMs now_ms,
                    delivery::GateSummary& gates) {
  if (rollout.phase != delivery::Phase::kGating ||
      gates.outcome != delivery::GateOutcome::kRunning)
    return {};
  const Making making =
      TRY(making_of(tx, rollout.model, rollout.version, rollout.created_ms, now_ms));
  if (!making.is_over)
    gates = {delivery::GateOutcome::kRunning, "waiting for the end of " + making.waits_for, false};
  return {};
}

/// What the rollout under way waits for, and what its guards say.
Result<> set_evidence(db::Tx& tx, const std::string& deployment, UnixMs now_ms, Json& json) {
  const auto active = TRY(delivery::active_rollout(tx, deployment));
  if (!active) return {};
  delivery::Observed observed;
  observed.now_ms = now_ms;
  delivery::Decidable found = TRY(delivery::load_snapshot(tx, active->id, observed));
  TRY(heed_maker(tx, *active, now_ms, found.snapshot.gates));
  Json::Array guards;
  for (const delivery::GuardEvidence& guard : delivery::weigh_guards(found.snapshot))
    guards.push_back(delivery::to_json(guard));
  Json rollout = json_of(*active);
  rollout.set("guards", std::move(guards));
  rollout.set("gates", TRY(gates_of(tx, active->id)));
  Json::Array wanted(active->gates.begin(), active->gates.end());
  rollout.set("gates_wanted", std::move(wanted));
  rollout.set("plan", delivery::to_json(active->plan));
  if (is_stepping(*active))
    rollout.set("counts",
                delivery::totals_json(TRY(delivery::load_counts(tx, active->id, active->step))));
  const delivery::Action next = delivery::next_action(found.snapshot);
  rollout.set("next", Json(Json::Object{{"action", delivery::to_string(next.kind)},
                                        {"reason", next.reason}}));
  json.set("rollout", std::move(rollout));
  return {};
}

/// When the version began to answer all requests by this rollout; 0: it never did.
UnixMs live_since(const std::vector<delivery::TransitionRow>& way) {
  const auto promoted = std::find_if(way.begin(), way.end(), [](const auto& one) {
    return one.to_phase == delivery::to_string(delivery::Phase::kPromoting);
  });
  return promoted == way.end() ? 0 : promoted->time_ms;
}

bool has_served(const delivery::Rollout& rollout) {
  return rollout.phase == delivery::Phase::kLive || rollout.phase == delivery::Phase::kPromoting;
}

/// A version that came back has several rollouts that were live once: the newest of them serves.
Result<Json> history_of(db::Tx& tx, const delivery::Deployment& deployment) {
  Json::Array list;
  bool is_found = false;
  for (const delivery::Rollout& rollout :
       TRY(delivery::rollouts_of(tx, deployment.name, kRolloutsShown))) {
    const auto way = TRY(delivery::transitions_of(tx, rollout.id));
    const bool serves = !is_found && has_served(rollout) && rollout.version == deployment.stable;
    is_found |= serves;
    Json one = json_of(rollout);
    one.set("live_ms", live_since(way));
    one.set("serves", serves);
    one.set("gates", TRY(gates_of(tx, rollout.id)));
    one.set("transitions", TRY(json_of_rows(way)));
    list.push_back(std::move(one));
  }
  return Json(std::move(list));
}

/// When a person went back from a version that served, newest first: no rollout tells it.
Result<Json> rollbacks_of(db::Tx& tx, const std::string& deployment) {
  constexpr int kEventsLookedAt = 500;
  Json::Array list;
  for (const graph::LoggedEvent& event :
       TRY(graph::events_about(tx, {graph::kind::kDeployment, deployment}, kEventsLookedAt))) {
    if (event.event.type != "deployment.rolled_back") continue;
    Json one = event.event.data;
    one.set("actor", event.event.actor);
    one.set("event_seq", event.seq);
    one.set("time_ms", event.time_ms);
    list.insert(list.begin(), std::move(one));
  }
  return Json(std::move(list));
}

Result<delivery::Deployment> deployment_named(db::Tx& tx, const std::string& name) {
  auto found = TRY(delivery::find_deployment(tx, name));
  if (found) return std::move(*found);
  std::vector<std::string> known;
  for (const delivery::Deployment& one : TRY(delivery::deployments(tx))) known.push_back(one.name);
  const auto near = nearest(name, known);
  return missing("there is no deployment '" + name + "'" +
                 (near ? "; did you mean '" + *near + "'?"
                       : ": `slipway.yaml` declares them, `slipway apply` makes them"));
}

Result<Json> shown(db::Tx& tx, const DeliveryWorld& world, const AllFilesSeen& seen,
                   const std::string& name) {
  const delivery::Deployment d = TRY(deployment_named(tx, name));
  Json json = TRY(json_of(tx, world, seen, d));
  TRY(set_evidence(tx, name, world.clock.now_ms(), json));
  json.set("rollouts", TRY(history_of(tx, d)));
  json.set("rollbacks", TRY(rollbacks_of(tx, name)));
  json.set("waivers", TRY(json_of_rows(TRY(delivery::all_waivers_of(tx, d.model)))));
  return json;
}

// --- by hand -------------------------------------------------------------------------------------

std::string actor_of(const DeliveryRequest& request) {
  return request.actor.empty() ? "anonymous" : request.actor;
}

Error undeclared(const std::shared_ptr<const project::Applied>& project, const std::string& name) {
  std::vector<std::string> known;
  if (project)
    for (const project::DeploymentSpec& spec : project->declared.file.deployments)
      known.push_back(spec.name);
  const auto near = nearest(name, known);
  return missing("no deployment '" + name + "' is declared" +
                 (near ? "; did you mean '" + *near + "'?"
                       : ": slipway.yaml names them, `slipway apply` makes it hold"));
}

Result<> deploy(db::Tx& tx, const DeliveryWorld& world, const std::string& name,
                const DeliveryRequest& request, UnixMs now) {
  const auto project = TRY(world.project.get(tx));
  const project::DeploymentSpec* spec =
      project ? project->declared.file.find_deployment(name) : nullptr;
  if (spec == nullptr) return undeclared(project, name);
  TRY(registry::rows::find_version(tx, spec->model, request.version));
  TRY(delivery::request_rollout(tx,
                                {spec, &project->declared.file.use_case.requirements,
                                 request.version, actor_of(request), 0, request.force},
                                now));
  return {};
}

/// Whether a rollback ends that rollout, and leaves the version that serves.
bool has_candidate(const std::optional<delivery::Rollout>& active) {
  return active && active->phase != delivery::Phase::kPromoting;
}

/// The candidate under way goes; without one the version before the present one comes back.
Result<bool> roll_back(db::Tx& tx, const DeliveryWorld& world, const std::string& name,
                       const DeliveryRequest& request, UnixMs now) {
  const auto active = TRY(delivery::active_rollout(tx, name));
  const std::string actor = actor_of(request);
  if (has_candidate(active)) {
    TRY(delivery::ask_rollback(tx, name, actor, request.reason, now));
    return false;
  }
  TRY(delivery::restore_previous(tx, name, actor, request.reason, now, request.force));
  const auto restored = TRY(delivery::find_deployment(tx, name));
  const auto project = TRY(world.project.get(tx));
  const project::DeploymentSpec* spec =
      project ? project->declared.file.find_deployment(name) : nullptr;
  if (spec == nullptr || spec->alias.empty()) return false;
  // The wish was to go back; that others of this model follow is none of it.
  return put_alias(tx, restored->model, spec->alias, restored->stable, 0, now);
}

struct ActionName {
  const char* name;
  Result<> (*run)(db::Tx& tx, const std::string& deployment, const DeliveryRequest& request,
                  UnixMs now);
};
constexpr ActionName kActions[] = {
    {"promote",
     [](db::Tx& tx, const std::string& d, const DeliveryRequest& r, UnixMs now) {
       return delivery::ask_promotion(tx, d, actor_of(r), r.reason, now);
     }},
    {"freeze", [](db::Tx& tx, const std::string& d, const DeliveryRequest& r,
                  UnixMs now) { return delivery::freeze(tx, d, actor_of(r), r.reason, now); }},
    {"unfreeze", [](db::Tx& tx, const std::string& d, const DeliveryRequest& r,
                    UnixMs now) { return delivery::unfreeze(tx, d, actor_of(r), r.reason, now); }},
    {"pause", [](db::Tx& tx, const std::string& d, const DeliveryRequest& r,
                 UnixMs now) { return delivery::pause(tx, d, actor_of(r), r.reason, now); }},
    {"resume", [](db::Tx& tx, const std::string& d, const DeliveryRequest& r,
                  UnixMs now) { return delivery::resume(tx, d, actor_of(r), r.reason, now); }},
};

Result<> act(db::Tx& tx, const DeliveryWorld& world, const std::string& name,
             const std::string& action, const DeliveryRequest& request, bool& alias_moved) {
  const UnixMs now = world.clock.now_ms();
  if (action == "deploy") return deploy(tx, world, name, request, now);
  TRY(deployment_named(tx, name));
  if (action == "rollback") {
    alias_moved = TRY(roll_back(tx, world, name, request, now));
    return {};
  }
  for (const ActionName& known : kActions)
    if (action == known.name) return known.run(tx, name, request, now);
  return invalid("'" + action +
                 "' can't be done to a deployment: deploy, promote, rollback, freeze, unfreeze, "
                 "pause or resume can");
}

/// A version that nobody has looked at yet is looked at first.
Result<> record_candidate(const DeliveryWorld& world, const std::string& name,
                          std::int64_t version) {
  const auto project = TRY(world.pool.read([&](db::Tx& tx) { return world.project.get(tx); }));
  const project::DeploymentSpec* spec =
      project ? project->declared.file.find_deployment(name) : nullptr;
  if (spec == nullptr || version <= 0) return {};
  // What serves was recorded when it was asked for; its number may be another version's now.
  const auto deployment =
      TRY(world.pool.read([&](db::Tx& tx) { return delivery::find_deployment(tx, name); }));
  if (deployment && deployment->stable == version) return {};
  return record_version_files(world.pool, world.registry, world.blobs, spec->model, version,
                              world.clock.now_ms());
}

/// The version that a rollback would bring back; 0 for none.
Result<std::int64_t> version_to_restore(db::Tx& tx, const delivery::Deployment& d) {
  return has_candidate(TRY(delivery::active_rollout(tx, d.name))) ? 0 : d.previous;
}

/// Nobody is answered by a version whose files are lost, and the present one, once taken back, is
/// not to answer either.
Result<> check_can_go_back(const DeliveryWorld& world, const std::string& name) {
  delivery::Deployment d;
  std::int64_t version = 0;
  bool registered = true;
  TRY(world.pool.read([&](db::Tx& tx) -> Result<> {
    d = TRY(deployment_named(tx, name));
    version = TRY(version_to_restore(tx, d));
    if (version != 0) registered = TRY(is_registered(tx, d.model, version));
    return {};
  }));
  if (version == 0) return {};
  const std::string back = "version " + std::to_string(version) + " of model " + d.model +
                           ", which " + name + " would go back to, ";
  if (!registered) return conflict(back + "was deleted from the registry");
  auto folder = VersionFolder::open(world.registry, world.blobs, d.model, version);
  if (!folder.ok()) return conflict(back + "can't be loaded: " + folder.error().message);
  GateSubject subject(std::move(*folder));
  const Result<const engine::Model*> model = subject.engine();
  if (model.ok()) return {};
  return conflict(back + "can't be loaded: " + model.error().message + "; `slipway deploy " + name +
                  " --version N` brings another one");
}

Result<UnixMs> expiry_of(const WaiverRequest& request, UnixMs now) {
  if (request.expires_ms != 0) return request.expires_ms;
  const auto span = project::parse_span(request.lasts);
  if (!span)
    return invalid("a waiver needs an expiry: `lasts` such as 7d, found '" + request.lasts + "'");
  return now + span->count();
}

void wake(const DeliveryWorld& world) {
  if (world.wake) world.wake();
}

}  // namespace

Result<std::vector<registry::Hold>> holds_of_deployments(db::Tx& tx, const std::string& model) {
  std::vector<registry::Hold> holds;
  for (const delivery::Needed& needed : TRY(delivery::needed_versions(tx, model)))
    holds.push_back({needed.version, delivery::to_words(needed)});
  return holds;
}

Result<Json> list_deployments(const DeliveryWorld& world) {
  const AllFilesSeen seen = TRY(look_at_files(world));
  return world.pool.read([&](db::Tx& tx) -> Result<Json> {
    Json::Array list;
    for (const delivery::Deployment& one : TRY(delivery::deployments(tx)))
      list.push_back(TRY(json_of(tx, world, seen, one)));
    return Json(Json::Object{{"deployments", std::move(list)}});
  });
}

Result<Json> show_deployment(const DeliveryWorld& world, const std::string& name) {
  const AllFilesSeen seen = TRY(look_at_files(world, name));
  return world.pool.read([&](db::Tx& tx) { return shown(tx, world, seen, name); });
}

Result<Json> act_on_deployment(const DeliveryWorld& world, const std::string& name,
                               const std::string& action, const DeliveryRequest& request) {
  if (action == "deploy") TRY(record_candidate(world, name, request.version));
  if (action == "rollback") TRY(check_can_go_back(world, name));
  bool alias_moved = false;
  TRY(world.pool.write(
      [&](db::Tx& tx) { return act(tx, world, name, action, request, alias_moved); }));
  if (alias_moved && world.registry_changed) world.registry_changed();
  wake(world);
  return show_deployment(world, name);
}

Result<Json> waive_gate(const DeliveryWorld& world, const std::string& model,
                        const WaiverRequest& request) {
  const std::vector<std::string>& gates = project::gate_names();
  if (std::find(gates.begin(), gates.end(), request.gate) == gates.end()) {
    const auto near = nearest(request.gate, gates);
    return invalid("there is no gate '" + request.gate + "'" +
                   (near ? "; did you mean '" + *near + "'?" : ": " + join(gates, ", ")));
  }
  const UnixMs now = world.clock.now_ms();
  delivery::Waiver waiver{request.gate, model, request.version, request.name, request.reason, 0};
  waiver.expires_ms = TRY(expiry_of(request, now));
  const std::string id = TRY(world.pool.write([&](db::Tx& tx) -> Result<std::string> {
    TRY(registry::rows::find_model(tx, model));
    return delivery::add_waiver(tx, waiver, now);
  }));
  wake(world);
  return Json(Json::Object{{"id", id},
                           {"gate", waiver.gate},
                           {"model", model},
                           {"version", waiver.version},
                           {"expires_ms", waiver.expires_ms}});
}

Result<Json> revoke_gate_waiver(const DeliveryWorld& world, const std::string& id,
                                const std::string& actor) {
  TRY(world.pool.write([&](db::Tx& tx) {
    return delivery::revoke_waiver(tx, id, actor.empty() ? "anonymous" : actor,
                                   world.clock.now_ms());
  }));
  return Json(Json::Object{{"id", id}, {"revoked", true}});
}

namespace {

/// Of the one deployment that is named, else of all of the model that went back from it.
Result<std::vector<std::string>> release_in(db::Tx& tx, const std::string& model,
                                            std::int64_t version, const DeliveryRequest& request,
                                            UnixMs now) {
  std::vector<std::string> released;
  for (const delivery::Deployment& d : TRY(delivery::deployments(tx))) {
    const bool is_meant = request.deployment.empty() || request.deployment == d.name;
    if (d.model != model || !is_meant || !TRY(delivery::is_quarantined(tx, d.name, version)))
      continue;
    TRY(delivery::release(tx, d.name, version, actor_of(request), now));
    released.push_back(d.name);
  }
  if (!released.empty()) return released;
  return missing(
      model + "/" + std::to_string(version) + " is not in quarantine of " +
      (request.deployment.empty() ? "any deployment" : "deployment " + request.deployment));
}

}  // namespace

Result<Json> release_version(const DeliveryWorld& world, const std::string& model,
                             std::int64_t version, const DeliveryRequest& request) {
  const auto released = TRY(world.pool.write(
      [&](db::Tx& tx) { return release_in(tx, model, version, request, world.clock.now_ms()); }));
  wake(world);
  return Json(Json::Object{{"model", model},
                           {"version", version},
                           {"deployments", Json::Array(released.begin(), released.end())},
                           {"released", true}});
}

Result<Json> approve_version(const DeliveryWorld& world, const std::string& model,
                             std::int64_t version, const DeliveryRequest& request) {
  TRY(world.pool.write([&](db::Tx& tx) -> Result<> {
    const registry::rows::VersionRow row = TRY(registry::rows::find_version(tx, model, version));
    return delivery::approve(tx, {model, version, row.created_ms, actor_of(request), request.reason,
                                  world.clock.now_ms()});
  }));
  wake(world);
  return Json(Json::Object{{"model", model},
                           {"version", version},
                           {"approved", true},
                           {"name", actor_of(request)},
                           {"reason", request.reason}});
}

Result<Json> disapprove_version(const DeliveryWorld& world, const std::string& model,
                                std::int64_t version, const DeliveryRequest& request) {
  TRY(world.pool.write([&](db::Tx& tx) -> Result<> {
    const registry::rows::VersionRow row = TRY(registry::rows::find_version(tx, model, version));
    return delivery::disapprove(tx, model, version, row.created_ms, actor_of(request),
                                request.reason, world.clock.now_ms());
  }));
  return Json(Json::Object{{"model", model}, {"version", version}, {"approved", false}});
}

// --- HTTP ----------------------------------------------------------------------------------------

namespace {

Result<http::Response> answered(Result<Json> json) {
  if (!json.ok()) return json.error();
  wire::DumpStyle style;
  style.non_finite_as_string = true;
  return http::Response::json(wire::dump(*json, style));
}

template <class Body>
Result<Body> body_of(const http::Request& request) {
  return wire::decode<Body>(request.body.empty() ? std::string_view("{}")
                                                 : std::string_view(request.body));
}

Result<http::Response> answer_act(const http::Request& request, const DeliveryWorld& world) {
  DeliveryRequest body = TRY(body_of<DeliveryRequest>(request));
  body.actor = app::actor_of(request, body.actor);
  return answered(
      act_on_deployment(world, request.capture("name"), request.capture("action"), body));
}

using OfVersion = Result<Json> (*)(const DeliveryWorld&, const std::string& model,
                                   std::int64_t version, const DeliveryRequest&);

template <OfVersion act>
Result<http::Response> answer_of_version(const http::Request& request, const DeliveryWorld& world) {
  const auto version = to_int64(request.capture("version"));
  if (!version) return invalid("a version is a number, found '" + request.capture("version") + "'");
  DeliveryRequest body = TRY(body_of<DeliveryRequest>(request));
  body.actor = app::actor_of(request, body.actor);
  return answered(act(world, request.capture("model"), *version, body));
}

Result<Json> waivers_json(const DeliveryWorld& world, const std::string& model) {
  return world.pool.read([&](db::Tx& tx) -> Result<Json> {
    return Json(
        Json::Object{{"waivers", TRY(json_of_rows(TRY(delivery::all_waivers_of(tx, model))))}});
  });
}

}  // namespace

void mount_delivery(http::Router& router, const DeliveryWorld& world) {
  http::Router::Group group = router.group("/api/slipway/v1", http::render_plain_error);
  const auto get = [&](const char* path, auto answer) {
    group.add({http::Method::kGet, path, http::reads("delivery"), http::Place::kBlocking},
              [world, answer](http::Request& request) { return answered(answer(request, world)); });
  };
  const auto post = [&](const char* path, auto answer) {
    group.add({http::Method::kPost, path, http::manages("delivery"), http::Place::kBlocking},
              [world, answer](http::Request& request) { return answer(request, world); });
  };
  get("/deployments",
      [](const http::Request&, const DeliveryWorld& w) { return list_deployments(w); });
  get("/deployments/{name}", [](const http::Request& request, const DeliveryWorld& w) {
    return show_deployment(w, request.capture("name"));
  });
  get("/models/{model}/waivers", [](const http::Request& request, const DeliveryWorld& w) {
    return waivers_json(w, request.capture("model"));
  });
  post("/deployments/{name}/{action}", answer_act);
  post("/models/{model}/waivers",
       [](const http::Request& request, const DeliveryWorld& w) -> Result<http::Response> {
         WaiverRequest body = TRY(body_of<WaiverRequest>(request));
         body.name = app::actor_of(request, body.name);
         return answered(waive_gate(w, request.capture("model"), body));
       });
  post("/waivers/{id}/revoke",
       [](const http::Request& request, const DeliveryWorld& w) -> Result<http::Response> {
         const DeliveryRequest body = TRY(body_of<DeliveryRequest>(request));
         return answered(
             revoke_gate_waiver(w, request.capture("id"), app::actor_of(request, body.actor)));
       });
  post("/models/{model}/versions/{version}/release", answer_of_version<release_version>);
  post("/models/{model}/versions/{version}/approve", answer_of_version<approve_version>);
  post("/models/{model}/versions/{version}/disapprove", answer_of_version<disapprove_version>);
}

}  // namespace slipway::app
