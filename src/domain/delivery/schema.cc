#include "domain/delivery/schema.h"

#include "io/wire/codec.h"
#include "io/wire/json.h"

namespace slipway::delivery {
namespace {

// A rollout's slot is "active", "waiting", or its id once it is over: so there is one of the first
// two per deployment.
constexpr char kTables[] = R"sql(
create table deployments (
  name text not null primary key,
  model text not null,
  stable bigint not null,
  previous bigint not null,
  salt text not null,
  step_id text not null,
  frozen_by text not null,
  frozen_reason text not null,
  revision bigint not null,
  created_ms bigint not null,
  updated_ms bigint not null) without rowid;
create table rollouts (
  id text not null primary key,
  deployment text not null references deployments (name),
  slot text not null,
  model text not null,
  version bigint not null,
  replaces bigint not null,
  phase text not null,
  step bigint not null,
  paused text not null,
  undecided bigint not null,
  forced bigint not null,
  reason text not null,
  plan text not null,
  gates text not null,
  asked_by text not null,
  cause_seq bigint not null,
  last_seq bigint not null,
  abort_asked text not null,
  promote_asked text not null,
  revision bigint not null,
  created_ms bigint not null,
  step_started_ms bigint not null,
  waiting_since_ms bigint not null,
  ended_ms bigint not null,
  unique (deployment, slot)) without rowid;
create index rollouts_by_cause on rollouts (deployment, cause_seq);
create table rollout_transitions (
  rollout text not null references rollouts (id),
  number bigint not null,
  action text not null,
  from_phase text not null,
  to_phase text not null,
  step bigint not null,
  reason text not null,
  actor text not null,
  event_seq bigint not null,
  time_ms bigint not null,
  primary key (rollout, number)) without rowid;
create table rollout_counts (
  rollout text not null references rollouts (id),
  step bigint not null,
  source text not null,
  counts text not null,
  updated_ms bigint not null,
  primary key (rollout, step, source)) without rowid;
create table gate_verdicts (
  rollout text not null references rollouts (id),
  gate text not null,
  status text not null,
  words text not null,
  evidence text not null,
  event_seq bigint not null,
  time_ms bigint not null,
  primary key (rollout, gate)) without rowid;
create table waivers (
  id text not null primary key,
  gate text not null,
  model text not null,
  version bigint not null,
  name text not null,
  reason text not null,
  created_ms bigint not null,
  expires_ms bigint not null,
  revoked_ms bigint) without rowid;
create index waivers_by_model on waivers (model);
create table quarantine (
  model text not null,
  version bigint not null,
  rollout text not null,
  reason text not null,
  since_ms bigint not null,
  primary key (model, version)) without rowid;
)sql";

// `made_ms` is when the version was made: a model that was deleted and made anew has others under
// the same numbers.
constexpr char kFiles[] = R"sql(
create table version_files (
  model text not null,
  version bigint not null,
  made_ms bigint not null,
  path text not null,
  sha256 text not null,
  bytes bigint not null,
  recorded_ms bigint not null,
  primary key (model, version, made_ms, path)) without rowid;
)sql";

// What one deployment went back from says nothing of another's callers. A person's rollback told
// no rollout: what it quarantined stays away from every deployment of the model that there is.
constexpr char kQuarantineOfDeployments[] = R"sql(
create table deployment_quarantine (
  deployment text not null references deployments (name),
  version bigint not null,
  rollout text not null,
  reason text not null,
  since_ms bigint not null,
  primary key (deployment, version)) without rowid;
insert into deployment_quarantine (deployment, version, rollout, reason, since_ms)
  select d.name, q.version, q.rollout, q.reason, q.since_ms from quarantine q
  join deployments d on d.model = q.model
  where q.rollout = '' or exists (
    select 1 from rollouts r where r.id = q.rollout and r.deployment = d.name);
drop table quarantine;
)sql";

constexpr char kApprovals[] = R"sql(
create table approvals (
  model text not null,
  version bigint not null,
  made_ms bigint not null,
  name text not null,
  reason text not null,
  given_ms bigint not null,
  primary key (model, version, made_ms)) without rowid;
)sql";

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("delivery/0001_deployments", kTables),
          db::portable("delivery/0002_version_files", kFiles),
          db::portable("delivery/0003_quarantine_of_deployments", kQuarantineOfDeployments),
          db::portable("delivery/0004_approvals", kApprovals)};
}

