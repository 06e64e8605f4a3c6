#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "base/stop.h"

// The frame of everything that the server does by itself: intake, gates, rollouts, monitors,
// triggers, runs, notifications. Each is a part that looks at what is durable, does what is due,
// and says whether there was any; so a crash anywhere is answered by another turn.
namespace slipway::app {

/// One kind of background work. turn() and is_pending() are called by one thread at a time.
class Part {
 public:
  virtual ~Part() = default;
  virtual std::string name() const = 0;
  /// Does what is due at `now`, and says whether it did anything, or could find more to do. Must
  /// not wait for what takes longer than a few seconds: such work goes elsewhere, is_pending()
  /// until it has ended, and calls Circle::wake() then.
  virtual Result<bool> turn(UnixMs now) = 0;
  /// Instead, while another server acts on the catalogue (`why` says which): what concerns this
  /// server alone. Most parts have nothing to do.
  virtual Result<bool> stand_by([[maybe_unused]] UnixMs now,
                                [[maybe_unused]] const std::string& why) {
    return false;
  }
  /// Whether something that a turn began is still under way.
  virtual bool is_pending() const { return false; }
};

/// Turns parts: each on a thread of its own, whenever it is woken and every `interval`. Any thread.
class Circle {
 public:
  /// `clock` must outlive it.
  explicit Circle(const Clock& clock, std::chrono::milliseconds interval = kInterval);
  ~Circle();

  /// Why parts are to stand by; nothing when they may turn.
  using StandsBy = std::optional<std::string>;
  /// Asked before every turn: while it fails no part turns, and its error is theirs. Before
  /// start().
  void guard(std::function<Result<StandsBy>()> stands_by) { stands_by_ = std::move(stands_by); }
  /// Before start().
  void add(std::unique_ptr<Part> part);
  void start();
  /// Ends after the turns under way. Harmless when not started.
  void stop();
  /// Whoever waits in settle(), now or later, gets kUnavailable: a server that is to end does not
  /// wait for what its loop is at.
  void interrupt();
  /// Something happened: every part looks. Cheap; may be called from a transaction's callback.
  void wake();
  /// The same, but the part of that name looks alone first: of what happened it is the one that
  /// somebody waits for, and would else share the cores with all that only look.
  void wake_first(std::string_view name);

  /// Returns once no part has anything to do at the clock's present time, and none has work under
  /// way: the first error of a turn, or kUnavailable, with the names of the parts that are at
  /// something, after `timeout`, interrupt() or stop(). kUnavailable also where parts stand by.
  Result<> settle(std::chrono::milliseconds timeout);

  static constexpr std::chrono::milliseconds kInterval{500};

 private:
  struct Turner {
    std::unique_ptr<Part> part;
    std::mutex mutex;  // held during a turn
    std::condition_variable woken;  // with Circle::mutex_
    bool first = false;             // the others wait for its next turn; under Circle::mutex_
    std::string last_error;  // that was said
    std::chrono::steady_clock::time_point said_at{};
    std::thread thread;
  };
  void run(Turner& turner);
  Result<bool> turn(Turner& turner);
  static void say(Turner& turner, const std::string& error);
  Result<bool> turn_or_stand_by(Part& part);
  Result<bool> turn_all();
  std::vector<std::string> pending();
  bool is_last_wake(std::uint64_t seen);
  void await_wake(std::uint64_t seen);
  /// Waits until the part is to turn: whether the others wait for that turn, or nullopt when
  /// stopped.
  std::optional<bool> wait(Turner& turner, std::uint64_t& seen);
  /// `seen`: the calls that the caller has heeded; it need not heed this one.
  void call_others(std::uint64_t& seen);
  void notify_all();

  const Clock& clock_;
  const std::chrono::milliseconds interval_;
  std::function<Result<StandsBy>()> stands_by_;
  std::vector<std::unique_ptr<Turner>> turners_;  // not changed once started_
  std::atomic<bool> started_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;  // for settle()
  std::uint64_t wakes_ = 0;           // that something happened
  std::uint64_t calls_ = 0;           // of all parts to turn
  bool stopped_ = false;
};

}  // namespace slipway::app
