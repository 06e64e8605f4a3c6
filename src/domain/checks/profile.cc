#include "domain/checks/profile.h"

#include <algorithm>
#include <cmath>

namespace slipway::checks {
namespace {

/// Whether two optional accumulators are both there, or neither.
template <class T>
bool alike(const std::optional<T>& a, const std::optional<T>& b) {
  return a.has_value() == b.has_value();
}

Error not_alike(const std::string& column, const std::string& why) {
  return invalid("profiles of column '" + column + "' cannot be merged: " + why);
}

Result<> check_alike(const ColumnProfile& a, const ColumnProfile& b) {
  if (a.type != b.type) {
    return not_alike(a.name, std::string("one is ") + table::to_string(a.type) + ", the other " +
                                 table::to_string(b.type));
  }
  if (!alike(a.bins, b.bins) || (a.bins && a.bins->edges() != b.bins->edges()))
    return not_alike(a.name, "their bins have different edges");
  if (!alike(a.quantiles, b.quantiles) || !alike(a.distinct, b.distinct) ||
      !alike(a.frequent, b.frequent) || !alike(a.lengths, b.lengths) || !alike(a.order, b.order))
    return not_alike(a.name, "they were made for different questions");
  return {};
}

void merge_lengths(TextLengths& a, const TextLengths& b) {
  if (b.n == 0) return;
  a.min = a.n == 0 ? b.min : std::min(a.min, b.min);
  a.max = std::max(a.max, b.max);
  a.n += b.n;
  a.empty += b.empty;
  a.sum += b.sum;
}

void merge_order(Order& a, const Order& b) {
  if (b.n == 0) return;
  if (a.n == 0) {
    a = b;
    return;
  }
  a.descents += b.descents + (b.first < a.last);
  a.repeats += b.repeats + (b.first == a.last);
  a.last = b.last;
  a.n += b.n;
}

void merge_rule(RuleCount& a, const RuleCount& b, std::int64_t rows_before) {
  if (a.first_rows.empty()) a.first_value = b.first_value;
  a.violations += b.violations;
  for (std::int64_t row : b.first_rows) {
    if (a.first_rows.size() < RuleCount::kRowsMax) a.first_rows.push_back(rows_before + row);
  }
}

/// What both parts know of different values says how many the whole has, at least and at most.
Uniqueness merged_uniqueness(const Uniqueness& a, const Uniqueness& b,
                             const std::optional<DistinctSketch>& both) {
  Uniqueness all;
  all.n = a.n + b.n;
  all.exact = false;
  const std::int64_t least = std::max(a.distinct, b.distinct);
  const std::int64_t most = a.distinct + b.distinct;
  all.distinct = both ? std::clamp(std::llround(both->estimate()), static_cast<long long>(least),
                                   static_cast<long long>(most))
                      : most;
  if (b.n == 0) all = a;
  if (a.n == 0) all = b;
  return all;
}

Result<> merge_column(ColumnProfile& a, const ColumnProfile& b) {
  TRY(check_alike(a, b));
  const std::int64_t rows_before = a.rows;
  a.rows += b.rows;
  a.nulls += b.nulls;
  a.nans += b.nans;
  a.infinite_low += b.infinite_low;
  a.infinite_high += b.infinite_high;
  a.moments.merge(b.moments);
  if (a.bins) a.bins->merge(*b.bins);
  if (a.quantiles) a.quantiles->merge(*b.quantiles);
  if (a.distinct) a.distinct->merge(*b.distinct);
  if (a.frequent) {
    a.frequent->merge(*b.frequent, rows_before);
    const bool number = a.numeric();
    if (number && a.frequent->size() > a.frequent->values_max()) a.frequent->abandon();
  }
  if (a.lengths) merge_lengths(*a.lengths, *b.lengths);
  if (a.order) merge_order(*a.order, *b.order);
  if (a.uniqueness && b.uniqueness)
    a.uniqueness = merged_uniqueness(*a.uniqueness, *b.uniqueness, a.distinct);
  else if (b.rows > 0)
    a.uniqueness.reset();  // of one part only
  for (const auto& [id, count] : b.rules) merge_rule(a.rules[id], count, rows_before);
  return {};
}

}  // namespace

std::optional<double> ColumnProfile::distinct_count() const {
  if (frequent && frequent->exact()) return static_cast<double>(frequent->size());
  if (uniqueness && uniqueness->exact) return static_cast<double>(uniqueness->distinct);
  if (distinct) return std::min(distinct->estimate(), static_cast<double>(present()));
  if (uniqueness) return static_cast<double>(uniqueness->distinct);
  return std::nullopt;
}

bool ColumnProfile::distinct_is_exact() const {
  return (frequent && frequent->exact()) || (uniqueness && uniqueness->exact);
}

const ColumnProfile* Profile::find(std::string_view column) const {
  for (const ColumnProfile& candidate : columns) {
    if (candidate.name == column) return &candidate;
  }
  return nullptr;
}

Result<Profile> merged(const Profile& a, const Profile& b) {
  if (a.columns.size() != b.columns.size() || a.keys.size() != b.keys.size())
    return invalid("profiles of different columns cannot be merged");
  Profile all = a;
  for (ColumnProfile& column : all.columns) {
    const ColumnProfile* other = b.find(column.name);
    if (other == nullptr) return not_alike(column.name, "only one of them has it");
    TRY(merge_column(column, *other));
  }
  for (std::size_t i = 0; i < all.keys.size(); ++i) {
    if (all.keys[i].columns != b.keys[i].columns)
      return invalid("profiles of different keys cannot be merged");
    all.keys[i].uniqueness =
        merged_uniqueness(all.keys[i].uniqueness, b.keys[i].uniqueness, std::nullopt);
  }
  all.rows += b.rows;
  all.made_ms = std::max(a.made_ms, b.made_ms);
  if (a.data != b.data) all.data.clear();
  return all;
}

std::vector<double> reference_edges(const ColumnProfile& column) {
  if (column.frequent && column.frequent->exact() && column.frequent->size() <= kValuesMax) {
    std::vector<double> values;
    for (const Frequent::Item& item : column.frequent->items()) values.push_back(item.number);
    std::sort(values.begin(), values.end());
    return edges_from_values(values);
  }
  if (!column.quantiles) return {};
  std::vector<double> shares;
  for (int i = 0; i <= kReferenceBins; ++i) shares.push_back(i / double{kReferenceBins});
  std::vector<double> quantiles = column.quantiles->quantiles(shares);
  quantiles.front() = column.moments.min;
  quantiles.back() = column.moments.max;
  return edges_from_quantiles(quantiles);
}

}  // namespace slipway::checks
