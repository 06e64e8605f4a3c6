#include "app/loop/source_part.h"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "base/failpoint.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"
#include "domain/data/data_file.h"
#include "domain/data/repository.h"
#include "graph/kinds.h"
#include "io/wire/codec.h"

namespace slipway::app {
namespace {

namespace fs = std::filesystem;
using flows::Occasion;

constexpr std::chrono::minutes kFetchMax{2};  // a remote that is silent must not stop the others
using project::Applied;
using project::TriggerSpec;

/// How far a source has come, and which one it was.
struct Watched {
  std::string source;
  std::string tip;          // a commit, or a digest; "": nothing is there
  std::int64_t number = 0;  // of changes so far
};
WIRE(Watched, source, tip, number)

Result<Watched> watched_in(const std::string& text) {
  if (text.empty()) return Watched();
  return wire::decode<Watched>(text);
}

// --- branches ---

Result<std::optional<std::string>> tip_of(const fs::path& root, const std::string& ref) {
  git::Outcome outcome = TRY(
      git::run(root, {"rev-parse", "--verify", "--quiet", "--end-of-options", ref + "^{commit}"}));
  if (outcome.status != 0) return std::optional<std::string>();
  return std::optional<std::string>(std::string(trim(outcome.out)));
}

Result<bool> is_ancestor(const fs::path& root, const std::string& older, const std::string& newer) {
  if (older.empty()) return false;
  return TRY(git::run(root, {"merge-base", "--is-ancestor", older, newer})).status == 0;
}

/// The local branch, unless what was fetched goes on from there.
Result<std::string> tip_of_branch(const fs::path& root, const std::string& branch) {
  const std::string local = TRY(tip_of(root, "refs/heads/" + branch)).value_or("");
  const std::string fetched = TRY(tip_of(root, "refs/remotes/origin/" + branch)).value_or("");
  if (fetched.empty() || fetched == local) return local;
  if (local.empty() || TRY(is_ancestor(root, local, fetched))) return fetched;
  return local;
}

/// Paths that differ between two commits; all of them where the first is gone.
Result<std::vector<std::string>> changed_paths(const fs::path& root, const std::string& before,
                                               const std::string& after) {
  git::Outcome outcome =
      TRY(git::run(root, {"diff", "--name-only", "--no-renames", "-z", before, after, "--"}));
  if (before.empty() || outcome.status != 0)
    outcome = TRY(git::run(root, {"ls-tree", "-r", "--name-only", "-z", "--full-tree", after}));
  if (outcome.status != 0)
    return unavailable("git does not tell what " + after + " changes: " + outcome.err);
  std::vector<std::string> paths;
  for (std::string_view path : split(outcome.out, '\0'))
    if (!path.empty()) paths.emplace_back(path);
  return paths;
}

Occasion commit_of(const TriggerSpec& trigger, const Watched& now_watched,
                   const std::string& before, const std::string& branch, UnixMs now) {
  Occasion occasion;
  occasion.key =
      "commit/" + trigger.name + "/" + std::to_string(now_watched.number) + "/" + now_watched.tip;
  occasion.cause = {graph::kind::kCommit, now_watched.tip};
  occasion.id = occasion.commit = now_watched.tip;
  occasion.type = "commit";
  occasion.subject = branch;
  occasion.time_ms = now;
  occasion.data.set("commit", now_watched.tip);
  occasion.data.set("branch", branch);
  occasion.data.set("before", before);
  return occasion;
}

// --- data ---

void mark_entry(const fs::path& path, std::string& out) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) return;
  out += std::to_string(found.st_ino) + ":" + std::to_string(found.st_size) + ":" +
         std::to_string(found.st_mtim.tv_sec) + "." + std::to_string(found.st_mtim.tv_nsec) + "\n";
}

/// "" when nothing is there.
std::string mark_of(const fs::path& path) {
  constexpr int kEntriesMax = 100'000;
  std::string mark;
  mark_entry(path, mark);
  std::error_code failure;
  int entries = 0;
  if (!fs::is_directory(path, failure)) return mark;
  for (fs::recursive_directory_iterator entry(path, failure), end;
       !failure && entry != end && entries < kEntriesMax; entry.increment(failure), ++entries) {
    mark += entry->path().string() + " ";
    mark_entry(entry->path(), mark);
  }
  return std::to_string(fast_hash(mark));
}

Result<std::string> md5_of(const fs::path& file) {
  Hasher hasher(Hasher::Kind::kMd5);
  std::ifstream in(file, std::ios::binary);
  std::string block(1 << 20, '\0');
  while (in.read(block.data(), static_cast<std::streamsize>(block.size())) || in.gcount() > 0)
    hasher.update(std::string_view(block.data(), static_cast<std::size_t>(in.gcount())));
  if (!in.eof()) return unavailable("cannot read " + file.string());
  return hasher.finish_hex();
}

