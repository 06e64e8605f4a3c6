#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/tracking/types.h"
#include "io/db/compare.h"

// What to look for, as values. All conditions must hold unless their joints say otherwise; a run
// without the metric, param or tag that a condition names does not match it, also not by kUnequal.
// A metric that is NaN matches kUnequal only.
namespace slipway::tracking {

enum class Field {
  kAttribute,  // of a run: run_id run_name status artifact_uri user_id start_time end_time
               // of an experiment: experiment_id name creation_time last_update_time
  kMetric,     // the latest value
  kMetricPart,  // part_of() its key; where a run has a series of just that name, its latest value
  kParam,
  kTag,
  kDataset,     // name, digest
  kDatasetTag,  // of the use of a dataset, by its key
};

/// What is kept of every series beside its latest point, as the end of a key: "loss.min".
enum class Part { kMin, kMax, kCount, kFirstStep, kLastStep };
struct SeriesPart {
  std::string series;
  Part part = Part::kMin;
};
/// The series and the part that a key names (.min .max .count .first_step .last_step); nothing for
/// one that ends otherwise.
std::optional<SeriesPart> part_of(std::string_view key);

struct Condition {
  Field field = Field::kAttribute;
  std::string key;
  db::Op op = db::Op::kEqual;
  db::Operand value;
  db::Joint joint = {};
};
/// Missing values come last; of metrics NaN comes after all numbers.
struct Ordering {
  Field field = Field::kAttribute;  // kAttribute, kMetric, kMetricPart, kParam, kTag
  std::string key;
  bool ascending = true;
};

enum class View { kActive, kDeleted, kAll };

/// What a run has for one term of an order.
struct PlaceValue {
  int state = 2;  // 0: a value, 1: NaN, 2: none; what the term is ordered by first
  double real = 0;          // of a metric or a part of one
  std::int64_t whole = 0;   // of start_time and end_time
  std::string text;         // of the others
  bool operator==(const PlaceValue&) const = default;
};
/// A run's place in an order, whether or not the run is there still: a value for each term of
/// full_order().
struct RunPlace {
  std::vector<PlaceValue> values;
  bool operator==(const RunPlace&) const = default;
};

/// Ordered by `order`, then the newest first, then by id.
struct RunQuery {
  std::vector<std::int64_t> experiments;  // none: no runs
  std::vector<Condition> where;
  std::vector<Ordering> order;
  View view = View::kActive;
  int limit = 1000;
  std::int64_t offset = 0;
  /// Only runs behind this place: a page that starts where the one before it ended, however many
  /// runs came since, and costs no more than the first.
  std::optional<RunPlace> after;
  /// Of the runs found. What they are ordered by is there in any case.
  OfSeries of_series = OfSeries::kAll;
};
/// query.of_series, or more where the order is by more.
OfSeries needed_of_series(const RunQuery& query);
/// The order of a query with what it is ordered by when its own terms tell no difference.
std::vector<Ordering> full_order(const RunQuery& query);
/// The place of a run in the order of a query.
RunPlace place_of(const Run& run, const RunQuery& query);
/// Ordered by `order`, or the newest first.
struct ExperimentQuery {
  std::vector<Condition> where;
  std::optional<db::Listed> among;  // ids; beside all conditions
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

/// (run, value, is_nan) of every run that has something for a kMetricPart: a relation in brackets.
/// Precondition: part_of(key).
db::Sql part_relation(const std::string& key);

}  // namespace slipway::tracking
