#pragma once

#include <string_view>

#include "base/result.h"
#include "io/wire/codec.h"

namespace slipway::yaml {

/// One YAML document as JSON values, plain scalars resolved as PyYAML's safe loader does (YAML 1.1:
/// yes and no are booleans); dates stay texts. Aliases, tags and keys that are no scalars are
/// refused: what tools write has none, and a few aliases can stand for any amount of memory.
/// kInvalid with the line.
Result<wire::Json> to_json(std::string_view text, const wire::Limits& limits);

}  // namespace slipway::yaml
