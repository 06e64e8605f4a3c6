#include "domain/checks/rule_counter.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>

#include "base/text.h"
#include "domain/checks/cell_text.h"
#include "domain/checks/kernels.h"
#include "domain/checks/pattern.h"
#include "domain/checks/stable_hash.h"

namespace slipway::checks {

using table::ColumnView;
using table::Type;

TextSet::TextSet(const std::set<std::string, std::less<>>& texts)
    : slots_(std::bit_ceil(2 * texts.size() + 2)) {
  for (const std::string& text : texts) {
    std::size_t at = hash_of(text) & (slots_.size() - 1);
    while (slots_[at].data() != nullptr) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = text;
  }
}

bool TextSet::contains(std::string_view text, std::uint64_t hash) const {
  for (std::size_t at = hash & (slots_.size() - 1); slots_[at].data() != nullptr;
       at = (at + 1) & (slots_.size() - 1))
    if (slots_[at] == text) return true;
  return false;
}

namespace {

/// "9007199254740993", "1e18".
std::optional<std::int64_t> to_whole(std::string_view text) {
  if (auto whole = to_int64(text)) return whole;
  constexpr double kEnd = 0x1p63;
  const std::optional<double> number = to_double(text);
  const bool is_whole = number && std::trunc(*number) == *number && std::abs(*number) < kEnd;
  return is_whole ? std::optional(static_cast<std::int64_t>(*number)) : std::nullopt;
}

/// Exact: a long double holds every double and every whole number of 64 bits.
bool is_within(std::int64_t value, const WithinRange& range) {
  static_assert(std::numeric_limits<long double>::digits >= 64);
  const auto exact = static_cast<long double>(value);
  const bool low = range.min && (range.min_open ? exact <= *range.min : exact < *range.min);
  const bool high = range.max && (range.max_open ? exact >= *range.max : exact > *range.max);
  return !low && !high;
}

}  // namespace

RuleCounter::RuleCounter(const NamedRule& rule, Type type, bool confidential)
    : id_(rule.id), rule_(&rule.rule), confidential_(confidential) {
  const auto* multiple = std::get_if<MultipleOf>(rule_);
  idle_ = !(std::holds_alternative<WithinRange>(*rule_) ||
            std::holds_alternative<OneOf>(*rule_) || multiple) ||
          (multiple && multiple->step == 1 && type != Type::kReal);
  if (const auto* set = std::get_if<OneOf>(rule_)) take(*set, type);
  if (const auto* range = std::get_if<WithinRange>(rule_)) take(*range);
}

void RuleCounter::take(const OneOf& set, Type type) {
  if (type == Type::kText) {
    allowed_ = TextSet(set.values);
    return;
  }
  for (const std::string& value : set.values) {
    if (value == "true" || value == "false")
      numbers_.insert(value == "true" ? 1 : 0);
    else if (auto number = to_double(value))
      numbers_.insert(*number);
    if (auto whole = to_whole(value)) wholes_.insert(*whole);
  }
}

void RuleCounter::take(const WithinRange& range) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  min_ = range.min ? *range.min : -kInfinity;
  max_ = range.max ? *range.max : kInfinity;
  if (range.min && range.min_open) min_ = std::nextafter(min_, kInfinity);
  if (range.max && range.max_open) max_ = std::nextafter(max_, -kInfinity);
}

bool RuleCounter::all_keep(std::span<const double> values) const {
  if (idle_) return true;
  return std::holds_alternative<WithinRange>(*rule_) &&
         count_outside(values.data(), values.size(), min_, max_) == 0;
}

bool RuleCounter::keeps(double value) const {
  if (std::holds_alternative<WithinRange>(*rule_)) return value >= min_ && value <= max_;
  if (std::holds_alternative<OneOf>(*rule_)) return numbers_.contains(value);
  if (const auto* multiple = std::get_if<MultipleOf>(rule_)) {
    const double times = value / multiple->step;
    return std::abs(times - std::round(times)) <= 1e-9 * std::max(1.0, std::abs(times));
  }
  return true;
}

bool RuleCounter::keeps_whole(std::int64_t value) const {
  if (idle_) return true;
  if (const auto* range = std::get_if<WithinRange>(rule_)) return is_within(value, *range);
  if (std::holds_alternative<OneOf>(*rule_)) return wholes_.contains(value);
  constexpr double kStepMax = 0x1p53;
  const double step = std::abs(std::get<MultipleOf>(*rule_).step);
  if (std::trunc(step) != step || step > kStepMax || step == 0)
    return keeps(static_cast<double>(value));
  return value % static_cast<std::int64_t>(step) == 0;
}

bool RuleCounter::keeps(std::string_view text, std::uint64_t hash) const {
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

void RuleCounter::broken(const ColumnView& view, std::size_t row, std::int64_t rows_before) {
  ++count_.violations;
  if (count_.first_rows.size() >= RuleCount::kRowsMax) return;
  if (count_.first_rows.empty() && !confidential_) count_.first_value = cell_text(view, row);
  count_.first_rows.push_back(rows_before + static_cast<std::int64_t>(row));
}

}  // namespace slipway::checks
