#include "io/db/writer.h"

#include <pthread.h>

#include <algorithm>
#include <chrono>
#include <exception>

#include "base/log.h"

namespace slipway::db {
namespace {

const std::vector<double> kGroupBounds = {1, 2, 4, 8, 16, 32, 64, 128, 256};
const std::vector<double> kSecondsBounds = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                            0.05,   0.1,   0.25,   0.5,   1,    5};

constexpr std::chrono::seconds kIdleCheck{1};
constexpr std::int64_t kStallLimitMs = 10'000;  // a database that is silent for longer is away

using Late = Connection::Late;

Result<> call(UniqueFunction<Result<>(Tx&)>& f, Tx& tx) {
  try {
    return f(tx);
  } catch (const std::exception& thrown) {
    return internal(std::string("a write threw: ") + thrown.what());
  }
}

std::int64_t steady_ms() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
}

bool is_unavailable(const Result<>& outcome) {
  return !outcome.ok() && outcome.error().code == Code::kUnavailable;
}

/// Another program has kept the database for as long as a write may wait for it.
Error locked_out(const Error& error) {
  return unavailable(error.message + "; another program has locked it");
}

/// The engine chose this transaction to give way to another; the same again will work.
bool gave_way(const Result<>& outcome) {
  return !outcome.ok() && outcome.error().tag == "gave_way";
}

}  // namespace

Writer::Writer(Source& source, std::unique_ptr<Connection> connection, Metrics& metrics,
               const PoolOptions& options)
    : source_(source),
      connection_(std::move(connection)),
      group_max_(static_cast<std::size_t>(options.group_max)),
      queue_max_(static_cast<std::size_t>(options.write_queue_max)),
      group_size_(metrics.histogram("slipway_db_group_writes", "Writes made durable by one commit.",
                                    kGroupBounds)),
      commit_seconds_(metrics.histogram("slipway_db_commit_seconds",
                                        "Time of one commit, its disk sync included.",
                                        kSecondsBounds)),
      queue_depth_(
          metrics.gauge("slipway_db_write_queue", "Writes waiting when the last group was taken.")),
      refused_(metrics.counter("slipway_db_writes_refused_total",
                               "Writes refused because the queue was full.")),
      thread_([this] { run(); }) {}

Writer::~Writer() {
  {
    std::lock_guard lock(mutex_);
    closed_ = true;
  }
  ready_.notify_one();
  thread_.join();
}

void Writer::enqueue(UniqueFunction<Result<>(Tx&)> f, Done<> done) {
  bool full = false;
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    full = queue_.size() >= queue_max_;
    if (!full) {
      queue_.push_back({std::move(f), std::move(done), {}});
      // Who writes looks at the queue when it has ended.
      wake = is_free() && std::exchange(sleeping_, false);
    }
  }
  if (wake) ready_.notify_one();
  if (!full) return;
  refused_.add();
  done(busy(std::to_string(queue_max_) + " writes are waiting for the database; try again later"));
}

Result<> Writer::wait_for(const std::function<Result<>(Tx&)>& f) {
  if (is_writing_here()) return internal("a write was waited for by whoever writes");
  return claim_idle() ? write_here(f) : queue_and_wait(f);
}

bool Writer::is_writing_here() {
  std::lock_guard lock(mutex_);
  return holder_ == std::this_thread::get_id();
}

/// Becomes the one who writes, if nobody is and nothing waits.
bool Writer::claim_idle() {
  std::lock_guard lock(mutex_);
  if (!is_free() || !queue_.empty() || is_untidy_) return false;
  holder_ = std::this_thread::get_id();
  return true;
}

Result<> Writer::write_here(const std::function<Result<>(Tx&)>& f) {
  Group group;
  group.push_back({[&f](Tx& tx) { return f(tx); }, {}, {}});
  queue_depth_.set(1);
  write_group(group);
  hand_over();
  return std::move(group.front().outcome);
}

/// To the thread, if there is something to do for it.
void Writer::hand_over() {
  bool wake = false;
  {
    std::lock_guard lock(mutex_);
    holder_ = {};
    is_untidy_ |= connection_->wants_after_group();
    wake = !queue_.empty() || is_untidy_ || closed_;
    if (wake) sleeping_ = false;
  }
  if (wake) ready_.notify_one();
}

