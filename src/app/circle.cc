#include "app/circle.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/text.h"

namespace slipway::app {

Circle::Circle(const Clock& clock, std::chrono::milliseconds interval)
    : clock_(clock), interval_(interval) {}
Circle::~Circle() {
  stop();
}

void Circle::add(std::unique_ptr<Part> part) {
  turners_.push_back(std::make_unique<Turner>());
  turners_.back()->part = std::move(part);
}

void Circle::start() {
  started_ = true;
  for (auto& turner : turners_) turner->thread = std::thread([this, &turner] { run(*turner); });
}

void Circle::interrupt() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  notify_all();
}

void Circle::stop() {
  interrupt();
  for (auto& turner : turners_) {
    if (turner->thread.joinable()) turner->thread.join();
  }
}

void Circle::wake() {
  {
    std::lock_guard lock(mutex_);
    ++wakes_;
    ++calls_;
  }
  notify_all();
}

void Circle::wake_first(std::string_view name) {
  if (!started_) return wake();
  auto found = std::find_if(turners_.begin(), turners_.end(), [&](const auto& turner) {
    return turner->part->name() == name;
  });
  if (found == turners_.end()) return wake();
  {
    std::lock_guard lock(mutex_);
    ++wakes_;
    (*found)->first = true;
  }
  (*found)->woken.notify_all();
}

void Circle::notify_all() {
  changed_.notify_all();
  // Before the start nobody waits there, and parts may still be added.
  if (!started_) return;
  for (auto& turner : turners_) turner->woken.notify_all();
}

void Circle::run(Turner& turner) {
  // As the system's tools show it; a name has 15 characters at most there.
  pthread_setname_np(pthread_self(), turner.part->name().substr(0, 15).c_str());
  std::uint64_t seen = 0;
  while (std::optional<bool> is_first = wait(turner, seen)) {
    // What fails is said there, and tried again.
    static_cast<void>(turn(turner).ok());
    if (*is_first) call_others(seen);
  }
}

std::optional<bool> Circle::wait(Turner& turner, std::uint64_t& seen) {
  std::unique_lock lock(mutex_);
  turner.woken.wait_for(lock, interval_,
                        [&] { return stopped_ || turner.first || calls_ != seen; });
  if (stopped_) return std::nullopt;
  seen = calls_;
  return std::exchange(turner.first, false);
}

void Circle::call_others(std::uint64_t& seen) {
  {
    std::lock_guard lock(mutex_);
    const bool is_news = calls_ != seen;
    ++calls_;
    if (!is_news) seen = calls_;
  }
  notify_all();
}

Result<bool> Circle::turn_or_stand_by(Part& part) {
  const StandsBy why = stands_by_ ? TRY(stands_by_()) : StandsBy();
  return why ? part.stand_by(clock_.now_ms(), *why) : part.turn(clock_.now_ms());
}

/// It is tried again at the next turn; said once a minute, also where some turns go well.
void Circle::say(Turner& turner, const std::string& error) {
  const auto now = std::chrono::steady_clock::now();
  if (error == turner.last_error && now - turner.said_at < std::chrono::minutes(1)) return;
  log_error("a part of the loop failed and will try again",
            {{"part", turner.part->name()}, {"why", error}});
  turner.last_error = error;
  turner.said_at = now;
}

Result<bool> Circle::turn(Turner& turner) {
  std::lock_guard lock(turner.mutex);
  Result<bool> did = turn_or_stand_by(*turner.part);
  if (!did.ok()) say(turner, did.error().message);
  // What it did may be news to the others, and to itself. Said before the next turn can begin, so
  // that settle() cannot miss it.
  if (did.ok() && *did) wake();
  return did;
}

Result<bool> Circle::turn_all() {
  bool any = false;
  for (auto& turner : turners_) any |= TRY(turn(*turner));
  return any;
}

std::vector<std::string> Circle::pending() {
  std::vector<std::string> names;
  for (auto& turner : turners_) {
    std::lock_guard lock(turner->mutex);
    if (turner->part->is_pending()) names.push_back(turner->part->name());
  }
  return names;
}

bool Circle::is_last_wake(std::uint64_t seen) {
  std::lock_guard lock(mutex_);
  return wakes_ == seen;
}

void Circle::await_wake(std::uint64_t seen) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, std::chrono::milliseconds(50),
                    [&] { return stopped_ || wakes_ != seen; });
}

Result<> Circle::settle(std::chrono::milliseconds timeout) {
  const auto end = std::chrono::steady_clock::now() + timeout;
  std::uint64_t seen = 0;
  std::vector<std::string> at_work;
  while (std::chrono::steady_clock::now() < end) {
    {
      std::lock_guard lock(mutex_);
      if (stopped_) break;
      seen = wakes_;
    }
    // The parts' own threads turn them meanwhile: what they begin, end or do between these looks
    // has called wake() by the last of them.
    if (const StandsBy why = stands_by_ ? TRY(stands_by_()) : StandsBy()) return unavailable(*why);
    at_work = pending();
    if (TRY(turn_all())) continue;
    if (at_work.empty() && pending().empty() && is_last_wake(seen)) return {};
    await_wake(seen);
  }
  return Error{Code::kUnavailable,
               "the loop did not come to rest in time; at work: " +
                   (at_work.empty() ? std::string("what is due") : join(at_work, ", "))};
}

}  // namespace slipway::app
