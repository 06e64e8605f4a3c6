#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/stop.h"
#include "io/nats/consumer.h"

namespace slipway::app {

/// How long to wait before the next try after `failed` tries in a row: a quarter of a second, twice
/// as long each time, half a minute at most.
std::chrono::milliseconds retry_after(int failed);
/// How long to wait after `messages` were taken in `took`, so that no more than
/// kMessagesPerSecondMax are.
std::chrono::milliseconds pause_after(std::size_t messages, std::chrono::milliseconds took);
inline constexpr std::size_t kMessagesPerSecondMax = 5'000;

/// A thread that fetches the messages of one trigger, and offers them batch by batch: the next is
/// fetched when the last was settled. Connects again, ever more slowly, when something is wrong.
class NatsListener {
 public:
  /// Called on its thread with the number of failed tries before this one.
  using Open = std::function<Result<std::unique_ptr<nats::Consumer>>(int failed)>;
  using Messages = std::vector<nats::Message>;
  struct State {
    bool is_known = false;  // false until the first try is over
    bool is_there = false;
    std::string stream;  // that is there
    std::string why;     // that is not
  };

  /// `wake`: there is news in state() or offered().
  NatsListener(Open open, std::function<void()> wake);
  /// Waits until it is over: for a second, or for as long as a connection takes.
  ~NatsListener();

  /// What is offered and not settled comes again, to another one.
  void stop();
  bool is_over() const { return over_; }

  State state() const;
  /// Messages that wait to be settled; null when there are none.
  std::shared_ptr<const Messages> offered() const;
  /// What became of those that were offered.
  void settle(std::vector<nats::Settle> settles);
  /// From the offer until the server has heard what became of it.
  bool is_at_work() const { return at_work_; }

 private:
  void run();
  Result<> listen(int failed);
  /// Nothing when it is to stop.
  std::optional<std::vector<nats::Settle>> offer(Messages messages);
  void set_state(State state);

  const Open open_;
  const std::function<void()> wake_;
  StopToken stop_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  State state_;
  std::shared_ptr<const Messages> offered_;
  std::optional<std::vector<nats::Settle>> settles_;
  std::atomic<bool> at_work_{false}, over_{false};
  std::thread thread_;
};

}  // namespace slipway::app
