#include "domain/monitor/facts.h"

#include <algorithm>
#include <cmath>

namespace slipway::monitor {
namespace {

using checks::Moments;
using wire::Json;

/// The earlier of two times, of which 0 is none.
UnixMs earlier(UnixMs a, UnixMs b) {
  if (a == 0 || b == 0) return std::max(a, b);
  return std::min(a, b);
}

Json json_of(const Moments& moments) {
  Json json(Json::Object{{"n", moments.n}});
  if (moments.n == 0) return json;
  json.set("mean", moments.mean);
  json.set("deviation", moments.deviation());
  json.set("min", moments.min);
  json.set("max", moments.max);
  return json;
}

}  // namespace

void Answers::merge(const Answers& other) {
  requests += other.requests;
  rows += other.rows;
  live += other.live;
  canary += other.canary;
  refused += other.refused;
  failed += other.failed;
  slow += other.slow;
  timed += other.timed;
  rows_not_finite += other.rows_not_finite;
  answered_weight += other.answered_weight;
  failed_weight += other.failed_weight;
  slow_weight += other.slow_weight;
  timed_weight += other.timed_weight;
  latency_us.merge(other.latency_us);
  outputs.merge(other.outputs);
  first_ms = earlier(first_ms, other.first_ms);
  last_ms = std::max(last_ms, other.last_ms);
  last_live_ms = std::max(last_live_ms, other.last_live_ms);
}

void Outcomes::add(delivery::Metric metric, double answer, double outcome) {
  ++labelled;
  if (!std::isfinite(answer) || !std::isfinite(outcome)) {
    ++not_finite;
    return;
  }
  loss.add(delivery::loss_of(metric, answer, outcome));
  predicted.add(answer);
  actual.add(outcome);
}

void Outcomes::add_classes(std::span<const float> probabilities, double outcome) {
  ++labelled;
  const bool finite = std::all_of(probabilities.begin(), probabilities.end(),
                                  [](float p) { return std::isfinite(p); });
  if (!finite || !std::isfinite(outcome)) {
    ++not_finite;
    return;
  }
  const bool is_class = outcome >= 0 && outcome == std::floor(outcome) &&
                        outcome < static_cast<double>(probabilities.size());
  const double p = is_class ? probabilities[static_cast<std::size_t>(outcome)] : 0;
  loss.add(delivery::loss_of(delivery::Metric::kLogLoss, p, 1));
  predicted.add(label_of(probabilities.data(), probabilities.size()));
  actual.add(outcome);
}

void Outcomes::merge(const Outcomes& other) {
  rows += other.rows;
  labelled += other.labelled;
  not_finite += other.not_finite;
  loss.merge(other.loss);
  predicted.merge(other.predicted);
  actual.merge(other.actual);
}

std::optional<double> value_of(delivery::Metric metric, const Outcomes& outcomes) {
  using delivery::Metric;
  if (outcomes.loss.n == 0) return std::nullopt;
  const double mean = outcomes.loss.mean;
  std::optional<double> value = mean;
  if (metric == Metric::kMaeRelative) value = mean / std::fabs(outcomes.actual.mean);
  if (metric == Metric::kRmse) value = std::sqrt(mean);
  if (metric == Metric::kAccuracy) value = 1 - mean;
  return std::isfinite(*value) ? value : std::nullopt;
}

std::optional<double> bias_of(const Outcomes& outcomes) {
  if (outcomes.actual.n == 0) return std::nullopt;
  return outcomes.predicted.mean - outcomes.actual.mean;
}

std::optional<double> relative_bias_of(const Outcomes& outcomes) {
  const std::optional<double> bias = bias_of(outcomes);
  if (!bias || outcomes.actual.mean == 0) return std::nullopt;
  return *bias / std::fabs(outcomes.actual.mean);
}

double label_of(const float* outputs, std::size_t width) {
  if (width > 1) return static_cast<double>(std::max_element(outputs, outputs + width) - outputs);
  const double one = outputs[0];
  if (!std::isfinite(one) || one == std::floor(one)) return one;
  return one > 0.5 ? 1 : 0;
}

Json to_json(const VersionFacts& facts) {
  const Answers& a = facts.answers;
  Json json(Json::Object{{"requests", a.requests},
                         {"rows", a.rows},
                         {"live", a.live},
                         {"canary", a.canary},
                         {"refused", a.refused},
                         {"failed", a.failed},
                         {"slow", a.slow},
                         {"rows_not_finite", a.rows_not_finite},
                         {"first_ms", a.first_ms},
                         {"last_ms", a.last_ms},
                         {"latency_us", json_of(a.latency_us)},
                         {"outputs", json_of(a.outputs)},
                         {"labelled", facts.outcomes.labelled}});
  if (facts.outcomes.actual.n == 0) return json;
  json.set("predicted", json_of(facts.outcomes.predicted));
  json.set("actual", json_of(facts.outcomes.actual));
  json.set("loss", json_of(facts.outcomes.loss));
  return json;
}

}  // namespace slipway::monitor
