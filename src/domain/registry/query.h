#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/registry/types.h"
#include "io/db/compare.h"

// What is searched for, as values; and the SQL that finds it.
namespace slipway::registry {

enum class Field { kName, kNumber, kRun, kSource, kCreated, kUpdated, kTag };
struct Condition {
  Field field = Field::kName;
  std::string key;  // of a tag; an object without that tag never matches
  db::Op op = db::Op::kEqual;
  db::Operand operand;
  db::Joint joint = {};
};
struct Order {
  Field field = Field::kName;  // no tag
  bool ascending = true;
};

/// Of models or versions. All conditions must hold unless their joints say otherwise. Ties go by
/// name, and by number from the newest.
struct Query {
  std::vector<Condition> conditions;
  std::vector<Order> order;
  /// Models with this tag are left out, and versions of models of which any version has it.
  std::optional<Tag> without;
  std::optional<db::Listed> among = {};  // names of models; beside all conditions
  int limit = 100;
  std::int64_t offset = 0;
};

enum class LoggedField {
  kId,
  kName,
  kExperiment,
  kType,
  kCreated,
  kUpdated,
  kStatus,
  kRun,
  kLocation,
  kMetric,
  kParam,
  kTag,
};
struct DatasetRef {
  std::string name;
  std::string digest;  // empty: any
};
struct LoggedCondition {
  LoggedField field = LoggedField::kName;
  std::string key;  // of a metric, param or tag
  db::Op op = db::Op::kEqual;
  db::Operand operand;
  db::Joint joint = {};
};
struct LoggedOrder {
  LoggedField field = LoggedField::kCreated;  // no param or tag
  std::string key;                            // of a metric
  bool ascending = true;
  std::optional<DatasetRef> dataset;  // of a metric
};
/// Nulls come last; ties go by creation, newest first, then by id.
struct LoggedQuery {
  std::vector<std::string> experiment_ids = {};
  std::vector<LoggedCondition> conditions = {};
  /// Metric conditions hold for one of these; without metric conditions any metric on one of them.
  std::vector<DatasetRef> datasets = {};
  std::vector<LoggedOrder> order = {};
  int limit = 100;
  std::int64_t offset = 0;
};

inline constexpr std::size_t kConditionsMax = 50;
inline constexpr std::size_t kOrdersMax = 20;

/// "select id from ..." of the matching rows in order, one more than the limit. kInvalid when there
/// are too many conditions, a field is ordered by twice, or an operator does not fit its field.
Result<db::Sql> models_sql(db::Engine engine, const Query& query);
Result<db::Sql> versions_sql(db::Engine engine, const Query& query);
Result<db::Sql> logged_models_sql(db::Engine engine, const LoggedQuery& query);

}  // namespace slipway::registry
