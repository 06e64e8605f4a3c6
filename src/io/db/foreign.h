#pragma once

#include <memory>
#include <string>

#include "io/db/db.h"

namespace slipway::db {

/// A database of another program, for one reader: its tables are taken as they are, nothing is
/// written. The URIs of Pool::open. kMissing when a file is not there.
Result<std::unique_ptr<Pool>> open_foreign(const std::string& uri, Metrics& metrics);

}  // namespace slipway::db
