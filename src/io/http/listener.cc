#include "io/http/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

namespace slipway::http {
namespace {

constexpr int kBacklog = 4096;

/// Options that accepted sockets inherit: answers are written whole, so nothing is gained by
/// waiting for more.
void set_options(int fd) {
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

std::string where(const std::string& host, int port) {
  return host + ":" + std::to_string(port);
}

Result<Fd> listen_on(const addrinfo& address, const std::string& name) {
  Fd fd(socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return system_error("cannot open a socket", errno);
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.ai_family == AF_INET6) {
    setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  set_options(fd.get());
  const bool listens =
      bind(fd.get(), address.ai_addr, address.ai_addrlen) == 0 && listen(fd.get(), kBacklog) == 0;
  if (listens) return fd;
  if (errno == EADDRINUSE) {
    return with_tag(unavailable(name + " is taken by another program"), "taken");
  }
  return system_error("cannot listen on " + name, errno);
}

}  // namespace

Result<Fd> open_listener(const std::string& host, int port) {
  if (port < 0 || port > 65'535) return invalid(std::to_string(port) + " is not a port");
  const std::string name = where(host, port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failure = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failure != 0) {
    return unavailable("cannot listen on " + name + ": " + gai_strerror(failure));
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> addresses(found, freeaddrinfo);
  Result<Fd> listener = unavailable("cannot listen on " + name + ": it has no address");
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    listener = listen_on(*each, name);
    if (listener.ok()) break;
  }
  return listener;
}

Result<Fd> adopt_listener(int fd) {
  int listens = 0;
  socklen_t size = sizeof listens;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) != 0 || listens == 0) {
    return invalid("descriptor " + std::to_string(fd) + " is not a listening socket");
  }
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  set_options(fd);
  return Fd(fd);
}

int port_of(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  const bool v6 = address.ss_family == AF_INET6;
  return ntohs(v6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                  : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

std::string peer_address(int fd) {
  sockaddr_storage peer{};
  socklen_t size = sizeof(peer);
  char text[INET6_ADDRSTRLEN] = "";
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return "";
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof(text));
  } else if (peer.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
    inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text));
  }
  constexpr std::string_view kMapped = "::ffff:";
  const std::string_view address = text;
  return std::string(address.starts_with(kMapped) ? address.substr(kMapped.size()) : address);
}

}  // namespace slipway::http
