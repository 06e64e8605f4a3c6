#pragma once

#include <functional>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "base/function.h"

namespace slipway::http {

/// Tasks from any thread for one loop. Outlives the loop wherever a late answer still holds it.
class Inbox {
 public:
  using Task = UniqueFunction<void()>;
  /// `wake` makes the loop call run_all() soon; called under the lock, and never after close().
  explicit Inbox(std::function<void()> wake) : wake_(std::move(wake)) {}

  /// A task for a closed inbox is dropped.
  void post(Task task) {
    std::lock_guard lock(mutex_);
    if (closed_) return;
    tasks_.push_back(std::move(task));
    if (tasks_.size() == 1) wake_();
  }

  void run_all() {
    std::vector<Task> tasks;
    {
      std::lock_guard lock(mutex_);
      tasks.swap(tasks_);
    }
    for (Task& task : tasks) task();
  }

  void close() {
    std::vector<Task> dropped;  // destroyed outside the lock: what they hold may post again
    std::lock_guard lock(mutex_);
    closed_ = true;
    dropped.swap(tasks_);
  }

  /// Called once by the loop's thread before it serves anything.
  void adopt_thread() { thread_ = std::this_thread::get_id(); }
  bool on_loop() const { return std::this_thread::get_id() == thread_; }

 private:
  std::function<void()> wake_;
  std::mutex mutex_;
  std::vector<Task> tasks_;
  bool closed_ = false;
  std::thread::id thread_;
};

}  // namespace slipway::http
