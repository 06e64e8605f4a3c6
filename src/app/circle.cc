#include "app/circle.h"

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
  for (auto& turner : turners_) turner->thread = std::thread([this, &turner] { run(*turner); });
}

void Circle::interrupt() {
  {
    std::lock_guard lock(mutex_);
    stopped_ = true;
  }
  changed_.notify_all();
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
  }
  changed_.notify_all();
}

bool Circle::wait(std::uint64_t& seen, std::chrono::milliseconds span) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, span, [&] { return stopped_ || wakes_ != seen; });
  seen = wakes_;
  return !stopped_;
}

void Circle::run(Turner& turner) {
  std::uint64_t seen = 0;
  while (wait(seen, interval_)) {
    // What fails is said there, and tried again.
    static_cast<void>(turn(turner).ok());
  }
}

Result<bool> Circle::turn(Turner& turner) {
  std::lock_guard lock(turner.mutex);
  Result<> may = may_turn_ ? may_turn_() : Result<>();
  Result<bool> did = may.ok() ? turner.part->turn(clock_.now_ms()) : Result<bool>(may.error());
  std::string error = did.ok() ? "" : did.error().message;
  // Tried again at the next turn; said once, not twice a second.
  if (!error.empty() && error != turner.last_error) {
    log_error("a part of the loop failed and will try again",
              {{"part", turner.part->name()}, {"why", error}});
  }
  turner.last_error = std::move(error);
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
    at_work = pending();
    if (TRY(turn_all())) continue;
    if (at_work.empty() && pending().empty() && is_last_wake(seen)) return {};
    wait(seen, std::chrono::milliseconds(50));
  }
  return Error{Code::kUnavailable,
               "the loop did not come to rest in time; at work: " +
                   (at_work.empty() ? std::string("what is due") : join(at_work, ", "))};
}

}  // namespace slipway::app
