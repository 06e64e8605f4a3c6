#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <thread>
#include <unordered_set>

#include "base/text.h"
#include "domain/checks/cell_text.h"
#include "domain/checks/kernels.h"
#include "domain/checks/pattern.h"
#include "domain/checks/plan.h"
#include "domain/checks/stable_hash.h"

namespace slipway::checks {
namespace {

using table::ColumnView;
using table::kChunkRowsMax;
using table::Type;

constexpr std::size_t kNumbersMax = 10'000;  // different whole numbers that are counted one by one
constexpr std::size_t kRealsMax = 400;       // other numbers
constexpr std::size_t kEarly = 16'384;       // values that own bins are told from

/// Hashes seen so far, for exact uniqueness; empty once there are too many.
class Seen {
 public:
  /// `while_likely`: exactness is of no use once many values were there twice.
  explicit Seen(bool while_likely = false) : while_likely_(while_likely) {}

  void add_all(std::span<const std::uint64_t> hashes) {
    // What is looked up soon is fetched meanwhile: of many values the slots lie far apart.
    constexpr std::size_t kAhead = 16;
    for (std::size_t i = 0; i < hashes.size(); ++i) {
      if (exact_ && i + kAhead < hashes.size() && !slots_.empty())
        __builtin_prefetch(&slots_[hashes[i + kAhead] & (slots_.size() - 1)]);
      add(hashes[i]);
    }
  }
  void add(std::uint64_t hash) {
    ++n_;
    if (!exact_) return sketch_.add(hash);
    if (hash == 0) hash = 1;  // 0 marks a free slot
    if (slots_.size() < 2 * (size_ + 1)) grow();
    if (!exact_) return sketch_.add(hash);
    std::size_t at = hash & (slots_.size() - 1);
    while (slots_[at] != 0) {
      if (slots_[at] == hash) return;
      at = (at + 1) & (slots_.size() - 1);
    }
    slots_[at] = hash;
    ++size_;
  }
  Uniqueness result() const {
    if (exact_) return {n_, static_cast<std::int64_t>(size_), true};
    return {n_, std::min(n_, static_cast<std::int64_t>(std::llround(sketch_.estimate()))), false};
  }

 private:
  void grow() {
    std::vector<std::uint64_t> old = std::move(slots_);
    const bool unlikely =
        while_likely_ && static_cast<double>(size_) < 0.9 * static_cast<double>(n_);
    if (size_ >= Profiler::kUniqueMax || (unlikely && size_ >= 512)) {
      exact_ = false;
      for (std::uint64_t hash : old) {
        if (hash != 0) sketch_.add(hash);
      }
      slots_ = {};
      return;
    }
    slots_.assign(old.empty() ? 64 : old.size() * 2, 0);
    for (std::uint64_t hash : old) {
      if (hash == 0) continue;
      std::size_t at = hash & (slots_.size() - 1);
      while (slots_[at] != 0) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = hash;
    }
  }

  std::vector<std::uint64_t> slots_;
  std::size_t size_ = 0;
  std::int64_t n_ = 0;
  bool exact_ = true;
  bool while_likely_;
  DistinctSketch sketch_;
};

std::uint64_t cell_hash(const ColumnView& view, std::size_t row) {
  switch (view.type) {
    case Type::kBool:
      return hash_of(std::int64_t{view.bools[row]});
    case Type::kInteger:
    case Type::kDate:
    case Type::kTimestamp:
      return hash_of(view.integers[row]);
    case Type::kReal:
      return hash_of(view.reals[row]);
    case Type::kText:
      return hash_of(view.texts[row]);
    case Type::kOther:
      return 0;
  }
  return 0;
}

std::string cell_text(const ColumnView& view, std::size_t row) {
  if (view.type == Type::kText) return std::string(view.texts[row].substr(0, Frequent::kTextMax));
  if (view.type == Type::kReal) return number_text(view.reals[row], view.type);
  if (view.type == Type::kBool) return view.bools[row] ? "true" : "false";
  return number_text(static_cast<double>(view.integers[row]), view.type);
}

/// Texts by their hash, which whoever asks has computed already.
class TextSet {
 public:
  TextSet() = default;
  /// `texts` must outlive it.
  explicit TextSet(const std::set<std::string, std::less<>>& texts)
      : slots_(std::bit_ceil(2 * texts.size() + 2)) {
    for (const std::string& text : texts) {
      std::size_t at = hash_of(text) & (slots_.size() - 1);
      while (slots_[at].data() != nullptr) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = text;
    }
  }
  bool contains(std::string_view text, std::uint64_t hash) const {
    for (std::size_t at = hash & (slots_.size() - 1); slots_[at].data() != nullptr;
         at = (at + 1) & (slots_.size() - 1))
      if (slots_[at] == text) return true;
    return false;
  }

