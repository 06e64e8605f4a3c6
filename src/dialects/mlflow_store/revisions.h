#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace slipway::mlflow_store {

/// Revisions of MLflow's tables that can be read, from 2.0 to 3.17, oldest first.
const std::vector<std::string_view>& known_revisions();

/// kInvalid, in words for people, unless the tables are of one of them. `found`: what the database
/// says it is.
Result<> check_revision(const std::vector<std::string>& found);

}  // namespace slipway::mlflow_store
