#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "domain/monitor/judge.h"

// When a problem is one, and when it is over: from the judged windows of a monitor to the next step
// of its incident. Pure; any thread.
//
// There is one open incident at most per deployment and monitor. It is about the live version: a
// row of bad windows is one of windows of that version; undecided windows are no evidence, neither
// for nor against. A row of bad windows goes on over them, but not over a time longer than
// `persist` windows: what was bad before that is another matter, unless an incident is open that
// the version has opened itself. It closes when
//   - its remedy, a version whose run it asked for, has been promoted and had a good window, also
//     where yet another version was live by the time that this window was judged,
//   - or two windows in a row are good again (remedy "none"; "replacement" where a version that it
//     did not ask for has become live meanwhile),
//   - or a person closes it.
// While it is open and no remedy is under way, each further bad window says so again
// ("incident.unresolved"); once a remedy has failed, each window that is not good does. Triggers
// read those events as they read "incident.opened", and hold their own cool-down: so the trigger of
// an incident fires again with the first of them after it.
namespace slipway::monitor {

/// Good windows in a row after which a problem is over.
inline constexpr int kGoodWindows = 2;

struct JudgedWindow {
  UnixMs start_ms = 0, end_ms = 0;
  std::string version;  // "" where nobody was answered
  Status status = Status::kUndecided;
};

struct OpenIncident {
  std::string version;       // that was live when it opened
  UnixMs window_end_ms = 0;  // of the window that opened it
  bool remedy_under_way = false;
  std::string remedy_version;  // promoted, and not shown to help yet; ""
  UnixMs promoted_ms = 0;
  int failed_remedies = 0;
};

/// What a decision is taken on, right after a window was judged.
struct Situation {
  int persist = 2;
  std::string live;                   // version
  std::vector<JudgedWindow> windows;  // of the monitor, oldest first, the newest one is the last;
                                      // those judged since its last incident was closed
  std::optional<OpenIncident> open;
};

struct Step {
  enum class Kind { kNone, kOpen, kUnresolved, kClose } kind = Kind::kNone;
  std::string remedy;          // of kClose: "promotion", "replacement", "none"
  std::string version;         // of kClose: whose window says so
  bool remedy_failed = false;  // of kUnresolved: the version that was promoted did not help
  std::string reason;
  int bad_windows = 0;  // of the live version in a row, that made it so: the newest ones
};
Step next_step(const Situation& situation);

/// What became of a rollout whose candidate an incident asked for.
/// `kUndecided`: its guards have not decided in time, and it waits for a person. So it is none that
/// is under way: whatever is bad meanwhile is said again, until somebody lets it go on.
enum class RemedyNews { kStarted, kPromoted, kUndecided, kFailed };
/// The incident after it.
OpenIncident after(OpenIncident incident, RemedyNews news, const std::string& version,
                   UnixMs time_ms);

}  // namespace slipway::monitor
