#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "domain/checks/cell_text.h"
#include "domain/checks/drift.h"
#include "domain/checks/suite.h"

namespace slipway::checks {
namespace {

using table::Type;

constexpr double kNoise = 0.001;      // a difference that chance makes this often is noise
constexpr double kEffectMin = 0.05;   // what a p-value must come with to matter (effect_of)
constexpr double kMissingMin = 0.02;  // of the share of missing cells
constexpr double kAheadMax = 86400;   // seconds: clocks and zones differ by a day at most
constexpr double kIdShare = 0.95;     // more distinct values than this: an identifier

std::string shown(double value) {
  char text[40];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

std::string counted(std::int64_t n, const char* noun) {
  return std::to_string(n) + " " + noun + (n == 1 ? "" : "s");
}

std::string percent(double share) {
  return shown(100 * share) + " %";
}

double share(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

/// Where cells broke a rule: " (row 17: 'abc', rows 20, 31)"; rows counted from 1.
std::string where(const RuleCount& rule) {
  if (rule.first_rows.empty()) return "";
  std::string text = " (first in row " + std::to_string(rule.first_rows.front() + 1);
  if (!rule.first_value.empty()) text += ": '" + rule.first_value + "'";
  return text + ")";
}

/// Judges one check; the rules of each kind in a function of its own.
class Judge {
 public:
  Judge(const Profile& profile, const Circumstances& circumstances)
      : profile_(profile), circumstances_(circumstances) {}

  std::vector<Verdict> judge(const Check& check) {
    verdict_ = {};
    extra_.clear();
    check_ = &check;
    verdict_.check = check.id;
    verdict_.column = check.column;
    verdict_.severity = check.severity;
    verdict_.n = profile_.rows;
    column_ = check.column.empty() ? nullptr : profile_.find(check.column);
    if (column_ != nullptr) verdict_.n = column_->there();
    if (!skipped()) std::visit([&](const auto& what) { judge_it(what); }, check.what);
    std::vector<Verdict> all{std::move(verdict_)};
    for (Verdict& more : extra_) all.push_back(std::move(more));
    return all;
  }

 private:
  // --- where a check does not apply ---

  bool skip(std::string why) {
    verdict_.status = Status::kSkipped;
    verdict_.words = std::move(why);
    return true;
  }

  bool skipped() {
    const Environment here = circumstances_.environment;
    const std::vector<Environment>& where = check_->environments;
    if (!where.empty() && std::find(where.begin(), where.end(), here) == where.end())
      return skip(std::string("not asked for in ") + to_string(here));
    if (std::holds_alternative<NotOurs>(check_->what)) return false;
    if (here != Environment::kServing) return false;
    if (check_->target) return skip("the target is not there in serving");
    if (std::holds_alternative<Freshness>(check_->what))
      return skip("freshness is not judged in serving");
    if (is_about_rows()) return skip("the number of rows is not judged in serving");
    if (!check_->column.empty() && column_ == nullptr)
      return skip("requests do not carry this column");
    return false;
  }

  bool is_about_rows() const {
    if (std::holds_alternative<NotEmpty>(check_->what)) return true;
    const auto* count = std::get_if<CountQuality>(&check_->what);
    return count != nullptr && count->metric == CountQuality::Metric::kRows;
  }

  /// True when there is a column with values to judge; else the verdict says why not.
  bool has_values() {
    if (column_ == nullptr) {
      // Its absence is the verdict of "exists"; every other check of it cannot be made.
      verdict_.status = Status::kNoData;
      verdict_.words = "there is no such column";
      return false;
    }
    if (column_->there() > 0) return true;
    verdict_.status = Status::kNoData;
    verdict_.words = column_->rows == 0   ? "there are no rows"
                     : column_->nans == 0 ? "every cell is null"
                                          : "every cell is null or NaN";
    return false;
  }

  bool has_rows() {
    if (column_ != nullptr && column_->rows > 0) return true;
    return has_values();
  }

  // --- outcomes ---

  void broken(std::string words) {
    verdict_.status = Status::kError;
    verdict_.words = std::move(words);
  }

  /// A violation weighs as much as the check does.
  void decide(bool holds, std::string words) {
    verdict_.words = std::move(words);
    verdict_.status = holds ? Status::kPass : weight(Status::kFail);
  }

  Status weight(Status status) const {
    if (verdict_.severity == Severity::kInfo) return Status::kPass;
    if (verdict_.severity == Severity::kWarn && status == Status::kFail) return Status::kWarn;
    return status;
  }

  void observe(double value, double threshold) {
    verdict_.observed = value;
    verdict_.threshold = threshold;
  }

  /// Nothing when the profile was gathered for another contract.
  const RuleCount* rule(const std::string& id) {
    auto found = column_->rules.find(id);
    if (found != column_->rules.end()) return &found->second;
    broken("the profile has no count for '" + id + "': it was gathered for another contract");
    return nullptr;
  }

  void at_most(std::int64_t count, std::int64_t of, double share_max, const std::string& what) {
    const double seen = share(count, of);
    observe(seen, share_max);
    std::string words = counted(count, "cell") + " of " + std::to_string(of) + " " + what;
    if (share_max > 0) words += " (" + percent(seen) + ", at most " + percent(share_max) + ")";
    decide(seen <= share_max, std::move(words));
  }

  // --- structure ---

  void judge_it(const NotOurs& what) { skip("not run by Slipway: " + what.what); }

  void judge_it(const NotEmpty&) {
    observe(static_cast<double>(profile_.rows), 1);
    decide(profile_.rows > 0, counted(profile_.rows, "row"));
  }

  void judge_it(const OnlyKnownColumns& only) {
    std::vector<std::string> unknown;
    for (const std::string& name : profile_.others) {
      if (std::find(only.known.begin(), only.known.end(), name) == only.known.end())
        unknown.push_back(name);
    }
    observe(static_cast<double>(unknown.size()), 0);
    const std::size_t n = unknown.size();
    if (unknown.size() > 10) unknown.resize(10);
    decide(n == 0, n == 0 ? "every column is in the contract"
                          : std::to_string(n) + " not in the contract: " + join(unknown, ", "));
  }

  void judge_it(const Exists&) {
    decide(column_ != nullptr, column_
                                   ? std::string("it is there, ") + table::to_string(column_->type)
                                   : "there is no such column");
  }

  void judge_it(const HasType& has) {
    if (!has_values()) return;
    const Type seen = column_->type;
    const std::string words = std::string("it is ") + table::to_string(seen) + ", " +
                              table::to_string(has.type) + " is expected";
    if (seen == Type::kText && has.type != Type::kText) {
      const RuleCount* read = rule(check_->id);
      if (read == nullptr) return;
      observe(static_cast<double>(read->violations), 0);
      return decide(read->violations == 0, counted(read->violations, "cell") + " of " +
                                               std::to_string(column_->present()) +
                                               " do not read as " + table::to_string(has.type) +
                                               where(*read));
    }
    decide(fits(seen, has.type), words);
  }

  bool fits(Type seen, Type expected) const {
    if (seen == expected || expected == Type::kText) return true;
    const bool times = seen == Type::kDate || seen == Type::kTimestamp;
    switch (expected) {
      case Type::kReal:
        return seen == Type::kInteger;
      case Type::kInteger:
        return seen == Type::kReal && all_whole();
      case Type::kBool:
        return (seen == Type::kInteger || (seen == Type::kReal && all_whole())) &&
               column_->moments.min >= 0 && column_->moments.max <= 1;
      case Type::kDate:
      case Type::kTimestamp:
        return times;
      default:
        return false;
    }
  }

  bool all_whole() const {
    auto whole = column_->rules.find(check_->id + ":whole");
    return whole != column_->rules.end() && whole->second.violations == 0;
  }

  void judge_it(const NotNull&) {
    if (!has_rows()) return;
    at_most(column_->missing(), column_->rows, 0,
            column_->nans > 0 ? "are null or NaN" : "are null");
  }

  void judge_it(const KeepsRule& keeps) {
    if (!has_values()) return;
    const RuleCount* count = rule(check_->id);
    if (count == nullptr) return;
    observe(static_cast<double>(count->violations), 0);
    decide(count->violations == 0, counted(count->violations, "cell") + " of " +
                                       std::to_string(column_->there()) + " not " + keeps.words +
                                       where(*count));
  }

  void judge_it(const IsUnique& unique) {
    Bound none;
    none.at_most = 0;
    judge_repeats(unique.columns, none, false);
  }

  const Uniqueness* uniqueness_of(const std::vector<std::string>& columns) {
    if (columns.size() == 1 && column_ != nullptr)
      return column_->uniqueness ? &*column_->uniqueness : nullptr;
    for (const KeyProfile& key : profile_.keys) {
      if (key.columns == columns) return &key.uniqueness;
    }
    return nullptr;
  }

  void judge_repeats(const std::vector<std::string>& columns, const Bound& bound, bool as_percent) {
    if (!check_->column.empty() && !has_values()) return;
    if (profile_.rows == 0) {
      verdict_.status = Status::kNoData;
      verdict_.words = "there are no rows";
      return;
    }
    const Uniqueness* found = uniqueness_of(columns);
    if (found == nullptr) {
      for (const std::string& name : columns) {
        if (profile_.find(name) != nullptr) continue;
        if (circumstances_.environment == Environment::kServing) {
          skip("requests do not carry '" + name + "'");
          return;
        }
        verdict_.status = Status::kNoData;
        verdict_.words = "there is no column '" + name + "'";
        return;
      }
      return broken("uniqueness was not gathered");
    }
    verdict_.n = found->n;
    std::int64_t repeats = found->n - found->distinct;
    // An estimate within its error of "all are different" is no proof of repeats.
    const bool unsure = !found->exact && share(repeats, found->n) < 0.02;
    if (unsure) repeats = 0;
    const double value = as_percent ? 100 * share(repeats, found->n) : static_cast<double>(repeats);
    observe(value, bound.threshold(value));
    decide(bound.holds(value), counted(repeats, "value") + " of " + std::to_string(found->n) +
                                   " stand there more than once" +
                                   (found->exact ? "" : " (estimated, within 2 %)"));
  }

  void judge_it(const Freshness& freshness) {
    if (!has_values()) return;
    if (column_->moments.n == 0 ||
        (column_->type != Type::kDate && column_->type != Type::kTimestamp))
      return broken("it holds no dates or times");
    const double age =
        static_cast<double>(circumstances_.now_ms) / 1e3 - column_->moments.max / 1e6;
    observe(age, freshness.seconds_max);
    if (age < -kAheadMax) {
      return decide(false, "the newest value is " +
                               number_text(column_->moments.max, column_->type) + ", " +
                               shown(-age / 86400) +
                               " days ahead of now (at most 1): the age of the data is not known");
    }
    decide(age <= freshness.seconds_max, "the newest value is " +
                                             number_text(column_->moments.max, column_->type) +
                                             ", " + shown(age / 86400) + " days old (at most " +
                                             shown(freshness.seconds_max / 86400) + ")");
  }

  // --- library metrics ---

  void judge_it(const CountQuality& quality) {
    using Metric = CountQuality::Metric;
    if (quality.metric == Metric::kDuplicates) {
      const std::vector<std::string> own{check_->column};
      return judge_repeats(check_->column.empty() ? quality.columns : own, quality.bound,
                           quality.percent);
    }
    if (quality.metric == Metric::kRows) return count_against(quality, profile_.rows, "row");
    if (!has_rows()) return;
    if (quality.metric == Metric::kNulls)
      return count_against(quality, column_->missing(), "null cell");
    if (quality.metric == Metric::kMissing) return judge_missing(quality);
    judge_invalid(quality);
  }

  void count_against(const CountQuality& quality, std::int64_t count, const char* noun) {
    const std::int64_t rows = column_ ? column_->rows : profile_.rows;
    const double value = quality.percent ? 100 * share(count, rows) : static_cast<double>(count);
    observe(value, quality.bound.threshold(value));
    decide(quality.bound.holds(value),
           counted(count, noun) + (quality.percent ? " (" + shown(value) + " %)" : "") + ", " +
               quality.bound.words() + (quality.percent ? " %" : "") + " expected");
  }

  void judge_missing(const CountQuality& quality) {
    std::int64_t missing = column_->missing();
    if (column_->type == Type::kText) {
      const RuleCount* named = rule(check_->id);
      if (named == nullptr) return;
      missing += named->violations;
    }
    count_against(quality, missing, "missing cell");
  }

  void judge_invalid(const CountQuality& quality) {
    std::int64_t wrong = 0;
    for (const char* end : {"", ":pattern"}) {
      const bool asked = *end ? !quality.pattern.empty() : !quality.values.empty();
      if (!asked) continue;
      const RuleCount* count = rule(check_->id + end);
      if (count == nullptr) return;
      wrong = std::max(wrong, count->violations);
    }
    count_against(quality, wrong, "invalid cell");
  }

  // --- Slipway's own ---

  void judge_it(const RangeQuality& range) {
    judge_share(range.share_max, "outside of [" +
                                     (range.min ? shown(*range.min) : std::string("-inf")) + ", " +
                                     (range.max ? shown(*range.max) : std::string("inf")) + "]");
  }

  void judge_it(const DomainQuality& domain) {
    judge_share(domain.share_max, "outside of the domain");
  }

  void judge_share(double share_max, const std::string& what) {
    if (!has_values()) return;
    const RuleCount* count = rule(check_->id);
    if (count == nullptr) return;
    at_most(count->violations, column_->there(), share_max, what + where(*count));
  }

  void judge_it(const MissingQuality& missing) {
    if (!has_rows()) return;
    at_most(column_->missing(), column_->rows, missing.share_max, "are missing");
  }

  void judge_it(const FiniteQuality& finite) {
    if (column_ == nullptr || column_->present() == 0) return void(has_values());
    at_most(column_->nans + column_->infinite_low + column_->infinite_high, column_->present(),
            finite.share_max, "are NaN or infinite");
  }

  void judge_it(const StatisticQuality& statistic) {
    if (!has_values()) return;
    std::optional<double> value = statistic_of(statistic);
    if (!value) return broken("this statistic was not gathered, or the column holds no numbers");
    observe(*value, statistic.min && *value < *statistic.min ? *statistic.min
                    : statistic.max                          ? *statistic.max
                                                             : *statistic.min);
    const bool is_estimate =
        statistic.which == StatisticQuality::Which::kDistinct && !column_->distinct_is_exact();
    // An estimate within its error of the bounds is no proof that they are broken.
    const double error = is_estimate ? 3 * DistinctSketch::kStandardError * *value : 0;
    const bool holds = (!statistic.min || *value + error >= *statistic.min) &&
                       (!statistic.max || *value - error <= *statistic.max);
    decide(holds, (is_estimate ? "it is about " : "it is ") + shown(*value) +
                      (is_estimate ? " (estimated, give or take " + shown(error) + ")" : "") +
                      ", within [" + (statistic.min ? shown(*statistic.min) : std::string("-inf")) +
                      ", " + (statistic.max ? shown(*statistic.max) : std::string("inf")) +
                      "] expected");
  }

  std::optional<double> statistic_of(const StatisticQuality& statistic) const {
    using Which = StatisticQuality::Which;
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    if (statistic.which == Which::kDistinct) return column_->distinct_count();
    if (statistic.which == Which::kMin && column_->infinite_low > 0) return -kInfinity;
    if (statistic.which == Which::kMax && column_->infinite_high > 0) return kInfinity;
    if (column_->moments.n == 0) return std::nullopt;
    switch (statistic.which) {
      case Which::kMean:
        return column_->moments.mean;
      case Which::kDeviation:
        return column_->moments.deviation();
      case Which::kMin:
        return column_->moments.min;
      case Which::kMax:
        return column_->moments.max;
      default:
        if (!column_->quantiles || column_->quantiles->n() == 0) return std::nullopt;
        return column_->quantiles->quantile(statistic.quantile);
    }
  }

  void judge_it(const OrderQuality& order) {
    if (!has_values()) return;
    if (!column_->order && !column_->numeric()) {
      return broken(std::string("it is ") + table::to_string(column_->type) +
                    ": only numbers, dates and times have an order");
    }
    if (!column_->order) return broken("the order was not gathered");
    const std::int64_t wrong =
        column_->order->descents + (order.strictly ? column_->order->repeats : 0);
    observe(static_cast<double>(wrong), 0);
    decide(wrong == 0, counted(wrong, "value") + " out of order");
  }

  // --- drift ---

  void judge_it(const DriftQuality& drift) {
    if (!has_rows()) return;
    auto named = circumstances_.references.find(drift.against);
    if (named == circumstances_.references.end()) {
      skip("no reference '" + drift.against + "' was given");
      return;
    }
    const ColumnProfile* reference = named->second->find(check_->column);
    if (reference == nullptr || reference->rows == 0) {
      verdict_.status = Status::kNoData;
      verdict_.words = "the reference does not have this column";
      return;
    }
    if (is_identifier(*reference)) {
      skip("nearly every value of the reference is another one: an identifier does not drift");
      return;
    }
    Result<DriftResult> result = drift_of(drift.measure, *reference, *column_);
    if (!result.ok()) return broken(result.error().message);
    decide_drift(drift, *reference, *result);
  }

  static bool is_identifier(const ColumnProfile& reference) {
    if (reference.type != Type::kInteger && reference.type != Type::kText) return false;
    auto distinct = reference.distinct_count();
    return distinct && reference.present() > 100 &&
           *distinct > kIdShare * static_cast<double>(reference.present());
  }

  void decide_drift(const DriftQuality& drift, const ColumnProfile& reference,
                    const DriftResult& result) {
    const bool p_value = is_p_value(drift.measure);
    std::optional<double> fail = drift.fail;
    if (!drift.fail && !drift.warn) fail = default_threshold(drift.measure);
    auto reached = [&](const std::optional<double>& threshold) {
      if (!threshold) return false;
      return p_value ? result.score < *threshold : result.score >= *threshold;
    };
    verdict_.dialect = result.dialect;
    verdict_.n = result.n;
    observe(result.score, reached(fail) || !drift.warn ? *(fail ? fail : drift.warn) : *drift.warn);
    verdict_.words = std::string(to_string(drift.measure)) + " " + shown(result.score) +
                     " against " + drift.against + told(result);
    if (std::min(result.n, reference.rows) < drift.rows_min) {
      verdict_.status = Status::kInsufficient;
      verdict_.words += "; " + std::to_string(drift.rows_min) + " rows are needed, " +
                        std::to_string(std::min(result.n, reference.rows)) + " are there";
      return;
    }
    const bool noise = result.noise_p >= kNoise;
    if (!p_value && noise && (reached(fail) || reached(drift.warn)))
      verdict_.words += "; within what chance does to so few rows";
    if (!p_value && noise)
      verdict_.status = Status::kPass;
    else if (reached(fail))
      verdict_.status = weight(Status::kFail);
    else if (reached(drift.warn))
      verdict_.status = weight(Status::kWarn);
    else
      verdict_.status = Status::kPass;
    if (p_value && verdict_.status != Status::kPass) ask_for_effect(reference);
    if (is_blind_to_missing(drift.measure)) add_missing(reference);
  }

  /// With many rows every p is small: it counts only with a difference that matters.
  void ask_for_effect(const ColumnProfile& reference) {
    Result<double> effect = effect_of(reference, *column_);
    if (!effect.ok() || *effect >= kEffectMin) return;
    verdict_.status = Status::kPass;
    verdict_.words += "; the difference is too small to matter (effect " + shown(*effect) + ")";
  }

  static bool is_blind_to_missing(Measure measure) {
    return measure == Measure::kWasserstein || measure == Measure::kKolmogorovSmirnov ||
           measure == Measure::kKolmogorovSmirnovP;
  }

  /// These measures look at finite values only, so the share of the others is a verdict of its own.
  void add_missing(const ColumnProfile& reference) {
    auto gone = [](const ColumnProfile& column) { return column.rows - column.finite(); };
    const Significance z =
        proportions(static_cast<double>(gone(*column_)), static_cast<double>(column_->rows),
                    static_cast<double>(gone(reference)), static_cast<double>(reference.rows));
    const double now = share(gone(*column_), column_->rows);
    const double before = share(gone(reference), reference.rows);
    Verdict more = verdict_;
    more.check += ".missing";
    more.dialect = "native: two proportions, pooled, p < 0.001 and 2 points apart";
    more.observed = now;
    more.threshold = before;
    more.words = percent(now) + " without a finite value, " + percent(before) + " in the reference";
    const bool drifted = z.p < kNoise && std::abs(now - before) >= kMissingMin;
    more.status = drifted ? weight(Status::kFail) : Status::kPass;
    extra_.push_back(std::move(more));
  }

  static std::string told(const DriftResult& result) {
    std::string text;
    if (!result.fresh.empty()) text += "; new: " + join(result.fresh, ", ");
    if (!result.gone.empty()) text += "; gone: " + join(result.gone, ", ");
    return text;
  }

  const Profile& profile_;
  const Circumstances& circumstances_;
  const Check* check_ = nullptr;
  const ColumnProfile* column_ = nullptr;
  Verdict verdict_;
  std::vector<Verdict> extra_;
};

/// Where several p-values are judged at once, some are small by chance: only those count that stay
/// when at most one in twenty of the alarms may be a false one.
void correct_for_many(const Suite& suite, std::vector<Verdict>& verdicts) {
  std::vector<Verdict*> tested;
  std::vector<double> p;
  for (const Check& check : suite.checks) {
    const auto* drift = std::get_if<DriftQuality>(&check.what);
    if (drift == nullptr || !is_p_value(drift->measure)) continue;
    for (Verdict& verdict : verdicts) {
      const bool judged = verdict.status == Status::kPass || verdict.status == Status::kWarn ||
                          verdict.status == Status::kFail;
      if (verdict.check != check.id || !judged || !verdict.observed) continue;
      tested.push_back(&verdict);
      p.push_back(*verdict.observed);
    }
  }
  const std::vector<bool> significant = benjamini_hochberg(p, 0.05);
  for (std::size_t i = 0; i < tested.size(); ++i) {
    if (significant[i] || tested[i]->status == Status::kPass) continue;
    tested[i]->status = Status::kPass;
    tested[i]->words += "; no longer significant among " + std::to_string(p.size()) +
                        " tests (Benjamini-Hochberg, 5 %)";
  }
}

}  // namespace

std::vector<Verdict> evaluate(const Suite& suite, const Profile& profile,
                              const Circumstances& circumstances) {
  Judge judge(profile, circumstances);
  std::vector<Verdict> verdicts;
  for (const Check& check : suite.checks) {
    for (Verdict& verdict : judge.judge(check)) verdicts.push_back(std::move(verdict));
  }
  correct_for_many(suite, verdicts);
  return verdicts;
}

}  // namespace slipway::checks
