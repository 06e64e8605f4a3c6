#include "io/http/workers.h"

#include <pthread.h>

#include <exception>
#include <string>

#include "base/log.h"

namespace slipway::http {

Workers::Workers(int threads, int queue_max, Metrics& metrics)
    : queue_max_(static_cast<std::size_t>(queue_max)),
      waiting_(metrics.gauge("slipway_http_worker_queue", "Requests waiting for a worker thread")),
      exceptions_(metrics.counter("slipway_http_handler_exceptions_total",
                                  "Exceptions that left a handler")) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { run(); });
    pthread_setname_np(threads_.back().native_handle(), ("http-work-" + std::to_string(i)).c_str());
  }
}

Workers::~Workers() {
  stop(false);
}

bool Workers::push(Task& task) {
  {
    std::lock_guard lock(mutex_);
    if (stopped_ || tasks_.size() >= queue_max_) return false;
    tasks_.push_back(std::move(task));
    waiting_.set(static_cast<double>(tasks_.size()));
  }
  ready_.notify_one();
  return true;
}

void Workers::push_begun(Task task) {
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    tasks_.push_back(std::move(task));
    waiting_.set(static_cast<double>(tasks_.size()));
  }
  ready_.notify_one();
}

void Workers::stop(bool finish) {
  std::deque<Task> dropped;  // destroyed without the lock: a dropped request answers
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
    if (!finish) dropped.swap(tasks_);
  }
  ready_.notify_all();
  dropped.clear();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Workers::run() {
  while (true) {
    Task task;
    {
      std::unique_lock lock(mutex_);
      ready_.wait(lock, [&] { return stopped_ || !tasks_.empty(); });
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
      waiting_.set(static_cast<double>(tasks_.size()));
    }
    try {
      task();
    } catch (const std::exception& e) {
      exceptions_.add();
      log_error("a request failed by an exception", {{"what", e.what()}});
    } catch (...) {
      exceptions_.add();
      log_error("a request failed by an unknown exception");
    }
  }
}

}  // namespace slipway::http
