#pragma once

#include <string>
#include <vector>

#include "graph/graph.h"

// The log, read for one thing and those that bear its name.
namespace slipway::graph {

/// Events about things of a kind whose id begins with `prefix`, oldest first: those before the
/// event `before` (0: all), and of them the newest `limit`.
Result<std::vector<LoggedEvent>> events_of_family(db::Tx& tx, const NodeRef& prefix,
                                                  std::int64_t before, int limit);

}  // namespace slipway::graph
