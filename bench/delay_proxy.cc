// Relays TCP connections to a Unix socket and holds every byte back for a while, as a network does
// that is long but wide.
//
//   delay_proxy --to /tmp/pg/.s.PGSQL.5432 --round-trip-us 5000
//
// Prints the port that it listens at on 127.0.0.1, and relays until it is ended. Each direction of
// a connection has a thread that reads and one that writes when the time has come, so it sleeps
// nearly all the time, and what is measured beside it keeps its cores.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "delay_proxy: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(2);
}

bool write_all(int to, const std::string& bytes) {
  for (std::size_t sent = 0; sent < bytes.size();) {
    const ssize_t put = send(to, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    sent += static_cast<std::size_t>(put);
  }
  return true;
}

/// One direction. What is on its way is bounded: a sender that is faster waits.
class Way {
 public:
  Way(int from, int to, Clock::duration delay) : from_(from), to_(to), delay_(delay) {}

  void run() {
    std::thread writer([this] { write(); });
    read();
    writer.join();
  }

 private:
  static constexpr std::size_t kChunksMax = 4096;
  struct Chunk {
    Clock::time_point due;
    std::string bytes;  // empty: the end
  };

  void read() {
    std::string buffer(64u << 10, '\0');
    while (true) {
      const ssize_t got = ::recv(from_, buffer.data(), buffer.size(), 0);
      if (got < 0 && errno == EINTR) continue;
      push({Clock::now() + delay_, buffer.substr(0, got > 0 ? static_cast<std::size_t>(got) : 0)});
      if (got <= 0) return;
    }
  }
  void push(Chunk chunk) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return chunks_.size() < kChunksMax; });
    chunks_.push_back(std::move(chunk));
    changed_.notify_all();
  }
  void write() {
    while (true) {
      Chunk chunk = pop();
      std::this_thread::sleep_until(chunk.due);
      if (chunk.bytes.empty() || !write_all(to_, chunk.bytes)) break;
    }
    // Both sides learn of the end.
    shutdown(to_, SHUT_WR);
    shutdown(from_, SHUT_RD);
  }
  Chunk pop() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return !chunks_.empty(); });
    Chunk chunk = std::move(chunks_.front());
    chunks_.pop_front();
    changed_.notify_all();
    return chunk;
  }

  const int from_, to_;
  const Clock::duration delay_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Chunk> chunks_;
};

int connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) fail("the path is too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) fail("socket");
  if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

void relay(int client, const std::string& path, Clock::duration one_way) {
  const int server = connect_to(path);
  if (server >= 0) {
    Way there(client, server, one_way), back(server, client, one_way);
    std::thread other([&] { back.run(); });
    there.run();
    other.join();
    close(server);
  }
  close(client);
}

int listen_on_loopback() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (fd < 0 || bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(fd, 64) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    fail("cannot listen");
  }
  std::printf("%d\n", ntohs(address.sin_port));
  std::fflush(stdout);
  return fd;
}

}  // namespace

int main(int argc, char** argv) {
  std::string to;
  long round_trip_us = 0;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--to") == 0) to = argv[i + 1];
    if (std::strcmp(argv[i], "--round-trip-us") == 0) round_trip_us = std::atol(argv[i + 1]);
  }
  if (to.empty() || round_trip_us <= 0) {
    std::fprintf(stderr, "usage: delay_proxy --to SOCKET --round-trip-us N\n");
    return 2;
  }
  prctl(PR_SET_TIMERSLACK, 1UL);  // nanosecond; threads inherit it
  const auto one_way = std::chrono::microseconds(round_trip_us / 2);
  const int listener = listen_on_loopback();
  while (true) {
    const int client = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) continue;
    const int on = 1;
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    std::thread([client, to, one_way] { relay(client, to, one_way); }).detach();
  }
}
