#include "io/db/compare.h"

#include "io/wire/json.h"

namespace slipway::db {
namespace {

struct OpName {
  Op op;
  const char* name;
};
constexpr OpName kNames[] = {
    {Op::kEqual, "="},        {Op::kUnequal, "!="},     {Op::kLess, "<"},
    {Op::kLessOrEqual, "<="}, {Op::kGreater, ">"},      {Op::kGreaterOrEqual, ">="},
    {Op::kLike, "LIKE"},      {Op::kILike, "ILIKE"},    {Op::kIn, "IN"},
    {Op::kNotIn, "NOT IN"},   {Op::kIsNull, "IS NULL"}, {Op::kIsNotNull, "IS NOT NULL"},
};

Error wrong_operand(std::string_view column, Op op) {
  return internal("the comparison of " + std::string(column) + " by " + to_string(op) +
                  " has an operand of another kind");
}

/// A statement has at most 32,766 placeholders, a filter at most 500 lists: longer ones are one
/// value each.
constexpr std::size_t kPlaceholdersMax = 50;

/// `column [not] in (` what a JSON array holds `)`.
void append_array(Sql& sql, Engine engine, std::string_view column, bool inside,
                  wire::Json::Array values, bool whole) {
  sql.add(column).add(inside ? " in (" : " not in (");
  if (engine == Engine::kSqlite) {
    sql.add(std::string("select cast(value as ") + (whole ? "integer" : "text") +
            ") from json_each(?))");
  } else {
    sql.add(std::string("select cast(value as ") + (whole ? "bigint" : "text") +
            ") from json_array_elements_text(cast(? as json)) as listed (value))");
  }
  sql.bind(Value(wire::dump(wire::Json(std::move(values)))));
}

Result<> append_list(Sql& sql, Engine engine, std::string_view column, Op op,
                     const Operand& operand) {
  const auto* list = std::get_if<std::vector<std::string>>(&operand);
  if (list == nullptr) return wrong_operand(column, op);
  if (list->empty()) {
    sql.add(op == Op::kIn ? "1 = 0" : "1 = 1");
    return {};
  }
  if (list->size() > kPlaceholdersMax) {
    wire::Json::Array values;
    for (const std::string& value : *list) {
      // No text that is kept has a NUL, and not every engine reads one.
      if (value.find('\0') == std::string::npos) values.emplace_back(value);
    }
    append_array(sql, engine, column, op == Op::kIn, std::move(values), /*whole=*/false);
    return {};
  }
  sql.add(column).add(op == Op::kIn ? " in (" : " not in (");
  for (std::size_t i = 0; i < list->size(); ++i) {
    sql.add(i == 0 ? "?" : ", ?").bind((*list)[i]);
  }
  sql.add(")");
  return {};
}

}  // namespace

const char* to_string(Op op) {
  for (const OpName& row : kNames) {
    if (row.op == op) return row.name;
  }
  return "?";
}

Result<> append_comparison(Sql& sql, Engine engine, std::string_view column, Op op,
                           const Operand& operand) {
  if (op == Op::kIn || op == Op::kNotIn) return append_list(sql, engine, column, op, operand);
  if (op == Op::kIsNull || op == Op::kIsNotNull) {
    sql.add(column).add(op == Op::kIsNull ? " is null" : " is not null");
    return {};
  }
  const bool like = op == Op::kLike || op == Op::kILike;
  if (like)
    sql.add(like_sql(engine, column, op == Op::kILike));
  else
    sql.add(column).add(" ").add(to_string(op)).add(" ?");
  if (const auto* text = std::get_if<std::string>(&operand))
    sql.bind(*text);
  else if (const auto* whole = std::get_if<std::int64_t>(&operand); whole && !like)
    sql.bind(*whole);
  else if (const auto* real = std::get_if<double>(&operand); real && !like)
    sql.bind(*real);
  else
    return wrong_operand(column, op);
  return {};
}

void append_listed(Sql& sql, Engine engine, std::string_view column, const Listed& listed,
                   bool whole) {
  wire::Json::Array values(listed.values.begin(), listed.values.end());
  sql.add(" and ");
  append_array(sql, engine, column, listed.inside, std::move(values), whole);
}

Result<> append_whole_comparison(Sql& sql, Engine engine, std::string_view column, Op op,
                                 const Operand& operand) {
  if (!std::holds_alternative<double>(operand)) {
    return append_comparison(sql, engine, column, op, operand);
  }
  const std::string real = "cast(" + std::string(column) + " as double precision)";
  return append_comparison(sql, engine, real, op, operand);
}

}  // namespace slipway::db
