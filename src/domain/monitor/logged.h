#pragma once

#include "domain/checks/contract.h"
#include "domain/checks/profile.h"

// The log of predictions keeps single precision: beyond 2^24 not every whole number, of others
// seven digits. What windows are judged by is therefore taken through the log too, so that the very
// data
// that a contract and a reference were made of passes in a window. Pure.
namespace slipway::monitor {

/// Beyond it whole numbers may become others in the log.
inline constexpr double kWholeMax = 1 << 24;

/// The number that is read back where `x` was logged.
double logged(double x);

/// A profile of a table as that of its logged rows: bins whose cells the log can't tell apart are
/// joined.
checks::Profile as_logged(checks::Profile reference);

/// Bounds and allowed values as they are read back. What can't be judged of columns beyond
/// kWholeMax (`reference`, or null, knows which) is listed as not judged: whether values are
/// unique, multiples, strictly in order, how many there are.
checks::Contract as_logged(checks::Contract contract, const checks::Profile* reference);

}  // namespace slipway::monitor
