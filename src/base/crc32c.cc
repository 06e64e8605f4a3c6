#include <array>
#include <cstring>

#include "base/hash.h"

namespace slipway {
namespace {

constexpr std::uint32_t kPolynomial = 0x82f63b78;  // reversed

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? kPolynomial : 0);
    table[i] = crc;
  }
  return table;
}
constexpr std::array<std::uint32_t, 256> kTable = make_table();

std::uint32_t by_table(const char* at, std::size_t size, std::uint32_t crc) {
  for (; size > 0; --size, ++at) {
    crc = (crc >> 8) ^ kTable[(crc ^ static_cast<unsigned char>(*at)) & 0xff];
  }
  return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(const char* at, std::size_t size,
                                                               std::uint32_t crc) {
  std::uint64_t wide = crc;
  for (; size >= 8; size -= 8, at += 8) {
    std::uint64_t word;
    std::memcpy(&word, at, 8);
    wide = __builtin_ia32_crc32di(wide, word);
  }
  crc = static_cast<std::uint32_t>(wide);
  if (size >= 4) {
    std::uint32_t word;
    std::memcpy(&word, at, 4);
    crc = __builtin_ia32_crc32si(crc, word);
    size -= 4, at += 4;
  }
  for (; size > 0; --size, ++at) crc = __builtin_ia32_crc32qi(crc, static_cast<unsigned char>(*at));
  return crc;
}
#endif

}  // namespace

std::uint32_t crc32c(std::string_view data, std::uint32_t before) {
  const std::uint32_t crc = ~before;
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2");
  if (has_instruction) return ~by_instruction(data.data(), data.size(), crc);
#endif
  return ~by_table(data.data(), data.size(), crc);
}

}  // namespace slipway
