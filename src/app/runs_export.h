#pragma once

#include <memory>
#include <string>
#include <vector>

#include "app/tracked_runs.h"

// A search of runs as a text: page by page, in constant memory. docs/reference/tracking.md says
// what is in it.
namespace slipway::app {

struct ExportRequest {
  std::vector<std::string> experiments;  // ids or names; none: all
  std::string filter;
  std::vector<std::string> order_by;
  std::string view;                  // "active" (also ""), "deleted", "all"
  std::string format;                // "csv" (also ""), "json"
  std::vector<std::string> columns;  // of CSV; none: those of export_columns()
  bool spreadsheet = false;          // of CSV: no text begins like a formula
};
WIRE(ExportRequest, experiments, filter, order_by, view, format, columns, spreadsheet)

inline constexpr std::size_t kExportColumnsMax = 10'000;

/// {"columns": [{"name", "type"}]}: what every run has, then each param, metric and tag that some
/// run of the experiments has, whatever the filter. "type" is "text", "real" or "timestamp".
/// kInvalid for more than kExportColumnsMax, or a column that none can have.
Result<wire::Json> export_columns(const TrackedWorld& world, const ExportRequest& request,
                                  const Seen& seen);
/// The text; a read fails where the catalogue does. `world` must outlive it.
Result<std::shared_ptr<http::BodyReader>> export_runs(const TrackedWorld& world,
                                                      const ExportRequest& request,
                                                      const Seen& seen);

// The parts of it that are pure.

/// A cell of a CSV file (RFC 4180): quoted where its text needs it, and where it is empty, since a
/// cell without quotes is none.
std::string csv_cell(std::string_view text, bool spreadsheet);
/// A line of CSV; `columns` as export_columns() names them.
std::string csv_line(const tracking::Run& run, const std::string& experiment,
                     const std::vector<std::string>& columns, bool spreadsheet);
/// A number; NaN, which JSON has not, as a text.
wire::Json json_of_number(double value);
wire::Json json_of_run(const tracking::Run& run, const std::string& experiment);

}  // namespace slipway::app
