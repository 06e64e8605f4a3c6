#include "io/proc/supervisor.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/text.h"
#include "io/proc/record.h"

namespace slipway::proc {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// A starter that died is not there to ask for more patience.
constexpr milliseconds kOrphanGraceMax{1000};
/// For what a command left running when it ended by itself.
constexpr milliseconds kLeftoverGraceMax{500};
constexpr int kSignals[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT};

void put_number(std::string& bytes, std::uint64_t number) {
  bytes.append(reinterpret_cast<const char*>(&number), sizeof(number));
}
void put_text(std::string& bytes, std::string_view text) {
  put_number(bytes, text.size());
  bytes.append(text);
}

class Cursor {
 public:
  explicit Cursor(std::string_view bytes) : rest_(bytes) {}
  Result<std::uint64_t> number() {
    std::uint64_t value = 0;
    if (rest_.size() < sizeof(value)) return invalid("the request is cut short");
    std::memcpy(&value, rest_.data(), sizeof(value));
    rest_.remove_prefix(sizeof(value));
    return value;
  }
  Result<std::string> text() {
    std::uint64_t size = TRY(number());
    if (size > rest_.size()) return invalid("the request is cut short");
    std::string value(rest_.substr(0, size));
    rest_.remove_prefix(size);
    return value;
  }
  Result<std::vector<std::string>> texts() {
    std::uint64_t count = TRY(number());
    if (count > rest_.size()) return invalid("the request is cut short");
    std::vector<std::string> values;
    for (std::uint64_t i = 0; i < count; ++i) values.push_back(TRY(text()));
    return values;
  }

 private:
  std::string_view rest_;
};

void put_texts(std::string& bytes, const std::vector<std::string>& texts) {
  put_number(bytes, texts.size());
  for (const std::string& text : texts) put_text(bytes, text);
}

Result<Request> read_request(int payload) {
  struct stat status {};
  if (fstat(payload, &status) != 0) return system_error("cannot read the request", errno);
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    ssize_t got =
        pread(payload, bytes.data() + filled, bytes.size() - filled, static_cast<off_t>(filled));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return system_error("cannot read the request", got < 0 ? errno : EIO);
    filled += static_cast<std::size_t>(got);
  }
  return decode(bytes);
}

sigset_t watched_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int number : kSignals) sigaddset(&set, number);
  return set;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

/// Children of this process, whether it started them or inherited them.
std::vector<pid_t> children() {
  std::vector<pid_t> found;
  std::string self = std::to_string(getpid());
  Result<std::string> listed = read_file("/proc/self/task/" + self + "/children", 1u << 20);
  if (listed.ok()) {
    for (std::string_view word : split(*listed, ' ')) {
      if (auto pid = to_int64(trim(word))) found.push_back(static_cast<pid_t>(*pid));
    }
    return found;
  }
  DIR* folder = opendir("/proc");
  if (folder == nullptr) return found;
  while (dirent* entry = readdir(folder)) {
    auto pid = to_int64(entry->d_name);
    if (!pid) continue;
    Result<std::string> stat =
        read_file(std::string("/proc/") + entry->d_name + "/stat", 64u << 10);
    if (!stat.ok()) continue;
    std::vector<std::string_view> fields =
        split(std::string_view(*stat).substr(stat->rfind(')') + 1), ' ');
    if (fields.size() > 2 && fields[2] == self) found.push_back(static_cast<pid_t>(*pid));
  }
  closedir(folder);
  return found;
}

/// One attempt, seen from the process that watches over it.
class Watch {
 public:
  Watch(Request request, Handles handles)
      : request_(std::move(request)), handles_(std::move(handles)) {}

