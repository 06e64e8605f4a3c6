#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "io/db/connection.h"

namespace slipway::db {

/// The one thread that writes: takes whatever waits, runs it in one transaction with a savepoint
/// per write, commits once, then answers each. Any thread may enqueue.
class Writer {
 public:
  Writer(Source& source, std::unique_ptr<Connection> connection, Metrics& metrics,
         const PoolOptions& options);
  ~Writer();  // finishes what was queued

  void enqueue(UniqueFunction<Result<>(Tx&)> f, Done<> done);
  /// Runs `f` as a queued write and waits for its commit.
  Result<> wait_for(const std::function<Result<>(Tx&)>& f);
  /// Why nothing can be written, as of the last write or the last second without any.
  Result<> health();

 private:
  struct Write {
    UniqueFunction<Result<>(Tx&)> f;
    Done<> done;
    Result<> outcome;
  };
  using Group = std::vector<Write>;
  /// How a try to run a whole group ended.
  enum class Ended { kCommitted, kFailed, kRetryAlone };

  void run();
  bool take(Group& group);
  void run_group(Group& group);
  Ended try_group(Write* first, std::size_t count);
  Ended run_in_transaction(Write* first, std::size_t count);
  Result<> run_one(Write& write, bool alone);
  Ended commit(Write* first, std::size_t count);
  Result<> begin();
  void judge(const Group& group);
  void look();
  Result<> check();
  void keep(const Result<>& well);
  static void fail_all(Write* first, std::size_t count, const Error& error);

  Source& source_;
  std::unique_ptr<Connection> connection_;
  const std::size_t group_max_;
  const std::size_t queue_max_;
  Histogram& group_size_;
  Histogram& commit_seconds_;
  Gauge& queue_depth_;
  Counter& refused_;

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Write> queue_;  // guarded by mutex_, as the two below
  bool sleeping_ = false;
  bool closed_ = false;
  std::optional<Error> trouble_;
  bool in_trouble_ = false;  // the same, for the writer's own thread

  std::atomic<std::int64_t> busy_since_ms_{0};  // with the database; 0: not
  std::thread thread_;
};

}  // namespace slipway::db
