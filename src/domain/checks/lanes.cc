#include "domain/checks/lanes.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

namespace slipway::checks {
namespace {

constexpr std::size_t kWaitingMax = 16;  // chunks: few enough that their memory is used again soon
constexpr std::size_t kTakenAtOnce = 4;

/// By turns: neighbours are often alike, and so is their work.
std::vector<Plan> dealt(const Plan& plan, int count) {
  const std::size_t columns = std::max<std::size_t>(1, plan.columns.size());
  std::vector<Plan> parts(
      std::clamp<std::size_t>(static_cast<std::size_t>(std::max(1, count)), 1, columns));
  for (std::size_t i = 0; i < plan.columns.size(); ++i)
    parts[i % parts.size()].columns.push_back(plan.columns[i]);
  parts.front().keys = plan.keys;
  return parts;
}

/// The profile of a plan from those of its parts.
Profile joined(std::vector<Profile> parts, const Plan& plan) {
  Profile all;
  for (Profile& part : parts) {
    all.rows = part.rows;
    if (!part.keys.empty()) all.keys = std::move(part.keys);
    for (ColumnProfile& column : part.columns) all.columns.push_back(std::move(column));
  }
  auto place = [&](const ColumnProfile& column) {
    return static_cast<const ColumnPlan*>(plan.find(column.name)) - plan.columns.data();
  };
  std::sort(all.columns.begin(), all.columns.end(),
            [&](const ColumnProfile& a, const ColumnProfile& b) { return place(a) < place(b); });
  return all;
}

/// Until all are done, or one of them failed.
Result<Profile> profile_alone(const table::Paths& paths, const Plan& plan,
                              const table::ScanOptions& options, std::atomic<bool>& failed) {
  auto filled = [&]() -> Result<Profile> {
    auto scan = TRY(table::Scan::open(paths, options));
    Profiler profiler(plan, scan->fields());
    while (!failed) {
      const table::Chunk* chunk = TRY(scan->next());
      if (chunk == nullptr) break;
      profiler.add(*chunk);
    }
    return profiler.profile();
  };
  Result<Profile> profile = filled();
  if (!profile.ok()) failed = true;
  return profile;
}

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
  for (const Plan& part : dealt(plan, count))
    lanes_.push_back(std::make_unique<Lane>(part, fields));
}

Lanes::~Lanes() = default;

void Lanes::give(std::shared_ptr<const table::Chunk> chunk) {
  for (const std::unique_ptr<Lane>& lane : lanes_) lane->give(chunk);
}

Profile Lanes::finish() {
  std::vector<Profile> parts;
  for (const std::unique_ptr<Lane>& lane : lanes_) parts.push_back(lane->finish());
  return joined(std::move(parts), plan_);
}

Result<Profile> profile_apart(const table::Paths& paths, const Plan& plan,
                              const std::vector<table::Field>& fields,
                              const table::ScanOptions& options) {
  const std::vector<Plan> parts = dealt(plan, options.threads);
  std::vector<Result<Profile>> results(parts.size(), Profile());
  std::atomic<bool> failed = false;
  auto fill = [&](std::size_t i) {
    table::ScanOptions own = options;
    own.columns = needed_columns(parts[i], fields);
    own.threads = 1;
    own.memory_bytes_max /= parts.size();
    results[i] = profile_alone(paths, parts[i], own, failed);
  };
  std::vector<std::jthread> threads;
  for (std::size_t i = 1; i < parts.size(); ++i) threads.emplace_back(fill, i);
  fill(0);
  threads.clear();  // which waits for them
  std::vector<Profile> profiles;
  for (Result<Profile>& result : results) {
    if (!result.ok()) return result.error();
  }
  for (Result<Profile>& result : results) profiles.push_back(std::move(result).value());
  const bool same = std::all_of(profiles.begin(), profiles.end(), [&](const Profile& profile) {
    return profile.rows == profiles.front().rows;
  });
  if (!same)
    return unavailable(table::to_string(paths) + " changed while it was read: read it again");
  return joined(std::move(profiles), plan);
}

std::vector<std::string> needed_columns(const Plan& plan,
                                        const std::vector<table::Field>& fields) {
  std::vector<std::string> needed;
  for (const table::Field& field : fields) {
    if (plan.names(field.name)) needed.push_back(field.name);
  }
  if (needed.empty() && !fields.empty()) needed.push_back(fields.front().name);
  return needed;
}

}  // namespace slipway::checks
