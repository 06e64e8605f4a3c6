#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>

#include "base/guarded.h"
#include "io/blob/disk.h"

// Bad days for a folder store. For tests.
namespace slipway::blob {

/// Lets one call fail: the n-th of writes, syncs and renames together, from 1. Any thread.
class FailingDisk : public Disk {
 public:
  explicit FailingDisk(int failing_call) : left_(failing_call) {}
  Result<> write(int file, std::string_view data) override;
  Result<> sync(int file_or_folder) override;
  Result<> rename(int from_folder, const std::string& from, int to_folder,
                  const std::string& to) override;
  bool has_failed() const { return left_ <= 0; }

 private:
  bool fails_now() { return --left_ == 0; }
  std::atomic<int> left_;
};

/// Remembers what a disk has promised to keep: of a file the bytes it had at its last sync, of a
/// folder the entries. Any thread.
class ForgetfulDisk : public Disk {
 public:
  Result<> sync(int file_or_folder) override;
  /// Makes `to` what `root` would be after a power cut now: an entry whose folder was not synced
  /// since is not there, a file that was never synced is empty.
  void cut_power(const std::filesystem::path& root, const std::filesystem::path& to);

 private:
  using Inode = std::uint64_t;
  struct Child {
    Inode inode = 0;
    bool is_folder = false;
  };
  struct Kept {
    std::string content;
    std::map<std::string, Child> children;
    std::shared_ptr<Fd> pin;  // while it is open, its inode number is not given to another
  };
  using Inodes = std::map<Inode, Kept>;
  static void rebuild(const Inodes& inodes, Inode folder, const std::filesystem::path& to);

  Guarded<Inodes> inodes_;
};

/// A folder of its own, gone with it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// open_folder_on(), which must succeed.
std::unique_ptr<Blobs> open_at(Disk& disk, const std::filesystem::path& root);
/// What lies in the folder where objects grow.
std::size_t leftovers(const std::filesystem::path& root);

/// Writes and commits one object.
Result<> put(Blobs& blobs, const std::string& key, std::string_view content);
/// The whole content.
Result<std::string> get(Blobs& blobs, const std::string& key);

}  // namespace slipway::blob
