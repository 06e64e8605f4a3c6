#pragma once

#include <string>

#include "graph/graph.h"

// What the tree says about a thing on its line, for people: the few attributes that tell it apart,
// with units. Everything there is stands in the JSON. Pure; control characters are not removed.
namespace slipway::evidence {

/// "attempt 01a2...  stage train of dvc.yaml: `python src/train.py`  succeeded in 7.6 s (6.3 s CPU,
/// 259 MiB)  on host at 2026-11-25T22:26:18Z". A kind that is not known shows its attributes.
std::string line_of(const graph::Node& node);

/// The same for an end of an edge that has no node: "data 7cc2...".
std::string line_of(const graph::NodeRef& ref);

/// What the edge adds: "  as data/hour.csv", "  dirty: changes with digest 0123...".
std::string addition_of(const graph::Edge& edge);

}  // namespace slipway::evidence
