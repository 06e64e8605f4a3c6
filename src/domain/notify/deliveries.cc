#include "domain/notify/deliveries.h"

#include <algorithm>

#include "domain/notify/notify.h"
#include "graph/graph.h"

namespace slipway::notify {
namespace {

constexpr char kReader[] = "notify";
constexpr std::size_t kErrorBytesMax = 500;

constexpr char kTables[] = R"sql(
create table notify_deliveries (
  webhook text not null,
  event_seq bigint not null,
  state text not null,
  attempts bigint not null,
  created_ms bigint not null,
  next_ms bigint not null,
  ended_ms bigint not null,
  last_error text not null,
  primary key (webhook, event_seq)) without rowid;
create index notify_deliveries_waiting on notify_deliveries (state, webhook, event_seq);
)sql";

Result<> owe(db::Tx& tx, const std::string& webhook, std::int64_t event_seq, UnixMs now_ms) {
  TRY(tx.run(
      "insert into notify_deliveries (webhook, event_seq, state, attempts, created_ms, next_ms, "
      "ended_ms, last_error) values (?, ?, 'waiting', 0, ?, ?, 0, '') on conflict do nothing",
      webhook, event_seq, now_ms, now_ms));
  return {};
}

Result<> end(db::Tx& tx, const Delivery& delivery, const char* state, const std::string& error,
             UnixMs now_ms) {
  TRY(tx.run(
      "update notify_deliveries set state = ?, ended_ms = ?, last_error = ? where webhook = ? and "
      "event_seq = ? and state = 'waiting'",
      state, now_ms, error, delivery.webhook, delivery.event_seq));
  return {};
}

/// Nothing waits longer than its pause: where more is left of it, the clock was put back.
bool is_due(const Delivery& delivery, UnixMs now_ms) {
  const UnixMs left = delivery.next_ms - now_ms;
  return left <= 0 || left > pause_after(static_cast<int>(delivery.attempts));
}

bool is_declared(const std::vector<project::Notification>& declared, const std::string& webhook) {
  return std::any_of(declared.begin(), declared.end(),
                     [&](const auto& one) { return one.webhook == webhook; });
}

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("notify/0001_deliveries", kTables)};
}

Result<bool> take_in(db::Tx& tx, const std::vector<project::Notification>& declared, int limit,
                     UnixMs now_ms) {
  const std::int64_t cursor = TRY(graph::read_cursor(tx, kReader));
  if (cursor == 0) {
    const std::int64_t last = TRY(graph::newest_seq(tx));
    if (last == 0) return false;
    TRY(graph::move_cursor(tx, kReader, last));
    return true;
  }
  const std::vector<graph::LoggedEvent> events = TRY(graph::events_after(tx, cursor, limit));
  if (events.empty()) return false;
  for (const graph::LoggedEvent& event : events) {
    for (const project::Notification& one : declared) {
      if (is_wanted(one.on, event.event.type)) TRY(owe(tx, one.webhook, event.seq, now_ms));
    }
  }
  TRY(graph::move_cursor(tx, kReader, events.back().seq));
  return true;
}

Result<bool> has_news(db::Tx& tx) {
  return TRY(graph::newest_seq(tx)) > TRY(graph::read_cursor(tx, kReader));
}

Result<bool> waits(db::Tx& tx) {
  const auto one = TRY(tx.one<std::int64_t>(
      "select event_seq from notify_deliveries where state = 'waiting' limit 1"));
  return one.has_value();
}

Result<std::vector<Delivery>> due(db::Tx& tx, const std::vector<project::Notification>& declared,
                                  UnixMs now_ms) {
  const std::vector<Delivery> heads = TRY(tx.all<Delivery>(
      "select webhook, event_seq, state, attempts, created_ms, next_ms, ended_ms, last_error from "
      "notify_deliveries d where state = 'waiting' and event_seq = (select min(event_seq) from "
      "notify_deliveries e where e.state = 'waiting' and e.webhook = d.webhook) order by webhook"));
  std::vector<Delivery> due;
  for (const Delivery& head : heads) {
    if (!is_declared(declared, head.webhook)) {
      TRY(end(tx, head, "given_up", kUndeclared, now_ms));
    } else if (is_due(head, now_ms)) {
      due.push_back(head);
    }
  }
  return due;
}

Result<bool> record_attempt(db::Tx& tx, const Delivery& delivery, const std::string& error,
                            UnixMs now_ms) {
  const std::string kept = error.substr(0, kErrorBytesMax);
  TRY(
      tx.run("update notify_deliveries set attempts = attempts + 1, next_ms = ?, last_error = ? "
             "where webhook = ? and event_seq = ? and state = 'waiting'",
             now_ms + pause_after(static_cast<int>(delivery.attempts) + 1), kept, delivery.webhook,
             delivery.event_seq));
  const bool is_given_up = !error.empty() && now_ms - delivery.created_ms >= kGiveUpMs;
  if (error.empty()) TRY(end(tx, delivery, "delivered", "", now_ms));
  if (is_given_up) TRY(end(tx, delivery, "given_up", kept, now_ms));
  return is_given_up;
}

Result<std::vector<Delivery>> deliveries(db::Tx& tx, int limit) {
  return tx.all<Delivery>(
      "select webhook, event_seq, state, attempts, created_ms, next_ms, ended_ms, last_error from "
      "notify_deliveries order by event_seq desc, webhook limit ?",
      limit);
}

}  // namespace slipway::notify
