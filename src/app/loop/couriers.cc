#include "app/loop/couriers.h"

namespace slipway::app {

Couriers::Couriers(std::function<void()> wake) : wake_(std::move(wake)) {
  for (std::thread& thread : threads_) thread = std::thread([this] { run(); });
}

Couriers::~Couriers() {
  close();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void Couriers::close() {
  stop_.request_stop();
  errands_.close();
}

bool Couriers::send(const std::string& receiver, std::function<void()> errand) {
  {
    std::lock_guard lock(mutex_);
    if (!under_way_.insert(receiver).second) return false;
  }
  Errand one{receiver, std::move(errand)};
  if (errands_.push(one)) return true;
  std::lock_guard lock(mutex_);
  under_way_.erase(receiver);
  return false;
}

void Couriers::run() {
  while (std::optional<Errand> errand = errands_.pop()) {
    if (!stop_.stop_requested()) errand->run();
    {
      std::lock_guard lock(mutex_);
      under_way_.erase(errand->receiver);
    }
    ended_.notify_all();
    wake_();
  }
}

void Couriers::finish() {
  std::unique_lock lock(mutex_);
  ended_.wait(lock, [&] { return under_way_.empty(); });
}

}  // namespace slipway::app
