#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "base/metrics.h"
#include "io/http/router.h"

namespace slipway::http {

/// What the server counts. A route's own figures appear with its first answer: there are hundreds
/// of routes, and most are never asked. Labels come from the route table only. Any thread.
class ServerMetrics {
 public:
  ServerMetrics(const Router& router, Metrics& metrics);

  /// `entry` is null for a request that no route took.
  void count(const Router::Entry* entry, int status, std::chrono::nanoseconds took);

  Gauge& connections;
  Gauge& in_flight;
  Counter& dropped_replies;
  Counter& exceptions;
  Counter& bad_requests;
  Counter& timeouts;
  Counter& broken_streams;
  Counter& refused_connections;
  Counter& refused_requests;
  Counter& refused_bodies;

 private:
  static constexpr std::size_t kClasses = 5;  // 1xx to 5xx
  struct PerRoute {
    std::string method, pattern;
    std::array<std::atomic<Counter*>, kClasses> by_class{};
    std::atomic<Histogram*> seconds{nullptr};
  };
  Counter& counter(PerRoute& route, std::size_t status_class);
  Histogram& seconds(PerRoute& route);

  Metrics& metrics_;
  std::vector<PerRoute> routes_;  // by index; the last is for unmatched requests
};

}  // namespace slipway::http
