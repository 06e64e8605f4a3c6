#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/clock.h"

// Where predictions and labels lie: ROOT/DEPLOYMENT/DAY/UUID.log.
namespace slipway::serving {

/// The folder of a deployment below a root: its name, with everything but letters, digits, '-', '_'
/// and '.' as %XX.
std::string folder_of(const std::string& deployment);
/// "2011-05-01", UTC.
std::string day_of(UnixMs ms);

/// The days of a deployment, ascending.
std::vector<std::string> days_in(const std::filesystem::path& deployment_folder);
/// The journals of a day in the order in which they were begun.
std::vector<std::filesystem::path> files_in(const std::filesystem::path& day_folder);
/// A new name for one.
std::string new_file_name();

}  // namespace slipway::serving
