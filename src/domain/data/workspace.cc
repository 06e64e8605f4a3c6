#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "domain/data/object_writer.h"
#include "domain/data/repository_impl.h"

// Walking and hashing the workspace.
namespace slipway::data {
namespace {

struct CloseFolder {
  void operator()(DIR* folder) const { closedir(folder); }
};

Result<FoundFile> look_at(const std::filesystem::path& path, std::string relative) {
  FoundFile file;
  file.path = std::move(relative);
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0)
    return system_error("cannot look at " + path.string(), errno);
  file.links = status.st_nlink;
  file.is_symlink = S_ISLNK(status.st_mode);
  if (file.is_symlink && stat(path.c_str(), &status) != 0) {
    return system_error("the symbolic link " + path.string() + " leads nowhere", errno);
  }
  if (!S_ISREG(status.st_mode)) return invalid(path.string() + " is neither a file nor a folder");
  file.facts = FileFacts::of(status);
  file.is_executable = (status.st_mode & S_IXUSR) != 0;
  return file;
}

struct Listing {
  std::vector<std::string> files, folders;
};

Result<Listing> list_folder(const std::filesystem::path& folder) {
  std::unique_ptr<DIR, CloseFolder> handle(opendir(folder.c_str()));
  if (!handle) return system_error("cannot read folder " + folder.string(), errno);
  Listing listing;
  errno = 0;
  while (dirent* entry = readdir(handle.get())) {
    std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    unsigned char type = entry->d_type;
    if (type == DT_UNKNOWN || type == DT_LNK) {
      struct stat status {};
      bool is_link = type == DT_LNK;
      if (!is_link && lstat((folder / name).c_str(), &status) == 0) {
        is_link = S_ISLNK(status.st_mode);
        type = S_ISDIR(status.st_mode) ? DT_DIR : DT_REG;
      }
      // A link to a folder is neither followed nor recorded.
      if (is_link && stat((folder / name).c_str(), &status) == 0 && S_ISDIR(status.st_mode))
        continue;
    }
    (type == DT_DIR ? listing.folders : listing.files).push_back(std::move(name));
  }
  return listing;
}

/// Calls `work(i)` for 0..count-1 on two threads; the first error ends it.
template <class Work>
Result<> for_each_parallel(std::size_t count, Work work) {
  constexpr std::size_t kAloneMax = 8;
  std::atomic<std::size_t> next{0};
  auto run = [&]() -> Result<> {
    for (std::size_t i = next++; i < count; i = next++) {
      Result<> done = work(i);
      if (!done.ok()) {
        next = count;
        return done;
      }
    }
    return {};
  };
  if (count <= kAloneMax) return run();
  Result<> other;
  std::thread helper([&] { other = run(); });
  Result<> own = run();
  helper.join();
  if (!own.ok()) return own;
  return other;
}

}  // namespace

Result<std::string> Repository::Impl::relative(const std::filesystem::path& path) const {
  std::string full = path.lexically_normal().string();
  while (full.size() > 1 && full.back() == '/') full.pop_back();
  const std::string& top = root.native();
  if (full == top) return std::string();
  if (!full.starts_with(top) || full[top.size()] != '/') {
    return invalid(full + " lies outside of the project " + top);
  }
  return full.substr(top.size() + 1);
}

void Repository::Impl::load_rules(const std::string& folder) const {
  std::size_t end = 0;
  while (true) {
    std::string part = folder.substr(0, end);
    if (rules_read_of.insert(part).second) {
      Result<std::string> text = read_file(root / part / ".dvcignore", 16u << 20);
      if (text.ok()) rules.add_file(part, *text);
    }
    if (end == folder.size()) return;
    end = std::min(folder.find('/', end + 1), folder.size());
  }
}

WorkspaceIndex& Repository::Impl::loaded_index() {
  if (!index_loaded) index = WorkspaceIndex::load(root / ".slipway" / "workspace.index");
  index_loaded = true;
  return index;
}

Result<> Repository::Impl::walk(const std::filesystem::path& top, const std::string& relative_top,
                                const std::string& below, Found& found) {
  constexpr std::size_t kPathBytesMax = 4096;
  std::filesystem::path folder = below.empty() ? top : top / below;
  if (folder.native().size() > kPathBytesMax)
    return invalid("the path " + folder.string() + " is too long");
  Listing listing = TRY(list_folder(folder));
  std::string here = below.empty() ? relative_top : relative_top + "/" + below;
  auto joined = [](const std::string& parent, const std::string& name) {
    return parent.empty() ? name : parent + "/" + name;
  };
  for (const std::string& name : listing.files) {
    if (rules.ignores_itself(joined(here, name), false)) continue;
    if (name == ".dvcignore") {
      return invalid(".dvcignore file should not be in collected dir path: '" + folder.string() +
                     "'");
    }
    if (!is_valid_utf8(name)) {
      return invalid("the name of " + (folder / name).string() +
                     " is not valid UTF-8; rename the file");
    }
    found.files.push_back(TRY(look_at(folder / name, joined(below, name))));
  }
  std::error_code ignored;
  for (const std::string& name : listing.folders) {
    if (rules.ignores_itself(joined(here, name), true)) continue;
    if (std::filesystem::exists(folder / name / ".dvc", ignored)) continue;  // a project of its own
    if (!is_valid_utf8(name)) {
      return invalid("the name of " + (folder / name).string() +
                     " is not valid UTF-8; rename the folder");
    }
    TRY(walk(top, relative_top, joined(below, name), found));
  }
  return {};
}

