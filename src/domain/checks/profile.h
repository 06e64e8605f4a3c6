#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "domain/checks/bins.h"
#include "domain/checks/distinct.h"
#include "domain/checks/frequent.h"
#include "domain/checks/moments.h"
#include "domain/checks/quantiles.h"
#include "io/table/table.h"

// Statistics of a table: all that checks look at, so that no check ever looks at data. Values; of
// bounded size whatever the number of rows; the profiles of two parts merge to that of the whole.
namespace slipway::checks {

/// How many cells broke a rule, and where the first ones were.
struct RuleCount {
  static constexpr std::size_t kRowsMax = 3;
  std::int64_t violations = 0;
  std::vector<std::int64_t> first_rows;  // from 0
  std::string first_value;               // of first_rows[0], cut; "" for a confidential column
};

struct TextLengths {
  std::int64_t n = 0, empty = 0;
  std::int64_t min = 0, max = 0;  // in code points; meaningful when n > 0
  std::int64_t sum = 0;
};

/// Whether values come in ascending order (numbers and times).
struct Order {
  std::int64_t n = 0;
  std::int64_t descents = 0;  // values that are smaller than the one before
  std::int64_t repeats = 0;   // equal to it
  double first = 0, last = 0;
};

/// Whether values are unique: exact while all values' hashes are held in memory.
struct Uniqueness {
  std::int64_t n = 0;         // of cells (or rows of several columns) that are not null
  std::int64_t distinct = 0;  // among them
  bool exact = true;          // false: an estimate, off by 1.6 % (one standard error)
};

/// What is known of one column. An accumulator that nobody asked for is not there.
struct ColumnProfile {
  std::string name;
  table::Type type = table::Type::kOther;
  std::int64_t rows = 0, nulls = 0;
  std::int64_t nans = 0, infinite_low = 0, infinite_high = 0;  // of kReal; neither null nor finite
  Moments moments;  // of finite numbers; times in microseconds since 1970; bools as 0 and 1
  std::optional<Bins> bins;
  std::optional<QuantileSketch> quantiles;
  std::optional<DistinctSketch> distinct;
  std::optional<Frequent> frequent;
  std::optional<TextLengths> lengths;
  std::optional<Order> order;
  std::optional<Uniqueness> uniqueness;
  std::map<std::string, RuleCount> rules;  // by the rule's id

  std::int64_t present() const { return rows - nulls; }
  /// NaN is how a missing number is kept where there is no null: in a request, by many programs.
  std::int64_t missing() const { return nulls + nans; }
  std::int64_t there() const { return rows - missing(); }
  std::int64_t finite() const { return present() - nans - infinite_low - infinite_high; }
  bool numeric() const { return type != table::Type::kText && type != table::Type::kOther; }
  /// Exact while `frequent` or `uniqueness` is, else from the sketch; nothing without any of them.
  std::optional<double> distinct_count() const;
  bool distinct_is_exact() const;
};

/// Of the combination of several columns.
struct KeyProfile {
  std::vector<std::string> columns;
  Uniqueness uniqueness;
};

struct Profile {
  static constexpr int kVersion = 1;
  std::string table;  // what was profiled: a path, or a deployment's window
  std::string data;   // the digest of a data version, "" when there is none
  UnixMs made_ms = 0;
  std::int64_t rows = 0;
  std::vector<ColumnProfile> columns;
  std::vector<KeyProfile> keys;
  std::vector<std::string> others;  // columns that the table has and nobody asked for

  const ColumnProfile* find(std::string_view column) const;
};

/// The profile of `a`'s rows followed by `b`'s. Counts, ranges, bins, distinct sketches and exact
/// frequencies are those of a single pass; moments up to rounding; uniqueness becomes an estimate.
/// kInvalid when they are not of the same columns, types and edges.
Result<Profile> merged(const Profile& a, const Profile& b);

/// docs/formats/profile.md
std::string to_json(const Profile& profile, bool readable = false);
/// Hostile bytes end with kInvalid, a later version with kConflict.
Result<Profile> parse_profile(std::string_view json);

/// The edges of the bins that a reference keeps: where there are few values one a value, with
/// others between them, else of equal mass. Empty where `column` has no quantiles.
std::vector<double> reference_edges(const ColumnProfile& column);

}  // namespace slipway::checks
