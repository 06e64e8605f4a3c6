#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/data/repository.h"

namespace slipway::data {

/// Sections of DVC's ini files, later files over earlier ones: "core", "cache", "remote NAME".
using ConfigValues = std::map<std::string, std::map<std::string, std::string>>;

/// kInvalid names file and line, with tag "config".
Result<> read_config_text(std::string_view text, const std::string& name, ConfigValues& values);

/// System, global, repository and local files in this order. `dvc_folder` is the project's .dvc.
Result<Config> read_config(const std::filesystem::path& dvc_folder);

}  // namespace slipway::data
