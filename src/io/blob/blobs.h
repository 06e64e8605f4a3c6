#pragma once

#include <chrono>
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

/// What a committed object is.
struct Stored {
  std::uint64_t bytes = 0;
  /// Tells this content of a key from all that was or will be there: printable ASCII without quotes
  /// or backslashes. It needs the store to be told, not the content.
  std::string stamp;
  std::string sha256;  // hex, of the bytes as they came; empty when they did not pass through here
};

/// Streams one object as it was when it was opened; closed by its destructor. One thread.
class Reader {
 public:
  virtual ~Reader() = default;
  virtual std::uint64_t size() const = 0;
  virtual std::string stamp() const = 0;
  /// As it was recorded when the object was written; empty where nobody knows.
  virtual std::string sha256() const { return {}; }
  /// What is read from now on: `bytes` from byte `at` on. kInvalid for what is not in the object.
  virtual Result<> select(std::uint64_t at, std::uint64_t bytes) = 0;
  virtual Result<std::size_t> read(std::span<char> buffer) = 0;  // 0 at the end
  /// Where an empty pipe is filled; -1 when there is none. Asked for only when bytes will go there.
  using Pipe = std::function<int()>;
  /// Puts the next bytes, up to `bytes`, into a pipe without copying them through this program's
  /// memory; read() goes on behind them. Nothing that is written to the object later changes them.
  /// 0 where that can't be done with these, and at the end: they are to be read.
  virtual Result<std::size_t> move_to([[maybe_unused]] const Pipe& pipe,
                                      [[maybe_unused]] std::size_t bytes) {
    return std::size_t{0};
  }
};

/// Takes one object; nothing is visible under its key before commit() returns, and after it the
/// object is durable. Dropped uncommitted, it leaves nothing.
class Writer {
 public:
  virtual ~Writer() = default;
  virtual Result<> write(std::string_view data) = 0;
  virtual Result<Stored> commit() = 0;
};

/// One part of an object that comes in parts.
struct Part {
  int number = 0;    // from 1
  std::string etag;  // the stamp that its commit() said; empty: not told
};
inline constexpr int kPartsMax = 10'000;

/// Something that a client may do with the store itself, by an address that says that it may.
struct DirectUse {
  enum class What { kRead, kWrite, kPart };
  What what = What::kRead;
  std::string key;
  std::string upload;  // of kPart
  int part = 0;        // of kPart
  std::chrono::seconds lasts{300};
};

inline constexpr std::size_t kEntriesMax = 1'000'000;

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
  /// is the root. kInvalid for more than kEntriesMax.
  virtual Result<std::vector<Entry>> list(const std::string& folder) = 0;
  virtual Result<std::optional<Entry>> find(const std::string& key) = 0;
  /// A file, or a folder with all that is in it. Nothing there is fine. kInvalid for the root.
  virtual Result<> remove(const std::string& key) = 0;

  // An object that comes in parts, in any order and several at the same time.
  /// The name of the new upload, which nobody can guess. kBusy when too many are under way.
  virtual Result<std::string> begin_parts(const std::string& key) = 0;
  /// Part `number` of it. kMissing for an upload that is unknown, was joined or dropped. Its
  /// commit() keeps the part; the same part once more is fine, another one is kConflict where the
  /// first is in its place already.
  virtual Result<std::unique_ptr<Writer>> create_part(const std::string& upload, int number) = 0;
  /// Puts parts 1 to n together under the key, as one commit(). Asked again after it was done, it
  /// gives the same answer. kInvalid unless `parts` are 1 to n, all there, with their ETags.
  virtual Result<Stored> join_parts(const std::string& key, const std::string& upload,
                                    const std::vector<Part>& parts) = 0;
  /// Forgets an upload of that key with its parts; one that is unknown is fine.
  virtual Result<> drop_parts(const std::string& key, const std::string& upload) = 0;

  /// An address for that use; nothing where the store is not one that clients can reach.
  virtual Result<std::optional<std::string>> direct_url(const DirectUse& use) = 0;

  /// Tells this store from all others: two programs whose stores have the same one see the same
  /// objects.
  virtual std::string identity() const = 0;
};

/// kInvalid unless an object of `size` bytes has those.
Result<> check_selection(std::uint64_t size, std::uint64_t at, std::uint64_t bytes);

/// kInvalid with a message that names what is wrong with `key`.
Result<> check_key(std::string_view key);

/// Plain files under `root`, which is made; several programs may. Writes go to a private file in
/// the same file system, are synced, renamed into place, and the folder is synced. Paths are
/// resolved with openat2(RESOLVE_BENEATH).
Result<std::unique_ptr<Blobs>> open_folder(const std::filesystem::path& root);

/// For tests.
std::unique_ptr<Blobs> open_memory();

}  // namespace slipway::blob
