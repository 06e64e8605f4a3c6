#include "app/listeners.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cerrno>

#include "base/file.h"

namespace slipway::app {
namespace {

/// A loopback address answers at once, or is busy: then somebody is there.
bool is_refused(int family, const sockaddr* address, socklen_t size) {
  Fd connection(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!connection) return true;  // this machine has no such addresses
  const timeval patience{1, 0};
  setsockopt(connection.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  return connect(connection.get(), address, size) != 0 && errno != EINPROGRESS && errno != EAGAIN;
}

bool is_refused_v4(std::uint32_t host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = host;
  return is_refused(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

bool is_refused_v6(int port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<std::uint16_t>(port));
  address.sin6_addr = in6addr_loopback;
  return is_refused(AF_INET6, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

}  // namespace

bool nobody_listens(const Address& address) {
  if (!is_loopback(address.host) || address.port == 0) return false;
  in_addr v4{};
  if (inet_pton(AF_INET, address.host.c_str(), &v4) == 1)
    return is_refused_v4(v4.s_addr, address.port);
  const bool has_v4 = address.host == "localhost";
  return is_refused_v6(address.port) &&
         (!has_v4 || is_refused_v4(htonl(INADDR_LOOPBACK), address.port));
}

}  // namespace slipway::app
