#include "domain/tracking/search.h"

#include <cmath>
#include <optional>
#include <span>

#include "base/text.h"

namespace slipway::tracking {
namespace {

using db::Op;
using db::Sql;

struct Column {
  std::string_view key;
  std::string_view sql;
  enum class Type { kText, kNumber, kWhole } type;  // kWhole: a number, given as text
};
using enum Column::Type;
constexpr Column kRunColumns[] = {
    {"run_id", "runs.run_id", kText},     {"run_name", "runs.name", kText},
    {"status", "runs.status", kText},     {"artifact_uri", "runs.artifact_uri", kText},
    {"user_id", "runs.user_id", kText},   {"start_time", "runs.start_ms", kNumber},
    {"end_time", "runs.end_ms", kNumber},
};
constexpr Column kExperimentColumns[] = {
    {"experiment_id", "experiments.id", kWhole},
    {"name", "experiments.name", kText},
    {"creation_time", "experiments.created_ms", kNumber},
    {"last_update_time", "experiments.updated_ms", kNumber},
};

Result<Column> find_column(std::span<const Column> columns, std::string_view key) {
  for (const Column& column : columns) {
    if (column.key == key) return column;
  }
  return invalid("there is no attribute '" + std::string(key) + "' to search by");
}

/// Experiment ids are compared as numbers, whatever they were written as.
Result<db::Operand> to_whole(const db::Operand& operand) {
  const auto* text = std::get_if<std::string>(&operand);
  if (text == nullptr) return operand;
  std::optional<std::int64_t> whole = to_int64(*text);
  if (!whole) return invalid("'" + *text + "' is not a whole number");
  return db::Operand(*whole);
}

Result<> append_whole_list(Sql& sql, db::Engine engine, const Column& column,
                           const Condition& condition) {
  const auto* list = std::get_if<std::vector<std::string>>(&condition.value);
  if (list == nullptr || list->empty()) return invalid("a list of whole numbers is missing");
  db::Listed listed{condition.op == Op::kIn, {}};
  for (const std::string& text : *list) {
    std::optional<std::int64_t> whole = to_int64(text);
    if (!whole) return invalid("'" + text + "' is not a whole number");
    listed.values.push_back(std::to_string(*whole));
  }
  sql.add("(1 = 1");
  db::append_listed(sql, engine, column.sql, listed, /*whole=*/true);
  sql.add(")");
  return {};
}

Result<> append_attribute(Sql& sql, db::Engine engine, std::span<const Column> columns,
                          const Condition& condition) {
  Column column = TRY(find_column(columns, condition.key));
  if (column.type == kWhole && (condition.op == Op::kIn || condition.op == Op::kNotIn)) {
    return append_whole_list(sql, engine, column, condition);
  }
  const bool number = column.type != kText;
  if (number && (condition.op == Op::kLike || condition.op == Op::kILike)) {
    return invalid("'" + condition.key + "' is a number and has no pattern");
  }
  db::Operand operand = condition.value;
  if (column.type == kWhole) operand = TRY(to_whole(operand));
  if (column.type == kText &&
      (std::holds_alternative<double>(operand) || std::holds_alternative<std::int64_t>(operand))) {
    return invalid("'" + condition.key + "' is a text");
  }
  if (number && !std::holds_alternative<double>(operand) &&
      !std::holds_alternative<std::int64_t>(operand)) {
    return invalid("'" + condition.key + "' is a number");
  }
  return db::append_whole_comparison(sql, engine, column.sql, condition.op, operand);
}

/// `exists (select 1 from TABLE where OWNER = ROW and key = ? and value OP ?)`
struct PairTable {
  std::string_view from;   // "run_tags t where t.run = runs.id"
  std::string_view value;  // "t.value"
};
constexpr PairTable kParams{"run_params p where p.run = runs.id and p.key = ?", "p.value"};
constexpr PairTable kTags{"run_tags t where t.run = runs.id and t.key = ?", "t.value"};
constexpr PairTable kExperimentTags{
    "experiment_tags t where t.experiment = experiments.id and t.key = ?", "t.value"};
constexpr PairTable kDatasetTags{
    "run_datasets i join run_dataset_tags t on t.input = i.id where i.run = runs.id and t.key = ?",
    "t.value"};

// Ends every subquery of a condition: with an offset PostgreSQL leaves it a subquery, of which it
// answers hundreds one by one. Without, it plans their joins together, in memory that grows without
// bound.
constexpr std::string_view kEndOfExists = " limit 1 offset 0)";

Result<> append_pair(Sql& sql, db::Engine engine, const PairTable& table,
                     const Condition& condition) {
  if (condition.op == Op::kIsNull) sql.add("not ");
  sql.add("exists (select 1 from ").add(table.from).bind(condition.key);
  if (condition.op != Op::kIsNull && condition.op != Op::kIsNotNull) {
    sql.add(" and ");
    TRY(db::append_comparison(sql, engine, table.value, condition.op, condition.value));
  }
  sql.add(kEndOfExists);
  return {};
}

/// Ends a condition on the rows `m` of metrics.
Result<> append_value_test(Sql& sql, db::Engine engine, const Condition& condition) {
  const bool unequal = condition.op == Op::kUnequal;
  sql.add(unequal ? "(m.is_nan = 1 or " : "(m.is_nan = 0 and ");
  TRY(db::append_comparison(sql, engine, "m.value", condition.op, condition.value));
  sql.add(")").add(kEndOfExists);
  return {};
}

Result<> append_metric(Sql& sql, db::Engine engine, const Condition& condition) {
  sql.add("exists (select 1 from metric_series m where m.run = runs.id and m.key = ? and ")
      .bind(condition.key);
  return append_value_test(sql, engine, condition);
}

/// SQL for a part of the series `name`, null where there is none.
std::string part_sql(Part part, const std::string& name) {
  switch (part) {
    case Part::kMin:
      return name + ".min_value";
    case Part::kMax:
      return name + ".max_value";
    case Part::kCount:
      return "cast(" + name + ".points as double precision)";
    case Part::kFirstStep:
      return "cast(" + name + ".first_step as double precision)";
    case Part::kLastStep:
      return "cast(" + name + ".last_step as double precision)";
  }
  return "null";
}

/// part_relation() of the runs that `of_runs` leaves of the rows `m`.
void append_part_rows(Sql& sql, const std::string& key, const SeriesPart& part,
                      std::string_view of_runs) {
  const std::string value = part_sql(part.part, "m");
  sql.add("(select m.run, m.value, m.is_nan from metric_series m where m.key = ?").bind(key);
  sql.add(of_runs).add(" union all select m.run, coalesce(" + value + ", 0), case when " + value);
  sql.add(" is null then 1 else 0 end from metric_series m where m.key = ?").bind(part.series);
  sql.add(of_runs).add(" and not exists (select 1 from metric_series o where o.run = m.run");
  sql.add(" and o.key = ?))").bind(key);
}

Result<> append_part(Sql& sql, db::Engine engine, const Condition& condition) {
  const std::optional<SeriesPart> part = part_of(condition.key);
  if (!part) return internal("no part of a metric: " + condition.key);
  sql.add("exists (select 1 from ");
  append_part_rows(sql, condition.key, *part, " and m.run = runs.id");
  sql.add(" m where ");
  return append_value_test(sql, engine, condition);
}

Result<> append_dataset(Sql& sql, db::Engine engine, const Condition& condition) {
  if (condition.key != "name" && condition.key != "digest") {
    return invalid("datasets are searched by name or digest, not by '" + condition.key + "'");
  }
  sql.add(
      "exists (select 1 from run_datasets i join datasets d on d.id = i.dataset "
      "where i.run = runs.id and ");
  TRY(db::append_comparison(sql, engine, "d." + condition.key, condition.op, condition.value));
  sql.add(kEndOfExists);
  return {};
}

Result<> append_run_condition(Sql& sql, db::Engine engine, const Condition& condition) {
  switch (condition.field) {
    case Field::kAttribute:
      return append_attribute(sql, engine, kRunColumns, condition);
    case Field::kMetric:
      return append_metric(sql, engine, condition);
    case Field::kMetricPart:
      return append_part(sql, engine, condition);
    case Field::kParam:
      return append_pair(sql, engine, kParams, condition);
    case Field::kTag:
      return append_pair(sql, engine, kTags, condition);
    case Field::kDataset:
      return append_dataset(sql, engine, condition);
    case Field::kDatasetTag:
      return append_pair(sql, engine, kDatasetTags, condition);
  }
  return internal("a condition of an unknown kind");
}

Result<> append_experiment_condition(Sql& sql, db::Engine engine, const Condition& condition) {
  if (condition.field == Field::kAttribute) {
    return append_attribute(sql, engine, kExperimentColumns, condition);
  }
  if (condition.field == Field::kTag) return append_pair(sql, engine, kExperimentTags, condition);
  return invalid("experiments are searched by attributes and tags only");
}

void append_view(Sql& sql, std::string_view table, View view) {
  if (view == View::kAll) return;
  sql.add(" and ").add(table).add(view == View::kActive ? ".deleted = 0" : ".deleted = 1");
}

void append_page(Sql& sql, int limit, std::int64_t offset) {
  sql.add(" limit ? offset ?").bind(std::int64_t{limit} + 1).bind(offset);
}

void append_direction(Sql& sql, std::string_view column, bool ascending) {
  sql.add(column).add(ascending ? ", " : " desc, ");
}

bool is_of_metric(Field field) {
  return field == Field::kMetric || field == Field::kMetricPart;
}

/// The joins of an ordering by a metric, param or tag, named o0, o1, ...
Result<> append_order_join(Sql& sql, const Ordering& ordering, std::size_t index) {
  const std::string name = "o" + std::to_string(index);
  std::string_view table;
  switch (ordering.field) {
    case Field::kMetric:
      table = "metric_series";
      break;
    case Field::kMetricPart: {
      if (!part_of(ordering.key)) return internal("no part of a metric: " + ordering.key);
      Sql relation = part_relation(ordering.key);
      sql.add(" left join ").add(relation.text);
      for (db::Value& value : relation.values) sql.bind(std::move(value));
      sql.add(" " + name + " on " + name + ".run = runs.id");
      return {};
    }
    case Field::kParam:
      table = "run_params";
      break;
    case Field::kTag:
      table = "run_tags";
      break;
    case Field::kAttribute:
      return {};
    default:
      return invalid("runs are not ordered by datasets");
  }
  sql.add(" left join ").add(table).add(" ").add(name);
  sql.add(" on " + name + ".run = runs.id and " + name + ".key = ?").bind(ordering.key);
  return {};
}

/// What a term is ordered by first, as a number: values, then NaN, then none.
Result<std::string> state_sql(const Ordering& ordering, std::size_t index) {
  const std::string name = "o" + std::to_string(index);
  std::string column = name + ".value";
  if (ordering.field == Field::kAttribute) column = TRY(find_column(kRunColumns, ordering.key)).sql;
  std::string sql = "case ";
  if (is_of_metric(ordering.field)) sql += "when " + name + ".is_nan = 1 then 1 ";
  return sql + "when " + column + " is null then 2 else 0 end";
}

Result<> append_order_terms(Sql& sql, const Ordering& ordering, std::size_t index) {
  std::string column = "o" + std::to_string(index) + ".value";
  if (ordering.field == Field::kAttribute) column = TRY(find_column(kRunColumns, ordering.key)).sql;
  sql.add(TRY(state_sql(ordering, index))).add(", ");
  append_direction(sql, column, ordering.ascending);
  return {};
}

Result<> check_count(const std::vector<Ordering>& order) {
  constexpr std::size_t kTermsMax = 30;  // each may be a join
  if (order.size() > kTermsMax) {
    return invalid("there are more than " + std::to_string(kTermsMax) + " terms to order by");
  }
  return {};
}

Result<> check_distinct(const std::vector<Ordering>& order) {
  for (std::size_t i = 0; i < order.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (order[i].field == order[j].field && order[i].key == order[j].key) {
        return invalid("`order_by` contains duplicate fields: " + order[i].key);
      }
    }
  }
  return {};
}

/// Runs behind a place: (A > a or (A = a and (B > b or (B = b and ...)))).
Result<> append_after(Sql& sql, const RunQuery& query) {
  const std::vector<Ordering> order = full_order(query);
  if (query.after->values.size() != order.size()) {
    return invalid("the page starts behind a place in another order");
  }
  std::string closing;
  sql.add(" and (1 = 0");
  for (std::size_t i = 0; i < order.size(); ++i) {
    const PlaceValue& place = query.after->values[i];
    const std::string state = TRY(state_sql(order[i], i));
    sql.add(" or " + state + " > ?").bind(std::int64_t{place.state});
    sql.add(" or (" + state + " = ? and (1 = 0").bind(std::int64_t{place.state});
    closing += "))";
    if (place.state != 0) continue;
    std::string column = "o" + std::to_string(i) + ".value";
    bool whole = false;
    if (order[i].field == Field::kAttribute) {
      const Column found = TRY(find_column(kRunColumns, order[i].key));
      column = found.sql;
      whole = found.type == kNumber;
    }
    const auto bind = [&] {
      if (is_of_metric(order[i].field))
        sql.bind(place.real);
      else if (whole)
        sql.bind(place.whole);
      else
        sql.bind(place.text);
    };
    sql.add(" or " + column + (order[i].ascending ? " > ?" : " < ?"));
    bind();
    sql.add(" or (" + column + " = ? and (1 = 0");
    bind();
    closing += "))";
  }
  sql.add(closing).add(")");
  return {};
}

PlaceValue of_text(std::string text) {
  return {0, 0, 0, std::move(text)};
}
PlaceValue of_whole(std::int64_t whole) {
  return {0, 0, whole, ""};
}

template <class Pairs>
PlaceValue value_of_pair(const Pairs& pairs, const std::string& key) {
  for (const auto& pair : pairs) {
    if (pair.key == key) return of_text(pair.value);
  }
  return {};
}

PlaceValue value_of_metric(const Run& run, const std::string& key) {
  for (const Metric& metric : run.metrics) {
    if (metric.key != key) continue;
    if (std::isnan(metric.value)) return {1, 0, 0, ""};
    return {0, metric.value, 0, ""};
  }
  return {};
}

PlaceValue value_of_part(const Run& run, const std::string& key) {
  PlaceValue own = value_of_metric(run, key);
  const std::optional<SeriesPart> part = part_of(key);
  if (own.state != 2 || !part) return own;
  for (const SeriesHead& series : run.metrics) {
    if (series.key != part->series) continue;
    const auto real = [](std::optional<double> value) {
      return value ? PlaceValue{0, *value, 0, ""} : PlaceValue{1, 0, 0, ""};
    };
    switch (part->part) {
      case Part::kMin:
        return real(series.min);
      case Part::kMax:
        return real(series.max);
      case Part::kCount:
        return real(static_cast<double>(series.points));
      case Part::kFirstStep:
        return real(static_cast<double>(series.first_step));
      case Part::kLastStep:
        return real(static_cast<double>(series.last_step));
    }
  }
  return {};
}

PlaceValue value_of_attribute(const RunInfo& info, std::string_view key) {
  if (key == "start_time") return of_whole(info.start_ms);
  if (key == "end_time") {
    return info.end_ms ? of_whole(*info.end_ms) : PlaceValue{};
  }
  if (key == "run_id") return of_text(info.id);
  if (key == "run_name") return of_text(info.name);
  if (key == "status") return of_text(to_string(info.status));
  if (key == "artifact_uri") return of_text(info.artifact_uri);
  return of_text(info.user_id);
}

PlaceValue value_of(const Run& run, const Ordering& ordering) {
  switch (ordering.field) {
    case Field::kMetric:
      return value_of_metric(run, ordering.key);
    case Field::kMetricPart:
      return value_of_part(run, ordering.key);
    case Field::kParam:
      return value_of_pair(run.params, ordering.key);
    case Field::kTag:
      return value_of_pair(run.tags, ordering.key);
    default:
      return value_of_attribute(run.info, ordering.key);
  }
}

bool orders_by(const std::vector<Ordering>& order, std::string_view key) {
  for (const Ordering& ordering : order) {
    if (ordering.field == Field::kAttribute && ordering.key == key) return true;
  }
  return false;
}

}  // namespace

