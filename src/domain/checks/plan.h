#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "domain/checks/profile.h"
#include "io/table/table.h"

// Which statistics a pass over a table has to gather, and the pass.
namespace slipway::checks {

class Pattern;

// Rules that look at single cells; null cells break none of them.
struct WithinRange {
  std::optional<double> min, max;
  bool min_open = false, max_open = false;  // the bound itself is outside
};
struct MultipleOf {
  double step = 1;
};
struct WithinLength {  // in code points
  std::optional<std::int64_t> min, max;
};
struct MatchesPattern {
  std::shared_ptr<const Pattern> pattern;  // never null
};
/// Numbers, texts and bools compare by their text as people write it: "1", "0.5", "true".
struct OneOf {
  std::set<std::string, std::less<>> values;
};
/// Cells of a text column that read as a number, a whole number, a time or a bool.
struct ReadsAs {
  table::Type type = table::Type::kReal;
};
/// The opposite: cells that stand for a missing value.
struct NoneOf {
  std::set<std::string, std::less<>> values;
};
using CellRule =
    std::variant<WithinRange, MultipleOf, WithinLength, MatchesPattern, OneOf, ReadsAs, NoneOf>;

struct NamedRule {
  std::string id;
  CellRule rule;
};

struct ColumnPlan {
  std::string column;
  bool quantiles = false, distinct = false, frequent = false, lengths = false, order = false;
  bool unique = false;
  bool unique_while_likely = false;  // exactly only until it is clear that it is not
  bool as_text = false;              // of a CSV file: read as it is written
  bool confidential = false;         // no value of it goes into the profile as text
  std::vector<double> edges;         // of the bins; empty for none
  /// Bins by its own quantiles, told from its first values; none at the end where those were not
  /// like the others. Wants quantiles and frequent.
  bool own_bins = false;
  std::vector<NamedRule> rules;
};

struct Plan {
  std::vector<ColumnPlan> columns;             // without repeats
  std::vector<std::vector<std::string>> keys;  // combinations that are to be unique
  const ColumnPlan* find(std::string_view column) const;
  /// Whether it asks for the column, be it for a key only.
  bool names(std::string_view column) const;
};

/// Everything, of every column: what `slipway profile` and `slipway infer` gather.
Plan full_plan(const std::vector<table::Field>& fields);
/// The same with `profile`'s own quantiles as edges (kReferenceBins): its second pass.
Plan with_bins(Plan plan, const Profile& profile);

/// Gathers what a plan asks for. Not thread-safe. Memory: some kilobytes a column, and 16 to 32
/// bytes a distinct value where uniqueness is asked for, up to `kUniqueMax` values.
class Profiler {
 public:
  static constexpr std::size_t kUniqueMax = 10'000'000;

  /// Columns of `fields` that the plan does not name are ignored; those of the plan that are not in
  /// `fields` are left out of the profile.
  Profiler(const Plan& plan, const std::vector<table::Field>& fields);
  ~Profiler();
  Profiler(Profiler&&) noexcept;

  /// A chunk with the columns of `fields`, in their order.
  void add(const table::Chunk& chunk);
  /// The profile so far; the profiler can go on.
  Profile profile() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct PassOptions {
  int threads = 2;
  std::uint64_t memory_bytes_max = 1ull << 30;
  /// profile_fully: columns of a CSV file that are read as they are written.
  std::vector<std::string> texts = {};
};
/// One pass over a file. Columns that the plan names and the file lacks are left out.
Result<Profile> profile_table(const std::filesystem::path& path, const Plan& plan,
                              const PassOptions& options = {});
/// All there is to know, with bins by its own quantiles: one pass, and another one for columns whose
/// first values are not like the others. A reference.
Result<Profile> profile_fully(const std::filesystem::path& path, const PassOptions& options = {});
/// The same of several files as one table, under the name of the first (see table::Scan::open).
Result<Profile> profile_fully(const table::Paths& paths, const PassOptions& options = {});

}  // namespace slipway::checks
