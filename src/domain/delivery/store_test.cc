#include "domain/delivery/store.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "graph/graph.h"
#include "graph/kinds.h"
#include "io/db/db_testing.h"
#include "io/db/power_loss_testing.h"

namespace slipway::delivery {
namespace {

using project::StepKind;
using Kind = Action::Kind;

constexpr UnixMs kStart = 1'700'000'000'000, kDay = 24 * 3600 * 1000;

project::RolloutStep step(StepKind kind, double percent, std::int64_t min_requests) {
  project::RolloutStep s;
  s.kind = kind;
  s.percent = percent;
  s.min_requests = min_requests;
  s.min_time = project::Span(7 * kDay);
  s.max_wait = project::Span(14 * kDay);
  return s;
}

project::DeploymentSpec spec() {
  project::DeploymentSpec s;
  s.name = "bikes";
  s.model = "rides";
  s.gates = {"signature", "parity"};
  s.rollout = {step(StepKind::kShadow, 100, 120), step(StepKind::kCanary, 50, 50)};
  project::GuardSpec errors, latency;
  errors.metric = "error_rate";
  errors.margin = 0.1;
  errors.critical = true;
  latency.requirement = "latency";
  s.guards = {errors, latency};
  return s;
}

std::vector<project::Requirement> requirements() {
  project::Requirement r;
  r.id = "latency";
  r.metric = "latency_ms";
  r.at_most = 5;
  return {r};
}

const std::vector<db::Migration>& all_migrations() {
  static const std::vector<db::Migration> kAll = db::joined({graph::migrations(), migrations()});
  return kAll;
}

/// One way through a rollout, step by step, as a server would: each step is one transaction.
class Journey {
 public:
  explicit Journey(db::Tx& tx) : tx_(tx) {}

  Result<Requested> request(std::int64_t version, std::int64_t cause = 0, bool force = false) {
    return request_rollout(tx_, {&spec_, &requirements_, version, "ann", cause, force}, now);
  }
  Result<Transition> decide(Observed observed = {}) {
    auto active = TRY(active_rollout(tx_, "bikes"));
    if (!active) return missing("nothing is under way");
    observed.now_ms = now;
    const Decidable d = TRY(load_snapshot(tx_, active->id, observed));
    return apply(tx_, active->id, d.rollout.revision, next_action(d.snapshot), "slipway", now);
  }
  Result<> judge(const char* gate, GateStatus status = GateStatus::kPass) {
    auto active = TRY(active_rollout(tx_, "bikes"));
    return put_gate_verdict(tx_, active->id, {gate, status, std::string(gate) + " was asked", {}},
                            now);
  }
  Result<> count(const StepCounts& counts, const std::string& source = "server-1") {
    auto active = TRY(active_rollout(tx_, "bikes"));
    return save_counts(tx_, active->id, active->step, source, counts, now);
  }

  UnixMs now = kStart;

 private:
  db::Tx& tx_;
  const project::DeploymentSpec spec_ = spec();
  const std::vector<project::Requirement> requirements_ = requirements();
};

StepCounts shadow_week(std::int64_t errors = 0) {
  StepCounts c;
  c.stable.requests = c.candidate.requests = c.pairs.pairs = 168;
  c.candidate.errors = c.pairs.errors_candidate_only = errors;
  return c;
}

StepCounts canary_week(std::int64_t errors = 0) {
  StepCounts c;
  c.stable.requests = c.candidate.requests = 84;
  c.candidate.errors = errors;
  return c;
}

Observed settled() {
  Observed o;
  o.route_settled = true;
  return o;
}

/// The steps of a life of two versions: the first goes live at once, the second through everything,
/// the third is rolled back in canary.
using Step = std::function<Result<>(Journey&)>;
Result<> ignore(Result<Transition> transition) {
  if (!transition.ok()) return transition.error();
  return {};
}
Result<> ignore(Result<Requested> requested) {
  if (!requested.ok()) return requested.error();
  return {};
}

std::vector<Step> through_gates(std::int64_t version, std::int64_t cause) {
  return {[=](Journey& j) { return ignore(j.request(version, cause)); },
          [](Journey& j) { return ignore(j.decide()); },
          [](Journey& j) { return j.judge("signature"); },
          [](Journey& j) { return j.judge("parity"); },
          [](Journey& j) { return ignore(j.decide()); }};
}

std::vector<Step> whole_life() {
  std::vector<Step> steps = through_gates(1, 101);
  const auto add = [&](std::vector<Step> more) {
    for (Step& one : more) steps.push_back(std::move(one));
  };
  const Step settle = [](Journey& j) { return ignore(j.decide(settled())); };
  const auto week_of = [](const StepCounts& counts) -> Step {
    return [counts](Journey& j) -> Result<> {
      TRY(j.count(counts));
      return {};
    };
  };
  const Step next = [](Journey& j) { return ignore(j.decide()); };
  add({settle});
  add(through_gates(2, 102));
  add({week_of(shadow_week()), next, week_of(canary_week()), next, settle});
  add(through_gates(3, 103));
  add({week_of(shadow_week()), next, week_of(canary_week(40)), next, settle});
  return steps;
}

/// Time goes on before each step: eight days, so that weeks are over.
UnixMs time_of(std::size_t index) {
  return kStart + static_cast<UnixMs>(index) * 8 * kDay;
}

struct CountRow {
  std::string key;
  std::int64_t count = 0;
};
WIRE(CountRow, key, count)

/// What must hold whatever happened.
Result<> check_consistent(db::Tx& tx) {
  for (const Deployment& d : TRY(deployments(tx))) {
    for (const Rollout& r : TRY(rollouts_of(tx, d.name, 1000))) {
      const auto history = TRY(transitions_of(tx, r.id));
      EXPECT_EQ(static_cast<std::int64_t>(history.size()), r.revision) << r.id;
      if (history.empty()) return internal("a rollout without history");
      EXPECT_EQ(history.back().to_phase, to_string(r.phase));
      EXPECT_EQ(history.back().event_seq, r.last_seq);
      EXPECT_EQ(is_over(r.phase), r.ended_ms != 0);
      const bool quarantined = TRY(is_quarantined(tx, r.deployment, r.version));
      EXPECT_EQ(quarantined, r.phase == Phase::kAborting || r.phase == Phase::kRolledBack);
      const bool stepping = r.phase == Phase::kShadowing || r.phase == Phase::kCanarying;
      EXPECT_TRUE(!stepping || d.stable != r.version) << r.id;
      EXPECT_TRUE(r.phase != Phase::kPromoting || d.stable == r.version) << r.id;
    }
    // One event per change, no event without one.
    const auto changes = TRY(tx.one<std::int64_t>("select count(*) from rollout_transitions"));
    const auto events =
        TRY(tx.one<std::int64_t>("select count(*) from events where type like 'rollout.%'"));
    EXPECT_EQ(*changes, *events);
    const auto verdicts = TRY(tx.one<std::int64_t>("select count(*) from gate_verdicts"));
    const auto judged =
        TRY(tx.one<std::int64_t>("select count(*) from events where type = 'gate.judged'"));
    EXPECT_EQ(*verdicts, *judged);
  }
  return {};
}

/// What the life has come to: the phases of its versions, and what is live.
std::string state_of(db::Tx& tx) {
  std::string text;
  auto all = deployments(tx);
  for (const Deployment& d : *all) {
    text += d.name + " " + std::to_string(d.stable) + " " + std::to_string(d.previous) + ":";
    auto rollouts = rollouts_of(tx, d.name, 100);
    for (const Rollout& r : *rollouts)
      text += " " + std::to_string(r.version) + "=" + to_string(r.phase) + "/" +
              std::to_string(r.revision);
  }
  return text;
}

constexpr char kEnd[] = "bikes 2 1: 3=rolled_back/6 2=live/6 1=live/4";

class DeliveryStore : public db::OnEachEngine {
 protected:
  void SetUp() override {
    db::OnEachEngine::SetUp();
    if (HasFatalFailure()) return;
    pool_ = open(all_migrations());
  }
  void TearDown() override { pool_.reset(); }

