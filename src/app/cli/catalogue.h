#pragma once

#include <memory>
#include <vector>

#include "app/cli/command.h"
#include "base/metrics.h"
#include "io/db/db.h"

namespace slipway::app {

/// --state and --store, of commands that read the catalogue by themselves.
std::vector<Flag> catalogue_flags();

/// The catalogue of this project, or the one that the flags name, for reading: beside a server too.
/// kMissing says how to get one. `metrics` must outlive it.
Result<std::unique_ptr<db::Pool>> open_catalogue(const Arguments& arguments,
                                                 const Surroundings& surroundings,
                                                 Metrics& metrics);

}  // namespace slipway::app
