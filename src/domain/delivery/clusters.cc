#include "domain/delivery/clusters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace slipway::delivery {
namespace {

double real(std::int64_t n) {
  return static_cast<double>(n);
}

double rate(const Trials& t) {
  return t.trials == 0 ? 0 : real(t.events) / real(t.trials);
}

/// What clusters add to a sum.
class Spread {
 public:
  /// `sum` of so many answers, where the whole has `expected` of each.
  void add(std::size_t cluster, double answers, double sum, double expected) {
    answers_[cluster] += answers;
    sums_[cluster] += sum;
    residuals_[cluster] += sum - expected * answers;
  }
  double answers() const { return std::accumulate(answers_.begin(), answers_.end(), 0.0); }
  double callers() const {
    const double n = answers();
    if (n <= 0) return 0;
    constexpr double kByChance = 1.0 / kClusters;
    const double same_cluster = squares(answers_) / (n * n);
    const double same_caller = std::max((same_cluster - kByChance) / (1 - kByChance), 1 / n);
    return 1 / same_caller;
  }
  int clusters() const {
    return static_cast<int>(
        std::count_if(answers_.begin(), answers_.end(), [](double n) { return n > 0; }));
  }
  bool is_known() const { return callers() >= kCallersMin; }
  /// Of the sum. Precondition: is_known().
  double variance() const {
    const double n = answers(), m = clusters();
    Values left_out{};  // what the sum moves by without each cluster; an empty one adds nothing
    for (std::size_t i = 0; i < kClusters; ++i)
      left_out[i] = residuals_[i] / (1 - answers_[i] / n);
    return (m - 1) / m * squares(left_out);
  }
  /// Of a sum of events that would have the variance `independent`, from few callers or many; at
  /// most `most` times that.
  double variance_of_events(double independent, double most) const {
    return std::min(is_known() ? variance() : squares(sums_), most * independent);
  }

 private:
  using Values = std::array<double, kClusters>;
  static double squares(const Values& values) {
    double sum = 0;
    for (const double v : values) sum += v * v;
    return sum;
  }
  Values answers_{}, sums_{}, residuals_{};
};

/// Who has the candidate's answers (or the pairs).
Spread answered_by_candidate(const CountedPart& part) {
  Spread spread;
  for (std::size_t i = 0; i < part.clusters.size(); ++i)
    spread.add(i, real(part.clusters[i].candidate.trials), 0, 0);
  return spread;
}

/// How many answers one caller has, by how many clusters anybody is in: of independent answers the
/// estimate is off by a little. 1 where every cluster has some: callers are hundreds.
double answers_each(const Spread& spread) {
  constexpr double kByChance = 1.4;
  const double empty = 1 - spread.clusters() / static_cast<double>(kClusters);
  if (empty <= 0 || spread.answers() <= 0) return 1;
  const double callers = -static_cast<double>(kClusters) * std::log(empty);
  const double each = spread.answers() / std::max(callers, 1.0);
  return each < kByChance ? 1 : each;
}

/// As if a caller had been there for whom nothing works; its answers weigh `weight` each.
double with_unseen(double events, double weight, const CountedPart& part, double seen) {
  const double each = answers_each(answered_by_candidate(part));
  const double burst = weight * each;
  if (part.clusters.empty() || burst <= 0) return seen;
  return std::max(seen, (seen * events + burst * each) / (events + burst));
}

/// One version's moments of some value.
template <class F>
Spread spread_of_values(const StepCounts& counts, double mean, F moments_of) {
  Spread spread;
  for (std::size_t i = 0; i < counts.clusters.size(); ++i) {
    const Moments& m = moments_of(counts.clusters[i]);
    spread.add(i, real(m.count), real(m.count) * (m.mean - mean), 0);
  }
  return spread;
}

/// By the clusters or by the answers, whatever is more.
MeanDifference widened(MeanDifference d, double variance, double callers) {
  d.variance = std::max(d.variance, variance);
  d.degrees = std::min(callers, static_cast<double>(kClusters)) - 1;
  return d;
}

double squared(std::int64_t n) {
  return real(n) * real(n);
}

}  // namespace

