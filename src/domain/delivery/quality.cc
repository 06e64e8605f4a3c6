#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "base/text.h"
#include "domain/delivery/gates.h"

namespace slipway::delivery {
namespace {

using wire::Json;

constexpr int kReplicates = 2000;
constexpr std::size_t kNormalFrom = 20'000;  // clusters
constexpr std::size_t kRowsMin = 30;

struct MetricName {
  const char* name;
  Metric metric;
};
constexpr MetricName kMetrics[] = {
    {"mae", Metric::kMae},          {"mae_relative", Metric::kMaeRelative},
    {"mse", Metric::kMse},          {"rmse", Metric::kRmse},
    {"log_loss", Metric::kLogLoss}, {"error_rate", Metric::kErrorRate},
    {"accuracy", Metric::kAccuracy}};

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// The metric itself from the mean loss.
double metric_of(Metric metric, double mean_loss, double mean_target) {
  switch (metric) {
    case Metric::kMaeRelative:
      return mean_loss / mean_target;
    case Metric::kRmse:
      return std::sqrt(mean_loss);
    case Metric::kAccuracy:
      return 1 - mean_loss;
    default:
      return mean_loss;
  }
}

/// How much more mean loss is still no worse.
double loss_margin(Metric metric, double live_mean_loss, double margin) {
  if (metric == Metric::kRmse) return live_mean_loss * ((1 + margin) * (1 + margin) - 1);
  return live_mean_loss * margin;
}

double normal_cdf(double z) {
  return std::erfc(-z / std::sqrt(2.0)) / 2;
}

/// The inverse, by Newton's method from 0; |z| up to 8.
double normal_quantile(double p) {
  double z = 0;
  for (int i = 0; i < 100; ++i) {
    const double density = std::exp(-z * z / 2) / std::sqrt(2 * M_PI);
    const double step = std::clamp((normal_cdf(z) - p) / density, -1.0, 1.0);
    z = std::clamp(z - step, -8.0, 8.0);
    if (std::fabs(step) < 1e-12) break;
  }
  return z;
}

/// Sums and sizes of the clusters; each row its own without names.
struct Clusters {
  std::vector<double> sums, sizes;
};

Clusters gather(const std::vector<double>& values, const std::vector<std::int64_t>& names) {
  if (names.size() != values.size()) return {values, std::vector<double>(values.size(), 1)};
  std::map<std::int64_t, std::pair<double, double>> by_name;
  for (std::size_t i = 0; i < values.size(); ++i) {
    by_name[names[i]].first += values[i];
    by_name[names[i]].second += 1;
  }
  Clusters clusters;
  for (const auto& [name, sum_and_size] : by_name) {
    clusters.sums.push_back(sum_and_size.first);
    clusters.sizes.push_back(sum_and_size.second);
  }
  return clusters;
}

double ratio(double sum, double size) {
  return sum / size;
}

std::vector<double> resampled_means(const Clusters& clusters) {
  std::mt19937_64 random(20110101);
  const std::size_t n = clusters.sums.size();
  std::vector<double> means(kReplicates);
  for (double& value : means) {
    double sum = 0, size = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t pick = static_cast<std::size_t>(random() % n);
      sum += clusters.sums[pick];
      size += clusters.sizes[pick];
    }
    value = ratio(sum, size);
  }
  std::sort(means.begin(), means.end());
  return means;
}

/// The acceleration of BCa: a sixth of the skewness of the means that leave one cluster out.
double acceleration(const Clusters& clusters, double sum, double size) {
  std::vector<double> left_out;
  for (std::size_t i = 0; i < clusters.sums.size(); ++i)
    left_out.push_back(ratio(sum - clusters.sums[i], size - clusters.sizes[i]));
  const double centre = mean(left_out);
  double squares = 0, cubes = 0;
  for (const double value : left_out) {
    squares += (centre - value) * (centre - value);
    cubes += (centre - value) * (centre - value) * (centre - value);
  }
  return squares > 0 ? cubes / (6 * std::pow(squares, 1.5)) : 0;
}

/// Efron's bias-corrected and accelerated bound.
double bca_bound(const Clusters& clusters, double confidence) {
  const double sum = std::accumulate(clusters.sums.begin(), clusters.sums.end(), 0.0);
  const double size = std::accumulate(clusters.sizes.begin(), clusters.sizes.end(), 0.0);
  const std::vector<double> means = resampled_means(clusters);
  const double observed = ratio(sum, size);
  const auto below = std::lower_bound(means.begin(), means.end(), observed) - means.begin();
  const auto up_to = std::upper_bound(means.begin(), means.end(), observed) - means.begin();
  const double share = (static_cast<double>(below) + static_cast<double>(up_to)) / 2 / kReplicates;
  const double bias = normal_quantile(std::clamp(share, 1e-9, 1 - 1e-9));
  const double z = bias + normal_quantile(confidence);
  const double corrected = normal_cdf(bias + z / (1 - acceleration(clusters, sum, size) * z));
  const auto index = static_cast<std::size_t>(
      std::clamp(std::ceil(corrected * kReplicates) - 1, 0.0, kReplicates - 1.0));
  return means[index];
}

double normal_bound(const Clusters& clusters, double confidence) {
  const auto n = static_cast<double>(clusters.sums.size());
  const double sum = std::accumulate(clusters.sums.begin(), clusters.sums.end(), 0.0);
  const double size = std::accumulate(clusters.sizes.begin(), clusters.sizes.end(), 0.0);
  const double centre = ratio(sum, size);
  double squares = 0;
  for (std::size_t i = 0; i < clusters.sums.size(); ++i) {
    const double rest = clusters.sums[i] - centre * clusters.sizes[i];
    squares += rest * rest;
  }
  return centre + normal_quantile(confidence) * std::sqrt(squares * n / (n - 1)) / size;
}

/// For people: six digits.
double to_digits(double value) {
  if (!std::isfinite(value)) return value;
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value);
  return std::strtod(text, nullptr);
}

