#pragma once

#include <string>

#include "base/file.h"
#include "base/result.h"

// The listening socket. For this folder, and for who must listen before there can be a server: it
// takes the socket over as ServerOptions::listen_fd.
namespace slipway::http {

/// A non-blocking listening socket on the first address of `host` that can be had; port 0 picks a
/// free one. kUnavailable says why not; with tag "taken" another program listens there.
Result<Fd> open_listener(const std::string& host, int port);
/// Takes over a socket that another process has opened. kInvalid if it does not listen.
Result<Fd> adopt_listener(int fd);
/// Of a bound socket.
int port_of(int fd);

/// Of who is at the other end of a connected socket: "192.0.2.7"; an IPv4 address that came over
/// IPv6 is one of IPv4. Empty when that is not known.
std::string peer_address(int socket);

}  // namespace slipway::http
