#include "io/wire/protobuf.h"

#include <bit>

namespace slipway::wire {
namespace {

Error cut_off() {
  return invalid("the message ends in the middle of a field");
}

void append_raw(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

}  // namespace

double ProtoField::as_double() const {
  return std::bit_cast<double>(value);
}

Result<std::uint64_t> ProtoReader::varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) return cut_off();
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    if (shift == 63 && byte > 1) return invalid("a number of the message has more than 64 bits");
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  return invalid("a number of the message has more than 64 bits");
}

Result<std::uint64_t> ProtoReader::fixed(int bytes) {
  if (rest_.size() < static_cast<std::size_t>(bytes)) return cut_off();
  std::uint64_t value = 0;
  for (int i = bytes; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(rest_[static_cast<std::size_t>(i)]);
  }
  rest_.remove_prefix(static_cast<std::size_t>(bytes));
  return value;
}

Result<bool> ProtoReader::next(ProtoField& field) {
  using Type = ProtoField::Type;
  if (rest_.empty()) return false;
  const std::uint64_t tag = TRY(varint());
  const std::uint64_t number = tag >> 3;
  if (number == 0 || number >= (1u << 29)) return invalid("a field of the message has no number");
  field = {};
  field.number = static_cast<std::uint32_t>(number);
  switch (tag & 7) {
    case 0:
      field.type = Type::kVarint;
      field.value = TRY(varint());
      return true;
    case 1:
      field.type = Type::kFixed64;
      field.value = TRY(fixed(8));
      return true;
    case 2: {
      const std::uint64_t size = TRY(varint());
      if (size > rest_.size()) return cut_off();
      field.type = Type::kBytes;
      field.bytes = rest_.substr(0, size);
      rest_.remove_prefix(size);
      return true;
    }
    case 5:
      field.type = Type::kFixed32;
      field.value = TRY(fixed(4));
      return true;
    default:
      return invalid("a field of the message is of a kind that is not read");
  }
}

void append_proto_varint(std::string& out, std::uint32_t number, std::uint64_t value) {
  append_raw(out, std::uint64_t{number} << 3);
  append_raw(out, value);
}

void append_proto_bytes(std::string& out, std::uint32_t number, std::string_view bytes) {
  append_raw(out, std::uint64_t{number} << 3 | 2);
  append_raw(out, bytes.size());
  out += bytes;
}

void append_proto_fixed64(std::string& out, std::uint32_t number, std::uint64_t value) {
  append_raw(out, std::uint64_t{number} << 3 | 1);
  for (int i = 0; i < 8; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace slipway::wire
