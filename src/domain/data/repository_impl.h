#pragma once

#include <set>

#include "domain/data/ignore.h"
#include "domain/data/repository.h"
#include "domain/data/workspace_index.h"
#include "io/git/git.h"

namespace slipway::data {

/// A file as a walk over the workspace found it.
struct FoundFile {
  std::string path;  // relative to where the walk began; empty for a single file
  FileFacts facts;   // of what a symbolic link leads to
  bool is_executable = false;
  bool is_symlink = false;
  std::uint64_t links = 1;
  std::string md5;  // empty: not hashed yet
};

/// What stands at a path.
struct Found {
  bool exists = false;
  bool is_folder = false;
  std::vector<FoundFile> files;  // sorted by path; without ignored ones
  std::int64_t looked_at_ns = 0;
};

struct Repository::Impl {
  std::filesystem::path root;
  Config config;
  Cache cache{{}, {}, {}, false};
  std::optional<git::WorkTree> work_tree;
  mutable IgnoreRules rules;
  mutable std::set<std::string> rules_read_of;  // folders whose .dvcignore was looked for
  WorkspaceIndex index;
  bool index_loaded = false;
  std::optional<bool> clones;
  bool syncs_later = false;  // save() leaves it to sync()
  bool is_unsynced = false;  // and there is something for it to do

  /// Relative to the root with '/'; kInvalid when `path` lies outside.
  Result<std::string> relative(const std::filesystem::path& path) const;
  void load_rules(const std::string& folder) const;

  /// `may_be_ignored`: what .dvcignore names itself is there as well.
  Result<Found> find(const std::filesystem::path& path, bool may_be_ignored = false);
  /// Fills in every md5, from the index or by reading; two threads for many files.
  Result<> hash(const std::filesystem::path& path, Found& found);
  /// The same, and the content is in the cache afterwards.
  Result<> store(const std::filesystem::path& path, Found& found);
  Version version_of(const Found& found) const;
  Result<std::optional<Version>> version_of(const std::filesystem::path& path, Found found);
  Tree tree_of(const Found& found) const;
  /// Where the file `path` should be a link of another kind.
  bool needs_link(const FoundFile& file, const std::filesystem::path& at);
  bool is_linked(const FoundFile& file, const std::filesystem::path& at, LinkType type) const;
  /// Whether the work tree can have clones of what is in the cache; tried out once.
  bool can_clone();
  WorkspaceIndex& loaded_index();

  Result<> walk(const std::filesystem::path& top, const std::string& relative_top,
                const std::string& below, Found& found);
  Result<> fill(const std::filesystem::path& path, Found& found, bool store);
};

}  // namespace slipway::data
