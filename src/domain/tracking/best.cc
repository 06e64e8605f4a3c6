#include "domain/tracking/best.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "base/text.h"
#include "domain/checks/distributions.h"

namespace slipway::tracking {
namespace {

/// The words of a name: "valLoss_2" is val, loss, 2.
std::vector<std::string> words_of(std::string_view name) {
  std::vector<std::string> words(1);
  bool was_lower = false;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
    if (!upper && !lower && !is_digit(c)) {
      if (!words.back().empty()) words.emplace_back();
      was_lower = false;
      continue;
    }
    if (upper && was_lower) words.emplace_back();
    words.back() += upper ? static_cast<char>(c - 'A' + 'a') : c;
    was_lower = lower;
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::string last_part(std::string_view name) {
  const std::size_t at = name.find_last_of("./:");
  return to_lower(at == std::string_view::npos ? name : name.substr(at + 1));
}

void summarize(Contender& contender, double confidence_each) {
  const auto n = static_cast<double>(contender.values.size());
  // By the distance from the best one, so that large values lose no digits.
  double sum = 0;
  for (const double value : contender.values) sum += value / n - contender.value / n;
  contender.mean = contender.value + sum;
  if (contender.values.size() < 2) return;
  double squares = 0;
  for (const double value : contender.values) {
    squares += (value - contender.mean) * (value - contender.mean);
  }
  const double deviation = std::sqrt(squares / (n - 1));
  if (!std::isfinite(deviation)) return;
  contender.deviation = deviation;
  if (!contender.complete) return;
  const double half =
      checks::student_quantile_of_tail((1 - confidence_each) / 2, n - 1) * deviation / std::sqrt(n);
  contender.interval = Interval{contender.mean - half, contender.mean + half};
}

Against stand(const Contender& contender, const Contender& first, Goal goal) {
  if (!contender.interval || !first.interval) return Against::kUnknown;
  if (contender.interval->overlaps(*first.interval)) return Against::kNotShown;
  const bool higher = contender.mean > first.mean;
  return higher == (goal == Goal::kMaximize) ? Against::kBetter : Against::kWorse;
}

}  // namespace

Goal goal_by_name(std::string_view metric) {
  static const std::vector<std::string> kSmall = {
      "loss",    "losses",   "error",      "err",          "mae",      "mse", "rmse",
      "rmsle",   "mape",     "smape",      "wape",         "wer",      "cer", "fid",
      "msle",    "logloss",  "perplexity", "ppl",          "deviance", "nll", "brier",
      "latency", "mlogloss", "merror",     "crossentropy", "regret"};
  const std::vector<std::string> words = words_of(metric);
  const bool small = std::any_of(words.begin(), words.end(), [](const std::string& word) {
    return std::find(kSmall.begin(), kSmall.end(), word) != kSmall.end();
  });
  return small ? Goal::kMinimize : Goal::kMaximize;
}

const std::vector<std::string>& seed_names() {
  static const std::vector<std::string> kNames = {"seed", "random_seed", "random_state",
                                                  "randomseed", "rng_seed"};
  return kNames;
}

bool may_vary(std::string_view param, const std::vector<std::string>& varying) {
  const std::string whole = to_lower(param), last = last_part(param);
  return std::any_of(varying.begin(), varying.end(), [&](const std::string& name) {
    const std::string wanted = to_lower(name);
    return wanted == whole || wanted == last;
  });
}

const char* to_string(Against against) {
  static constexpr const char* kNames[] = {"first", "worse", "better", "not_shown", "unknown"};
  return kNames[static_cast<std::size_t>(against)];
}

bool Best::shown() const {
  return contenders.size() > 1 &&
         std::all_of(contenders.begin() + 1, contenders.end(), [](const Contender& contender) {
           return contender.against == Against::kWorse;
         });
}

bool is_ahead(const Measured& a, const Measured& b, Goal goal) {
  if (a.value != b.value) return (a.value > b.value) == (goal == Goal::kMaximize);
  if (a.start_ms != b.start_ms) return a.start_ms < b.start_ms;
  return a.run_id < b.run_id;
}

std::vector<Measured> best_of_groups(const std::vector<Measured>& runs, Goal goal,
                                     std::size_t limit, std::size_t& groups) {
  std::unordered_map<std::string_view, Measured> best;
  for (const Measured& run : runs) {
    const auto [at, is_new] = best.emplace(run.group, run);
    if (!is_new && is_ahead(run, at->second, goal)) at->second = run;
  }
  groups = best.size();
  std::vector<Measured> leaders;
  for (auto& [group, run] : best) leaders.push_back(run);
  return best_of_all(std::move(leaders), goal, limit);
}

std::vector<Measured> best_of_all(std::vector<Measured> runs, Goal goal, std::size_t limit) {
  const auto end = runs.begin() + static_cast<std::ptrdiff_t>(std::min(limit, runs.size()));
  std::partial_sort(runs.begin(), end, runs.end(),
                    [goal](const Measured& a, const Measured& b) { return is_ahead(a, b, goal); });
  runs.erase(end, runs.end());
  return runs;
}

void judge(std::vector<Contender>& contenders, Goal goal, double confidence,
           double& confidence_each) {
  // The more intervals are looked at, the more often one of them misses: each is made so wide that
  // all of them hold together (Bonferroni).
  const auto intervals = std::count_if(contenders.begin(), contenders.end(),
                                       [](const Contender& c) { return c.values.size() > 1; });
  confidence_each = 1 - (1 - confidence) / static_cast<double>(std::max<long>(intervals, 1));
  for (Contender& contender : contenders) summarize(contender, confidence_each);
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    contenders[i].against =
        i == 0 ? Against::kFirst : stand(contenders[i], contenders.front(), goal);
  }
}

}  // namespace slipway::tracking
