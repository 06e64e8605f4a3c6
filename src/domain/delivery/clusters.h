#pragma once

#include <span>
#include <vector>

#include "domain/delivery/counters.h"
#include "domain/delivery/sequential.h"

// What answers are worth when one caller gets many. A caller comes in bursts, has its own kind of
// rows and its own errors, and stays with one version: a hundred answers to it say hardly more than
// one. So what is compared varies as it does between clusters of callers (counters.h), whatever the
// reason; independent answers make clusters that vary as single answers would. Pure; any thread.
//
// Of one version, with n_b of n answers in cluster b, their sum x_b and the rate r = sum x_b / n,
// the sum over m clusters has the variance
//
//   V = (m - 1) / m sum_b [(x_b - r n_b) / (1 - n_b / n)]^2
//
// (the ratio estimator of cluster samples: Cochran, Sampling Techniques, 1977, chapter 9A; by the
// jackknife, Efron 1982, as a caller who has most of the answers is near to r whatever it is).
// Events that are independent have at most V = their number X, so V / X is the design effect by
// which their evidence shrinks (Kish 1965; Rao and Scott 1992); never below 1. Both versions: the
// candidate's events exceed their share p by (1 - p) X_c - p X_s, hence
//
//   [(1 - p)^2 V_c + p^2 V_s] / [(1 - p)^2 X_c + p^2 X_s]
//
// From a few callers nothing can be estimated: those of a cluster count as one event. And what only
// a fault of the candidate brings about (the other version was asked the same and could answer)
// shrinks by no more than kBurstMax: that many errors of one caller are no chance any more, but
// harm to it.
//
// How many callers: the chance s that two answers are to the same one (Simpson, Nature 1949), from
// the chance s' that they are in the same of k clusters, s' = s + (1 - s) / k; 1 / s callers who
// had the same number each would be as alike.
//
// Evidence that nothing is wrong shrinks by more. What never happened shows no design effect, and
// yet the next caller may be one for whom nothing works: it is weighed as if one such caller had
// been there, with as many answers a as others have (n by the number of callers, which fill
// k (1 - exp(-callers / k)) clusters; 1 where all k are filled: callers are hundreds),
//
//   [V + (1 - p)^2 a^2] / [X + (1 - p)^2 a]
//
// which is a, callers instead of answers, where nothing happened, and the design effect where much
// did.
namespace slipway::delivery {

/// From so many callers on, each version's, their variance is estimated.
inline constexpr int kCallersMin = 10;
inline constexpr double kBurstMax = 32;

/// What a guard counts, of both versions.
struct Counted {
  Trials candidate, stable;
  /// Of the answers, the candidate's; 0 when there are none.
  double share() const;
  std::int64_t events() const { return candidate.events + stable.events; }
};

/// Of one step: in all, and by clusters (none: unknown, then each answer is its own).
struct CountedPart {
  Counted whole;
  std::vector<Counted> clusters;
};

/// Steps in which callers stayed with their version: what one caller adds to several adds up.
double design_effect(std::span<const CountedPart> parts, double most = kBurstMax);
/// Of pairs, where both versions had the same requests.
double paired_design_effect(const CountedPart& part, double most = kBurstMax);
/// For evidence that nothing is wrong; `seen` is the design effect of the part. Not below it.
double unseen_effect(const CountedPart& part, double seen);
double paired_unseen_effect(const CountedPart& part, double seen);
/// How many callers that evidence comes from, while it is they who count for it; 0 where answers
/// do: from kCallersMany on, and where callers are unknown.
double callers_that_count(const CountedPart& part);
/// So many leave hardly a cluster empty: k log k.
inline constexpr double kCallersMany = 620;
/// How many callers the candidate has answered, or as alike: not more than answers; 0: unknown.
double callers_of_candidate(const CountedPart& part);

/// Widens the variance by what clusters show, and gives it their degrees of freedom; `count`
/// becomes 0, no evidence, with fewer than kCallersMin callers.
MeanDifference clustered_split(MeanDifference d, const StepCounts& counts);
MeanDifference clustered_pairs(MeanDifference d, const StepCounts& counts);

}  // namespace slipway::delivery
