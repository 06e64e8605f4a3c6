#include "io/http/workers.h"

#include <pthread.h>

#include <exception>
#include <string>
#include <system_error>

#include "base/log.h"

namespace slipway::http {

Workers::Workers(std::string name, int threads_max, int queue_max, Metrics& metrics)
    : name_(std::move(name)),
      threads_max_(static_cast<std::size_t>(threads_max)),
      queue_max_(static_cast<std::size_t>(queue_max)),
      waiting_(metrics.gauge("slipway_http_worker_queue", "Requests waiting for a worker thread")),
      exceptions_(metrics.counter("slipway_http_handler_exceptions_total",
                                  "Exceptions that left a handler")) {}

/// Under the lock.
void Workers::add(Task task) {
  tasks_.push_back(std::move(task));
  waiting_.set(static_cast<double>(tasks_.size()));
  if (tasks_.size() <= idle_ || threads_.size() >= threads_max_) return;
  try {
    threads_.emplace_back([this] { run(); });
  } catch (const std::system_error& e) {
    // The system has no thread to give: those that run take the task, or else the next push tries.
    log_error("a worker thread could not be started", {{"what", e.what()}});
    return;
  }
  const std::string name = name_ + "-" + std::to_string(threads_.size() - 1);
  pthread_setname_np(threads_.back().native_handle(), name.c_str());
}

Workers::~Workers() {
  stop(false);
}

bool Workers::push(Task& task) {
  {
    std::lock_guard lock(mutex_);
    if (stopped_ || tasks_.size() >= queue_max_) return false;
    add(std::move(task));
  }
  ready_.notify_one();
  return true;
}

void Workers::push_begun(Task task) {
  {
    std::lock_guard lock(mutex_);
    if (stopped_) return;
    add(std::move(task));
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
      ++idle_;
      ready_.wait(lock, [&] { return stopped_ || !tasks_.empty(); });
      --idle_;
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
