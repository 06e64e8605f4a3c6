#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"

// Folders that somebody else wrote, read without leaving them: no link is followed, nothing but
// plain files is opened, every size is bounded.
namespace slipway::mlflow_store {

struct FolderEntry {
  enum class Kind { kFile, kFolder, kOther };  // kOther: a link, a pipe, a socket, a device
  std::string name;
  Kind kind = Kind::kOther;
};

/// An open folder. One thread.
class Folder {
 public:
  /// `path` itself may lead over links. kMissing when there is no folder.
  static Result<Folder> open(const std::filesystem::path& path);

  /// A folder in it, by one name; nothing when there is none, or something else has that name.
  Result<std::optional<Folder>> folder(const std::string& name) const;
  /// A file in it, whole; nothing when there is none. kInvalid when it is longer, or no plain file.
  Result<std::optional<std::string>> read(const std::string& name, std::uint64_t bytes_max) const;
  /// The same, to be read bit by bit.
  Result<std::optional<Fd>> file(const std::string& name) const;
  /// By name. kInvalid for more than kEntriesMax.
  Result<std::vector<FolderEntry>> list() const;

  static constexpr std::size_t kEntriesMax = 4'000'000;

 private:
  explicit Folder(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

/// Every plain file in `folder` and below it, by name, with its path. What is neither file nor
/// folder, and what lies too deep, goes to `other` with a reason. An error of `take` ends it.
Result<> each_file(
    const Folder& folder,
    const std::function<Result<>(const Folder& in, const std::string& name,
                                 const std::string& path)>& take,
    const std::function<void(const std::string& path, const std::string& why)>& other);

/// Lines of a file, without their ends, each at most `bytes_max` bytes. An error of `take` ends it.
Result<> each_line(const Fd& file, std::size_t bytes_max,
                   const std::function<Result<>(std::string_view line)>& take);

}  // namespace slipway::mlflow_store
