#pragma once

#include <filesystem>
#include <memory>
#include <string>

// Bad days for SQLite databases. For tests.
namespace slipway::db {

/// A disk that forgets what was not synced, and fails when told to. It is a SQLite VFS over the
/// real one:
///
///   PowerLossDisk disk;
///   auto pool = open(..., {.sqlite_vfs = disk.vfs_name()});
///   disk.cut_power_at(17);   // write until errors come, remember what was acknowledged
///   pool.reset();
///   disk.restore(elsewhere, PowerLossDisk::Unsynced::kAnySubset, seed);   // open it there and
///   compare
///
/// Calls that count are those which change the disk: writes, truncations, syncs, creations and
/// removals of files. What syncs the folder is what does so in SQLite's own VFS: the first sync of
/// a new journal or log, and a removal that asks for it. Nothing waits for the real disk. Any
/// thread; databases on it are closed before it is destroyed.
class PowerLossDisk {
 public:
  enum class Fault { kIoError, kDiskFull };
  enum class Unsynced {
    kDropped,    // nothing that was not synced has reached the disk
    kAnySubset,  // any sectors of it have, and any changes of the folder
  };

  PowerLossDisk();
  ~PowerLossDisk();
  PowerLossDisk(const PowerLossDisk&) = delete;
  PowerLossDisk& operator=(const PowerLossDisk&) = delete;

  const std::string& vfs_name() const;

  /// The `call`-th change from now on, from 1, and all later ones no longer happen: the power is
  /// gone.
  void cut_power_at(int call);
  /// Makes the folder `to`, which exists, what the disk holds when the power is back.
  void restore(const std::filesystem::path& to, Unsynced unsynced, unsigned seed = 0) const;

  /// Lets the `call`-th change from now on fail, from 1; with `until_healed` all later ones too (of
  /// kDiskFull those that need space).
  void fail_at(int call, Fault fault, bool until_healed);
  void heal();
  bool has_failed() const;
  /// Changes since the disk was made.
  int calls() const;

  struct State;

 private:
  std::unique_ptr<State> state_;
};

}  // namespace slipway::db
