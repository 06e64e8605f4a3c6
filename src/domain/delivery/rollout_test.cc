#include "domain/delivery/rollout.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <random>

#include "domain/delivery/guards.h"
#include "domain/delivery/simulation.h"

namespace slipway::delivery {
namespace {

using project::Span;
using project::StepKind;
using Kind = Action::Kind;

constexpr UnixMs kDay = 24 * 3600 * 1000;

/// The example's rollout: shadow 100 %, then canary 50 %, a week each.
RolloutPlan plan() {
  RolloutPlan p;
  for (const StepKind kind : {StepKind::kShadow, StepKind::kCanary}) {
    project::RolloutStep step;
    step.kind = kind;
    step.percent = kind == StepKind::kShadow ? 100 : 50;
    step.min_requests = kind == StepKind::kShadow ? 120 : 50;
    step.min_time = Span(7 * kDay);
    step.max_wait = Span(14 * kDay);
    p.steps.push_back(step);
  }
  p.guards = {{"error_rate", Measure::kErrors, 0.1, true, 0},
              {"latency", Measure::kSlow, {}, false, 5, 0.01}};
  return p;
}

ArmCounts arm(std::int64_t requests, std::int64_t errors = 0, std::int64_t slow = 0) {
  ArmCounts a;
  a.requests = requests;
  a.errors = errors;
  a.slow = slow;
  return a;
}

StepCounts shadow_counts(std::int64_t pairs, std::int64_t errors = 0, std::int64_t slow = 0) {
  StepCounts c;
  c.stable = arm(pairs);
  c.candidate = arm(pairs, errors, slow);
  c.pairs.pairs = pairs;
  c.pairs.errors_candidate_only = errors;
  c.pairs.slow_candidate_only = slow;
  return c;
}

StepCounts canary_counts(ArmCounts candidate, ArmCounts stable) {
  StepCounts c;
  c.candidate = candidate;
  c.stable = stable;
  return c;
}

/// A healthy week of shadow.
RolloutSnapshot shadowing() {
  RolloutSnapshot s;
  s.plan = plan();
  s.phase = Phase::kShadowing;
  s.now_ms = 7 * kDay;
  s.counts = {shadow_counts(168)};
  return s;
}

/// And a healthy week of canary after it.
RolloutSnapshot canarying() {
  RolloutSnapshot s = shadowing();
  s.phase = Phase::kCanarying;
  s.step = 1;
  s.step_started_ms = s.waiting_since_ms = 7 * kDay;
  s.now_ms = 14 * kDay;
  s.counts.push_back(canary_counts(arm(84), arm(84)));
  return s;
}

/// A canary of 50 % without a margin: `callers` with as many answers each, the first half of them
/// the candidate's, which fails for the first.
RolloutSnapshot failing_for_one(std::size_t callers, int answers_each, int fail) {
  RolloutSnapshot s = canarying();
  s.plan.steps = {s.plan.steps[1]};
  s.plan.guards = {{"error_rate", Measure::kErrors, {}, true, 0}};
  s.step = 0;
  StepCounts counts;
  for (std::size_t caller = 0; caller < callers; ++caller) {
    for (int i = 0; i < answers_each; ++i) {
      AnswerCounts answer;
      ArmCounts& arm = caller * 2 < callers ? answer.candidate : answer.stable;
      arm.requests = 1;
      arm.errors = caller == 0 && i < fail;
      counts.add(answer, caller * 3 % kClusters);
    }
  }
  s.counts = {counts};
  return s;
}

RolloutSnapshot in_phase(Phase phase) {
  RolloutSnapshot s = shadowing();
  s.phase = phase;
  return s;
}

RolloutSnapshot gating(GateOutcome outcome) {
  RolloutSnapshot s = in_phase(Phase::kGating);
  s.gates = {outcome, "quality: 0.65 where 0.35 is asked for"};
  return s;
}

struct Row {
  const char* what;
  RolloutSnapshot snapshot;
  Kind kind;
  const char* reason;  // a part of it
};

RolloutSnapshot with(RolloutSnapshot s, const std::function<void(RolloutSnapshot&)>& change) {
  change(s);
  return s;
}

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const Action action = next_action(row.snapshot);
    EXPECT_STREQ(to_string(action.kind), to_string(row.kind)) << row.what << ": " << action.reason;
    EXPECT_NE(action.reason.find(row.reason), std::string::npos)
        << row.what << ": " << action.reason;
  }
}

