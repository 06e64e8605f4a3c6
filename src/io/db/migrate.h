#pragma once

#include "io/db/connection.h"

namespace slipway::db {

/// Brings the database to what `migrations` describe. The connection may write.
Result<> migrate(Source& source, Connection& connection, const std::vector<Migration>& migrations);
/// Looks only: kMissing for an empty database, kConflict when it is older or newer than
/// `migrations`.
Result<> check_migrated(Connection& connection, const std::vector<Migration>& migrations);

}  // namespace slipway::db
