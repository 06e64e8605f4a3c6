#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "domain/data/repository.h"
#include "domain/flows/steps.h"

// What .dvc files and dvc.lock say about a piece of data, whether or not anything is known of who
// made it.
namespace slipway::flows {

struct TrackedData {
  std::string path;  // relative to the root of the project, or absolute outside
  data::Version version;
  std::string by;  // the file that records it, relative to the root
};

/// What is recorded for this absolute path: as an output first, else as a dependency. Pure.
std::optional<TrackedData> tracked_at(const Steps& steps, const std::filesystem::path& root,
                                      const std::filesystem::path& path);
/// The same for a digest.
std::optional<TrackedData> tracked_as(const Steps& steps, const std::filesystem::path& root,
                                      std::string_view md5);

}  // namespace slipway::flows
