#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "io/table/table.h"
#include "io/yaml/yaml.h"

// What a person expects of a table: a data contract of the Open Data Contract Standard (ODCS v3.1),
// as typed values with positions. docs/formats/contract.md says what of it is understood.
namespace slipway::checks {

/// Where a check applies.
enum class Environment { kTraining, kCi, kValidation, kServing };
/// "TRAINING", "CI", "VALIDATION", "SERVING".
const char* to_string(Environment environment);
/// In capitals or small letters.
std::optional<Environment> parse_environment(std::string_view text);

enum class Severity { kInfo, kWarn, kFail, kBlock };
const char* to_string(Severity severity);

/// A bound on one number: any of the members; the pair `between` is open at both ends, as ODCS
/// says.
struct Bound {
  std::optional<double> equal, not_equal, above, at_least, below, at_most;
  std::optional<std::pair<double, double>> between, not_between;
  bool holds(double value) const;
  /// "less than 5", "at least 1 and at most 10".
  std::string words() const;
  /// The end of the bound that `value` is nearest to, or violates.
  double threshold(double value) const;
};

/// Library metrics of ODCS. Of a column, or (rows, duplicates) of the table.
struct CountQuality {
  enum class Metric { kNulls, kMissing, kInvalid, kDuplicates, kRows } metric = Metric::kNulls;
  bool percent = false;  // of the rows; else a number of rows
  Bound bound;
  std::vector<std::string> values;   // kMissing: what counts as missing; kInvalid: what is valid
  std::string pattern;               // kInvalid: what valid texts match
  std::vector<std::string> columns;  // kDuplicates of the table: the columns together
};

// What ODCS has no words for, under `type: custom, engine: slipway`.

/// The measures that a drift check may ask for; drift.h has the definitions.
enum class Measure {
  kJensenShannon,
  kJensenShannonDivergence,
  kPsi,
  kHellinger,
  kTotalVariation,
  kLInfinity,
  kKolmogorovSmirnov,
  kWasserstein,
  kChiSquareP,
  kProportionsP,
  kKolmogorovSmirnovP,
};
struct DriftQuality {
  Measure measure = Measure::kJensenShannon;
  std::string against = "training";  // the name of the reference
  bool skew = false;                 // said as `skew:`
  std::optional<double> warn, fail;  // neither: fail at the measure's default
  std::int64_t rows_min = 200;
};
/// The share of cells outside of [min, max].
struct RangeQuality {
  std::optional<double> min, max;
  double share_max = 0;
};
/// The share of cells that are none of these.
struct DomainQuality {
  std::vector<std::string> values;
  double share_max = 0;
};
struct MissingQuality {
  double share_max = 0;
};
/// NaN and infinities.
struct FiniteQuality {
  double share_max = 0;
};
/// A statistic within bounds.
struct StatisticQuality {
  enum class Which { kMean, kDeviation, kMin, kMax, kQuantile, kDistinct } which = Which::kMean;
  double quantile = 0.5;
  std::optional<double> min, max;
};
struct OrderQuality {
  bool strictly = false;
};

struct Quality {
  std::variant<CountQuality, DriftQuality, RangeQuality, DomainQuality, MissingQuality,
               FiniteQuality, StatisticQuality, OrderQuality>
      what;
  std::string name;
  Severity severity = Severity::kFail;
  std::vector<Environment> environments;  // empty: all
  yaml::Position at;
};

/// A check that another program runs; it is listed, never silently dropped.
struct ForeignQuality {
  std::string what;    // "engine soda"
  std::string column;  // "" for the table
  yaml::Position at;
};

struct Property {
  std::string name;
  std::optional<table::Type> type;  // of logicalType; nothing where it says none
  bool required = false, unique = false;
  int primary_key = 0;                    // position in the key, from 1; 0: not in it
  bool target = false;                    // what a model predicts: absent in serving
  bool confidential = false;              // no value of it may appear in a report
  std::vector<Environment> environments;  // where the column exists; empty: everywhere
  // logicalTypeOptions
  std::optional<double> min, max, multiple_of;  // times in microseconds since 1970
  bool min_open = false, max_open = false;
  std::optional<std::int64_t> length_min, length_max;
  std::string pattern;
  std::vector<Quality> quality;
  yaml::Position at;
};

/// How old the newest value of a column may be.
struct Freshness {
  std::string column;
  double seconds_max = 0;
  yaml::Position at;
};

struct Contract {
  std::string id, version, name, status;
  std::string table;  // schema[0].name
  std::vector<Property> properties;
  std::vector<Quality> quality;
  std::vector<Freshness> freshness;
  std::vector<ForeignQuality> foreign;
  Severity structure =
      Severity::kFail;  // of the checks that follow from types, presence and options
  std::optional<Severity> age;  // of freshness; nothing: as the structure
  std::string digest;           // SHA-256 of the text

  const Property* find(std::string_view column) const;
};

/// Every error of the text at once, one per line, each "NAME:LINE:COLUMN: found X, expected Y; did
/// you mean Z?". kInvalid. Keys that ODCS has and we have no use for are accepted; keys that nobody
/// knows are errors, as are metrics, engines of ours and operators that are not known.
Result<Contract> parse_contract(std::string_view text, const std::string& name);

/// "js", "psi", …: as a contract spells it.
const char* to_string(Measure measure);
/// Whether a small value, a p-value, is the sign of drift.
bool is_p_value(Measure measure);
/// Where drift fails unless the contract says otherwise.
double default_threshold(Measure measure);

}  // namespace slipway::checks
