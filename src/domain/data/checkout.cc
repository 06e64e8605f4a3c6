#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "domain/data/place.h"
#include "domain/data/repository_impl.h"

namespace slipway::data {
namespace {

namespace fs = std::filesystem;

fs::path joined(const fs::path& top, const std::string& below) {
  return below.empty() ? top : top / below;
}

Error unsupported_legacy(const fs::path& path) {
  Error error = invalid("not supported yet: " + path.string() + " is recorded in the way of DVC 2");
  error.tag = "unsupported";
  return error;
}

/// Whether something other than a folder stands at `path`, links included.
bool is_no_folder(const fs::path& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 && !S_ISDIR(status.st_mode);
}

Result<> remove_file(const fs::path& path) {
  if (unlink(path.c_str()) == 0 || errno == ENOENT || errno == ENOTDIR) return {};
  return system_error("cannot remove " + path.string(), errno);
}

/// Removes the folders above removed files that are empty now, up to and with `top`.
void remove_empty_folders(const std::vector<fs::path>& removed, const fs::path& top,
                          bool keep_top) {
  std::set<fs::path, std::greater<>> folders;  // deeper ones first
  for (const fs::path& file : removed) {
    for (fs::path folder = file.parent_path(); folder.native().size() >= top.native().size();
         folder = folder.parent_path()) {
      folders.insert(folder);
    }
  }
  for (const fs::path& folder : folders) {
    if (!(keep_top && folder == top)) rmdir(folder.c_str());
  }
}

std::string names_of(const std::vector<fs::path>& paths) {
  constexpr std::size_t kNamedMax = 20;
  std::string text;
  for (std::size_t i = 0; i < paths.size() && i < kNamedMax; ++i)
    text += "\n  " + paths[i].string();
  if (paths.size() > kNamedMax)
    text += "\n  and " + std::to_string(paths.size() - kNamedMax) + " more";
  return text;
}

}  // namespace

Result<Repository::CheckoutPlan> Repository::plan_checkout(const fs::path& path,
                                                           const Version& version, bool relink) {
  CheckoutPlan plan;
  plan.path = path;
  plan.version = version;
  if (version.legacy) return unsupported_legacy(path);
  TRY(check_place(impl_->root, path));
  Found found = TRY(impl_->find(path));
  TRY(impl_->hash(path, found));
  plan.existed = found.exists;
  Cache& cache = impl_->cache;

  std::vector<TreeEntry> wanted;
  if (version.is_folder()) {
    if (!cache.has(version.md5)) {
      plan.missing.push_back(path);
      return plan;
    }
    wanted = TRY(cache.tree(version)).files;
  } else if (!version.md5.empty()) {
    wanted.push_back({"", version.md5});
  }
  std::map<std::string_view, const FoundFile*> there;
  for (const FoundFile& file : found.files) there[file.path] = &file;

  auto give_up = [&](const FoundFile& file) {
    if (!cache.has(file.md5)) plan.unsaved.push_back(joined(path, file.path));
  };
  for (const TreeEntry& entry : wanted) {
    if (!entry.path.empty()) TRY(check_entry(path, entry.path));
    auto old = there.find(entry.path);
    const FoundFile* file = old == there.end() ? nullptr : old->second;
    if (file != nullptr) there.erase(old);
    bool same = file != nullptr && file->md5 == entry.md5;
    fs::path at = joined(path, entry.path);
    if (same && !(relink && impl_->needs_link(*file, at))) continue;
    if (!cache.has(entry.md5)) {
      if (!same) plan.missing.push_back(at);
      continue;
    }
    if (!same) {
      ++(file == nullptr ? plan.added : plan.modified);
      plan.changes_content = true;
      if (file != nullptr) give_up(*file);
    }
    plan.place.push_back(entry);
  }
  for (const auto& [name, file] : there) {
    plan.remove.push_back(joined(path, std::string(name)));
    plan.changes_content = true;
    give_up(*file);
  }
  bool makes_empty_folder = version.is_folder() && wanted.empty() && !found.exists;
  bool drops_empty_folder = version.md5.empty() && found.exists;
  if (makes_empty_folder || drops_empty_folder ||
      (found.exists && found.is_folder != version.is_folder())) {
    plan.changes_content = true;
  }
  return plan;
}

Result<> Repository::apply(const CheckoutPlan& plan, Changes* changes) {
  for (const fs::path& file : plan.remove) TRY(remove_file(file));
  remove_empty_folders(plan.remove, plan.path, plan.version.is_folder());
  if (plan.version.md5.empty() && plan.existed) rmdir(plan.path.c_str());  // a folder without files
  std::error_code failure;
  if (plan.version.is_folder()) {
    if (is_no_folder(plan.path) && !fs::is_directory(plan.path, failure))
      TRY(remove_file(plan.path));
    fs::create_directories(plan.path, failure);
  } else if (!plan.place.empty() && !is_no_folder(plan.path)) {
    rmdir(plan.path.c_str());  // what is ignored in it stays, and placing fails with a clear error
  }
  std::set<fs::path> made;
  for (const TreeEntry& entry : plan.place) {
    fs::path at = joined(plan.path, entry.path);
    if (made.insert(at.parent_path()).second) {
      // Once more, as the plan may be older than what stands there now.
      if (!entry.path.empty()) TRY(check_entry(plan.path, entry.path));
      fs::create_directories(at.parent_path(), failure);
      if (failure)
        return system_error("cannot create " + at.parent_path().string(), failure.value());
    }
    bool executable = entry.path.empty() && plan.version.is_executable;
    TRY(impl_->cache.place(entry.md5, at, executable));
  }
  if (changes == nullptr || !plan.changes_content) return {};
  changes->files_added += plan.added;
  changes->files_modified += plan.modified;
  changes->files_deleted += plan.remove.size();
  if (plan.version.md5.empty())
    changes->deleted.push_back(plan.path);
  else if (!plan.existed)
    changes->added.push_back(plan.path);
  else
    changes->modified.push_back(plan.path);
  return {};
}

Result<> Repository::checkout(const fs::path& path, const Version& version,
                              const CheckoutOptions& options, Changes* changes) {
  CheckoutPlan plan = TRY(plan_checkout(path, version, options.relink));
  if (!plan.missing.empty()) {
    Error error =
        missing("these are not in the cache, nothing was changed:" + names_of(plan.missing));
    error.tag = "not_in_cache";
    return error;
  }
  if (!plan.unsaved.empty() && !options.force) {
    Error error = conflict(
        "these have changes that are saved nowhere; save them, or use --force to lose them:" +
        names_of(plan.unsaved));
    error.tag = "unsaved";
    return error;
  }
  return apply(plan, changes);
}

}  // namespace slipway::data
