#pragma once

#include <string>
#include <string_view>

namespace slipway {

/// What somebody else wrote, for a terminal: control characters, and those that turn the direction
/// of writing, as "\\n", "\\x1b", "\\u202e". `text` is UTF-8. Pure.
std::string for_terminal(std::string_view text);

}  // namespace slipway
