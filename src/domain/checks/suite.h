#pragma once

#include <map>
#include <string>
#include <variant>
#include <vector>

#include "domain/checks/contract.h"
#include "domain/checks/plan.h"
#include "domain/checks/profile.h"
#include "domain/checks/verdict.h"

// A contract compiled: what has to be gathered, and the checks that judge it.
namespace slipway::checks {

// What follows from a contract's structure.
struct Exists {};
struct HasType {
  table::Type type = table::Type::kReal;
};
struct NotNull {};
struct IsUnique {
  std::vector<std::string> columns;  // one, or the columns of a key
};
/// No cell breaks the rule of this id.
struct KeepsRule {
  std::string words;  // "within [0, 1]"
};
struct NotEmpty {};
struct OnlyKnownColumns {
  std::vector<std::string> known;
};
struct NotOurs {
  std::string what;
};

struct Check {
  std::string id;
  std::string column;  // "" for the table
  std::variant<Exists, HasType, NotNull, IsUnique, KeepsRule, NotEmpty, OnlyKnownColumns, NotOurs,
               Freshness, CountQuality, DriftQuality, RangeQuality, DomainQuality, MissingQuality,
               FiniteQuality, StatisticQuality, OrderQuality>
      what;
  Severity severity = Severity::kFail;
  std::vector<Environment> environments;  // empty: all
  bool target = false;                    // of a column that is not there in serving
};

/// Profiles that others are compared with, by the name that contracts give them ("training").
using References = std::map<std::string, const Profile*, std::less<>>;

struct Suite {
  std::string contract;  // its id
  std::string digest;    // of the contract's text
  Plan plan;
  std::vector<Check> checks;
};

/// Precondition: pointers in `references` are not null. Drift checks bin by their reference's
/// edges, so a profile to be judged against it has to be gathered by this suite's plan.
Suite compile(const Contract& contract, const References& references = {});

/// Whether a table can break one of its checks, so that the contract fails: not where all of them
/// only warn, or are run by another program.
bool can_fail(const Suite& suite);

struct Circumstances {
  Environment environment = Environment::kTraining;
  UnixMs now_ms = 0;  // for freshness
  References references;
};

/// One verdict for each check, in the suite's order (drift that is blind to missing cells adds one
/// on their share). Pure: the same arguments give the same verdicts, years later too.
std::vector<Verdict> evaluate(const Suite& suite, const Profile& profile,
                              const Circumstances& circumstances);

/// Counts of the same cells on both sides.
struct TwoSamples {
  std::vector<double> reference, current;
};

/// How far `current` lies from `reference`, cell by cell, as drift checks see it.
struct Cells : TwoSamples {
  /// What tells chance, where the reference alone says which the cells above are: two samples of
  /// one distribution would not be alike in them. Empty: the cells above do.
  std::vector<TwoSamples> chance;
  std::string words;                       // "10 of 64 bins, outside, missing, NaN, infinite"
  std::vector<std::string> fresh, gone;    // categories that are new, or vanished
};
/// kInvalid says why the two cannot be compared. `coarse`: no more cells than the smaller number of
/// rows can fill.
Result<Cells> cells_of(const ColumnProfile& reference, const ColumnProfile& current, bool coarse);

struct DriftResult {
  double score = 0;  // a distance, or a p-value
  double noise_p =
      1;  // of a difference at least this large between two samples of one distribution
  std::int64_t n = 0;
  std::string dialect;
  std::vector<std::string> fresh, gone;
};
Result<DriftResult> drift_of(Measure measure, const ColumnProfile& reference,
                             const ColumnProfile& current);

/// How large a difference is, whatever the number of rows: the Kolmogorov-Smirnov statistic of
/// numbers, the bias-corrected Cramer's V of categories.
Result<double> effect_of(const ColumnProfile& reference, const ColumnProfile& current);

}  // namespace slipway::checks
