#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "domain/data/repository.h"
#include "domain/flows/changes.h"

// `status` and `commit` of stages; domain/data/commands.h has those of .dvc files.
namespace slipway::flows {

struct StageStatus {
  std::string owner;  // "train", "sub/dvc.yaml:train": as seen from where it was asked
  Differences found;
  bool frozen = false;  // its inputs were not looked at
};

/// Stages that differ from dvc.lock, in order of files and stages. Targets as for repro; those that
/// name no stage are passed over, since they may name data. An output as target: only its state
/// counts. Takes the locks.
Result<std::vector<StageStatus>> status(data::Repository& repository,
                                        const std::vector<std::string>& targets,
                                        const std::filesystem::path& from);

struct StageCommit {
  std::vector<std::string> targets;
  std::filesystem::path from;
  bool force = false;
  bool relink = true;
};
/// Records stages as they are in the workspace: outputs into the cache, the run cache, dvc.lock.
/// Without `force` kConflict with tag "changed" when one differs from what is recorded. The files
/// written. Takes the locks.
Result<std::vector<std::filesystem::path>> commit(data::Repository& repository,
                                                  const StageCommit& request);

}  // namespace slipway::flows
