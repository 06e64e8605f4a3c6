#include "app/loop/nats_listener.h"

#include <algorithm>

namespace slipway::app {
namespace {

using std::chrono::milliseconds;
using Steady = std::chrono::steady_clock;

// Also how long stop() may take.
constexpr milliseconds kFetchWait{1'000};
// Whoever listened for so long begins anew with short waits.
constexpr milliseconds kSteadyAfter{30'000};

milliseconds since(Steady::time_point begin) {
  return std::chrono::duration_cast<milliseconds>(Steady::now() - begin);
}

}  // namespace

milliseconds retry_after(int failed) {
  constexpr milliseconds kFirst{250}, kMost{30'000};
  constexpr int kDoublingsMax = 10;
  return std::min(kMost, kFirst * (1 << std::clamp(failed, 0, kDoublingsMax)));
}

milliseconds pause_after(std::size_t messages, milliseconds took) {
  const milliseconds least{static_cast<std::int64_t>(messages * 1000 / kMessagesPerSecondMax)};
  return std::max(milliseconds(0), least - took);
}

NatsListener::NatsListener(Open open, std::function<void()> wake)
    : open_(std::move(open)), wake_(std::move(wake)) {
  thread_ = std::thread([this] { run(); });
}

NatsListener::~NatsListener() {
  stop();
  thread_.join();
}

void NatsListener::stop() {
  stop_.request_stop();
  std::lock_guard lock(mutex_);  // or offer() could miss it
  changed_.notify_all();
}

NatsListener::State NatsListener::state() const {
  std::lock_guard lock(mutex_);
  return state_;
}

std::shared_ptr<const NatsListener::Messages> NatsListener::offered() const {
  std::lock_guard lock(mutex_);
  return offered_;
}

void NatsListener::settle(std::vector<nats::Settle> settles) {
  std::lock_guard lock(mutex_);
  offered_.reset();
  settles_ = std::move(settles);
  changed_.notify_all();
}

void NatsListener::set_state(State state) {
  {
    std::lock_guard lock(mutex_);
    const bool same = state_.is_known && state_.is_there == state.is_there &&
                      state_.stream == state.stream && state_.why == state.why;
    if (same) return;
    state_ = std::move(state);
  }
  wake_();
}

void NatsListener::run() {
  int failed = 0;
  while (!stop_.stop_requested()) {
    const auto begin = Steady::now();
    const Result<> ended = listen(failed);
    at_work_ = false;
    if (stop_.stop_requested()) break;
    if (since(begin) >= kSteadyAfter) failed = 0;
    set_state({true, false, "", ended.ok() ? "it ended" : ended.error().message});
    stop_.wait_for(retry_after(failed++));
  }
  over_ = true;
  wake_();
}

Result<> NatsListener::listen(int failed) {
  const std::unique_ptr<nats::Consumer> consumer = TRY(open_(failed));
  while (!stop_.stop_requested()) {
    const auto begin = Steady::now();
    Messages messages = TRY(consumer->fetch(kFetchWait));
    set_state({true, true, consumer->stream(), ""});
    if (messages.empty()) {
      // A broker that does not wait is not asked without a pause.
      if (since(begin) < kFetchWait / 2) stop_.wait_for(kFetchWait / 2);
      continue;
    }
    const std::size_t count = messages.size();
    const auto settles = offer(std::move(messages));
    if (!settles) return {};
    TRY(consumer->settle(*settles));
    at_work_ = false;
    stop_.wait_for(pause_after(count, since(begin)));
  }
  return {};
}

std::optional<std::vector<nats::Settle>> NatsListener::offer(Messages messages) {
  at_work_ = true;
  {
    std::lock_guard lock(mutex_);
    settles_.reset();
    offered_ = std::make_shared<const Messages>(std::move(messages));
  }
  wake_();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return settles_ || stop_.stop_requested(); });
  offered_.reset();
  return std::exchange(settles_, std::nullopt);
}

}  // namespace slipway::app