 private:
  std::vector<std::string_view> slots_;  // null: free
};

/// A rule made ready for the type of its column.
class RuleCounter {
 public:
  RuleCounter(const NamedRule& rule, Type type, bool confidential)
      : id_(rule.id), rule_(&rule.rule), confidential_(confidential) {
    const auto* multiple = std::get_if<MultipleOf>(rule_);
    idle_ = !(std::holds_alternative<WithinRange>(*rule_) ||
              std::holds_alternative<OneOf>(*rule_) || multiple) ||
            (multiple && multiple->step == 1 && type != Type::kReal);
    if (const auto* set = std::get_if<OneOf>(rule_)) {
      if (type == Type::kText) {
        allowed_ = TextSet(set->values);
      } else {
        for (const std::string& value : set->values) {
          if (value == "true" || value == "false")
            numbers_.insert(value == "true" ? 1 : 0);
          else if (auto number = to_double(value))
            numbers_.insert(*number);
        }
      }
    }
    if (const auto* range = std::get_if<WithinRange>(rule_)) {
      constexpr double kInfinity = std::numeric_limits<double>::infinity();
      min_ = range->min ? *range->min : -kInfinity;
      max_ = range->max ? *range->max : kInfinity;
      if (range->min_open) min_ = std::nextafter(min_, kInfinity);
      if (range->max_open) max_ = std::nextafter(max_, -kInfinity);
    }
  }

  const std::string& id() const { return id_; }
  const RuleCount& count() const { return count_; }

  /// Whether nothing among `values` can break the rule, found out quickly.
  bool all_keep(std::span<const double> values) const {
    if (idle_) return true;
    return std::holds_alternative<WithinRange>(*rule_) &&
           count_outside(values.data(), values.size(), min_, max_) == 0;
  }

  bool keeps(double value) const {
    if (std::holds_alternative<WithinRange>(*rule_)) return value >= min_ && value <= max_;
    if (std::holds_alternative<OneOf>(*rule_)) return numbers_.contains(value);
    if (const auto* multiple = std::get_if<MultipleOf>(rule_)) {
      const double times = value / multiple->step;
      return std::abs(times - std::round(times)) <= 1e-9 * std::max(1.0, std::abs(times));
    }
    return true;
  }

  /// Whether keeps() of a text wants its hash.
  bool wants_hash() const { return std::holds_alternative<OneOf>(*rule_); }
  /// `hash` is that of the text where it is wanted.
  bool keeps(std::string_view text, std::uint64_t hash) const {
    if (const auto* length = std::get_if<WithinLength>(rule_)) {
      const auto n = static_cast<std::int64_t>(count_code_points(text));
      return (!length->min || n >= *length->min) && (!length->max || n <= *length->max);
    }
    if (const auto* pattern = std::get_if<MatchesPattern>(rule_))
      return pattern->pattern->matches(text);
    if (std::holds_alternative<OneOf>(*rule_)) return allowed_.contains(text, hash);
    if (const auto* set = std::get_if<NoneOf>(rule_)) return !set->values.contains(text);
    if (const auto* reads = std::get_if<ReadsAs>(rule_)) return reads_as(text, reads->type);
    return true;
  }

  void broken(const ColumnView& view, std::size_t row, std::int64_t rows_before) {
    ++count_.violations;
    if (count_.first_rows.size() >= RuleCount::kRowsMax) return;
    if (count_.first_rows.empty() && !confidential_) count_.first_value = cell_text(view, row);
    count_.first_rows.push_back(rows_before + static_cast<std::int64_t>(row));
  }

