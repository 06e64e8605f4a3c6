#include "domain/checks/lanes.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace slipway::checks {
namespace {

constexpr std::size_t kWaitingMax = 16;  // chunks: few enough that their memory is used again soon
constexpr std::size_t kTakenAtOnce = 4;

}  // namespace

class Lanes::Lane {
 public:
  Lane(const Plan& plan, const std::vector<table::Field>& fields)
      : profiler_(plan, fields), thread_([this] { run(); }) {}

  ~Lane() { end(); }

  void give(std::shared_ptr<const table::Chunk> chunk) {
    std::unique_lock lock(mutex_);
    room_.wait(lock, [&] { return waiting_.size() < kWaitingMax; });
    waiting_.push_back(std::move(chunk));
    const bool enough = waiting_.size() >= kTakenAtOnce;  // waking costs more than some chunks do
    lock.unlock();
    if (enough) ready_.notify_one();
  }

  Profile finish() {
    end();
    return profiler_.profile();
  }

 private:
  void end() {
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
    }
    ready_.notify_one();
    if (thread_.joinable()) thread_.join();
  }

  void run() {
    for (;;) {
      std::deque<std::shared_ptr<const table::Chunk>> taken;
      {
        std::unique_lock lock(mutex_);
        ready_.wait(lock, [&] { return ended_ || waiting_.size() >= kTakenAtOnce; });
        if (waiting_.empty()) return;
        taken.swap(waiting_);
      }
      room_.notify_one();
      for (const auto& chunk : taken) profiler_.add(*chunk);
    }
  }

  Profiler profiler_;
  std::mutex mutex_;
  std::condition_variable ready_, room_;
  std::deque<std::shared_ptr<const table::Chunk>> waiting_;
  bool ended_ = false;
  std::thread thread_;  // last: it uses the others
};

Lanes::Lanes(const Plan& plan, const std::vector<table::Field>& fields, int count) : plan_(plan) {
  const std::size_t columns = std::max<std::size_t>(1, plan.columns.size());
  const std::size_t lanes =
      std::clamp<std::size_t>(static_cast<std::size_t>(std::max(1, count)), 1, columns);
  for (std::size_t lane = 0; lane < lanes; ++lane) {
    Plan part;
    // By turns: neighbours are often alike, and so is their work.
    for (std::size_t i = lane; i < plan.columns.size(); i += lanes)
      part.columns.push_back(plan.columns[i]);
    if (lane == 0) part.keys = plan.keys;
    lanes_.push_back(std::make_unique<Lane>(part, fields));
  }
}

Lanes::~Lanes() = default;

void Lanes::give(std::shared_ptr<const table::Chunk> chunk) {
  for (const std::unique_ptr<Lane>& lane : lanes_) lane->give(chunk);
}

Profile Lanes::finish() {
  Profile all;
  for (const std::unique_ptr<Lane>& lane : lanes_) {
    Profile part = lane->finish();
    all.rows = part.rows;
    if (!part.keys.empty()) all.keys = std::move(part.keys);
    for (ColumnProfile& column : part.columns) all.columns.push_back(std::move(column));
  }
  auto place = [&](const ColumnProfile& column) {
    return static_cast<const ColumnPlan*>(plan_.find(column.name)) - plan_.columns.data();
  };
  std::sort(all.columns.begin(), all.columns.end(),
            [&](const ColumnProfile& a, const ColumnProfile& b) { return place(a) < place(b); });
  return all;
}

}  // namespace slipway::checks
