#include "domain/data/repository.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "base/file.h"
#include "base/text.h"
#include "domain/data/config.h"
#include "domain/data/data_file.h"
#include "domain/data/locks.h"
#include "domain/data/object_writer.h"
#include "domain/data/place.h"
#include "domain/data/repository_impl.h"
#include "domain/project/stage.h"

namespace slipway::data {
namespace {

namespace fs = std::filesystem;

constexpr char kDvcIgnore[] =
    "# Add patterns of files dvc should ignore, which could improve\n"
    "# the performance. Learn more at\n"
    "# https://dvc.org/doc/user-guide/dvcignore\n";
constexpr char kDvcGitIgnore[] = "/config.local\n/tmp\n/cache\n";

Result<> make_folder(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) return system_error("cannot create " + folder.string(), failure.value());
  return {};
}

/// The git work tree that a new project in `root` belongs to. `subdir`: one that begins above will
/// do.
Result<git::WorkTree> work_tree_of(const fs::path& root, bool subdir) {
  std::optional<git::WorkTree> tree = git::WorkTree::find(root);
  std::error_code failure;
  if (!tree || (!subdir && !fs::exists(root / ".git", failure))) {
    const std::string found =
        tree ? " lies inside of the git repository " + tree->root().string() +
                   "; use --subdir to begin a project in a folder of it, or --no-scm"
             : " is no git repository; run `git init` first, or use --no-scm";
    return with_tag(invalid(root.string() + found), "no_git");
  }
  if (TRY(tree->is_ignored(root / ".dvc"))) {
    return with_tag(invalid("git ignores " + (root / ".dvc").string() +
                            ", which belongs into it: add '!.dvc' to .gitignore"),
                    "ignored");
  }
  return *tree;
}

/// Everything goes but the cache, which may hold the only copy there is of older versions.
Result<> clear(const fs::path& dvc_folder) {
  std::set<fs::path> kept = {dvc_folder / "cache"};
  if (Result<Config> config = read_config(dvc_folder); config.ok())
    kept.insert(config->cache_folder.lexically_normal());
  auto holds_cache = [&](const fs::path& path) {
    return std::any_of(kept.begin(), kept.end(), [&](const fs::path& one) {
      return std::mismatch(path.begin(), path.end(), one.begin(), one.end()).first == path.end();
    });
  };
  std::error_code failure;
  std::vector<fs::path> gone;
  for (const fs::directory_entry& entry : fs::directory_iterator(dvc_folder, failure))
    if (!holds_cache(entry.path())) gone.push_back(entry.path());
  if (failure) return system_error("cannot read " + dvc_folder.string(), failure.value());
  for (const fs::path& path : gone) {
    fs::remove_all(path, failure);
    if (failure) return system_error("cannot remove " + path.string(), failure.value());
  }
  return {};
}

/// A line of .gitignore that means exactly this name.
std::string escaped(std::string_view name) {
  std::string line = "/";
  for (char c : name) {
    if (std::string_view("\\[]!*#?").find(c) != std::string_view::npos) line.push_back('\\');
    line.push_back(c);
  }
  return line;
}

/// Removes what killed processes left growing. Nobody else is at it: the caller holds the lock.
void sweep(const fs::path& scratch) {
  std::error_code failure;
  for (const fs::directory_entry& entry : fs::directory_iterator(scratch, failure)) {
    std::string name = entry.path().filename().string();
    if (name.starts_with("slipway-") && name.ends_with(".tmp")) unlink(entry.path().c_str());
  }
}

/// Makes an own file of a link, by rename.
Result<> unprotect_file(const fs::path& path, const fs::path& scratch) {
  struct stat status {};
  if (lstat(path.c_str(), &status) != 0)
    return system_error("cannot look at " + path.string(), errno);
  bool is_link = S_ISLNK(status.st_mode) || status.st_nlink > 1;
  if (!is_link) {
    if ((status.st_mode & S_IWUSR) == 0) chmod(path.c_str(), (status.st_mode | S_IWUSR) & 07777);
    return {};
  }
  if (stat(path.c_str(), &status) != 0)
    return system_error("cannot look at " + path.string(), errno);
  return copy_over(path, path, (status.st_mode & S_IXUSR) != 0 ? 0777 : 0666, scratch);
}

}  // namespace

