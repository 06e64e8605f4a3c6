#pragma once

#include <cstdint>
#include <string>

#include "io/db/connection.h"

namespace slipway::db {

/// Brings the database to what `migrations` describe. The connection may write.
Result<> migrate(Source& source, Connection& connection, const std::vector<Migration>& migrations);
/// Looks only: kMissing for an empty database, kConflict when it is older or newer than
/// `migrations`.
Result<> check_migrated(Connection& connection, const std::vector<Migration>& migrations);

/// Whether a copy of `bytes` may be made beside the database at `path` before `migration`, where
/// `free` bytes are left; kUnavailable (tag "disk_full") says what is needed. A large catalogue
/// needs some room to go on with, too.
Result<> check_room_for_copy(const std::string& path, const std::string& migration,
                             std::uint64_t bytes, std::uint64_t free);

}  // namespace slipway::db
