#pragma once

#include <filesystem>
#include <vector>

#include "app/cli/command.h"
#include "domain/data/repository.h"

// What commands that write files for git have in common.
namespace slipway::app {

/// Those of `files` (absolute) that git has to commit, sorted and each once; all of them in a
/// project without git.
std::vector<std::filesystem::path> for_git(const data::Repository& repository,
                                           std::vector<std::filesystem::path> files);

/// "For git: FILES" as a hint; nothing when there are none, or no git.
void say_for_git(const data::Repository& repository,
                 const std::vector<std::filesystem::path>& files, const Surroundings& surroundings);

}  // namespace slipway::app
