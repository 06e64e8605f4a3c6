#include "base/ids.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace slipway {

void random_bytes(std::span<std::byte> out) {
  // One system call fills many small requests: ids are made on hot paths.
  thread_local std::array<std::byte, 256> pool;
  thread_local std::size_t left = 0;
  while (!out.empty()) {
    if (left == 0) {
      ssize_t got = getrandom(pool.data(), pool.size(), 0);
      CHECK(got == static_cast<ssize_t>(pool.size()));
      left = pool.size();
    }
    const std::size_t taken = std::min(left, out.size());
    left -= taken;
    std::memcpy(out.data(), pool.data() + left, taken);
    out = out.subspan(taken);
  }
}

std::string to_hex(std::span<const std::byte> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (std::byte b : bytes) {
    hex += kDigits[std::to_integer<unsigned>(b) >> 4];
    hex += kDigits[std::to_integer<unsigned>(b) & 15];
  }
  return hex;
}

std::string random_hex32() {
  std::array<std::byte, 16> bytes;
  random_bytes(bytes);
  return to_hex(bytes);
}

std::string uuid7(UnixMs now) {
  std::array<std::byte, 16> bytes;
  random_bytes(bytes);
  for (int i = 0; i < 6; ++i) bytes[i] = static_cast<std::byte>((now >> (8 * (5 - i))) & 0xff);
  bytes[6] = (bytes[6] & std::byte{0x0f}) | std::byte{0x70};
  bytes[8] = (bytes[8] & std::byte{0x3f}) | std::byte{0x80};
  std::string hex = to_hex(bytes);
  for (int position : {20, 16, 12, 8}) hex.insert(static_cast<std::size_t>(position), "-");
  return hex;
}

bool equal_secrets(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference |= static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i]);
  }
  return difference == 0;
}

}  // namespace slipway
