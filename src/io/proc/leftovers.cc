#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "base/text.h"
#include "io/proc/proc.h"

// What lives on after its supervisor was killed. Such processes have no common ancestor any more,
// but all were started with the attempt's name in their environment.
namespace slipway::proc {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kKillWait{2000};
constexpr milliseconds kPause{10};

bool has_entry(pid_t pid, std::string_view entry) {
  constexpr std::uint64_t kEnvironmentBytesMax = 64u << 20;
  Result<std::string> all =
      read_file("/proc/" + std::to_string(pid) + "/environ", kEnvironmentBytesMax);
  if (!all.ok()) return false;  // gone, somebody else's, or a process of the kernel
  std::string_view rest = *all;
  while (!rest.empty()) {
    std::string_view one = rest.substr(0, rest.find('\0'));
    if (one == entry) return true;
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
  }
  return false;
}

std::vector<pid_t> processes() {
  std::vector<pid_t> found;
  DIR* folder = opendir("/proc");
  if (folder == nullptr) return found;
  while (dirent* entry = readdir(folder)) {
    auto pid = to_int64(entry->d_name);
    if (pid && *pid != getpid()) found.push_back(static_cast<pid_t>(*pid));
  }
  closedir(folder);
  return found;
}

/// Through descriptors: a number may come to mean another process between looking and killing.
std::vector<Fd> marked(std::string_view entry) {
  std::vector<Fd> found;
  for (pid_t pid : processes()) {
    if (!has_entry(pid, entry)) continue;
    Fd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (process && has_entry(pid, entry)) found.push_back(std::move(process));
  }
  return found;
}

void tell(const std::vector<Fd>& all, int number) {
  for (const Fd& process : all)
    static_cast<void>(syscall(SYS_pidfd_send_signal, process.get(), number, nullptr, 0));
}

}  // namespace

Result<std::size_t> end_marked(std::string_view entry, milliseconds grace) {
  std::vector<Fd> found = marked(entry);
  const std::size_t count = found.size();
  tell(found, SIGTERM);
  tell(found, SIGCONT);
  const auto kill_at = steady_clock::now() + grace;
  const auto give_up_at = kill_at + kKillWait;
  // Looked for again each time: one that was asked may have started another before it went.
  while (!found.empty()) {
    if (steady_clock::now() > give_up_at) {
      return busy("a process that an earlier run left behind can't be ended");
    }
    if (steady_clock::now() > kill_at) tell(found, SIGKILL);
    std::this_thread::sleep_for(kPause);
    found = marked(entry);
  }
  return count;
}

}  // namespace slipway::proc
