#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "domain/flows/runs_work.h"

// What becomes of the folders of runs: which may go is decided from values alone. Any thread.
namespace slipway::flows {

/// A folder of runs/, as the catalogue knows its run.
struct RunFolderFacts {
  std::string run;
  RunState state = RunState::kQueued;
  UnixMs ended_ms = 0;  // 0: it has not
};

/// What stays: the folders of the `newest` runs that ended last, and of all that ended less than
/// `age_ms` ago.
struct RunFolderPolicy {
  int newest = 20;
  std::int64_t age_ms = std::int64_t{14} * 24 * 60 * 60 * 1000;
};

/// The runs whose folders may go, the one that ended first before the others. Never one that is
/// not over: its results are not published then.
std::vector<std::string> folders_to_remove(std::vector<RunFolderFacts> folders,
                                           const RunFolderPolicy& policy, UnixMs now);

/// For one process at a time; it lives in the descriptor, and so in the attempt that inherits it.
/// Nothing when an attempt of the run is alive.
Result<std::optional<Fd>> lock_run(const RunFolder& folder);

/// kMissing: what is said of the log of a run whose folder was removed.
Error log_is_gone(const std::string& run, UnixMs ended_ms);

struct RunFolders {
  std::vector<std::string> runs;   // names that may be runs'
  std::vector<std::string> going;  // that somebody was removing
};
/// At most `max` of each. No folder yet is fine.
Result<RunFolders> list_run_folders(const std::filesystem::path& state, std::size_t max);

/// Takes the folder away, its work tree first. A kill in between leaves a folder that
/// list_run_folders says is going. False, and nothing is changed, when an attempt is alive.
Result<bool> remove_run_folder(const std::filesystem::path& state, const std::string& run,
                               const std::filesystem::path& project);
/// The rest of one that is going.
Result<> finish_removal(const std::filesystem::path& state, const std::string& going);

}  // namespace slipway::flows
