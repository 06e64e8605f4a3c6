#include "io/http/server_metrics.h"

#include <algorithm>

namespace slipway::http {
namespace {

Counter& refused(Metrics& metrics, const char* what) {
  return metrics.counter("slipway_http_refused_total", "Refused because a bound was reached",
                         {{"what", what}});
}

}  // namespace

ServerMetrics::ServerMetrics(const Router& router, Metrics& metrics)
    : connections(metrics.gauge("slipway_http_connections", "Open connections")),
      in_flight(metrics.gauge("slipway_http_in_flight", "Requests that wait for a late answer")),
      dropped_replies(metrics.counter("slipway_http_dropped_replies_total",
                                      "Requests whose handler never answered")),
      exceptions(metrics.counter("slipway_http_handler_exceptions_total",
                                 "Exceptions that left a handler")),
      bad_requests(metrics.counter("slipway_http_bad_requests_total",
                                   "Requests that are not well-formed HTTP")),
      timeouts(metrics.counter("slipway_http_timeouts_total",
                               "Connections ended because the peer made no progress")),
      broken_streams(metrics.counter("slipway_http_broken_streams_total",
                                     "Streamed answers cut off because their source failed")),
      refused_connections(refused(metrics, "connection")),
      refused_requests(refused(metrics, "request")),
      refused_bodies(refused(metrics, "body")),
      metrics_(metrics) {
  const auto entries = router.entries();
  routes_ = std::vector<PerRoute>(entries.size() + 1);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    routes_[i].method = to_string(entries[i]->route.method);
    routes_[i].pattern = entries[i]->route.pattern;
  }
  routes_.back().method = "any";
  routes_.back().pattern = "none";
}

// Threads that meet here for the first time get the same metric.
Counter& ServerMetrics::counter(PerRoute& route, std::size_t status_class) {
  static constexpr std::array kNames = {"1xx", "2xx", "3xx", "4xx", "5xx"};
  std::atomic<Counter*>& place = route.by_class[status_class];
  if (Counter* known = place.load(std::memory_order_acquire)) return *known;
  Counter& made = metrics_.counter(
      "slipway_http_requests_total", "Answered requests",
      {{"method", route.method}, {"route", route.pattern}, {"status", kNames[status_class]}});
  place.store(&made, std::memory_order_release);
  return made;
}

Histogram& ServerMetrics::seconds(PerRoute& route) {
  static const std::vector<double> kBounds = {0.0001, 0.0005, 0.002, 0.01, 0.05, 0.25, 1, 5, 30};
  if (Histogram* known = route.seconds.load(std::memory_order_acquire)) return *known;
  Histogram& made = metrics_.histogram("slipway_http_request_seconds",
                                       "From the request's head to its answer being ready", kBounds,
                                       {{"method", route.method}, {"route", route.pattern}});
  route.seconds.store(&made, std::memory_order_release);
  return made;
}

void ServerMetrics::count(const Router::Entry* entry, int status, std::chrono::nanoseconds took) {
  PerRoute& route = entry == nullptr ? routes_.back() : routes_[entry->index];
  const int status_class = std::clamp(status / 100, 1, 5);
  counter(route, static_cast<std::size_t>(status_class - 1)).add();
  seconds(route).observe(std::chrono::duration<double>(took).count());
}

}  // namespace slipway::http
