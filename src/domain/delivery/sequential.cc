#include "domain/delivery/sequential.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "domain/delivery/beta.h"

namespace slipway::delivery {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();
// Of each rate where two are compared: few events are expected, and few suffice to say otherwise.
constexpr double kRateA = 0.1, kRateB = 1.9;

double real(std::int64_t n) {
  return static_cast<double>(n);
}

/// How well the prior explains the trials, beside a rate.
double log_ratio(Effective t, double rate) {
  return log_mixture_ratio(t.trials, t.events, kRateA, kRateB, rate);
}

/// The slope of the trials' log likelihood in their rate; infinite at an edge they rule out.
double slope(Effective t, double rate) {
  const double up = t.events > 0 ? t.events / rate : 0;
  const double down = t.events < t.trials ? (t.trials - t.events) / (1 - rate) : 0;
  return up - down;
}

/// The stable rate with which both are likeliest when the candidate's is `margin` more.
double likeliest_on_edge(Effective candidate, Effective stable, double margin) {
  double low = 0, high = 1 - margin;
  for (int i = 0; i < 100 && low < high; ++i) {
    const double middle = low + (high - low) / 2;
    if (middle <= low || middle >= high) break;
    const double rises = slope(candidate, middle + margin) + slope(stable, middle);
    (rises > 0 ? low : high) = middle;
  }
  // An edge where the likelihood is largest is itself the answer.
  const double edge = low == 0 ? 0 : high == 1 - margin ? high : low;
  const double inside = low + (high - low) / 2;
  const auto cost = [&](double rate) {
    return log_ratio(candidate, rate + margin) + log_ratio(stable, rate);
  };
  return cost(edge) < cost(inside) ? edge : inside;
}

/// log(2 Phi(z)), without underflow.
double log_twice_normal(double z) {
  if (z > -30) return std::log(std::erfc(-z / std::sqrt(2.0)));
  const double w = 1 / (z * z);
  constexpr double kHalfLogHalfPi = 0.22579135264472743;  // log(pi / 2) / 2
  return -z * z / 2 - std::log(-z) - kHalfLogHalfPi + std::log1p(-w + 3 * w * w);
}

/// The difference that would be as unlikely if its variance were known.
double as_if_known(double d, double v, double degrees) {
  if (!std::isfinite(degrees) || v <= 0) return d;
  const double likely = degrees * std::log1p(d * d / (v * std::max(degrees, 1.0)));
  return std::copysign(std::sqrt(v * likely), d);
}

double log_mixture(double d, double v, double tau) {
  const double total = v + tau * tau;
  return 0.5 * std::log(v / total) + tau * tau * d * d / (2 * v * total);
}

/// Against "the mean is at most 0"; d is what was seen of it.
double log_mixture_above(double d, double v, double tau) {
  if (v <= 0 || tau <= 0) return d > 0 ? kInfinite : d < 0 ? -kInfinite : kNoEvidence;
  return log_mixture(d, v, tau) + log_twice_normal(tau * d / std::sqrt(v * (v + tau * tau)));
}

/// In deviations of the scores that vary most: a candidate in other units is no less wrong for it.
double mixing_of(const Moments& stable, const Moments& others) {
  return kMixing * std::sqrt(std::max(stable.variance(), others.variance()));
}

/// The smallest n for which `enough` holds, given that it holds from there on.
std::int64_t smallest(const std::function<bool(std::int64_t)>& enough) {
  constexpr std::int64_t kMost = 1'000'000'000;
  std::int64_t high = 1;
  while (high < kMost && !enough(high)) high *= 2;
  if (high > kMost && !enough(kMost)) return 0;
  std::int64_t low = high / 2;
  while (high - low > 1) {
    const std::int64_t middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

/// Events at that rate, rounded up: what is needed must not be said too small.
Trials trials_at(std::int64_t n, double rate) {
  return {n, std::min(n, static_cast<std::int64_t>(std::ceil(real(n) * rate - 1e-9)))};
}

}  // namespace

double log_e_above(double share, double events, double on_candidate, double weight) {
  if (!(share > 0 && share < 1) || events <= 0) return kNoEvidence;
  return log_mixture_ratio_above(events, on_candidate, weight * share, weight * (1 - share), share);
}

double log_e_below(double share, double events, double on_candidate, double weight) {
  return log_e_above(1 - share, events, events - on_candidate, weight);
}

void CountTest::add(double share, double on_candidate, double on_stable) {
  if (parts_.empty() || parts_.back().share != share) parts_.push_back({share, 0, 0});
  parts_.back().on_candidate += on_candidate;
  parts_.back().on_stable += on_stable;
}

double CountTest::log_e_worse() const {
  double sum = kNoEvidence;
  for (const Part& part : parts_)
    sum += log_e_above(part.share, part.on_candidate + part.on_stable, part.on_candidate);
  return sum;
}

double CountTest::log_e_better() const {
  double sum = kNoEvidence;
  for (const Part& part : parts_)
    sum += log_e_below(part.share, part.on_candidate + part.on_stable, part.on_candidate);
  return sum;
}

double CountTest::events() const {
  double sum = 0;
  for (const Part& part : parts_) sum += part.on_candidate + part.on_stable;
  return sum;
}

double log_e_within(Effective candidate, Effective stable, double margin) {
  if (candidate.trials == 0 || stable.trials == 0) return kNoEvidence;
  const double candidate_rate = candidate.events / candidate.trials;
  const double stable_rate = stable.events / stable.trials;
  if (candidate_rate >= stable_rate + margin)  // nothing explains them better than H0 does
    return log_ratio(candidate, candidate_rate) + log_ratio(stable, stable_rate);
  const double edge = likeliest_on_edge(candidate, stable, margin);
  return log_ratio(candidate, edge + margin) + log_ratio(stable, edge);
}

void Moments::add(double value) {
  ++count;
  const double before = value - mean;
  mean += before / real(count);
  squares += before * (value - mean);
}

void Moments::merge(const Moments& other) {
  if (other.count == 0) return;
  const std::int64_t both = count + other.count;
  const double apart = other.mean - mean;
  squares += other.squares + apart * apart * (real(count) * real(other.count) / real(both));
  mean += apart * (real(other.count) / real(both));
  count = both;
}

MeanDifference split_difference(const Moments& candidate, const Moments& stable) {
  MeanDifference result;
  result.count = std::min(candidate.count, stable.count);
  if (result.count == 0) return result;
  result.difference = candidate.mean - stable.mean;
  result.variance =
      candidate.variance() / real(candidate.count) + stable.variance() / real(stable.count);
  result.mixing = mixing_of(stable, candidate);
  return result;
}

MeanDifference paired_difference(const Moments& differences, const Moments& stable) {
  MeanDifference result;
  result.count = differences.count;
  if (result.count == 0) return result;
  result.difference = differences.mean;
  result.variance = differences.variance() / real(differences.count);
  result.mixing = mixing_of(stable, differences);
  return result;
}

double log_e_different(const MeanDifference& d) {
  if (d.count < kMeanMin) return kNoEvidence;
  if (d.variance <= 0 || d.mixing <= 0) return d.difference == 0 ? kNoEvidence : kInfinite;
  return log_mixture(as_if_known(d.difference, d.variance, d.degrees), d.variance, d.mixing);
}

double log_e_mean_above(const MeanDifference& d, double bound) {
  if (d.count < kMeanMin) return kNoEvidence;
  return log_mixture_above(as_if_known(d.difference - bound, d.variance, d.degrees), d.variance,
                           d.mixing);
}

double log_e_mean_below(const MeanDifference& d, double bound) {
  if (d.count < kMeanMin) return kNoEvidence;
  return log_mixture_above(as_if_known(bound - d.difference, d.variance, d.degrees), d.variance,
                           d.mixing);
}

const char* to_string(Finding finding) {
  switch (finding) {
    case Finding::kSuperior:
      return "superior";
    case Finding::kNonInferior:
      return "non_inferior";
    case Finding::kHarmful:
      return "harmful";
    case Finding::kUndecided:
      return "undecided";
  }
  return "undecided";
}

Finding decide(const Evidence& evidence, double alpha) {
  const double enough = -std::log(alpha);
  if (evidence.log_e_superior >= enough) return Finding::kSuperior;
  if (evidence.log_e_non_inferior >= enough) return Finding::kNonInferior;
  if (evidence.log_e_harmful >= enough) return Finding::kHarmful;
  return Finding::kUndecided;
}

std::int64_t answers_needed(double margin, double alpha, double share, double rate) {
  const double enough = -std::log(alpha);
  return smallest([&](std::int64_t n) {
    const auto others = static_cast<std::int64_t>(real(n) * (1 - share) / share);
    return log_e_within(trials_at(n, rate), trials_at(std::max<std::int64_t>(others, 1), rate),
                        margin) >= enough;
  });
}

std::int64_t mean_answers_needed(const MeanDifference& d, double margin, double alpha) {
  if (d.count < kMeanMin || std::fabs(d.difference) >= margin) return 0;
  const double enough = -std::log(alpha);
  return smallest([&](std::int64_t n) {
    MeanDifference then = d;
    then.count = n;
    then.variance = d.variance * real(d.count) / real(n);
    return log_e_mean_below(then, margin) >= enough && log_e_mean_above(then, -margin) >= enough;
  });
}

std::int64_t pairs_needed(double margin, double alpha, double rate) {
  const double enough = -std::log(alpha);
  return smallest([&](std::int64_t n) {
    return log_e_below(margin, real(n), real(trials_at(n, rate).events)) >= enough;
  });
}

}  // namespace slipway::delivery
