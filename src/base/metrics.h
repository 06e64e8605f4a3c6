#pragma once

#include <memory>
#include <string>
#include <vector>

// Counters, gauges and histograms, exposed in Prometheus' text format at /metrics. Any thread.
// Label values come from configuration or from small fixed sets, never from requests.
namespace slipway {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Counter {
 public:
  virtual ~Counter() = default;
  virtual void add(double amount = 1) = 0;
};
class Gauge {
 public:
  virtual ~Gauge() = default;
  virtual void set(double value) = 0;
  virtual void add(double amount) = 0;
};
class Histogram {
 public:
  virtual ~Histogram() = default;
  virtual void observe(double value) = 0;
};

/// Owns every metric of one process (or of one test). The references live as long as it does; asking twice for the
/// same name and labels gives the same one. Names follow Prometheus: slipway_http_requests_total, ..._seconds.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  Histogram& histogram(const std::string& name, const std::string& help,
                       const std::vector<double>& bounds, const Labels& labels = {});
  /// Text exposition format 0.0.4.
  std::string expose() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway
