#pragma once

#include <cstdint>
#include <optional>

#include "domain/project/project_file.h"

// How many answers of the candidate a guard needs before it can say "non-inferior within the
// margin", if the candidate is as good as the live version. An estimate from before the rollout;
// the rollout itself decides by what it sees. Pure; any thread.
//
// Each guard is tested one-sided with alpha = 0.05 / (guards x steps). The test is the mixture SPRT
// for a difference d of variance v with mixing deviation tau (Robbins 1970; Johari, Pekelis, Walsh
// 2015), which says "within" once
//
//   L = sqrt(v / (v + tau^2)) exp(tau^2 d^2 / (2 v (v + tau^2))) >= 1 / alpha
//
// where d is the distance of what was seen from the margin. Tuned to the question, tau = margin.
// A candidate that is as good as the live version lies at d = margin, less chance: with probability
// 0.9 at least margin - 1.2816 sqrt(v). With r = margin^2 / v the condition becomes
//
//   (sqrt(r) - 1.2816)^2 r / (2 (1 + r)) - ln(1 + r) / 2 >= ln(1 / alpha)
//
// and r* is the least r that meets it. The variance after n answers of the candidate, with the
// variance s^2 of one answer:
//
//   shadow (the same request to both):   v = 2 s^2 / n at most, so        n = 2 s^2 r* / margin^2
//   canary (share p to the candidate):   v = s^2 / n + s^2 / (n (1-p)/p), n = s^2 r* / ((1-p)
//   margin^2)
//
// Shadow counts the answers as independent; those of two similar models are not, and fewer suffice.
// s^2 is q (1 - q) for events (errors, slow answers) of rate q; 1 for score_mean, whose margin is
// in standard deviations. Flips are seen in pairs: their rate q itself, d = margin - q, v = q (1-q)
// / n. Where events are rare the normal law promises too much, so n is at least ln(1/alpha) / -ln(1
// - margin): with fewer answers not even a faultless candidate differs from one at the margin.
namespace slipway::project {

/// For all guards and steps of a rollout together.
inline constexpr double kAlpha = 0.05;
/// Assumed rate of errors, slow answers and flips where none was measured.
inline constexpr double kAssumedRate = 0.01;

/// Of one guard in one step.
double alpha_of(const DeploymentSpec& deployment);

enum class Measure { kEvents, kFlips, kMean };
struct Question {
  Measure measure = Measure::kEvents;
  StepKind step = StepKind::kShadow;
  double share = 1;  // of the answers that the candidate gives in a canary
  double margin = 0;
  double alpha = kAlpha;
  /// Of kEvents and kFlips; in shadow how often only the candidate shows them.
  double rate = kAssumedRate;
};
/// Nothing when no number is enough: a canary that leaves the live version no answers, flips in a
/// canary, a margin of flips that the assumed rate reaches already.
std::optional<std::int64_t> answers_needed(const Question& question);

/// r* above. Precondition: 0 < alpha < 1.
double sequential_ratio(double alpha);

}  // namespace slipway::project
