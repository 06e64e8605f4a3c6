#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <thread>

#include "base/guarded.h"
#include "base/result.h"

namespace slipway::app {

/// One piece of work at a time on a thread of its own, for a part whose turns must not wait. One
/// thread, but for is_under_way().
class Errand {
 public:
  /// `ended` is called on the errand's thread when the outcome can be taken: Circle::wake().
  explicit Errand(std::function<void()> ended) : ended_(std::move(ended)) {}
  /// Waits for the work under way.
  ~Errand();

  /// From start() until the outcome was taken.
  bool is_under_way() const { return under_way_; }
  /// Precondition: not under way.
  void start(std::function<Result<>()> work);
  /// The outcome, once; nothing while there is none.
  std::optional<Result<>> take();

 private:
  const std::function<void()> ended_;
  std::atomic<bool> under_way_{false};
  Guarded<std::optional<Result<>>> outcome_;
  std::thread thread_;
};

}  // namespace slipway::app
