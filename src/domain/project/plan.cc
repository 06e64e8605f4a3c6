#include "domain/project/plan.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/text.h"
#include "domain/project/reader.h"

namespace slipway::project {
namespace {

std::string at(yaml::Position position, const std::string& message) {
  return yaml::error_at(kProjectFile, position, message).message;
}

double per(const Rate& rate, Span span) {
  return rate.count * static_cast<double>(span.count()) / static_cast<double>(rate.per.count());
}

std::int64_t whole(double count) {
  constexpr double kMost = 9e18;
  return static_cast<std::int64_t>(std::floor(std::min(count, kMost)));
}

std::string name_of(StepKind kind) {
  return kind == StepKind::kShadow ? "shadow" : "canary";
}

std::string name_of(const GuardSpec& guard) {
  return guard.requirement.empty() ? guard.metric : "requirement " + guard.requirement;
}

/// What a healthy version is expected to show of the events that a guard counts.
double expected_rate(const GuardSpec& guard, const Requirement* requirement, StepKind step,
                     const DeploymentFacts& facts) {
  // In shadow both answer the same requests, and what counts is where only the candidate fails.
  if (step == StepKind::kShadow) return std::min(kAssumedRate, *guard.margin / 2);
  // A share of the answers may be slow.
  if (requirement != nullptr) return std::max(kAssumedRate, 1 - requirement->share);
  return std::max(kAssumedRate, facts.error_rate.value_or(0));
}

/// How a guard is tested; nothing for a metric whose spread nobody knows beforehand.
std::optional<Question> question_of(const GuardSpec& guard, StepKind step, const ProjectFile& file,
                                    const DeploymentFacts& facts) {
  const Requirement* requirement = file.find_requirement(guard.requirement);
  bool has_one = !guard.requirement.empty();
  if (has_one && (requirement == nullptr || requirement->metric != "latency_ms")) return {};
  Question question;
  if (guard.metric == "label_flips") question.measure = Measure::kFlips;
  if (guard.metric == "score_mean") question.measure = Measure::kMean;
  question.step = step;
  question.margin = *guard.margin;
  question.rate = expected_rate(guard, has_one ? requirement : nullptr, step, facts);
  return question;
}

/// Everything that one rollout's plan is made from.
struct Rollout {
  const DeploymentSpec& deployment;
  const ProjectFile& file;
  const DeploymentFacts& facts;
  const AnswersNeeded& needed;
};

bool shows_flips(const DeploymentSpec& deployment) {
  return std::any_of(deployment.rollout.begin(), deployment.rollout.end(),
                     [](const RolloutStep& s) { return s.kind == StepKind::kShadow; });
}

GuardNeed need_of(const Rollout& rollout, const GuardSpec& guard, const RolloutStep& step,
                  double alpha, Plan& plan) {
  GuardNeed need;
  need.guard = name_of(guard);
  need.margin = *guard.margin;
  std::optional<Question> question = question_of(guard, step.kind, rollout.file, rollout.facts);
  if (!question) {
    need.unknown = "the spread of its metric is not known beforehand";
    return need;
  }
  question->share = step.percent / 100;
  question->alpha = alpha;
  if (question->measure == Measure::kFlips && step.kind == StepKind::kCanary) {
    need.unknown = "flips are seen where both versions answer the same request, in shadow";
    return need;
  }
  if (!(need.margin < 1) && question->measure != Measure::kMean) {
    need.unknown = "a share of answers is never worse by 1 or more";
    return need;
  }
  need.answers = rollout.needed(*question);
  if (need.answers) return need;
  need.unknown = "no number of answers is enough";
  std::string why = step.kind == StepKind::kCanary && step.percent >= 100
                        ? " at 100 %: it leaves the live version no answers to compare with"
                        : ": its margin " + canonical_number(need.margin) + " is too small";
  plan.refusals.push_back(at(step.at, "the guard " + need.guard + " of " + rollout.deployment.name +
                                          " can't be shown in this " + name_of(step.kind) + why));
  return need;
}

std::string answers_text(std::int64_t count) {
  return std::to_string(count) + (count == 1 ? " answer" : " answers");
}

void judge_step(const Rollout& rollout, const RolloutPlan& whole_plan, const RolloutStep& step,
                const StepPlan& step_plan, Plan& plan) {
  if (!step_plan.before || step_plan.needed <= *step_plan.before) return;
  const GuardNeed* hungriest = nullptr;
  for (const GuardNeed& need : step_plan.guards) {
    if (need.answers == step_plan.needed) hungriest = &need;
  }
  std::string who = hungriest != nullptr ? "the guard " + hungriest->guard + " at its margin " +
                                               canonical_number(hungriest->margin)
                                         : "min_requests";
  plan.refusals.push_back(
      at(step.at, "this " + name_of(step.kind) + " of " + rollout.deployment.name + " can't end: " +
                      who + " needs " + answers_text(step_plan.needed) + " of the candidate, and " +
                      std::to_string(*step_plan.before) + " come before max_wait " +
                      to_text(step.max_wait) + " at " + to_text(*whole_plan.traffic) + " (" +
                      whole_plan.traffic_from + "), " + canonical_number(step.percent) +
                      " % of them; wait longer, take a larger share or a wider margin"));
}

StepPlan plan_step(const Rollout& rollout, const RolloutPlan& whole_plan, const RolloutStep& step,
                   Plan& plan) {
  StepPlan result{step.kind,     step.percent, step.min_requests, step.min_time,
                  step.max_wait, {},           step.min_requests, {}};
  for (const GuardSpec& guard : rollout.deployment.guards) {
    if (!guard.margin) continue;
    result.guards.push_back(need_of(rollout, guard, step, whole_plan.alpha, plan));
    result.needed = std::max(result.needed, result.guards.back().answers.value_or(0));
  }
  if (whole_plan.traffic && step.max_wait.count() > 0) {
    result.before = whole(per(*whole_plan.traffic, step.max_wait) * step.percent / 100);
  }
  judge_step(rollout, whole_plan, step, result, plan);
  return result;
}

void plan_rollout(const Rollout& rollout, Plan& plan) {
  const DeploymentSpec& deployment = rollout.deployment;
  RolloutPlan result;
  result.deployment = deployment.name;
  result.alpha = alpha_of(deployment);
  result.traffic = rollout.facts.traffic ? rollout.facts.traffic : deployment.traffic;
  result.traffic_from = rollout.facts.traffic ? "measured"
                        : deployment.traffic  ? "declared"
                                              : "unknown";
  for (const RolloutStep& step : deployment.rollout) {
    result.steps.push_back(plan_step(rollout, result, step, plan));
  }
  if (!deployment.rollout.empty() && !result.traffic) {
    plan.notes.push_back(at(deployment.at, "the traffic of " + deployment.name +
                                               " is not known: whether its rollout can end was not "
                                               "judged; say \"traffic:\" until a week has been "
                                               "measured"));
  }
  for (const GuardSpec& guard : deployment.guards) {
    if (guard.metric != "label_flips" || !guard.margin || deployment.rollout.empty()) continue;
    if (shows_flips(deployment)) continue;
    plan.refusals.push_back(at(guard.at, "the guard label_flips of " + deployment.name +
                                             " can't be shown: its rollout has no shadow step, and "
                                             "flips are seen where both versions answer the same "
                                             "request"));
  }
  plan.rollouts.push_back(std::move(result));
}

/// What the log has lost when a window is judged.
void judge_retention(const DeploymentSpec& deployment, const MonitorSpec& monitor, Plan& plan) {
  const Span retention = deployment.log.retention;
  if (retention.count() == 0 || retention >= monitor.window) return;
  plan.warnings.push_back(
      at(monitor.at, "a window of the monitor " + monitor.name + " of " + deployment.name + " is " +
                         to_text(monitor.window) + ", and the log keeps answers for " +
                         to_text(retention) + " (log.retention): it would see the end of it only"));
}

void judge_windows(const DeploymentSpec& deployment, const std::optional<Rate>& traffic,
                   Plan& plan) {
  const double sample = deployment.log.sample;
  for (const MonitorSpec& monitor : deployment.monitors) {
    if (monitor.window.count() == 0) continue;
    judge_retention(deployment, monitor, plan);
    if (!traffic) continue;
    const std::int64_t rows = whole(sample * per(*traffic, monitor.window));
    if (rows >= monitor.min_rows) continue;
    const std::string kept =
        sample < 1 ? ", of which the log keeps " + python_repr(100 * sample) + " %" : "";
    plan.warnings.push_back(at(
        monitor.at, "a window of the monitor " + monitor.name + " of " + deployment.name +
                        " is expected to hold " + std::to_string(rows) + " rows (" +
                        to_text(*traffic) + " for " + to_text(monitor.window) + kept +
                        "), and it needs " + std::to_string(monitor.min_rows) +
                        ": it would stay undecided"));
  }
}

/// A model that answers goes dark where no version of it passes the gates.
void judge_takeover(const DeploymentSpec& deployment, const DeploymentFacts& facts, Plan& plan) {
  if (!facts.registry_version) return;
  plan.warnings.push_back(
      at(deployment.at, "version " + std::to_string(*facts.registry_version) + " of model " +
                            deployment.model +
                            " answers today because it is registered; once this is applied, only a "
                            "version that passes the gates of " +
                            deployment.name + " does" +
                            (deployment.gates.empty() ? "" : ": " + join(deployment.gates, ", ")) +
                            " (`slipway gates show " + deployment.name + "`)"));
}

/// What one gives its stable version, the other would take away again.
void judge_aliases(const ProjectFile& file, Plan& plan) {
  std::map<std::pair<std::string, std::string>, const DeploymentSpec*> first;
  for (const DeploymentSpec& deployment : file.deployments) {
    if (deployment.alias.empty()) continue;
    const auto [known, is_new] =
        first.try_emplace({deployment.model, deployment.alias}, &deployment);
    if (is_new) continue;
    plan.refusals.push_back(
        at(deployment.at, "deployment " + deployment.name + " would move the alias " +
                              deployment.alias + " of model " + deployment.model + ", as " +
                              known->second->name +
                              " does: give one of them another (alias: NAME), or none (alias: "
                              "none)"));
  }
}

/// A deployment is of the model whose versions it has served: they are what it would go back to.
void judge_models(const ProjectFile& next, const Facts& facts, Plan& plan) {
  for (const DeploymentSpec& deployment : next.deployments) {
    const auto known = facts.served.find(deployment.name);
    if (known == facts.served.end()) continue;
    const Served& served = known->second;
    if (served.model.empty() || served.model == deployment.model) continue;
    if (served.stable == 0 && served.candidate == 0) continue;
    plan.refusals.push_back(at(
        deployment.at, "deployment " + deployment.name + " serves model " + served.model +
                           " and can't become one of " + deployment.model +
                           ": give the new one another name, and take this one out where it is "
                           "not wanted any more"));
  }
}

/// Whoever is answered by what is taken away.
void judge_departures(const ProjectFile& before, const ProjectFile& next, const Facts& facts,
                      Plan& plan) {
  for (const DeploymentSpec& deployment : before.deployments) {
    const DeploymentSpec* successor = next.find_deployment(deployment.name);
    if (successor != nullptr && successor->model == deployment.model) continue;
    const auto served = facts.served.find(deployment.name);
    const auto known = facts.deployments.find(deployment.name);
    plan.warnings.push_back(
        farewell(deployment, next, served == facts.served.end() ? Served() : served->second,
                 known == facts.deployments.end() ? std::nullopt : known->second.traffic));
  }
}

void add(Remarks remarks, Plan& plan) {
  for (std::string& warning : remarks.warnings) plan.warnings.push_back(std::move(warning));
  for (std::string& refusal : remarks.refusals) plan.refusals.push_back(std::move(refusal));
}

}  // namespace

Plan plan(const Declared* applied, const Declared& next, const Facts& facts,
          const AnswersNeeded& needed) {
  static const DeploymentFacts kNothing;
  Plan result;
  result.first = applied == nullptr;
  result.changes = changes_between(applied, next);
  result.bindings = bindings(next.file);
  for (const DeploymentSpec& deployment : next.file.deployments) {
    auto known = facts.deployments.find(deployment.name);
    const DeploymentFacts& of_it = known == facts.deployments.end() ? kNothing : known->second;
    plan_rollout({deployment, next.file, of_it, needed}, result);
    judge_takeover(deployment, of_it, result);
    judge_windows(deployment, result.rollouts.back().traffic, result);
  }
  judge_aliases(next.file, result);
  judge_models(next.file, facts, result);
  add(unworkable(next.file), result);
  if (facts.workspace) {
    add(judge(next.file, *facts.workspace), result);
    add(silent_triggers(next.file, *facts.workspace), result);
  }
  if (facts.models) {
    Prospects found = prospects(next.file, *facts.models);
    for (std::string& note : found.notes) result.notes.push_back(std::move(note));
    add({std::move(found.warnings), {}}, result);
  }
  if (applied != nullptr) judge_departures(applied->file, next.file, facts, result);
  return result;
}

}  // namespace slipway::project
