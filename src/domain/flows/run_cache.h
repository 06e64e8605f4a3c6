#pragma once

#include <filesystem>
#include <optional>

#include "base/result.h"
#include "domain/data/cache.h"
#include "domain/data/lock_file.h"
#include "domain/flows/steps.h"

// What stages left when they ran on given inputs: CACHE/runs/xx/KEY/VALUE, in DVC's format.
namespace slipway::flows {

/// Whether executions of `step` can be remembered: it has a command, inputs and outputs, is not to
/// run every time, and no output outlives a run or lies outside of the project.
bool is_rememberable(const Step& step, const std::filesystem::path& root);

/// Any thread, any number of processes: entries appear by rename.
class RunCache {
 public:
  /// `folder`: Cache::run_cache(); `scratch`: Repository::scratch().
  RunCache(std::filesystem::path folder, std::filesystem::path scratch)
      : folder_(std::move(folder)), scratch_(std::move(scratch)) {}

  /// The newest entry for the command and inputs of `inputs` (normalized; of its outs only the
  /// paths count). A damaged entry is removed. An entry whose outputs are not those paths counts as
  /// none: the folder may be shared, and its entries name paths that are about to be written.
  Result<std::optional<data::LockedStage>> find(const data::LockedStage& inputs) const;
  /// Keeps `locked` (normalized) unless it is there. Nothing to do when its parameters have no form
  /// in JSON. Atomic; not synced, losing an entry costs one run.
  Result<> save(const data::LockedStage& locked) const;

 private:
  std::filesystem::path folder_, scratch_;
};

}  // namespace slipway::flows
