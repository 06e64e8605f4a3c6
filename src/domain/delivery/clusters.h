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
// Of one version, with n_b answers of cluster b, their sum x_b and the rate r = sum x_b / sum n_b,
// the sum over m clusters has the variance
//
//   V = m / (m - 1) sum_b (x_b - r n_b)^2
//
// (the ratio estimator of cluster samples: Cochran, Sampling Techniques, 1977, chapter 9A). Events
// that are independent have at most V = their number X, so V / X is the design effect by which
// their evidence shrinks (Kish 1965; Rao and Scott 1992); never below 1. Both versions: the
// candidate's events exceed their share p by (1 - p) X_c - p X_s, hence
//
//   [(1 - p)^2 V_c + p^2 V_s] / [(1 - p)^2 X_c + p^2 X_s]
//
// From a few clusters nothing can be estimated: each counts as one event. And what only a fault of
// the candidate brings about (the other version was asked the same and could answer) shrinks by no
// more than kBurstMax: that many errors of one caller are no chance any more, but harm to it.
namespace slipway::delivery {

/// From so many clusters on, each version's, their variance is estimated.
inline constexpr int kClustersMin = 10;
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
/// At most `most`, and at most kBurstMax from a few clusters.
double design_effect(std::span<const CountedPart> parts, double most = kBurstMax);
/// Of pairs, where both versions had the same requests.
double paired_design_effect(const CountedPart& part, double most = kBurstMax);
/// Of them the candidate has answered so many, or more that share one; 0: unknown.
int clusters_of_candidate(const CountedPart& part);

/// Widens the variance by what clusters show, and gives it their degrees of freedom; `count`
/// becomes 0, no evidence, with fewer than kClustersMin.
MeanDifference clustered_split(MeanDifference d, const StepCounts& counts);
MeanDifference clustered_pairs(MeanDifference d, const StepCounts& counts);

}  // namespace slipway::delivery