const char* to_string(State state) {
  switch (state) {
    case State::kSame:
      return "";
    case State::kNew:
      return "new";
    case State::kModified:
      return "modified";
    case State::kDeleted:
      return "deleted";
    case State::kNotInCache:
      return "not in cache";
  }
  return "";
}

RepositoryLock::RepositoryLock(RepositoryLock&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}
RepositoryLock& RepositoryLock::operator=(RepositoryLock&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}
RepositoryLock::~RepositoryLock() {
  if (fd_ >= 0) close(fd_);
}

struct PathsLock::Held {
  fs::path tmp_folder;
  PathClaim claim;
};
PathsLock::PathsLock(std::unique_ptr<Held> held) : held_(std::move(held)) {}
PathsLock::PathsLock(PathsLock&&) noexcept = default;
PathsLock& PathsLock::operator=(PathsLock&& other) noexcept {
  std::swap(held_, other.held_);
  return *this;
}
PathsLock::~PathsLock() {
  // Should this fail, the entry is taken out by whoever finds that this process is gone.
  if (held_) static_cast<void>(leave_claim(held_->tmp_folder, held_->claim).ok());
}

Repository::Repository(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Repository::Repository(Repository&&) noexcept = default;
Repository& Repository::operator=(Repository&&) noexcept = default;
Repository::~Repository() = default;

Result<Repository> Repository::open(const fs::path& start) {
  std::error_code failure;
  fs::path from = fs::absolute(start, failure).lexically_normal();
  if (!from.has_filename() && from.has_relative_path()) from = from.parent_path();
  for (fs::path folder = from;; folder = folder.parent_path()) {
    if (fs::is_directory(folder / ".dvc", failure)) {
      auto impl = std::make_unique<Impl>();
      impl->root = folder;
      impl->config = TRY(read_config(folder / ".dvc"));
      impl->cache = Cache(impl->config.cache_folder, folder / ".dvc" / "tmp", impl->config.links,
                          impl->config.shared_cache);
      if (!impl->config.no_scm) impl->work_tree = git::WorkTree::find(folder);
      return Repository(std::move(impl));
    }
    if (folder == folder.parent_path()) break;
  }
  return with_tag(missing("no project here: neither " + from.string() +
                          " nor a folder above has a .dvc folder; `slipway init` makes one"),
                  "no_repository");
}

Result<> Repository::init(const fs::path& folder, bool no_scm, bool force, bool subdir) {
  std::error_code failure;
  fs::path root = fs::absolute(folder, failure).lexically_normal();
  if (!root.has_filename() && root.has_relative_path()) root = root.parent_path();
  std::optional<git::WorkTree> work_tree;
  if (!no_scm) work_tree = TRY(work_tree_of(root, subdir));
  if (fs::exists(root / ".dvc", failure)) {
    if (!force)
      return with_tag(conflict("'.dvc' exists in " + root.string() +
                               " already; -f writes it anew: its config goes, its cache stays"),
                      "exists");
    TRY(clear(root / ".dvc"));
  }
  TRY(make_folder(root / ".dvc" / "tmp"));
  TRY(write_file_atomic(root / ".dvc" / "config", no_scm ? "[core]\n    no_scm = True\n" : ""));
  TRY(write_file_atomic(root / ".dvc" / "tmp" / "btime", ""));
  if (!no_scm) TRY(write_file_atomic(root / ".dvc" / ".gitignore", kDvcGitIgnore));
  if (!fs::exists(root / ".dvcignore", failure))
    TRY(write_file_atomic(root / ".dvcignore", kDvcIgnore));
  if (no_scm) return {};
  return work_tree->add(
      {root / ".dvc" / "config", root / ".dvc" / ".gitignore", root / ".dvcignore"});
}

const fs::path& Repository::root() const {
  return impl_->root;
}
const Config& Repository::config() const {
  return impl_->config;
}
Cache& Repository::cache() {
  return impl_->cache;
}
bool Repository::uses_git() const {
  return impl_->work_tree.has_value();
}

Result<fs::path> Repository::state_folder() const {
  fs::path folder = impl_->root / ".slipway";
  std::error_code failure;
  if (fs::exists(folder / ".gitignore", failure)) return folder;
  TRY(make_folder(folder));
  TRY(write_file_quick(folder / ".gitignore", "*\n"));
  return folder;
}

Result<RepositoryLock> Repository::lock() const {
  TRY(make_folder(dvc_folder() / "tmp"));
  Fd fd = TRY(take_lock_file(dvc_folder() / "tmp" / "lock"));
  sweep(scratch());
  return RepositoryLock(fd.release());
}

Result<PathsLock> Repository::lock_paths(const std::string& command,
                                         const std::vector<fs::path>& reads,
                                         const std::vector<fs::path>& writes) const {
  auto held = std::make_unique<PathsLock::Held>();
  held->tmp_folder = dvc_folder() / "tmp";
  held->claim.command = command;
  for (const fs::path& path : reads) held->claim.reads.push_back(path.string());
  for (const fs::path& path : writes) held->claim.writes.push_back(path.string());
  TRY(make_folder(held->tmp_folder));
  TRY(enter_claim(held->tmp_folder, held->claim));
  return PathsLock(std::move(held));
}

namespace {

Result<> check_present_form(const fs::path& path, const Version& recorded) {
  if (!recorded.legacy) return {};
  return with_tag(invalid("not supported yet: " + path.string() +
                          " is recorded in the way of DVC 2; `dvc cache migrate` and "
                          "`dvc commit -f` bring it to the present form"),
                  "unsupported");
}

State state_against(const std::optional<Version>& now, const Version& recorded) {
  if (!now) return State::kDeleted;
  return now->same_content(recorded) ? State::kSame : State::kModified;
}

}  // namespace

Result<std::optional<Version>> Repository::version_of(const fs::path& path) {
  return impl_->version_of(path, TRY(impl_->find(path)));
}

Result<std::optional<Version>> Repository::version_of_dependency(const fs::path& path) {
  return impl_->version_of(path, TRY(impl_->find(path, /*may_be_ignored=*/true)));
}

Result<State> Repository::state_of_dependency(const fs::path& path, const Version& recorded) {
  TRY(check_present_form(path, recorded));
  return state_against(TRY(version_of_dependency(path)), recorded);
}

Result<State> Repository::state_of(const fs::path& path, const Version& recorded, bool cached) {
  TRY(check_present_form(path, recorded));
  if (cached && !recorded.md5.empty()) {
    Result<bool> all = impl_->cache.has_all(recorded);
    // A tree that can't be read is as good as none.
    if (!all.ok() && all.error().code != Code::kInvalid) return all.error();
    if (!all.ok() || !*all) return State::kNotInCache;
  }
  return state_against(TRY(version_of(path)), recorded);
}

Result<Version> Repository::save(const fs::path& path, bool relink) {
  Found found = TRY(impl_->find(path));
  if (!found.exists) return missing(path.string() + " does not exist");
  TRY(impl_->store(path, found));
  Version version = impl_->version_of(found);
  if (!relink) return version;
  for (const FoundFile& file : found.files) {
    fs::path at = file.path.empty() ? path : path / file.path;
    if (!impl_->needs_link(file, at)) continue;
    TRY(check_place(impl_->root, path));
    bool executable = !found.is_folder && version.is_executable;
    TRY(impl_->cache.place(file.md5, at, executable));
  }
  return version;
}

Result<> Repository::remove(const fs::path& path) {
  TRY(check_own_folders(impl_->root, path));
  std::error_code failure;
  fs::remove_all(path, failure);
  if (failure) return system_error("cannot remove " + path.string(), failure.value());
  return {};
}

Result<> Repository::unprotect(const fs::path& path) {
  Found found = TRY(impl_->find(path));
  for (const FoundFile& file : found.files) {
    TRY(unprotect_file(file.path.empty() ? path : path / file.path, scratch()));
  }
  return {};
}

Result<std::optional<fs::path>> Repository::ignore(const fs::path& path) {
  std::optional<fs::path> nothing;
  if (!impl_->work_tree) return nothing;
  TRY(check_place(impl_->root, path));
  if (TRY(impl_->work_tree->is_tracked(path))) {
    return with_tag(
        conflict(path.string() + " is tracked by git; `git rm -r --cached` it and commit first"),
        "tracked_by_git");
  }
  if (TRY(impl_->work_tree->is_ignored(path))) return nothing;
  fs::path file = path.parent_path() / ".gitignore";
  Result<std::string> old = read_file(file, 16u << 20);
  if (!old.ok() && old.error().code != Code::kMissing) return old.error();
  std::string text = old.ok() ? *old : "";
  std::string line = escaped(path.filename().string());
  for (std::string_view there : split(text, '\n')) {
    if (there == line) return nothing;
  }
  if (!text.empty() && text.back() != '\n') text += '\n';
  TRY(replace_file(file, text + line + "\n", {.scratch = scratch()}));
  return std::optional<fs::path>(file);
}

Result<std::set<fs::path>> Repository::tracked_by_git(const std::vector<fs::path>& paths) const {
  std::set<fs::path> found;
  if (!impl_->work_tree || paths.empty()) return found;
  std::vector<std::string> tracked = TRY(impl_->work_tree->tracked());
  std::sort(tracked.begin(), tracked.end());
  const fs::path& top = impl_->work_tree->root();
  for (const fs::path& path : paths) {
    std::string name = path.lexically_relative(top).string();
    auto at = std::lower_bound(tracked.begin(), tracked.end(), name);
    bool is_file = at != tracked.end() && *at == name;
    at = std::lower_bound(at, tracked.end(), name + "/");
    if (is_file || (at != tracked.end() && at->starts_with(name + "/"))) found.insert(path);
  }
  return found;
}

namespace {

/// Puts `line` before the first of `later` that is a line of `text`, or at the end.
void insert_line(std::string& text, const std::string& line, const std::set<std::string>& later) {
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = std::min(text.find('\n', at), text.size());
    if (later.contains(text.substr(at, end - at))) break;
    at = end + 1;
  }
  if (at < text.size()) {
    text.insert(at, line + "\n");
    return;
  }
  if (!text.empty() && text.back() != '\n') text += '\n';
  text += line + "\n";
}

bool has_line(const std::string& text, const std::string& line) {
  std::vector<std::string_view> lines = split(text, '\n');
  return std::find(lines.begin(), lines.end(), line) != lines.end();
}

std::string ignore_line(const fs::path& path) {
  return escaped(path.filename().string());
}

}  // namespace

