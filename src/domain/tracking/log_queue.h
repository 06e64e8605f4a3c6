#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/function.h"
#include "domain/tracking/store.h"
#include "io/db/db.h"

namespace slipway::tracking {

/// Points that many clients log at the same time, written together: one write of the pool takes
/// whatever waits, asks once for all their runs and series, and sends the rest with the commit. So
/// a transaction costs two trips to a database that is far away (three where a series is new),
/// however many it is for. Any thread; held by the callbacks of its writes.
class LogQueue : public std::enable_shared_from_this<LogQueue> {
 public:
  explicit LogQueue(db::Pool& pool) : pool_(pool) {}

  /// Whether such a request is of the kind: points alone, not too many.
  static bool takes(const Batch& batch, std::span<const Addition> additions);
  void log(std::string run_id, std::vector<Addition> additions, Done<Logged> done);

 private:
  struct Entry {
    PointsLog log;
    Done<Logged> done;
  };
  using Group = std::vector<Entry>;
  static constexpr std::size_t kGroupMax = 256;
  static constexpr std::size_t kWaitingMax = 10'000;

  void write_what_waits();
  std::shared_ptr<Group> take();
  void answer(Group& group, Result<std::vector<Result<Logged>>> outcome);
  void write_alone(Entry entry);

  db::Pool& pool_;
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<Entry> waiting_;  // guarded by mutex_, as all below
  bool is_asked_ = false;      // a write of the pool is going to look
  std::size_t wanted_ = 0;     // so many are being waited for; 0: nobody waits
  std::size_t expected_ = 0;   // who waited when the last transaction ended, or were answered by it
  std::chrono::nanoseconds last_took_{0};
};

}  // namespace slipway::tracking