namespace rows {
namespace {

using wire::Json;

constexpr char kDeployment[] =
    "select name, model, stable, previous, salt, step_id, frozen_by, frozen_reason, revision, "
    "created_ms, updated_ms from deployments";

struct DeploymentRow {
  std::string name, model;
  std::int64_t stable = 0, previous = 0;
  std::string salt, step_id, frozen_by, frozen_reason;
  std::int64_t revision = 0, created_ms = 0, updated_ms = 0;
};
WIRE(DeploymentRow, name, model, stable, previous, salt, step_id, frozen_by, frozen_reason,
     revision, created_ms, updated_ms)

Deployment value_of(DeploymentRow row) {
  return {std::move(row.name),
          std::move(row.model),
          row.stable,
          row.previous,
          std::move(row.salt),
          std::move(row.step_id),
          std::move(row.frozen_by),
          std::move(row.frozen_reason),
          row.revision,
          row.created_ms,
          row.updated_ms};
}

struct RolloutRow {
  std::string id, deployment, slot, model;
  std::int64_t version = 0, replaces = 0;
  std::string phase;
  std::int64_t step = 0;
  std::string paused;
  bool undecided = false, forced = false;
  std::string reason, plan, gates, asked_by;
  std::int64_t cause_seq = 0, last_seq = 0;
  std::string abort_asked, promote_asked;
  std::int64_t revision = 0, created_ms = 0, step_started_ms = 0, waiting_since_ms = 0;
  std::int64_t ended_ms = 0;
};
WIRE(RolloutRow, id, deployment, slot, model, version, replaces, phase, step, paused, undecided,
     forced, reason, plan, gates, asked_by, cause_seq, last_seq, abort_asked, promote_asked,
     revision, created_ms, step_started_ms, waiting_since_ms, ended_ms)

constexpr char kRollout[] =
    "select id, deployment, slot, model, version, replaces, phase, step, paused, undecided, "
    "forced, reason, "
    "plan, gates, asked_by, cause_seq, last_seq, abort_asked, promote_asked, revision, created_ms, "
    "step_started_ms, waiting_since_ms, ended_ms from rollouts";

std::string slot_of(const Rollout& rollout) {
  if (is_over(rollout.phase)) return rollout.id;
  return rollout.waiting ? "waiting" : "active";
}

std::string text_of(const std::vector<std::string>& words) {
  return wire::dump(Json(Json::Array(words.begin(), words.end())));
}

Result<Rollout> value_of(RolloutRow row) {
  Rollout r;
  r.phase = TRY(phase_from(row.phase));
  r.plan = TRY(plan_from(TRY(wire::parse(row.plan))));
  const Json gates = TRY(wire::parse(row.gates));
  if (!gates.is_array()) return internal("rollout " + row.id + " has no list of gates");
  for (const Json& gate : gates.as_array())
    if (gate.is_string()) r.gates.push_back(gate.as_string());
  r.id = std::move(row.id);
  r.deployment = std::move(row.deployment);
  r.model = std::move(row.model);
  r.version = row.version;
  r.replaces = row.replaces;
  r.waiting = row.slot == "waiting";
  r.step = static_cast<int>(row.step);
  r.paused = std::move(row.paused);
  r.undecided = row.undecided;
  r.forced = row.forced;
  r.reason = std::move(row.reason);
  r.asked_by = std::move(row.asked_by);
  r.cause_seq = row.cause_seq;
  r.last_seq = row.last_seq;
  r.abort_asked = std::move(row.abort_asked);
  r.promote_asked = std::move(row.promote_asked);
  r.revision = row.revision;
  r.created_ms = row.created_ms;
  r.step_started_ms = row.step_started_ms;
  r.waiting_since_ms = row.waiting_since_ms;
  r.ended_ms = row.ended_ms;
  return r;
}

Result<std::vector<Rollout>> values_of(std::vector<RolloutRow> found) {
  std::vector<Rollout> all;
  all.reserve(found.size());
  for (RolloutRow& row : found) all.push_back(TRY(value_of(std::move(row))));
  return all;
}

}  // namespace

Result<Deployment> get_deployment(db::Tx& tx, const std::string& name) {
  auto found = TRY(find_deployment(tx, name));
  if (!found) return missing("there is no deployment \"" + name + "\" with a rollout yet");
  return std::move(*found);
}

Result<Rollout> get_rollout(db::Tx& tx, const std::string& id) {
  auto found = TRY(find_rollout(tx, id));
  if (!found) return missing("there is no rollout " + id);
  return std::move(*found);
}

Result<std::optional<Rollout>> in_slot(db::Tx& tx, const std::string& deployment,
                                       const std::string& slot) {
  static const std::string kSql = std::string(kRollout) + " where deployment = ? and slot = ?";
  auto row = TRY(tx.one<RolloutRow>(kSql, deployment, slot));
  if (!row) return std::optional<Rollout>();
  return std::optional<Rollout>(TRY(value_of(std::move(*row))));
}

Result<> insert_deployment(db::Tx& tx, const Deployment& d) {
  TRY(
      tx.run("insert into deployments (name, model, stable, previous, salt, step_id, frozen_by, "
             "frozen_reason, revision, created_ms, updated_ms) "
             "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
             d.name, d.model, d.stable, d.previous, d.salt, d.step_id, d.frozen_by, d.frozen_reason,
             d.revision, d.created_ms, d.updated_ms));
  return {};
}

Result<> update_deployment(db::Tx& tx, const Deployment& d) {
  const std::int64_t changed =
      TRY(tx.run("update deployments set stable = ?, previous = ?, step_id = ?, frozen_by = ?, "
                 "frozen_reason = ?, revision = ?, updated_ms = ? where name = ?",
                 d.stable, d.previous, d.step_id, d.frozen_by, d.frozen_reason, d.revision,
                 d.updated_ms, d.name));
  if (changed != 1) return internal("deployment \"" + d.name + "\" is gone");
  return {};
}

Result<> insert_rollout(db::Tx& tx, const Rollout& r) {
  TRY(tx.run(
      "insert into rollouts (id, deployment, slot, model, version, replaces, phase, step, "
      "paused, undecided, forced, reason, plan, gates, asked_by, cause_seq, last_seq, abort_asked, "
      "promote_asked, revision, created_ms, step_started_ms, waiting_since_ms, ended_ms) "
      "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      r.id, r.deployment, slot_of(r), r.model, r.version, r.replaces, to_string(r.phase), r.step,
      r.paused, r.undecided, r.forced, r.reason, wire::dump(to_json(r.plan)), text_of(r.gates),
      r.asked_by, r.cause_seq, r.last_seq, r.abort_asked, r.promote_asked, r.revision, r.created_ms,
      r.step_started_ms, r.waiting_since_ms, r.ended_ms));
  return {};
}

Result<> update_rollout(db::Tx& tx, const Rollout& r) {
  const std::int64_t changed = TRY(tx.run(
      "update rollouts set slot = ?, replaces = ?, phase = ?, step = ?, paused = ?, undecided = ?, "
      "reason = ?, last_seq = ?, abort_asked = ?, promote_asked = ?, revision = ?, "
      "step_started_ms = ?, waiting_since_ms = ?, ended_ms = ? "
      "where id = ? and revision = ?",
      slot_of(r), r.replaces, to_string(r.phase), r.step, r.paused, r.undecided, r.reason,
      r.last_seq, r.abort_asked, r.promote_asked, r.revision, r.step_started_ms, r.waiting_since_ms,
      r.ended_ms, r.id, r.revision - 1));
  if (changed == 1) return {};
  return Error{Code::kConflict, "rollout " + r.id + " has changed meanwhile", "stale"};
}

}  // namespace rows

