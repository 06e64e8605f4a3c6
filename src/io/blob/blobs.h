#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Bytes by key. Keys are relative paths with '/' between segments:
// "1/0af.../artifacts/model/MLmodel".
namespace slipway::blob {

struct Entry {
  std::string name;  // the last segment
  bool is_folder = false;
  std::uint64_t bytes = 0;  // of a file
};

/// Streams one object; closed by its destructor. One thread.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual std::uint64_t size() const = 0;
  virtual Result<std::size_t> read(std::span<char> buffer) = 0;  // 0 at the end
};

/// Takes one object; nothing is visible under its key before commit() returns, and after it the
/// object is durable. Dropped uncommitted, it leaves nothing.
class Writer {
 public:
  virtual ~Writer() = default;
  virtual Result<> write(std::string_view data) = 0;
  virtual Result<> commit() = 0;
};

/// Any thread. Every key is checked: no empty, "." or ".." segments, no leading '/', no NUL, no
/// backslash, at most 1024 bytes, and no symbolic link on the way is followed out of the store:
/// kInvalid.
class Blobs {
 public:
  virtual ~Blobs() = default;
  virtual Result<std::unique_ptr<Writer>> create(const std::string& key) = 0;
  /// kMissing if there is none, or it is a folder.
  virtual Result<std::unique_ptr<Reader>> open(const std::string& key) = 0;
  /// Children of a folder by name, sorted; empty when there is no such folder, or it is a file. ""
  /// is the root.
  virtual Result<std::vector<Entry>> list(const std::string& folder) = 0;
  virtual Result<std::optional<Entry>> find(const std::string& key) = 0;
  /// A file, or a folder with all that is in it. Nothing there is fine. kInvalid for the root.
  virtual Result<> remove(const std::string& key) = 0;
};

/// kInvalid with a message that names what is wrong with `key`.
Result<> check_key(std::string_view key);

/// Plain files under `root`, which is made if need be. Writes go to a private temporary file in the
/// same file system, are synced, renamed into place, and the folder is synced. Paths are resolved
/// with openat2(RESOLVE_BENEATH).
Result<std::unique_ptr<Blobs>> open_folder(const std::filesystem::path& root);

/// For tests.
std::unique_ptr<Blobs> open_memory();

}  // namespace slipway::blob