std::optional<SeriesPart> part_of(std::string_view key) {
  constexpr std::pair<std::string_view, Part> kParts[] = {{".min", Part::kMin},
                                                          {".max", Part::kMax},
                                                          {".count", Part::kCount},
                                                          {".first_step", Part::kFirstStep},
                                                          {".last_step", Part::kLastStep}};
  for (const auto& [end, part] : kParts) {
    if (key.size() > end.size() && key.ends_with(end))
      return SeriesPart{std::string(key.substr(0, key.size() - end.size())), part};
  }
  return std::nullopt;
}

Sql part_relation(const std::string& key) {
  Sql sql;
  append_part_rows(sql, key, *part_of(key), "");
  return sql;
}

std::vector<Ordering> full_order(const RunQuery& query) {
  std::vector<Ordering> order = query.order;
  if (!orders_by(order, "start_time")) order.push_back({Field::kAttribute, "start_time", false});
  order.push_back({Field::kAttribute, "run_id", true});
  return order;
}

OfSeries needed_of_series(const RunQuery& query) {
  const bool by_part = std::any_of(
      query.order.begin(), query.order.end(),
      [](const Ordering& ordering) { return ordering.field == Field::kMetricPart; });
  return by_part ? OfSeries::kAll : query.of_series;
}

RunPlace place_of(const Run& run, const RunQuery& query) {
  RunPlace place;
  for (const Ordering& ordering : full_order(query)) {
    place.values.push_back(value_of(run, ordering));
  }
  return place;
}

