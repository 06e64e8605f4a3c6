#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

// Tests that may be looked at after every answer: evidence as e-values, kept as logarithms. Under
// the hypothesis that it speaks against, an e-process reaches 1/alpha, ever, with a probability of
// at most alpha (Ville's inequality). Values only: add to them, ask them at any time. Pure; any
// thread.
//
// Shares and counts. Given how many answers each version gave, an event (an error, a slow answer)
// is on the candidate with probability p = its share of the answers if both are equally good,
// whatever the common rate is and however it changes. With x of n events on the candidate and the
// prior Beta(K p, K (1 - p)), centred at p and truncated to (p, 1):
//
//   E = [B(a + x, b + n - x) S(a + x, b + n - x) / (B(a, b) S(a, b))] / [p^x (1 - p)^(n - x)]
//
// where a = K p, b = K (1 - p) and S(a, b) = P(Beta(a, b) > p); E has expectation at most 1 for
// every true probability up to p. Parts with different shares multiply. Where each answer has at
// most one event and p is the share that was really served, x is hypergeometric, hence less spread
// than a binomial (Hoeffding 1963), and E errs on the safe side; the simulation in
// sequential_test.cc counts the false alarms.
//
// Rates within a margin. H0: candidate >= stable + margin. The likelihood under independent priors
// Beta(0.1, 1.9) of both rates, over the largest likelihood that any pair of rates in H0 gives
// (universal inference: Wasserman, Ramdas, Balakrishnan, PNAS 2020). A rate itself against a bound
// is the first test again, the bound as p.
//
// Means. Mixture sequential probability ratio test with difference d of variance v and mixing
// deviation tau (Robbins 1970; Johari, Pekelis, Walsh 2015):
//
//   E = sqrt(v / (v + tau^2)) exp(tau^2 d^2 / (2 v (v + tau^2)))
//
// one-sided (mixing over d > 0 only) times 2 Phi(tau d / sqrt(v (v + tau^2))). v is estimated, so
// this one is right for large n: fewer than kMeanMin values are no evidence. Where it is estimated
// from few clusters, d^2 / v is replaced by f log(1 + d^2 / (f v)), f being its degrees of freedom:
// what the likelihood of Student's t has where the normal one has d^2 / v.
namespace slipway::delivery {

/// K: how many events the prior of a count test weighs. 2 finds large harm soonest.
inline constexpr double kPriorWeight = 2;
inline constexpr double kNoEvidence = 0;  // log E of nothing
inline constexpr std::int64_t kMeanMin = 30;
/// The mixing deviation of a test of means, in deviations of the scores of the version (or of the
/// differences of pairs) that vary most.
inline constexpr double kMixing = 0.1;

/// Events in so many trials. 0 <= events <= trials.
struct Trials {
  std::int64_t trials = 0, events = 0;
  bool operator==(const Trials&) const = default;
};

/// What trials are worth in evidence: as many independent ones, `design_effect` times fewer
/// (clusters.h; Rao and Scott, Biometrics 1992).
struct Effective {
  double trials, events;
  Effective(std::int64_t counted, std::int64_t with_event)
      : Effective(Trials{counted, with_event}) {}
  Effective(Trials counted, double design_effect = 1)  // NOLINT: independent trials are themselves
      : trials(static_cast<double>(counted.trials) / design_effect),
        events(static_cast<double>(counted.events) / design_effect) {}
};

/// Against "an event is on the candidate with a probability of at most `share`". A share outside
/// (0, 1) compares with nothing: no evidence. Events of a part of one are those of clusters.
double log_e_above(double share, double events, double on_candidate, double weight = kPriorWeight);
/// Against "of at least `share`".
double log_e_below(double share, double events, double on_candidate, double weight = kPriorWeight);

/// The events of a rollout, part by part with its own share.
class CountTest {
 public:
  /// Counts add up while the share stays; another share begins another part.
  void add(double share, double on_candidate, double on_stable);
  /// Against "the candidate has no more than its share", and "no less".
  double log_e_worse() const;
  double log_e_better() const;
  double events() const;

 private:
  struct Part {
    double share, on_candidate, on_stable;
  };
  std::vector<Part> parts_;  // as many as shares were given in turn: the steps of a rollout
};

/// Against "the candidate's rate is at least the stable one's plus `margin`". No evidence while one
/// of them has no trials. Precondition: 0 < margin < 1.
double log_e_within(Effective candidate, Effective stable, double margin);

/// Count, mean and spread of values that come one by one (Welford), or from elsewhere (Chan et
/// al.).
struct Moments {
  std::int64_t count = 0;
  double mean = 0, squares = 0;  // squares: sum of squared distances from the mean

  /// Precondition: `value` is finite.
  void add(double value);
  void merge(const Moments& other);
  double variance() const { return count > 1 ? squares / static_cast<double>(count - 1) : 0; }
  bool operator==(const Moments&) const = default;
};

/// A difference of means, candidate less stable, with its variance and the mixing deviation.
struct MeanDifference {
  std::int64_t count = 0;  // of the smaller arm
  double difference = 0, variance = 0, mixing = 0;
  /// Of the estimate of the variance; few of them make large differences likely.
  double degrees = std::numeric_limits<double>::infinity();
};
MeanDifference split_difference(const Moments& candidate, const Moments& stable);
/// Of pairs; `stable` gives the scale where it is the larger one.
MeanDifference paired_difference(const Moments& differences, const Moments& stable);

/// Against "there is no difference".
double log_e_different(const MeanDifference& d);
/// Against "the difference is at most `bound`", and "at least".
double log_e_mean_above(const MeanDifference& d, double bound);
double log_e_mean_below(const MeanDifference& d, double bound);

/// What the evidence says about the candidate.
enum class Finding { kSuperior, kNonInferior, kHarmful, kUndecided };
/// "superior", "non_inferior", "harmful", "undecided".
const char* to_string(Finding finding);

struct Evidence {
  double log_e_harmful = kNoEvidence;
  double log_e_non_inferior = kNoEvidence;  // stays so without a margin
  double log_e_superior = kNoEvidence;
};
/// Each kind of evidence counts from 1/alpha on. A difference that is shown to lie within the
/// margin is tolerated, however certain it is; superior comes before non-inferior.
Finding decide(const Evidence& evidence, double alpha);

/// The fewest answers of the candidate with which `log_e_within` reaches 1/alpha when both versions
/// show `rate`, and the candidate gives `share` of the answers; 0 when 10^9 are not enough.
std::int64_t answers_needed(double margin, double alpha, double share, double rate);
/// The same where every request is answered by both and `rate` of them only by the candidate badly.
std::int64_t pairs_needed(double margin, double alpha, double rate);
/// Values per version (pairs, of a paired difference) with which the difference, if it and its
/// spread stay as they are, is shown to lie within the margin on both sides; 0 when unknown or
/// never.
std::int64_t mean_answers_needed(const MeanDifference& d, double margin, double alpha);

}  // namespace slipway::delivery
