#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/delivery/sequential.h"
#include "domain/project/answers.h"
#include "domain/project/project_file.h"
#include "io/wire/json.h"

// The rollout that a project declares, ready to be decided on: steps, guards with what they
// measure, and how sure they have to be. Values; pure.
namespace slipway::delivery {

/// What a guard looks at.
enum class Measure {
  kErrors,      // share of answers that failed
  kSlow,        // share of answers slower than a requirement
  kLabelFlips,  // share of pairs with different labels: in shadow only
  kScoreMean,   // mean of the scores, up or down
};
/// "error_rate", "slow_rate", "label_flips", "score_mean".
const char* to_string(Measure measure);

struct Guard {
  std::string name;  // the metric, or the requirement's id
  Measure measure = Measure::kErrors;
  std::optional<double> margin;  // share of answers; of a mean: in deviations of the stable scores
  bool critical = false;
  double slow_ms = 0;  // kSlow: an answer that took longer is slow
  /// Of a requirement: the share of answers that may be so at most. While the stable version itself
  /// is shown to miss it, a candidate that is not shown to be better gets no further.
  std::optional<double> allowed = {};
};

/// The chance that a healthy candidate is rolled back at all, or a harmful one passes a guard with
/// a margin.
inline constexpr double kAlpha = 0.05;
inline constexpr int kStepsMax = 32, kGuardsMax = 32;

struct RolloutPlan {
  std::vector<project::RolloutStep> steps;
  std::vector<Guard> guards;

  /// kAlpha, split evenly over guards and steps: of each guard in each step.
  double alpha() const;
  /// The bound of "slow", or nothing where no guard asks.
  std::optional<double> slow_ms() const;
};

/// kInvalid, with the place in slipway.yaml, for a guard that can't be decided: a requirement that
/// is not about answers, label flips without a margin or without a shadow step, a canary step that
/// leaves nothing to compare with, shares that go down, too many steps or guards.
Result<RolloutPlan> make_plan(const project::DeploymentSpec& spec,
                              const std::vector<project::Requirement>& requirements);

/// How many answers of the candidate a guard needs in a step until it can be shown to be within its
/// margin, when both versions show `rate` of what it counts; nothing where it has no margin, is not
/// asked in that step, or depends on the spread of scores; 0 where no number suffices.
std::optional<std::int64_t> answers_needed(const RolloutPlan& plan, const Guard& guard,
                                           const project::RolloutStep& step, double rate);
/// The same for `project::plan`: what the rollout itself will ask for. Means are estimated there.
std::optional<std::int64_t> answers_for(const project::Question& question);
/// Whether the guard has anything to say in such a step.
bool applies(const Guard& guard, const project::RolloutStep& step);

/// For the catalogue: a rollout keeps the plan that it began with.
wire::Json to_json(const RolloutPlan& plan);
Result<RolloutPlan> plan_from(const wire::Json& json);

}  // namespace slipway::delivery