double Counted::share() const {
  const std::int64_t both = candidate.trials + stable.trials;
  return both == 0 ? 0 : real(candidate.trials) / real(both);
}

double design_effect(std::span<const CountedPart> parts, double most) {
  Spread candidate, stable;
  double candidate_events = 0, stable_events = 0;
  for (const CountedPart& part : parts) {
    const double p = part.whole.share(), q = 1 - p;
    const double candidate_rate = rate(part.whole.candidate), stable_rate = rate(part.whole.stable);
    for (std::size_t i = 0; i < part.clusters.size(); ++i) {
      const Trials& c = part.clusters[i].candidate;
      const Trials& s = part.clusters[i].stable;
      candidate.add(i, real(c.trials), q * real(c.events), q * candidate_rate);
      stable.add(i, real(s.trials), p * real(s.events), p * stable_rate);
      candidate_events += q * q * real(c.events);
      stable_events += p * p * real(s.events);
    }
  }
  if (candidate_events + stable_events <= 0) return 1;
  const double variance = candidate.variance_of_events(candidate_events, most) +
                          stable.variance_of_events(stable_events, most);
  return std::max(1.0, variance / (candidate_events + stable_events));
}

double paired_design_effect(const CountedPart& part, double most) {
  Spread spread;
  double events = 0;
  const Counted& whole = part.whole;
  const double expected = (rate(whole.candidate) - rate(whole.stable)) / 2;
  for (std::size_t i = 0; i < part.clusters.size(); ++i) {
    const Counted& c = part.clusters[i];
    const double excess = real(c.candidate.events - c.stable.events) / 2;
    spread.add(i, real(c.candidate.trials), excess, expected);
    events += real(c.events()) / 4;
  }
  if (events <= 0) return 1;
  return std::max(1.0, spread.variance_of_events(events, most) / events);
}

double unseen_effect(const CountedPart& part, double seen) {
  const double p = part.whole.share(), q = 1 - p;
  const double events =
      q * q * real(part.whole.candidate.events) + p * p * real(part.whole.stable.events);
  return with_unseen(events, q * q, part, seen);
}

double paired_unseen_effect(const CountedPart& part, double seen) {
  constexpr double kOfEach = 0.25;
  return with_unseen(kOfEach * real(part.whole.events()), kOfEach, part, seen);
}

double callers_that_count(const CountedPart& part) {
  const Spread spread = answered_by_candidate(part);
  const double each = answers_each(spread);
  return each > 1 ? spread.answers() / each : 0;
}

double callers_of_candidate(const CountedPart& part) {
  return answered_by_candidate(part).callers();
}

MeanDifference clustered_split(MeanDifference d, const StepCounts& counts) {
  if (counts.clusters.empty() || d.count == 0) return d;
  const Moments& candidate = counts.candidate.scores;
  const Moments& stable = counts.stable.scores;
  const Spread of_candidate = spread_of_values(
      counts, candidate.mean, [](const AnswerCounts& c) { return c.candidate.scores; });
  const Spread of_stable = spread_of_values(
      counts, stable.mean, [](const AnswerCounts& c) { return c.stable.scores; });
  if (!of_candidate.is_known() || !of_stable.is_known()) {
    d.count = 0;
    return d;
  }
  const double variance = of_candidate.variance() / squared(candidate.count) +
                          of_stable.variance() / squared(stable.count);
  return widened(d, variance, std::min(of_candidate.callers(), of_stable.callers()));
}

MeanDifference clustered_pairs(MeanDifference d, const StepCounts& counts) {
  if (counts.clusters.empty() || d.count == 0) return d;
  const Moments& differences = counts.pairs.differences;
  const Spread spread = spread_of_values(counts, differences.mean, [](const AnswerCounts& c) {
    return c.pairs.differences;
  });
  if (!spread.is_known()) {
    d.count = 0;
    return d;
  }
  return widened(d, spread.variance() / squared(differences.count), spread.callers());
}

}  // namespace slipway::delivery
