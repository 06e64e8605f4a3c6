#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.h"

// Small files, whole and durable. Larger things go through io/blob.
namespace slipway {

/// Owns a file descriptor.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd();
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }
  explicit operator bool() const { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

/// kMissing when there is no such file; kInvalid when longer than `bytes_max`, or a pipe or device.
Result<std::string> read_file(const std::filesystem::path& path,
                              std::uint64_t bytes_max = 256u << 20);

/// Writes a temporary file beside `path`, syncs it, renames it over `path` and syncs the folder: after a crash there
/// is the old content or the new, never a mixture. `mode` is subject to the umask.
Result<> write_file_atomic(const std::filesystem::path& path, std::string_view content,
                           unsigned mode = 0666);

/// The same without the syncs: atomic for other processes, not across a power cut.
Result<> write_file_quick(const std::filesystem::path& path, std::string_view content,
                          unsigned mode = 0666);

/// What appears at a path by one rename: durable or only atomic, and where it grows.
struct Replacement {
  unsigned mode = 0666;  // subject to the umask
  bool durable = true;   // false: as write_file_quick()
  /// The temporary file is made in this folder as "slipway-XXXX.tmp", so that a kill leaves nothing beside `path`; empty,
  /// or on another file system: beside it.
  std::filesystem::path scratch;
};
Result<> replace_file(const std::filesystem::path& path, std::string_view content, const Replacement& how);

/// A name in `scratch` that nothing else uses; beside `path` when `scratch` is empty or on another file system.
std::filesystem::path temporary_for(const std::filesystem::path& path, const std::filesystem::path& scratch);

Result<> sync_folder(const std::filesystem::path& folder);

}  // namespace slipway
