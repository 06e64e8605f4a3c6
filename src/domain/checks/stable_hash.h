#pragma once

#include <bit>
#include <cstdint>
#include <string_view>

#include "base/bytes8.h"

// The hash that sketches are made with. It is written into profiles by way of their sketches, so it
// never changes; docs/formats/profile.md defines it.
namespace slipway::checks {

/// Every bit of the result depends on every bit of `x`; different values give different results.
constexpr std::uint64_t mix64(std::uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

inline std::uint64_t hash_of(std::int64_t value) {
  return mix64(static_cast<std::uint64_t>(value) + 0x9e3779b97f4a7c15);
}

/// -0 and 0 are one value; so are all NaNs, but those are counted elsewhere.
inline std::uint64_t hash_of(double value) {
  return mix64(std::bit_cast<std::uint64_t>(value == 0 ? 0.0 : value) + 0x9e3779b97f4a7c15);
}

/// Eight bytes at a time, little endian, the last ones filled up with zeros.
inline std::uint64_t hash_of(std::string_view text) {
  constexpr std::uint64_t kStep = 0x9e3779b97f4a7c15;
  std::uint64_t hash = kStep ^ text.size();
  for (; text.size() >= 8; text.remove_prefix(8))
    hash = mix64(hash ^ bytes8::load(text.data())) + kStep;
  if (!text.empty()) hash = mix64(hash ^ bytes8::load_tail(text.data(), text.size())) + kStep;
  return mix64(hash);
}

}  // namespace slipway::checks
