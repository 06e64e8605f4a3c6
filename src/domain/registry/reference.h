#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "domain/registry/types.h"

namespace slipway::registry {

/// What "models:/..." means: a logged model by its id, or a version of a model by number, by alias,
/// as the newest of a stage, or as the newest of all.
struct Reference {
  std::string logged_model_id = {};  // when set, nothing else is
  std::string model = {};
  std::optional<std::int64_t> number = {};
  std::string alias = {};
  std::string stage = {};  // as written
  bool operator==(const Reference&) const = default;
};

/// Whether `uri` has the scheme "models".
bool is_reference(std::string_view uri);

/// "models:/m-ID", "models:/NAME/7", "models:/NAME@ALIAS", "models:/NAME/Production",
/// "models:/NAME/latest". kInvalid for anything else.
Result<Reference> parse_reference(std::string_view uri);

}  // namespace slipway::registry
