#include "domain/checks/plan.h"

#include <algorithm>

#include "base/text.h"
#include "domain/checks/lanes.h"

namespace slipway::checks {
namespace {

using table::Type;

Result<Profile> one_pass(const std::filesystem::path& path, const Plan& plan,
                         const table::ScanOptions& options) {
  auto scan = TRY(table::Scan::open(path, options));
  Lanes lanes(plan, scan->fields(), options.threads);
  while (std::shared_ptr<const table::Chunk> chunk = TRY(scan->take()))
    lanes.give(std::move(chunk));
  Profile profile = lanes.finish();
  profile.table = path.filename().string();
  return profile;
}

table::ScanOptions scan_options(const PassOptions& options, bool all_rows) {
  table::ScanOptions scan;
  scan.threads = options.threads;
  scan.memory_bytes_max = options.memory_bytes_max;
  scan.types_from_all_rows = all_rows;
  return scan;
}

/// The fields of the table, and whether its types take a look at all rows.
struct Opened {
  std::vector<table::Field> fields;
};

Result<Opened> look(const std::filesystem::path& path, const table::ScanOptions& options) {
  auto scan = TRY(table::Scan::open(path, options));
  return Opened{scan->fields()};
}

/// Only the columns that the plan needs are decoded.
Result<Profile> planned_pass(const std::filesystem::path& path, const Plan& plan,
                             table::ScanOptions options) {
  const Opened opened = TRY(look(path, options));
  std::vector<std::string> others;
  for (const table::Field& field : opened.fields) {
    bool needed = plan.find(field.name) != nullptr;
    for (const auto& key : plan.keys)
      needed = needed || std::find(key.begin(), key.end(), field.name) != key.end();
    if (needed)
      options.columns.push_back(field.name);
    else
      others.push_back(field.name);
  }
  // A table with none of the columns still has a number of rows.
  if (options.columns.empty() && !opened.fields.empty())
    options.columns.push_back(opened.fields.front().name);
  Profile profile = TRY(one_pass(path, plan, options));
  profile.others = std::move(others);
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
  return with_patience(
      options, [&](const table::ScanOptions& scan) { return planned_pass(path, plan, scan); });
}

Result<Profile> profile_fully(const std::filesystem::path& path, const PassOptions& options) {
  return with_patience(options, [&](const table::ScanOptions& scan) -> Result<Profile> {
    const Opened opened = TRY(look(path, scan));
    Plan plan = full_plan(opened.fields);
    for (ColumnPlan& column : plan.columns) column.own_bins = true;
    const Profile first = TRY(one_pass(path, plan, scan));
    const Plan second_plan = bins_only(with_bins(plan, without_bins(first)));
    if (second_plan.columns.empty()) return first;
    const Profile second = TRY(planned_pass(path, second_plan, scan));
    return with_bins_of(first, second);
  });
}

}  // namespace slipway::checks
