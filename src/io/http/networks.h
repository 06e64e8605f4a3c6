#pragma once

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

// Addresses as on the wire, and networks of them; for guard.h and forwarded.h.
namespace slipway::http {

struct WireAddress {
  std::array<std::uint8_t, 16> bytes{};
  std::size_t size = 0;  // 4 or 16

  std::span<const std::uint8_t> view() const { return {bytes.data(), size}; }
};

/// "192.0.2.7" or "2001:db8::7"; "::ffff:192.0.2.7" is the first of these.
inline std::optional<WireAddress> to_wire_address(std::string_view text) {
  const std::string copy(text);
  WireAddress address;
  if (inet_pton(AF_INET, copy.c_str(), address.bytes.data()) == 1) {
    address.size = 4;
    return address;
  }
  if (inet_pton(AF_INET6, copy.c_str(), address.bytes.data()) != 1) return std::nullopt;
  constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  const bool is_mapped = std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin());
  address.size = is_mapped ? 4 : 16;
  if (is_mapped) std::copy_n(address.bytes.begin() + 12, 4, address.bytes.begin());
  return address;
}

struct Network {
  std::array<std::uint8_t, 16> prefix;
  int bits;
};

/// Of an address of the network's own kind.
inline bool lies_in(std::span<const std::uint8_t> address, const Network& network) {
  for (int bit = 0; bit < network.bits; ++bit) {
    const std::size_t at = static_cast<std::size_t>(bit) / 8;
    const int mask = 0x80 >> (bit % 8);
    if ((address[at] & mask) != (network.prefix[at] & mask)) return false;
  }
  return true;
}

}  // namespace slipway::http
