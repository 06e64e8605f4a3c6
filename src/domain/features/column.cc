#include "domain/features/column.h"

#include <bit>
#include <cstring>

#include "base/check.h"
#include "base/text.h"
#include "domain/features/calendar.h"

namespace slipway::features {
namespace {

constexpr const char* kTypeNames[] = {"bool", "int64", "float64", "string", "timestamp"};

void append_bytes(std::string& out, const void* data, std::size_t size) {
  out.append(static_cast<const char*>(data), size);
}

void pack(std::string& out, Type type, std::int64_t bits) {
  out.push_back(static_cast<char>(type));
  append_bytes(out, &bits, sizeof bits);
}

void pack_text(std::string& out, std::string_view text) {
  pack(out, Type::kString, static_cast<std::int64_t>(text.size()));
  out.append(text);
}

void pack(std::string& out, const Value& value) {
  switch (type_of(value)) {
    case Type::kBool:
      return pack(out, Type::kBool, std::get<bool>(value) ? 1 : 0);
    case Type::kInt64:
      return pack(out, Type::kInt64, std::get<std::int64_t>(value));
    case Type::kFloat64:
      return pack(out, Type::kFloat64, std::bit_cast<std::int64_t>(std::get<double>(value)));
    case Type::kString:
      return pack_text(out, std::get<std::string>(value));
    case Type::kTimestamp:
      return pack(out, Type::kTimestamp, std::get<Timestamp>(value).us);
  }
}

}  // namespace

const char* to_string(Type type) {
  return kTypeNames[static_cast<std::size_t>(type)];
}

std::optional<Type> parse_type(std::string_view text) {
  for (std::size_t i = 0; i < std::size(kTypeNames); ++i) {
    if (text == kTypeNames[i]) return static_cast<Type>(i);
  }
  return std::nullopt;
}

bool identical(const Value& a, const Value& b) {
  if (a.index() != b.index()) return false;
  if (const double* x = std::get_if<double>(&a)) {
    return std::bit_cast<std::uint64_t>(*x) == std::bit_cast<std::uint64_t>(std::get<double>(b));
  }
  return a == b;
}

std::string to_text(const Value& value) {
  if (is_null(value)) return "";
  switch (type_of(value)) {
    case Type::kBool:
      return std::get<bool>(value) ? "true" : "false";
    case Type::kInt64:
      return std::to_string(std::get<std::int64_t>(value));
    case Type::kFloat64:
      return python_repr(std::get<double>(value));
    case Type::kString:
      return std::get<std::string>(value);
    case Type::kTimestamp:
      return format_timestamp(std::get<Timestamp>(value).us);
  }
  return "";
}

std::optional<Value> parse_value(Type type, std::string_view text) {
  switch (type) {
    case Type::kBool: {
      const std::string lower = to_lower(text);
      if (lower == "true" || lower == "1") return Value(true);
      if (lower == "false" || lower == "0") return Value(false);
      return std::nullopt;
    }
    case Type::kInt64:
      if (std::optional<std::int64_t> number = to_int64(text)) return Value(*number);
      return std::nullopt;
    case Type::kFloat64:
      if (std::optional<double> number = to_double(text)) return Value(*number);
      return std::nullopt;
    case Type::kString:
      return Value(std::string(text));
    case Type::kTimestamp:
      if (std::optional<std::int64_t> us = parse_timestamp(text)) return Value(Timestamp{*us});
      return std::nullopt;
  }
  return std::nullopt;
}

void Column::reserve(std::size_t rows) {
  valid.reserve(rows);
  if (type == Type::kFloat64)
    reals.reserve(rows);
  else if (type == Type::kString)
    texts.reserve(rows);
  else
    ints.reserve(rows);
}

void Column::push(const Value& value) {
  if (is_null(value)) return push_null();
  CHECK(type_of(value) == type);
  valid.push_back(1);
  switch (type) {
    case Type::kBool:
      ints.push_back(std::get<bool>(value) ? 1 : 0);
      break;
    case Type::kInt64:
      ints.push_back(std::get<std::int64_t>(value));
      break;
    case Type::kFloat64:
      reals.push_back(std::get<double>(value));
      break;
    case Type::kString:
      texts.push_back(std::get<std::string>(value));
      break;
    case Type::kTimestamp:
      ints.push_back(std::get<Timestamp>(value).us);
      break;
  }
}

void Column::push_null() {
  valid.push_back(0);
  if (type == Type::kFloat64)
    reals.push_back(0);
  else if (type == Type::kString)
    texts.emplace_back();
  else
    ints.push_back(0);
}

Value Column::at(std::size_t row) const {
  if (valid[row] == 0) return {};
  switch (type) {
    case Type::kBool:
      return ints[row] != 0;
    case Type::kInt64:
      return ints[row];
    case Type::kFloat64:
      return reals[row];
    case Type::kString:
      return texts[row];
    case Type::kTimestamp:
      return Timestamp{ints[row]};
  }
  return {};
}

void Column::push_from(const Column& other, std::size_t row) {
  CHECK(other.type == type);
  if (other.valid[row] == 0) return push_null();
  valid.push_back(1);
  if (type == Type::kFloat64)
    reals.push_back(other.reals[row]);
  else if (type == Type::kString)
    texts.push_back(other.texts[row]);
  else
    ints.push_back(other.ints[row]);
}

const Column* Table::find(std::string_view name) const {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return &columns[i];
  }
  return nullptr;
}

