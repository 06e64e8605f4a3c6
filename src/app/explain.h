#pragma once

#include <string>

#include "graph/graph.h"
#include "io/db/db.h"

namespace slipway::app {

/// evidence::explain for every form in which a person names a thing, "models:/NAME@ALIAS" and its
/// kin included. Waits for the database.
Result<graph::Closure> explain(db::Pool& pool, const std::string& subject,
                               graph::Direction direction);

}  // namespace slipway::app