RolloutSnapshot waiting_for_person() {
  RolloutSnapshot s = in_phase(Phase::kGating);
  s.gates = {GateOutcome::kRunning, "waiting for a person's approval", true};
  return s;
}

TEST(NextAction, BeforeTraffic) {
  check({
      {"a candidate", in_phase(Phase::kPending), Kind::kStartGates, ""},
      {"frozen: gates may run",
       with(in_phase(Phase::kPending), [](auto& s) { s.frozen_by = "ann"; }), Kind::kStartGates,
       ""},
      {"paused", with(in_phase(Phase::kPending), [](auto& s) { s.paused = true; }), Kind::kWait,
       "paused"},
      {"quarantined", with(in_phase(Phase::kPending), [](auto& s) { s.quarantined = true; }),
       Kind::kRollBack, "quarantine"},
      {"gates run", gating(GateOutcome::kRunning), Kind::kWait, "quality"},
      {"a person's approval is missing", waiting_for_person(), Kind::kWait, "a person"},
      {"it is missing, and a newer candidate waits",
       with(waiting_for_person(), [](auto& s) { s.newer_waits = true; }), Kind::kRollBack,
       "not approved"},
      {"the same while it is frozen", with(waiting_for_person(),
                                           [](auto& s) {
                                             s.newer_waits = true;
                                             s.frozen_by = "ann";
                                           }),
       Kind::kWait, "a person"},
      {"a newer one waits while gates run",
       with(gating(GateOutcome::kRunning), [](auto& s) { s.newer_waits = true; }), Kind::kWait,
       "quality"},
      {"a gate says no", gating(GateOutcome::kBlocked), Kind::kStop, "0.65"},
      {"gates passed", gating(GateOutcome::kPassed), Kind::kAdvance, ""},
      {"gates passed, frozen",
       with(gating(GateOutcome::kPassed), [](auto& s) { s.frozen_by = "ann"; }), Kind::kWait,
       "frozen by ann"},
      {"gates passed, paused", with(gating(GateOutcome::kPassed), [](auto& s) { s.paused = true; }),
       Kind::kWait, "paused"},
      {"nothing is served",
       with(gating(GateOutcome::kPassed), [](auto& s) { s.has_stable = false; }), Kind::kPromote,
       "nothing is served"},
      {"no steps", with(gating(GateOutcome::kPassed), [](auto& s) { s.plan.steps.clear(); }),
       Kind::kPromote, "no steps"},
      {"taken back",
       with(gating(GateOutcome::kRunning), [](auto& s) { s.abort_asked = "ann: wrong data"; }),
       Kind::kRollBack, "asked for by ann: wrong data"},
      {"a person cannot pass a gate by promoting",
       with(gating(GateOutcome::kBlocked), [](auto& s) { s.promote_asked = "ann: now"; }),
       Kind::kStop, ""},
      {"a person skips the steps",
       with(gating(GateOutcome::kPassed), [](auto& s) { s.promote_asked = "ann: now"; }),
       Kind::kPromote, "asked for by ann: now"},
  });
}

TEST(NextAction, InShadow) {
  check({
      {"a healthy week", shadowing(), Kind::kAdvance, "shadow of 100"},
      {"too early", with(shadowing(), [](auto& s) { s.now_ms -= 1; }), Kind::kWait, "167h of 7d"},
      {"too few", with(shadowing(), [](auto& s) { s.counts = {shadow_counts(119)}; }), Kind::kWait,
       "119 of 120 answers"},
      {"nothing counted yet", with(shadowing(), [](auto& s) { s.counts.clear(); }), Kind::kWait,
       "0 of 120 answers"},
      {"the candidate fails where the stable version does not",
       with(shadowing(), [](auto& s) { s.counts = {shadow_counts(168, 30)}; }), Kind::kRollBack,
       "error_rate: harmful"},
      {"at once",
       with(shadowing(),
            [](auto& s) {
              s.counts = {shadow_counts(40, 30)};
              s.now_ms = 1;
            }),
       Kind::kRollBack, "error_rate: harmful"},
      {"both fail on the same requests",
       with(shadowing(),
            [](auto& s) {
              s.counts = {shadow_counts(168)};
              s.counts[0].candidate.errors = s.counts[0].stable.errors = 60;
            }),
       Kind::kAdvance, ""},
      {"slow, which is not critical: not yet",
       with(shadowing(),
            [](auto& s) {
              s.counts = {shadow_counts(168, 0, 40)};
              s.now_ms = 6 * kDay;
            }),
       Kind::kWait, ""},
      {"slow, at the end of the step",
       with(shadowing(), [](auto& s) { s.counts = {shadow_counts(168, 0, 40)}; }), Kind::kRollBack,
       "latency: harmful"},
      {"not enough to show the margin",
       with(shadowing(),
            [](auto& s) {
              s.plan.steps[0].min_requests = 10;
              s.counts = {shadow_counts(20)};
            }),
       Kind::kWait, "error_rate: undecided"},
  });
}

