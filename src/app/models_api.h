#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/clock.h"
#include "io/db/db.h"
#include "io/http/router.h"
#include "io/wire/json.h"

// What was changed about registered models, and what held at any time: as JSON, for the API and the
// command line. Functions of a caller's Tx.
namespace slipway::app {

struct HistoryQuery {
  std::string model;
  std::string alias;         // changes of this alias alone; "" for all changes
  std::optional<UnixMs> at;  // what held then is told too; and no later changes
  int limit = 1000;          // the newest changes
  bool with_predecessors = true;  // those that had the name before and are gone
};
/// {"model", "changes": [...], "more", "as_of": {...}}. kMissing for a name that no model ever had.
Result<wire::Json> model_history(db::Tx& tx, const HistoryQuery& query);
/// "2026-05-03" (its end, UTC) or a time as ISO 8601. kInvalid.
Result<UnixMs> time_of(std::string_view text);

/// Whether what somebody else's things were is his to see: of who administers the server.
using SeesAll = std::function<bool(const http::Principal&)>;
/// Under /api/slipway/v1: GET /models/{model}/history?alias=&at=&limit=. `pool` must outlive it.
void mount_models(http::Router& router, db::Pool& pool, SeesAll sees_all);

}  // namespace slipway::app