 private:
  std::string id_;
  const CellRule* rule_;
  bool confidential_;
  bool idle_ = false;  // no number breaks it
  double min_ = 0, max_ = 0;
  std::unordered_set<double> numbers_;
  TextSet allowed_;
  RuleCount count_;
};

/// The accumulators of one column.
class ColumnFill {
 public:
  ColumnFill(const ColumnPlan& plan, const table::Field& field)
      : plan_(&plan), seen_(plan.unique_while_likely) {
    profile_.name = field.name;
    profile_.type = field.type;
    const bool numeric = profile_.numeric();
    if (numeric && Bins::are_edges(plan.edges)) profile_.bins.emplace(plan.edges);
    own_bins_ = numeric && plan.own_bins && !profile_.bins;
    if (numeric && plan.quantiles) profile_.quantiles.emplace();
    if (plan.distinct) profile_.distinct.emplace();
    if (plan.frequent && field.type != Type::kOther) {
      profile_.frequent.emplace(field.type == Type::kText   ? Frequent::kValuesMax
                                : field.type == Type::kReal ? kRealsMax
                                                            : kNumbersMax);
    }
    if (plan.lengths && field.type == Type::kText) profile_.lengths.emplace();
    if (plan.order && numeric) profile_.order.emplace();
    for (const NamedRule& rule : plan.rules)
      rules_.emplace_back(rule, field.type, plan.confidential);
    hashes_texts_ = profile_.distinct || profile_.frequent || plan.unique ||
                    std::any_of(rules_.begin(), rules_.end(),
                                [](const RuleCounter& rule) { return rule.wants_hash(); });
  }

  void add(const ColumnView& view, std::size_t rows) {
    if (profile_.numeric())
      add_numbers(view, rows);
    else if (profile_.type == Type::kText)
      add_texts(view, rows);
    else
      count_nulls(view, rows);
    profile_.rows += static_cast<std::int64_t>(rows);
  }

  ColumnProfile result() const {
    ColumnProfile result = profile_;
    if (plan_->unique) result.uniqueness = seen_.result();
    if (own_bins_) result.bins = own_bins(result);
    for (const RuleCounter& rule : rules_) result.rules[rule.id()] = rule.count();
    return result;
  }

 private:
  void count_nulls(const ColumnView& view, std::size_t rows) {
    for (std::size_t row = 0; row < rows; ++row) profile_.nulls += !view.is_valid(row);
  }

  // --- numbers ---

  void add_numbers(const ColumnView& view, std::size_t rows) {
    std::span<const double> values = dense(view, rows);
    profile_.moments.add(values);
    if (profile_.quantiles) profile_.quantiles->add(values);
    if (profile_.order) add_order(values);
    if (profile_.distinct || counts_values() || plan_->unique) add_hashes(view, values);
    add_bins(values);
    for (RuleCounter& rule : rules_) {
      if (!rule.all_keep(values)) count_rule(rule, view, values);
    }
  }

  // --- bins ---

  /// After all that tells the edges of own bins.
  void add_bins(std::span<const double> values) {
    if (profile_.bins) return profile_.bins->add(values);
    if (!own_bins_) return;
    early_.insert(early_.end(), values.begin(), values.end());
    if (early_.size() < kEarly) return;
    profile_.bins = bins_of_early(profile_);
    early_ = {};
  }

  /// Nothing where no edges can be told.
  std::optional<Bins> bins_of_early(const ColumnProfile& seen) const {
    std::vector<double> edges = reference_edges(seen);
    if (!Bins::are_edges(edges)) return std::nullopt;
    Bins bins(std::move(edges));
    bins.add(early_);
    return bins;
  }

  /// At the end: of all values where they were few, else those of the first ones if these turn out
  /// to be like the others.
  std::optional<Bins> own_bins(const ColumnProfile& seen) const {
    if (!seen.bins) return early_.empty() ? std::nullopt : bins_of_early(seen);
    const bool of_values = seen.frequent && seen.frequent->exact() &&
                           seen.frequent->size() <= static_cast<std::size_t>(kReferenceBins);
    if (of_values)
      return reference_edges(seen) == seen.bins->edges() ? seen.bins : std::nullopt;
    Bins bins = seen.bins->stretched(seen.moments.min, seen.moments.max);
    return bins.are_even() ? std::optional(std::move(bins)) : std::nullopt;
  }

