#include "domain/flows/commit.h"

#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "io/git/git.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using std::chrono::steady_clock;

constexpr std::uint64_t kFileBytesMax = 256u << 20;      // of one file that git tracks
constexpr std::uint64_t kUntrackedBytesMax = 64u << 20;  // of all the others together
constexpr auto kLookEvery = std::chrono::seconds(1);
constexpr int kShare = 20;  // of the time, one part is spent here

/// Paths below the top of the work tree, as git writes them.
class Paths {
 public:
  explicit Paths(fs::path top) : top_(std::move(top)) {}

  void add(const fs::path& absolute) {
    std::string path = absolute.lexically_normal().lexically_relative(top_).string();
    if (path.ends_with('/')) path.pop_back();
    paths_.insert(std::move(path));
  }
  bool hold(const std::string& path) const {
    // What lies at one of the paths, or in it: look at every folder above.
    for (std::size_t end = path.size(); end != std::string::npos && end > 0;
         end = path.rfind('/', end - 1)) {
      if (paths_.contains(path.substr(0, end))) return true;
      if (end == 0) break;
    }
    return paths_.contains(".");
  }

 private:
  fs::path top_;
  std::set<std::string> paths_;
};

/// What `repro` writes itself.
Paths own_paths(const fs::path& top, const data::Repository& repository, const Steps& steps) {
  Paths own(top);
  own.add(repository.root() / ".slipway");
  for (const Step& step : steps.all()) {
    if (!step.is_data) own.add(lock_path_of(step.file));
    for (const StepOut& out : step.outs) own.add(out.absolute);
  }
  return own;
}

/// What stages are made of: without it in a commit, the commit does not tell what ran.
Paths needed_paths(const fs::path& top, const Steps& steps) {
  Paths needed(top);
  for (const Step& step : steps.all()) {
    if (step.is_data) continue;
    needed.add(step.file);
    for (const StepDep& dep : step.deps) needed.add(dep.absolute);
    for (const StepParams& source : step.params) needed.add(source.absolute);
  }
  return needed;
}

/// Lines that `repro` may add to the .gitignore files.
std::set<std::string> own_ignore_lines(const Steps& steps, const fs::path& file) {
  std::set<std::string> lines;
  for (const Step& step : steps.all()) {
    for (const StepOut& out : step.outs) {
      if (out.absolute.parent_path() != file.parent_path()) continue;
      std::string line = "/";
      for (char c : out.absolute.filename().string()) {
        if (std::string_view("\\[]!*#?").find(c) != std::string_view::npos) line.push_back('\\');
        line.push_back(c);
      }
      lines.insert(line);
    }
  }
  return lines;
}

std::multiset<std::string> lines_of(const std::string& text) {
  std::multiset<std::string> lines;
  for (std::string_view line : split(text, '\n')) {
    if (!line.empty()) lines.emplace(line);
  }
  return lines;
}

/// Whether a .gitignore differs from HEAD by nothing but more lines for outputs.
Result<bool> is_own_ignore_change(const fs::path& top, const std::string& name,
                                  const Steps& steps) {
  if (fs::path(name).filename() != ".gitignore") return false;
  git::Outcome before = TRY(git::run(top, {"cat-file", "blob", "HEAD:" + name}));
  Result<std::string> now = read_file(top / name, kFileBytesMax);
  if (!now.ok()) return false;
  std::multiset<std::string> lines = lines_of(*now);
  for (const std::string& line : before.status == 0 ? lines_of(before.out) : lines_of("")) {
    auto kept = lines.find(line);
    if (kept == lines.end()) return false;
    lines.erase(kept);
  }
  std::set<std::string> own = own_ignore_lines(steps, top / name);
  return std::all_of(lines.begin(), lines.end(),
                     [&](const std::string& line) { return own.contains(line); });
}

/// What is at a path: its kind, whether it can be run, and its content; of more bytes than
/// `bytes_left` only how many there are.
std::string state_of(const fs::path& path, std::uint64_t& bytes_left) {
  struct stat found {};
  if (lstat(path.c_str(), &found) != 0) return "gone";
  std::error_code failure;
  if (S_ISLNK(found.st_mode)) return "link " + fs::read_symlink(path, failure).string();
  if (!S_ISREG(found.st_mode)) return "folder";
  std::string kind = (found.st_mode & S_IXUSR) != 0 ? "program " : "file ";
  auto size = static_cast<std::uint64_t>(found.st_size);
  Result<std::string> text =
      size <= bytes_left ? read_file(path, bytes_left) : Result<std::string>(invalid(""));
  if (!text.ok()) return kind + "of " + std::to_string(size) + " bytes";
  bytes_left -= std::min<std::uint64_t>(bytes_left, text->size());
  return kind + sha256_hex(*text);
}