Result<Found> Repository::Impl::find(const std::filesystem::path& path, bool may_be_ignored) {
  Found found;
  found.looked_at_ns = wall_clock_ns();
  std::string name = path.string();
  Result<std::string> inside = relative(path);
  if (inside.ok()) name = *inside;
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return found;
    return system_error("cannot look at " + path.string(), errno);
  }
  if (S_ISLNK(status.st_mode) && stat(path.c_str(), &status) != 0) return found;
  found.is_folder = S_ISDIR(status.st_mode);
  if (inside.ok()) {
    load_rules(found.is_folder ? name : std::filesystem::path(name).parent_path().string());
    if (rules.ignores(name, found.is_folder)) {
      // Of an ignored folder all that lies in it is ignored too.
      found.exists = may_be_ignored;
      if (!may_be_ignored || found.is_folder) return found;
    }
  }
  found.exists = true;
  if (!found.is_folder) {
    found.files.push_back(TRY(look_at(path, "")));
    return found;
  }
  TRY(walk(path, name, "", found));
  std::sort(found.files.begin(), found.files.end(),
            [](const FoundFile& a, const FoundFile& b) { return a.path < b.path; });
  return found;
}

Result<std::optional<Version>> Repository::Impl::version_of(const std::filesystem::path& path,
                                                            Found found) {
  if (!found.exists) return std::optional<Version>();
  TRY(hash(path, found));
  return std::optional<Version>(version_of(found));
}

Result<> Repository::Impl::fill(const std::filesystem::path& path, Found& found, bool store) {
  constexpr std::size_t kSyncedOneByOneMax = 32;
  WorkspaceIndex& known = loaded_index();
  auto absolute = [&](const FoundFile& file) {
    return file.path.empty() ? path : path / file.path;
  };
  std::vector<FoundFile*> unread, unsaved;
  for (FoundFile& file : found.files) {
    if (auto md5 = known.find(absolute(file).native(), file.facts)) file.md5 = *md5;
    if (file.md5.empty())
      unread.push_back(&file);
    else if (store && !cache.has(file.md5))
      unsaved.push_back(&file);
  }
  bool sync_each = !syncs_later && unread.size() <= kSyncedOneByOneMax;
  auto read_one = [&](std::size_t i) -> Result<> {
    FoundFile& file = *unread[i];
    if (store)
      file.md5 = TRY(cache.absorb(absolute(file), sync_each));
    else
      file.md5 = TRY(digest_of_file(absolute(file)));
    return {};
  };
  TRY(for_each_parallel(unread.size(), read_one));
  for (const FoundFile* file : unsaved)
    TRY(cache.put_file(file->md5, absolute(*file), !syncs_later));
  if (store && syncs_later)
    is_unsynced = is_unsynced || !unread.empty() || !unsaved.empty();
  else if (store && !sync_each)
    TRY(cache.sync());
  for (const FoundFile* file : unread) {
    known.remember(absolute(*file).native(), file->facts, file->md5, found.looked_at_ns);
  }
  return {};
}

Result<> Repository::Impl::hash(const std::filesystem::path& path, Found& found) {
  return fill(path, found, false);
}

Result<> Repository::Impl::store(const std::filesystem::path& path, Found& found) {
  TRY(fill(path, found, true));
  if (!found.is_folder) return {};
  Tree tree = tree_of(found);
  if (syncs_later) is_unsynced = true;
  return cache.put_bytes(tree.digest(), tree.bytes(), !syncs_later);
}

Tree Repository::Impl::tree_of(const Found& found) const {
  Tree tree;
  tree.files.reserve(found.files.size());
  for (const FoundFile& file : found.files) tree.files.push_back({file.path, file.md5});
  return tree;
}

Version Repository::Impl::version_of(const Found& found) const {
  Version version;
  std::int64_t size = 0;
  for (const FoundFile& file : found.files) size += static_cast<std::int64_t>(file.facts.size);
  version.size = size;
  if (found.is_folder) {
    version.md5 = tree_of(found).digest();
    version.nfiles = static_cast<std::int64_t>(found.files.size());
  } else {
    version.md5 = found.files.front().md5;
    version.is_executable = found.files.front().is_executable;
  }
  return version;
}

bool Repository::Impl::can_clone() {
  if (!clones) clones = clones_between(cache.folder(), root / ".dvc" / "tmp");
  return *clones;
}

bool Repository::Impl::is_linked(const FoundFile& file, const std::filesystem::path& at,
                                 LinkType type) const {
  bool is_copy = !file.is_symlink && file.links == 1;
  if (type == LinkType::kCopy || type == LinkType::kReflink) return is_copy;
  std::filesystem::path object_path = cache.object_path(file.md5);
  std::error_code failure;
  if (type == LinkType::kSymlink)
    return file.is_symlink && std::filesystem::read_symlink(at, failure) == object_path;
  if (file.facts.size == 0 && is_copy) return true;  // empty files are not linked
  struct stat object {};
  return !file.is_symlink && file.links > 1 && stat(object_path.c_str(), &object) == 0 &&
         file.facts.inode == object.st_ino;
}

bool Repository::Impl::needs_link(const FoundFile& file, const std::filesystem::path& at) {
  // As DVC has it: in a folder a file may be any of the links that are allowed, alone only the
  // first that is possible.
  bool is_alone = file.path.empty();
  for (LinkType type : cache.links()) {
    if (is_alone && type == LinkType::kReflink && !can_clone()) continue;
    if (is_linked(file, at, type)) return false;
    if (is_alone) return true;
  }
  return true;
}

}  // namespace slipway::data