  /// In one write; the test fails when `f` does.
  void write(const std::function<Result<>(db::Tx&, Journey&)>& f) {
    const Result<> done = pool_->write([&](db::Tx& tx) -> Result<> {
      Journey journey(tx);
      journey.now = now_;
      Result<> inner = f(tx, journey);
      now_ = journey.now;
      return inner;
    });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  /// Version 1 is live.
  void go_live() {
    write([](db::Tx&, Journey& j) -> Result<> {
      for (const Step& one : through_gates(1, 0)) TRY(one(j));
      TRY(j.decide(settled()));
      return {};
    });
  }
  /// Version 2 is in shadow.
  void start_shadow() {
    write([](db::Tx&, Journey& j) -> Result<> {
      for (const Step& one : through_gates(2, 0)) TRY(one(j));
      return {};
    });
  }
  Rollout active() {
    auto found = pool_->read([](db::Tx& tx) { return active_rollout(tx, "bikes"); });
    EXPECT_TRUE(found.ok() && *found);
    return found.ok() && *found ? **found : Rollout{};
  }
  Deployment deployment() {
    auto found = pool_->read([](db::Tx& tx) { return find_deployment(tx, "bikes"); });
    return found.ok() && *found ? **found : Deployment{};
  }
  DeploymentRoute route() {
    auto found = pool_->read([](db::Tx& tx) { return routes(tx); });
    EXPECT_TRUE(found.ok());
    return found->front();
  }
  std::vector<std::string> event_types() {
    auto events = pool_->read([](db::Tx& tx) {
      return graph::events_about(tx, {graph::kind::kDeployment, "bikes"}, 1000);
    });
    std::vector<std::string> types;
    for (const graph::LoggedEvent& e : *events) types.push_back(e.event.type);
    return types;
  }
  Code code_of(const std::function<Result<>(db::Tx&)>& f, std::string* tag = nullptr) {
    const Result<> done = pool_->write(f);
    EXPECT_FALSE(done.ok());
    if (done.ok()) return Code::kInternal;
    if (tag) *tag = done.error().tag;
    return done.error().code;
  }

  UnixMs now_ = kStart;
  std::unique_ptr<db::Pool> pool_;
};
INSTANTIATE_TEST_SUITE_P(Engines, DeliveryStore, db::every_engine(), db::engine_name);

TEST_P(DeliveryStore, TheFirstVersionGoesLiveAfterItsGates) {
  go_live();
  EXPECT_EQ(deployment().stable, 1);
  EXPECT_EQ(deployment().salt.size(), 16u);
  EXPECT_EQ(event_types(), (std::vector<std::string>{"rollout.requested", "rollout.gates_started",
                                                     "rollout.promoted", "rollout.settled"}));
}

TEST_P(DeliveryStore, ACandidateGoesThroughShadowAndCanary) {
  go_live();
  start_shadow();
  EXPECT_EQ(active().phase, Phase::kShadowing);
  EXPECT_EQ(active().replaces, 1);
  DeploymentRoute shadow = route();
  EXPECT_EQ(shadow.mode, Mode::kShadow);
  EXPECT_EQ(shadow.stable, 1);
  EXPECT_EQ(shadow.candidate, 2);
  EXPECT_EQ(shadow.slow_ms, 5);
  EXPECT_EQ(shadow.step_id, active().id + "/3");
  write([](db::Tx&, Journey& j) -> Result<> {
    TRY(j.count(shadow_week()));
    j.now += 7 * kDay;
    TRY(j.decide());
    return {};
  });
  DeploymentRoute canary = route();
  EXPECT_EQ(canary.mode, Mode::kCanary);
  EXPECT_EQ(canary.percent, 50);
  EXPECT_EQ(canary.salt, shadow.salt);
  EXPECT_GT(canary.revision, shadow.revision);
  write([](db::Tx&, Journey& j) -> Result<> {
    TRY(j.count(canary_week()));
    j.now += 7 * kDay;
    TRY(j.decide());
    return {};
  });
  EXPECT_EQ(active().phase, Phase::kPromoting);
  EXPECT_EQ(route().mode, Mode::kStableOnly);
  EXPECT_EQ(route().stable, 2);
  EXPECT_EQ(deployment().previous, 1);
  write([](db::Tx&, Journey& j) -> Result<> {
    TRY(j.decide(settled()));
    return {};
  });
  auto none = pool_->read([](db::Tx& tx) { return active_rollout(tx, "bikes"); });
  EXPECT_FALSE(none->has_value());
}

TEST_P(DeliveryStore, HarmRollsBackAndQuarantines) {
  go_live();
  start_shadow();
  write([](db::Tx&, Journey& j) -> Result<> {
    TRY(j.count(shadow_week(60)));
    TRY(j.decide());
    return {};
  });
  EXPECT_EQ(active().phase, Phase::kAborting);
  EXPECT_EQ(route().candidate, 0);
  EXPECT_EQ(route().stable, 1);
  write([](db::Tx&, Journey& j) -> Result<> {
    TRY(j.decide(settled()));
    return {};
  });
  std::string tag;
  EXPECT_EQ(code_of([](db::Tx& tx) { return ignore(Journey(tx).request(2)); }, &tag),
            Code::kConflict);
  EXPECT_EQ(tag, "quarantined");
  write([](db::Tx&, Journey& j) { return ignore(j.request(2, 0, /*force=*/true)); });
  EXPECT_TRUE(active().forced);
  write([](db::Tx& tx, Journey& j) -> Result<> {
    const Transition t = TRY(j.decide());
    EXPECT_EQ(t.phase, Phase::kGating) << "forced: quarantine does not hold it";
    TRY(j.judge("signature"));
    TRY(j.judge("parity"));
    TRY(ask_promotion(tx, "bikes", "ann", "found the cause", j.now));
    EXPECT_EQ(TRY(j.decide()).phase, Phase::kPromoting);
    EXPECT_FALSE(TRY(is_quarantined(tx, "bikes", 2))) << "it stood the test";
    return {};
  });
}

TEST_P(DeliveryStore, ADeploymentIsOfTheModelThatItServes) {
  write([](db::Tx& tx, Journey& j) -> Result<> {
    project::ProjectFile file;
    file.use_case.requirements = requirements();
    file.deployments = {spec()};
    const auto ask_for = [&](const std::string& model) {
      file.deployments[0].model = model;
      return request_rollouts(tx, file, model, 1, "ann", 0, j.now);
    };
    TRY(ask_for("typo"));
    EXPECT_NE(TRY(ask_for("rides"))[0].refused, "") << "that one is under way";
    TRY(ask_rollback(tx, "bikes", "ann", "", j.now));
    TRY(j.decide());
    TRY(j.decide(settled()));
    EXPECT_EQ(TRY(ask_for("rides"))[0].refused, "") << "nothing was served";
    EXPECT_EQ(TRY(find_deployment(tx, "bikes"))->model, "rides");
    return {};
  });
}

TEST_P(DeliveryStore, AReleasedVersionMayTryAgain) {
  go_live();
  start_shadow();
  write([](db::Tx& tx, Journey& j) -> Result<> {
    TRY(ask_rollback(tx, "bikes", "ann", "wrong data", j.now));
    TRY(j.decide());
    TRY(j.decide(settled()));
    EXPECT_TRUE(TRY(is_quarantined(tx, "bikes", 2)));
    TRY(release(tx, "bikes", 2, "ann", j.now));
    return ignore(j.request(2));
  });
  EXPECT_EQ(code_of([](db::Tx& tx) { return release(tx, "bikes", 2, "ann", kStart); }),
            Code::kMissing);
}

TEST_P(DeliveryStore, AGateStopsACandidateWithoutQuarantine) {
  go_live();
  write([](db::Tx& tx, Journey& j) -> Result<> {
    TRY(j.request(2));
    TRY(j.decide());
    TRY(j.judge("signature"));
    TRY(j.judge("parity", GateStatus::kNoData));
    const Transition t = TRY(j.decide());
    EXPECT_EQ(t.phase, Phase::kStopped);
    EXPECT_FALSE(TRY(is_quarantined(tx, "bikes", 2)));
    return ignore(j.request(2));
  });
}

TEST_P(DeliveryStore, AWaiverLetsAGateWithoutDataPass) {
  go_live();
  write([](db::Tx& tx, Journey& j) -> Result<> {
    const std::string id = TRY(
        add_waiver(tx, {"parity", "rides", 2, "ann", "trained elsewhere", j.now + kDay}, j.now));
    TRY(j.request(2));
    TRY(j.decide());
    TRY(j.judge("signature"));
    TRY(j.judge("parity", GateStatus::kNoData));
    const Transition t = TRY(j.decide());
    EXPECT_EQ(t.phase, Phase::kShadowing);
    const auto verdicts = TRY(gate_verdicts(tx, TRY(active_rollout(tx, "bikes"))->id));
    EXPECT_EQ(verdicts[1].status, GateStatus::kWaived);
    EXPECT_EQ(TRY(waivers_of(tx, "rides", j.now)).size(), 1u);
    EXPECT_TRUE(TRY(waivers_of(tx, "rides", j.now + kDay)).empty()) << "expired";
    TRY(revoke_waiver(tx, id, "bob", j.now));
    TRY(revoke_waiver(tx, id, "bob", j.now));
    EXPECT_TRUE(TRY(waivers_of(tx, "rides", j.now)).empty());
    return {};
  });
  EXPECT_EQ(code_of([](db::Tx& tx) { return revoke_waiver(tx, "no", "bob", kStart); }),
            Code::kMissing);
  EXPECT_EQ(code_of([](db::Tx& tx) -> Result<> {
              TRY(add_waiver(tx, {"parity", "rides", 2, "", "why", kStart + 1}, kStart));
              return {};
            }),
            Code::kInvalid);
}

TEST_P(DeliveryStore, TheSameCauseAsksOnce) {
  go_live();
  write([](db::Tx&, Journey& j) -> Result<> {
    const Requested first = TRY(j.request(2, 77));
    EXPECT_TRUE(first.made);
    const Requested again = TRY(j.request(2, 77));
    EXPECT_FALSE(again.made);
    EXPECT_EQ(again.rollout, first.rollout);
    const Requested other = TRY(j.request(2, 78));
    EXPECT_FALSE(other.made) << "that version is under way";
    TRY(j.decide());
    TRY(j.judge("signature", GateStatus::kFail));
    TRY(j.judge("parity"));
    TRY(j.decide());
    EXPECT_FALSE(TRY(j.request(2, 77)).made) << "nor after it is over";
    EXPECT_TRUE(TRY(j.request(2, 79)).made);
    return {};
  });
}

TEST_P(DeliveryStore, TheNewestWaitsAndStartsWhenItsTurnComes) {
  go_live();
  start_shadow();
  write([](db::Tx& tx, Journey& j) -> Result<> {
    const Requested third = TRY(j.request(3));
    EXPECT_TRUE(third.waiting);
    const Requested fourth = TRY(j.request(4));
    EXPECT_EQ(fourth.superseded, third.rollout);
    EXPECT_EQ(TRY(find_rollout(tx, third.rollout))->phase, Phase::kSuperseded);
    EXPECT_FALSE(TRY(j.request(4)).made);

    TRY(ask_rollback(tx, "bikes", "ann", "", j.now));
    EXPECT_TRUE(TRY(find_rollout(tx, fourth.rollout))->waiting) << "nobody took that one back";
    const Requested fifth = TRY(j.request(5));
    EXPECT_EQ(fifth.superseded, fourth.rollout);
    TRY(j.decide());
    const Transition over = TRY(j.decide(settled()));
    EXPECT_EQ(over.phase, Phase::kRolledBack);
    EXPECT_EQ(over.started, fifth.rollout);
    EXPECT_EQ(TRY(active_rollout(tx, "bikes"))->id, fifth.rollout);
    return check_consistent(tx);
  });
}

TEST_P(DeliveryStore, TheNewestIsFirstThoughAReplayedClockStoodStill) {
  std::vector<std::int64_t> versions;
  write([&](db::Tx& tx, Journey& j) -> Result<> {
    for (std::int64_t version = 1; version <= 8; ++version) TRY(j.request(version));
    for (const Rollout& r : TRY(rollouts_of(tx, "bikes", 6))) versions.push_back(r.version);
    return {};
  });
  EXPECT_EQ(versions, (std::vector<std::int64_t>{8, 7, 6, 5, 4, 3}));
}

TEST_P(DeliveryStore, AStepThatBeganInTheFutureBeginsAnew) {
  go_live();
  start_shadow();
  const Rollout before = active();
  const UnixMs earlier = before.step_started_ms - 300 * kDay;
  ASSERT_TRUE(pool_->write([&](db::Tx& tx) { return heed_clock(tx, earlier); }).ok());
  const Rollout after = active();
  EXPECT_EQ(after.step_started_ms, earlier);
  EXPECT_EQ(after.waiting_since_ms, earlier);
  EXPECT_EQ(after.revision, before.revision);
  ASSERT_TRUE(pool_->write([&](db::Tx& tx) { return heed_clock(tx, earlier + kDay); }).ok());
  EXPECT_EQ(active().step_started_ms, earlier);
}

TEST_P(DeliveryStore, WhatIsLiveIsNoCandidate) {
  go_live();
  std::string tag;
  code_of([](db::Tx& tx) { return ignore(Journey(tx).request(1)); }, &tag);
  EXPECT_EQ(tag, "already_live");
  EXPECT_EQ(code_of([](db::Tx& tx) { return ignore(Journey(tx).request(0)); }), Code::kInvalid);
}

TEST_P(DeliveryStore, AStaleDecisionChangesNothing) {
  go_live();
  start_shadow();
  const Rollout before = active();
  write([](db::Tx& tx, Journey& j) { return pause(tx, "bikes", "ann", "lunch", j.now); });
  std::string tag;
  Action promote;
  promote.kind = Kind::kPromote;
  EXPECT_EQ(code_of(
                [&](db::Tx& tx) {
                  return ignore(apply(tx, before.id, before.revision, promote, "slipway", kStart));
                },
                &tag),
            Code::kConflict);
  EXPECT_EQ(tag, "stale");
  EXPECT_EQ(deployment().stable, 1);
}

TEST_P(DeliveryStore, ADecisionIsDoneOnce) {
  go_live();
  write([](db::Tx& tx, Journey& j) -> Result<> {
    const Requested requested = TRY(j.request(2));
    Action gates;
    gates.kind = Kind::kStartGates;
    TRY(apply(tx, requested.rollout, 1, gates, "slipway", j.now));
    const Result<Transition> again = apply(tx, requested.rollout, 1, gates, "slipway", j.now);
    EXPECT_FALSE(again.ok());
    EXPECT_EQ(again.error().tag, "stale");
    return check_consistent(tx);
  });
}

TEST_P(DeliveryStore, AnActionOutOfTurnIsRefused) {
  go_live();
  start_shadow();
  const Rollout r = active();
  for (const auto& [kind, to] : {std::pair(Kind::kAdvance, 0), std::pair(Kind::kAdvance, 2),
                                 std::pair(Kind::kSettle, 0), std::pair(Kind::kStop, 0)}) {
    Action action;
    action.kind = kind;
    action.step = to;
    EXPECT_EQ(code_of([&](db::Tx& tx) {
                return ignore(apply(tx, r.id, r.revision, action, "slipway", kStart));
              }),
              Code::kConflict);
  }
}

TEST_P(DeliveryStore, FreezePauseAndResumeAreEventsWithTheirActor) {
  go_live();
  start_shadow();
  write([](db::Tx& tx, Journey& j) -> Result<> {
    TRY(freeze(tx, "bikes", "ann", "audit", j.now));
    TRY(j.count(shadow_week()));
    j.now += 8 * kDay;
    EXPECT_FALSE(TRY(j.decide()).changed) << "frozen";
    EXPECT_EQ(ask_promotion(tx, "bikes", "bob", "", j.now).error().message,
              "bikes is frozen by ann: audit; `slipway deploy bikes --unfreeze` lifts that");
    TRY(unfreeze(tx, "bikes", "ann", "back", j.now));
    TRY(pause(tx, "bikes", "bob", "lunch", j.now));
    EXPECT_FALSE(TRY(j.decide()).changed) << "paused";
    TRY(resume(tx, "bikes", "bob", "", j.now));
    EXPECT_EQ(TRY(j.decide()).phase, Phase::kCanarying);
    return check_consistent(tx);
  });
  auto events = pool_->read([](db::Tx& tx) {
    return graph::events_about(tx, {graph::kind::kDeployment, "bikes"}, 1000);
  });
  std::map<std::string, std::string> actors;
  for (const graph::LoggedEvent& e : *events) actors[e.event.type] = e.event.actor;
  EXPECT_EQ(actors["deployment.frozen"], "ann");
  EXPECT_EQ(actors["rollout.paused"], "bob");
  EXPECT_EQ(actors["rollout.resumed"], "bob");
  EXPECT_EQ(code_of([](db::Tx& tx) { return freeze(tx, "vans", "ann", "", kStart); }),
            Code::kMissing);
  EXPECT_EQ(code_of([](db::Tx& tx) { return resume(tx, "bikes", "ann", "", kStart); }),
            Code::kConflict);
  EXPECT_EQ(code_of([](db::Tx& tx) { return pause(tx, "bikes", "", "", kStart); }), Code::kInvalid);
}

TEST_P(DeliveryStore, WithoutARolloutUnderWayTheAnswerIsNo) {
  go_live();
  using Wish = Result<> (*)(db::Tx&, const std::string&, const std::string&, const std::string&,
                            UnixMs);
  for (const Wish wish : {Wish(pause), Wish(resume), Wish(ask_promotion), Wish(ask_rollback)}) {
    const auto asked = pool_->write(
        [&](db::Tx& tx) -> Result<> { return wish(tx, "bikes", "ann", "", kStart); });
    ASSERT_FALSE(asked.ok());
    EXPECT_EQ(asked.error().code, Code::kConflict);
    EXPECT_EQ(asked.error().message,
              "no rollout of bikes is under way; `slipway deploy bikes --version N` asks for one");
  }
}

TEST_P(DeliveryStore, UndecidedForTooLongPausesUntilAPersonResumes) {
  go_live();
  start_shadow();
  write([](db::Tx&, Journey& j) -> Result<> {
    j.now += 14 * kDay;
    EXPECT_TRUE(TRY(j.decide()).changed);
    return {};
  });
  EXPECT_NE(active().paused.find("undecided"), std::string::npos);
  EXPECT_EQ(route().mode, Mode::kShadow) << "it keeps its share";
  write([](db::Tx& tx, Journey& j) -> Result<> {
    EXPECT_FALSE(TRY(j.decide()).changed);
    TRY(resume(tx, "bikes", "ann", "", j.now));
    EXPECT_FALSE(TRY(j.decide()).changed) << "the wait began again";
    TRY(ask_promotion(tx, "bikes", "ann", "it is fine", j.now));
    EXPECT_EQ(TRY(j.decide()).phase, Phase::kPromoting);
    return check_consistent(tx);
  });
}

TEST_P(DeliveryStore, ThePreviousVersionComesBackByOneCommand) {
  go_live();
  start_shadow();
  write([](db::Tx& tx, Journey& j) -> Result<> {
    TRY(ask_promotion(tx, "bikes", "ann", "", j.now));
    TRY(j.decide());
    TRY(j.decide(settled()));
    TRY(j.request(3));
    TRY(restore_previous(tx, "bikes", "ann", "complaints", j.now));
    EXPECT_TRUE(TRY(is_quarantined(tx, "bikes", 2)));
    EXPECT_EQ(TRY(active_rollout(tx, "bikes"))->phase, Phase::kAborting);
    EXPECT_FALSE(TRY(is_quarantined(tx, "bikes", 3))) << "it has done nothing";
    return {};
  });
  EXPECT_EQ(deployment().stable, 1);
  EXPECT_EQ(deployment().previous, 0);
  EXPECT_EQ(event_types().back(), "rollout.rolled_back");
  EXPECT_EQ(code_of([](db::Tx& tx) { return restore_previous(tx, "bikes", "ann", "", kStart); }),
            Code::kConflict);
}

TEST_P(DeliveryStore, APreviousVersionInQuarantineComesBackOnlyByForce) {
  go_live();
  start_shadow();
  write([](db::Tx& tx, Journey& j) -> Result<> {
    TRY(ask_promotion(tx, "bikes", "ann", "", j.now));
    TRY(j.decide());
    TRY(j.decide(settled()));
    TRY(j.request(1));
    TRY(ask_rollback(tx, "bikes", "ann", "no better than before", j.now));
    TRY(j.decide());
    TRY(j.decide(settled()));
    EXPECT_TRUE(TRY(is_quarantined(tx, "bikes", 1)));
    return {};
  });
  EXPECT_EQ(deployment().stable, 2);
  EXPECT_EQ(deployment().previous, 1);
  std::string tag;
  EXPECT_EQ(
      code_of([](db::Tx& tx) { return restore_previous(tx, "bikes", "ann", "", kStart); }, &tag),
      Code::kConflict);
  EXPECT_EQ(tag, "quarantined");
  EXPECT_EQ(deployment().stable, 2);
  write([](db::Tx& tx, Journey& j) -> Result<> {
    TRY(restore_previous(tx, "bikes", "ann", "still the better one", j.now, /*force=*/true));
    EXPECT_FALSE(TRY(is_quarantined(tx, "bikes", 1))) << "it serves";
    EXPECT_TRUE(TRY(is_quarantined(tx, "bikes", 2)));
    return {};
  });
  EXPECT_EQ(deployment().stable, 1);
}

TEST_P(DeliveryStore, WhatIsOverSaysWhyItWasPromotedOrTakenBack) {
  const auto newest_reason = [&] {
    return (*pool_->read([](db::Tx& tx) { return rollouts_of(tx, "bikes", 1); })).front().reason;
  };
  Observed faulty;
  faulty.candidate_fault = "not servable yet: flavour sklearn";
  write([&](db::Tx&, Journey& j) -> Result<> {
    for (const Step& one : through_gates(1, 0)) TRY(one(j));
    EXPECT_EQ(TRY(j.decide(faulty)).phase, Phase::kAborting);
    TRY(j.decide(settled()));
    return {};
  });
  EXPECT_EQ(newest_reason(), "the candidate failed: not servable yet: flavour sklearn");
  const auto all = *pool_->read([](db::Tx& tx) { return routes(tx); });
  EXPECT_EQ(all.front().unserved,
            "version 1 of model rides was rolled back, the candidate failed: not servable yet: "
            "flavour sklearn; `slipway gates show bikes` says what they found");
  write([&](db::Tx& tx, Journey& j) -> Result<> {
    for (const Step& one : through_gates(2, 0)) TRY(one(j));
    TRY(j.decide(settled()));
    EXPECT_EQ(TRY(rollouts_of(tx, "bikes", 1)).front().phase, Phase::kLive);
    return {};
  });
  EXPECT_EQ(newest_reason().find("older route"), std::string::npos) << newest_reason();
}

TEST_P(DeliveryStore, CountsOfAllSourcesAddUpAndSayingThemTwiceChangesNothing) {
  go_live();
  start_shadow();
  write([](db::Tx& tx, Journey& j) -> Result<> {
    const std::string id = TRY(active_rollout(tx, "bikes"))->id;
    TRY(j.count(shadow_week(3), "server-1"));
    TRY(j.count(shadow_week(3), "server-1"));
    TRY(j.count(shadow_week(1), "server-2"));
    const StepCounts all = TRY(load_counts(tx, id, 0));
    EXPECT_EQ(all.pairs.pairs, 2 * 168);
    EXPECT_EQ(all.candidate.errors, 4);
    EXPECT_EQ(TRY(load_counts(tx, id, 1)), StepCounts{});
    return {};
  });
  EXPECT_EQ(code_of([&](db::Tx& tx) {
              auto found = active_rollout(tx, "bikes");
              return save_counts(tx, (*found)->id, 2, "server-1", {}, kStart);
            }),
            Code::kInvalid);
}

TEST_P(DeliveryStore, TheGraphSaysWhatDecidedAStep) {
  go_live();
  start_shadow();
  write([](db::Tx&, Journey& j) -> Result<> {
    TRY(j.count(shadow_week()));
    j.now += 7 * kDay;
    TRY(j.decide());
    return {};
  });
  const Rollout r = active();
  auto read = pool_->read([&](db::Tx& tx) -> Result<> {
    const graph::NodeRef gates{graph::kind::kRolloutStep, r.id + "/3"};
    const graph::NodeRef canary{graph::kind::kRolloutStep, r.id + "/4"};
    std::set<std::string> causes;
    for (const graph::NodeRef& ref : {gates, canary})
      for (const graph::Edge& e : TRY(graph::causes_of(tx, ref)))
        causes.insert(e.relation + " " + e.cause.kind + ":" + e.cause.id);
    EXPECT_TRUE(causes.count("of deployment:bikes"));
    EXPECT_TRUE(causes.count("of model_version:rides/2"));
    EXPECT_TRUE(causes.count("decided_by verdict:" + r.id + "/parity"));
    EXPECT_TRUE(causes.count("decided_by verdict:" + r.id + "/4/error_rate"));
    const auto verdict = TRY(graph::find_node(tx, {graph::kind::kVerdict, r.id + "/4/error_rate"}));
    EXPECT_EQ(verdict->attributes.find("status")->as_string(), "non_inferior");
    const auto by = TRY(graph::causes_of(tx, {graph::kind::kVerdict, r.id + "/4/latency"}));
    bool requirement = false;
    for (const graph::Edge& e : by) requirement |= e.cause.kind == graph::kind::kRequirement;
    EXPECT_TRUE(requirement);
    const auto node = TRY(graph::find_node(tx, canary));
    EXPECT_EQ(node->attributes.find("percent")->as_double(), 50);
    return {};
  });
  ASSERT_TRUE(read.ok()) << read.error().message;
}

TEST_P(DeliveryStore, EventsOfARolloutAreOneChain) {
  go_live();
  write([](db::Tx& tx, Journey& j) -> Result<> {
    const std::int64_t cause = TRY(graph::append_event(
        tx, {"alias.set", {graph::kind::kRegisteredModel, "rides"}, "ann", 0, {}}, j.now));
    TRY(j.request(2, cause));
    TRY(j.decide());
    const auto events = TRY(graph::events_about(tx, {graph::kind::kDeployment, "bikes"}, 2));
    EXPECT_EQ(events[0].event.cause_seq, cause);
    EXPECT_EQ(events[1].event.cause_seq, events[0].seq);
    return {};
  });
}

TEST_P(DeliveryStore, KnowsTheStepByWhichAVersionAnswered) {
  go_live();
  const UnixMs live = now_;
  now_ += kDay;
  start_shadow();
  const Rollout r = active();
  auto read = pool_->read([&](db::Tx& tx) -> Result<> {
    EXPECT_FALSE(TRY(step_at(tx, "bikes", 1, live - 1)));
    EXPECT_TRUE(TRY(step_at(tx, "bikes", 1, live)));
    EXPECT_FALSE(TRY(step_at(tx, "bikes", 2, live)));
    EXPECT_EQ(TRY(step_at(tx, "bikes", 2, now_)), r.id + "/3");
    EXPECT_FALSE(TRY(step_at(tx, "vans", 1, now_)));
    return {};
  });
  ASSERT_TRUE(read.ok()) << read.error().message;
}

TEST_P(DeliveryStore, AnUndecidedOneMakesWayForANewer) {
  go_live();
  start_shadow();
  write([](db::Tx& tx, Journey& j) -> Result<> {
    j.now += 14 * kDay;
    TRY(j.decide());
    EXPECT_FALSE(TRY(j.decide()).changed) << "nobody waits";
    const Requested third = TRY(j.request(3));
    EXPECT_EQ(TRY(j.decide()).phase, Phase::kAborting);
    EXPECT_EQ(TRY(j.decide(settled())).started, third.rollout);
    EXPECT_FALSE(TRY(is_quarantined(tx, "bikes", 2)));
    return {};
  });
}

TEST_P(DeliveryStore, EveryDeploymentOfAModelIsAsked) {
  write([](db::Tx& tx, Journey& j) -> Result<> {
    project::ProjectFile file;
    file.use_case.requirements = requirements();
    file.deployments = {spec(), spec(), spec()};
    file.deployments[1].name = "bikes-eu";
    file.deployments[2].name = "vans";
    file.deployments[2].model = "vans";
    auto asked = TRY(request_rollouts(tx, file, "rides", 1, "ann", 5, j.now));
    EXPECT_EQ(asked.size(), 2u);
    asked = TRY(request_rollouts(tx, file, "rides", 1, "ann", 5, j.now));
    EXPECT_FALSE(asked[0].made || asked[1].made);
    EXPECT_EQ(TRY(open_rollouts(tx)).size(), 2u);

    TRY(ask_rollback(tx, "bikes", "ann", "", j.now));
    TRY(j.decide());
    TRY(j.decide(settled()));
    asked = TRY(request_rollouts(tx, file, "rides", 1, "ann", 6, j.now));
    EXPECT_NE(asked[0].refused.find("quarantine"), std::string::npos);
    EXPECT_EQ(asked[1].refused, "") << "the other deployment has not gone back from it";
    EXPECT_FALSE(TRY(is_quarantined(tx, "bikes-eu", 1)));
    const auto told = TRY(graph::events_about(tx, {graph::kind::kDeployment, "bikes"}, 1));
    EXPECT_EQ(told[0].event.type, "rollout.refused");
    EXPECT_EQ(told[0].event.cause_seq, 6);
    return {};
  });
}

class DeliveryUpgrade : public db::OnEachEngine {};
INSTANTIATE_TEST_SUITE_P(Engines, DeliveryUpgrade, db::every_engine(), db::engine_name);

TEST_P(DeliveryUpgrade, QuarantineOfBeforeIsThatOfTheDeploymentThatWentBack) {
  const std::vector<db::Migration> before = {migrations()[0], migrations()[1]};
  auto pool = open(db::joined({graph::migrations(), before}));
  const std::string kMade =
      "insert into deployments (name, model, stable, previous, salt, step_id, frozen_by, "
      "frozen_reason, revision, created_ms, updated_ms) "
      "values (?, ?, 0, 0, '', '', '', '', 0, 0, 0)";
  const Result<> made = pool->write([&](db::Tx& tx) -> Result<> {
    for (const auto& [name, model] : {std::pair("us", "rides"), {"eu", "rides"}, {"vans", "vans"}})
      TRY(tx.run(kMade, name, model));
    TRY(tx.run(
        "insert into rollouts (id, deployment, slot, model, version, replaces, phase, step, "
        "paused, undecided, forced, reason, plan, gates, asked_by, cause_seq, last_seq, "
        "abort_asked, "
        "promote_asked, revision, created_ms, step_started_ms, waiting_since_ms, ended_ms) values "
        "('r', 'eu', 'r', 'rides', 3, 0, 'rolled_back', 0, '', 0, 0, '', '', '', '', 0, 0, '', '', "
        "0, 0, 0, 0, 0)"));
    const std::string kept =
        "insert into quarantine (model, version, rollout, reason, since_ms) "
        "values ('rides', ?, ?, 'harm', 7)";
    TRY(tx.run(kept, 3, "r"));
    TRY(tx.run(kept, 4, ""));
    return {};
  });
  ASSERT_TRUE(made.ok()) << made.error().message;
  pool.reset();
  pool = open(all_migrations());
  const auto versions = [&](const std::string& deployment) {
    std::vector<std::int64_t> found;
    const auto kept = pool->read([&](db::Tx& tx) { return quarantine_of(tx, deployment); });
    for (const Quarantined& one : *kept) found.push_back(one.version);
    return found;
  };
  EXPECT_EQ(versions("eu"), (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(versions("us"), (std::vector<std::int64_t>{4})) << "nobody told where a person was";
  EXPECT_EQ(versions("vans"), (std::vector<std::int64_t>{}));
}

TEST_P(DeliveryStore, ADeploymentKeepsItsModel) {
  go_live();
  project::DeploymentSpec other = spec();
  other.model = "vans";
  const std::vector<project::Requirement> demands = requirements();
  EXPECT_EQ(code_of([&](db::Tx& tx) {
              return ignore(request_rollout(tx, {&other, &demands, 1, "ann", 0, false}, kStart));
            }),
            Code::kConflict);
}

TEST_P(DeliveryStore, WhatIsDeclaredIsMadeOnce) {
  write([](db::Tx& tx, Journey& j) -> Result<> {
    project::ProjectFile file;
    file.use_case.requirements = requirements();
    file.deployments = {spec()};
    const std::vector<std::string> fresh = {"bikes"};
    EXPECT_EQ(TRY(declare_deployments(tx, file, 3, j.now)), fresh);
    const auto made = TRY(find_deployment(tx, "bikes"));
    EXPECT_EQ(made->stable, 0);
    EXPECT_EQ(TRY(declare_deployments(tx, file, 4, j.now)), fresh) << "nobody has asked yet";
    EXPECT_EQ(TRY(find_deployment(tx, "bikes"))->salt, made->salt);
    TRY(j.request(7));
    EXPECT_EQ(TRY(newest_asked(tx, "bikes")), 7);
    EXPECT_TRUE(TRY(declare_deployments(tx, file, 5, j.now)).empty());

    file.deployments[0].model = "vans";
    TRY(declare_deployments(tx, file, 6, j.now));
    EXPECT_EQ(TRY(find_deployment(tx, "bikes"))->model, "rides");
    const auto told = TRY(graph::events_about(tx, {graph::kind::kDeployment, "bikes"}, 1));
    EXPECT_EQ(told[0].event.type, "rollout.refused");
    EXPECT_EQ(told[0].event.cause_seq, 6);
    return {};
  });
}

TEST_P(DeliveryStore, TheFirstRecordOfAFileStays) {
  write([](db::Tx& tx, Journey& j) -> Result<> {
    TRY(put_version_files(tx, "rides", 1, 100, {{"MLmodel", "aa", 3}, {"model.ubj", "bb", 9}},
                          j.now));
    TRY(put_version_files(tx, "rides", 1, 100, {{"MLmodel", "cc", 4}, {"golden.jsonl", "dd", 5}},
                          j.now + 1));
    TRY(put_version_files(tx, "rides", 1, 200, {{"MLmodel", "ee", 4}}, j.now));
    const auto files = TRY(version_files(tx, "rides", 1, 100));
    EXPECT_EQ(files.size(), 3u);
    if (files.size() != 3) return {};
    EXPECT_EQ(files[0].path, "MLmodel");
    EXPECT_EQ(files[0].sha256, "aa");
    EXPECT_EQ(files[0].recorded_ms, j.now);
    EXPECT_EQ(files[1].path, "golden.jsonl");
    EXPECT_EQ(files[1].recorded_ms, j.now + 1);
    EXPECT_EQ(TRY(version_files(tx, "rides", 1, 200)).size(), 1u) << "made anew: another one";
    EXPECT_TRUE(TRY(version_files(tx, "rides", 2, 100)).empty());
    return {};
  });
}

/// "2: deployment bikes serves it", a line each.
std::string needed_words(db::Tx& tx, const std::string& model) {
  std::string words;
  const auto all = needed_versions(tx, model);
  EXPECT_TRUE(all.ok());
  for (const Needed& needed : *all)
    words += std::to_string(needed.version) + ": " + to_words(needed) + "\n";
  return words;
}

TEST_P(DeliveryStore, WhatAnswersHasAnsweredOrIsTriedIsNeeded) {
  const std::string answered =
      "2: deployment bikes serves it\n1: deployment bikes would go back to it\n"
      "3: it has answered for deployment bikes, and what has answered is kept\n";
  write([&](db::Tx& tx, Journey& j) -> Result<> {
    EXPECT_EQ(needed_words(tx, "rides"), "");
    const std::vector<Step> steps = whole_life();
    for (std::size_t i = 0; i < steps.size(); ++i) {
      j.now = time_of(i);
      TRY(steps[i](j));
    }
    EXPECT_EQ(needed_words(tx, "rides"), answered);
    EXPECT_EQ(needed_words(tx, "other"), "");
    TRY(j.request(4, 104));
    EXPECT_EQ(needed_words(tx, "rides"),
              "2: deployment bikes serves it\n"
              "4: a rollout of deployment bikes tries it (`slipway rollback bikes` ends that)\n"
              "1: deployment bikes would go back to it\n"
              "3: it has answered for deployment bikes, and what has answered is kept\n");
    // It ends before it answered anybody: nothing asks for it.
    TRY(ask_rollback(tx, "bikes", "ann", "", j.now));
    TRY(j.decide());
    TRY(j.decide(settled()));
    EXPECT_EQ(needed_words(tx, "rides"), answered);
    return {};
  });
}

TEST_P(DeliveryStore, AnApprovalIsOfTheVersionThatWasMadeThen) {
  write([](db::Tx& tx, Journey& j) -> Result<> {
    const Approval given{"rides", 3, j.now, "ann", "looked at it", j.now + 5};
    EXPECT_FALSE(TRY(approval_of(tx, "rides", 3, j.now)).has_value());
    TRY(approve(tx, given));
    const auto kept = TRY(approval_of(tx, "rides", 3, j.now));
    EXPECT_TRUE(kept.has_value());
    if (kept) {
      EXPECT_EQ(kept->name, "ann");
      EXPECT_EQ(kept->given_ms, j.now + 5);
    }
    const auto twice = approve(tx, {"rides", 3, j.now, "ben", "me too", j.now + 6});
    EXPECT_EQ(twice.error().code, Code::kConflict);
    EXPECT_NE(twice.error().message.find("by ann"), std::string::npos);
    // Another model was made under the name.
    EXPECT_FALSE(TRY(approval_of(tx, "rides", 3, j.now + 1)).has_value());
    EXPECT_EQ(disapprove(tx, "rides", 4, j.now, "ann", "r", j.now).error().code, Code::kMissing);
    TRY(disapprove(tx, "rides", 3, j.now, "ben", "wrong data", j.now + 7));
    EXPECT_FALSE(TRY(approval_of(tx, "rides", 3, j.now)).has_value());
    std::vector<std::string> told;
    for (const graph::LoggedEvent& e :
         TRY(graph::events_about(tx, {graph::kind::kModelVersion, "rides/3"}, 10)))
      if (e.event.type.ends_with("approved")) told.push_back(e.event.type + " " + e.event.actor);
    EXPECT_EQ(told, (std::vector<std::string>{"model_version.approved ann",
                                              "model_version.disapproved ben"}));
    return {};
  });
}

TEST_P(DeliveryStore, QuarantineAndWaiversAreListed) {
  write([](db::Tx& tx, Journey& j) -> Result<> {
    TRY(j.request(3));
    TRY(ask_rollback(tx, "bikes", "ann", "wrong", j.now));
    TRY(j.decide());
    const auto kept = TRY(quarantine_of(tx, "bikes"));
    EXPECT_EQ(kept.size(), 1u);
    if (kept.size() == 1) {
      EXPECT_EQ(kept[0].version, 3);
    }
    const std::string id =
        TRY(add_waiver(tx, {"parity", "rides", 0, "ann", "known", j.now + kDay}, j.now));
    TRY(revoke_waiver(tx, id, "ann", j.now));
    const auto waivers = TRY(all_waivers_of(tx, "rides"));
    EXPECT_EQ(waivers.size(), 1u);
    if (waivers.size() == 1) {
      EXPECT_TRUE(waivers[0].revoked_ms.has_value());
    }
    EXPECT_TRUE(TRY(waivers_of(tx, "rides", j.now)).empty());
    return {};
  });
}

// --- bad days -----------------------------------------------------------------------------------

/// Lets the n-th statement fail, from 1.
class FailingTx final : public db::Tx {
 public:
  FailingTx(db::Tx& inner, int fail_at) : inner_(inner), left_(fail_at) {}
  db::Engine engine() const override { return inner_.engine(); }
  Result<std::int64_t> execute(std::string_view sql,
                               const std::vector<db::Value>& values) override {
    if (--left_ == 0) return unavailable("the disk fails");
    return inner_.execute(sql, values);
  }
  Result<> query(std::string_view sql, const std::vector<db::Value>& values,
                 const std::function<Result<>(const db::Columns&)>& each, bool cache) override {
    if (--left_ == 0) return unavailable("the disk fails");
    return inner_.query(sql, values, each, cache);
  }
  bool has_failed() const { return left_ <= 0; }

 private:
  db::Tx& inner_;
  int left_;
};

TEST_P(DeliveryStore, AFailureAtAnyStatementLeavesTheStateBeforeOrAfter) {
  const std::vector<Step> steps = whole_life();
  int failures = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const auto before = pool_->read([](db::Tx& tx) -> Result<std::string> { return state_of(tx); });
    for (int statement = 1;; ++statement) {
      bool failed = false;
      const Result<> done = pool_->write([&](db::Tx& tx) -> Result<> {
        FailingTx failing(tx, statement);
        Journey journey(failing);
        journey.now = time_of(i);
        Result<> result = steps[i](journey);
        failed = failing.has_failed();
        return result;
      });
      ASSERT_LT(statement, 500);
      if (!failed) {
        ASSERT_TRUE(done.ok()) << i << ": " << done.error().message;
        break;
      }
      ++failures;
      ASSERT_FALSE(done.ok()) << "step " << i << " hid the failure of statement " << statement;
      const auto after =
          pool_->read([](db::Tx& tx) -> Result<std::string> { return state_of(tx); });
      ASSERT_EQ(*after, *before) << "step " << i << ", statement " << statement;
    }
    const Result<> consistent = pool_->read([](db::Tx& tx) { return check_consistent(tx); });
    ASSERT_TRUE(consistent.ok()) << consistent.error().message;
  }
  EXPECT_GT(failures, 200);
  const auto end = pool_->read([](db::Tx& tx) -> Result<std::string> { return state_of(tx); });
  EXPECT_EQ(*end, kEnd);
}

std::string uri_in(const std::filesystem::path& folder) {
  return "sqlite://" + (folder / "catalog.db").string();
}

/// One thing that a server would do now, in one transaction, by nothing but what the catalogue
/// says. False when all three versions have come to their end.
Result<bool> do_next(db::Tx& tx) {
  Journey j(tx);
  const auto changes = TRY(tx.one<std::int64_t>("select count(*) from rollout_transitions"));
  j.now = time_of(static_cast<std::size_t>(*changes));
  const auto active = TRY(active_rollout(tx, "bikes"));
  if (!active) {
    for (std::int64_t version = 1; version <= 3; ++version)
      if (TRY(j.request(version, 100 + version)).made) return true;
    return false;
  }
  if (active->phase == Phase::kGating) {
    const std::size_t judged = TRY(gate_verdicts(tx, active->id)).size();
    if (judged < 2) TRY(j.judge(judged == 0 ? "signature" : "parity"));
  } else if (active->phase == Phase::kShadowing) {
    TRY(j.count(shadow_week()));
  } else if (active->phase == Phase::kCanarying) {
    TRY(j.count(canary_week(active->version == 3 ? 40 : 0)));
  }
  TRY(j.decide(settled()));
  return true;
}

Result<> go_on(db::Pool& pool) {
  while (TRY(pool.write(do_next))) {
  }
  return {};
}

Result<std::unique_ptr<db::Pool>> open_on(const db::PowerLossDisk& disk,
                                          const std::filesystem::path& folder, Metrics& metrics) {
  db::PoolOptions options;
  options.sqlite_vfs = disk.vfs_name();
  return db::Pool::open(uri_in(folder), all_migrations(), metrics, options);
}

/// How many changes of the disk the whole life makes.
int changes_of_disk() {
  db::TemporaryFolder folder;
  db::PowerLossDisk disk;
  Metrics metrics;
  auto pool = open_on(disk, folder.path(), metrics);
  EXPECT_TRUE(pool.ok());
  const int opened = disk.calls();
  EXPECT_TRUE(go_on(**pool).ok());
  return disk.calls() - opened;
}

TEST(DeliveryPowerLoss, AtAnyMomentNothingIsDoneTwiceOrHalf) {
  const int calls = changes_of_disk();
  ASSERT_GT(calls, 60);
  for (int cut = 1; cut <= calls; cut += 11) {
    db::TemporaryFolder before, after;
    db::PowerLossDisk disk;
    Metrics metrics;
    auto pool = open_on(disk, before.path(), metrics);
    ASSERT_TRUE(pool.ok());
    disk.cut_power_at(cut);
    (void)go_on(**pool);
    pool->reset();
    disk.restore(after.path(), db::PowerLossDisk::Unsynced::kAnySubset, static_cast<unsigned>(cut));

    auto again = db::Pool::open(uri_in(after.path()), all_migrations(), metrics);
    ASSERT_TRUE(again.ok()) << again.error().message;
    const Result<> halfway = (*again)->read([](db::Tx& tx) { return check_consistent(tx); });
    ASSERT_TRUE(halfway.ok()) << cut << ": " << halfway.error().message;
    const Result<> finished = go_on(**again);
    ASSERT_TRUE(finished.ok()) << cut << ": " << finished.error().message;
    const auto end = (*again)->read([](db::Tx& tx) -> Result<std::string> {
      TRY(check_consistent(tx));
      return state_of(tx);
    });
    ASSERT_TRUE(end.ok()) << end.error().message;
    EXPECT_EQ(*end, kEnd) << cut;
  }
}

}  // namespace
}  // namespace slipway::delivery
