#pragma once

#include <boost/describe.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/result.h"

namespace slipway::db {

/// Bytes that are not text.
struct Blob {
  std::string bytes;
  bool operator==(const Blob&) const = default;
};

/// A value bound to `?`. Texts are copied into the statement.
class Value {
 public:
  Value() = default;
  Value(std::nullptr_t) {}
  Value(bool v) : v_(std::int64_t{v}) {}
  Value(int v) : v_(std::int64_t{v}) {}
  Value(std::int64_t v) : v_(v) {}
  Value(double v) : v_(v) {}
  Value(const char* v) : v_(std::string(v)) {}
  Value(std::string_view v) : v_(std::string(v)) {}
  Value(const std::string& v) : v_(v) {}
  Value(const Blob& v) : v_(v) {}
  template <class T>
  Value(const std::optional<T>& v) {
    if (v) *this = Value(*v);
  }
  using Variant = std::variant<std::monostate, std::int64_t, double, std::string, Blob>;
  const Variant& get() const { return v_; }

 private:
  Variant v_;
};

/// The current row of a query; views are valid until the next row.
class Columns {
 public:
  virtual ~Columns() = default;
  virtual int count() const = 0;
  virtual bool is_null(int index) const = 0;
  virtual std::int64_t int64(int index) const = 0;  // 0 for null
  virtual double real(int index) const = 0;         // 0 for null
  virtual std::string_view text(int index) const = 0;
  virtual std::string_view blob(int index) const = 0;
};

namespace detail {

inline void read_column(const Columns& c, int i, std::string& v) {
  v = std::string(c.text(i));
}
inline void read_column(const Columns& c, int i, std::int64_t& v) {
  v = c.int64(i);
}
inline void read_column(const Columns& c, int i, int& v) {
  v = static_cast<int>(c.int64(i));
}
inline void read_column(const Columns& c, int i, bool& v) {
  v = c.int64(i) != 0;
}
inline void read_column(const Columns& c, int i, double& v) {
  v = c.real(i);
}
inline void read_column(const Columns& c, int i, Blob& v) {
  v.bytes = std::string(c.blob(i));
}

/// Numbers are read first: of a column that is null they are 0, and few others are.
template <class T>
void read_nullable(const Columns& c, int i, T& v) {
  if constexpr (std::is_arithmetic_v<T>) {
    T read{};
    read_column(c, i, read);
    if (read != T{} || !c.is_null(i)) v = read;
  } else if (!c.is_null(i)) {
    read_column(c, i, v);
  }
}
template <class T>
void read_nullable(const Columns& c, int i, std::optional<T>& v) {
  if (!c.is_null(i)) read_column(c, i, v.emplace());
}

}  // namespace detail

template <class Row>
Result<> read_row(const Columns& columns, Row& row) {
  if constexpr (boost::describe::has_describe_members<Row>::value) {
    using Members = boost::describe::describe_members<Row, boost::describe::mod_public>;
    constexpr int expected = static_cast<int>(boost::mp11::mp_size<Members>::value);
    if (columns.count() != expected) {
      return internal("a query gave " + std::to_string(columns.count()) +
                      " columns where a row has " + std::to_string(expected) + " members");
    }
    int index = 0;
    boost::mp11::mp_for_each<Members>(
        [&](auto member) { detail::read_nullable(columns, index++, row.*member.pointer); });
  } else {
    detail::read_nullable(columns, 0, row);
  }
  return {};
}

}  // namespace slipway::db