  /// The finite values one after the other; row_of() tells where each came from.
  std::span<const double> dense(const ColumnView& view, std::size_t rows) {
    whole_ = true;
    if (view.type == Type::kReal) {
      if (view.valid == nullptr && std::isfinite(sum_of(view.reals, rows)))
        return {view.reals, rows};
      return sifted(view, rows, [&](std::size_t row) { return view.reals[row]; });
    }
    if (view.valid == nullptr) {
      if (view.type == Type::kBool)
        std::copy_n(view.bools, rows, buffer_.begin());
      else
        std::transform(view.integers, view.integers + rows, buffer_.begin(),
                       [](std::int64_t i) { return static_cast<double>(i); });
      return {buffer_.data(), rows};
    }
    if (view.type == Type::kBool)
      return sifted(view, rows, [&](std::size_t row) { return view.bools[row] ? 1.0 : 0.0; });
    return sifted(view, rows,
                  [&](std::size_t row) { return static_cast<double>(view.integers[row]); });
  }

  /// `value` is asked for null cells too: whatever lies there is written over by the next.
  template <class Value>
  std::span<const double> sifted(const ColumnView& view, std::size_t rows, Value value) {
    whole_ = false;
    std::size_t n = 0, valid = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      const double x = value(row);
      const bool is_valid = view.is_valid(row);
      buffer_[n] = x;
      rows_[n] = static_cast<std::uint32_t>(row);
      // No branch: which cells are null can't be foreseen.
      n += static_cast<std::size_t>(is_valid & std::isfinite(x));
      valid += is_valid;
    }
    profile_.nulls += static_cast<std::int64_t>(rows - valid);
    for (std::size_t row = 0; n < valid && row < rows; ++row)
      if (view.is_valid(row)) count_not_finite(value(row));
    return {buffer_.data(), n};
  }

  void count_not_finite(double x) {
    if (std::isfinite(x)) return;
    if (std::isnan(x))
      ++profile_.nans;
    else
      ++(x > 0 ? profile_.infinite_high : profile_.infinite_low);
  }

  std::size_t row_of(std::size_t i) const { return whole_ ? i : rows_[i]; }

  bool counts_values() const { return profile_.frequent && !profile_.frequent->abandoned(); }

  void add_hashes(const ColumnView& view, std::span<const double> values) {
    const std::span<const std::uint64_t> hashes = hashes_of(view, values);
    if (profile_.distinct)
      for (const std::uint64_t hash : hashes) profile_.distinct->add(hash);
    if (plan_->unique) seen_.add_all(hashes);
    for (std::size_t i = 0; i < hashes.size() && counts_values(); ++i) {
      const std::size_t row = row_of(i);
      Frequent& frequent = *profile_.frequent;
      frequent.add_number(hashes[i], profile_.rows + static_cast<std::int64_t>(row));
      if (!frequent.last_was_new()) continue;
      frequent.name_last(cell_text(view, row), values[i]);
      if (frequent.size() > frequent.values_max()) frequent.abandon();
    }
  }

  std::span<const std::uint64_t> hashes_of(const ColumnView& view,
                                           std::span<const double> values) {
    if (view.type == Type::kReal)
      hash_all(values.data(), values.size(), hashes_.data());
    else if (view.type != Type::kBool && whole_)
      hash_all(view.integers, values.size(), hashes_.data());
    else
      for (std::size_t i = 0; i < values.size(); ++i) hashes_[i] = cell_hash(view, row_of(i));
    return {hashes_.data(), values.size()};
  }

  void add_order(std::span<const double> values) {
    if (values.empty()) return;
    Order& order = *profile_.order;
    if (order.n == 0) order.first = order.last = values.front();
    // The first value has none before it; later chunks go on from the last one.
    double before = order.last;
    std::int64_t descents = 0, repeats = 0;
    for (double value : values) {
      descents += value < before;
      repeats += value == before;
      before = value;
    }
    if (order.n == 0) --repeats;  // the first one was compared with itself
    order.descents += descents;
    order.repeats += repeats;
    order.last = before;
    order.n += static_cast<std::int64_t>(values.size());
  }