  Outcome run() {
    sigset_t set = watched_signals();
    sigprocmask(SIG_BLOCK, &set, nullptr);
    signals_ = Fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    Result<> recorded = write_record("record", to_text(Supervisor::self()));
    if (!signals_ || !recorded.ok()) {
      return not_started(recorded.ok() ? "cannot watch for signals" : recorded.error().message);
    }
    for (std::size_t i = 0; i < request_.commands.size(); ++i) {
      take_signals();
      take_messages();
      if (ending_ || missed_ != 0) {
        // Ended between two commands, which must not look as if all had run.
        outcome_.kind = Outcome::Kind::kSignaled;
        outcome_.signal = ending_ ? SIGTERM : missed_;
        break;
      }
      outcome_.command = i;
      run_command(request_.commands[i]);
      if (!outcome_.ok()) break;
    }
    sweep();
    return finished();
  }

  Result<> write_record(const char* name, const std::string& text) const {
    if (request_.record.empty()) return {};
    std::filesystem::path path = request_.record / name;
    return request_.durable_record ? write_file_atomic(path, text) : write_file_quick(path, text);
  }

 private:
  Outcome not_started(std::string message) {
    outcome_.kind = Outcome::Kind::kNotStarted;
    outcome_.message = std::move(message);
    return finished();
  }

  Outcome finished() {
    outcome_.ended_ms = SystemClock().now_ms();
    outcome_.cancelled = ending_;
    rusage usage{};
    getrusage(RUSAGE_CHILDREN, &usage);
    auto us = [](const timeval& time) {
      return std::int64_t{time.tv_sec} * 1'000'000 + time.tv_usec;
    };
    outcome_.cpu_us = us(usage.ru_utime) + us(usage.ru_stime);
    outcome_.memory_max_kb = usage.ru_maxrss;
    return outcome_;
  }

  void run_command(const Command& command) {
    announce(command.announcement);
    int report[2];
    if (pipe2(report, O_CLOEXEC) != 0) {
      not_started(std::string("cannot open a pipe: ") + std::strerror(errno));
      return;
    }
    Fd read_end(report[0]), write_end(report[1]);
    pid_t pid = fork();
    if (pid == 0) become(command, write_end.get());
    write_end = Fd();
    if (pid < 0) {
      not_started(std::string("cannot start a process: ") + std::strerror(errno));
      return;
    }
    setpgid(pid, pid);  // the child does the same; whoever comes first
    group_ = command_ = pid;
    char failure[512];
    ssize_t got = read(read_end.get(), failure, sizeof(failure));
    watch_command(pid);
    if (got > 0) not_started(std::string(failure, static_cast<std::size_t>(got)));
  }

