#include <algorithm>

#include "app/cli/catalogue.h"
#include "app/cli/verbs.h"
#include "app/score_api.h"
#include "domain/evidence/delivery_report.h"
#include "domain/project/project_file.h"
#include "graph/graph.h"

namespace slipway::app {
namespace {

struct ReportSpan {
  std::optional<UnixMs> from;          // a date
  std::optional<project::Span> since;  // before the newest event
  project::Span observe{std::chrono::hours(28 * 24)};
};

Error wrong_span(const std::string& flag, const std::string& text, const char* forms) {
  return with_tag(invalid(flag + " must be " + forms + ", got '" + text + "'"), "usage");
}

Result<ReportSpan> span_of(const Arguments& arguments) {
  ReportSpan span;
  if (auto since = arguments.flags.find("since"); since != arguments.flags.end()) {
    span.from = parse_iso8601(since->second);
    span.since = project::parse_span(since->second);
    if (!span.from && !span.since) {
      return wrong_span("--since", since->second, "a span as 90d, or a date as 2026-01-31");
    }
  }
  if (auto observe = arguments.flags.find("observe"); observe != arguments.flags.end()) {
    const auto parsed = project::parse_span(observe->second);
    if (!parsed) return wrong_span("--observe", observe->second, "a span as 28d");
    span.observe = *parsed;
  }
  return span;
}

/// The newest and the oldest time that the log knows; reports go by these, not by the clock here.
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

Result<evidence::DeliveryReport> made_report(db::Pool& pool, const ReportSpan& span) {
  return pool.read([&](db::Tx& tx) -> Result<evidence::DeliveryReport> {
    const LogTimes times = TRY(log_times(tx));
    UnixMs from = times.first;
    if (span.from) from = *span.from;
    if (span.since) from = std::max(times.first, times.last - span.since->count());
    // The span ends after the newest event, which is part of it.
    return evidence::summarize(TRY(evidence::delivery_facts(tx)), from, times.last + 1,
                               span.observe.count());
  });
}

int run_report(const Arguments& arguments, const Surroundings& surroundings) {
  const Result<ReportSpan> span = span_of(arguments);
  if (!span.ok()) return report(span.error(), surroundings);
  Metrics metrics;
  Result<std::unique_ptr<db::Pool>> pool = open_catalogue(arguments, surroundings, metrics);
  if (!pool.ok()) return report(pool.error(), surroundings);
  const Result<evidence::DeliveryReport> made = made_report(**pool, *span);
  if (!made.ok()) return report(made.error(), surroundings);
  surroundings.out << (surroundings.json ? wire::dump(evidence::to_json(*made)) + "\n"
                                         : evidence::to_text(*made));
  return kDone;
}

int run_score(const Arguments& arguments, const Surroundings& surroundings) {
  Metrics metrics;
  Result<std::unique_ptr<db::Pool>> pool = open_catalogue(arguments, surroundings, metrics);
  if (!pool.ok()) return report(pool.error(), surroundings);
  const auto score =
      (*pool)->read([&](db::Tx& tx) { return test_score(tx, arguments.positional.front()); });
  if (!score.ok()) return report(score.error(), surroundings);
  surroundings.out << (surroundings.json ? wire::dump(evidence::to_json(*score)) + "\n"
                                         : evidence::to_text(*score));
  return kDone;
}

}  // namespace

std::vector<Command> report_commands() {
  std::vector<Flag> flags = catalogue_flags();
  flags.insert(flags.begin(),
               {{"--since", "SPAN",
                 "from so long before the newest event (90d), or from a date "
                 "on; the whole log without it"},
                {"--observe", "SPAN", "how long after its promotion a version may fail [28d]"}});
  return {{.name = "report",
           .summary = "deployment frequency, lead time, time to restore, change failure rate, and "
                      "the automation level of each model",
           .flags = std::move(flags),
           .examples = {"slipway report", "slipway report --since 90d", "slipway --json report"},
           .run = run_report},
          {.name = "score",
           .summary = "the ML Test Score of a model, from evidence: 28 tests with their links",
           .positional = "MODEL",
           .positional_min = 1,
           .positional_max = 1,
           .positional_help = "a registered model",
           .flags = catalogue_flags(),
           .examples = {"slipway score bikes", "slipway --json score bikes"},
           .run = run_score}};
}

}  // namespace slipway::app
