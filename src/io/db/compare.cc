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

Result<> append_list(Sql& sql, std::string_view column, Op op, const Operand& operand) {
  const auto* list = std::get_if<std::vector<std::string>>(&operand);
  if (list == nullptr) return wrong_operand(column, op);
  if (list->empty()) {
    sql.add(op == Op::kIn ? "1 = 0" : "1 = 1");
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
  if (op == Op::kIn || op == Op::kNotIn) return append_list(sql, column, op, operand);
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
  const std::string type = whole ? "bigint" : "text";
  const std::string as_type = whole ? "integer" : "text";
  sql.add(" and ").add(column).add(listed.inside ? " in (" : " not in (");
  if (engine == Engine::kSqlite) {
    sql.add("select cast(value as " + as_type + ") from json_each(?))");
  } else {
    sql.add("select cast(value as " + type +
            ") from json_array_elements_text(cast(? as json)) as listed (value))");
  }
  wire::Json::Array values(listed.values.begin(), listed.values.end());
  sql.bind(Value(wire::dump(wire::Json(std::move(values)))));
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
