#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/db/db.h"

// Which receivers do not take what they are owed, of both outboxes: for a person who wonders why
// nobody was told. Functions of a caller's Tx.
namespace slipway::notify {

struct Undelivered {
  /// As it may be shown: "${env:NAME}", or scheme and host alone, for a path may be a secret; of a
  /// webhook that a client made, its name before that.
  std::string receiver;
  std::int64_t waiting = 0;
  std::int64_t given_up = 0;  // since `since_ms`
  UnixMs oldest_ms = 0;       // when the oldest that waits was owed; 0: none does
  std::int64_t attempts = 0;  // that this one was tried in vain
  std::string last_error;     // of what waits, else of what was given up last
};
/// By receiver: those that an attempt failed for, that something is owed to since before `late_ms`,
/// or that something was given up for since `since_ms`. What slipway.yaml names no more is no
/// receiver.
Result<std::vector<Undelivered>> undelivered(db::Tx& tx, UnixMs late_ms, UnixMs since_ms);

/// Of an address, or of what slipway.yaml has in its place, what is nobody's secret. Pure.
std::string shown_address(std::string_view address);

}  // namespace slipway::notify
