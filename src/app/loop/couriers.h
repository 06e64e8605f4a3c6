#pragma once

#include <array>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "base/queue.h"
#include "base/stop.h"

namespace slipway::app {

/// Threads that ask other servers, for parts of the loop: a receiver that hangs holds up neither
/// the loop nor another receiver. At most one errand per receiver at once. Any thread.
class Couriers {
 public:
  /// `wake` is called after each errand; it must outlive this.
  explicit Couriers(std::function<void()> wake);
  /// Waits for the errands under way; those that heed stop() end in about a second.
  ~Couriers();

  /// False, and nothing is done, while another errand to this receiver is under way, or too many
  /// are.
  bool send(const std::string& receiver, std::function<void()> errand);
  /// No errand begins any more.
  void close();
  const StopToken& stop() const { return stop_; }
  /// For tests: returns once no errand is under way.
  void finish();

 private:
  struct Errand {
    std::string receiver;
    std::function<void()> run;
  };
  static constexpr std::size_t kThreads = 4, kErrandsMax = 1000;

  void run();

  const std::function<void()> wake_;
  StopToken stop_;
  Queue<Errand> errands_{kErrandsMax};
  std::mutex mutex_;
  std::condition_variable ended_;
  std::set<std::string> under_way_;
  std::array<std::thread, kThreads> threads_;
};

}  // namespace slipway::app
