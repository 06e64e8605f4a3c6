#pragma once

#include <string>

#include "domain/monitor/store.h"

// How changes of incidents become durable. For this folder only.
namespace slipway::monitor {

/// What happens to an incident: its row, one event, one line of its history.
struct IncidentNews {
  std::string action;  // "opened", "unresolved", ...: the event's type after "incident."
  std::string reason, actor;
  std::int64_t cause_seq = 0;         // the event that says so; the same one is taken once
  std::vector<std::string> evidence;  // verdict nodes
  wire::Json data;                    // added to the event's
};
/// Of a new incident too (revision 0). Fills in last_seq, opened_seq and revision.
Result<> change_incident(db::Tx& tx, Incident& incident, const IncidentNews& news, UnixMs now_ms);
/// Whether this event has become part of the incident before.
Result<bool> was_taken(db::Tx& tx, const std::string& incident, std::int64_t cause_seq);
/// What follows from a window that was just recorded. `cause_seq`: of its event; `row`: the window
/// of the live version, or null.
Result<> decide_incident(db::Tx& tx, const JudgedSpan& judged, const std::string& live,
                         const WindowRow* row, std::int64_t cause_seq, Recorded& recorded,
                         UnixMs now_ms);

/// Of what a span says about one version.
std::string window_id(const JudgedSpan& judged, const std::string& version);
std::string json_list(const std::vector<std::string>& texts);
Result<std::vector<std::string>> read_list(const std::string& json);

}  // namespace slipway::monitor
