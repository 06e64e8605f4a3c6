#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "domain/checks/plan.h"

namespace slipway::checks {

/// Texts by their hash, which whoever asks has computed already.
class TextSet {
 public:
  TextSet() = default;
  /// `texts` must outlive it.
  explicit TextSet(const std::set<std::string, std::less<>>& texts);
  bool contains(std::string_view text, std::uint64_t hash) const;

 private:
  std::vector<std::string_view> slots_;  // null: free
};

/// A rule made ready for the type of its column, and the cells that break it.
class RuleCounter {
 public:
  /// `rule` must outlive it.
  RuleCounter(const NamedRule& rule, table::Type type, bool confidential);

  const std::string& id() const { return id_; }
  const RuleCount& count() const { return count_; }

  /// Whether nothing among `values` can break the rule, found out quickly.
  bool all_keep(std::span<const double> values) const;
  bool keeps(double value) const;
  /// The same of a whole number that no double may hold.
  bool keeps_whole(std::int64_t value) const;
  /// Whether keeps() of a text wants its hash.
  bool wants_hash() const { return std::holds_alternative<OneOf>(*rule_); }
  /// `hash` is that of the text where it is wanted.
  bool keeps(std::string_view text, std::uint64_t hash) const;

  void broken(const table::ColumnView& view, std::size_t row, std::int64_t rows_before);

 private:
  void take(const OneOf& set, table::Type type);
  void take(const WithinRange& range);

  std::string id_;
  const CellRule* rule_;
  bool confidential_;
  bool idle_ = false;  // no number breaks it
  double min_ = 0, max_ = 0;
  std::unordered_set<double> numbers_;
  std::unordered_set<std::int64_t> wholes_;  // those of them that are
  TextSet allowed_;
  RuleCount count_;
};

}  // namespace slipway::checks
