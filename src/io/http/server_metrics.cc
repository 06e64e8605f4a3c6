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
      refused_bodies(refused(metrics, "body")) {
  const auto entries = router.entries();
  routes_.reserve(entries.size() + 1);
  for (const Router::Entry* entry : entries) {
    routes_.push_back(per_route(metrics, to_string(entry->route.method), entry->route.pattern));
  }
  routes_.push_back(per_route(metrics, "any", "none"));
}

ServerMetrics::PerRoute ServerMetrics::per_route(Metrics& metrics, const std::string& method,
                                                 const std::string& pattern) {
  static constexpr std::array kClasses = {"1xx", "2xx", "3xx", "4xx", "5xx"};
  static const std::vector<double> kBounds = {0.0001, 0.0005, 0.002, 0.01, 0.05, 0.25, 1, 5, 30};
  PerRoute route{};
  for (std::size_t i = 0; i < kClasses.size(); ++i) {
    route.by_class[i] =
        &metrics.counter("slipway_http_requests_total", "Answered requests",
                         {{"method", method}, {"route", pattern}, {"status", kClasses[i]}});
  }
  route.seconds = &metrics.histogram("slipway_http_request_seconds",
                                     "From the request's head to its answer being ready", kBounds,
                                     {{"method", method}, {"route", pattern}});
  return route;
}

void ServerMetrics::count(const Router::Entry* entry, int status, std::chrono::nanoseconds took) {
  const PerRoute& route = entry == nullptr ? routes_.back() : routes_[entry->index];
  const int status_class = std::clamp(status / 100, 1, 5);
  route.by_class[static_cast<std::size_t>(status_class - 1)]->add();
  route.seconds->observe(std::chrono::duration<double>(took).count());
}

}  // namespace slipway::http