Result<std::optional<Deployment>> find_deployment(db::Tx& tx, const std::string& name) {
  static const std::string kSql = std::string(rows::kDeployment) + " where name = ?";
  auto row = TRY(tx.one<rows::DeploymentRow>(kSql, name));
  if (!row) return std::optional<Deployment>();
  return std::optional<Deployment>(rows::value_of(std::move(*row)));
}

Result<std::vector<Deployment>> deployments(db::Tx& tx) {
  static const std::string kSql = std::string(rows::kDeployment) + " order by name";
  std::vector<Deployment> all;
  for (rows::DeploymentRow& row : TRY(tx.all<rows::DeploymentRow>(kSql)))
    all.push_back(rows::value_of(std::move(row)));
  return all;
}

Result<std::optional<Rollout>> find_rollout(db::Tx& tx, const std::string& id) {
  static const std::string kSql = std::string(rows::kRollout) + " where id = ?";
  auto row = TRY(tx.one<rows::RolloutRow>(kSql, id));
  if (!row) return std::optional<Rollout>();
  return std::optional<Rollout>(TRY(rows::value_of(std::move(*row))));
}

Result<std::optional<Rollout>> active_rollout(db::Tx& tx, const std::string& deployment) {
  return rows::in_slot(tx, deployment, "active");
}

