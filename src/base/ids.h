#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace slipway {

/// Fills `out` from the operating system's random source. Ends the process if there is none.
void random_bytes(std::span<std::byte> out);

/// 128 random bits as 32 lower-case hex digits.
std::string random_hex32();

/// A UUID of version 7 (RFC 9562): ids sort by `now` to the millisecond. "0190...-7...-...".
std::string uuid7(UnixMs now);

/// Lower-case hex of `bytes`.
std::string to_hex(std::span<const std::byte> bytes);

/// Whether two secrets are equal, in a time that depends on their lengths only.
bool equal_secrets(std::string_view a, std::string_view b);

}  // namespace slipway
