#include "domain/notify/webhooks.h"

#include <algorithm>

#include "base/ids.h"
#include "domain/notify/notify.h"

namespace slipway::notify {
namespace {

constexpr std::size_t kErrorBytesMax = 500;

constexpr char kTables[] = R"sql(
create table webhooks (
  seq integer primary key autoincrement,
  id text not null unique,
  name text not null,
  description text not null,
  url text not null,
  secret text not null,
  active bigint not null,
  created_ms bigint not null,
  updated_ms bigint not null);
create table webhook_events (
  event text not null,
  webhook bigint not null references webhooks (seq),
  position bigint not null,
  primary key (event, webhook)) without rowid;
create index webhook_events_by_webhook on webhook_events (webhook);
create table webhook_deliveries (
  seq integer primary key autoincrement,
  webhook bigint not null references webhooks (seq),
  id text not null,
  body text not null,
  state text not null,
  attempts bigint not null,
  created_ms bigint not null,
  next_ms bigint not null,
  last_error text not null);
create index webhook_deliveries_waiting on webhook_deliveries (webhook, state, seq);
)sql";

struct Row {
  std::int64_t seq = 0;
  std::string id, name, description, url, secret;
  bool active = true;
  UnixMs created_ms = 0, updated_ms = 0;
};
WIRE(Row, seq, id, name, description, url, secret, active, created_ms, updated_ms)

Result<Webhook> with_events(db::Tx& tx, Row row) {
  Webhook webhook{std::move(row.id),  std::move(row.name),   std::move(row.description),
                  std::move(row.url), std::move(row.secret), row.active,
                  row.created_ms,     row.updated_ms,        {}};
  webhook.events = TRY(tx.all<std::string>(
      "select event from webhook_events where webhook = ? order by position", row.seq));
  return webhook;
}

Result<Row> find_row(db::Tx& tx, const std::string& id) {
  auto row = TRY(tx.one<Row>(
      "select seq, id, name, description, url, secret, active, created_ms, updated_ms from "
      "webhooks where id = ?",
      id));
  if (!row) return missing("Webhook with ID " + id + " not found.");
  return std::move(*row);
}

Result<> set_events(db::Tx& tx, std::int64_t webhook, const std::vector<std::string>& events) {
  TRY(tx.run("delete from webhook_events where webhook = ?", webhook));
  std::int64_t position = 0;
  for (const std::string& event : events) {
    TRY(tx.run(
        "insert into webhook_events (event, webhook, position) values (?, ?, ?) on conflict do "
        "nothing",
        event, webhook, position++));
  }
  return {};
}

/// Nothing waits longer than its pause: where more is left of it, the clock was put back.
bool is_due(const OwedDelivery& delivery, UnixMs now_ms) {
  const UnixMs left = delivery.next_ms - now_ms;
  return left <= 0 || left > pause_after(static_cast<int>(delivery.attempts));
}

Result<> forget_old_failures(db::Tx& tx, std::int64_t seq) {
  TRY(tx.run(
      "delete from webhook_deliveries where state = 'given_up' and webhook = (select webhook from "
      "webhook_deliveries where seq = ?) and seq not in (select seq from webhook_deliveries where "
      "state = 'given_up' and webhook = (select webhook from webhook_deliveries where seq = ?) "
      "order by seq desc limit ?)",
      seq, seq, kGivenUpKept));
  return {};
}

}  // namespace

std::vector<db::Migration> webhook_migrations() {
  return {db::portable("notify/0002_webhooks", kTables)};
}

Result<> add_webhook(db::Tx& tx, const Webhook& webhook) {
  const auto count = TRY(tx.one<std::int64_t>("select count(*) from webhooks"));
  if (count.value_or(0) >= kWebhooksMax) {
    return Error{Code::kConflict, "there are " + std::to_string(kWebhooksMax) +
                                      " webhooks, and there may be no more; delete one first"};
  }
  const auto seq = TRY(tx.one<std::int64_t>(
      "insert into webhooks (id, name, description, url, secret, active, created_ms, updated_ms) "
      "values (?, ?, ?, ?, ?, ?, ?, ?) returning seq",
      webhook.id, webhook.name, webhook.description, webhook.url, webhook.secret,
      std::int64_t{webhook.active}, webhook.created_ms, webhook.updated_ms));
  if (!seq) return internal("a webhook was stored without a key");
  return set_events(tx, *seq, webhook.events);
}

Result<Webhook> find_webhook(db::Tx& tx, const std::string& id) {
  return with_events(tx, TRY(find_row(tx, id)));
}

Result<bool> any_webhook(db::Tx& tx) {
  return TRY(tx.one<std::int64_t>("select seq from webhooks limit 1")).has_value();
}

