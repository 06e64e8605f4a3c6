#include "domain/monitor/judge.h"

#include <algorithm>
#include <cmath>

#include "base/text.h"
#include "domain/checks/drift.h"
#include "domain/monitor/logged.h"

namespace slipway::monitor {
namespace {

using checks::ColumnProfile;
using checks::Severity;
using checks::Verdict;
using Outcome = checks::Status;

// A share above what is allowed is a fault when chance alone would give it less often than this.
constexpr double kChance = 0.05;
// Native rates: a rise of missing cells is one when chance makes it this rarely and it matters.
constexpr double kMissingP = 0.001, kMissingMin = 0.02;
constexpr double kOutsideWarn = 0.05;  // of a column's cells beyond the training data's range
constexpr std::size_t kColumnsMax = 20;

std::string shown(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string percent(double share) {
  return shown(100 * share) + " %";
}

std::string counted(std::int64_t n, const char* noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

double share(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

Verdict verdict(std::string check, std::int64_t n) {
  Verdict v;
  v.check = std::move(check);
  v.n = n;
  return v;
}

/// Whether `value` keeps the requirement's bounds, and the bound that it breaks, else the nearer.
bool holds(const project::Requirement& r, double value, double& threshold) {
  const bool above = r.at_most && value > *r.at_most;
  const bool below = r.at_least && value < *r.at_least;
  threshold = above || !r.at_least ? r.at_most.value_or(0) : *r.at_least;
  if (!above && !below && r.at_most && r.at_least && *r.at_most - value < value - *r.at_least)
    threshold = *r.at_most;
  return !above && !below;
}

std::string asked_for(const project::Requirement& r) {
  std::string words;
  if (r.at_most) words = "at most " + shown(*r.at_most);
  if (r.at_least)
    words += std::string(words.empty() ? "" : " and ") + "at least " + shown(*r.at_least);
  return words + " asked for";
}

Verdict compare(const project::Requirement& r, const std::string& noun, double value,
                std::int64_t n) {
  Verdict v = verdict("requirement " + r.id, n);
  double threshold = 0;
  const bool kept = holds(r, value, threshold);
  v.observed = value;
  v.threshold = threshold;
  v.status = kept ? Outcome::kPass : Outcome::kFail;
  v.words = noun + " is " + shown(value) + ", " + asked_for(r);
  return v;
}

Verdict insufficient(std::string check, std::int64_t n, std::string words) {
  Verdict v = verdict(std::move(check), n);
  v.status = n == 0 ? Outcome::kNoData : Outcome::kInsufficient;
  v.words = std::move(words);
  return v;
}

/// Answers that have a fault, of all. Where only a share of the others is logged, `n` is what the
/// logged ones stand for.
struct Share {
  std::int64_t bad = 0, logged = 0;
  double bad_weight = 0, weight = 0;

  bool is_sampled() const { return weight > static_cast<double>(logged) + 0.5; }
  std::int64_t n() const { return std::llround(weight); }
  double observed() const { return share(bad_weight, weight); }
  /// The chance of so many bad ones where a share of `allowed` is bad: of the logged answers the
  /// bad ones are more where they are logged more often than the others.
  double chance(double allowed) const {
    const double good_weight = weight - bad_weight;
    const double good_kept = good_weight > 0 ? static_cast<double>(logged - bad) / good_weight : 1;
    const double bad_kept = bad_weight > 0 ? static_cast<double>(bad) / bad_weight : 1;
    const double bad_part = allowed * bad_kept, good_part = (1 - allowed) * good_kept;
    return chance_of(bad, logged, share(bad_part, bad_part + good_part));
  }
  /// "25 of 1025 answers", "25 of about 1025 answers".
  std::string words() const {
    return std::to_string(std::llround(bad_weight)) + " of " + (is_sampled() ? "about " : "") +
           counted(n(), "answer");
  }
};

Verdict judge_share(std::string check, const std::string& what, const Share& seen, double allowed,
                    std::int64_t n_min) {
  if (seen.logged < n_min)
    return insufficient(std::move(check), seen.logged,
                        counted(seen.logged, "answer") + (seen.is_sampled() ? " logged" : "") +
                            ", " + std::to_string(n_min) + " are needed");
  Verdict v = verdict(std::move(check), seen.n());
  v.observed = seen.observed();
  v.threshold = allowed;
  v.words = seen.words() + " " + what + " (" + percent(seen.observed()) + ", at most " +
            percent(allowed) + ")";
  if (seen.is_sampled()) v.words += "; " + std::to_string(seen.logged) + " of them are logged";
  if (seen.observed() <= allowed) return v;
  const bool clear = seen.chance(allowed) < kChance;
  v.status = clear ? Outcome::kFail : Outcome::kInsufficient;
  if (!clear) v.words += ": chance does so to so few";
  return v;
}

Verdict judge_latency(const project::Requirement& r, const Answers& a, std::int64_t n_min) {
  return judge_share("requirement " + r.id,
                     "took longer than " + shown(r.at_most.value_or(0)) + " ms",
                     {a.slow, a.timed, a.slow_weight, a.timed_weight}, 1 - r.share, n_min);
}

Share failures_of(const Answers& a) {
  return {a.failed, a.requests, a.failed_weight, a.answered_weight};
}

Verdict judge_errors(std::string check, const Answers& a, double allowed, std::int64_t n_min) {
  return judge_share(std::move(check), "failed", failures_of(a), allowed, n_min);
}

std::string how_many_labels(const Outcomes& o) {
  return std::to_string(o.labelled) + " of " + counted(o.rows, "row") + " labelled";
}

Verdict too_few_labels(const project::Requirement& r, const Outcomes& o, std::int64_t n_min) {
  return insufficient("requirement " + r.id, o.labelled,
                      how_many_labels(o) + ", " + std::to_string(n_min) + " are needed");
}

Verdict judge_quality(const project::Requirement& r, delivery::Metric metric, const Outcomes& o,
                      std::int64_t n_min) {
  if (o.labelled < n_min) return too_few_labels(r, o, n_min);
  if (o.not_finite > 0) {
    Verdict v = verdict("requirement " + r.id, o.labelled);
    v.status = Outcome::kFail;
    v.words = r.metric + " is not finite: " + counted(o.not_finite, "row") + " of " +
              std::to_string(o.labelled) + " had no finite answer";
    return v;
  }
  const auto value = value_of(metric, o);
  if (!value)
    return insufficient("requirement " + r.id, o.labelled,
                        r.metric + " does not exist: the outcomes are 0 in the mean");
  Verdict v = compare(r, r.metric, *value, o.labelled);
  v.words += "; " + how_many_labels(o);
  return v;
}

/// Bias is bad on either side: the bound is on its size.
Verdict judge_bias(const project::Requirement& r, const Outcomes& o, std::int64_t n_min) {
  if (o.labelled < n_min) return too_few_labels(r, o, n_min);
  const auto bias = r.metric == "bias_relative" ? relative_bias_of(o) : bias_of(o);
  if (!bias)
    return insufficient("requirement " + r.id, o.labelled,
                        r.metric + " does not exist: the outcomes are 0 in the mean");
  Verdict v = compare(r, r.metric, std::fabs(*bias), o.labelled);
  v.observed = *bias;
  v.words =
      r.metric + " is " + shown(*bias) + ", in size " + asked_for(r) + "; " + how_many_labels(o);
  return v;
}

Verdict judge_age(const project::Requirement& r, const std::optional<double>& age) {
  if (!age) return insufficient("requirement " + r.id, 0, "no version is live");
  Verdict v = compare(r, r.metric, *age, 1);
  v.words = "the version is " + shown(*age / 86400) + " days old, at most " +
            shown(r.at_most.value_or(0) / 86400) + " asked for";
  return v;
}

Verdict judge_finite(const Answers& a) {
  Verdict v = verdict("outputs/finite", a.rows);
  v.observed = static_cast<double>(a.rows_not_finite);
  v.threshold = 0;
  v.words = counted(a.rows_not_finite, "row") + " of " + std::to_string(a.rows) +
            " answered with NaN or infinity";
  if (a.rows_not_finite > 0) v.status = Outcome::kFail;
  return v;
}

bool is_bias(const project::Requirement& r) {
  return r.metric == "bias" || r.metric == "bias_relative";
}

Verdict judge_requirement(const Question& q, const VersionFacts& f) {
  const project::Requirement& r = *q.requirement;
  const std::int64_t n_min = q.spec->min_rows;
  if (project::is_span_metric(r.metric)) return judge_age(r, q.age_seconds);
  if (is_bias(r)) return judge_bias(r, f.outcomes, n_min);
  if (const auto metric = metric_of(*q.spec, r))
    return judge_quality(r, *metric, f.outcomes, n_min);
  if (r.metric == "latency_ms") return judge_latency(r, f.answers, n_min);
  if (r.metric == "error_rate")
    return judge_errors("requirement " + r.id, f.answers, r.at_most.value_or(0), n_min);
  Verdict v = verdict("requirement " + r.id, 0);
  v.status = Outcome::kError;
  v.words = "a window cannot tell " + r.metric;
  return v;
}

// --- columns -------------------------------------------------------------------------------------

Verdict missing_rate(const ColumnProfile& now, const ColumnProfile& reference) {
  Verdict v = verdict(now.name + "/missing_rate", now.rows);
  v.column = now.name;
  const double here = share(static_cast<double>(now.missing()), static_cast<double>(now.rows));
  const double there =
      share(static_cast<double>(reference.missing()), static_cast<double>(reference.rows));
  v.observed = here;
  v.threshold = there;
  v.dialect = "native: two proportions, pooled, p < 0.001 and 2 points more";
  v.words = percent(here) + " of its cells are missing, " + percent(there) + " in the reference";
  const double p =
      checks::proportions(static_cast<double>(now.missing()), static_cast<double>(now.rows),
                          static_cast<double>(reference.missing()),
                          static_cast<double>(reference.rows))
          .p;
  if (here - there >= kMissingMin && p < kMissingP) v.status = Outcome::kFail;
  return v;
}

/// Cells beyond the reference's smallest and largest value; nothing where its bins don't tell.
std::optional<Verdict> outside_rate(const ColumnProfile& now, const ColumnProfile& reference) {
  if (!now.bins || reference.moments.n == 0) return std::nullopt;
  if (now.bins->edges().front() > reference.moments.min ||
      now.bins->edges().back() < reference.moments.max)
    return std::nullopt;
  Verdict v = verdict(now.name + "/outside_rate", now.finite());
  v.column = now.name;
  const double outside = share(static_cast<double>(now.bins->under() + now.bins->over()),
                               static_cast<double>(now.finite()));
  v.observed = outside;
  v.threshold = kOutsideWarn;
  v.words = percent(outside) + " of its values lie outside of [" + shown(reference.moments.min) +
            ", " + shown(reference.moments.max) + "], the range of the reference";
  if (outside > kOutsideWarn) v.status = Outcome::kWarn;
  return v;
}

std::vector<Verdict> judge_rates(const checks::Profile& profile, const checks::Profile& reference) {
  std::vector<Verdict> all;
  for (const ColumnProfile& now : profile.columns) {
    const ColumnProfile* before = reference.find(now.name);
    if (before == nullptr || before->rows == 0 || now.rows == 0) continue;
    all.push_back(missing_rate(now, *before));
    if (auto outside = outside_rate(now, *before)) all.push_back(std::move(*outside));
  }
  return all;
}

bool is_drift(const Verdict& v) {
  return v.check.find("/drift.") != std::string::npos ||
         v.check.find("/skew.") != std::string::npos;
}

bool was_judged(const Verdict& v) {
  return v.status == Outcome::kPass || v.status == Outcome::kWarn || v.status == Outcome::kFail;
}

/// How far beyond its threshold: what puts the likely causes in order.
double excess(const Verdict& v) {
  if (!v.observed || !v.threshold) return 0;
  return std::fabs(*v.observed - *v.threshold);
}

std::vector<std::string> likely_columns(const std::vector<Verdict>& verdicts) {
  std::vector<const Verdict*> bad;
  for (const Verdict& v : verdicts) {
    if (!v.column.empty() && (v.status == Outcome::kFail || v.status == Outcome::kWarn))
      bad.push_back(&v);
  }
  std::stable_sort(bad.begin(), bad.end(), [](const Verdict* a, const Verdict* b) {
    if (a->status != b->status) return a->status == Outcome::kFail;
    return excess(*a) > excess(*b);
  });
  std::vector<std::string> columns;
  for (const Verdict* v : bad) {
    if (std::find(columns.begin(), columns.end(), v->column) != columns.end()) continue;
    if (columns.size() < kColumnsMax) columns.push_back(v->column);
  }
  return columns;
}

std::vector<Verdict> judge_columns(const Question& q, const VersionFacts& f) {
  const Watch& watch = *q.watch;
  checks::Circumstances circumstances;
  circumstances.environment = checks::Environment::kServing;
  circumstances.now_ms = q.window.end_ms;
  if (watch.reference != nullptr) circumstances.references[watch.reference_name] = watch.reference;
  std::vector<Verdict> all = checks::evaluate(watch.suite, *f.profile, circumstances);
  if (watch.reference != nullptr) {
    for (Verdict& v : judge_rates(*f.profile, *watch.reference)) all.push_back(std::move(v));
  }
  for (const std::string& column : f.hashed) {
    Verdict v = verdict(column + "/values", 0);
    v.column = column;
    v.status = Outcome::kSkipped;
    v.words = "only hashes of this column are kept";
    all.push_back(std::move(v));
  }
  return all;
}

// --- the whole -----------------------------------------------------------------------------------

/// For people, of everything that was judged about a window beside what decides.
std::vector<Verdict> tell(const Question& q, const VersionFacts& f) {
  std::vector<Verdict> told;
  if (f.answers.requests > 0) {
    const Share failures = failures_of(f.answers);
    Verdict errors = verdict("errors", failures.n());
    errors.observed = failures.observed();
    errors.words =
        failures.words() + " failed, " + std::to_string(f.answers.refused) + " refused";
    told.push_back(std::move(errors));
  }
  if (q.requirement != nullptr && f.answers.rows > 0) told.push_back(judge_finite(f.answers));
  if (const auto bias = relative_bias_of(f.outcomes)) {
    Verdict v = verdict("bias", f.outcomes.labelled);
    v.observed = *bias;
    v.words = "answers lie " + percent(std::fabs(*bias)) + (*bias < 0 ? " below" : " above") +
              " the outcomes in the mean (" + shown(f.outcomes.predicted.mean) + " against " +
              shown(f.outcomes.actual.mean) + ")";
    told.push_back(std::move(v));
  }
  return told;
}

Status status_of(const std::vector<Verdict>& deciding) {
  bool judged = false, warned = false, unsure = false;
  for (const Verdict& v : deciding) {
    if (v.status == Outcome::kFail) return Status::kBad;
    judged |= was_judged(v);
    warned |= v.status == Outcome::kWarn;
    unsure |= v.status == Outcome::kError;
  }
  if (!judged || unsure) return Status::kUndecided;
  return warned ? Status::kWarn : Status::kGood;
}

/// The sentence of the window: what is worst of what decides.
std::string sentence(const std::vector<Verdict>& deciding, Status status) {
  const auto find = [&](auto wanted) -> const Verdict* {
    const Verdict* found = nullptr;
    for (const Verdict& v : deciding) {
      if (wanted(v) && (found == nullptr || excess(v) > excess(*found))) found = &v;
    }
    return found;
  };
  const auto has = [](Outcome wanted) {
    return [wanted](const Verdict& v) { return v.status == wanted; };
  };
  const Verdict* worst = nullptr;
  if (status == Status::kBad) worst = find(has(Outcome::kFail));
  if (status == Status::kWarn) worst = find(has(Outcome::kWarn));
  if (status == Status::kUndecided) worst = find(has(Outcome::kError));
  if (worst == nullptr && status == Status::kUndecided)
    worst = find([](const Verdict& v) { return !was_judged(v) && !v.words.empty(); });
  if (worst == nullptr && deciding.size() == 1) worst = &deciding.front();
  if (worst == nullptr) return status == Status::kGood ? "every check passed" : "nothing to judge";
  return (worst->column.empty() ? "" : worst->column + ": ") + worst->words;
}

/// A reference that is asked for and missing leaves the window undecided, whatever else passed.
bool lacks_reference(const Question& q, const std::vector<Verdict>& deciding) {
  if (q.spec->against.empty() || q.requirement != nullptr) return false;
  return std::none_of(deciding.begin(), deciding.end(),
                      [](const Verdict& v) { return is_drift(v) && was_judged(v); });
}

/// Too few rows are another reason than no reference; the first column stands for all.
std::string why_nothing_is_compared(const Question& q, const std::vector<Verdict>& deciding) {
  for (const Verdict& v : deciding) {
    if (is_drift(v) && v.status == Outcome::kInsufficient) return v.column + ": " + v.words;
  }
  return "there is nothing to compare with (against: " + q.spec->against + ")";
}

}  // namespace

const char* to_string(Status status) {
  switch (status) {
    case Status::kGood:
      return "good";
    case Status::kWarn:
      return "warn";
    case Status::kBad:
      return "bad";
    case Status::kUndecided:
      return "undecided";
  }
  return "";
}

std::optional<Status> status_from(std::string_view text) {
  for (Status status : {Status::kGood, Status::kWarn, Status::kBad, Status::kUndecided}) {
    if (text == to_string(status)) return status;
  }
  return std::nullopt;
}

Watch make_watch(const checks::Contract* declared, const project::MonitorSpec& spec,
                 const checks::Profile* reference, const std::vector<std::string>& columns) {
  Watch watch;
  watch.reference_name = spec.against;
  watch.reference = spec.against.empty() ? nullptr : reference;
  if (declared != nullptr) watch.contract = as_logged(*declared, reference);
  if (watch.reference != nullptr && spec.against == "training") {
    watch.logged = std::make_shared<checks::Profile>(as_logged(*reference));
    watch.reference = watch.logged.get();
  }
  const auto speaks_of = [&](const checks::Property& property) {
    return std::any_of(property.quality.begin(), property.quality.end(), [&](const auto& quality) {
      const auto* drift = std::get_if<checks::DriftQuality>(&quality.what);
      return drift != nullptr && drift->against == spec.against;
    });
  };
  for (const std::string& column : columns) {
    auto& properties = watch.contract.properties;
    auto found = std::find_if(properties.begin(), properties.end(),
                              [&](const auto& property) { return property.name == column; });
    if (found == properties.end()) {
      properties.push_back({});
      found = std::prev(properties.end());
      found->name = column;
    }
    if (spec.against.empty() || found->target || speaks_of(*found)) continue;
    checks::DriftQuality drift;
    drift.against = spec.against;
    drift.rows_min = spec.min_rows;
    checks::Quality quality;
    quality.what = drift;
    quality.severity = Severity::kWarn;
    found->quality.push_back(std::move(quality));
  }
  checks::References references;
  if (watch.reference != nullptr) references[watch.reference_name] = watch.reference;
  watch.suite = checks::compile(watch.contract, references);
  return watch;
}

std::optional<delivery::Metric> metric_of(const project::MonitorSpec& spec,
                                          const project::Requirement& requirement) {
  // On serving, without labels, the error rate is that of requests.
  if (requirement.metric == "error_rate" && !spec.delayed_labels) return std::nullopt;
  return delivery::metric_from(requirement.metric);
}

std::optional<double> slow_us(const project::Requirement* requirement) {
  if (requirement == nullptr || requirement->metric != "latency_ms") return std::nullopt;
  return requirement->at_most.value_or(0) * 1000;
}

double chance_of(std::int64_t k, std::int64_t n, double share) {
  if (k <= 0) return 1;
  if (k > n || share <= 0) return 0;
  if (share >= 1) return 1;
  // Downwards from k, as ratios of neighbouring terms: nothing overflows.
  const double log_first =
      std::lgamma(static_cast<double>(n) + 1) - std::lgamma(static_cast<double>(k) + 1) -
      std::lgamma(static_cast<double>(n - k) + 1) + static_cast<double>(k) * std::log(share) +
      static_cast<double>(n - k) * std::log1p(-share);
  double term = 1, sum = 1;
  for (std::int64_t i = k; i < n && term > sum * 1e-16; ++i) {
    term *= static_cast<double>(n - i) / static_cast<double>(i + 1) * share / (1 - share);
    sum += term;
    if (!std::isfinite(sum)) return 1;
  }
  return std::min(1.0, std::exp(log_first + std::log(sum)));
}

WindowVerdict judge(const Question& q, const VersionFacts& f) {
  WindowVerdict result;
  result.told = tell(q, f);
  const bool timeless = q.requirement != nullptr && project::is_span_metric(q.requirement->metric);
  if (q.requirement != nullptr) {
    result.deciding.push_back(judge_requirement(q, f));
  } else {
    if (q.watch != nullptr && f.profile) result.deciding = judge_columns(q, f);
    if (f.answers.rows > 0) result.deciding.push_back(judge_finite(f.answers));
  }
  result.status = status_of(result.deciding);
  result.words = sentence(result.deciding, result.status);
  result.columns = likely_columns(result.deciding);
  if (timeless) return result;
  if (f.answers.requests == 0) {
    result.status = Status::kUndecided;
    result.words = "nobody was answered";
  } else if (f.answers.rows < q.spec->min_rows && q.requirement == nullptr) {
    result.status = Status::kUndecided;
    result.words =
        counted(f.answers.rows, "row") + ", " + std::to_string(q.spec->min_rows) + " are needed";
  } else if (result.status != Status::kBad && lacks_reference(q, result.deciding)) {
    result.status = Status::kUndecided;
    result.words = why_nothing_is_compared(q, result.deciding);
  }
  return result;
}

}  // namespace slipway::monitor
