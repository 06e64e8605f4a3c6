#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <utility>

namespace slipway {

/// A bounded queue to one thread that may be late. To wake a thread on another core costs whoever
/// pushes more than the push: so a consumer that finds the queue empty looks again after `linger`
/// before it asks to be woken. Under load nobody is woken at all.
template <class T>
class LazyQueue {
 public:
  LazyQueue(std::size_t items_max, std::chrono::microseconds linger)
      : items_max_(items_max), linger_(linger) {}

  /// False, and `item` is left as it was, when the queue is full or closed. A queue that is half
  /// full is not late.
  bool push(T& item) {
    bool is_asleep = false;
    {
      std::lock_guard lock(mutex_);
      if (closed_ || items_.size() >= items_max_) return false;
      items_.push_back(std::move(item));
      hurried_ |= items_.size() == (items_max_ + 1) / 2;
      is_asleep = std::exchange(idle_, false) || hurried_;
    }
    if (is_asleep) ready_.notify_one();
    return true;
  }
  /// The consumer takes what is there as soon as it can.
  void hurry() {
    {
      std::lock_guard lock(mutex_);
      hurried_ = true;
    }
    ready_.notify_one();
  }

  /// Waits for at least one item and takes all; empty once closed and drained. One thread.
  std::deque<T> pop_all() {
    std::unique_lock lock(mutex_);
    if (items_.empty()) linger(lock);
    idle_ = items_.empty();
    ready_.wait(lock, [&] { return closed_ || !items_.empty(); });
    idle_ = hurried_ = false;
    return std::exchange(items_, {});
  }

  /// No more pushes; what is inside can still be taken.
  void close() {
    {
      std::lock_guard lock(mutex_);
      closed_ = true;
    }
    ready_.notify_all();
  }

 private:
  void linger(std::unique_lock<std::mutex>& lock) {
    ready_.wait_for(lock, linger_, [&] { return closed_ || hurried_; });
  }

  const std::size_t items_max_;
  const std::chrono::microseconds linger_;
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<T> items_;
  bool closed_ = false;
  bool idle_ = false;     // the consumer sleeps until it is woken
  bool hurried_ = false;  // it is to linger no longer
};

}  // namespace slipway