Result<std::vector<Rollout>> rollouts_of(db::Tx& tx, const std::string& deployment, int limit) {
  // By the log: a replayed clock asks for several in one millisecond.
  static const std::string kSql =
      std::string(rows::kRollout) +
      " where deployment = ? order by (select event_seq from rollout_transitions t where "
      "t.rollout = rollouts.id and t.number = 1) desc limit ?";
  return rows::values_of(TRY(tx.all<rows::RolloutRow>(kSql, deployment, limit)));
}

Result<std::vector<std::string>> open_rollouts(db::Tx& tx) {
  return tx.all<std::string>("select id from rollouts where slot = ? order by created_ms, id",
                             "active");
}

Result<std::vector<TransitionRow>> transitions_of(db::Tx& tx, const std::string& rollout) {
  return tx.all<TransitionRow>(
      "select rollout, number, action, from_phase, to_phase, step, reason, actor, event_seq, "
      "time_ms from rollout_transitions where rollout = ? order by number",
      rollout);
}

Result<std::optional<std::string>> step_at(db::Tx& tx, const std::string& deployment,
                                           std::int64_t version, UnixMs time_ms) {
  struct Found {
    std::string rollout;
    std::int64_t number = 0;
  };
  std::optional<Found> found;
  TRY(
      tx.query("select t.rollout, t.number from rollouts r "
               "join rollout_transitions t on t.rollout = r.id "
               "where r.deployment = ? and r.version = ? and t.time_ms <= ? "
               "and t.to_phase in ('shadowing', 'canarying', 'promoting', 'live') "
               "order by t.time_ms desc, t.event_seq desc limit 1",
               {db::Value(deployment), db::Value(version), db::Value(time_ms)},
               [&](const db::Columns& row) -> Result<> {
                 found = Found{std::string(row.text(0)), row.int64(1)};
                 return {};
               }));
  if (!found) return std::optional<std::string>();
  return std::optional<std::string>(found->rollout + "/" + std::to_string(found->number));
}

DeploymentRoute route_of(const Deployment& deployment, const std::optional<Rollout>& active) {
  DeploymentRoute route;
  route.deployment = deployment.name;
  route.model = deployment.model;
  route.stable = deployment.stable;
  route.salt = deployment.salt;
  route.step_id = deployment.step_id;
  route.revision = deployment.revision;
  if (!active) return route;
  const bool stepping = active->phase == Phase::kShadowing || active->phase == Phase::kCanarying;
  if (!stepping || active->step >= static_cast<int>(active->plan.steps.size())) return route;
  route.candidate = active->version;
  route.mode = active->phase == Phase::kShadowing ? Mode::kShadow : Mode::kCanary;
  route.percent = active->plan.steps[static_cast<std::size_t>(active->step)].percent;
  route.rollout = active->id;
  route.step = active->step;
  route.slow_ms = active->plan.slow_ms().value_or(0);
  return route;
}

/// What became of the newest candidate of a deployment that has nothing else.
Result<std::string> unserved_words(db::Tx& tx, const Deployment& deployment) {
  const auto newest = TRY(rollouts_of(tx, deployment.name, 1));
  if (newest.empty()) return std::string();
  const Rollout& r = newest.front();
  const char* fate = r.phase == Phase::kStopped      ? " was stopped at its gates, "
                     : r.phase == Phase::kRolledBack ? " was rolled back, "
                                                     : nullptr;
  if (fate == nullptr) return std::string();
  return "version " + std::to_string(r.version) + " of model " + r.model + fate + r.reason +
         "; `slipway gates show " + deployment.name + "` says what they found";
}

Result<std::vector<DeploymentRoute>> routes(db::Tx& tx) {
  std::vector<DeploymentRoute> all;
  for (const Deployment& deployment : TRY(deployments(tx))) {
    const auto active = TRY(active_rollout(tx, deployment.name));
    DeploymentRoute route = route_of(deployment, active);
    if (route.stable == 0 && !active) route.unserved = TRY(unserved_words(tx, deployment));
    all.push_back(std::move(route));
  }
  return all;
}

}  // namespace slipway::delivery
