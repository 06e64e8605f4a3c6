#include "io/git/git.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "base/text.h"

extern char** environ;

namespace slipway::git {
namespace {

constexpr std::size_t kOutputBytesMax = 256u << 20;

struct Pipe {
  Fd read_end, write_end;
};

Result<Pipe> open_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return system_error("cannot open a pipe", errno);
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

using Deadline = std::chrono::steady_clock::time_point;

/// Ends git, and what it started to speak to others, when it is time to.
class Warden {
 public:
  Warden(pid_t group, const Patience* patience) : group_(group), patience_(patience) {
    if (patience_ != nullptr) end_ = std::chrono::steady_clock::now() + patience_->span;
  }

  /// How long to wait for output before the next look; -1: for ever.
  int look_every_ms() const { return patience_ == nullptr ? -1 : kLookMs; }
  /// First it is asked, so that it can clean up.
  void look() {
    if (patience_ == nullptr) return;
    const auto now = std::chrono::steady_clock::now();
    if (!asked_ && patience_->stop.stop_requested()) return ask(now, "the server ends", "");
    if (!asked_ && now >= end_)
      return ask(now, "it did not end within " +
                          std::to_string(patience_->span.count() / 1000) + " s", "timeout");
    if (asked_ && now >= end_) kill(-group_, SIGKILL);
  }
  /// Why it was ended, if it was.
  const std::optional<Error>& ended() const { return asked_; }

 private:
  static constexpr int kLookMs = 50;
  static constexpr std::chrono::seconds kGrace{2};

  void ask(Deadline now, const std::string& why, const char* tag) {
    asked_ = with_tag(unavailable("git was ended: " + why), tag);
    end_ = now + kGrace;
    kill(-group_, SIGTERM);
  }

