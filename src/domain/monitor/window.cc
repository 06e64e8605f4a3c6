#include "domain/monitor/window.h"

#include <algorithm>

namespace slipway::monitor {
namespace {

constexpr UnixMs kDay = 24 * 3'600'000;

/// Towards the past, also before 1970.
UnixMs floor_to(UnixMs value, UnixMs step) {
  UnixMs rest = value % step;
  if (rest < 0) rest += step;
  return value - rest;
}

}  // namespace

Span span_of(const project::MonitorSpec& spec) {
  return spec.window.count() > 0 ? spec.window : kAgeWindow;
}

Span grace_of(const project::MonitorSpec& spec) {
  if (!spec.delayed_labels) return kLateness;
  return std::max(spec.labels_within.count() > 0 ? spec.labels_within : span_of(spec), kLateness);
}

Window first_window(UnixMs first_ms, Span span) {
  const UnixMs midnight = floor_to(first_ms, kDay);
  const UnixMs start = midnight + floor_to(first_ms - midnight, span.count());
  return window_from(start, span);
}

Window window_from(UnixMs start_ms, Span span) {
  return {start_ms, start_ms + span.count()};
}

UnixMs due_ms(const project::MonitorSpec& spec, const Window& window) {
  return window.end_ms + grace_of(spec).count();
}

Span late_look_of(const project::MonitorSpec& spec) {
  constexpr int kLooksPerWindow = 4;
  return std::max<Span>(span_of(spec) / kLooksPerWindow, std::chrono::minutes(1));
}

Span late_answers_look_of(const project::MonitorSpec& spec) {
  return std::max<Span>(late_look_of(spec), std::chrono::hours(1));
}

std::optional<UnixMs> next_due(const std::vector<Progress>& monitors) {
  std::optional<UnixMs> first;
  for (const Progress& monitor : monitors) {
    const UnixMs due = due_ms(*monitor.spec, window_from(monitor.next_ms, span_of(*monitor.spec)));
    if (!first || due < *first) first = due;
  }
  return first;
}

}  // namespace slipway::monitor