/// Of a file or folder, as a data version has it.
Result<std::string> hash_of(const fs::path& project, const fs::path& path) {
  Result<data::Repository> repository = data::Repository::open(project);
  if (!repository.ok() && repository.error().tag == "no_repository") return md5_of(path);
  if (!repository.ok()) return repository.error();
  const auto version = TRY(repository->version_of(path));
  return version ? version->md5 : std::string();
}

Result<std::string> recorded_in(const fs::path& file) {
  const data::DataFile read = TRY(data::DataFile::read(file));
  return read.outs.empty() ? std::string() : read.outs.front().record.version.md5;
}

/// Which version of the data the commit has; nothing when it has none.
Result<std::optional<std::string>> digest_at(const fs::path& project, const std::string& commit,
                                             const std::string& file) {
  if (commit.empty()) return std::optional<std::string>();
  git::Outcome outcome = TRY(git::run(project, {"cat-file", "blob", commit + ":./" + file}));
  if (outcome.status != 0) return std::optional<std::string>();
  if (!file.ends_with(".dvc")) return std::optional<std::string>(md5_hex(outcome.out));
  const data::DataFile read = TRY(data::DataFile::parse(outcome.out, project / file));
  return std::optional<std::string>(read.outs.empty() ? std::string()
                                                      : read.outs.front().record.version.md5);
}

Occasion data_of(const TriggerSpec& trigger, const Watched& now_watched, const std::string& path,
                 const std::string& file, UnixMs now) {
  Occasion occasion;
  occasion.key =
      "data/" + trigger.name + "/" + std::to_string(now_watched.number) + "/" + now_watched.tip;
  occasion.cause = {graph::kind::kData, now_watched.tip};
  occasion.id = now_watched.tip;
  occasion.type = "data";
  occasion.subject = path;
  occasion.time_ms = now;
  occasion.data.set("path", path);
  occasion.data.set("digest", now_watched.tip);
  occasion.data.set("file", file);
  return occasion;
}

}  // namespace

SourcePart::SourcePart(db::Pool& pool, fs::path project, std::function<void()> wake)
    : pool_(pool), project_(std::move(project)), wake_(wake), errand_(std::move(wake)) {}

void SourcePart::pushed(const std::string& branch) {
  constexpr std::size_t kBranchesMax = 100;
  pushed_.with([&](std::set<std::string>& branches) {
    if (branches.size() < kBranchesMax) branches.insert(branch);
  });
  wake_();
}

Result<bool> SourcePart::turn(UnixMs now) {
  auto applied = TRY(pool_.read([&](db::Tx& tx) { return current_.get(tx); }));
  if (applied == nullptr) return false;
  if (std::optional<Result<>> done = errand_.take(); done && !done->ok()) {
    log_warning("a source of triggers could not be looked at", {{"why", done->error().message}});
  }
  bool did = TRY(fetch(applied->declared.file));
  std::optional<Error> first;
  for (const TriggerSpec& trigger : applied->declared.file.triggers) {
    Result<bool> looked = look(*applied, trigger, now);
    if (!looked.ok() && !first) first = with_context("trigger " + trigger.name, looked.error());
    did = did || (looked.ok() && *looked);
  }
  if (first && !did) return *first;
  return did;
}

/// Only branches that a trigger names, whatever else a sender says.
Result<bool> SourcePart::fetch(const project::ProjectFile& file) {
  if (errand_.is_under_way()) return false;
  const auto wanted =
      pushed_.with([](std::set<std::string>& branches) { return std::exchange(branches, {}); });
  std::set<std::string> known;
  for (const TriggerSpec& trigger : file.triggers) {
    const auto* git = std::get_if<project::GitSource>(&trigger.source);
    if (git != nullptr && wanted.contains(git->branch)) known.insert(git->branch);
  }
  if (known.empty()) return false;
  errand_.start([known, project = project_, stop = stop_]() -> Result<> {
    std::vector<std::string> arguments = {"fetch", "--quiet", "--no-tags", "origin"};
    for (const std::string& branch : known)
      arguments.push_back("+refs/heads/" + branch + ":refs/remotes/origin/" + branch);
    const git::Outcome outcome = TRY(git::run(project, arguments, {kFetchMax, stop}));
    if (outcome.status == 0) return {};
    return unavailable("git fetch failed: " + std::string(trim(outcome.err)));
  });
  return true;
}

Result<bool> SourcePart::look(const Applied& applied, const TriggerSpec& trigger, UnixMs now) {
  if (const auto* git = std::get_if<project::GitSource>(&trigger.source))
    return look_at_branch(applied, trigger, *git, now);
  if (const auto* data = std::get_if<project::DataSource>(&trigger.source))
    return look_at_data(applied, trigger, *data, now);
  return false;
}

