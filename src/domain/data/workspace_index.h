#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.h"

namespace slipway::data {

/// What the operating system says of a file; equal facts mean an equal content, except in the
/// moment of a change.
struct FileFacts {
  std::uint64_t size = 0, inode = 0, device = 0;
  std::int64_t mtime_ns = 0, ctime_ns = 0;

  static FileFacts of(const struct stat& status);
  bool operator==(const FileFacts&) const = default;
};

/// Digests of files of the workspace by path, so that what did not change is not read again. A
/// cache: losing it costs time only. Format: docs/formats/workspace-index.md. Not thread-safe.
class WorkspaceIndex {
 public:
  /// A file that is absent, damaged or of another version gives an empty index.
  static WorkspaceIndex load(const std::filesystem::path& file);
  /// Writes by rename if anything changed since load().
  Result<> save(const std::filesystem::path& file);

  /// The MD5 (32 hex digits) if `facts` are those remembered.
  std::optional<std::string> find(const std::string& path, const FileFacts& facts) const;
  /// `looked_at_ns`: the wall clock before the file was read. A file changed so shortly before that
  /// a later change might carry the same time is not remembered.
  void remember(const std::string& path, const FileFacts& facts, std::string_view md5,
                std::int64_t looked_at_ns);

 private:
  struct Row {
    FileFacts facts;
    std::string md5;
  };
  static std::unordered_map<std::string, Row> parse(std::string_view bytes);
  std::unordered_map<std::string, Row> rows_;
  bool changed_ = false;
};

/// Nanoseconds since 1970 by the clock that file times come from.
std::int64_t wall_clock_ns();

}  // namespace slipway::data
