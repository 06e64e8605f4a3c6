#pragma once

#include <string>

#include "domain/registry/registry.h"
#include "io/db/db.h"

namespace slipway::app {

/// Why the version may have no golden rows, and what helps. One line.
Result<std::string> no_golden_words(db::Tx& tx, const registry::Version& version);

}  // namespace slipway::app
