#include "domain/project/answers.h"

#include <algorithm>
#include <cmath>

namespace slipway::project {
namespace {

constexpr double kQuantile90 = 1.2815515655446004;  // of the normal law

/// log L less log 1/alpha; grows with r above kQuantile90^2.
double surplus(double r, double alpha) {
  double seen = std::sqrt(r) - kQuantile90;
  return seen * seen * r / (2 * (1 + r)) - std::log1p(r) / 2 + std::log(alpha);
}

/// Variance of one answer, and the distance at which an equal candidate lies from the margin.
struct Spread {
  double variance, distance;
};

std::optional<Spread> spread_of(const Question& q) {
  double events = q.rate * (1 - q.rate);
  bool canary = q.step == StepKind::kCanary;
  if (q.measure == Measure::kFlips) {
    if (canary || q.margin <= q.rate) return {};
    return Spread{events, q.margin - q.rate};
  }
  if (canary && q.share >= 1) return {};
  double one = q.measure == Measure::kMean ? 1 : events;
  return Spread{canary ? one / (1 - q.share) : 2 * one, q.margin};
}

}  // namespace

double alpha_of(const DeploymentSpec& deployment) {
  double tests = static_cast<double>(std::max<std::size_t>(1, deployment.guards.size()) *
                                     std::max<std::size_t>(1, deployment.rollout.size()));
  return kAlpha / tests;
}

double sequential_ratio(double alpha) {
  double low = kQuantile90 * kQuantile90, high = low + 1;
  while (surplus(high, alpha) < 0) high *= 2;
  for (int i = 0; i < 100; ++i) {
    double middle = (low + high) / 2;
    (surplus(middle, alpha) < 0 ? low : high) = middle;
  }
  return high;
}

std::optional<std::int64_t> answers_needed(const Question& question) {
  constexpr double kMost = 1e15;
  std::optional<Spread> spread = spread_of(question);
  if (!spread) return {};
  double ratio = sequential_ratio(question.alpha);
  double count = spread->variance * ratio / (spread->distance * spread->distance);
  if (question.measure != Measure::kMean) {
    count = std::max(count, std::log(question.alpha) / std::log1p(-question.margin));
  }
  if (!(count < kMost)) return {};
  return static_cast<std::int64_t>(std::ceil(count));
}

}  // namespace slipway::project
