#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "graph/graph.h"

// Which of those that produced equal bytes made the ones that were read. Pure.
namespace slipway::evidence {

/// One that produced a content, at the path in its edge's attributes.
struct Maker {
  graph::Edge edge;  // data -[produced_by]-> attempt
  UnixMs made_ms = 0;
};

/// When an attempt began, and when it ended; what is not known is when the node came to be.
UnixMs begun_ms(const graph::Node& attempt);
UnixMs made_ms(const graph::Node& attempt);

std::string text_of(const wire::Json& attributes, std::string_view key);  // "" when it is no text
std::int64_t integer_of(const wire::Json& attributes,
                        std::string_view key);  // 0 when it is no number
std::string path_of(const graph::Edge& edge);

/// The latest of `makers` that produced at `path` and was done by `before_ms`; null for none.
const Maker* maker_of(const std::vector<Maker>& makers, const std::string& path, UnixMs before_ms);

/// An edge that only says that the same bytes came from elsewhere too: not a cause.
bool is_same_bytes(const graph::Edge& edge);

/// Whether an edge of a model version belongs to the one that has the name now. (A model that was
/// deleted or renamed and made anew has others under the same names.)
bool is_of_version(const graph::Edge& edge, const graph::Node& version);

}  // namespace slipway::evidence
