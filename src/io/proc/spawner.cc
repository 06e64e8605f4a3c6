#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "io/proc/record.h"
#include "io/proc/supervisor.h"

// The starter's side: spawner and attempts as objects; and the loop of the spawner's process.
namespace slipway::proc {
namespace {

constexpr std::size_t kRequestBytesMax = 64u << 20;
constexpr std::size_t kOutcomeBytesMax = 64u << 10;
constexpr std::size_t kHandles = 6;

struct Sockets {
  Fd ours, theirs;
};

Result<Sockets> open_sockets() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return system_error("cannot open a socket", errno);
  }
  return Sockets{Fd(ends[0]), Fd(ends[1])};
}

Result<Fd> to_memory_file(std::string_view bytes) {
  Fd file(memfd_create("slipway-request", MFD_CLOEXEC));
  if (!file) return system_error("cannot hand over a request", errno);
  while (!bytes.empty()) {
    ssize_t put = write(file.get(), bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error("cannot hand over a request", errno);
    bytes.remove_prefix(static_cast<std::size_t>(put));
  }
  return file;
}

Result<Fd> open_null() {
  Fd file(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!file) return system_error("cannot open /dev/null", errno);
  return file;
}

using Control = std::array<char, CMSG_SPACE(kHandles * sizeof(int))>;

/// One byte, together with the descriptors.
Result<> send_handles(int socket, const std::array<int, kHandles>& handles) {
  char byte = 'r';
  iovec data{&byte, 1};
  alignas(cmsghdr) Control control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(handles));
  std::memcpy(CMSG_DATA(header), handles.data(), sizeof(handles));
  while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return system_error("the process that starts commands is gone", errno);
  }
  return {};
}

/// Nothing at the end of the stream, or for a message that is no request.
std::optional<Handles> receive_handles(int socket, bool& at_end) {
  char byte = 0;
  iovec data{&byte, 1};
  alignas(cmsghdr) Control control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  at_end = got == 0 || (got < 0 && errno != EINTR);
  if (got <= 0) return std::nullopt;
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  std::array<int, kHandles> handles{};
  if (header == nullptr || header->cmsg_type != SCM_RIGHTS ||
      header->cmsg_len != CMSG_LEN(sizeof(handles))) {
    return std::nullopt;
  }
  std::memcpy(handles.data(), CMSG_DATA(header), sizeof(handles));
  return Handles{Fd(handles[0]), Fd(handles[1]), Fd(handles[2]),
                 Fd(handles[3]), Fd(handles[4]), Fd(handles[5])};
}

int pidfd_open(pid_t pid) {
  return static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
}
int pidfd_signal(int fd, int number) {
  return static_cast<int>(syscall(SYS_pidfd_send_signal, fd, number, nullptr, 0));
}

Result<bool> is_ready(int fd, int timeout_ms) {
  pollfd waited{fd, POLLIN, 0};
  int ready = poll(&waited, 1, timeout_ms);
  if (ready < 0 && errno != EINTR) return system_error("cannot wait for a command", errno);
  return ready > 0;
}

Result<> check(const Request& request) {
  if (request.commands.empty()) return invalid("there is no command to run");
  for (const Command& command : request.commands) {
    if (command.arguments.empty()) return invalid("a command has no program");
  }
  if (!request.folder.is_absolute()) {
    return invalid("the folder to run in must be absolute, it is " + request.folder.string());
  }
  return {};
}

}  // namespace

int Outcome::shell_code() const {
  switch (kind) {
    case Kind::kExited:
      return code;
    case Kind::kSignaled:
      return 128 + signal;
    case Kind::kNotStarted:
      return 127;
    case Kind::kLost:
      return 255;
  }
  return 255;
}

Result<Spawner> Spawner::start() {
  Sockets sockets = TRY(open_sockets());
  pid_t pid = fork();
  if (pid < 0) return system_error("cannot start the process that starts commands", errno);
  if (pid == 0) {
    sockets.ours = Fd();
    serve_requests(std::move(sockets.theirs));
  }
  return Spawner(std::move(sockets.ours), pid);
}

Result<Attempt> Spawner::run(const Request& request) const {
  TRY(check(request));
  std::string bytes = encode(request);
  if (bytes.size() > kRequestBytesMax) {
    return invalid("the command and its environment are longer than " +
                   std::to_string(kRequestBytesMax) + " bytes");
  }
  Fd payload = TRY(to_memory_file(bytes));
  Fd null = TRY(open_null());
  Sockets sockets = TRY(open_sockets());
  auto or_null = [&](int fd) { return fd < 0 ? null.get() : fd; };
  TRY(send_handles(requests_.get(),
                   {sockets.theirs.get(), payload.get(), or_null(request.input),
                    or_null(request.output), or_null(request.error), or_null(request.held)}));
  Attempt attempt;
  attempt.fd_ = std::move(sockets.ours);
  return attempt;
}

