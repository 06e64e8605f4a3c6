#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>

namespace slipway {

/// Tells a thread to end. Copies share one state. Any thread.
class StopToken {
 public:
  StopToken() : state_(std::make_shared<State>()) {}

  void request_stop() {
    {
      std::lock_guard lock(state_->mutex);
      state_->stopped = true;
    }
    state_->changed.notify_all();
  }
  bool stop_requested() const {
    std::lock_guard lock(state_->mutex);
    return state_->stopped;
  }
  /// Waits up to `span`; true as soon as a stop was requested.
  bool wait_for(std::chrono::milliseconds span) const {
    std::unique_lock lock(state_->mutex);
    return state_->changed.wait_for(lock, span, [&] { return state_->stopped; });
  }

 private:
  struct State {
    std::mutex mutex;
    std::condition_variable changed;
    bool stopped = false;
  };
  std::shared_ptr<State> state_;
};

}  // namespace slipway
