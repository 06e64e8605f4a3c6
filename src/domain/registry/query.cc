#include "domain/registry/query.h"

#include <set>

#include "base/text.h"
#include "domain/registry/schema.h"

namespace slipway::registry {
namespace {

using db::Op;
using db::Sql;

Result<> check_counts(std::size_t conditions, std::size_t orders) {
  if (conditions > kConditionsMax) {
    return invalid("a filter has at most " + std::to_string(kConditionsMax) + " conditions");
  }
  if (orders > kOrdersMax) {
    return invalid("`order_by` has at most " + std::to_string(kOrdersMax) + " fields");
  }
  return {};
}

void append(Sql& sql, const Sql& more) {
  sql.add(more.text);
  for (const db::Value& value : more.values) sql.bind(value);
}

void add_page(Sql& sql, int limit, std::int64_t offset) {
  sql.add(" limit ? offset ?").bind(std::int64_t{limit} + 1).bind(offset);
}

// Ends every subquery of a condition: with an offset PostgreSQL answers hundreds of them one by
// one. Without, it plans their joins together, in memory that grows without bound.
constexpr const char* kEndOfExists = " limit 1 offset 0)";

/// Whether rows `t` of `tags` hold a key with a value; a key that must be absent is asked for with
/// IS NULL.
Result<> add_pair_condition(Sql& sql, db::Engine engine, const std::string& tags,
                            const std::string& key, Op op, const db::Operand& operand) {
  if (op == Op::kIsNull) sql.add("not ");
  sql.add("exists (select 1 from " + tags + " and t.key = ?").bind(key);
  if (op != Op::kIsNull && op != Op::kIsNotNull) {
    sql.add(" and ");
    TRY(db::append_comparison(sql, engine, "t.value", op, operand));
  }
  sql.add(kEndOfExists);
  return {};
}

/// Where a search looks: one for models, one for versions.
struct Target {
  const char* from;
  const char* id;
  const char* tags;    // rows t of the tags of this one
  const char* hidden;  // rows h of the tags that hide this one
  const char* (*column)(Field field);
  std::vector<std::pair<Field, const char*>> ties;
};

const char* model_column(Field field) {
  switch (field) {
    case Field::kName:
      return "m.name";
    case Field::kCreated:
      return "m.created_ms";
    case Field::kUpdated:
      return "m.updated_ms";
    default:
      return nullptr;
  }
}

const char* version_column(Field field) {
  switch (field) {
    case Field::kName:
      return "m.name";
    case Field::kNumber:
      return "v.number";
    case Field::kRun:
      return "v.run_id";
    case Field::kSource:
      return "v.source";
    case Field::kCreated:
      return "v.created_ms";
    case Field::kUpdated:
      return "v.updated_ms";
    case Field::kTag:
      return nullptr;
  }
  return nullptr;
}

Target models() {
  return {"registered_models m where 1 = 1",
          "m.id",
          "registered_model_tags t where t.model = m.id",
          "registered_model_tags h where h.model = m.id",
          &model_column,
          {{Field::kName, "m.name"}}};
}

Target versions() {
  return {"model_versions v join registered_models m on m.id = v.model where v.deleted_ms is null",
          "v.id",
          "model_version_tags t where t.version = v.id",
          "model_version_tags h join model_versions o on o.id = h.version where o.model = v.model",
          &version_column,
          {{Field::kName, "m.name"}, {Field::kNumber, "v.number desc"}}};
}

Result<> add_condition(Sql& sql, db::Engine engine, const Target& target,
                       const Condition& condition) {
  if (condition.field == Field::kTag) {
    return add_pair_condition(sql, engine, target.tags, condition.key, condition.op,
                              condition.operand);
  }
  const char* column = target.column(condition.field);
  if (column == nullptr) return invalid("that attribute can't be searched for");
  return db::append_whole_comparison(sql, engine, column, condition.op, condition.operand);
}

Result<> add_order(Sql& sql, const Target& target, const std::vector<Order>& orders) {
  std::vector<std::string> parts;
  std::set<Field> seen;
  for (const Order& order : orders) {
    const char* column = target.column(order.field);
    if (column == nullptr) return invalid("that attribute can't be ordered by");
    if (!seen.insert(order.field).second) return invalid("`order_by` contains duplicate fields");
    parts.push_back(column + std::string(order.ascending ? "" : " desc"));
  }
  for (const auto& [field, tie] : target.ties) {
    if (!seen.contains(field)) parts.emplace_back(tie);
  }
  sql.add(" order by " + join(parts, ", "));
  return {};
}

Result<Sql> search_sql(db::Engine engine, const Target& target, const Query& query) {
  TRY(check_counts(query.conditions.size(), query.order.size()));
  Sql sql{"select " + std::string(target.id) + " from " + target.from, {}};
  TRY(db::append_joined(sql, query.conditions, [&](const Condition& condition) {
    return add_condition(sql, engine, target, condition);
  }));
  if (query.without) {
    sql.add(" and not exists (select 1 from " + std::string(target.hidden) +
            " and h.key = ? and h.value = ?)");
    sql.bind(query.without->key).bind(query.without->value);
  }
  if (query.among) db::append_listed(sql, engine, "m.name", *query.among, /*whole=*/false);
  TRY(add_order(sql, target, query.order));
  add_page(sql, query.limit, query.offset);
  return sql;
}

// Logged models.

const char* logged_column(LoggedField field) {
  switch (field) {
    case LoggedField::kId:
      return "l.id";
    case LoggedField::kName:
      return "l.name";
    case LoggedField::kExperiment:
      return "l.experiment_id";
    case LoggedField::kType:
      return "l.type";
    case LoggedField::kCreated:
      return "l.created_ms";
    case LoggedField::kUpdated:
      return "l.updated_ms";
    case LoggedField::kStatus:
      return "l.status";
    case LoggedField::kRun:
      return "l.run_id";
    case LoggedField::kLocation:
      return "l.location";
    case LoggedField::kMetric:
    case LoggedField::kParam:
    case LoggedField::kTag:
      return nullptr;
  }
  return nullptr;
}

/// What models are ordered by: their status by how far they have come.
std::string logged_order(LoggedField field) {
  if (field != LoggedField::kStatus) return logged_column(field);
  std::string by_progress = "case l.status";
  int place = 0;
  for (LoggedModelStatus status :
       {LoggedModelStatus::kPending, LoggedModelStatus::kReady, LoggedModelStatus::kFailed}) {
    by_progress += " when '" + std::string(to_string(status)) + "' then " + std::to_string(++place);
  }
  return by_progress + " end";
}

/// " and (one of the datasets)", of rows of the metrics table `alias`.
void add_datasets(Sql& sql, const std::string& alias, const std::vector<DatasetRef>& datasets) {
  for (std::size_t i = 0; i < datasets.size(); ++i) {
    sql.add(i == 0 ? " and (" : " or ");
    sql.add("(" + alias + ".dataset_name = ?").bind(datasets[i].name);
    if (!datasets[i].digest.empty()) {
      sql.add(" and " + alias + ".dataset_digest = ?").bind(datasets[i].digest);
    }
    sql.add(")");
  }
  if (!datasets.empty()) sql.add(")");
}

Result<> add_metric_condition(Sql& sql, db::Engine engine, const LoggedCondition& condition,
                              const std::vector<DatasetRef>& datasets) {
  sql.add("exists (select 1 from logged_model_metrics t where t.model_id = l.id and t.key = ?");
  sql.bind(condition.key).add(" and (");
  // What is no number is kept as null, and is another than any number.
  if (condition.op == db::Op::kUnequal) sql.add("t.value is null or ");
  TRY(db::append_comparison(sql, engine, "t.value", condition.op, condition.operand));
  sql.add(")");
  add_datasets(sql, "t", datasets);
  sql.add(kEndOfExists);
  return {};
}

Result<> add_condition(Sql& sql, db::Engine engine, const LoggedCondition& condition,
                       const std::vector<DatasetRef>& datasets) {
  switch (condition.field) {
    case LoggedField::kMetric:
      return add_metric_condition(sql, engine, condition, datasets);
    case LoggedField::kParam:
      return add_pair_condition(sql, engine, "logged_model_params t where t.model_id = l.id",
                                condition.key, condition.op, condition.operand);
    case LoggedField::kTag:
      return add_pair_condition(sql, engine, "logged_model_tags t where t.model_id = l.id",
                                condition.key, condition.op, condition.operand);
    default:
      return db::append_whole_comparison(sql, engine, logged_column(condition.field), condition.op,
                                         condition.operand);
  }
}

/// The latest value of a metric: the greatest time, then the greatest step.
Sql latest_metric(const LoggedOrder& order) {
  Sql sql{"(select o.value from logged_model_metrics o where o.model_id = l.id and o.key = ?", {}};
  sql.bind(order.key);
  if (order.dataset) add_datasets(sql, "o", {*order.dataset});
  sql.add(" order by o.timestamp_ms desc, o.step desc, o.run_id limit 1)");
  return sql;
}

Result<> add_order(Sql& sql, const std::vector<LoggedOrder>& orders) {
  std::set<LoggedField> seen;
  sql.add(" order by ");
  for (const LoggedOrder& order : orders) {
    const bool metric = order.field == LoggedField::kMetric;
    if (!metric && logged_column(order.field) == nullptr) {
      return invalid("that attribute can't be ordered by");
    }
    append(sql, metric ? latest_metric(order) : Sql{logged_order(order.field), {}});
    sql.add(order.ascending ? " asc nulls last, " : " desc nulls last, ");
    seen.insert(order.field);
  }
  if (!seen.contains(LoggedField::kCreated)) sql.add("l.created_ms desc, ");
  sql.add("l.id");
  return {};
}

}  // namespace

Result<Sql> models_sql(db::Engine engine, const Query& query) {
  return search_sql(engine, models(), query);
}

Result<Sql> versions_sql(db::Engine engine, const Query& query) {
  return search_sql(engine, versions(), query);
}

Result<Sql> logged_models_sql(db::Engine engine, const LoggedQuery& query) {
  TRY(check_counts(query.conditions.size() + query.datasets.size(), query.order.size()));
  Sql sql{"select l.id from logged_models l where l.deleted_ms is null and ", {}};
  sql.add(schema::in_list(engine, "l.experiment_id", /*texts=*/true));
  sql.bind(schema::list_value(query.experiment_ids));
  bool has_metric = false;
  TRY(db::append_joined(sql, query.conditions, [&](const LoggedCondition& condition) {
    has_metric |= condition.field == LoggedField::kMetric;
    return add_condition(sql, engine, condition, query.datasets);
  }));
  if (!query.datasets.empty() && !has_metric) {
    sql.add(" and exists (select 1 from logged_model_metrics t where t.model_id = l.id");
    add_datasets(sql, "t", query.datasets);
    sql.add(")");
  }
  TRY(add_order(sql, query.order));
  add_page(sql, query.limit, query.offset);
  return sql;
}

}  // namespace slipway::registry
