#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "graph/graph.h"
#include "io/wire/json.h"

// Where a thing comes from: a walk over the asset graph, as a tree to read and as JSON.
namespace slipway::evidence {

/// What a person names: "models:/NAME/VERSION", "run:ID" or "runs:/ID", "data:MD5", "model:ID",
/// "attempt:ID", "commit:ID", "environment:DIGEST", "params:DIGEST". kInvalid lists these. Aliases
/// ("models:/NAME@ALIAS") are the registry's business: resolve them first.
Result<graph::NodeRef> parse_subject(std::string_view text);

/// Everything `subject` comes from (or, with kToEffects, everything that came from it), by the
/// rules in graph/README.md. The beginning of an id is enough, from 6 characters on. kMissing when
/// nothing is known of it, kConflict (with a list) for a beginning of several.
Result<graph::Closure> explain(db::Tx& tx, const graph::NodeRef& subject,
                               graph::Direction direction);

/// One line a node, children indented below; a node met before is not repeated. Pure.
std::string to_tree(const graph::Closure& closure, graph::Direction direction);

/// {"subject": "kind:id", "truncated": false, "nodes": [{kind, id, created_ms, attributes}],
/// "edges": [{effect, relation, cause, attributes}]}, ends written "kind:id". Pure.
wire::Json to_json(const graph::Closure& closure);

}  // namespace slipway::evidence
