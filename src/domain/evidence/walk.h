#pragma once

#include "graph/graph.h"

// Walks that follow what is a cause, not all that is joined: graph/README.md has the rules.
namespace slipway::evidence {

/// What `start` comes from. Who only produced the same bytes stands in it with an edge that says
/// "same_bytes", and nothing behind it. kMissing when the start is unknown.
Result<graph::Closure> walk_to_causes(db::Tx& tx, const graph::NodeRef& start, int nodes_max);

/// What came from `start`, by the same rules.
Result<graph::Closure> walk_to_effects(db::Tx& tx, const graph::NodeRef& start, int nodes_max);

}  // namespace slipway::evidence
