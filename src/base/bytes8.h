#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

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

/// Of a text of fewer than eight bytes, filled up with zeros. Nothing beyond them is touched.
inline std::uint64_t load_tail(const char* at, std::size_t size) {
  if (size >= 4) {
    std::uint32_t head, tail;  // which overlap
    std::memcpy(&head, at, sizeof head);
    std::memcpy(&tail, at + size - sizeof tail, sizeof tail);
    return head | std::uint64_t{tail} << (8 * (size - sizeof tail));
  }
  if (size == 0) return 0;
  const auto byte = [&](std::size_t i) {
    return std::uint64_t{static_cast<unsigned char>(at[i])} << (8 * i);
  };
  return byte(0) | byte(size / 2) | byte(size - 1);
}

/// How many of the bytes go on with a character of UTF-8 that an earlier one began.
constexpr std::size_t count_continuations(std::uint64_t word) {
  return (((word >> 7) & (~word >> 6) & kOnes) * kOnes) >> 56;
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

/// Whether `special` is 0 of all of a text of eight bytes or more. False for a shorter one: that is
/// for whoever looks at single bytes.
template <class Special>
bool none(std::string_view text, Special special) {
  if (text.size() < 8) return false;
  std::uint64_t found = special(load(text.data() + text.size() - 8));
  for (std::size_t i = 0; i + 8 <= text.size(); i += 8) found |= special(load(text.data() + i));
  return found == 0;
}

}  // namespace slipway::bytes8
