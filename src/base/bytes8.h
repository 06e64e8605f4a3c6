#pragma once

#include <cstdint>
#include <cstring>

// Eight bytes of a text at once, for loops over text that is almost always plain: whether any of
// them is special. Exact. Pure.
namespace slipway::bytes8 {

inline constexpr std::uint64_t kOnes = 0x0101010101010101, kHighs = 0x8080808080808080;

/// Precondition: eight bytes are there.
inline std::uint64_t load(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

/// Not 0 when a byte is below `limit`. Precondition: limit <= 0x80.
constexpr std::uint64_t any_below(std::uint64_t word, std::uint8_t limit) {
  return (word - kOnes * limit) & ~word & kHighs;
}
/// Not 0 when a byte is `value`.
constexpr std::uint64_t any_equal(std::uint64_t word, std::uint8_t value) {
  return any_below(word ^ kOnes * value, 1);
}
/// Not 0 when a byte is not ASCII.
constexpr std::uint64_t any_high(std::uint64_t word) {
  return word & kHighs;
}

}  // namespace slipway::bytes8
