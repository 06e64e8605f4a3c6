#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "domain/project/project_file.h"

// Which spans of time a monitor judges, and when. Pure; any thread.
//
// A monitor's windows tile the time without gap or overlap, by event time: the first one holds the
// deployment's first answer and begins at midnight UTC before it, or a whole number of windows
// later where they are shorter than a day. So windows of a week begin on the weekday on which the
// deployment began to answer.
namespace slipway::monitor {

using project::Span;

/// [start_ms, end_ms)
struct Window {
  UnixMs start_ms = 0, end_ms = 0;
  bool operator==(const Window&) const = default;
};

/// For how long after its end a window waits for answers whose event time lies in it.
inline constexpr Span kLateness = std::chrono::minutes(5);
/// The windows of a monitor that declares none: it watches an age.
inline constexpr Span kAgeWindow = std::chrono::hours(24);

Span span_of(const project::MonitorSpec& spec);
/// How long after its end a window stays open. Where labels are delayed: for as long as they may
/// take (labels_within), or one more window.
Span grace_of(const project::MonitorSpec& spec);

/// The first window of a monitor whose deployment answered first at `first_ms`.
Window first_window(UnixMs first_ms, Span span);
/// The one that begins where the last one ended. A monitor whose span was changed goes on there.
Window window_from(UnixMs start_ms, Span span);
/// From when on it can be judged.
UnixMs due_ms(const project::MonitorSpec& spec, const Window& window);

/// Windows that labels and answers may still change once they were judged: so many before the next.
inline constexpr int kRestatedWindows = 4;
/// How often late labels are looked for.
Span late_look_of(const project::MonitorSpec& spec);
/// How often answers are that came after their window was judged: files that grow are read anew.
Span late_answers_look_of(const project::MonitorSpec& spec);

/// How far a monitor has come.
struct Progress {
  const project::MonitorSpec* spec = nullptr;
  UnixMs next_ms = 0;  // start of the next window to judge
};
/// When the first of them has something to judge; nothing when there are none.
std::optional<UnixMs> next_due(const std::vector<Progress>& monitors);

}  // namespace slipway::monitor
