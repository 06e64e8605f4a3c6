#include "domain/delivery/plan.h"

#include <algorithm>
#include <cmath>

namespace slipway::delivery {
namespace {

using project::RolloutStep;
using project::StepKind;
using wire::Json;

struct MeasureName {
  Measure measure;
  const char* name;
};
constexpr MeasureName kMeasures[] = {{Measure::kErrors, "error_rate"},
                                     {Measure::kSlow, "slow_rate"},
                                     {Measure::kLabelFlips, "label_flips"},
                                     {Measure::kScoreMean, "score_mean"}};

std::string place(const yaml::Position& at) {
  return std::string(project::kProjectFile) + ":" + std::to_string(at.line) + ":" +
         std::to_string(at.column) + ": ";
}

Result<Guard> guard_of_requirement(const project::GuardSpec& spec,
                                   const std::vector<project::Requirement>& requirements) {
  const auto found = std::find_if(requirements.begin(), requirements.end(),
                                  [&](const auto& r) { return r.id == spec.requirement; });
  if (found == requirements.end())
    return invalid(place(spec.at) + "there is no requirement \"" + spec.requirement + "\"");
  Guard guard{spec.requirement, Measure::kErrors, spec.margin, spec.critical, 0, {}};
  if (found->metric == "error_rate" && found->at_most) {
    guard.allowed = *found->at_most;
    return guard;
  }
  if (found->metric == "latency_ms" && found->at_most) {
    guard.measure = Measure::kSlow;
    guard.slow_ms = *found->at_most;
    guard.allowed = 1 - found->share;
    return guard;
  }
  return invalid(place(spec.at) + "requirement \"" + spec.requirement + "\" is about " +
                 found->metric +
                 ": a guard needs one about error_rate or latency_ms, with at_most");
}

Result<Guard> make_guard(const project::GuardSpec& spec,
                         const std::vector<project::Requirement>& requirements) {
  if (!spec.requirement.empty()) return guard_of_requirement(spec, requirements);
  for (const MeasureName& known : kMeasures) {
    if (known.measure != Measure::kSlow && spec.metric == known.name)
      return Guard{spec.metric, known.measure, spec.margin, spec.critical, 0, {}};
  }
  return invalid(place(spec.at) + "a guard can't watch \"" + spec.metric +
                 "\": expected error_rate, score_mean or label_flips, or a requirement");
}

Result<> check_guard(const Guard& guard, const project::GuardSpec& spec,
                     const std::vector<RolloutStep>& steps) {
  const bool is_share = guard.measure != Measure::kScoreMean;
  if (guard.margin && !(*guard.margin > 0 && (!is_share || *guard.margin < 1)))
    return invalid(place(spec.at) + "margin of " + guard.name + " has to be " +
                   (is_share ? "a share between 0 and 1" : "more than 0"));
  if (guard.measure != Measure::kLabelFlips) return {};
  if (!guard.margin)
    return invalid(place(spec.at) + "label_flips needs a margin: two models never agree on all");
  const bool shadowed = std::any_of(steps.begin(), steps.end(), [](const RolloutStep& step) {
    return step.kind == StepKind::kShadow;
  });
  if (!shadowed) return invalid(place(spec.at) + "label_flips needs a shadow step");
  return {};
}

Result<> check_steps(const project::DeploymentSpec& spec) {
  if (spec.rollout.size() > kStepsMax || spec.guards.size() > kGuardsMax)
    return invalid(place(spec.at) + "a rollout has at most " + std::to_string(kStepsMax) +
                   " steps and " + std::to_string(kGuardsMax) + " guards");
  double served = 0;
  for (const RolloutStep& step : spec.rollout) {
    if (!(step.percent > 0 && step.percent <= 100))
      return invalid(place(step.at) + "percent is more than 0 and at most 100");
    if (step.kind == StepKind::kShadow) {
      if (served > 0) return invalid(place(step.at) + "a shadow step comes before canary steps");
      continue;
    }
    if (step.percent >= 100 && !spec.guards.empty())
      return invalid(place(step.at) +
                     "a canary of 100 percent leaves nothing to compare with: at most 99");
    if (step.percent < served)
      return invalid(place(step.at) + "the share of canary steps never goes down");
    served = step.percent;
  }
  return {};
}

/// Every member that a plan needs, checked once more: the catalogue is input too.
Result<double> number(const Json& json, const char* key) {
  const Json* member = json.find(key);
  if (!member || !member->is_number() || !std::isfinite(member->as_double()))
    return invalid(std::string("rollout plan: ") + key + " is missing or no number");
  return member->as_double();
}

Result<RolloutStep> step_from(const Json& json) {
  RolloutStep step;
  const Json* kind = json.find("kind");
  if (!kind || !kind->is_string()) return invalid("rollout plan: a step without a kind");
  step.kind = kind->as_string() == "shadow" ? StepKind::kShadow : StepKind::kCanary;
  step.percent = TRY(number(json, "percent"));
  step.min_requests = static_cast<std::int64_t>(TRY(number(json, "min_requests")));
  step.min_time = project::Span(static_cast<std::int64_t>(TRY(number(json, "min_time_ms"))));
  step.max_wait = project::Span(static_cast<std::int64_t>(TRY(number(json, "max_wait_ms"))));
  return step;
}

Result<Guard> guard_from(const Json& json) {
  Guard guard;
  const Json* name = json.find("name");
  const Json* measure = json.find("measure");
  const Json* critical = json.find("critical");
  if (!name || !name->is_string() || !measure || !measure->is_string() || !critical ||
      !critical->is_bool())
    return invalid("rollout plan: a guard without name, measure or critical");
  guard.name = name->as_string();
  guard.critical = critical->as_bool();
  const auto known =
      std::find_if(std::begin(kMeasures), std::end(kMeasures),
                   [&](const MeasureName& m) { return measure->as_string() == m.name; });
  if (known == std::end(kMeasures))
    return invalid("rollout plan: unknown measure \"" + measure->as_string() + "\"");
  guard.measure = known->measure;
  if (json.find("margin")) guard.margin = TRY(number(json, "margin"));
  guard.slow_ms = TRY(number(json, "slow_ms"));
  if (json.find("allowed")) guard.allowed = TRY(number(json, "allowed"));
  return guard;
}

}  // namespace

const char* to_string(Measure measure) {
  for (const MeasureName& known : kMeasures)
    if (known.measure == measure) return known.name;
  return "";
}

double RolloutPlan::alpha() const {
  return kAlpha / static_cast<double>(std::max<std::size_t>(guards.size(), 1) *
                                      std::max<std::size_t>(steps.size(), 1));
}

std::optional<double> RolloutPlan::slow_ms() const {
  for (const Guard& guard : guards)
    if (guard.measure == Measure::kSlow) return guard.slow_ms;
  return std::nullopt;
}

Result<RolloutPlan> make_plan(const project::DeploymentSpec& spec,
                              const std::vector<project::Requirement>& requirements) {
  TRY(check_steps(spec));
  RolloutPlan plan{spec.rollout, {}};
  for (const project::GuardSpec& declared : spec.guards) {
    Guard guard = TRY(make_guard(declared, requirements));
    TRY(check_guard(guard, declared, spec.rollout));
    if (guard.measure == Measure::kSlow && plan.slow_ms().value_or(guard.slow_ms) != guard.slow_ms)
      return invalid(place(declared.at) +
                     "answers are slow by one bound only: another guard has a different one");
    plan.guards.push_back(std::move(guard));
  }
  return plan;
}

bool applies(const Guard& guard, const RolloutStep& step) {
  return guard.measure != Measure::kLabelFlips || step.kind == StepKind::kShadow;
}

std::optional<std::int64_t> answers_needed(const RolloutPlan& plan, const Guard& guard,
                                           const RolloutStep& step, double rate) {
  if (!guard.margin || guard.measure == Measure::kScoreMean || !applies(guard, step))
    return std::nullopt;
  if (step.kind == StepKind::kShadow) return pairs_needed(*guard.margin, plan.alpha(), rate);
  return answers_needed(*guard.margin, plan.alpha(), step.percent / 100, rate);
}

std::optional<std::int64_t> answers_for(const project::Question& q) {
  if (q.measure == project::Measure::kMean) return project::answers_needed(q);
  const bool shadow = q.step == StepKind::kShadow;
  if (!shadow && (q.measure == project::Measure::kFlips || q.share >= 1)) return std::nullopt;
  const std::int64_t n = shadow ? pairs_needed(q.margin, q.alpha, q.rate)
                                : answers_needed(q.margin, q.alpha, q.share, q.rate);
  if (n == 0) return std::nullopt;
  return n;
}

Json to_json(const RolloutPlan& plan) {
  Json::Array steps, guards;
  for (const RolloutStep& step : plan.steps) {
    steps.push_back(
        Json(Json::Object{{"kind", step.kind == StepKind::kShadow ? "shadow" : "canary"},
                          {"percent", step.percent},
                          {"min_requests", step.min_requests},
                          {"min_time_ms", std::int64_t{step.min_time.count()}},
                          {"max_wait_ms", std::int64_t{step.max_wait.count()}}}));
  }
  for (const Guard& guard : plan.guards) {
    Json one(Json::Object{{"name", guard.name},
                          {"measure", to_string(guard.measure)},
                          {"critical", guard.critical},
                          {"slow_ms", guard.slow_ms}});
    if (guard.margin) one.set("margin", *guard.margin);
    if (guard.allowed) one.set("allowed", *guard.allowed);
    guards.push_back(std::move(one));
  }
  return Json(Json::Object{{"steps", std::move(steps)}, {"guards", std::move(guards)}});
}

Result<RolloutPlan> plan_from(const Json& json) {
  const Json* steps = json.find("steps");
  const Json* guards = json.find("guards");
  if (!steps || !steps->is_array() || !guards || !guards->is_array() ||
      steps->as_array().size() > kStepsMax || guards->as_array().size() > kGuardsMax)
    return invalid("rollout plan: no lists of steps and guards, or too long ones");
  RolloutPlan plan;
  for (const Json& step : steps->as_array()) plan.steps.push_back(TRY(step_from(step)));
  for (const Json& guard : guards->as_array()) plan.guards.push_back(TRY(guard_from(guard)));
  return plan;
}

}  // namespace slipway::delivery