  void count_rule(RuleCounter& rule, const ColumnView& view, std::span<const double> values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!rule.keeps(values[i])) rule.broken(view, row_of(i), profile_.rows);
    }
  }

  // --- texts ---

  void add_texts(const ColumnView& view, std::size_t rows) {
    for (std::size_t row = 0; row < rows; ++row) {
      if (!view.is_valid(row)) {
        ++profile_.nulls;
        continue;
      }
      const std::string_view text = view.texts[row];
      const std::uint64_t hash = hashes_texts_ ? hash_of(text) : 0;
      add_hash(hash, text, row);
      if (profile_.lengths) add_length(text);
      for (RuleCounter& rule : rules_) {
        if (!rule.keeps(text, hash)) rule.broken(view, row, profile_.rows);
      }
    }
  }

  void add_hash(std::uint64_t hash, std::string_view text, std::size_t row) {
    if (profile_.distinct) profile_.distinct->add(hash);
    if (plan_->unique) seen_.add(hash);
    if (profile_.frequent)
      profile_.frequent->add_text(hash, plan_->confidential ? hidden(hash) : text,
                                  profile_.rows + static_cast<std::int64_t>(row));
  }

  std::string_view hidden(std::uint64_t hash) {
    hidden_ = "#" + std::to_string(hash);
    return hidden_;
  }

  void add_length(std::string_view text) {
    TextLengths& lengths = *profile_.lengths;
    const auto length = static_cast<std::int64_t>(count_code_points(text));
    lengths.min = lengths.n == 0 ? length : std::min(lengths.min, length);
    lengths.max = std::max(lengths.max, length);
    lengths.empty += length == 0;
    lengths.sum += length;
    ++lengths.n;
  }

  const ColumnPlan* plan_;
  ColumnProfile profile_;
  bool own_bins_ = false;
  std::vector<double> early_;  // until there are enough to tell own bins
  Seen seen_;
  std::vector<RuleCounter> rules_;
  std::array<double, kChunkRowsMax> buffer_;
  std::array<std::uint32_t, kChunkRowsMax> rows_;
  std::array<std::uint64_t, kChunkRowsMax> hashes_;
  bool hashes_texts_ = false;
  bool whole_ = true;
  std::string hidden_;
};

/// The uniqueness of several columns together.
struct KeyFill {
  std::vector<std::string> names;
  std::vector<std::size_t> columns;
  Seen seen;

  void add(const table::Chunk& chunk) {
    for (std::size_t row = 0; row < chunk.rows; ++row) {
      std::uint64_t hash = 0;
      bool whole = true;
      for (std::size_t column : columns) {
        const ColumnView& view = chunk.columns[column];
        whole = whole && view.is_valid(row);
        if (whole) hash = mix64(hash * 31 + cell_hash(view, row));
      }
      if (whole) seen.add(hash);
    }
  }
};

std::optional<std::size_t> index_of(const std::vector<table::Field>& fields,
                                    std::string_view name) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (fields[i].name == name) return i;
  }
  return std::nullopt;
}

}  // namespace

struct Profiler::State {
  Plan plan;
  std::vector<std::unique_ptr<ColumnFill>> columns;
  std::vector<std::size_t> sources;  // of each, its place in a chunk
  std::vector<KeyFill> keys;
  std::int64_t rows = 0;
};

Profiler::Profiler(const Plan& plan, const std::vector<table::Field>& fields)
    : state_(std::make_unique<State>()) {
  state_->plan = plan;
  for (const ColumnPlan& column : state_->plan.columns) {
    auto index = index_of(fields, column.column);
    if (!index) continue;
    state_->columns.push_back(std::make_unique<ColumnFill>(column, fields[*index]));
    state_->sources.push_back(*index);
  }
  for (const std::vector<std::string>& names : state_->plan.keys) {
    KeyFill key{names, {}, Seen()};
    for (const std::string& name : names) {
      if (auto index = index_of(fields, name)) key.columns.push_back(*index);
    }
    if (key.columns.size() == names.size()) state_->keys.push_back(std::move(key));
  }
}

Profiler::~Profiler() = default;
Profiler::Profiler(Profiler&&) noexcept = default;

void Profiler::add(const table::Chunk& chunk) {
  for (std::size_t i = 0; i < state_->columns.size(); ++i)
    state_->columns[i]->add(chunk.columns[state_->sources[i]], chunk.rows);
  for (KeyFill& key : state_->keys) key.add(chunk);
  state_->rows += static_cast<std::int64_t>(chunk.rows);
}

Profile Profiler::profile() const {
  Profile profile;
  profile.rows = state_->rows;
  for (const auto& column : state_->columns) profile.columns.push_back(column->result());
  for (const KeyFill& key : state_->keys) profile.keys.push_back({key.names, key.seen.result()});
  return profile;
}

}  // namespace slipway::checks
