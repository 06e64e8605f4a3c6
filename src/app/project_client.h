#pragma once

#include <filesystem>
#include <string>

#include "app/project_api.h"

namespace slipway::app {

/// Where a short command's project is planned and applied: by the process that owns the state
/// folder, over HTTP, or, when there is none, here, in one short read or write.
struct ProjectPlace {
  std::filesystem::path state;
  std::string store;  // URI of the catalogue; empty: in the state folder
};

/// What stands in the repository at `root`, and the commit it is at.
Result<ProjectRequest> gather_project(const std::filesystem::path& root);

/// Makes and changes nothing, the state folder included: without one nothing was applied.
Result<wire::Json> plan_at(const ProjectPlace& place, const ProjectRequest& request);
/// kConflict, tag "refused", as apply_project. The answer has "served": true where a server took
/// it, which acts on it; and "began", the folder, where a new state began with it.
Result<wire::Json> apply_at(const ProjectPlace& place, const ProjectRequest& request);

}  // namespace slipway::app
