#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "base/result.h"
#include "io/http/doorkeeper.h"
#include "io/http/forwarded.h"
#include "io/http/router.h"

namespace slipway::http {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 5000;              // 0 picks a free one
  int listen_fd = -1;           // adopt a listening socket instead of host and port
  int loops = 0;                // threads, each with its connections; 0: one per core that
                                // this process may use
  int workers = 8;              // threads of the blocking pool
  int worker_queue_max = 1024;  // full: 503 with Retry-After
  int connections_max = 4096;
  /// From one address, or one /64 of IPv6, that is no trusted proxy.
  int connections_of_peer_max = 3072;
  int headers_max = 100;
  std::uint64_t header_bytes_max = 32u << 10;
  std::uint64_t target_bytes_max = 16u << 10;  // longer: 414
  int pipeline_max = 16;                       // requests of one connection in flight
  int body_workers = 32;  // threads for handlers that read a body while it comes
  std::uint64_t body_buffers_max =
      256u << 20;  // of all bodies held in memory; more: 503 with Retry-After
  std::chrono::milliseconds header_timeout{10'000};  // slow loris
  std::chrono::milliseconds idle_timeout{75'000};
  /// Of who says nothing or half a head, once 7 of 8 places are taken.
  std::chrono::milliseconds crowded_timeout{2'000};
  std::chrono::milliseconds body_timeout{60'000};  // without any progress
  /// A body that comes slower than this, on average over one window, is given up: 408.
  std::uint64_t body_bytes_per_second_min = 1024;
  std::chrono::milliseconds body_window{30'000};
  std::chrono::milliseconds drain_timeout{30'000};
  /// Extra names allowed in Host, beside loopback and private addresses ("*" wildcards); and extra
  /// Origins.
  std::vector<std::string> allowed_hosts;
  std::vector<std::string> allowed_origins;
  TrustedProxies trusted_proxies;  // who may say in X-Forwarded-For what Request::peer is
};

/// HTTP/1.1: keep-alive, pipelining, chunked bodies both ways, HEAD, Expect: 100-continue. Each
/// loop owns its connections; inline handlers run on it, blocking ones on the pool. Host and Origin
/// are checked for every route. Pipelined GET, HEAD and OPTIONS without a body run at the same
/// time, any other request alone; answers keep order.
class Server {
 public:
  /// Listens, does not accept yet. `router` must outlive the server. kUnavailable if the address is
  /// taken.
  static Result<std::unique_ptr<Server>> open(ServerOptions options, const Router& router,
                                              Metrics& metrics,
                                              std::shared_ptr<Doorkeeper> doorkeeper = nullptr);
  virtual ~Server() = default;

  virtual int port() const = 0;
  virtual int listen_fd() const = 0;  // borrowed, for handing over
  virtual void start() = 0;           // accepts; returns at once
  /// Stops accepting, lets requests in flight finish up to drain_timeout, closes idle connections,
  /// joins the threads: it returns when the last handler has. Neither from a handler nor from two
  /// threads at once.
  virtual void drain() = 0;
  /// Ends everything now but for handlers that run: their body streams fail, their replies go
  /// nowhere.
  virtual void abort() = 0;
};

}  // namespace slipway::http
