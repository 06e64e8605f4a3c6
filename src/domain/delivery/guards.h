#pragma once

#include <vector>

#include "domain/delivery/rollout.h"

// How one guard weighs one step: part of rollout.cc, in a file of its own. Pure.
namespace slipway::delivery {

/// `canary_parts` are the canary steps up to this one, this one last; empty in shadow.
GuardEvidence weigh(const Guard& guard, const project::RolloutStep& step, const StepCounts& counts,
                    const std::vector<StepCounts>& canary_parts, double alpha);

/// What a guard without a margin has against letting a candidate go on, each as log E.
struct Leaning {
  std::int64_t events = 0;  // of the candidate
  double weighed = 0;       // of harm, callers weighed by how alike their answers are
  double one_by_one = 0;    // of harm, were each answer a caller's own
  double little = 0;        // of the candidate doing it at most kLittle more often
};
inline constexpr double kLeaning = 4;  // E: by chance once in four rollouts, at most
inline constexpr double kLittle = 0.01;

/// Whether more answers have to tell if that is harm. Evidence shrinks where few callers have many
/// answers, so harm to one of them takes a while to be shown, and until then it is no sign of
/// health. One event is none; nor is what many answers show to be little.
bool leans_to_harm(const Leaning& leaning, double log_enough);

/// "48 of 98 answers of the candidate failed, 0 of 147 of the stable version".
std::string failures_in_words(const Trials& candidate, const Trials& stable);

/// What is missing until the guard is clear, if both versions go on as they did: `needed` answers,
/// or, where more answers to the same callers can't show it, `callers_needed`, which `words` say.
void add_need(const Guard& guard, const project::RolloutStep& step, const StepCounts& counts,
              double alpha, GuardEvidence& evidence);

}  // namespace slipway::delivery