TEST(NextAction, InCanary) {
  check({
      {"a healthy week", canarying(), Kind::kPromote, "every step"},
      {"too early", with(canarying(), [](auto& s) { s.now_ms -= 1; }), Kind::kWait, ""},
      {"the holiday: the candidate's answers are not finite",
       with(canarying(),
            [](auto& s) {
              s.counts[1] = canary_counts(arm(190, 120), arm(200));
              s.now_ms = 8 * kDay;
            }),
       Kind::kRollBack, "120 of 190 answers of the candidate failed"},
      {"both fail alike",
       with(canarying(),
            [](auto& s) { s.counts[1] = canary_counts(arm(2000, 400), arm(2000, 400)); }),
       Kind::kPromote, ""},
      {"the stable version fails more",
       with(canarying(), [](auto& s) { s.counts[1] = canary_counts(arm(200, 2), arm(200, 60)); }),
       Kind::kPromote, ""},
      {"worse, but within the margin",
       with(canarying(),
            [](auto& s) { s.counts[1] = canary_counts(arm(100'000, 2000), arm(100'000, 1000)); }),
       Kind::kPromote, ""},
      {"no answers of the stable version",
       with(canarying(), [](auto& s) { s.counts[1] = canary_counts(arm(168), arm(0)); }),
       Kind::kWait, "no answers to compare"},
      {"the stable version can't be loaded, and nothing answers",
       with(canarying(), [](auto& s) { s.stable_fault = "no file"; }), Kind::kPromote,
       "nothing else answers, for the stable version can't be loaded: no file"},
      {"nor can the candidate",
       with(canarying(), [](auto& s) { s.stable_fault = s.candidate_fault = "no file"; }),
       Kind::kRollBack, "the candidate failed: no file"},
      {"and it is harmful",
       with(canarying(),
            [](auto& s) {
              s.stable_fault = "no file";
              s.counts[1] = canary_counts(arm(100, 60), arm(100));
            }),
       Kind::kRollBack, "error_rate: harmful"},
      {"the stable version can't be loaded, but a person wants nothing to move",
       with(canarying(),
            [](auto& s) {
              s.stable_fault = "no file";
              s.frozen_by = "ann";
            }),
       Kind::kWait, ""},
      {"the stable version is shown to be too slow",
       with(canarying(),
            [](auto& s) { s.counts[1] = canary_counts(arm(500, 0, 40), arm(500, 0, 40)); }),
       Kind::kWait, "the stable version itself misses latency"},
      {"and the candidate is the cure",
       with(canarying(),
            [](auto& s) { s.counts[1] = canary_counts(arm(500, 0, 2), arm(500, 0, 40)); }),
       Kind::kPromote, ""},
      {"the counters can't be read", with(canarying(), [](auto& s) { s.counts_known = false; }),
       Kind::kWait, "can't be read"},
      {"frozen", with(canarying(), [](auto& s) { s.frozen_by = "ann"; }), Kind::kWait,
       "frozen by ann"},
      {"frozen after somebody asked for it",
       with(canarying(),
            [](auto& s) {
              s.frozen_by = "ann";
              s.promote_asked = "ben";
            }),
       Kind::kWait, "frozen by ann"},
      {"frozen for long",
       with(canarying(),
            [](auto& s) {
              s.frozen_by = "ann";
              s.now_ms = 90 * kDay;
            }),
       Kind::kWait, "frozen by ann"},
      {"frozen and harmful",
       with(canarying(),
            [](auto& s) {
              s.frozen_by = "ann";
              s.counts[1] = canary_counts(arm(100, 60), arm(100));
            }),
       Kind::kRollBack, "harmful"},
      {"paused", with(canarying(), [](auto& s) { s.paused = true; }), Kind::kWait, "paused"},
      {"paused by a person while a newer one waits",
       with(canarying(), [](auto& s) { s.paused = s.newer_waits = true; }), Kind::kWait, "paused"},
      {"paused as undecided, nobody waits",
       with(canarying(), [](auto& s) { s.paused = s.undecided = true; }), Kind::kWait, "paused"},
      {"paused as undecided while a newer one waits",
       with(canarying(), [](auto& s) { s.paused = s.undecided = s.newer_waits = true; }),
       Kind::kRollBack, "a newer candidate waits"},
      {"paused and harmful",
       with(canarying(),
            [](auto& s) {
              s.paused = true;
              s.counts[1] = canary_counts(arm(100, 60), arm(100));
            }),
       Kind::kRollBack, "harmful"},
      {"a person promotes early",
       with(canarying(),
            [](auto& s) {
              s.promote_asked = "ann: urgent";
              s.now_ms = 8 * kDay;
            }),
       Kind::kPromote, "ann: urgent"},
      {"a person promotes what is harmful",
       with(canarying(),
            [](auto& s) {
              s.promote_asked = "ann: urgent";
              s.counts[1] = canary_counts(arm(100, 60), arm(100));
            }),
       Kind::kRollBack, "harmful"},
      {"a person rolls back", with(canarying(), [](auto& s) { s.abort_asked = "ann"; }),
       Kind::kRollBack, "ann"},
      {"the candidate can't be loaded",
       with(canarying(), [](auto& s) { s.candidate_fault = "model.ubj is broken"; }),
       Kind::kRollBack, "model.ubj is broken"},
      {"labels never came, or nobody called: undecided, not good",
       with(canarying(),
            [](auto& s) {
              s.counts.resize(1);
              s.now_ms = 21 * kDay;
            }),
       Kind::kPause, "undecided after 2w of canary of 50.0 %: 0 of 50 answers"},
      {"undecided for too long",
       with(canarying(),
            [](auto& s) {
              s.counts[1] = canary_counts(arm(60, 4), arm(60, 2));
              s.now_ms = 21 * kDay;
            }),
       Kind::kPause, "error_rate: undecided"},
      {"after a resume the wait begins again",
       with(canarying(),
            [](auto& s) {
              s.counts[1] = canary_counts(arm(60, 4), arm(60, 2));
              s.waiting_since_ms = 20 * kDay;
              s.now_ms = 21 * kDay;
            }),
       Kind::kWait, "undecided"},
      {"slow for too long before it is judged",
       with(canarying(),
            [](auto& s) {
              s.plan.steps[1].min_requests = 1000;
              s.counts[1] = canary_counts(arm(200, 0, 90), arm(200));
              s.now_ms = 21 * kDay;
            }),
       Kind::kRollBack, "latency: harmful"},
      {"the clock was set back", with(canarying(), [](auto& s) { s.now_ms = 3 * kDay; }),
       Kind::kWait, "0s of 7d"},
      {"a step that is not in the plan", with(canarying(), [](auto& s) { s.step = 7; }),
       Kind::kPause, "not in the plan"},
  });
}

