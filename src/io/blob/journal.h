#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/file.h"
#include "io/blob/disk.h"

// Files that only grow: frames of bytes, each with its length and check sum, so that what a crash
// or a full disk left half-written is seen. docs/formats/journal.md.
namespace slipway::blob {

inline constexpr std::size_t kFrameBytesMax = 64u << 20;

/// Appends `payload` as one frame to `out`, which append() takes. Precondition: at most
/// kFrameBytesMax bytes.
void add_frame(std::string& out, std::string_view payload);

/// The same in two steps, for a payload that is written in place: open_frame() leaves room for the
/// frame's head at the end of `out` and returns where, seal_frame() fills it in, once the payload
/// behind it is final.
inline constexpr std::size_t kFrameHeadBytes = 8;
std::size_t open_frame(std::string& out);
/// `frame` is head and payload. Precondition: a payload of at most kFrameBytesMax bytes.
void seal_frame(std::span<char> frame);

/// Makes `folder` and those above it that are missing; durable on return.
Result<> make_folders(Disk& disk, const std::filesystem::path& folder);

/// Writes one file. One thread at a time.
class Journal {
 public:
  /// Makes a new file; `kind` says what its frames are, at most 16 bytes. `disk` must outlive it.
  /// The entry in its folder is durable on return. kConflict when the file is there already.
  static Result<Journal> create(Disk& disk, const std::filesystem::path& path,
                                std::string_view kind);

  /// Frames as add_frame() made them. When the disk takes only a part, the file is cut back to what
  /// it was and can be appended to again; when even that fails, every later call fails.
  Result<> append(std::string_view frames);
  /// What was appended is durable on return.
  Result<> sync();

  std::uint64_t bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  Journal(Disk& disk, Fd file, std::filesystem::path path)
      : disk_(&disk), file_(std::move(file)), path_(std::move(path)) {}
  Disk* disk_;
  Fd file_;
  std::filesystem::path path_;
  std::uint64_t bytes_ = 0;
  bool broken_ = false;
};

struct JournalEnd {
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;  // up to the last whole frame
  bool torn = false;        // something that is no whole frame follows
};
/// Calls `visit` for each frame until it returns false; the view is valid during the call. Memory:
/// the largest frame. kInvalid when the file is no journal of that kind.
Result<JournalEnd> read_journal(const std::filesystem::path& path, std::string_view kind,
                                const std::function<bool(std::string_view payload)>& visit);

/// The last frame, when it has exactly `payload_bytes` and the file ends with it; else "".
Result<std::string> read_last_frame(const std::filesystem::path& path, std::size_t payload_bytes);

}  // namespace slipway::blob
