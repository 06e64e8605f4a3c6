#include "domain/delivery/changes.h"
#include "domain/delivery/store.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::delivery {
namespace {

using graph::NodeRef;
using wire::Json;
using Kind = Action::Kind;

const char* event_of(Kind kind) {
  switch (kind) {
    case Kind::kWait:
      return "";
    case Kind::kStartGates:
      return "rollout.gates_started";
    case Kind::kAdvance:
      return "rollout.advanced";
    case Kind::kPromote:
      return "rollout.promoted";
    case Kind::kRollBack:
      return "rollout.rolled_back";
    case Kind::kStop:
      return "rollout.stopped";
    case Kind::kPause:
      return "rollout.paused";
    case Kind::kSettle:
      return "rollout.settled";
  }
  return "";
}

NodeRef version_node(const Rollout& r) {
  return {graph::kind::kModelVersion, r.model + "/" + std::to_string(r.version)};
}

/// The share of requests that the candidate sees from now on.
double percent_of(const Rollout& r) {
  if (r.phase == Phase::kPromoting || r.phase == Phase::kLive) return 100;
  if (r.phase != Phase::kShadowing && r.phase != Phase::kCanarying) return 0;
  return r.plan.steps[static_cast<std::size_t>(r.step)].percent;
}

/// One verdict that decided the step.
Result<> put_verdict(db::Tx& tx, const Rollout& r, const NodeRef& step, const std::string& id,
                     const Json& attributes, UnixMs now_ms) {
  const NodeRef verdict{graph::kind::kVerdict, id};
  TRY(graph::put_node(tx, verdict, attributes, now_ms));
  const Json none(Json::Object{});
  TRY(graph::put_edge(tx, {verdict, graph::relation::kAbout, version_node(r), none}, now_ms));
  return graph::put_edge(tx, {step, graph::relation::kDecidedBy, verdict, none}, now_ms);
}

Result<> put_guard_verdicts(db::Tx& tx, const Rollout& r, const NodeRef& step, const Action& action,
                            UnixMs now_ms) {
  for (const GuardEvidence& g : action.evidence) {
    const std::string id = step.id + "/" + g.guard;
    TRY(put_verdict(tx, r, step, id,
                    Json(Json::Object{{"check", "guard " + g.guard},
                                      {"status", to_string(g.finding)},
                                      {"words", g.words},
                                      {"evidence", to_json(g)}}),
                    now_ms));
    if (g.measure != Measure::kSlow) continue;
    TRY(graph::put_edge(tx,
                        {{graph::kind::kVerdict, id},
                         graph::relation::kBy,
                         {graph::kind::kRequirement, g.guard},
                         Json(Json::Object{})},
                        now_ms));
  }
  return {};
}

Result<> put_gate_edges(db::Tx& tx, const Rollout& r, const NodeRef& step, UnixMs now_ms) {
  for (const GateVerdict& v : TRY(gate_verdicts(tx, r.id))) {
    TRY(put_verdict(tx, r, step, r.id + "/" + v.gate,
                    Json(Json::Object{{"check", "gate " + v.gate},
                                      {"status", to_string(v.status)},
                                      {"words", v.words},
                                      {"evidence", v.evidence}}),
                    now_ms));
  }
  return {};
}

/// The step as a node: what it was of, and what decided it.
Result<> put_step(db::Tx& tx, const Rollout& r, Phase from, const Action& action, UnixMs now_ms) {
  const NodeRef step{graph::kind::kRolloutStep, step_id_of(r)};
  TRY(graph::put_node(tx, step,
                      Json(Json::Object{{"deployment", r.deployment},
                                        {"action", to_string(action.kind)},
                                        {"phase", to_string(r.phase)},
                                        {"step", r.step},
                                        {"percent", percent_of(r)},
                                        {"reason", action.reason},
                                        {"started_ms", now_ms}}),
                      now_ms));
  const Json none(Json::Object{});
  TRY(graph::put_edge(
      tx, {step, graph::relation::kOf, {graph::kind::kDeployment, r.deployment}, none}, now_ms));
  TRY(graph::put_edge(tx, {step, graph::relation::kOf, version_node(r), none}, now_ms));
  if (from == Phase::kGating) TRY(put_gate_edges(tx, r, step, now_ms));
  return put_guard_verdicts(tx, r, step, action, now_ms);
}

/// What the action does to the deployment. True when its route is another one now.
bool change_deployment(Deployment& d, const Rollout& r, Phase from, Kind kind) {
  switch (kind) {
    case Kind::kAdvance:
      break;
    case Kind::kPromote:
      d.previous = d.stable;
      d.stable = r.version;
      break;
    case Kind::kRollBack:
      if (from != Phase::kPromoting) break;
      d.stable = r.replaces;
      d.previous = 0;
      break;
    default:
      return false;
  }
  d.revision += 1;
  d.step_id = step_id_of(r);
  return true;
}

/// The step that an action leads to, when it is one that the plan has.
Result<int> step_after(const Rollout& r, const Action& action) {
  if (action.kind != Kind::kAdvance) return r.step;
  const bool forward = r.phase == Phase::kGating ? action.step == 0 : action.step == r.step + 1;
  if (!forward || action.step >= static_cast<int>(r.plan.steps.size()))
    return conflict("rollout " + r.id + " has no step " + std::to_string(action.step) +
                    " to go to from where it is");
  return action.step;
}

Json evidence_of(const Action& action) {
  Json::Array guards;
  for (const GuardEvidence& g : action.evidence) guards.push_back(to_json(g));
  Json evidence(Json::Object{{"guards", std::move(guards)}});
  if (action.quarantine) evidence.set("quarantined", true);
  if (action.kind == Kind::kPause) evidence.set("undecided", true);
  return evidence;
}

void enter(Rollout& r, const Action& action, int step, UnixMs now_ms) {
  if (action.kind == Kind::kPause) {
    r.paused = action.reason;
    r.undecided = true;
  }
  if (action.kind != Kind::kAdvance) return;
  r.step = step;
  r.step_started_ms = r.waiting_since_ms = now_ms;
}

}  // namespace

