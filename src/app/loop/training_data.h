#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "domain/monitor/monitors.h"

namespace slipway::app {

/// Where training data is looked for.
struct TrainingWorld {
  db::Pool& pool;
  std::filesystem::path state;  // in the project whose data it is
};

/// What a version was trained on: of the tables that its attempts read, the nearest with all of
/// `columns`, or, where one attempt read rows drawn from a deployment and such tables beside them,
/// all of these together; the profile (known, or made here of the cached bytes and kept), and the
/// contract that is bound to a table behind it. Where nothing is known of how the version was made, the table of
/// the first contract that speaks of all columns, as it lies in the project. Waits for the disk; a
/// table that has to be profiled takes two passes over it.
Result<monitor::Training> training_data(const TrainingWorld& world,
                                        const project::Declared& declared, const std::string& model,
                                        const std::string& version,
                                        const std::vector<std::string>& columns, UnixMs now);

}  // namespace slipway::app