Result<> Writer::queue_and_wait(const std::function<Result<>(Tx&)>& f) {
  std::mutex mutex;
  std::condition_variable answered;
  std::optional<Result<>> outcome;
  enqueue([&f](Tx& tx) { return f(tx); },
          [&](Result<> committed) {
            // Notifying under the lock: the waiter destroys all this as soon as it has the lock.
            std::lock_guard lock(mutex);
            outcome.emplace(std::move(committed));
            answered.notify_one();
          });
  std::unique_lock lock(mutex);
  answered.wait(lock, [&] { return outcome.has_value(); });
  return std::move(*outcome);
}

void Writer::run() {
  pthread_setname_np(pthread_self(), "db-writer");
  Group group;
  group.reserve(group_max_);
  while (claim(group)) {
    if (!group.empty()) write_group(group);
    for (Write& write : group) write.done(std::move(write.outcome));
    group.clear();
    connection_->after_group();
  }
}

/// Waits until there is something to do and nobody else writes, and takes up to a group of writes;
/// none of them when only the connection wants something. False once closed and drained.
bool Writer::claim(Group& group) {
  std::unique_lock lock(mutex_);
  if (holder_ == std::this_thread::get_id()) holder_ = {};
  while (!is_anything_due()) {
    if (closed_ && is_free()) return false;
    sleeping_ = true;
    const bool called = ready_.wait_for(
        lock, kIdleCheck, [this] { return is_free() && (!sleeping_ || closed_); });
    if (!called && is_free()) look(lock);
  }
  holder_ = std::this_thread::get_id();
  is_untidy_ = false;
  queue_depth_.set(static_cast<double>(queue_.size()));
  while (!queue_.empty() && group.size() < group_max_) {
    group.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return true;
}

bool Writer::is_anything_due() const {
  return is_free() && (!queue_.empty() || is_untidy_);
}

void Writer::write_group(Group& group) {
  busy_since_ms_ = steady_ms();
  run_group(group);
  judge(group);
  busy_since_ms_ = 0;
}

void Writer::run_group(Group& group) {
  if (try_group(group.data(), group.size()) != Ended::kRetryAlone) return;
  for (Write& write : group) {
    // Alone, a transaction that gave way may do so again while others press; not for ever.
    for (int tries = 3; tries > 0 && try_group(&write, 1) == Ended::kRetryAlone; --tries) {
    }
  }
}

Writer::Ended Writer::try_group(Write* first, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) first[i].outcome = {};
  Result<> begun = begin();
  const bool is_locked_out = !begun.ok() && begun.error().code == Code::kBusy;
  locked_out_ = is_locked_out ? std::optional(locked_out(begun.error())) : std::nullopt;
  if (!begun.ok()) {
    fail_all(first, count, locked_out_ ? *locked_out_ : begun.error());
    return Ended::kFailed;
  }
  Ended ended = run_in_transaction(first, count);
  if (ended != Ended::kCommitted) return ended;
  group_size_.observe(static_cast<double>(count));
  return ended;
}

/// A connection that was lost while idle is replaced, once.
Result<> Writer::begin() {
  Result<> begun;
  if (connection_->usable()) begun = connection_->begin(Connection::Access::kWrite);
  if (connection_->usable()) return begun;
  connection_ = TRY(source_.connect(Connection::Access::kWrite));
  return connection_->begin(Connection::Access::kWrite);
}

Writer::Ended Writer::run_in_transaction(Write* first, std::size_t count) {
  const bool alone = count == 1;
  for (std::size_t i = 0; i < count; ++i) {
    Write& write = first[i];
    write.outcome = run_one(write, alone);
    const bool lost = !connection_->usable() || !connection_->in_transaction();
    if (alone && !write.outcome.ok()) {
      connection_->rollback();
      // Nothing was committed: on another connection the same may succeed.
      return gave_way(write.outcome) || !connection_->usable() ? Ended::kRetryAlone
                                                               : Ended::kFailed;
    }
    const Late late = write.outcome.ok() ? Late::kNo : connection_->failed_late();
    if (late == Late::kBegin && connection_->usable()) {
      connection_->rollback();
      fail_all(first, count, write.outcome.error());
      return Ended::kFailed;
    }
    const bool is_anothers = late == Late::kStatement;
    if (!lost && !is_anothers && !gave_way(write.outcome)) continue;
    // Nothing of the group was committed: the others may succeed without this one.
    connection_->rollback();
    if (!alone) return Ended::kRetryAlone;
    write.outcome = internal("a write ended its transaction");
    return Ended::kFailed;
  }
  return commit(first, count);
}