Result<Repository::Ignored> Repository::ignore_all(const std::vector<IgnoreLine>& lines) {
  Ignored done;
  if (!impl_->work_tree) return done;
  // Paths whose line is there already need no question.
  std::vector<fs::path> unsure;
  std::map<fs::path, std::string> texts;  // of the .gitignore in that folder
  for (const IgnoreLine& line : lines) {
    TRY(check_place(impl_->root, line.path));
    fs::path folder = line.path.parent_path();
    if (!texts.contains(folder)) {
      Result<std::string> old = read_file(folder / ".gitignore", 16u << 20);
      if (!old.ok() && old.error().code != Code::kMissing) return old.error();
      texts[folder] = old.ok() ? *old : "";
    }
    if (!has_line(texts[folder], ignore_line(line.path))) unsure.push_back(line.path);
  }
  std::set<fs::path> ignored = TRY(impl_->work_tree->ignored(unsure));
  std::set<fs::path> asked(unsure.begin(), unsure.end()), changed;
  for (const IgnoreLine& line : lines) {
    if (asked.erase(line.path) == 0 || ignored.contains(line.path)) continue;
    fs::path folder = line.path.parent_path();
    std::set<std::string> later;
    for (const fs::path& path : line.before) {
      if (path.parent_path() == folder) later.insert(ignore_line(path));
    }
    insert_line(texts[folder], ignore_line(line.path), later);
    changed.insert(folder);
    done.paths.push_back(line.path);
  }
  for (const fs::path& folder : changed) {
    done.files.push_back(folder / ".gitignore");
    TRY(replace_file(done.files.back(), texts[folder], {.scratch = scratch()}));
  }
  return done;
}

