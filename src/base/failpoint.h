#pragma once

#include <string_view>

// Numbered places where a test kills the program, to see that it goes on afterwards.
namespace slipway {

/// Kills this process like a power cut when SLIPWAY_FAILPOINT is `name`, or `name` and ":N" at its
/// N-th passing. Else, and without that variable, nothing. Any thread.
void failpoint(std::string_view name);
/// The same for the name "GROUP.NAME".
void failpoint(std::string_view group, std::string_view name);

}  // namespace slipway
