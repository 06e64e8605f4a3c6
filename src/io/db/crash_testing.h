#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/db/db.h"

// Programs that are killed while they write. For tests of this folder: the program's main must know
// kWriteUntilKilled.
namespace slipway::db {

inline constexpr char kWriteUntilKilled[] = "--write-until-killed";

const std::vector<Migration>& crash_migrations();

/// The killed program: writes entries 1, 2, 3, ... with many in flight, and prints the id of each
/// that was acknowledged. Returns only on errors.
int write_until_killed(const std::string& uri);

/// Runs this program again with kWriteUntilKilled, kills it by SIGKILL after `lines` ids, and
/// returns every id that it printed.
Result<std::vector<std::int64_t>> acknowledged_before_kill(const std::string& uri,
                                                           std::size_t lines);

}  // namespace slipway::db
