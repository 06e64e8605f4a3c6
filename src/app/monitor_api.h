#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "domain/project/applied.h"
#include "io/db/db.h"
#include "io/http/router.h"
#include "io/wire/codec.h"

// What is seen of monitors, windows and incidents, and what a person does about an incident. Over
// HTTP, or on a pool of one's own. Any thread; waits for the database. docs/formats/monitors.md.
namespace slipway::app {

/// {"monitors": [...]}: those that are declared.
Result<wire::Json> list_monitors(db::Tx& tx);

/// kMissing, with the nearest name, unless `subject`, "DEPLOYMENT" or "DEPLOYMENT/MONITOR", is of
/// one of them. Pure.
Result<> find_monitors(const wire::Json& monitors, const std::string& subject);

struct WindowsRequest {
  std::string deployment, monitor, version;  // "" for any
  std::int64_t before_ms = 0, limit = 100;
  bool verdicts = false;  // with all that was judged
  bool measured = false;  // with the one check that stands for the window, as "measured"
};
/// {"windows": [...]}, newest first. kInvalid for a limit that is out of bounds.
Result<wire::Json> list_windows(db::Tx& tx, const WindowsRequest& request);

struct IncidentsRequest {
  std::string deployment;  // "" for any
  bool open = false;       // only those that are
  std::int64_t limit = 100;
};
/// {"incidents": [...]}, newest first.
Result<wire::Json> list_incidents(db::Tx& tx, const IncidentsRequest& request);
/// One, with its history, by its id or the beginning of it. kMissing.
Result<wire::Json> show_incident(db::Tx& tx, const std::string& id);

struct CloseRequest {
  std::string actor, reason;
};
WIRE(CloseRequest, actor, reason)
/// The incident as it is then.
Result<wire::Json> close_incident_by_hand(db::Tx& tx, const std::string& id,
                                          const CloseRequest& request, UnixMs now_ms);

/// `wake`: Circle::wake().
void mount_monitors(http::Router& router, db::Pool& pool, const Clock& clock,
                    std::function<void()> wake);

}  // namespace slipway::app