Result<std::vector<Webhook>> list_webhooks(db::Tx& tx, std::int64_t offset, std::int64_t limit) {
  std::vector<Webhook> found;
  const std::vector<Row> rows = TRY(tx.all<Row>(
      "select seq, id, name, description, url, secret, active, created_ms, updated_ms from "
      "webhooks order by created_ms desc, seq desc limit ? offset ?",
      limit, offset));
  for (const Row& row : rows) found.push_back(TRY(with_events(tx, row)));
  return found;
}

Result<Webhook> change_webhook(db::Tx& tx, const std::string& id, const WebhookChange& change,
                               UnixMs now_ms) {
  Row row = TRY(find_row(tx, id));
  if (change.name) row.name = *change.name;
  if (change.description) row.description = *change.description;
  if (change.url) row.url = *change.url;
  if (change.secret) row.secret = *change.secret;
  if (change.active) row.active = *change.active;
  row.updated_ms = now_ms;
  TRY(
      tx.run("update webhooks set name = ?, description = ?, url = ?, secret = ?, active = ?, "
             "updated_ms = ? where seq = ?",
             row.name, row.description, row.url, row.secret, std::int64_t{row.active},
             row.updated_ms, row.seq));
  if (change.events) TRY(set_events(tx, row.seq, *change.events));
  return with_events(tx, std::move(row));
}

Result<> remove_webhook(db::Tx& tx, const std::string& id) {
  const Row row = TRY(find_row(tx, id));
  TRY(tx.run("delete from webhook_deliveries where webhook = ?", row.seq));
  TRY(tx.run("delete from webhook_events where webhook = ?", row.seq));
  TRY(tx.run("delete from webhooks where seq = ?", row.seq));
  return {};
}

Result<std::int64_t> owe(db::Tx& tx, std::string_view event,
                         const std::function<Result<std::string>()>& body, UnixMs now_ms) {
  const std::vector<std::int64_t> hooks = TRY(tx.all<std::int64_t>(
      "select w.seq from webhook_events e join webhooks w on w.seq = e.webhook where e.event = ? "
      "and w.active = 1 order by w.seq",
      event));
  if (hooks.empty()) return std::int64_t{0};
  const std::string text = TRY(body());
  for (const std::int64_t hook : hooks) {
    TRY(tx.run(
        "insert into webhook_deliveries (webhook, id, body, state, attempts, created_ms, next_ms, "
        "last_error) values (?, ?, ?, 'waiting', 0, ?, ?, '')",
        hook, uuid7(now_ms), text, now_ms, now_ms));
  }
  return static_cast<std::int64_t>(hooks.size());
}

Result<bool> owes(db::Tx& tx) {
  const auto one = TRY(tx.one<std::int64_t>(
      "select w.seq from webhooks w where w.active = 1 and exists (select 1 from "
      "webhook_deliveries d where d.webhook = w.seq and d.state = 'waiting') limit 1"));
  return one.has_value();
}

Result<std::vector<OwedDelivery>> due_deliveries(db::Tx& tx, UnixMs now_ms) {
  std::vector<OwedDelivery> heads = TRY(tx.all<OwedDelivery>(
      "select d.seq, w.id, d.id, d.body, d.attempts, d.created_ms, d.next_ms, w.url, w.secret "
      "from webhooks w join webhook_deliveries d on d.seq = (select min(e.seq) from "
      "webhook_deliveries e where e.webhook = w.seq and e.state = 'waiting') where w.active = 1 "
      "order by d.seq"));
  std::erase_if(heads, [&](const OwedDelivery& head) { return !is_due(head, now_ms); });
  return heads;
}

Result<bool> record_outcome(db::Tx& tx, const OwedDelivery& delivery, const Outcome& outcome,
                            UnixMs now_ms) {
  if (outcome.error.empty()) {
    TRY(tx.run("delete from webhook_deliveries where seq = ?", delivery.seq));
    return false;
  }
  const bool is_given_up = !outcome.try_again || now_ms - delivery.created_ms >= kGiveUpMs;
  const std::int64_t changed = TRY(tx.run(
      "update webhook_deliveries set state = ?, attempts = attempts + 1, next_ms = ?, last_error "
      "= ? where seq = ? and state = 'waiting'",
      is_given_up ? "given_up" : "waiting",
      now_ms + pause_after(static_cast<int>(delivery.attempts) + 1),
      outcome.error.substr(0, kErrorBytesMax), delivery.seq));
  if (!is_given_up || changed == 0) return false;
  TRY(forget_old_failures(tx, delivery.seq));
  return true;
}

}  // namespace slipway::notify
