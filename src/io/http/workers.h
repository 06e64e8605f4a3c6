#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/function.h"
#include "base/metrics.h"

namespace slipway::http {

/// Threads for handlers that wait, started when they are needed first. Any thread may push.
class Workers {
 public:
  using Task = UniqueFunction<void()>;

  Workers(std::string name, int threads_max, int queue_max, Metrics& metrics);
  ~Workers();  // drops what waits, joins

  /// False, and `task` is left as it was, when as many tasks wait as may, or after stop().
  bool push(Task& task);
  /// For the next piece of an answer that has begun: at most one per connection, so it needs no
  /// bound of its own.
  void push_begun(Task task);
  /// Runs what waits if `finish`, else drops it; joins.
  void stop(bool finish);

 private:
  void run();
  void add(Task task);

  const std::string name_;
  const std::size_t threads_max_;
  const std::size_t queue_max_;
  Gauge& waiting_;
  Counter& exceptions_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Task> tasks_;
  std::size_t idle_ = 0;  // threads that wait for a task
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace slipway::http