TEST(NextAction, AfterTheDecision) {
  check({
      {"promoting", in_phase(Phase::kPromoting), Kind::kWait, "still answers"},
      {"promoted", with(in_phase(Phase::kPromoting), [](auto& s) { s.route_settled = true; }),
       Kind::kSettle, ""},
      {"promoted, but it can't be loaded",
       with(in_phase(Phase::kPromoting), [](auto& s) { s.candidate_fault = "no file"; }),
       Kind::kRollBack, "the candidate failed: no file"},
      {"aborting", in_phase(Phase::kAborting), Kind::kWait, "still answers"},
      {"aborted", with(in_phase(Phase::kAborting), [](auto& s) { s.route_settled = true; }),
       Kind::kSettle, ""},
      {"live", with(in_phase(Phase::kLive), [](auto& s) { s.candidate_fault = "x"; }), Kind::kWait,
       "live"},
      {"rolled back", in_phase(Phase::kRolledBack), Kind::kWait, "rolled_back"},
      {"stopped", in_phase(Phase::kStopped), Kind::kWait, "stopped"},
      {"superseded", in_phase(Phase::kSuperseded), Kind::kWait, "superseded"},
  });
}

TEST(NextAction, WhatNobodyApprovedIsNotToBlame) {
  RolloutSnapshot s = waiting_for_person();
  s.newer_waits = true;
  EXPECT_FALSE(next_action(s).quarantine);
}

TEST(NextAction, QuarantinesWhatItRollsBack) {
  RolloutSnapshot s = canarying();
  s.counts[1] = canary_counts(arm(100, 60), arm(100));
  EXPECT_TRUE(next_action(s).quarantine);
  EXPECT_FALSE(next_action(canarying()).quarantine);
  RolloutSnapshot undecided = canarying();
  undecided.paused = undecided.undecided = undecided.newer_waits = true;
  EXPECT_FALSE(next_action(undecided).quarantine) << "nothing is known against it";
}