void Repository::sync_later() {
  impl_->syncs_later = true;
}

Result<> Repository::sync() {
  if (!impl_->is_unsynced) return {};
  TRY(impl_->cache.sync());
  impl_->is_unsynced = false;
  return {};
}

Result<> Repository::unignore(const fs::path& path) {
  fs::path file = path.parent_path() / ".gitignore";
  Result<std::string> old = read_file(file, 16u << 20);
  if (!old.ok()) return old.error().code == Code::kMissing ? Result<>() : Result<>(old.error());
  std::string line = escaped(path.filename().string()), kept;
  std::string_view rest = *old;
  while (!rest.empty()) {
    std::size_t end = std::min(rest.find('\n'), rest.size() - 1) + 1;
    std::string_view one = rest.substr(0, end);
    if (trim(one) != trim(line)) kept += one;
    rest.remove_prefix(end);
  }
  if (kept == *old) return {};
  if (!kept.empty()) return replace_file(file, kept, {.scratch = scratch()});
  if (unlink(file.c_str()) != 0) return system_error("cannot remove " + file.string(), errno);
  return {};
}

Result<bool> Repository::autostage(const std::vector<fs::path>& files) {
  if (!impl_->work_tree || !impl_->config.autostage) return false;
  TRY(impl_->work_tree->add(files));
  return true;
}

