#pragma once

#include <filesystem>

#include "domain/project/workspace.h"

namespace slipway::app {

/// What the repository at `root` has of the stages and parameters that `file` names. What can't be
/// read is said in the value. Waits for the disk.
project::Workspace read_workspace(const std::filesystem::path& root,
                                  const project::ProjectFile& file);

/// Parameters that a run is to set, "KEY" or "FILE:KEY", as `root` has them at `commit`, or as they
/// lie there for "". kInvalid, tag "usage", names the first that nothing is called so.
Result<> check_parameters(const std::filesystem::path& root, const std::string& commit,
                          const std::vector<std::string>& names);

}  // namespace slipway::app
