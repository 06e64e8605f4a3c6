#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"

namespace slipway::wire {

struct Limits;

/// A JSON value whose shape is not known beforehand. Objects keep the order of their keys as read.
class Json {
 public:
  using Array = std::vector<Json>;
  using Member = std::pair<std::string, Json>;
  using Object = std::vector<Member>;

  Json() = default;
  Json(std::nullptr_t) {}
  Json(bool v) : value_(v) {}
  Json(int v) : value_(std::int64_t{v}) {}
  Json(std::int64_t v) : value_(v) {}
  Json(std::uint64_t v) : value_(v) {}
  Json(double v) : value_(v) {}
  Json(const char* v) : value_(std::string(v)) {}
  Json(std::string_view v) : value_(std::string(v)) {}
  Json(std::string v) : value_(std::move(v)) {}
  Json(Array v) : value_(std::move(v)) {}
  Json(Object v) : value_(std::move(v)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_bool() const { return std::holds_alternative<bool>(value_); }
  bool is_number() const { return value_.index() >= 2 && value_.index() <= 4; }
  bool is_integer() const { return value_.index() == 2 || value_.index() == 3; }
  bool is_uint64() const { return value_.index() == 3; }  // as stored; parse does so above 2^63 - 1
  bool is_string() const { return std::holds_alternative<std::string>(value_); }
  bool is_array() const { return std::holds_alternative<Array>(value_); }
  bool is_object() const { return std::holds_alternative<Object>(value_); }

  /// Preconditions: the is_... of the same name.
  bool as_bool() const { return std::get<bool>(value_); }
  std::int64_t as_int64() const;  // of a double: truncated
  double as_double() const;
  const std::string& as_string() const { return std::get<std::string>(value_); }
  const Array& as_array() const { return std::get<Array>(value_); }
  Array& as_array() { return std::get<Array>(value_); }
  const Object& as_object() const { return std::get<Object>(value_); }
  Object& as_object() { return std::get<Object>(value_); }

  /// The member `key` of an object; null when it is absent or this is no object.
  const Json* find(std::string_view key) const;
  /// Sets or replaces a member; a null value becomes an object first.
  Json& set(std::string key, Json value);

  /// Deep equality; numbers by value (1 equals 1.0), objects regardless of order.
  bool operator==(const Json& other) const;

 private:
  std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, Array,
               Object>
      value_;
};

/// Accepts bare NaN, Infinity, -Infinity. kInvalid with line and column.
Result<Json> parse(std::string_view text, const Limits& limits);
Result<Json> parse(std::string_view text);

struct DumpStyle {
  bool sort_keys = false;
  bool ascii = false;   // \uXXXX for everything beyond ASCII, as Python's default
  bool spaces = false;  // ", " and ": " as Python's default separators
  int indent = 0;
  bool non_finite_as_string = false;  // else bare NaN, Infinity, -Infinity
};
/// Doubles as Python's repr writes them.
std::string dump(const Json& value, const DumpStyle& style = {});

/// `text` in double quotes with the escapes JSON asks for, appended to `out`.
void append_quoted(std::string& out, std::string_view text, bool ascii = false);
/// A double as Python's json writes it: "0.1", "1e-05", "5.0"; NaN, Infinity, -Infinity bare.
void append_double(std::string& out, double value);

}  // namespace slipway::wire