Column* Table::find(std::string_view name) {
  return const_cast<Column*>(static_cast<const Table*>(this)->find(name));
}

void Table::add(std::string name, Column column) {
  CHECK(columns.empty() || column.size() == rows);
  rows = column.size();
  names.push_back(std::move(name));
  columns.push_back(std::move(column));
}

std::string pack_key(const std::vector<Value>& key) {
  // An entityless view has one entity, whose key is not empty either.
  std::string out(1, static_cast<char>(key.size()));
  for (const Value& value : key) {
    if (is_null(value)) return "";
    pack(out, value);
  }
  return out;
}

std::string pack_key(const std::vector<const Column*>& key, std::size_t row) {
  std::string out(1, static_cast<char>(key.size()));
  for (const Column* column : key) {
    if (column->valid[row] == 0) return "";
    if (column->type == Type::kFloat64) {
      pack(out, Type::kFloat64, std::bit_cast<std::int64_t>(column->reals[row]));
    } else if (column->type == Type::kString) {
      pack_text(out, column->texts[row]);
    } else {
      pack(out, column->type, column->ints[row]);
    }
  }
  return out;
}

std::optional<std::vector<Value>> unpack_key(std::string_view packed) {
  if (packed.empty()) return std::nullopt;
  const auto count = static_cast<std::size_t>(static_cast<unsigned char>(packed.front()));
  packed.remove_prefix(1);
  std::vector<Value> key;
  while (key.size() < count) {
    std::int64_t bits = 0;
    if (packed.size() < 1 + sizeof bits) return std::nullopt;
    const auto type = static_cast<unsigned char>(packed.front());
    std::memcpy(&bits, packed.data() + 1, sizeof bits);
    packed.remove_prefix(1 + sizeof bits);
    switch (type) {
      case static_cast<int>(Type::kBool):
        key.emplace_back(bits != 0);
        break;
      case static_cast<int>(Type::kInt64):
        key.emplace_back(bits);
        break;
      case static_cast<int>(Type::kFloat64):
        key.emplace_back(std::bit_cast<double>(bits));
        break;
      case static_cast<int>(Type::kTimestamp):
        key.emplace_back(Timestamp{bits});
        break;
      case static_cast<int>(Type::kString): {
        if (bits < 0 || static_cast<std::uint64_t>(bits) > packed.size()) return std::nullopt;
        const auto size = static_cast<std::size_t>(bits);
        key.emplace_back(std::string(packed.substr(0, size)));
        packed.remove_prefix(size);
        break;
      }
      default:
        return std::nullopt;
    }
  }
  if (!packed.empty()) return std::nullopt;
  return key;
}

}  // namespace slipway::features