/// In few digits, unless it is just they that say on which side of the bound it is.
std::string beside(double bound, double found) {
  return python_repr(to_digits(found) == bound ? found : to_digits(found));
}

/// What is wrong with the metric alone; empty when it keeps the requirement.
std::string unmet(const project::Requirement& r, double found) {
  // Infinities are kept as the largest finite numbers.
  if (!std::isfinite(found) || std::fabs(found) == std::numeric_limits<double>::max())
    return "its " + r.metric + " is not finite";
  if (metric_from(r.metric) && found < 0)
    return "its " + r.metric + " is " + python_repr(to_digits(found)) + ", which none can be";
  if (r.at_most && found > *r.at_most)
    return "its " + r.metric + " is " + beside(*r.at_most, found) + ", at most " +
           python_repr(*r.at_most) + " is asked for";
  if (r.at_least && found < *r.at_least)
    return "its " + r.metric + " is " + beside(*r.at_least, found) + ", at least " +
           python_repr(*r.at_least) + " is asked for";
  return {};
}

GateVerdict quality(GateStatus status, std::string words, Json evidence) {
  return {kQuality, status, std::move(words), std::move(evidence)};
}

/// What is compared is the loss: of a metric that rises when the model gets better, its error.
std::string not_shown(Metric metric, double candidate_mean, double live_mean, double margin) {
  std::string percent = python_repr(to_digits(margin * 100));
  if (percent.ends_with(".0")) percent.resize(percent.size() - 2);
  if (metric != Metric::kAccuracy) return "not shown to be at most " + percent + " % worse";
  return "its error, 1 - accuracy, is " + python_repr(to_digits(candidate_mean)) +
         ", not shown to be at most " + percent + " % above the live version's " +
         python_repr(to_digits(live_mean));
}

GateVerdict compare_with_live(const QualityInput& in, Metric metric, double mean_target,
                              double candidate_mean, std::string words, Json evidence) {
  std::vector<double> differences(in.candidate_losses.size());
  for (std::size_t i = 0; i < differences.size(); ++i)
    differences[i] = in.candidate_losses[i] - in.live_losses[i];
  const double live_mean = mean(in.live_losses);
  const double live = to_digits(metric_of(metric, live_mean, mean_target));
  const double bound = upper_bound(differences, in.clusters);
  const double allowed = loss_margin(metric, live_mean, in.margin);
  evidence.set("live", live);
  evidence.set("mean_loss_difference", candidate_mean - live_mean);
  evidence.set("mean_loss_difference_upper", bound);
  evidence.set("mean_loss_margin", allowed);
  words += ", the live version's on the same rows " + python_repr(live);
  // Not a number is no bound.
  if (!(bound < allowed || (bound <= 0 && allowed >= 0)))
    return quality(GateStatus::kFail,
                   words + ": " + not_shown(metric, candidate_mean, live_mean, in.margin),
                   std::move(evidence));
  return quality(GateStatus::kPass, std::move(words), std::move(evidence));
}

}  // namespace

std::optional<Metric> metric_from(std::string_view name) {
  for (const MetricName& known : kMetrics)
    if (name == known.name) return known.metric;
  return std::nullopt;
}

double loss_of(Metric metric, double predicted, double target) {
  const double apart = predicted - target;
  switch (metric) {
    case Metric::kMae:
    case Metric::kMaeRelative:
      return std::fabs(apart);
    case Metric::kMse:
    case Metric::kRmse:
      return apart * apart;
    case Metric::kLogLoss: {
      const double p = std::clamp(predicted, 1e-15, 1 - 1e-15);
      return target > 0.5 ? -std::log(p) : -std::log1p(-p);
    }
    case Metric::kErrorRate:
    case Metric::kAccuracy:
      return apart == 0 ? 0 : 1;
  }
  return 0;
}

double upper_bound(const std::vector<double>& differences,
                   const std::vector<std::int64_t>& clusters, double confidence) {
  const Clusters gathered = gather(differences, clusters);
  if (gathered.sums.size() < 2) return HUGE_VAL;
  return gathered.sums.size() >= kNormalFrom ? normal_bound(gathered, confidence)
                                             : bca_bound(gathered, confidence);
}

