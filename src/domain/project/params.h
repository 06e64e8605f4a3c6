#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "io/wire/json.h"
#include "io/yaml/yaml.h"

// Values that stages read from params files.
namespace slipway::project {

/// The whole of a params file: YAML 1.2, or JSON by the suffix .json. kMissing when it is not
/// there; .toml and .py are kInvalid with tag "unsupported".
Result<yaml::Node> read_params(const std::filesystem::path& file);

/// The value at a dotted path ("train.lr", "layers.0"); null when there is none.
const yaml::Node* find_param(const yaml::Node& params, std::string_view dotted);

/// As JSON, for digests. kInvalid for what JSON has no word for (a date; an integer beyond 64
/// bits), tag "no_json".
Result<wire::Json> to_json(const yaml::Node& node);
yaml::Node from_json(const wire::Json& json);

}  // namespace slipway::project
