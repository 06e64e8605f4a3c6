#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace slipway {

/// What scrypt (RFC 7914) costs: 128 * block * work bytes of memory, `lanes` times one after the
/// other.
struct ScryptCost {
  std::uint64_t work = 1u << 15;  // a power of two
  std::uint64_t block = 8, lanes = 3;
};
/// The key of `bytes` bytes that scrypt makes of a password; nothing for a cost that it refuses, or
/// one above 128 MiB.
std::optional<std::string> scrypt(std::string_view password, std::string_view salt,
                                  const ScryptCost& cost, std::size_t bytes);

}  // namespace slipway
