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

// Files that only grow: frames of bytes, each with its length, number and check sum, so that what a
// crash or a full disk left half-written is seen, and what lies behind damage is found again.
// docs/formats/journal.md.
namespace slipway::blob {

inline constexpr std::size_t kFrameBytesMax = 64u << 20;

/// Appends `payload` as one frame to `out`, which append() takes. Precondition: at most
/// kFrameBytesMax bytes.
void add_frame(std::string& out, std::string_view payload);

/// The same in two steps, for a payload that is written in place: open_frame() leaves room for the
/// frame's head at the end of `out` and returns where, close_frame() says how long it is, once the
/// payload behind it is.
inline constexpr std::size_t kFrameHeadBytes = 16;
std::size_t open_frame(std::string& out);
/// `frame` is head and payload. Precondition: a payload of at most kFrameBytesMax bytes.
void close_frame(std::span<char> frame);

/// Makes `folder` and those above it that are missing; durable on return.
Result<> make_folders(Disk& disk, const std::filesystem::path& folder);

/// Writes one file. One thread at a time.
class Journal {
 public:
  /// Makes a new file; `kind` says what its frames are, at most 16 bytes. `disk` must outlive it.
  /// The entry in its folder is durable on return. kConflict when the file is there already.
  static Result<Journal> create(Disk& disk, const std::filesystem::path& path,
                                std::string_view kind);

  /// Frames as add_frame() made them, whose heads it completes. When the disk takes only a part,
  /// the file is cut back to what it was and can be appended to again; when even that fails, every
  /// later call fails.
  Result<> append(std::span<char> frames);
  /// What was appended is durable on return.
  Result<> sync();

  std::uint64_t bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  Journal(Disk& disk, Fd file, std::filesystem::path path, std::uint32_t mark)
      : disk_(&disk), file_(std::move(file)), path_(std::move(path)), mark_(mark) {}
  Result<> write(std::string_view bytes);

  Disk* disk_;
  Fd file_;
  std::filesystem::path path_;
  std::uint32_t mark_;        // of its frames
  std::uint32_t frames_ = 0;  // the number of the next one
  std::uint64_t bytes_ = 0;
  bool broken_ = false;
};

/// A place that cannot be read, with frames behind it that can.
struct Damage {
  std::uint64_t at = 0;      // bytes from the beginning of the file
  std::uint64_t bytes = 0;   // that were passed over
  std::uint64_t frames = 0;  // that are missing: by their numbers, where they have some
};

struct JournalEnd {
  std::uint64_t frames = 0;
  std::uint64_t bytes = 0;  // up to the last whole frame
  bool torn = false;        // something follows that has no whole frame: normal after a crash
  std::uint64_t damages = 0;
  std::uint64_t lost_frames = 0;  // of all damages together
};

/// A view is valid during the call. Both may be called by turns, in the order of the file.
struct JournalVisitor {
  /// Ends the reading by returning false.
  std::function<bool(std::string_view payload)> frame;
  std::function<void(const Damage&)> damage = {};
};
/// Reads what is whole, wherever it lies; only one place of damage that it would take too long to
/// look behind ends it. Memory: the largest frame. kInvalid when the file is no journal of that
/// kind.
Result<JournalEnd> read_journal(const std::filesystem::path& path, std::string_view kind,
                                const JournalVisitor& visitor);

/// The last frame, when it has exactly `payload_bytes` and the file ends with it; else "".
Result<std::string> read_last_frame(const std::filesystem::path& path, std::string_view kind,
                                    std::size_t payload_bytes);

}  // namespace slipway::blob
