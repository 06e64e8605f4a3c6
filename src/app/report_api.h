#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "domain/evidence/delivery_report.h"
#include "domain/project/project_file.h"
#include "io/db/db.h"
#include "io/http/router.h"

namespace slipway::app {

/// What a report is about. Reports go by the times in the log, not by anybody's clock.
struct ReportSpan {
  std::optional<UnixMs> from;          // a date
  std::optional<project::Span> since;  // before the newest event
  project::Span observe{std::chrono::hours(28 * 24)};
};
/// "90d" or "2026-01-31", and "28d"; "" for the whole log, and for 28 days. kInvalid, tag "usage".
Result<ReportSpan> report_span(const std::string& since, const std::string& observe);

Result<evidence::DeliveryReport> delivery_report(db::Tx& tx, const ReportSpan& span);

/// GET /api/slipway/v1/report?since=&observe=; with format=text, in words. `pool` must outlive the
/// router.
void mount_report(http::Router& router, db::Pool& pool);

}  // namespace slipway::app