/// Runs one write. In a group a failed one leaves nothing behind: its savepoint is rolled back, or,
/// where even that fails, the whole transaction.
Result<> Writer::run_one(Write& write, bool alone) {
  if (!alone) {
    Result<> set = connection_->savepoint();
    if (!set.ok()) connection_->rollback();
    if (!set.ok()) return set;
  }
  Result<> outcome = call(write.f, *connection_);
  if (outcome.ok() && connection_->failure()) outcome = *connection_->failure();
  if (alone || gave_way(outcome) || !connection_->in_transaction()) return outcome;
  // Of an earlier write: the savepoint may not be there.
  if (!outcome.ok() && connection_->failed_late() != Late::kNo) return outcome;
  Result<> closed =
      outcome.ok() ? connection_->release_savepoint() : connection_->rollback_to_savepoint();
  if (!closed.ok()) connection_->rollback();
  return outcome.ok() ? std::move(closed) : std::move(outcome);
}

Writer::Ended Writer::commit(Write* first, std::size_t count) {
  if (Result<> there = connection_->check_place(); !there.ok()) {
    connection_->rollback();
    fail_all(first, count, there.error());
    return Ended::kFailed;
  }
  auto start = std::chrono::steady_clock::now();
  Result<> committed = connection_->commit();
  commit_seconds_.observe(
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  if (committed.ok()) return Ended::kCommitted;
  fail_all(first, count, committed.error());
  const bool is_one_of_many = count > 1 && connection_->failed_late() == Late::kStatement;
  return gave_way(committed) || is_one_of_many ? Ended::kRetryAlone : Ended::kFailed;
}

/// What the outcomes say about the database; before they are told to anybody.
void Writer::judge(const Group& group) {
  if (locked_out_) return keep(*locked_out_);  // to ask it would take as long once more
  const auto failed = std::find_if(
      group.begin(), group.end(), [](const Write& write) { return is_unavailable(write.outcome); });
  const bool has_failed = failed != group.end();
  if (!has_failed && !in_trouble_) return;
  // One that is lost was tried anew already, or will be by the next write.
  keep(has_failed && !connection_->usable() ? failed->outcome : check(true));
}

/// While no writes come.
void Writer::look(std::unique_lock<std::mutex>& lock) {
  holder_ = std::this_thread::get_id();
  lock.unlock();
  busy_since_ms_ = steady_ms();
  keep(check(in_trouble_));
  busy_since_ms_ = 0;
  lock.lock();
  holder_ = {};
}

Result<> Writer::check(bool in_trouble) {
  if (!connection_->usable()) connection_ = TRY(source_.connect(Connection::Access::kWrite));
  Result<> well = connection_->check(in_trouble);
  if (!well.ok() && well.error().code == Code::kBusy) return locked_out(well.error());
  return well;
}

void Writer::keep(const Result<>& well) {
  const bool was_in_trouble = std::exchange(in_trouble_, is_unavailable(well));
  if (in_trouble_ && !was_in_trouble)
    log_error("nothing can be written", {{"why", well.error().message}});
  if (!in_trouble_ && was_in_trouble) log_info("writes are possible again");
  std::lock_guard lock(mutex_);
  trouble_ = in_trouble_ ? std::optional<Error>(well.error()) : std::nullopt;
}

Result<> Writer::health() {
  const std::int64_t since = busy_since_ms_;
  const std::int64_t span = since == 0 ? 0 : steady_ms() - since;
  if (span > kStallLimitMs) {
    return unavailable("the database has not answered for " + std::to_string(span / 1000) +
                       " seconds");
  }
  std::lock_guard lock(mutex_);
  if (trouble_) return *trouble_;
  return {};
}

void Writer::fail_all(Write* first, std::size_t count, const Error& error) {
  for (std::size_t i = 0; i < count; ++i) first[i].outcome = error;
}

}  // namespace slipway::db
