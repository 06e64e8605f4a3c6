#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include "io/db/connection.h"

namespace slipway::db {

/// The one who writes: takes whatever waits, runs it in one transaction with a savepoint per write,
/// commits once, then answers each. That is a thread of its own, or, while nothing waits and nobody
/// writes, the thread that would wait for its write anyway: it saves two hand-overs, which on busy
/// cores take longer than the commit. Any thread may enqueue.
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
  bool claim(Group& group);
  bool claim_idle();
  void hand_over();
  bool is_free() const { return holder_ == std::thread::id(); }
  bool is_anything_due() const;
  Result<> write_here(const std::function<Result<>(Tx&)>& f);
  Result<> queue_and_wait(const std::function<Result<>(Tx&)>& f);
  bool is_writing_here();
  void write_group(Group& group);
  void run_group(Group& group);
  Ended try_group(Write* first, std::size_t count);
  Ended run_in_transaction(Write* first, std::size_t count);
  Result<> run_one(Write& write, bool alone);
  Ended commit(Write* first, std::size_t count);
  Result<> begin();
  void judge(const Group& group);
  void look(std::unique_lock<std::mutex>& lock);
  Result<> check(bool in_trouble);
  void keep(const Result<>& well);
  static void fail_all(Write* first, std::size_t count, const Error& error);

  Source& source_;
  std::unique_ptr<Connection> connection_;  // of whoever is the holder_
  const std::size_t group_max_;
  const std::size_t queue_max_;
  Histogram& group_size_;
  Histogram& commit_seconds_;
  Gauge& queue_depth_;
  Counter& refused_;

  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<Write> queue_;  // guarded by mutex_, as all of these but the last
  std::thread::id holder_;   // who writes at present
  bool sleeping_ = false;    // the thread, until somebody has work for it
  bool is_untidy_ = false;   // the connection wants what comes after a group
  bool closed_ = false;
  std::optional<Error> trouble_;
  // For the holder:
  bool in_trouble_ = false;           // the same
  std::optional<Error> locked_out_;   // by another program, when a transaction was last begun

  std::atomic<std::int64_t> busy_since_ms_{0};  // with the database; 0: not
  std::thread thread_;
};

}  // namespace slipway::db
