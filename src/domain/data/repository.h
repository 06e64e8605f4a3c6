#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/data/cache.h"
#include "domain/data/version.h"

// A project folder with its .dvc, its cache and what is known of its files.
namespace slipway::data {

struct Config {
  std::filesystem::path cache_folder;  // absolute
  std::vector<LinkType> links{LinkType::kReflink, LinkType::kCopy};
  bool shared_cache = false;
  bool no_scm = false;
  bool autostage = false;
  std::string default_remote;
  std::vector<std::string> remotes;  // names; what lies behind them is not used yet
};

/// How a path differs from what is recorded of it.
enum class State { kSame, kNew, kModified, kDeleted, kNotInCache };
/// "new", "modified", "deleted", "not in cache"; empty for kSame.
const char* to_string(State state);

/// What a checkout changed, paths absolute.
struct Changes {
  std::vector<std::filesystem::path> added, modified, deleted;  // outs as a whole
  std::size_t files_added = 0, files_modified = 0, files_deleted = 0;
  bool empty() const { return added.empty() && modified.empty() && deleted.empty(); }
};

/// Owns the lock of .dvc/tmp/lock that DVC's own commands take; released when destroyed.
class RepositoryLock {
 public:
  RepositoryLock(RepositoryLock&&) noexcept;
  RepositoryLock& operator=(RepositoryLock&&) noexcept;
  ~RepositoryLock();

 private:
  friend class Repository;
  explicit RepositoryLock(int fd) : fd_(fd) {}
  int fd_;
};

/// An entry in .dvc/tmp/rwlock; taken out when destroyed.
class PathsLock {
 public:
  PathsLock(PathsLock&&) noexcept;
  PathsLock& operator=(PathsLock&&) noexcept;
  ~PathsLock();

 private:
  friend class Repository;
  struct Held;
  explicit PathsLock(std::unique_ptr<Held> held);
  std::unique_ptr<Held> held_;
};

/// One thread at a time, except where said. Takes no lock by itself: commands take lock() first.
class Repository {
 public:
  /// Walks up from `start` to a folder with .dvc. kMissing with tag "no_repository".
  static Result<Repository> open(const std::filesystem::path& start);
  /// Writes what `dvc init` writes. kConflict with tag "exists" when there is one already; with
  /// `force` all of that goes but the cache, which DVC removes too. Without
  /// git in the folder itself (tag "no_git") `no_scm` must be set, or `subdir` when git is in a
  /// folder above. kInvalid with tag "ignored" when git ignores the .dvc.
  static Result<> init(const std::filesystem::path& folder, bool no_scm, bool force,
                       bool subdir = false);

  Repository(Repository&&) noexcept;
  Repository& operator=(Repository&&) noexcept;
  ~Repository();

  const std::filesystem::path& root() const;
  std::filesystem::path dvc_folder() const { return root() / ".dvc"; }
  /// `.slipway`, made on first use together with its .gitignore that holds "*".
  Result<std::filesystem::path> state_folder() const;
  /// Where files of the work tree grow before they get their name by a rename, so that a kill
  /// leaves nothing half in sight: .dvc/tmp. lock() empties it of what killed processes left.
  std::filesystem::path scratch() const { return dvc_folder() / "tmp"; }
  const Config& config() const;
  Cache& cache();

  /// kBusy with tag "locked" when another process holds it for three seconds.
  Result<RepositoryLock> lock() const;
  /// Enters the paths (absolute) in .dvc/tmp/rwlock so that no dvc and no slipway writes what this
  /// one reads or writes. kBusy with tag "locked" names the other's pid and command. `command` is
  /// what others are shown.
  Result<PathsLock> lock_paths(const std::string& command,
                               const std::vector<std::filesystem::path>& reads,
                               const std::vector<std::filesystem::path>& writes) const;

  /// Digest of a file or folder (absolute path); nothing when it does not exist. Files whose size,
  /// times and inode are those of the workspace index are not read. .dvcignore applies. kInvalid
  /// for names that are no UTF-8.
  Result<std::optional<Version>> version_of(const std::filesystem::path& path);
  /// The same of what a stage reads: .dvcignore makes it no less there, though what it names below
  /// a folder is passed over.
  Result<std::optional<Version>> version_of_dependency(const std::filesystem::path& path);
  /// Compares `path` with what is recorded. `cached`: the recorded bytes should be in the cache as
  /// well.
  Result<State> state_of(const std::filesystem::path& path, const Version& recorded, bool cached);
  Result<State> state_of_dependency(const std::filesystem::path& path, const Version& recorded);