GateVerdict judge_quality(const QualityInput& in) {
  const auto metric = metric_from(in.requirement.metric);
  if (!metric)
    return quality(GateStatus::kError,
                   "there is no way yet to compare two models by " + in.requirement.metric,
                   Json(Json::Object{}));
  const std::size_t rows = in.candidate_losses.size();
  Json evidence(
      Json::Object{{"rows", static_cast<std::int64_t>(rows)}, {"metric", in.requirement.metric}});
  if (rows < kRowsMin)
    return quality(GateStatus::kNoData,
                   std::to_string(rows) + " rows were held out, at least " +
                       std::to_string(kRowsMin) + " are needed",
                   std::move(evidence));
  const std::size_t different = in.different.value_or(rows);
  evidence.set("different_rows", static_cast<std::int64_t>(different));
  if (different < kRowsMin)
    return quality(GateStatus::kNoData,
                   std::to_string(rows) + " rows were held out, but only " +
                       std::to_string(different) + " different " +
                       (different == 1 ? "one" : "ones") + ", at least " +
                       std::to_string(kRowsMin) +
                       " are needed: log golden.jsonl anew with more rows that the model was not "
                       "trained on and what came true of them",
                   std::move(evidence));
  const bool relative = *metric == Metric::kMaeRelative;
  if (relative && in.targets.size() != rows)
    return quality(GateStatus::kNoData, "the hold-out has no targets to relate errors to",
                   std::move(evidence));
  const double mean_target = relative ? std::fabs(mean(in.targets)) : 1;
  const double candidate_mean = mean(in.candidate_losses);
  const double found = metric_of(*metric, candidate_mean, mean_target);
  const double shown = to_digits(found);
  evidence.set("candidate", std::isfinite(found) ? Json(shown) : Json(python_repr(found)));
  if (std::string fault = unmet(in.requirement, found); !fault.empty())
    return quality(GateStatus::kFail, std::move(fault), std::move(evidence));
  std::string words = "its " + in.requirement.metric + " is " + python_repr(shown);
  if (!in.has_live) return quality(GateStatus::kPass, std::move(words), std::move(evidence));
  if (in.live_losses.size() != rows)
    return quality(GateStatus::kNoData,
                   words + ", but the live version was not scored on the same rows",
                   std::move(evidence));
  return compare_with_live(in, *metric, mean_target, candidate_mean, std::move(words),
                           std::move(evidence));
}

GateVerdict judge_quality_by_metric(const project::Requirement& r, double candidate,
                                    std::optional<double> live, bool has_live, double margin) {
  if (metric_from(r.metric) == Metric::kMaeRelative) {  // its sign is that of the mean target
    candidate = std::fabs(candidate);
    if (live) live = std::fabs(*live);
  }
  Json evidence(Json::Object{{"metric", r.metric}, {"source", "run"}});
  evidence.set("candidate",
               std::isfinite(candidate) ? Json(candidate) : Json(python_repr(candidate)));
  if (std::string fault = unmet(r, candidate); !fault.empty())
    return quality(GateStatus::kFail, fault + " (measured by the run that trained it)", std::move(evidence));
  const std::string words =
      "its run says that its " + r.metric + " is " + python_repr(to_digits(candidate));
  if (!has_live) return quality(GateStatus::kPass, words, std::move(evidence));
  if (!live || !std::isfinite(*live))
    return quality(GateStatus::kPass,
                   words + "; the live version's was not measured on the same data",
                   std::move(evidence));
  evidence.set("live", *live);
  // What is bounded from above is better when it is smaller.
  const double worse = r.at_most ? candidate - *live : *live - candidate;
  const double allowed = std::fabs(*live) * margin;
  evidence.set("margin", allowed);
  const std::string both = words + ", the live version's is " + python_repr(to_digits(*live));
  if (worse > allowed)
    return quality(GateStatus::kFail,
                   both + ": worse by more than " + python_repr(to_digits(margin * 100)) + " %",
                   std::move(evidence));
  return quality(GateStatus::kPass, both, std::move(evidence));
}

Result<std::vector<double>> losses(const engine::Model& model, const GoldenRows& held_out,
                                   Metric metric) {
  if (held_out.targets.empty()) return missing("the rows have no targets");
  const Replay scored = replay(model, held_out);
  if (!scored.fault.empty()) return invalid(scored.fault);
  const bool labels = metric == Metric::kErrorRate || metric == Metric::kAccuracy;
  const engine::Model::Traits& traits = model.traits();
  if (labels ? !traits.classifier : traits.width != 1)
    return invalid(labels ? "a model without classes has no labels to be right or wrong"
                          : "a model with several values a row can't be compared by their size");
  std::vector<std::int64_t> classes(labels ? held_out.rows : 0);
  if (labels) model.labels(scored.values, held_out.rows, classes);
  std::vector<double> result(held_out.rows);
  for (std::size_t i = 0; i < held_out.rows; ++i)
    result[i] = loss_of(metric, labels ? static_cast<double>(classes[i]) : scored.values[i],
                        held_out.targets[i]);
  return result;
}

}  // namespace slipway::delivery
