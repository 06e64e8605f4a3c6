#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace slipway {

/// Hex digests of a whole text.
std::string md5_hex(std::string_view data);
std::string sha256_hex(std::string_view data);

/// HMAC-SHA-256 (RFC 2104): its 32 bytes, and in lower-case hex.
std::string hmac_sha256(std::string_view key, std::string_view data);
std::string hmac_sha256_hex(std::string_view key, std::string_view data);

/// 64-bit xxHash3: in memory only, never stored.
std::uint64_t fast_hash(std::string_view data);

/// CRC-32C (Castagnoli, RFC 3720 appendix B.4): the check sum of our own logs on disk. `before` is
/// that of what precedes `data`: crc32c(ab) == crc32c(b, crc32c(a)).
std::uint32_t crc32c(std::string_view data, std::uint32_t before = 0);

/// Digest of a stream. Not thread-safe; one object per stream.
class Hasher {
 public:
  enum class Kind { kMd5, kSha256 };
  explicit Hasher(Kind kind);
  ~Hasher();
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;

  void update(std::string_view data);
  /// Lower-case hex; the object can't be used afterwards.
  std::string finish_hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway
