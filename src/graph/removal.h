#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.h"

// Nodes that go for good, with the thing they are of. The log stays as it is.
namespace slipway::graph {

/// At most `rows` edges from and to a node, which `rows` is less afterwards, and the node when none
/// is left. Whether it is gone.
Result<bool> remove_some(db::Tx& tx, const NodeRef& ref, std::int64_t& rows);
/// Ids of this kind's nodes that name `cause` as one, in order.
Result<std::vector<std::string>> effects_of_kind(db::Tx& tx, const NodeRef& cause,
                                                 const std::string& kind, int limit);

}  // namespace slipway::graph