void serve_requests(Fd requests) {
  // A group of its own: Ctrl-C on the terminal is for the starter to handle.
  setpgid(0, 0);
  prctl(PR_SET_NAME, "slipway-spawn");
  for (int number : {SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGTERM}) ::signal(number, SIG_IGN);
  ::signal(SIGCHLD, SIG_IGN);  // supervisors are reaped by the kernel
  // Where a standard stream was closed, a socket may have got its number.
  if (requests.get() < 3) requests = Fd(fcntl(requests.get(), F_DUPFD_CLOEXEC, 3));
  if (Fd null(open("/dev/null", O_RDWR | O_CLOEXEC)); null) {
    for (int fd : {0, 1, 2}) dup2(null.get(), fd);
  }
  // What the starter inherited from whoever started it: a pipe held open here would never end.
  unsigned own = static_cast<unsigned>(requests.get());
  if (own > 3) close_range(3, own - 1, 0);
  close_range(own + 1, ~0U, 0);
  bool at_end = false;
  while (!at_end) {
    std::optional<Handles> handles = receive_handles(requests.get(), at_end);
    if (!handles) continue;
    pid_t pid = fork();
    if (pid == 0) {
      requests = Fd();
      supervise(std::move(*handles));
    }
    if (pid > 0) continue;
    Outcome outcome;
    outcome.kind = Outcome::Kind::kNotStarted;
    outcome.message = std::string("cannot start a supervisor: ") + std::strerror(errno);
    std::string text = to_text(outcome);
    static_cast<void>(send(handles->control.get(), text.data(), text.size(), MSG_NOSIGNAL));
  }
  _exit(0);
}

Result<Attempt> adopt(const std::filesystem::path& record) {
  Attempt attempt;
  attempt.adopted_ = true;
  attempt.record_ = record;
  Result<std::string> text = read_file(record / "record", kOutcomeBytesMax);
  if (!text.ok()) {
    Error error = text.error();
    if (error.code == Code::kMissing) error.tag = "no_record";
    return error;
  }
  Supervisor supervisor = TRY(parse_supervisor(*text));
  // The descriptor first: from then on the number can't come to mean another process unnoticed.
  attempt.fd_ = Fd(pidfd_open(supervisor.pid));
  bool is_it = attempt.fd_ && supervisor.boot == boot_id() &&
               supervisor.start_ticks == start_ticks_of(supervisor.pid);
  if (!is_it) {
    attempt.fd_ = Fd();
    TRY(attempt.take());
  }
  return attempt;
}

Result<std::optional<Outcome>> Attempt::take() {
  if (outcome_) return outcome_;
  if (fd_ && !TRY(is_ready(fd_.get(), 0))) return std::optional<Outcome>();
  Outcome lost;
  lost.message = "its supervisor vanished without a record";
  if (adopted_) {
    Result<std::string> text = read_file(record_ / "exit", kOutcomeBytesMax);
    if (!text.ok() && text.error().code != Code::kMissing) return text.error();
    outcome_ = text.ok() ? TRY(parse_outcome(*text)) : lost;
    return outcome_;
  }
  std::string text(kOutcomeBytesMax, '\0');
  ssize_t got = recv(fd_.get(), text.data(), text.size(), MSG_DONTWAIT);
  if (got < 0 && (errno == EINTR || errno == EAGAIN)) return std::optional<Outcome>();
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  outcome_ = text.empty() ? lost : TRY(parse_outcome(text));
  return outcome_;
}

Result<Outcome> Attempt::wait() {
  while (true) {
    std::optional<Outcome> outcome = TRY(take());
    if (outcome) return *outcome;
    TRY(is_ready(fd_.get(), -1));
  }
}

Result<std::optional<Outcome>> Attempt::wait_for(std::chrono::milliseconds span) {
  auto until = std::chrono::steady_clock::now() + span;
  while (true) {
    std::optional<Outcome> outcome = TRY(take());
    auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    if (outcome || left.count() <= 0) return outcome;
    TRY(is_ready(fd_.get(), static_cast<int>(left.count())));
  }
}

Result<> Attempt::signal(int number) {
  if (outcome_ || !fd_) return {};
  int done = adopted_ ? pidfd_signal(fd_.get(), number)
                      : static_cast<int>(send(fd_.get(), &number, sizeof(number), MSG_NOSIGNAL));
  // Gone already is as good as told.
  if (done < 0 && errno != ESRCH && errno != EPIPE && errno != ECONNRESET) {
    return system_error("cannot send a signal to a command", errno);
  }
  return {};
}

Result<> Attempt::cancel() {
  return signal(adopted_ ? SIGTERM : kCancel);
}

Result<> Attempt::kill() {
  return signal(adopted_ ? SIGQUIT : kKill);
}

}  // namespace slipway::proc
