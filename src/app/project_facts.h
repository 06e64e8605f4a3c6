#pragma once

#include <filesystem>

#include "base/clock.h"
#include "domain/project/plan.h"
#include "io/blob/damages.h"

namespace slipway::app {

/// What the prediction log of a state folder says of the deployments of `file`: their traffic, once
/// there is a week of it, and how often the live version failed. Reads the log's last seven days,
/// at most kMeasuredMax requests of each deployment: beyond it the rate is that of a busy service
/// anyway. Waits for the disk.
Result<project::Facts> measured_facts(const std::filesystem::path& state,
                                      const project::ProjectFile& file, UnixMs now_ms,
                                      blob::Damages* damages = nullptr);
inline constexpr std::uint64_t kMeasuredMax = 2'000'000;

}  // namespace slipway::app
