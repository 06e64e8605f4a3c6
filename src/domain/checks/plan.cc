#include "domain/checks/plan.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"
#include "domain/checks/lanes.h"

namespace slipway::checks {
namespace {

using table::Type;

/// One scan, whose chunks go to all lanes.
Result<Profile> profile_together(const table::Paths& paths, const Plan& plan,
                                 const table::ScanOptions& options) {
  auto scan = TRY(table::Scan::open(paths, options));
  Lanes lanes(plan, scan->fields(), options.threads);
  while (std::shared_ptr<const table::Chunk> chunk = TRY(scan->take()))
    lanes.give(std::move(chunk));
  return lanes.finish();
}

/// A column takes up to 3 megabytes while it is gathered, one of texts up to 12: of a wide table so
/// many are gathered at once, so that its width is of no matter.
constexpr std::size_t kColumnsAtOnce = 256;
constexpr std::size_t kTextsAtOnce = 64;

std::size_t at_once_of(const std::vector<table::Field>& fields) {
  const auto texts = static_cast<std::size_t>(
      std::count_if(fields.begin(), fields.end(),
                    [](const table::Field& field) { return field.type == Type::kText; }));
  return texts > kTextsAtOnce ? kTextsAtOnce : kColumnsAtOnce;
}

bool all_have_columns_apart(const table::Paths& paths) {
  return std::all_of(paths.begin(), paths.end(), table::Scan::has_columns_apart);
}

/// Only the columns that the plan needs are decoded.
Result<Profile> whole_pass(const table::Paths& paths, const Plan& plan,
                           const std::vector<table::Field>& fields, table::ScanOptions options) {
  options.columns = needed_columns(plan, fields);
  return all_have_columns_apart(paths) ? profile_apart(paths, plan, fields, options)
                                       : profile_together(paths, plan, options);
}

/// Columns from `begin` on; the first ones bring what is asked of several together.
Plan part_of(const Plan& plan, std::size_t begin, std::size_t end) {
  Plan part;
  part.columns.assign(plan.columns.begin() + static_cast<std::ptrdiff_t>(begin),
                      plan.columns.begin() + static_cast<std::ptrdiff_t>(end));
  if (begin == 0) part.keys = plan.keys;
  return part;
}

/// As it is written and read again: of a bounded size, which it is not while it is gathered.
Profile compact(Profile profile) {
  Result<Profile> kept = parse_profile(to_json(profile));
  return kept.ok() ? std::move(kept).value() : std::move(profile);
}

/// `at_once` columns in one pass; where memory has no room for them it becomes less.
Result<Profile> pass_in_parts(const table::Paths& paths, const Plan& plan,
                              const std::vector<table::Field>& fields,
                              const table::ScanOptions& options, std::size_t& at_once) {
  const std::size_t columns = plan.columns.size();
  if (columns <= at_once) {
    Result<Profile> profile = whole_pass(paths, plan, fields, options);
    if (profile.ok() || profile.error().code != Code::kBusy || columns <= 1) return profile;
    at_once = columns / 2;
  }
  Profile all;
  for (std::size_t begin = 0, end = 0; begin < columns; begin = end) {
    end = std::min(columns, begin + at_once);
    const Plan part = part_of(plan, begin, end);
    Profile profile = compact(TRY(pass_in_parts(paths, part, fields, options, at_once)));
    if (begin > 0 && profile.rows != all.rows)
      return unavailable(table::to_string(paths) + " changed while it was read: read it again");
    all.rows = profile.rows;
    if (begin == 0) all.keys = std::move(profile.keys);
    std::move(profile.columns.begin(), profile.columns.end(), std::back_inserter(all.columns));
  }
  return all;
}

Result<Profile> one_pass(const table::Paths& paths, const Plan& plan,
                         const std::vector<table::Field>& fields,
                         const table::ScanOptions& options) {
  std::size_t at_once = at_once_of(fields);
  Profile profile = TRY(pass_in_parts(paths, plan, fields, options, at_once));
  profile.table = paths.front().filename().string();
  return profile;
}

table::ScanOptions scan_options(const PassOptions& options, bool all_rows) {
  table::ScanOptions scan;
  scan.threads = options.threads;
  scan.memory_bytes_max = options.memory_bytes_max;
  scan.types_from_all_rows = all_rows;
  scan.texts = options.texts;
  return scan;
}

Result<Profile> planned_pass(const table::Paths& paths, const Plan& plan,
                             table::ScanOptions options) {
  for (const ColumnPlan& column : plan.columns) {
    if (column.as_text) options.texts.push_back(column.column);
  }
  const std::vector<table::Field> fields = TRY(table::Scan::fields_of(paths, options));
  Profile profile = TRY(one_pass(paths, plan, fields, options));
  for (const table::Field& field : fields) {
    if (!plan.names(field.name)) profile.others.push_back(field.name);
  }
  return profile;
}

/// Of a plan, what is left to do once all but the bins is known.
Plan bins_only(const Plan& plan) {
  Plan bins;
  for (const ColumnPlan& column : plan.columns) {
    if (column.edges.empty()) continue;
    ColumnPlan only;
    only.column = column.column;
    only.edges = column.edges;
    bins.columns.push_back(std::move(only));
  }
  return bins;
}

Profile with_bins_of(Profile profile, const Profile& bins) {
  for (ColumnProfile& column : profile.columns) {
    if (const ColumnProfile* other = bins.find(column.name)) column.bins = other->bins;
  }
  return profile;
}

/// The columns that have no bins.
Profile without_bins(Profile profile) {
  std::erase_if(profile.columns,
                [](const ColumnProfile& column) { return column.bins.has_value(); });
  return profile;
}

/// Types are guessed from the first rows; where a later one shows that the guess was wrong, once
/// more from all.
template <class Pass>
Result<Profile> with_patience(const PassOptions& options, Pass pass) {
  Result<Profile> profile = pass(scan_options(options, /*all_rows=*/false));
  if (profile.ok() || profile.error().tag != "cell_type") return profile;
  return pass(scan_options(options, /*all_rows=*/true));
}

}  // namespace

const ColumnPlan* Plan::find(std::string_view column) const {
  for (const ColumnPlan& plan : columns) {
    if (plan.column == column) return &plan;
  }
  return nullptr;
}

bool Plan::names(std::string_view column) const {
  return find(column) != nullptr ||
         std::any_of(keys.begin(), keys.end(), [&](const std::vector<std::string>& key) {
           return std::find(key.begin(), key.end(), column) != key.end();
         });
}

Plan full_plan(const std::vector<table::Field>& fields) {
  Plan plan;
  for (const table::Field& field : fields) {
    if (plan.find(field.name) != nullptr) continue;
    ColumnPlan column;
    column.column = field.name;
    column.quantiles = column.distinct = column.frequent = column.lengths = column.order = true;
    column.unique = field.type != Type::kReal && field.type != Type::kOther;
    column.unique_while_likely = true;
    plan.columns.push_back(std::move(column));
  }
  return plan;
}

Plan with_bins(Plan plan, const Profile& profile) {
  for (ColumnPlan& column : plan.columns) {
    const ColumnProfile* seen = profile.find(column.column);
    if (seen == nullptr || seen->finite() == 0 || !seen->numeric()) continue;
    column.edges = reference_edges(*seen);
  }
  return plan;
}

Result<Profile> profile_table(const std::filesystem::path& path, const Plan& plan,
                              const PassOptions& options) {
  return with_patience(options, [&](const table::ScanOptions& scan) {
    return planned_pass(table::Paths{path}, plan, scan);
  });
}

Result<Profile> profile_fully(const std::filesystem::path& path, const PassOptions& options) {
  return profile_fully(table::Paths{path}, options);
}

Result<Profile> profile_fully(const table::Paths& paths, const PassOptions& options) {
  return with_patience(options, [&](const table::ScanOptions& scan) -> Result<Profile> {
    const std::vector<table::Field> fields = TRY(table::Scan::fields_of(paths, scan));
    Plan plan = full_plan(fields);
    for (ColumnPlan& column : plan.columns) column.own_bins = true;
    const Profile first = TRY(one_pass(paths, plan, fields, scan));
    const Plan second_plan = bins_only(with_bins(plan, without_bins(first)));
    if (second_plan.columns.empty()) return first;
    const Profile second = TRY(one_pass(paths, second_plan, fields, scan));
    return with_bins_of(first, second);
  });
}

}  // namespace slipway::checks
