#include "io/db/crash_testing.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <mutex>

#include "base/file.h"
#include "base/text.h"

namespace slipway::db {
namespace {

constexpr int kInFlight = 32;

/// Keeps at most kInFlight writes waiting.
class Window {
 public:
  void enter() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return open_ < kInFlight; });
    ++open_;
  }
  void leave() {
    std::lock_guard lock(mutex_);
    --open_;
    changed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int open_ = 0;
};

void print_id(std::int64_t id) {
  std::string line = std::to_string(id) + "\n";
  // A line is shorter than PIPE_BUF: it arrives whole or not at all.
  if (write(STDOUT_FILENO, line.data(), line.size()) < 0) _exit(3);
}

Result<std::vector<std::int64_t>> parse_ids(const std::string& output) {
  std::vector<std::int64_t> ids;
  for (std::string_view line : split(output, '\n')) {
    if (line.empty()) continue;
    std::optional<std::int64_t> id = to_int64(line);
    if (!id) return internal("the writing program printed " + std::string(line));
    ids.push_back(*id);
  }
  return ids;
}

}  // namespace

const std::vector<Migration>& crash_migrations() {
  static const std::vector<Migration> migrations = {
      {"test/0001_crash", "create table entries (id bigint primary key, note text not null)", ""}};
  return migrations;
}

int write_until_killed(const std::string& uri) {
  Metrics metrics;
  Result<std::unique_ptr<Pool>> pool = Pool::open(uri, crash_migrations(), metrics);
  if (!pool.ok()) return 2;
  Result<std::optional<std::int64_t>> last = (*pool)->read(
      [](Tx& tx) { return tx.one<std::int64_t>("select coalesce(max(id), 0) from entries"); });
  if (!last.ok()) return 2;
  Window window;
  for (std::int64_t id = **last + 1;; ++id) {
    window.enter();
    (*pool)->write_later(
        [id](Tx& tx) { return tx.run("insert into entries values (?, ?)", id, "a note"); },
        [id, &window](Result<std::int64_t> written) {
          if (written.ok()) print_id(id);
          window.leave();
        });
  }
}

Result<std::vector<std::int64_t>> acknowledged_before_kill(const std::string& uri,
                                                           std::size_t lines) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return system_error("pipe", errno);
  Fd output(ends[0]);
  Fd child_output(ends[1]);
  pid_t child = fork();
  if (child < 0) return system_error("fork", errno);
  if (child == 0) {
    dup2(child_output.get(), STDOUT_FILENO);
    execl("/proc/self/exe", "writer", kWriteUntilKilled, uri.c_str(), nullptr);
    _exit(127);
  }
  child_output = Fd();
  std::string text;
  bool killed = false;
  char buffer[4096];
  while (true) {
    ssize_t got = read(output.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
    auto seen = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    if (!killed && seen >= lines) killed = kill(child, SIGKILL) == 0;
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!killed) return internal("the writing program ended by itself: " + std::to_string(status));
  return parse_ids(text);
}

}  // namespace slipway::db
