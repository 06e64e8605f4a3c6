#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

namespace slipway::data {

/// Takes the flock of `file` as zc.lockfile does, and writes the pid into it. Waits up to three
/// seconds.
Result<Fd> take_lock_file(const std::filesystem::path& file);

/// Who holds which paths: one entry of .dvc/tmp/rwlock.
struct PathClaim {
  std::string command;
  std::vector<std::string> reads, writes;  // absolute paths
};

/// Enters `claim` for this process; kBusy with tag "locked" names who stands in the way. Entries of
/// processes that are gone are taken out.
Result<> enter_claim(const std::filesystem::path& tmp_folder, const PathClaim& claim);
Result<> leave_claim(const std::filesystem::path& tmp_folder, const PathClaim& claim);

}  // namespace slipway::data
