#pragma once

#include <string>

#include "domain/engine/mlmodel.h"
#include "domain/registry/registry.h"
#include "io/db/db.h"

namespace slipway::app {

/// Why the version may have no golden rows, and what helps, for whom `gate` stops. One line.
Result<std::string> no_golden_words(db::Tx& tx, const std::string& gate,
                                    const registry::Version& version, const engine::MlModel& model);

}  // namespace slipway::app
