// The least that an HTTP server can cost: one thread, epoll, and the same answer to every request.
//
//   epoll_fixed PORT ANSWER_BYTES
//
// It finds where a request ends (the empty line, and as many bytes as Content-Length says), which
// no server can do without, and looks at nothing else. An answer has ANSWER_BYTES with its head, so
// that both sides of a comparison send as much. Connections are kept; a request costs one read, one
// write, and its share of an epoll_wait.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

constexpr int kEventsMax = 64;
constexpr std::size_t kReadBytes = 64u << 10;
constexpr std::size_t kRequestBytesMax = 1u << 20;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "epoll_fixed: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

std::string answer_of(std::size_t bytes) {
  const auto with_body = [](std::size_t body) {
    return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " +
           std::to_string(body) + "\r\n\r\n" + std::string(body, 'x');
  };
  std::size_t body = 0;
  while (with_body(body).size() < bytes) ++body;
  return with_body(body);
}

/// Of the first request in `text`; 0 while it is not whole.
std::size_t request_bytes(std::string_view text) {
  constexpr std::string_view kLength = "\r\ncontent-length:";
  const std::size_t head = text.find("\r\n\r\n");
  if (head == std::string_view::npos) return 0;
  std::size_t body = 0;
  for (std::size_t at = 0; at < head; at = text.find("\r\n", at + 2)) {
    if (strncasecmp(text.data() + at, kLength.data(), kLength.size()) != 0) continue;
    body = std::strtoul(text.data() + at + kLength.size(), nullptr, 10);
    break;
  }
  const std::size_t whole = head + 4 + body;
  return text.size() >= whole ? whole : 0;
}

class Server {
 public:
  Server(int port, std::size_t answer_bytes)
      : answer_(answer_of(answer_bytes)), epoll_(epoll_create1(0)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listener_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);  // inherited
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fail("bind");
    if (listen(listener_, 128) != 0) fail("listen");
    watch(listener_, EPOLLIN);
  }

  void run() {
    std::array<epoll_event, kEventsMax> events;
    while (true) {
      const int n = epoll_wait(epoll_, events.data(), kEventsMax, -1);
      for (int i = 0; i < n; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        if (fd == listener_)
          accept_all();
        else
          serve(fd);
      }
    }
  }

 private:
  void watch(int fd, std::uint32_t flags) {
    epoll_event event{};
    event.events = flags;
    event.data.fd = fd;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
  }

  void accept_all() {
    while (true) {
      const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK);
      if (fd < 0) return;
      watch(fd, EPOLLIN);
    }
  }

  void serve(int fd) {
    const ssize_t n = recv(fd, buffer_.data(), buffer_.size(), 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return drop(fd);
    // Mostly a read is one whole request; only what is cut short is kept.
    std::string_view text(buffer_.data(), static_cast<std::size_t>(n));
    std::string& kept = kept_[fd];
    if (!kept.empty()) text = kept.append(text);
    std::size_t used = 0;
    while (const std::size_t bytes = request_bytes(text.substr(used))) {
      used += bytes;
      // A client that does not take its answers is no part of a measurement.
      if (send(fd, answer_.data(), answer_.size(), MSG_NOSIGNAL) !=
          static_cast<ssize_t>(answer_.size())) {
        return drop(fd);
      }
    }
    if (used == text.size())
      kept.clear();
    else
      kept = std::string(text.substr(used));
    if (kept.size() > kRequestBytesMax) drop(fd);
  }

  void drop(int fd) {
    kept_.erase(fd);
    close(fd);
  }

  const std::string answer_;
  const int epoll_;
  int listener_ = -1;
  std::array<char, kReadBytes> buffer_{};
  std::unordered_map<int, std::string> kept_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("usage: epoll_fixed PORT ANSWER_BYTES\n", stderr);
    return 2;
  }
  Server server(std::atoi(argv[1]), std::strtoul(argv[2], nullptr, 10));
  server.run();
}
