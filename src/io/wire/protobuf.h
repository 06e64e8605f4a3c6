#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

// Messages of Protocol Buffers, read field by field from bytes that anybody may have sent. Nothing
// is copied or kept; who reads decides what a field means and how deep messages may lie.
namespace slipway::wire {

struct ProtoField {
  enum class Type { kVarint, kFixed64, kBytes, kFixed32 };
  std::uint32_t number = 0;
  Type type = Type::kVarint;
  std::uint64_t value = 0;  // of kVarint, kFixed64, kFixed32
  std::string_view bytes;   // of kBytes: a text, a message, packed numbers

  std::int64_t as_int64() const { return static_cast<std::int64_t>(value); }
  double as_double() const;  // of kFixed64
};

class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message) : rest_(message) {}

  /// The next field; false at the end. kInvalid when the bytes are no message: cut off, a number
  /// longer than it may be, a field 0, a group.
  Result<bool> next(ProtoField& field);

 private:
  Result<std::uint64_t> varint();
  Result<std::uint64_t> fixed(int bytes);

  std::string_view rest_;
};

/// What is written of messages: small ones.
void append_proto_varint(std::string& out, std::uint32_t number, std::uint64_t value);
void append_proto_bytes(std::string& out, std::uint32_t number, std::string_view bytes);
void append_proto_fixed64(std::string& out, std::uint32_t number, std::uint64_t value);

}  // namespace slipway::wire
