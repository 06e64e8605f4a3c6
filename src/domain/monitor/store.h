#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "domain/monitor/incident.h"
#include "domain/monitor/judge.h"
#include "graph/graph.h"
#include "io/db/db.h"
#include "io/wire/json.h"

// Monitors, judged windows and incidents in the catalogue. Functions of a caller's Tx; no threads
// of their own. docs/formats/monitors.md describes the tables.
//
// A state and its event are one transaction. A window is judged once: to record it again changes
// nothing, so whoever was stopped anywhere simply does it again.
namespace slipway::monitor {

std::vector<db::Migration> migrations();

/// How far a monitor has come.
struct MonitorState {
  std::string deployment, monitor;
  UnixMs next_ms = 0;        // start of the next window to judge
  std::string live;          // version that was live when it judged last
  bool empty = false;        // nobody was answered in its last window
  std::int64_t windows = 0;  // judged
  UnixMs updated_ms = 0;
};
Result<std::optional<MonitorState>> find_monitor(db::Tx& tx, const std::string& deployment,
                                                 const std::string& monitor);
Result<std::vector<MonitorState>> monitors(db::Tx& tx);
/// Where a monitor begins. One that is there already stays as it is.
Result<> begin_monitor(db::Tx& tx, const std::string& deployment, const std::string& monitor,
                       UnixMs next_ms, UnixMs now_ms);
/// Goes on at another place: after a clock that was put back, or a span that nobody answered in.
Result<> move_monitor(db::Tx& tx, const std::string& deployment, const std::string& monitor,
                      UnixMs next_ms, UnixMs now_ms);

// --- windows ------------------------------------------------------------------------------------

/// What was found of one version, with what it was compared to.
struct VersionVerdict {
  VersionFacts facts;
  WindowVerdict verdict;
  std::string reference;  // digest of the profile; ""
  std::string contract;   // digest; ""
};
struct JudgedSpan {
  std::string deployment, model;
  const project::MonitorSpec* spec = nullptr;
  Window window;
  std::string live;                      // version that is live now; "" when none is
  std::vector<VersionVerdict> versions;  // empty: nobody was answered
};
struct Recorded {
  bool changed = false;              // false: that window was judged before
  std::vector<std::string> windows;  // ids
  std::string incident;              // that was opened, went on or was closed
  Step::Kind step = Step::Kind::kNone;
};
/// All of it: rows, nodes, edges and one event "window.judged" a version; the monitor moves on;
/// what follows for its incident, with its own event. Of windows in a row in which nobody was
/// answered only the first is kept.
Result<Recorded> record(db::Tx& tx, const JudgedSpan& judged, UnixMs now_ms);

/// What labels and answers that came after a window was judged change of it: of each version with
/// more of them, or with corrected labels, the row, its nodes, and an event "window.restated"; with
/// fewer, or the same, nothing is changed. A version that nobody knew of gets its row, with the
/// event "window.judged".
/// Where that makes another status of the newest window that says anything of the live version,
/// what follows for its incident too. The windows in a row are those of the corrected history,
/// whenever they were corrected.
Result<Recorded> restate(db::Tx& tx, const JudgedSpan& judged, UnixMs now_ms);

struct WindowRow {
  std::string id, deployment, monitor, model, version;
  UnixMs start_ms = 0, end_ms = 0;
  std::string status;
  std::int64_t requests = 0, rows = 0, labelled = 0;
  std::string words, columns, verdicts, facts;  // JSON but for the first
  std::string profile, reference, contract;     // digests
  std::int64_t event_seq = 0;
  UnixMs judged_ms = 0;
};
Result<std::optional<WindowRow>> find_window(db::Tx& tx, const std::string& id);
struct WindowQuery {
  std::string deployment, monitor, version;  // "" for any
  UnixMs before_ms = 0;                      // of the start; 0: no bound
  int limit = 100;
};
/// The latest first.
Result<std::vector<WindowRow>> windows(db::Tx& tx, const WindowQuery& query);
/// The newest profile of a window of this monitor and version that began before `before_ms`, else
/// of any version; its digest.
Result<std::string> previous_profile(db::Tx& tx, const std::string& deployment,
                                     const std::string& monitor, const std::string& version,
                                     UnixMs before_ms);

// --- incidents ----------------------------------------------------------------------------------

struct Incident {
  std::string id;  // UUIDv7
  std::string deployment, monitor, requirement, model;
  OpenIncident state;                // what decisions look at
  std::vector<std::string> columns;  // likely cause
  std::string words;                 // of the window that opened it
  bool open = true;
  std::string remedy;  // of a closed one: "promotion", "replacement", "none", "person"
  std::string reason, closed_by;
  std::int64_t opened_seq = 0, last_seq = 0;
  std::int64_t revision = 0;
  UnixMs opened_ms = 0, closed_ms = 0;
};
Result<std::optional<Incident>> find_incident(db::Tx& tx, const std::string& id);
Result<std::optional<Incident>> open_incident(db::Tx& tx, const std::string& deployment,
                                              const std::string& monitor);
/// The version of the remedy that is under way; "" when none is, or nobody knows which.
Result<std::string> remedy_on_its_way(db::Tx& tx, const Incident& incident);
/// The version of the newest remedy, where its rollout is paused because it was undecided and a
/// person has to decide; else "".
Result<std::string> undecided_remedy(db::Tx& tx, const Incident& incident);
/// Newest first; `open_only` leaves closed ones out.
Result<std::vector<Incident>> incidents(db::Tx& tx, const std::string& deployment, bool open_only,
                                        int limit);

struct IncidentChange {
  std::string incident;
  std::int64_t number = 0;                      // 1, 2, ...: its revisions
  std::string action, reason, actor, evidence;  // evidence: JSON list of verdict nodes
  std::int64_t event_seq = 0;
  UnixMs time_ms = 0;
};
/// Oldest first.
Result<std::vector<IncidentChange>> changes_of(db::Tx& tx, const std::string& incident);

/// By hand. kMissing; kConflict when it is closed already; kInvalid without an actor and a reason.
Result<> close_incident(db::Tx& tx, const std::string& id, const std::string& actor,
                        const std::string& reason, UnixMs now_ms);

/// Closes the open incidents whose monitor is not among `declared` (deployment and monitor) any
/// more: nobody would ever say that they are over. Remedy "none", with the reason.
Result<int> close_undeclared(db::Tx& tx,
                             const std::set<std::pair<std::string, std::string>>& declared,
                             UnixMs now_ms);

/// Looks at one event of the log: news of a rollout whose candidate an open incident asked for, or
/// of a run that it asked for and that failed, becomes part of the incident, with an event of its
/// own. Whether it did. To tell the same news twice changes nothing.
Result<bool> take_news(db::Tx& tx, const graph::LoggedEvent& event, UnixMs now_ms);
/// Whether take_news has any use for events of this type.
bool is_news(const std::string& event_type);

}  // namespace slipway::monitor
