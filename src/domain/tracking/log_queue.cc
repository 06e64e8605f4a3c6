#include "domain/tracking/log_queue.h"

#include <algorithm>

namespace slipway::tracking {
namespace {

constexpr std::size_t kPointsMax = 256;  // of one request

}  // namespace

bool LogQueue::takes(const Batch& batch, std::span<const Addition> additions) {
  std::size_t points = 0;
  for (const Addition& addition : additions) {
    if (!addition.chunks.empty()) return false;
    points += addition.points.size();
  }
  return batch.params.empty() && batch.tags.empty() && !batch.name && !batch.with && points > 0 &&
         points <= kPointsMax;
}

void LogQueue::log(std::string run_id, std::vector<Addition> additions, Done<Logged> done) {
  bool is_full = false, is_first = false, is_enough = false;
  {
    std::lock_guard lock(mutex_);
    is_full = waiting_.size() >= kWaitingMax;
    if (!is_full) {
      waiting_.push_back({{std::move(run_id), std::move(additions)}, std::move(done)});
      is_first = !std::exchange(is_asked_, true);
      is_enough = wanted_ != 0 && waiting_.size() >= wanted_;
    }
  }
  if (is_full) {
    return done(
        busy(std::to_string(kWaitingMax) + " requests wait for the database; try again later"));
  }
  if (is_enough) arrived_.notify_one();
  if (is_first) write_what_waits();
}

void LogQueue::write_what_waits() {
  // It may run again, and then for the same ones.
  auto group = std::make_shared<std::shared_ptr<Group>>();
  auto began = std::make_shared<std::chrono::steady_clock::time_point>();
  pool_.write_later(
      [self = shared_from_this(), group, began](db::Tx& tx) -> Result<std::vector<Result<Logged>>> {
        if (!*group) *group = self->take();
        *began = std::chrono::steady_clock::now();
        std::vector<const PointsLog*> logs;
        for (const Entry& entry : **group) logs.push_back(&entry.log);
        return write_points(tx, logs);
      },
      [self = shared_from_this(), group, began](Result<std::vector<Result<Logged>>> outcome) {
        if (!*group) *group = self->take();  // the pool did not come to it
        {
          std::lock_guard lock(self->mutex_);
          self->expected_ = std::min((*group)->size() + self->waiting_.size(), kGroupMax);
          if (outcome.ok()) self->last_took_ = std::chrono::steady_clock::now() - *began;
        }
        self->answer(**group, std::move(outcome));
      });
}

/// Those that wait; and where a transaction takes long, those too whose writes ended with the last
/// one, for they are about to come again: else those who waited meanwhile would have a transaction
/// of their own, and the others would wait for it, by turns for ever.
std::shared_ptr<LogQueue::Group> LogQueue::take() {
  constexpr std::chrono::milliseconds kWorthWaitingFor{4}, kWaitMax{3};
  constexpr int kShare = 6;  // of the time of a transaction
  auto group = std::make_shared<Group>();
  bool is_more = false;
  {
    std::unique_lock lock(mutex_);
    if (last_took_ >= kWorthWaitingFor && waiting_.size() < expected_) {
      wanted_ = expected_;
      arrived_.wait_for(lock, std::min<std::chrono::nanoseconds>(last_took_ / kShare, kWaitMax),
                        [this] { return waiting_.size() >= wanted_; });
      wanted_ = 0;
    }
    while (!waiting_.empty() && group->size() < kGroupMax) {
      group->push_back(std::move(waiting_.front()));
      waiting_.pop_front();
    }
    is_more = !waiting_.empty();
    is_asked_ = is_more;
  }
  if (is_more) write_what_waits();
  return group;
}

void LogQueue::answer(Group& group, Result<std::vector<Result<Logged>>> outcome) {
  if (outcome.ok()) {
    for (std::size_t i = 0; i < group.size(); ++i) group[i].done(std::move((*outcome)[i]));
    return;
  }
  // One that the database can't take must not fail the others.
  const Code code = outcome.error().code;
  const bool is_of_all = code == Code::kUnavailable || code == Code::kBusy || group.size() == 1;
  for (Entry& entry : group) {
    if (is_of_all)
      entry.done(outcome.error());
    else
      write_alone(std::move(entry));
  }
}

void LogQueue::write_alone(Entry entry) {
  auto log = std::make_shared<PointsLog>(std::move(entry.log));
  pool_.write_later(
      [log](db::Tx& tx) -> Result<Logged> {
        std::vector<Result<Logged>> logged = TRY(write_points(tx, {log.get()}));
        return std::move(logged.front());
      },
      std::move(entry.done));
}

}  // namespace slipway::tracking