TEST(NextAction, CarriesTheEvidenceOfEachGuard) {
  const Action action = next_action(canarying());
  ASSERT_EQ(action.evidence.size(), 2u);
  EXPECT_EQ(action.evidence[0].finding, Finding::kNonInferior);
  EXPECT_EQ(action.evidence[0].candidate, (Trials{84, 0}));
  EXPECT_DOUBLE_EQ(action.evidence[0].log_enough, -std::log(0.05 / 4));
  EXPECT_EQ(action.evidence[1].finding, Finding::kUndecided);
  EXPECT_TRUE(action.evidence[1].clear) << "without a margin it only stops what is harmful";
  const wire::Json json = to_json(action.evidence[0]);
  EXPECT_EQ(json.find("finding")->as_string(), "non_inferior");
  EXPECT_EQ(json.find("candidate_answers")->as_int64(), 84);
}

TEST(NextAction, SaysWhatIsMissingWhenItPauses) {
  RolloutSnapshot s = canarying();
  s.counts[1] = canary_counts(arm(60, 4), arm(60, 2));
  s.now_ms = 21 * kDay;
  const Action action = next_action(s);
  ASSERT_EQ(action.kind, Kind::kPause);
  EXPECT_GT(action.evidence[0].needed, 60);
}

TEST(NextAction, DependsOnNothingButTheSnapshot) {
  const RolloutSnapshot s = canarying();
  const Action first = next_action(s), second = next_action(s);
  EXPECT_EQ(first.reason, second.reason);
  EXPECT_EQ(first.evidence[0].log_e.log_e_harmful, second.evidence[0].log_e.log_e_harmful);
}

TEST(WeighGuards, SaysHowManyCallersAreNeededWhereMoreAnswersOfTheSameShowNothing) {
  std::int64_t before = 0;
  for (const int each : {15, 60, 750}) {
    RolloutSnapshot s = failing_for_one(8, each, 0);
    s.plan.guards[0].margin = 0.05;
    const auto guards = weigh_guards(s);
    ASSERT_EQ(guards.size(), 1u);
    const GuardEvidence& g = guards[0];
    EXPECT_EQ(g.needed, 0) << each;
    EXPECT_EQ(g.callers_came, 4) << each;
    EXPECT_NEAR(static_cast<double>(g.callers_needed),
                static_cast<double>(answers_needed(0.05, 0.05, 0.5, 0)), 2);
    if (before > 0) EXPECT_EQ(g.callers_needed, before) << "however often they ask";
    before = g.callers_needed;
    EXPECT_NE(g.words.find("about " + std::to_string(g.callers_needed) +
                           " of the candidate are needed at this margin, 4 have come"),
              std::string::npos)
        << g.words;
    s.now_ms = 28 * kDay;
    EXPECT_NE(next_action(s).reason.find("are needed at this margin"), std::string::npos);
  }
}

TEST(WeighGuards, SaysHowManyAnswersAreNeeded) {
  RolloutSnapshot s = shadowing();
  s.counts = {shadow_counts(10)};
  const auto guards = weigh_guards(s);
  ASSERT_EQ(guards.size(), 2u);
  EXPECT_EQ(guards[0].needed, pairs_needed(0.1, 0.0125, 0));
  EXPECT_EQ(guards[1].needed, 0);
  EXPECT_TRUE(weigh_guards(in_phase(Phase::kLive)).empty());
}

