#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/file.h"
#include "io/blob/blobs.h"

// The calls by which a folder store changes a disk, so that tests can let the n-th one fail or cut
// the power.
namespace slipway::blob {

/// Any thread. Every function returns kUnavailable with the system's words when the call fails.
class Disk {
 public:
  virtual ~Disk() = default;
  virtual Result<> write(int file, std::string_view data);
  /// A file's bytes, or a folder's entries.
  virtual Result<> sync(int file_or_folder);
  /// kMissing when the target folder is gone meanwhile.
  virtual Result<> rename(int from_folder, const std::string& from, int to_folder,
                          const std::string& to);
};

/// open_folder() on another disk, which must outlive the store.
Result<std::unique_ptr<Blobs>> open_folder_on(Disk& disk, const std::filesystem::path& root);

/// The folder below the root in which objects grow and removed folders die; no key may lie in it.
inline constexpr char kIncomingFolder[] = ".incoming";

}  // namespace slipway::blob