  /// Hashes, copies into the cache what is missing there, and where links are wanted makes the
  /// workspace links. kMissing when the path does not exist. `relink` as in `dvc add` (false:
  /// --no-relink).
  Result<Version> save(const std::filesystem::path& path, bool relink = true);
  /// From now on save() does not wait for the disk; what names the objects (dvc.lock, say) may only
  /// be written after sync(). One wait for many outputs.
  void sync_later();
  /// Everything saved so far survives a power cut.
  Result<> sync();

  struct CheckoutOptions {
    bool force = false;   // unsaved changes may be overwritten
    bool relink = false;  // what is right but linked another way than configured is linked again
  };
  /// What a checkout would do; nothing is changed yet.
  struct CheckoutPlan {
    std::filesystem::path path;
    Version version;
    bool existed = false;
    std::vector<TreeEntry> place;                // relative to path; an empty path is `path` itself
    std::vector<std::filesystem::path> remove;   // absolute
    std::vector<std::filesystem::path> unsaved;  // would be lost and are in no cache; absolute
    std::vector<std::filesystem::path>
        missing;  // can't be made, their objects are not in the cache; absolute
    std::size_t added = 0, modified = 0;
    bool changes_content = false;  // more than links
  };
  /// `version` with an empty md5: the path shall not exist. kInvalid with tag "bad_place" where
  /// nothing may be written (place.h).
  Result<CheckoutPlan> plan_checkout(const std::filesystem::path& path, const Version& version,
                                     bool relink = false);
  /// Precondition: the caller accepts plan.unsaved, and plan.missing is empty. Files appear by
  /// rename, so that a kill leaves each as it was or as it shall be.
  Result<> apply(const CheckoutPlan& plan, Changes* changes = nullptr);
  /// Both for one path. kConflict with tag "unsaved" when content would be lost that is in no cache
  /// (unless `force`); kMissing with tag "not_in_cache".
  Result<> checkout(const std::filesystem::path& path, const Version& version,
                    const CheckoutOptions& options, Changes* changes = nullptr);

  /// Removes a file or folder of the workspace; being absent is no error. The caller has made sure
  /// nothing is lost. Tag "bad_place" for .git and the like.
  Result<> remove(const std::filesystem::path& path);
  /// Turns a link into the cache into a file of its own (a folder: all its files).
  Result<> unprotect(const std::filesystem::path& path);

  /// Adds `/NAME` to the .gitignore beside `path`, unless git ignores it already. kConflict with
  /// tag "tracked_by_git". Nothing to do without git. Returns the .gitignore when it changed.
  Result<std::optional<std::filesystem::path>> ignore(const std::filesystem::path& path);
  /// A path to be ignored, and those whose lines its own shall stand before, if they are there; it
  /// goes to the end else.
  struct IgnoreLine {
    std::filesystem::path path;
    std::vector<std::filesystem::path> before = {};
  };
  struct Ignored {
    std::vector<std::filesystem::path> files;  // every .gitignore that changed
    std::vector<std::filesystem::path> paths;  // whose line is new
  };
  /// ignore() for many paths that git does not track, asking git once.
  Result<Ignored> ignore_all(const std::vector<IgnoreLine>& lines);
  /// Those of `paths` that git tracks, or has something below of; git is asked once.
  Result<std::set<std::filesystem::path>> tracked_by_git(
      const std::vector<std::filesystem::path>& paths) const;
  /// Takes that line out again, and the .gitignore if nothing else is in it.
  Result<> unignore(const std::filesystem::path& path);
  /// Puts files into git's index when the project asks for it (core.autostage); true when it did.
  Result<bool> autostage(const std::vector<std::filesystem::path>& files);
  bool uses_git() const;

  /// Whether .dvcignore files exclude it.
  bool is_ignored(const std::filesystem::path& path, bool is_folder) const;
  /// The .dvc files and the dvc.yaml files of the project, sorted, absolute; ignored folders left
  /// out.
  struct StageFiles {
    std::vector<std::filesystem::path> single, pipelines;
  };
  Result<StageFiles> stage_files() const;

  /// Writes the workspace index if it changed. A crash before, or a disk that takes no more, costs
  /// only hashing.
  void flush();

 private:
  struct Impl;
  explicit Repository(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::data
