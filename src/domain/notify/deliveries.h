#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "domain/project/project_file.h"
#include "io/db/db.h"
#include "io/wire/codec.h"

// The outbox of notifications in the catalogue: what was owed to whom, and whether it came through.
// Functions of a caller's Tx; no threads. docs/formats/notifications.md describes the table.
namespace slipway::notify {

std::vector<db::Migration> migrations();

/// The error of what was given up because slipway.yaml names its webhook no more.
inline constexpr char kUndeclared[] = "slipway.yaml no longer names this webhook";

struct Delivery {
  std::string webhook;  // as written in slipway.yaml
  std::int64_t event_seq = 0;
  std::string state;  // "waiting", "delivered", "given_up"
  std::int64_t attempts = 0;
  UnixMs created_ms = 0, next_ms = 0, ended_ms = 0;
  std::string last_error;
};
WIRE(Delivery, webhook, event_seq, state, attempts, created_ms, next_ms, ended_ms, last_error)

/// Takes in the events after the cursor "notify", up to `limit` of them: one waiting delivery for
/// each subscription that wants one. A cursor that was never moved begins at the present end of the
/// log: nobody is told of what happened before notifications were first declared. Returns whether
/// there were any events.
Result<bool> take_in(db::Tx& tx, const std::vector<project::Notification>& declared, int limit,
                     UnixMs now_ms);

/// Whether there are events that were not taken in, and whether any delivery waits: for a reader,
/// so that nothing is written where nothing happens.
Result<bool> has_news(db::Tx& tx);
Result<bool> waits(db::Tx& tx);

/// The oldest delivery of each webhook that waits, where it is due: one receiver gets its events in
/// order, and a slow one holds up nobody else. Those of webhooks that are no longer declared are
/// given up.
Result<std::vector<Delivery>> due(db::Tx& tx, const std::vector<project::Notification>& declared,
                                  UnixMs now_ms);

/// What an attempt came to; `error` is empty for success. Gives up after kGiveUpMs: then true.
Result<bool> record_attempt(db::Tx& tx, const Delivery& delivery, const std::string& error,
                            UnixMs now_ms);

/// Newest first.
Result<std::vector<Delivery>> deliveries(db::Tx& tx, int limit);

}  // namespace slipway::notify