bool Repository::is_ignored(const fs::path& path, bool is_folder) const {
  Result<std::string> name = impl_->relative(path);
  if (!name.ok()) return false;
  impl_->load_rules(is_folder ? *name : fs::path(*name).parent_path().string());
  return impl_->rules.ignores(*name, is_folder);
}

namespace {

/// The folders that outputs of a folder's stage files are: nothing of ours lies below them.
std::set<fs::path> folders_of_outs(const std::vector<fs::path>& single,
                                   const std::vector<fs::path>& pipelines) {
  std::set<fs::path> outs;
  for (const fs::path& file : single) {
    Result<DataFile> read = DataFile::read(file);
    if (!read.ok()) continue;  // the error is reported when the file is used
    for (const DataFile::Out& out : read->outs)
      outs.insert((read->folder() / out.record.path).lexically_normal());
  }
  for (const fs::path& file : pipelines) {
    Result<project::Pipeline> read = project::read_pipeline(file);
    if (!read.ok()) continue;
    for (const project::Stage& stage : read->stages) {
      for (const project::Output& out : stage.outs)
        outs.insert((stage.folder() / out.path).lexically_normal());
    }
  }
  return outs;
}

}  // namespace

Result<Repository::StageFiles> Repository::stage_files() const {
  StageFiles result;
  std::set<fs::path> outs;
  std::vector<fs::path> pending = {impl_->root};
  while (!pending.empty()) {
    fs::path folder = pending.back();
    pending.pop_back();
    if (outs.contains(folder)) continue;
    StageFiles here;
    std::vector<fs::path> folders;
    std::error_code failure;
    fs::directory_iterator entries(folder, fs::directory_options::skip_permission_denied, failure);
    if (failure) return system_error("cannot read folder " + folder.string(), failure.value());
    impl_->load_rules(TRY(impl_->relative(folder)));
    for (const fs::directory_entry& entry : entries) {
      std::string name = entry.path().filename().string();
      bool is_folder = entry.is_directory(failure) && !entry.is_symlink(failure);
      bool of_interest =
          is_folder || name == "dvc.yaml" || (name.size() > 4 && name.ends_with(".dvc"));
      if (!of_interest || name == ".slipway") continue;
      if (impl_->rules.ignores_itself(TRY(impl_->relative(entry.path())), is_folder)) continue;
      if (!is_folder)
        (name == "dvc.yaml" ? here.pipelines : here.single).push_back(entry.path());
      else if (!fs::exists(entry.path() / ".dvc", failure))
        folders.push_back(entry.path());
    }
    if (!folders.empty()) outs.merge(folders_of_outs(here.single, here.pipelines));
    pending.insert(pending.end(), folders.begin(), folders.end());
    result.single.insert(result.single.end(), here.single.begin(), here.single.end());
    result.pipelines.insert(result.pipelines.end(), here.pipelines.begin(), here.pipelines.end());
  }
  std::sort(result.single.begin(), result.single.end());
  std::sort(result.pipelines.begin(), result.pipelines.end());
  return result;
}

void Repository::flush() {
  if (!impl_->index_loaded) return;
  const Result<fs::path> folder = state_folder();
  if (folder.ok()) static_cast<void>(impl_->index.save(*folder / "workspace.index"));
}

}  // namespace slipway::data
