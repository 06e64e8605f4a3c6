#pragma once

#include <filesystem>
#include <string>

namespace slipway::app {

/// The folder that a command in `from` is about: the nearest one upwards with .dvc, slipway.yaml or
/// .git; `from` itself when there is none.
std::filesystem::path project_root(const std::filesystem::path& from);

/// Whether there is such a folder.
bool is_in_project(const std::filesystem::path& from);

/// `.slipway` of that project.
std::filesystem::path default_state(const std::filesystem::path& from);

}  // namespace slipway::app