std::string digest_of(const fs::path& top, const std::set<std::string>& names,
                      std::optional<std::uint64_t> bytes_max) {
  Hasher digest(Hasher::Kind::kSha256);
  std::uint64_t bytes_left = bytes_max.value_or(0);
  for (const std::string& name : names) {
    std::uint64_t of_one = kFileBytesMax;
    digest.update(name);
    digest.update(std::string(1, '\0'));
    digest.update(state_of(top / name, bytes_max ? bytes_left : of_one));
    digest.update("\n");
  }
  return digest.finish_hex();
}

struct Unclean {
  std::set<std::string> changed, untracked;  // relative to the top
};

/// Of `git status`: two letters, a blank and a name, each closed by NUL.
Result<Unclean> unclean(const fs::path& top) {
  git::Outcome status =
      TRY(git::run(top, {"--no-optional-locks", "status", "--porcelain=v1", "-z", "--no-renames",
                         "--untracked-files=all", "--ignore-submodules=none"}));
  if (status.status != 0)
    return unavailable("git status failed: " +
                       std::string(trim(status.err.empty() ? status.out : status.err)));
  Unclean found;
  for (std::string_view entry : split(status.out, '\0')) {
    if (entry.size() < 4) continue;
    std::string name(entry.substr(3));
    (entry.starts_with("??") ? found.untracked : found.changed).insert(std::move(name));
  }
  return found;
}

std::optional<git::WorkTree> tree_of(const data::Repository& repository) {
  return repository.uses_git() ? git::WorkTree::find(repository.root()) : std::nullopt;
}

}  // namespace

Result<CommitFact> commit_now(const data::Repository& repository, const Steps& steps) {
  CommitFact fact;
  std::optional<git::WorkTree> tree = tree_of(repository);
  std::optional<std::string> head = tree ? TRY(tree->head()) : std::nullopt;
  if (!head) return fact;
  fact.commit = *head;
  const fs::path& top = tree->root();
  Paths own = own_paths(top, repository, steps);
  Paths needed = needed_paths(top, steps);
  Unclean all = TRY(unclean(top));
  std::set<std::string> changed, untracked;
  for (const std::string& name : all.changed) {
    if (!own.hold(name) && !TRY(is_own_ignore_change(top, name, steps))) changed.insert(name);
  }
  for (const std::string& name : all.untracked) {
    if (own.hold(name) || TRY(is_own_ignore_change(top, name, steps))) continue;
    untracked.insert(name);
    if (needed.hold(name)) changed.insert(name);
  }
  fact.dirty = !changed.empty();
  if (fact.dirty) fact.diff = digest_of(top, changed, std::nullopt);
  fact.untracked = static_cast<std::int64_t>(untracked.size());
  if (!untracked.empty()) fact.untracked_digest = digest_of(top, untracked, kUntrackedBytesMax);
  return fact;
}

Result<CommitFact> CommitWatch::now() {
  Time begun = steady_clock::now();
  if (!fact_) {
    TRY(look(begun));
    return *fact_;
  }
  if (begun >= look_at_) {
    TRY(look(begun));
  } else if (begun >= mark_at_) {
    bool is_same = mark() == mark_;
    Time over = steady_clock::now();
    mark_at_ = over + (over - begun) * kShare;
    if (!is_same) TRY(look(begun));
  }
  return *fact_;
}

Result<> CommitWatch::look(Time begun) {
  std::optional<git::WorkTree> tree = tree_of(repository_);
  tracked_.clear();
  if (tree) {
    Paths own = own_paths(tree->root(), repository_, steps_);
    for (const std::string& name : TRY(tree->tracked())) {
      if (!own.hold(name)) tracked_.push_back(tree->root() / name);
    }
  }
  // The mark first: what changes in between is seen the next time.
  mark_ = mark();
  fact_ = TRY(commit_now(repository_, steps_));
  Time over = steady_clock::now();
  look_at_ = over + std::max<steady_clock::duration>(kLookEvery, (over - begun) * kShare);
  mark_at_ = over;
  return {};
}

std::string CommitWatch::mark() const {
  std::optional<git::WorkTree> tree = tree_of(repository_);
  if (!tree) return "";
  Hasher digest(Hasher::Kind::kSha256);
  digest.update(tree->mark());
  for (const fs::path& path : tracked_) {
    struct stat found {};
    if (lstat(path.c_str(), &found) != 0) found = {};
    const std::int64_t facts[] = {found.st_size, static_cast<std::int64_t>(found.st_ino),
                                  found.st_mode, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
    digest.update({reinterpret_cast<const char*>(facts), sizeof facts});
  }
  return digest.finish_hex();
}

}  // namespace slipway::flows
