#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/features/column.h"

// Values of one row as bytes: one layout in memory, in the log and in snapshots. A bit per column
// for null, eight bytes per column, then the texts. docs/formats/online-log.md. Any thread.
namespace slipway::features {

/// `values`: one per type, of that type or null.
std::string encode_row(std::span<const Type> types, std::span<const Value> values);
/// Whether encode_row can have made it for these types.
bool is_row(std::span<const Type> types, std::string_view bytes);
/// Precondition: is_row.
std::vector<Value> decode_row(std::span<const Type> types, std::string_view bytes);

/// Bytes of a file in little endian.
class ByteWriter {
 public:
  void u8(std::uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void u32(std::uint32_t v) { integer(v); }
  void u64(std::uint64_t v) { integer(v); }
  void i64(std::int64_t v) { integer(static_cast<std::uint64_t>(v)); }
  void raw(std::string_view bytes) { out_ += bytes; }
  /// Length, then bytes.
  void text(std::string_view bytes) {
    u32(static_cast<std::uint32_t>(bytes.size()));
    raw(bytes);
  }
  const std::string& bytes() const { return out_; }
  std::string take() { return std::move(out_); }
  std::size_t size() const { return out_.size(); }

 private:
  template <class T>
  void integer(T v) {
    for (std::size_t i = 0; i < sizeof v; ++i) u8(static_cast<std::uint8_t>(v >> (8 * i)));
  }
  std::string out_;
};

/// The reverse. After a read beyond the end everything is 0 or empty and ok() is false.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) : rest_(bytes) {}
  std::uint8_t u8() { return static_cast<std::uint8_t>(integer<std::uint8_t>()); }
  std::uint32_t u32() { return integer<std::uint32_t>(); }
  std::uint64_t u64() { return integer<std::uint64_t>(); }
  std::int64_t i64() { return static_cast<std::int64_t>(integer<std::uint64_t>()); }
  std::string_view raw(std::size_t size) {
    if (size > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view text() { return raw(u32()); }
  bool ok() const { return ok_; }
  bool at_end() const { return rest_.empty(); }
  std::size_t left() const { return rest_.size(); }

 private:
  template <class T>
  T integer() {
    std::string_view taken = raw(sizeof(T));
    T v = 0;
    for (std::size_t i = 0; i < taken.size(); ++i) {
      v = static_cast<T>(
          v | static_cast<T>(static_cast<T>(static_cast<unsigned char>(taken[i])) << (8 * i)));
    }
    return v;
  }
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace slipway::features
