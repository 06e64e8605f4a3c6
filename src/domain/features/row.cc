#include "domain/features/row.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace slipway::features {
namespace {

constexpr std::size_t kCellBytes = 8;

std::size_t bitmap_bytes(std::size_t columns) {
  return (columns + 7) / 8;
}
std::size_t fixed_bytes(std::size_t columns) {
  return bitmap_bytes(columns) + columns * kCellBytes;
}

bool is_valid(std::string_view bytes, std::size_t column) {
  return (static_cast<unsigned char>(bytes[column / 8]) >> (column % 8) & 1) != 0;
}

std::uint64_t cell(std::string_view bytes, std::size_t columns, std::size_t column) {
  std::uint64_t bits = 0;
  static_assert(std::endian::native == std::endian::little);
  std::memcpy(&bits, bytes.data() + bitmap_bytes(columns) + column * kCellBytes, sizeof bits);
  return bits;
}

/// Offset in the texts in the lower half, length in the upper.
std::uint32_t offset_in(std::uint64_t bits) {
  return static_cast<std::uint32_t>(bits);
}
std::uint32_t length_in(std::uint64_t bits) {
  return static_cast<std::uint32_t>(bits >> 32);
}

std::uint64_t bits_of(const Value& value, std::string& texts) {
  switch (type_of(value)) {
    case Type::kBool:
      return std::get<bool>(value) ? 1 : 0;
    case Type::kInt64:
      return static_cast<std::uint64_t>(std::get<std::int64_t>(value));
    case Type::kFloat64:
      return std::bit_cast<std::uint64_t>(std::get<double>(value));
    case Type::kTimestamp:
      return static_cast<std::uint64_t>(std::get<Timestamp>(value).us);
    case Type::kString:
      break;
  }
  const std::string& text = std::get<std::string>(value);
  const std::uint64_t offset = texts.size();
  texts += text;
  return offset | static_cast<std::uint64_t>(text.size()) << 32;
}

}  // namespace

std::string encode_row(std::span<const Type> types, std::span<const Value> values) {
  CHECK(types.size() == values.size());
  std::string out(fixed_bytes(types.size()), '\0');
  std::string texts;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (is_null(values[i])) continue;
    CHECK(type_of(values[i]) == types[i]);
    out[i / 8] = static_cast<char>(out[i / 8] | 1 << (i % 8));
    const std::uint64_t bits = bits_of(values[i], texts);
    std::memcpy(out.data() + bitmap_bytes(types.size()) + i * kCellBytes, &bits, sizeof bits);
  }
  return out + texts;
}

bool is_row(std::span<const Type> types, std::string_view bytes) {
  if (bytes.size() < fixed_bytes(types.size())) return false;
  const std::uint64_t texts = bytes.size() - fixed_bytes(types.size());
  std::uint64_t used = 0;
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (types[i] != Type::kString || !is_valid(bytes, i)) continue;
    const std::uint64_t bits = cell(bytes, types.size(), i);
    if (offset_in(bits) != used) return false;
    used += length_in(bits);
    if (used > texts) return false;
  }
  return used == texts;
}

std::vector<Value> decode_row(std::span<const Type> types, std::string_view bytes) {
  std::vector<Value> values;
  values.reserve(types.size());
  for (std::size_t i = 0; i < types.size(); ++i) {
    if (!is_valid(bytes, i)) {
      values.emplace_back();
      continue;
    }
    const std::uint64_t bits = cell(bytes, types.size(), i);
    switch (types[i]) {
      case Type::kBool:
        values.emplace_back(bits != 0);
        break;
      case Type::kInt64:
        values.emplace_back(static_cast<std::int64_t>(bits));
        break;
      case Type::kFloat64:
        values.emplace_back(std::bit_cast<double>(bits));
        break;
      case Type::kTimestamp:
        values.emplace_back(Timestamp{static_cast<std::int64_t>(bits)});
        break;
      case Type::kString:
        values.emplace_back(std::string(
            bytes.substr(fixed_bytes(types.size()) + offset_in(bits), length_in(bits))));
        break;
    }
  }
  return values;
}

}  // namespace slipway::features
