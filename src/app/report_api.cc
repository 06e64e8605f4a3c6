#include "app/report_api.h"

#include <algorithm>

#include "app/api.h"
#include "graph/graph.h"

namespace slipway::app {
namespace {

Error wrong_span(const char* name, const std::string& text, const char* forms) {
  return with_tag(invalid(std::string(name) + " must be " + forms + ", got '" + text + "'"),
                  "usage");
}

/// The oldest and the newest time that the log knows.
struct LogTimes {
  UnixMs first = 0, last = 0;
};
Result<LogTimes> log_times(db::Tx& tx) {
  LogTimes times;
  for (const auto& event : TRY(graph::events_after(tx, 0, 1))) times.first = event.time_ms;
  const std::int64_t newest = TRY(graph::newest_seq(tx));
  for (const auto& event : TRY(graph::events_after(tx, newest - 1, 1))) times.last = event.time_ms;
  return times;
}

}  // namespace

Result<ReportSpan> report_span(const std::string& since, const std::string& observe) {
  ReportSpan span;
  if (!since.empty()) {
    span.from = parse_iso8601(since);
    span.since = project::parse_span(since);
    if (!span.from && !span.since) {
      return wrong_span("since", since, "a span as 90d, or a date as 2026-01-31");
    }
  }
  if (!observe.empty()) {
    const auto parsed = project::parse_span(observe);
    if (!parsed) return wrong_span("observe", observe, "a span as 28d");
    span.observe = *parsed;
  }
  return span;
}

Result<evidence::DeliveryReport> delivery_report(db::Tx& tx, const ReportSpan& span) {
  const LogTimes times = TRY(log_times(tx));
  UnixMs from = times.first;
  if (span.from) from = *span.from;
  if (span.from && times.last > 0 && from > times.last) {
    return invalid("found since " + to_iso8601(from) +
                   ", expected a time that is not after the newest event, which is of " +
                   to_iso8601(times.last));
  }
  if (span.since) from = std::max(times.first, times.last - span.since->count());
  // The span ends after the newest event, which is part of it.
  return evidence::summarize(TRY(evidence::delivery_facts(tx)), from, times.last + 1,
                             span.observe.count());
}

void mount_report(http::Router& router, db::Pool& pool) {
  router.group("/api/slipway/v1", http::render_plain_error)
      .add({http::Method::kGet, "/report", http::reads("graph"), http::Place::kBlocking},
           [&pool](http::Request& request) -> Result<http::Response> {
             const ReportSpan span = TRY(report_span(request.query_value("since").value_or(""),
                                                     request.query_value("observe").value_or("")));
             const bool words = TRY(wants_words(request));
             const auto report =
                 TRY(pool.read([&](db::Tx& tx) { return delivery_report(tx, span); }));
             if (words) return http::Response::text(evidence::to_text(report));
             return http::Response::json(wire::dump(evidence::to_json(report)));
           });
}

}  // namespace slipway::app