Result<Transition> apply(db::Tx& tx, const std::string& rollout, std::int64_t revision,
                         const Action& action, const std::string& actor, UnixMs now_ms) {
  Rollout r = TRY(rows::get_rollout(tx, rollout));
  Transition result;
  result.phase = r.phase;
  if (r.revision != revision)
    return Error{Code::kConflict, "rollout " + r.id + " has changed meanwhile", "stale"};
  if (action.kind == Kind::kWait) return result;
  if (r.waiting) return conflict("rollout " + r.id + " waits for the one under way");
  const int step = TRY(step_after(r, action));
  const Phase from = r.phase;
  const auto kind_of_step = r.plan.steps.empty()
                                ? project::StepKind::kCanary
                                : r.plan.steps[static_cast<std::size_t>(step)].kind;
  const Phase to = TRY(phase_after(from, action.kind, kind_of_step));
  enter(r, action, step, now_ms);
  result.event_seq = TRY(record(tx, r,
                                {to_string(action.kind), event_of(action.kind), to, action.reason,
                                 actor, evidence_of(action)},
                                now_ms));
  TRY(put_step(tx, r, from, action, now_ms));
  if (action.kind == Kind::kRollBack && action.quarantine)
    TRY(put_in_quarantine(tx, r, action.reason, now_ms));
  // A person let it try again, and it stood the test.
  if (action.kind == Kind::kPromote && r.forced)
    TRY(tx.run("delete from deployment_quarantine where deployment = ? and version = ?",
               r.deployment, r.version));

  Deployment deployment = TRY(rows::get_deployment(tx, r.deployment));
  if (change_deployment(deployment, r, from, action.kind)) {
    deployment.updated_ms = now_ms;
    TRY(rows::update_deployment(tx, deployment));
  }
  if (is_over(r.phase)) result.started = TRY(start_waiting(tx, deployment, now_ms));
  result.changed = true;
  result.phase = r.phase;
  result.step_id = step_id_of(r);
  return result;
}

Result<Decidable> load_snapshot(db::Tx& tx, const std::string& rollout, const Observed& observed) {
  Decidable result{TRY(rows::get_rollout(tx, rollout)), {}};
  const Rollout& r = result.rollout;
  const Deployment deployment = TRY(rows::get_deployment(tx, r.deployment));
  RolloutSnapshot& s = result.snapshot;
  s.plan = r.plan;
  s.phase = r.phase;
  s.step = r.step;
  s.now_ms = observed.now_ms;
  s.step_started_ms = r.step_started_ms;
  s.waiting_since_ms = r.waiting_since_ms;
  const bool stepping = r.phase == Phase::kShadowing || r.phase == Phase::kCanarying;
  for (int step = 0; stepping && step <= r.step; ++step)
    s.counts.push_back(TRY(load_counts(tx, r.id, step)));
  s.counts_known = observed.counts_known;
  s.gates = summarize(r.gates, TRY(gate_verdicts(tx, r.id)));
  s.has_stable = deployment.stable != 0;
  s.route_settled = observed.route_settled;
  // One that waits does nothing; whoever asks is told so.
  s.paused = !r.paused.empty() || r.waiting;
  s.undecided = r.undecided;
  s.newer_waits = TRY(rows::in_slot(tx, r.deployment, "waiting")).has_value() && !r.waiting;
  s.quarantined = !r.forced && TRY(is_quarantined(tx, r.deployment, r.version));
  s.frozen_by = deployment.frozen_by;
  s.abort_asked = r.abort_asked;
  s.promote_asked = r.promote_asked;
  s.candidate_fault = observed.candidate_fault;
  s.stable_fault = observed.stable_fault;
  return result;
}

Result<> heed_clock(db::Tx& tx, UnixMs now_ms) {
  TRY(
      tx.run("update rollouts set step_started_ms = ? where slot = 'active' and "
             "step_started_ms > ?",
             now_ms, now_ms));
  TRY(
      tx.run("update rollouts set waiting_since_ms = ? where slot = 'active' and "
             "waiting_since_ms > ?",
             now_ms, now_ms));
  return {};
}

Result<> save_counts(db::Tx& tx, const std::string& rollout, int step, const std::string& source,
                     const StepCounts& counts, UnixMs now_ms) {
  const Rollout r = TRY(rows::get_rollout(tx, rollout));
  if (step < 0 || step >= static_cast<int>(r.plan.steps.size()))
    return invalid("rollout " + rollout + " has no step " + std::to_string(step));
  if (is_over(r.phase)) return {};
  TRY(
      tx.run("insert into rollout_counts (rollout, step, source, counts, updated_ms) "
             "values (?, ?, ?, ?, ?) on conflict (rollout, step, source) "
             "do update set counts = excluded.counts, updated_ms = excluded.updated_ms",
             rollout, step, source, wire::dump(to_json(counts)), now_ms));
  return {};
}

Result<StepCounts> load_counts(db::Tx& tx, const std::string& rollout, int step) {
  StepCounts all;
  for (const std::string& text :
       TRY(tx.all<std::string>("select counts from rollout_counts where rollout = ? and step = ? "
                               "order by source",
                               rollout, step)))
    all.merge(TRY(step_counts_from(TRY(wire::parse(text)))));
  return all;
}

}  // namespace slipway::delivery
