#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "base/result.h"
#include "domain/serving/labels.h"

namespace slipway::serving {

/// By deployment and id of the request.
using RowCounts = std::map<std::pair<std::string, std::array<std::byte, 16>>, std::uint32_t>;

/// How many rows each of these labels' predictions has; those that are not in the log at `root` are
/// left out. Reads the files of their days: nothing when those hold more than `bytes_max`. Any
/// thread; waits for the disk.
Result<std::optional<RowCounts>> count_rows(const std::filesystem::path& root,
                                            std::span<const Label> labels, std::uint64_t bytes_max,
                                            blob::Damages* damages = nullptr);

}  // namespace slipway::serving