TEST(Weigh, HarmOfEarlierCanaryStepsAddsUp) {
  const Guard guard{"error_rate", Measure::kErrors, {}, true, 0};
  project::RolloutStep step;
  step.kind = StepKind::kCanary;
  step.percent = 50;
  const StepCounts before = canary_counts(arm(100, 9), arm(1900, 19));
  const StepCounts now = canary_counts(arm(200, 8), arm(200, 2));
  const double alone = weigh(guard, step, now, {now}, 0.01).log_e.log_e_harmful;
  const double both = weigh(guard, step, now, {before, now}, 0.01).log_e.log_e_harmful;
  EXPECT_GT(both, alone + 1);
  // A quiet past does not hide a loud present: it costs a factor of two.
  const StepCounts quiet = canary_counts(arm(1000, 10), arm(19'000, 190));
  EXPECT_NEAR(weigh(guard, step, now, {quiet, now}, 0.01).log_e.log_e_harmful,
              alone - std::log(2.0), 0.2);
}

TEST(Weigh, SaysNumbersInAsFewDigitsAsSayThem) {
  project::RolloutStep canary;
  canary.kind = StepKind::kCanary;
  canary.percent = 50;
  const Guard scores{"score_mean", Measure::kScoreMean, 0.2, true, 0};
  for (const auto& [difference, shown] : {std::pair{-0.0452, "differs by -0.0452 over"},
                                          {22.9, "differs by 22.9 over"},
                                          {30.2, "differs by 30.2 over"},
                                          {0.1 + 0.2, "differs by 0.3 over"},
                                          {12.0, "differs by 12 over"}}) {
    StepCounts counts;
    for (int i = 0; i < 40; ++i) {
      counts.stable.scores.add(0);
      counts.candidate.scores.add(difference);
    }
    const std::string words = weigh(scores, canary, counts, {counts}, 0.0125).words;
    EXPECT_NE(words.find(shown), std::string::npos) << words;
    EXPECT_NE(words.find(", 80 is enough)"), std::string::npos) << words;
  }
  const Guard errors{"error_rate", Measure::kErrors, {}, true, 0};
  const RolloutSnapshot s = failing_for_one(5, 49, 48);
  const std::string words = weigh(errors, canary, s.counts[0], s.counts, 0.0125).words;
  EXPECT_NE(words.find("weigh as one for every 32 (E "), std::string::npos) << words;
}

TEST(Weigh, LabelFlipsAreComparedWithTheirMargin) {
  const Guard guard{"label_flips", Measure::kLabelFlips, 0.05, true, 0};
  project::RolloutStep step;
  StepCounts counts = shadow_counts(1000);
  counts.pairs.flips = 10;
  EXPECT_EQ(weigh(guard, step, counts, {}, 0.01).finding, Finding::kNonInferior);
  counts.pairs.flips = 50;
  EXPECT_EQ(weigh(guard, step, counts, {}, 0.01).finding, Finding::kUndecided);
  counts.pairs.flips = 150;
  EXPECT_EQ(weigh(guard, step, counts, {}, 0.01).finding, Finding::kHarmful);
}

/// Scores of two callers' worth of answers in each of 40 clusters: `scale` times what the stable
/// version says.
StepCounts scaled(double scale) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal(1, 0.2);
  StepCounts counts;
  for (std::size_t i = 0; i < 2000; ++i) {
    AnswerCounts answer;
    const double score = normal(random);
    ArmCounts& arm = i % 2 ? answer.candidate : answer.stable;
    arm.requests = 1;
    arm.scores.add(i % 2 ? scale * score : score);
    answer.pairs.pairs = 1;
    answer.pairs.differences.add(scale * score - score);
    counts.add(answer, i * 7 % kClusters);
  }
  return counts;
}

TEST(Weigh, ACandidateInOtherUnitsIsHarmfulHoweverFarOffItIs) {
  project::RolloutStep shadow, canary;
  canary.kind = StepKind::kCanary;
  canary.percent = 50;
  for (const std::optional<double> margin : {std::optional<double>(), std::optional(0.5)}) {
    const Guard guard{"score_mean", Measure::kScoreMean, margin, false, 0};
    for (const double scale : {10.0, 1e3, 1e6}) {
      const StepCounts counts = scaled(scale);
      EXPECT_EQ(weigh(guard, shadow, counts, {}, 0.01).finding, Finding::kHarmful) << scale;
      EXPECT_EQ(weigh(guard, canary, counts, {counts}, 0.01).finding, Finding::kHarmful) << scale;
    }
    EXPECT_NE(weigh(guard, canary, scaled(1), {scaled(1)}, 0.01).finding, Finding::kHarmful);
  }
}

TEST(Weigh, VersionsThatAnswerAlikeAreWithinAnyMargin) {
  const Guard guard{"score_mean", Measure::kScoreMean, 0.2, true, 0};
  StepCounts counts = shadow_counts(400);
  for (int i = 0; i < 400; ++i) {
    counts.stable.scores.add(7);
    counts.pairs.differences.add(0);
  }
  EXPECT_EQ(weigh(guard, project::RolloutStep(), counts, {}, 0.01).finding, Finding::kNonInferior);
}

TEST(Weigh, ACandidateThatFailsForOneOfManyCallersIsHarmful) {
  const Guard guard{"error_rate", Measure::kErrors, {}, true, 0};
  StepCounts counts;
  for (std::size_t i = 0; i < 12'000; ++i) {
    AnswerCounts answer;
    answer.pairs.pairs = answer.stable.requests = answer.candidate.requests = 1;
    answer.pairs.errors_candidate_only = answer.candidate.errors = i % 14 == 0;
    counts.add(answer, i % 14);
  }
  EXPECT_EQ(weigh(guard, project::RolloutStep(), counts, {}, 0.05).finding, Finding::kHarmful);
}

TEST(LeansToHarm, WhereEitherEvidenceIsAboveABoundAndItIsNotLittle) {
  const double enough = std::log(80);
  const struct {
    const char* what;
    Leaning leaning;
    bool leans;
  } cases[] = {
      {"nothing happened", {0, 0, 0, 0}, false},
      {"one event of the candidate", {1, std::log(5), std::log(5), 0}, false},
      {"a few by chance", {3, std::log(3.9), std::log(3.9), 0}, false},
      {"independent answers that fail", {6, std::log(20), std::log(20), 0}, true},
      {"one of a few callers", {48, std::log(2.19), std::log(1e9), 0}, true},
      {"earlier steps lean, this one does not", {2, std::log(9), std::log(1), 0}, true},
      {"the stable version fails more", {50, std::log(0.01), std::log(0.01), 0}, false},
      {"a burst long ago", {10, std::log(2), std::log(186), std::log(80)}, false},
      {"a burst, not long enough ago", {10, std::log(2), std::log(186), std::log(79)}, true},
  };
  for (const auto& one : cases)
    EXPECT_EQ(leans_to_harm(one.leaning, enough), one.leans) << one.what;
}

TEST(NextAction, WaitsWhereACriticalGuardLeansToHarm) {
  check({
      {"one of five callers", failing_for_one(5, 49, 48), Kind::kWait, "leans to harm"},
      {"one of forty", failing_for_one(40, 30, 30), Kind::kWait, "30 of 600 answers"},
      {"more answers of the same find harm", failing_for_one(5, 400, 400), Kind::kRollBack,
       "harmful"},
      {"for long",
       with(failing_for_one(5, 49, 48), [](auto& s) { s.now_ms = 28 * kDay; }), Kind::kPause,
       "leans to harm"},
      {"a guard that is not critical lets it pass, and says what failed",
       with(failing_for_one(5, 49, 48), [](auto& s) { s.plan.guards[0].critical = false; }),
       Kind::kPromote, "; 48 of 147 answers of the candidate failed, 0 of 98 of the stable"},
      {"one failure", failing_for_one(40, 30, 1), Kind::kPromote, "; 1 of 600 answers"},
      {"a burst that many answers outweigh", failing_for_one(120, 3'000, 9), Kind::kPromote,
       "; 9 of 180000 answers"},
      {"none", failing_for_one(40, 30, 0), Kind::kPromote, "every step is passed"},
      {"what failed is told while it waits",
       with(failing_for_one(40, 30, 3), [](auto& s) { s.plan.steps[0].min_requests = 1'000; }),
       Kind::kWait, "600 of 1000 answers, 3 failed"},
  });
  EXPECT_EQ(next_action(failing_for_one(40, 30, 0)).reason, "every step is passed");
}

TEST(Weigh, ScoresArePairedInShadow) {
  const Guard guard{"score_mean", Measure::kScoreMean, 0.2, true, 0};
  project::RolloutStep step;
  StepCounts counts = shadow_counts(400);
  for (int i = 0; i < 400; ++i) {
    counts.stable.scores.add(i % 2 ? 1.0 : -1.0);
    counts.pairs.differences.add(i % 3 ? 0.02 : -0.02);
  }
  EXPECT_EQ(weigh(guard, step, counts, {}, 0.01).finding, Finding::kNonInferior);
  for (int i = 0; i < 400; ++i) counts.pairs.differences.add(i % 2 ? 1.5 : 1.3);
  const GuardEvidence harm = weigh(guard, step, counts, {}, 0.01);
  EXPECT_EQ(harm.finding, Finding::kHarmful) << harm.words;
}

TEST(Phase, ChangesByTheTableOnly) {
  struct Change {
    Phase from;
    Kind kind;
    std::optional<Phase> to;
  };
  const Change changes[] = {
      {Phase::kPending, Kind::kStartGates, Phase::kGating},
      {Phase::kPending, Kind::kAdvance, {}},
      {Phase::kPending, Kind::kPromote, {}},
      {Phase::kGating, Kind::kStop, Phase::kStopped},
      {Phase::kGating, Kind::kAdvance, Phase::kCanarying},
      {Phase::kGating, Kind::kPromote, Phase::kPromoting},
      {Phase::kShadowing, Kind::kAdvance, Phase::kCanarying},
      {Phase::kShadowing, Kind::kStop, {}},
      {Phase::kCanarying, Kind::kPromote, Phase::kPromoting},
      {Phase::kCanarying, Kind::kRollBack, Phase::kAborting},
      {Phase::kCanarying, Kind::kPause, Phase::kCanarying},
      {Phase::kPromoting, Kind::kSettle, Phase::kLive},
      {Phase::kPromoting, Kind::kRollBack, Phase::kAborting},
      {Phase::kAborting, Kind::kSettle, Phase::kRolledBack},
      {Phase::kAborting, Kind::kRollBack, {}},
      {Phase::kAborting, Kind::kPromote, {}},
      {Phase::kRolledBack, Kind::kPromote, {}},
      {Phase::kRolledBack, Kind::kRollBack, {}},
      {Phase::kLive, Kind::kRollBack, {}},
      {Phase::kStopped, Kind::kAdvance, {}},
      {Phase::kSuperseded, Kind::kStartGates, {}},
      {Phase::kLive, Kind::kPause, {}},
  };
  for (const Change& change : changes) {
    const auto after = phase_after(change.from, change.kind, StepKind::kCanary);
    ASSERT_EQ(after.ok(), change.to.has_value())
        << to_string(change.from) << " " << to_string(change.kind);
    if (change.to)
      EXPECT_EQ(*after, *change.to);
    else
      EXPECT_EQ(after.error().code, Code::kConflict);
  }
}

TEST(Phase, HasAWordThatReadsBack) {
  for (int i = 0; i <= static_cast<int>(Phase::kSuperseded); ++i) {
    const auto phase = static_cast<Phase>(i);
    auto read = phase_from(to_string(phase));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(*read, phase);
  }
  EXPECT_FALSE(phase_from("Canarying").ok());
}

// The promise is measured with 1,000 rollouts each by tools/bench (group delivery).
TEST(Simulation, ACanaryThatFailsIsRolledBackSoon) {
  const simulation::Scenario scenario = simulation::failing_canary();
  EXPECT_DOUBLE_EQ(scenario.plan.alpha(), 0.0125);
  int soon = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    const simulation::Outcome outcome = simulation::Rollout(scenario, seed).run();
    soon += outcome.last == Kind::kRollBack && outcome.requests <= 2000;
  }
  EXPECT_GE(soon, 36);
}

TEST(Simulation, CallersWhoStayAndComeInBurstsAreNotTakenForHarm) {
  simulation::Scenario scenario = simulation::of_callers(simulation::healthy_rollout());
  scenario.look_every = 500;
  int back = 0, back_unknown = 0;
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    scenario.with_clusters = true;
    back += simulation::Rollout(scenario, seed).run().last == Kind::kRollBack;
    scenario.with_clusters = false;
    back_unknown += simulation::Rollout(scenario, seed).run().last == Kind::kRollBack;
  }
  EXPECT_LE(back, 1);
  EXPECT_GE(back_unknown, 3) << "the scenario is none that clusters are needed for";
}

TEST(Simulation, AHealthyCandidateWithoutAMarginIsHardlyDelayed) {
  for (const bool sticky : {false, true}) {
    simulation::Scenario scenario = simulation::healthy_rollout();
    if (sticky) scenario = simulation::of_callers(scenario);
    scenario.plan.guards[0].margin.reset();
    scenario.look_every = 500;
    int promoted = 0;
    for (std::uint64_t seed = 1; seed <= 12; ++seed)
      promoted += simulation::Rollout(scenario, seed).run().last == Kind::kPromote;
    EXPECT_GE(promoted, 11) << sticky;
  }
}

TEST(Simulation, HarmToCallersWhoStayIsFound) {
  const simulation::Scenario scenario = simulation::of_callers(simulation::failing_canary());
  for (std::uint64_t seed = 1; seed <= 6; ++seed)
    EXPECT_EQ(simulation::Rollout(scenario, seed).run().last, Kind::kRollBack) << seed;
}

TEST(Simulation, AHealthyRolloutIsRarelyRolledBack) {
  simulation::Scenario scenario = simulation::healthy_rollout();
  scenario.look_every = 500;
  int back = 0, promoted = 0;
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    const simulation::Outcome outcome = simulation::Rollout(scenario, seed).run();
    back += outcome.last == Kind::kRollBack;
    promoted += outcome.last == Kind::kPromote;
  }
  EXPECT_LE(back, 1);
  EXPECT_GE(back + promoted, 12);
}

}  // namespace
}  // namespace slipway::delivery
