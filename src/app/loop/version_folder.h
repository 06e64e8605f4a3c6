#pragma once

#include <string>
#include <vector>

#include "domain/delivery/store.h"
#include "domain/registry/registry.h"
#include "io/blob/blobs.h"

namespace slipway::app {

/// The files of a model version in the artifact store. Any thread; waits for the disk.
class VersionFolder {
 public:
  /// kMissing when there is no such version; kConflict, tag "not_servable", when its files lie
  /// elsewhere.
  static Result<VersionFolder> open(registry::Registry& registry, blob::Blobs& blobs,
                                    const std::string& model, std::int64_t number);

  const registry::Version& version() const { return version_; }
  /// Every file below it with its SHA-256, by path. kInvalid beyond kFilesMax files or kDepthMax
  /// folders.
  Result<std::vector<delivery::RecordedFile>> digests() const;
  /// kMissing; kInvalid with tag "too_large".
  Result<std::string> read(const std::string& path, std::uint64_t bytes_max) const;

  static constexpr std::size_t kFilesMax = 10'000;
  static constexpr int kDepthMax = 32;

 private:
  VersionFolder(blob::Blobs& blobs, registry::Version version, std::string key)
      : blobs_(&blobs), version_(std::move(version)), key_(std::move(key)) {}
  Result<> list(const std::string& path, int depth, std::vector<std::string>& paths) const;
  Result<delivery::RecordedFile> digest(const std::string& path) const;

  blob::Blobs* blobs_;
  registry::Version version_;
  std::string key_;
};

/// Keeps what the files of a version are, unless that is known already. What can't be read at all
/// has no record, and the gate will say so; kUnavailable and kBusy: later again.
Result<> record_version_files(db::Pool& pool, registry::Registry& registry, blob::Blobs& blobs,
                              const std::string& model, std::int64_t number, UnixMs now_ms);

}  // namespace slipway::app
