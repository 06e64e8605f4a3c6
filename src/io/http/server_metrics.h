#pragma once

#include <array>
#include <chrono>
#include <vector>

#include "base/metrics.h"
#include "io/http/router.h"

namespace slipway::http {

/// What the server counts. Every counter of every route is there from the start, found by the
/// route's index; labels come from the route table only.
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
  struct PerRoute {
    std::array<Counter*, 5> by_class;
    Histogram* seconds;
  };
  static PerRoute per_route(Metrics& metrics, const std::string& method,
                            const std::string& pattern);

  std::vector<PerRoute> routes_;  // by index; the last is for unmatched requests
};

}  // namespace slipway::http
