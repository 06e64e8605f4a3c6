#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "io/db/db.h"

// Conditions that are put together at run time (search), as values.
namespace slipway::db {

enum class Op {
  kEqual,
  kUnequal,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kLike,   // % and _ are wildcards, no escape; case counts
  kILike,  // the same, ASCII case does not count
  kIn,     // the operand is a list
  kNotIn,
  kIsNull,  // no operand
  kIsNotNull,
};
/// "=", "!=", "LIKE", "NOT IN", ...
const char* to_string(Op op);

using Operand =
    std::variant<std::monostate, std::string, std::int64_t, double, std::vector<std::string>>;

/// How a condition stands to the one before it, and which groups begin before and end after it.
/// "and" binds more closely than "or", as in SQL.
struct Joint {
  bool either = false;  // "or", else "and"
  int opens = 0, closes = 0;
  bool is_plain() const { return !either && opens == 0 && closes == 0; }
};

/// A statement that grows: text with `?` and the values for them, in order.
struct Sql {
  std::string text;
  std::vector<Value> values;

  Sql& add(std::string_view more) {
    text += more;
    return *this;
  }
  Sql& bind(Value value) {
    values.push_back(std::move(value));
    return *this;
  }
};

/// Appends " and (c0 and (c1 or c2))": the conditions with their joints, each as `append(condition)`
/// writes it; nothing where there are none.
template <class Conditions, class Append>
Result<> append_joined(Sql& sql, const Conditions& conditions, Append append) {
  bool first = true;
  for (const auto& condition : conditions) {
    sql.add(first ? " and (" : condition.joint.either ? " or " : " and ");
    sql.add(std::string(static_cast<std::size_t>(condition.joint.opens), '('));
    TRY(append(condition));
    sql.add(std::string(static_cast<std::size_t>(condition.joint.closes), ')'));
    first = false;
  }
  if (!first) sql.add(")");
  return {};
}

/// Those rows whose column is one of `values`, or is none of them.
struct Listed {
  bool inside = true;
  std::vector<std::string> values = {};
  bool operator==(const Listed&) const = default;
};
/// Appends " and column in (...)" or its opposite, with one parameter however long the list is;
/// `whole`: of whole numbers written as texts.
void append_listed(Sql& sql, Engine engine, std::string_view column, const Listed& listed,
                   bool whole);

/// Appends `column op operand`. kIn and kNotIn take a list (an empty one matches nothing and
/// everything), the other comparisons one value, kIsNull and kIsNotNull none; kInternal otherwise.
Result<> append_comparison(Sql& sql, Engine engine, std::string_view column, Op op,
                           const Operand& operand);
/// The same of a column of whole numbers, whose operand may be a real one: that must not be read
/// as one of the column's type.
Result<> append_whole_comparison(Sql& sql, Engine engine, std::string_view column, Op op,
                                 const Operand& operand);

}  // namespace slipway::db
