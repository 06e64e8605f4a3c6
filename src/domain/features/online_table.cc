#include "domain/features/online_table.h"

#include <algorithm>
#include <mutex>

#include "base/hash.h"
#include "domain/features/row.h"

namespace slipway::features {
namespace {

constexpr std::size_t kSnapshotPayloadBytes = 4u << 20;

}  // namespace

std::size_t OnlineTable::Hash::operator()(std::string_view key) const {
  return static_cast<std::size_t>(fast_hash(key));
}

std::size_t OnlineTable::shard_of(std::string_view key) {
  // The upper bits: the table inside uses the lower ones.
  return static_cast<std::size_t>(fast_hash(key) >> 58);
}

namespace {

/// Of an event that is the n-th at its times: that of the n-th which is there, else one after them.
std::uint64_t order_of(const History& history, const log::PutRecord& put) {
  const std::uint64_t n = put.order & ~nth_at_its_time(0);
  if (n == put.order) return put.order;
  const std::vector<EventId>& events = history.events();
  const auto first = std::lower_bound(events.begin(), events.end(),
                                      EventId{put.event_us, put.created_us, 0});
  const auto is_there = [&](auto at) {
    return at != events.end() && at->at_us == put.event_us && at->created_us == put.created_us;
  };
  auto at = first;
  std::uint64_t last = 0;
  for (std::uint64_t i = 1; is_there(at); ++i, ++at) {
    last = at->order;
    if (i == n) return last;
  }
  return last + 1;
}

}  // namespace

std::uint64_t OnlineTable::add_event(Entry& entry, const log::PutRecord& put, std::uint64_t seq) {
  if (view_.operands.empty() || put.event_us <= entry.forgotten_us) return 0;
  if (!entry.history) entry.history = std::make_unique<History>(view_.operands);
  History& history = *entry.history;
  const std::int64_t keep_us = view_.reach_us + kLookBackUs;
  if (!history.events().empty() && put.event_us < history.events().back().at_us - keep_us) return 0;
  const std::uint64_t order = put.order != 0 ? order_of(history, put) : seq;
  history.add({put.event_us, put.created_us, order}, decode_row(view_.operands, put.operands));
  // Forgetting moves all that stays, so it is done for many at once.
  const std::vector<EventId>& events = history.events();
  const std::int64_t oldest = events.back().at_us - keep_us;
  const std::size_t quarter = events[events.size() / 4].at_us < oldest ? 1 : 0;
  if (quarter != 0) history.drop_before(oldest);
  if (events.size() <= kEventsMax) return 0;
  const std::size_t before = events.size();
  history.drop_before(events[kEventsMax / 10].at_us);
  return before - history.events().size();
}

OnlineTable::Applied OnlineTable::apply(const log::PutRecord& put, std::uint64_t seq) {
  Shard& shard = shards_[shard_of(put.key)];
  std::unique_lock lock(shard.mutex);
  Entry& entry = shard.entries[put.key];
  Applied applied;
  if (put.deleted) {
    entry.forgotten_us = std::max(entry.forgotten_us, put.event_us);
    if (entry.history) entry.history->drop_before(put.event_us + 1);
  } else {
    applied.forgotten = add_event(entry, put, seq);
  }
  const Stamp stamp{put.event_us, put.created_us, seq};
  if (entry.has_row && stamp <= entry.stamp) return applied;
  applied.row_changed = true;
  entry.stamp = stamp;
  entry.has_row = true;
  entry.deleted = put.deleted;
  entry.row = put.row;
  return applied;
}

void OnlineTable::restore(log::EntryRecord record) {
  Shard& shard = shards_[shard_of(record.key)];
  std::unique_lock lock(shard.mutex);
  Entry& entry = shard.entries[record.key];
  entry.stamp = {record.event_us, record.created_us, record.seq};
  entry.has_row = record.has_row;
  entry.deleted = record.deleted;
  entry.forgotten_us = record.forgotten_us;
  entry.row = std::move(record.row);
  if (record.events.empty()) return;
  entry.history = std::make_unique<History>(view_.operands);
  for (const log::EntryRecord::Event& event : record.events) {
    entry.history->add(event.id, decode_row(view_.operands, event.operands));
  }
}

Found OnlineTable::get(std::string_view key, const OnlineStore::WithHistory& with_history) const {
  const Shard& shard = shards_[shard_of(key)];
  std::shared_lock lock(shard.mutex);
  const auto place = shard.entries.find(key);
  Found found;
  if (place == shard.entries.end()) return found;
  const Entry& entry = place->second;
  if (with_history && entry.history) with_history(*entry.history);
  if (!entry.has_row) return found;
  found.present = !entry.deleted;
  found.deleted = entry.deleted;
  found.event_us = entry.stamp.event_us;
  found.created_us = entry.stamp.created_us;
  if (found.present) found.values = decode_row(column_types_, entry.row);
  return found;
}

log::EntryRecord OnlineTable::to_record(std::uint32_t number, const std::string& key,
                                        const Entry& entry) const {
  log::EntryRecord record;
  record.view = number;
  record.key = key;
  record.has_row = entry.has_row;
  record.deleted = entry.deleted;
  record.event_us = entry.stamp.event_us;
  record.created_us = entry.stamp.created_us;
  record.seq = entry.stamp.seq;
  record.forgotten_us = entry.forgotten_us;
  record.row = entry.row;
  if (!entry.history) return record;
  const std::vector<EventId>& events = entry.history->events();
  std::vector<Value> values(view_.operands.size());
  for (std::size_t i = 0; i < events.size(); ++i) {
    for (std::size_t j = 0; j < values.size(); ++j) values[j] = entry.history->value(i, j);
    record.events.push_back({events[i], encode_row(view_.operands, values)});
  }
  return record;
}

std::vector<std::string> OnlineTable::snapshot(std::size_t shard, std::uint32_t number,
                                               std::uint64_t& entries) const {
  std::vector<std::string> payloads(1);
  std::shared_lock lock(shards_[shard].mutex);
  for (const auto& [key, entry] : shards_[shard].entries) {
    if (payloads.back().size() > kSnapshotPayloadBytes) payloads.emplace_back();
    append(payloads.back(), to_record(number, key, entry));
    ++entries;
  }
  return payloads;
}

void OnlineTable::count(OnlineStore::Size& size) const {
  for (const Shard& shard : shards_) {
    std::shared_lock lock(shard.mutex);
    size.entities += shard.entries.size();
    for (const auto& [key, entry] : shard.entries) {
      if (entry.history) size.events += entry.history->events().size();
    }
  }
}

}  // namespace slipway::features