  /// In the child: becomes the command, or reports why not.
  [[noreturn]] void become(const Command& command, int report) {
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);  // without its supervisor nobody would end it
    for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    if (request_.held >= 0) keep_held();
    std::string what = "cannot run in " + request_.folder.string();
    if (chdir(request_.folder.c_str()) == 0) {
      dup2(handles_.input.get(), 0);
      dup2(handles_.output.get(), 1);
      dup2(handles_.error.get(), 2);
      std::vector<std::string> arguments = command.arguments;
      std::vector<std::string> environment = request_.environment;
      std::vector<char*> argv = pointers(arguments), envp = pointers(environment);
      // execvpe looks for the program in the PATH of this process.
      for (const std::string& entry : environment) {
        if (entry.starts_with("PATH=")) setenv("PATH", entry.c_str() + 5, 1);
      }
      execvpe(argv[0], argv.data(), envp.data());
      what = "cannot start " + command.arguments[0];
    }
    what += std::string(": ") + std::strerror(errno);
    static_cast<void>(!write(report, what.data(), std::min<std::size_t>(what.size(), 500)));
    _exit(127);
  }

  /// Where scripts that number their descriptors do not step on it, if so many may be open.
  void keep_held() const {
    constexpr int kOutOfTheWay = 200;
    if (fcntl(handles_.held.get(), F_DUPFD, kOutOfTheWay) < 0)
      fcntl(handles_.held.get(), F_SETFD, 0);
  }

  void announce(std::string_view text) const {
    while (!text.empty()) {
      ssize_t put = write(handles_.output.get(), text.data(), text.size());
      if (put < 0 && errno == EINTR) continue;
      if (put <= 0) return;  // a reader that has gone is no reason not to run
      text.remove_prefix(static_cast<std::size_t>(put));
    }
  }

  void watch_command(pid_t pid) {
    bool running = true;
    while (running) {
      for (const auto& [child, status] : reap()) {
        if (child != pid) continue;
        set_status(status);
        running = false;
        command_ = 0;
      }
      if (running) wait_for_news();
    }
  }

  void set_status(int status) {
    bool exited = WIFEXITED(status);
    outcome_.kind = exited ? Outcome::Kind::kExited : Outcome::Kind::kSignaled;
    outcome_.code = exited ? WEXITSTATUS(status) : 0;
    outcome_.signal = exited ? 0 : WTERMSIG(status);
  }

  struct Reaped {
    pid_t pid;
    int status;
  };
  std::vector<Reaped> reap() {
    std::vector<Reaped> reaped;
    int status = 0;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) reaped.push_back({pid, status});
    no_children_ = pid < 0 && errno == ECHILD;
    return reaped;
  }

  /// Until a signal, a message, or the moment to kill.
  void wait_for_news() {
    int timeout = -1;
    if (ending_ && !killed_) {
      auto left = std::chrono::duration_cast<milliseconds>(kill_at_ - steady_clock::now());
      timeout = std::max(0, static_cast<int>(left.count()) + 1);
    } else if (killed_) {
      timeout = 20;  // a child may have started another one between our look and its death
    }
    std::array<pollfd, 2> waited{{{signals_.get(), POLLIN, 0}, {control(), POLLIN, 0}}};
    poll(waited.data(), waited.size(), timeout);
    if (waited[0].revents != 0) take_signals();
    if (waited[1].revents != 0) take_messages();
    if (ending_ && (killed_ || steady_clock::now() >= kill_at_)) kill_all();
  }

  /// -1, which poll passes over, once the starter's end is known to be closed.
  int control() const { return starter_gone_ ? -1 : handles_.control.get(); }

  void take_signals() {
    signalfd_siginfo info{};
    while (read(signals_.get(), &info, sizeof(info)) == sizeof(info)) {
      if (info.ssi_signo == SIGTERM) end(request_.grace);
      if (info.ssi_signo == SIGINT) pass_on(SIGINT);
      if (info.ssi_signo == SIGQUIT) end_now();
    }
  }

  void take_messages() {
    while (!starter_gone_) {
      int number = 0;
      ssize_t got = recv(handles_.control.get(), &number, sizeof(number), MSG_DONTWAIT);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) {
        starter_gone_ = true;
        if (!request_.outlives_starter) end(std::min(request_.grace, kOrphanGraceMax));
      } else if (number == kCancel) {
        end(request_.grace);
      } else if (number == kKill) {
        end_now();
      } else if (number > 0 && number < NSIG) {
        pass_on(number);
      }
    }
  }

  /// To the running command. While there is none, because the first has not begun or one is over
  /// and the next has not begun, it is for the next one, which then need not begin at all.
  void pass_on(int number) {
    if (group_ > 0) kill(-group_, number);
    if (!is_command_running() && ends_a_process(number)) missed_ = number;
  }

  bool is_command_running() const {
    siginfo_t over{};
    if (command_ <= 0) return false;
    bool known =
        waitid(P_PID, static_cast<id_t>(command_), &over, WEXITED | WNOHANG | WNOWAIT) == 0;
    return known && over.si_pid == 0;
  }

  static bool ends_a_process(int number) {
    return number == SIGINT || number == SIGTERM || number == SIGHUP || number == SIGQUIT ||
           number == SIGKILL;
  }

  void end(milliseconds grace) {
    auto at = steady_clock::now() + grace;
    if (ending_ && kill_at_ <= at) return;
    kill_at_ = at;
    if (ending_) return;
    ending_ = true;
    if (group_ <= 0) return;
    kill(-group_, SIGTERM);
    kill(-group_, SIGCONT);
  }

  void end_now() {
    ending_ = true;
    kill_all();
  }

  void kill_all() {
    killed_ = true;
    if (group_ > 0) kill(-group_, SIGKILL);
    for (pid_t child : children()) kill(child, SIGKILL);
  }

  /// Ends what the commands left running; returns when this process has no children any more.
  void sweep() {
    reap();
    if (no_children_) return;
    bool was_ending = ending_;
    if (group_ > 0) kill(-group_, SIGTERM);
    if (!ending_) kill_at_ = steady_clock::now() + std::min(request_.grace, kLeftoverGraceMax);
    ending_ = true;
    std::set<pid_t> asked;
    do {
      // Whoever ends leaves its own children to this process.
      for (pid_t child : children()) {
        if (asked.insert(child).second) kill(child, SIGTERM);
      }
      wait_for_news();
      reap();
    } while (!no_children_);
    ending_ = was_ending;
  }

  Request request_;
  Handles handles_;
  Fd signals_;
  Outcome outcome_;
  pid_t group_ = 0, command_ = 0;
  int missed_ = 0;       // a signal that found no command to end
  bool ending_ = false;  // asked to end, by whomever
  bool killed_ = false;
  bool starter_gone_ = false;
  bool no_children_ = false;
  steady_clock::time_point kill_at_;
};

}  // namespace

