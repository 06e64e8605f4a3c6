#pragma once

#include <cstdint>
#include <optional>

#include "domain/project/plan.h"

namespace slipway::app {

/// What only the modules that will act on a declaration can tell: whether calendar rules and zones,
/// contracts, feature views and rollouts make sense. kInvalid with every fault, one a line, each
/// with its place. Pure, but for the system's time zones.
Result<> check_declared(const project::Declared& declared);

/// What is no fault, and is hardly meant: contracts in which nothing can fail. Warnings.
project::Remarks remarks_on(const project::Declared& declared);

}  // namespace slipway::app
