#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "domain/delivery/gates.h"
#include "domain/delivery/store.h"
#include "domain/project/applied.h"
#include "domain/registry/registry.h"
#include "domain/tracking/tracking.h"
#include "io/blob/blobs.h"
#include "io/db/db.h"

// What the gates of a rollout find, gathered from registry, artifacts, graph and runs.
namespace slipway::app {

/// What gates look into. All must outlive it.
struct GateWorld {
  db::Pool& pool;
  registry::Registry& registry;
  tracking::Tracking& tracking;
  blob::Blobs& blobs;
  const Clock& clock;  // for spans
  /// A file with that MD5: in the data cache, or in the project at that path; nothing when it is in
  /// neither.
  std::function<std::optional<std::filesystem::path>(const std::string& md5,
                                                     const std::string& path)>
      find_data = {};
  std::filesystem::path scratch = {};  // a folder for links with names; "" for none
};

/// Verdicts of gates, with what else was found out on the way and is to be kept with them.
struct GateFindings {
  std::vector<delivery::GateVerdict> verdicts;
  std::vector<std::function<Result<>(db::Tx&, UnixMs)>> facts;
};

/// Judges `gates` of the rollout. May take seconds to minutes: it hashes, loads and runs the
/// version and the one that it replaces. What can't be read now is kUnavailable or kBusy: later
/// again. What can't be read at all is a verdict "error". Any thread; waits.
Result<GateFindings> judge_gates(const GateWorld& world, const delivery::Rollout& rollout,
                                 const project::Declared& declared,
                                 const std::vector<std::string>& gates);

}  // namespace slipway::app