std::string encode(const Request& request) {
  std::string bytes;
  put_number(bytes, request.commands.size());
  for (const Command& command : request.commands) {
    put_texts(bytes, command.arguments);
    put_text(bytes, command.announcement);
  }
  put_texts(bytes, request.environment);
  put_text(bytes, request.folder.native());
  put_text(bytes, request.record.native());
  put_number(bytes, request.held >= 0 ? 1 : 0);
  put_number(bytes, request.durable_record ? 1 : 0);
  put_number(bytes, request.outlives_starter ? 1 : 0);
  put_number(bytes, static_cast<std::uint64_t>(std::max<std::int64_t>(0, request.grace.count())));
  return bytes;
}

Result<Request> decode(std::string_view bytes) {
  Cursor cursor(bytes);
  Request request;
  std::uint64_t commands = TRY(cursor.number());
  for (std::uint64_t i = 0; i < commands; ++i) {
    Command command;
    command.arguments = TRY(cursor.texts());
    command.announcement = TRY(cursor.text());
    if (command.arguments.empty()) return invalid("a command has no program");
    request.commands.push_back(std::move(command));
  }
  request.environment = TRY(cursor.texts());
  request.folder = TRY(cursor.text());
  request.record = TRY(cursor.text());
  request.held = TRY(cursor.number()) != 0 ? 0 : -1;  // that there is one; it travels beside this
  request.durable_record = TRY(cursor.number()) != 0;
  request.outlives_starter = TRY(cursor.number()) != 0;
  request.grace = milliseconds(static_cast<std::int64_t>(TRY(cursor.number())));
  return request;
}

void supervise(Handles handles) {
  setsid();
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  prctl(PR_SET_NAME, "slipway-watch");
  ::signal(SIGCHLD,
           SIG_DFL);  // ignored, as in the spawner, there would be no status to wait for
  int control = handles.control.get();
  Outcome outcome;
  Result<Request> request = read_request(handles.payload.get());
  handles.payload = Fd();
  if (request.ok()) {
    Watch watch(std::move(*request), std::move(handles));
    outcome = watch.run();
    Result<> recorded = watch.write_record("exit", to_text(outcome));
    if (!recorded.ok()) outcome.message = recorded.error().message;
    std::string text = to_text(outcome);
    static_cast<void>(send(control, text.data(), text.size(), MSG_NOSIGNAL));
    _exit(0);
  }
  outcome.kind = Outcome::Kind::kNotStarted;
  outcome.message = request.error().message;
  std::string text = to_text(outcome);
  static_cast<void>(send(control, text.data(), text.size(), MSG_NOSIGNAL));
  _exit(1);
}

}  // namespace slipway::proc
