#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "domain/tracking/types.h"
#include "io/db/compare.h"

// What to look for, as values. All conditions must hold; a run without the metric, param or tag
// that a condition names does not match it, also not by kUnequal. A metric that is NaN matches
// kUnequal only.
namespace slipway::tracking {

enum class Field {
  kAttribute,  // of a run: run_id run_name status artifact_uri user_id start_time end_time
               // of an experiment: experiment_id name creation_time last_update_time
  kMetric,     // the latest value
  kParam,
  kTag,
  kDataset,     // name, digest
  kDatasetTag,  // of the use of a dataset, by its key
};

struct Condition {
  Field field = Field::kAttribute;
  std::string key;
  db::Op op = db::Op::kEqual;
  db::Operand value;
};
/// Missing values come last; of metrics NaN comes after all numbers.
struct Ordering {
  Field field = Field::kAttribute;  // kAttribute, kMetric, kParam, kTag
  std::string key;
  bool ascending = true;
};

enum class View { kActive, kDeleted, kAll };

/// Ordered by `order`, then the newest first, then by id.
struct RunQuery {
  std::vector<std::int64_t> experiments;  // none: no runs
  std::vector<Condition> where;
  std::vector<Ordering> order;
  View view = View::kActive;
  int limit = 1000;
  std::int64_t offset = 0;
};
/// Ordered by `order`, or the newest first.
struct ExperimentQuery {
  std::vector<Condition> where;
  std::vector<Ordering> order;
  View view = View::kActive;
  int limit = 1000;
  std::int64_t offset = 0;
};

/// A statement giving keys of `runs` (limit + 1 of them); kInvalid for a field that cannot be
/// searched so.
Result<db::Sql> run_search_sql(db::Engine engine, const RunQuery& query);
/// Likewise, keys of `experiments`.
Result<db::Sql> experiment_search_sql(db::Engine engine, const ExperimentQuery& query);

}  // namespace slipway::tracking
