#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/result.h"
#include "domain/delivery/store.h"
#include "io/blob/blobs.h"
#include "io/db/db.h"

// Files of versions that deployments need: whether they may be taken away, and whether they are
// still there.
namespace slipway::app {

/// Whether what lies at `key` of the artifact store, a file or a folder with all that is in it, may
/// be taken away. kConflict, tag "held", with the version and what holds it when that is, is in, or
/// has in it the files of a version that a deployment answered with, or would, and that nobody
/// released by its name. A file in the version's folder that its rollout never saw is none of them.
Result<> check_may_remove(db::Tx& tx, const std::string& key);

/// The version that a deployment serves, and what was recorded of it when its rollout was asked
/// for.
struct LiveVersion {
  std::string deployment, model;
  std::int64_t number = 0;
  UnixMs made_ms = 0;
  std::string folder;  // key in the artifact store
  std::vector<delivery::RecordedFile> files;
  /// Another one was registered under its number after it was deleted with its model: `files` and
  /// `folder` are empty then.
  bool made_anew = false;
};
/// Of every deployment that serves a version which is registered and lies in this store. Without a
/// record (its rollout was asked for before there were any) it has no files here.
Result<std::map<std::string, LiveVersion>> live_versions(db::Tx& tx);

/// Those of the files that are not there any more or have another size, by path. What can't be told
/// now is none: the store may be back in a moment.
std::vector<std::string> lost_files(blob::Blobs& blobs, const LiveVersion& version);

/// The same, looked at seldom however often it is asked. Any thread; waits for the store.
class LiveFiles {
 public:
  /// Both must outlive it.
  LiveFiles(blob::Blobs& blobs, const Clock& clock) : blobs_(blobs), clock_(clock) {}
  std::vector<std::string> lost(const LiveVersion& version);

  static constexpr std::chrono::seconds kLookEvery{10};

 private:
  struct Look {
    std::string model;
    std::int64_t number = 0;
    UnixMs made_ms = 0, looked_ms = 0;
    std::vector<std::string> lost;
  };
  blob::Blobs& blobs_;
  const Clock& clock_;
  Guarded<std::map<std::string, Look>> looks_;  // by deployment
};

}  // namespace slipway::app
