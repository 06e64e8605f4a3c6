#pragma once

#include <vector>

#include "domain/delivery/rollout.h"

// How one guard weighs one step: part of rollout.cc, in a file of its own. Pure.
namespace slipway::delivery {

/// `canary_parts` are the canary steps up to this one, this one last; empty in shadow.
GuardEvidence weigh(const Guard& guard, const project::RolloutStep& step, const StepCounts& counts,
                    const std::vector<StepCounts>& canary_parts, double alpha);

/// Candidate answers until the guard is clear, if both versions go on as they did; 0: none needed,
/// or not to be known.
std::int64_t needed_answers(const Guard& guard, const project::RolloutStep& step,
                            const StepCounts& counts, double alpha);

}  // namespace slipway::delivery
