#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

// Typed values and columns: what feature views, expressions, joins and the online store pass
// around. Values only. Any thread.
namespace slipway::features {

enum class Type : std::uint8_t { kBool, kInt64, kFloat64, kString, kTimestamp };

/// "bool", "int64", "float64", "string", "timestamp".
const char* to_string(Type type);
std::optional<Type> parse_type(std::string_view text);

/// An instant: microseconds since 1970-01-01T00:00:00Z.
struct Timestamp {
  std::int64_t us = 0;
  auto operator<=>(const Timestamp&) const = default;
};

/// One value; monostate is null. The alternatives after it stand in the order of Type.
using Value = std::variant<std::monostate, bool, std::int64_t, double, std::string, Timestamp>;

inline bool is_null(const Value& value) {
  return value.index() == 0;
}
/// Precondition: not null.
inline Type type_of(const Value& value) {
  return static_cast<Type>(value.index() - 1);
}
/// Equal to the bit: null equals null, NaN equals NaN of the same bits, 0.0 does not equal -0.0.
bool identical(const Value& a, const Value& b);
/// As CSV and the command line show it: "" for null, "true", shortest decimal, ISO 8601 in UTC.
std::string to_text(const Value& value);
/// The reverse of to_text for a value of `type`, surrounding blanks not allowed; nothing when it is
/// none. Timestamps as parse_timestamp reads them.
std::optional<Value> parse_value(Type type, std::string_view text);

/// Values of one type, null where `valid` is 0. Only the vector that the type uses has elements.
struct Column {
  Type type = Type::kFloat64;
  std::vector<std::uint8_t> valid;  // 0 or 1 per row
  std::vector<std::int64_t> ints;   // kBool (0, 1), kInt64, kTimestamp (microseconds)
  std::vector<double> reals;        // kFloat64
  std::vector<std::string> texts;   // kString

  Column() = default;
  explicit Column(Type t) : type(t) {}
  std::size_t size() const { return valid.size(); }
  void reserve(std::size_t rows);
  /// Precondition: null or of the column's type.
  void push(const Value& value);
  void push_null();
  Value at(std::size_t row) const;
  /// Appends row `row` of `other`, which has the same type.
  void push_from(const Column& other, std::size_t row);
};

struct Table {
  std::vector<std::string> names;
  std::vector<Column> columns;  // all of `rows` rows
  std::size_t rows = 0;

  /// Nothing when there is none of that name.
  const Column* find(std::string_view name) const;
  Column* find(std::string_view name);
  void add(std::string name, Column column);
};

/// Values packed into bytes that are equal exactly when the tuples are: type and length stand
/// before each value, so no two tuples run into one another. Empty when any value is null (a null
/// key matches nothing).
std::string pack_key(const std::vector<Value>& key);
std::string pack_key(const std::vector<const Column*>& key, std::size_t row);
/// The values of a packed key; nothing for bytes that pack_key cannot have made.
std::optional<std::vector<Value>> unpack_key(std::string_view packed);

}  // namespace slipway::features
