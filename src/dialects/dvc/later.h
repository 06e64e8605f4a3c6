#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

// DVC's commands that are not there yet: one list for `slipway dvc NAME` and for `slipway NAME`.
namespace slipway::dvc {

/// "not supported yet: NAME; what to do instead"; nothing when DVC has no such command, or when it
/// is there.
std::optional<std::string> not_yet(std::string_view command);

/// All of their names, sorted.
std::vector<std::string> commands_not_yet();

}  // namespace slipway::dvc