Result<Sql> run_search_sql(db::Engine engine, const RunQuery& query) {
  TRY(check_count(query.order));
  TRY(check_distinct(query.order));
  Sql sql;
  sql.add("select runs.id from runs");
  for (std::size_t i = 0; i < query.order.size(); ++i) {
    TRY(append_order_join(sql, query.order[i], i));
  }
  sql.add(" where runs.experiment in (");
  for (std::size_t i = 0; i < query.experiments.size(); ++i) {
    sql.add(i == 0 ? "" : ",").add(std::to_string(query.experiments[i]));
  }
  sql.add(query.experiments.empty() ? "null)" : ")");
  append_view(sql, "runs", query.view);
  TRY(db::append_joined(sql, query.where, [&](const Condition& condition) {
    return append_run_condition(sql, engine, condition);
  }));
  if (query.after) TRY(append_after(sql, query));
  sql.add(" order by ");
  for (std::size_t i = 0; i < query.order.size(); ++i) {
    TRY(append_order_terms(sql, query.order[i], i));
  }
  if (!orders_by(query.order, "start_time")) sql.add("runs.start_ms desc, ");
  sql.add("runs.run_id");
  append_page(sql, query.limit, query.offset);
  return sql;
}

Result<Sql> experiment_search_sql(db::Engine engine, const ExperimentQuery& query) {
  TRY(check_count(query.order));
  Sql sql;
  sql.add("select experiments.id from experiments where 1 = 1");
  append_view(sql, "experiments", query.view);
  TRY(db::append_joined(sql, query.where, [&](const Condition& condition) {
    return append_experiment_condition(sql, engine, condition);
  }));
  if (query.among) db::append_listed(sql, engine, "experiments.id", *query.among, /*whole=*/true);
  sql.add(" order by ");
  for (const Ordering& ordering : query.order) {
    if (ordering.field != Field::kAttribute) {
      return invalid("experiments are ordered by attributes only");
    }
    append_direction(sql, TRY(find_column(kExperimentColumns, ordering.key)).sql,
                     ordering.ascending);
  }
  if (query.order.empty())
    sql.add("experiments.created_ms desc, experiments.id");
  else
    sql.add("experiments.id desc");
  append_page(sql, query.limit, query.offset);
  return sql;
}

}  // namespace slipway::tracking