  const pid_t group_;
  const Patience* const patience_;
  Deadline end_{};
  std::optional<Error> asked_;
};

/// Reads both streams to their ends, whichever has something.
Result<> drain(int out, int err, Outcome& outcome, Warden& warden) {
  std::array<pollfd, 2> ends{{{out, POLLIN, 0}, {err, POLLIN, 0}}};
  std::array<std::string*, 2> texts{&outcome.out, &outcome.err};
  std::string block(64 * 1024, '\0');
  while (ends[0].fd >= 0 || ends[1].fd >= 0) {
    if (poll(ends.data(), ends.size(), warden.look_every_ms()) < 0 && errno != EINTR) {
      return system_error("cannot wait for git", errno);
    }
    warden.look();
    for (std::size_t i = 0; i < ends.size(); ++i) {
      if (ends[i].fd < 0 || ends[i].revents == 0) continue;
      ssize_t got = read(ends[i].fd, block.data(), block.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) {
        ends[i].fd = -1;
        continue;
      }
      if (texts[i]->size() + static_cast<std::size_t>(got) > kOutputBytesMax) {
        return unavailable("git printed more than " + std::to_string(kOutputBytesMax) + " bytes");
      }
      texts[i]->append(block.data(), static_cast<std::size_t>(got));
    }
  }
  return {};
}

Result<int> wait_for(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return system_error("cannot wait for git", errno);
  }
  if (!WIFEXITED(status)) return unavailable("git was killed");
  return WEXITSTATUS(status);
}

/// Small files that git keeps: HEAD, a branch, the way to a work tree's own folder.
std::string line_in(const std::filesystem::path& file) {
  constexpr std::uint64_t kBytesMax = 64 * 1024;
  Result<std::string> text = read_file(file, kBytesMax);
  return text.ok() ? std::string(trim(*text)) : std::string();
}

std::string stat_mark(const std::filesystem::path& file) {
  struct stat found {};
  if (stat(file.c_str(), &found) != 0) return "-";
  return std::to_string(found.st_ino) + ":" + std::to_string(found.st_size) + ":" +
         std::to_string(found.st_mtim.tv_sec) + "." + std::to_string(found.st_mtim.tv_nsec);
}

/// What belongs to this work tree alone, and what all of the repository share.
std::pair<std::filesystem::path, std::filesystem::path> folders_of(
    const std::filesystem::path& root) {
  constexpr std::string_view kFolder = "gitdir: ";
  std::filesystem::path folder = root / ".git";
  if (std::string file = line_in(folder); file.starts_with(kFolder))
    folder = root / file.substr(kFolder.size());
  std::string shared = line_in(folder / "commondir");
  return {folder, shared.empty() ? folder : folder / shared};
}

Error failed(const std::string& what, const Outcome& outcome) {
  return unavailable("git " + what + " failed: " + std::string(trim(outcome.err)));
}

/// A process group of its own for what may have to be ended with all that it started.
class Attributes {
 public:
  explicit Attributes(bool own_group) {
    posix_spawnattr_init(&attributes_);
    if (own_group) posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP);
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { posix_spawnattr_destroy(&attributes_); }
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

Result<Outcome> run_with(const std::filesystem::path& folder,
                         const std::vector<std::string>& arguments, const Patience* patience) {
  Pipe out = TRY(open_pipe());
  Pipe err = TRY(open_pipe());
  FileActions actions;
  posix_spawn_file_actions_addopen(actions.get(), 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(actions.get(), out.write_end.get(), 1);
  posix_spawn_file_actions_adddup2(actions.get(), err.write_end.get(), 2);
  std::vector<std::string> words = {"git", "-C", folder.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t child = 0;
  Attributes attributes(patience != nullptr);
  int failure = posix_spawnp(&child, "git", actions.get(), attributes.get(), argv.data(), environ);
  if (failure != 0) return system_error("cannot start git", failure);
  out.write_end = Fd();
  err.write_end = Fd();
  Outcome outcome;
  Warden warden(child, patience);
  Result<> drained = drain(out.read_end.get(), err.read_end.get(), outcome, warden);
  out.read_end = Fd();  // a git that still writes ends by SIGPIPE
  err.read_end = Fd();
  Result<int> status = wait_for(child);
  if (warden.ended()) return *warden.ended();
  outcome.status = TRY(std::move(status));
  if (!drained.ok()) return drained.error();
  return outcome;
}

}  // namespace

Result<Outcome> run(const std::filesystem::path& folder,
                    const std::vector<std::string>& arguments) {
  return run_with(folder, arguments, nullptr);
}

Result<Outcome> run(const std::filesystem::path& folder, const std::vector<std::string>& arguments,
                    const Patience& patience) {
  return run_with(folder, arguments, &patience);
}

std::optional<WorkTree> WorkTree::find(const std::filesystem::path& start) {
  std::error_code ignored;
  for (std::filesystem::path folder = start;; folder = folder.parent_path()) {
    if (std::filesystem::exists(folder / ".git", ignored)) return WorkTree(folder);
    if (folder == folder.parent_path()) return std::nullopt;
  }
}

Result<bool> WorkTree::is_tracked(const std::filesystem::path& path) const {
  Outcome outcome = TRY(run(root_, {"--literal-pathspecs", "ls-files", "-z", "--", path.string()}));
  if (outcome.status != 0) return failed("ls-files", outcome);
  return !outcome.out.empty();
}

Result<bool> WorkTree::is_ignored(const std::filesystem::path& path) const {
  Outcome outcome = TRY(run(root_, {"check-ignore", "-q", "--", path.string()}));
  if (outcome.status > 1) return failed("check-ignore", outcome);
  return outcome.status == 0;
}

Result<std::vector<std::string>> WorkTree::tracked() const {
  Outcome outcome = TRY(run(root_, {"ls-files", "-z"}));
  if (outcome.status != 0) return failed("ls-files", outcome);
  std::vector<std::string> paths;
  for (std::string_view path : split(outcome.out, '\0')) {
    if (!path.empty()) paths.emplace_back(path);
  }
  return paths;
}

Result<std::set<std::filesystem::path>> WorkTree::ignored(
    const std::vector<std::filesystem::path>& paths) const {
  constexpr std::size_t kPathsPerCall = 500;
  std::set<std::filesystem::path> found;
  for (std::size_t begin = 0; begin < paths.size(); begin += kPathsPerCall) {
    std::size_t end = std::min(paths.size(), begin + kPathsPerCall);
    std::vector<std::string> arguments = {"check-ignore", "--"};
    for (std::size_t i = begin; i < end; ++i) arguments.push_back(paths[i].string());
    Outcome outcome = TRY(run(root_, arguments));
    if (outcome.status > 1) return failed("check-ignore", outcome);
    // Unusual names are printed in quotes: those are asked for one by one.
    for (std::string_view line : split(outcome.out, '\n')) {
      if (!line.empty() && line.front() != '"') found.insert(std::filesystem::path(line));
    }
    if (outcome.out.find('"') == std::string::npos) continue;
    for (std::size_t i = begin; i < end; ++i) {
      if (!found.contains(paths[i]) && TRY(is_ignored(paths[i]))) found.insert(paths[i]);
    }
  }
  return found;
}

Result<> WorkTree::add(const std::vector<std::filesystem::path>& paths) const {
  if (paths.empty()) return {};
  std::vector<std::string> arguments = {"--literal-pathspecs", "add", "--"};
  for (const auto& path : paths) arguments.push_back(path.string());
  Outcome outcome = TRY(run(root_, arguments));
  if (outcome.status != 0) return failed("add", outcome);
  return {};
}

std::string WorkTree::mark() const {
  constexpr std::string_view kBranch = "ref: ";
  const auto [folder, common] = folders_of(root_);
  std::string head = line_in(folder / "HEAD");
  std::string text = head + "\n" + stat_mark(folder / "index") + "\n";
  if (!head.starts_with(kBranch)) return text;
  return text + line_in(common / head.substr(kBranch.size())) + "\n" +
         stat_mark(common / "packed-refs");
}

std::string WorkTree::mark_of_branch(const std::string& branch) const {
  const std::filesystem::path common = folders_of(root_).second;
  return line_in(common / "refs" / "heads" / branch) + "\n" +
         line_in(common / "refs" / "remotes" / "origin" / branch) + "\n" +
         stat_mark(common / "packed-refs");
}

Result<std::optional<Fd>> WorkTree::lock_trees(std::chrono::milliseconds wait) const {
  constexpr std::chrono::milliseconds kPause{5};
  const std::filesystem::path file = folders_of(root_).second / "slipway-worktrees.lock";
  Fd fd(open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666));
  if (!fd) return system_error("cannot open " + file.string(), errno);
  struct flock whole {};
  whole.l_type = F_WRLCK;
  const auto end = std::chrono::steady_clock::now() + wait;
  while (fcntl(fd.get(), F_OFD_SETLK, &whole) != 0) {
    if (errno != EAGAIN && errno != EACCES && errno != EINTR)
      return system_error("cannot lock " + file.string(), errno);
    if (std::chrono::steady_clock::now() >= end) return std::optional<Fd>();
    std::this_thread::sleep_for(kPause);
  }
  return std::optional<Fd>(std::move(fd));
}

Result<std::optional<std::string>> WorkTree::head() const {
  Outcome outcome = TRY(run(root_, {"rev-parse", "-q", "--verify", "HEAD"}));
  if (outcome.status != 0) return std::optional<std::string>();
  return std::optional<std::string>(std::string(trim(outcome.out)));
}

}  // namespace slipway::git