Result<bool> SourcePart::look_at_branch(const Applied& applied, const TriggerSpec& trigger,
                                        const project::GitSource& source, UnixMs now) {
  const auto tree = git::WorkTree::find(project_);
  if (!tree) return false;
  Seen& seen = seen_[trigger.name];
  const std::string mark = source.branch + "\n" + tree->mark_of_branch(source.branch);
  if (seen.mark == mark) return false;
  Change change;
  change.trigger = trigger.name;
  change.before =
      TRY(pool_.read([&](db::Tx& tx) { return flows::peek_watched(tx, trigger.name); }));
  Watched watched = TRY(watched_in(change.before));
  const std::string tip = TRY(tip_of_branch(tree->root(), source.branch));
  // What was applied is where a trigger begins, if that is on its branch.
  if (watched.source != "git " + source.branch) {
    const std::string& commit = applied.declared.commit;
    const bool begins_there = TRY(is_ancestor(tree->root(), commit, tip));
    watched = {"git " + source.branch, begins_there ? commit : tip, 0};
  }
  if (!tip.empty() && tip != watched.tip) {
    const std::string before = std::exchange(watched.tip, tip);
    ++watched.number;
    if (flows::touches(source.paths, TRY(changed_paths(tree->root(), before, tip))))
      change.occasion = commit_of(trigger, watched, before, source.branch, now);
  }
  change.after = wire::encode(watched);
  if (change.after != change.before) TRY(keep(applied, change, now));
  seen.mark = mark;
  return change.occasion.has_value();
}

Result<bool> SourcePart::look_at_data(const Applied& applied, const TriggerSpec& trigger,
                                      const project::DataSource& source, UnixMs now) {
  std::error_code ignored;
  std::string file = source.path + ".dvc";
  const bool is_tracked = fs::exists(project_ / file, ignored);
  if (!is_tracked) file = source.path;
  Seen& seen = seen_[trigger.name];
  const std::string mark = file + "\n" + mark_of(project_ / file);
  if (!seen.settling.look(mark, source.settle, now) || seen.mark == mark) return false;
  std::optional<std::string> digest;
  if (is_tracked)
    digest = TRY(recorded_in(project_ / file));
  else
    digest = TRY(digest_of(trigger.name, project_ / file, mark));
  if (!digest) return false;  // it is being made
  Change change;
  change.trigger = trigger.name;
  change.before =
      TRY(pool_.read([&](db::Tx& tx) { return flows::peek_watched(tx, trigger.name); }));
  Watched watched = TRY(watched_in(change.before));
  // What was applied is where a trigger begins, if the data is in that commit.
  if (watched.source != "data " + source.path) {
    const auto begin = TRY(digest_at(project_, applied.declared.commit, file));
    watched = {"data " + source.path, begin.value_or(*digest), 0};
  }
  if (!digest->empty() && *digest != watched.tip) {
    watched.tip = *digest;
    ++watched.number;
    change.occasion = data_of(trigger, watched, source.path, file, now);
  }
  change.after = wire::encode(watched);
  if (change.after != change.before) TRY(keep(applied, change, now));
  seen.mark = mark;
  return change.occasion.has_value();
}

/// Made elsewhere, as files may be large; nothing while it is not there. What changes meanwhile has
/// another mark, and is looked at again.
Result<std::optional<std::string>> SourcePart::digest_of(const std::string& trigger,
                                                         const fs::path& file,
                                                         const std::string& mark) {
  auto made = digest_.with([](std::optional<Digest>& digest) { return digest; });
  if (made && made->trigger == trigger && made->mark == mark) {
    digest_.with([](std::optional<Digest>& digest) { digest.reset(); });
    return std::optional<std::string>(std::move(made->md5));
  }
  if (errand_.is_under_way()) return std::optional<std::string>();
  errand_.start([this, trigger, file, mark, project = project_]() -> Result<> {
    std::string md5 = TRY(hash_of(project, file));
    digest_.with([&](std::optional<Digest>& digest) {
      digest = Digest{trigger, mark, std::move(md5)};
    });
    return {};
  });
  return std::optional<std::string>();
}

/// What was seen and what is told of it are one transaction, so each change is told once.
Result<> SourcePart::keep(const Applied& applied, const Change& change, UnixMs now) {
  TRY(pool_.write([&](db::Tx& tx) -> Result<> {
    if (TRY(flows::watched(tx, change.trigger)) != change.before) return {};
    if (change.occasion)
      TRY(flows::notice(tx, applied.declared.file, *change.occasion, now, change.trigger));
    return flows::set_watched(tx, change.trigger, change.after);
  }));
  if (change.occasion) failpoint("trigger.decided");
  return {};
}

}  // namespace slipway::app
