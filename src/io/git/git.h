#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/stop.h"

// The git program, started by its arguments without a shell.
namespace slipway::git {

/// What a started git left: output of both streams is bounded, its exit status is told apart from a
/// failure to start.
struct Outcome {
  int status = 0;
  std::string out;
  std::string err;
};

/// Runs `git -C FOLDER arguments...` with stdin closed. kUnavailable when git can't be started or
/// was killed.
Result<Outcome> run(const std::filesystem::path& folder, const std::vector<std::string>& arguments);

/// For what may wait for others: git and all that it started are ended when a stop is requested,
/// and after `span`; kUnavailable, with the tag "timeout" in the second case.
struct Patience {
  std::chrono::milliseconds span;
  StopToken stop;
};
Result<Outcome> run(const std::filesystem::path& folder, const std::vector<std::string>& arguments,
                    const Patience& patience);

/// A work tree. Any thread; every call but find() and mark() starts a process (about 2 ms).
class WorkTree {
 public:
  /// The nearest folder at or above `start` with a `.git`; no process is started.
  static std::optional<WorkTree> find(const std::filesystem::path& start);

  const std::filesystem::path& root() const { return root_; }
  /// Whether the index has `path`, or something below it.
  Result<bool> is_tracked(const std::filesystem::path& path) const;
  /// Whether .gitignore files (or excludes) make git ignore `path`.
  Result<bool> is_ignored(const std::filesystem::path& path) const;
  /// Every path of the index, relative to the root.
  Result<std::vector<std::string>> tracked() const;
  /// Those of `paths` (absolute) that git ignores.
  Result<std::set<std::filesystem::path>> ignored(
      const std::vector<std::filesystem::path>& paths) const;
  /// Puts paths (absolute) into the index.
  Result<> add(const std::vector<std::filesystem::path>& paths) const;
  /// The commit of HEAD as hex; nothing in a repository without commits.
  Result<std::optional<std::string>> head() const;
  /// A text that changes when HEAD, its branch or the index do. No process is started; what it
  /// can't see (another format of references) leaves it as it was.
  std::string mark() const;
  /// A text that changes when a local branch, or what was fetched of it from `origin`, does; as
  /// mark().
  std::string mark_of_branch(const std::string& branch) const;
  /// Who has it is alone at the repository's list of work trees among those that ask for it: git
  /// does not guard the list, so that whoever adds or prunes one trips over what another has half
  /// made. Given up with the descriptor; nothing when somebody else had it for all of `wait`.
  Result<std::optional<Fd>> lock_trees(std::chrono::milliseconds wait) const;

 private:
  explicit WorkTree(std::filesystem::path root) : root_(std::move(root)) {}
  std::filesystem::path root_;
};

}  // namespace slipway::git
