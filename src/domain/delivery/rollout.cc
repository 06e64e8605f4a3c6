#include "domain/delivery/rollout.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "domain/delivery/guards.h"

namespace slipway::delivery {
namespace {

using project::RolloutStep;
using project::StepKind;
using Kind = Action::Kind;
using wire::Json;

struct PhaseName {
  Phase phase;
  const char* name;
  bool over, traffic;
};
constexpr PhaseName kPhases[] = {
    {Phase::kPending, "pending", false, false},    {Phase::kGating, "gating", false, false},
    {Phase::kShadowing, "shadowing", false, true}, {Phase::kCanarying, "canarying", false, true},
    {Phase::kPromoting, "promoting", false, true}, {Phase::kLive, "live", true, true},
    {Phase::kAborting, "aborting", false, false},  {Phase::kRolledBack, "rolled_back", true, false},
    {Phase::kStopped, "stopped", true, false},     {Phase::kSuperseded, "superseded", true, false},
};

const PhaseName& name_of(Phase phase) {
  return *std::find_if(std::begin(kPhases), std::end(kPhases),
                       [&](const PhaseName& known) { return known.phase == phase; });
}

Action action(Kind kind, std::string reason, std::vector<GuardEvidence> evidence = {}) {
  Action result;
  result.kind = kind;
  result.reason = std::move(reason);
  result.evidence = std::move(evidence);
  return result;
}

Action roll_back(std::string reason, bool quarantine, std::vector<GuardEvidence> evidence = {}) {
  Action result = action(Kind::kRollBack, std::move(reason), std::move(evidence));
  result.quarantine = quarantine;
  return result;
}

/// A clock that was set back has let no time pass.
project::Span since(UnixMs then_ms, UnixMs now_ms) {
  return project::Span(std::max<UnixMs>(now_ms - then_ms, 0));
}

/// What has passed, without figures that nobody reads.
std::string roughly(project::Span span) {
  using std::chrono::duration_cast, std::chrono::hours, std::chrono::minutes, std::chrono::seconds;
  if (span >= hours(48)) return project::to_text(duration_cast<hours>(span));
  if (span >= hours(2)) return project::to_text(duration_cast<minutes>(span));
  if (span >= seconds(2)) return project::to_text(duration_cast<seconds>(span));
  return project::to_text(span);
}

const StepCounts& counts_of(const RolloutSnapshot& s, int step) {
  static const StepCounts kNone;
  const auto index = static_cast<std::size_t>(step);
  return index < s.counts.size() ? s.counts[index] : kNone;
}

const RolloutStep& step_of(const RolloutSnapshot& s) {
  return s.plan.steps[static_cast<std::size_t>(s.step)];
}

std::vector<StepCounts> canary_parts(const RolloutSnapshot& s) {
  std::vector<StepCounts> parts;
  for (int i = 0; i <= s.step; ++i) {
    if (s.plan.steps[static_cast<std::size_t>(i)].kind == StepKind::kCanary)
      parts.push_back(counts_of(s, i));
  }
  return parts;
}

std::vector<GuardEvidence> weigh_all(const RolloutSnapshot& s) {
  const std::vector<StepCounts> parts = canary_parts(s);
  std::vector<GuardEvidence> all;
  for (const Guard& guard : s.plan.guards) {
    if (applies(guard, step_of(s)))
      all.push_back(weigh(guard, step_of(s), counts_of(s, s.step), parts, s.plan.alpha()));
  }
  return all;
}

void fill_needed(const RolloutSnapshot& s, std::vector<GuardEvidence>& all) {
  for (GuardEvidence& g : all) {
    for (const Guard& guard : s.plan.guards) {
      if (guard.name == g.guard && !g.clear)
        add_need(guard, step_of(s), counts_of(s, s.step), s.plan.alpha(), g);
    }
  }
}

std::string harm_in_words(const std::vector<GuardEvidence>& all, bool critical_only) {
  std::vector<std::string> words;
  for (const GuardEvidence& g : all)
    if (g.finding == Finding::kHarmful && (g.critical || !critical_only)) words.push_back(g.words);
  return join(words, "; ");
}

std::string of_step(const RolloutSnapshot& s) {
  const RolloutStep& step = step_of(s);
  return std::string(step.kind == StepKind::kShadow ? "shadow" : "canary") + " of " +
         python_repr(step.percent) + " %";
}

/// What a step still has to wait for before it is judged.
std::string unripe(const RolloutSnapshot& s) {
  const RolloutStep& step = step_of(s);
  const ArmCounts& candidate = counts_of(s, s.step).candidate;
  const std::string failed =
      candidate.errors > 0 ? ", " + std::to_string(candidate.errors) + " failed" : "";
  if (candidate.requests < step.min_requests)
    return std::to_string(candidate.requests) + " of " + std::to_string(step.min_requests) +
           " answers" + failed;
  const project::Span passed = since(s.step_started_ms, s.now_ms);
  if (passed < step.min_time) return roughly(passed) + " of " + project::to_text(step.min_time);
  return {};
}

/// What keeps a candidate back that was judged.
std::string hindrance(const RolloutSnapshot& s, const std::vector<GuardEvidence>& all) {
  if (!s.counts_known) return "the counters can't be read";
  std::vector<std::string> words;
  for (const GuardEvidence& g : all)
    if (!g.clear) words.push_back(g.words);
  if (!words.empty()) return join(words, "; ");
  for (const GuardEvidence& g : all)
    if (g.stable_misses && g.finding != Finding::kSuperior)
      return "the stable version itself misses " + g.guard;
  if (!s.frozen_by.empty()) return "frozen by " + s.frozen_by;
  return {};
}

/// What failed from step `first` to this one, for a reason that ends well; "" when nothing did.
std::string although(const RolloutSnapshot& s, int first) {
  ArmCounts candidate, stable;
  for (int i = first; i <= s.step; ++i) {
    candidate.merge(counts_of(s, i).candidate);
    stable.merge(counts_of(s, i).stable);
  }
  if (candidate.errors == 0) return {};
  return "; " + failures_in_words({candidate.requests, candidate.errors},
                                  {stable.requests, stable.errors});
}

Action go_on(const RolloutSnapshot& s, std::vector<GuardEvidence> all) {
  const int next = s.step + 1;
  if (next == static_cast<int>(s.plan.steps.size()))
    return action(Kind::kPromote, "every step is passed" + although(s, 0), std::move(all));
  Action result =
      action(Kind::kAdvance, of_step(s) + " is passed" + although(s, s.step), std::move(all));
  result.step = next;
  return result;
}

/// What ends a rollout whatever else is true of it.
std::optional<Action> must_go_back(const RolloutSnapshot& s) {
  if (!s.abort_asked.empty()) return roll_back("asked for by " + s.abort_asked, true);
  if (!s.candidate_fault.empty())
    return roll_back("the candidate failed: " + s.candidate_fault, true);
  if (s.quarantined) return roll_back("the candidate is in quarantine", true);
  return std::nullopt;
}

bool waited_too_long(const RolloutSnapshot& s) {
  const project::Span max_wait = step_of(s).max_wait;
  return max_wait.count() > 0 && since(s.waiting_since_ms, s.now_ms) >= max_wait;
}

/// There is nobody to be compared with, and callers get no answer at all.
std::string alone(const RolloutSnapshot& s) {
  return "nothing else answers, for the stable version can't be loaded: " + s.stable_fault;
}

Action decide_step(const RolloutSnapshot& s) {
  if (s.step < 0 || s.step >= static_cast<int>(s.plan.steps.size()))
    return action(Kind::kPause, "step " + std::to_string(s.step) + " is not in the plan");
  std::vector<GuardEvidence> all = weigh_all(s);
  if (std::string harm = harm_in_words(all, /*critical_only=*/true); !harm.empty())
    return roll_back(std::move(harm), true, std::move(all));
  if (s.paused && s.undecided && s.newer_waits && s.frozen_by.empty())
    return roll_back("undecided, and a newer candidate waits", false, std::move(all));
  if (s.paused) return action(Kind::kWait, "paused", std::move(all));
  if (!s.promote_asked.empty() && s.frozen_by.empty())
    return action(Kind::kPromote, "asked for by " + s.promote_asked, std::move(all));
  if (!s.stable_fault.empty() && s.frozen_by.empty())
    return action(Kind::kPromote, alone(s), std::move(all));

  const bool late = waited_too_long(s) && s.frozen_by.empty();
  const std::string wait_for = unripe(s);
  if (wait_for.empty() || late) {
    if (std::string harm = harm_in_words(all, /*critical_only=*/false); !harm.empty())
      return roll_back(std::move(harm), true, std::move(all));
  }
  const std::string why = wait_for.empty() ? hindrance(s, all) : wait_for;
  if (why.empty()) return go_on(s, std::move(all));
  if (!late) return action(Kind::kWait, why, std::move(all));
  fill_needed(s, all);
  return action(Kind::kPause,
                "undecided after " + project::to_text(step_of(s).max_wait) + " of " + of_step(s) +
                    ": " + (wait_for.empty() ? hindrance(s, all) : wait_for),
                std::move(all));
}

Action decide_gates(const RolloutSnapshot& s) {
  if (s.gates.outcome == GateOutcome::kBlocked) return action(Kind::kStop, s.gates.words);
  if (s.gates.waits_for_person && s.newer_waits && !s.paused && s.frozen_by.empty())
    return roll_back("not approved, and a newer candidate waits", /*quarantine=*/false);
  if (s.gates.outcome == GateOutcome::kRunning) return action(Kind::kWait, s.gates.words);
  if (s.paused) return action(Kind::kWait, "paused");
  if (!s.frozen_by.empty()) return action(Kind::kWait, "frozen by " + s.frozen_by);
  if (!s.promote_asked.empty()) return action(Kind::kPromote, "asked for by " + s.promote_asked);
  if (!s.has_stable) return action(Kind::kPromote, s.gates.words + "; nothing is served yet");
  if (!s.stable_fault.empty()) return action(Kind::kPromote, s.gates.words + "; " + alone(s));
  if (s.plan.steps.empty()) return action(Kind::kPromote, s.gates.words + "; there are no steps");
  return action(Kind::kAdvance, s.gates.words);
}

}  // namespace

const char* to_string(Phase phase) {
  return name_of(phase).name;
}

Result<Phase> phase_from(std::string_view word) {
  for (const PhaseName& known : kPhases)
    if (known.name == word) return known.phase;
  return invalid("\"" + std::string(word) + "\" is no phase of a rollout");
}

bool is_over(Phase phase) {
  return name_of(phase).over;
}

bool has_traffic(Phase phase) {
  return name_of(phase).traffic;
}

const char* to_string(Action::Kind kind) {
  constexpr const char* kNames[] = {"wait",      "start_gates", "advance", "promote",
                                    "roll_back", "stop",        "pause",   "settle"};
  return kNames[static_cast<std::size_t>(kind)];
}

Action next_action(const RolloutSnapshot& s) {
  if (is_over(s.phase)) return action(Kind::kWait, std::string("it is ") + to_string(s.phase));
  // It was promoted, but can't answer: nobody should wait for a route that never comes.
  if (s.phase == Phase::kPromoting && !s.candidate_fault.empty())
    return roll_back("the candidate failed: " + s.candidate_fault, true);
  if (s.phase == Phase::kAborting || s.phase == Phase::kPromoting) {
    if (s.route_settled) return action(Kind::kSettle, "no request is on an older route any more");
    return action(Kind::kWait, "the old route still answers");
  }
  if (auto back = must_go_back(s)) return std::move(*back);
  if (s.phase == Phase::kGating) return decide_gates(s);
  if (s.phase != Phase::kPending) return decide_step(s);
  if (s.paused) return action(Kind::kWait, "paused");
  return action(Kind::kStartGates, "a candidate");
}

std::vector<GuardEvidence> weigh_guards(const RolloutSnapshot& s) {
  const bool stepping = s.phase == Phase::kShadowing || s.phase == Phase::kCanarying;
  if (!stepping || s.step < 0 || s.step >= static_cast<int>(s.plan.steps.size())) return {};
  std::vector<GuardEvidence> all = weigh_all(s);
  fill_needed(s, all);
  return all;
}

Result<Phase> phase_after(Phase phase, Kind kind, StepKind kind_of_step) {
  const Error refused = conflict(std::string("a rollout that is ") + to_string(phase) + " can't " +
                                 replace_all(to_string(kind), "_", " "));
  const bool stepping = phase == Phase::kShadowing || phase == Phase::kCanarying;
  switch (kind) {
    case Kind::kWait:
      return phase;
    case Kind::kPause:
      return is_over(phase) ? Result<Phase>(refused) : phase;
    case Kind::kStartGates:
      if (phase == Phase::kPending) return Phase::kGating;
      return refused;
    case Kind::kStop:
      if (phase == Phase::kGating) return Phase::kStopped;
      return refused;
    case Kind::kAdvance:
      if (phase != Phase::kGating && !stepping) return refused;
      return kind_of_step == StepKind::kShadow ? Phase::kShadowing : Phase::kCanarying;
    case Kind::kPromote:
      if (phase != Phase::kGating && !stepping) return refused;
      return Phase::kPromoting;
    case Kind::kRollBack:
      if (is_over(phase) || phase == Phase::kAborting) return refused;
      return Phase::kAborting;
    case Kind::kSettle:
      if (phase == Phase::kPromoting) return Phase::kLive;
      if (phase == Phase::kAborting) return Phase::kRolledBack;
      return refused;
  }
  return refused;
}

Json to_json(const GuardEvidence& g) {
  // E-values without bound are written as null: JSON knows no infinity.
  const auto finite = [](double v) { return std::isfinite(v) ? Json(v) : Json(); };
  return Json(Json::Object{{"guard", g.guard},
                           {"measure", to_string(g.measure)},
                           {"critical", g.critical},
                           {"paired", g.paired},
                           {"finding", to_string(g.finding)},
                           {"leans", g.leans},
                           {"clear", g.clear},
                           {"stable_misses", g.stable_misses},
                           {"log_e_harmful", finite(g.log_e.log_e_harmful)},
                           {"log_e_non_inferior", finite(g.log_e.log_e_non_inferior)},
                           {"log_e_superior", finite(g.log_e.log_e_superior)},
                           {"log_enough", finite(g.log_enough)},
                           {"candidate_answers", g.candidate.trials},
                           {"candidate_events", g.candidate.events},
                           {"stable_answers", g.stable.trials},
                           {"stable_events", g.stable.events},
                           {"share", g.share},
                           {"difference", g.difference},
                           {"callers", std::round(g.callers)},
                           {"design_effect", g.design_effect},
                           {"unseen_effect", g.unseen_effect},
                           {"needed", g.needed},
                           {"callers_needed", g.callers_needed},
                           {"callers_came", g.callers_came},
                           {"words", g.words}});
}

}  // namespace slipway::delivery
