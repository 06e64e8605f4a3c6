#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/db/db.h"
#include "io/wire/codec.h"

// Webhooks that people make by a call, not in slipway.yaml: who is told of which events, and an
// outbox of what is owed to them. What is owed is written in the transaction of the change that it
// tells of, so nothing is lost by a crash; it is sent at least once. Functions of a caller's Tx; no
// threads. An event is a name of the dialect's, its body a text that nobody here looks into.
// docs/formats/notifications.md describes the tables.
namespace slipway::notify {

std::vector<db::Migration> webhook_migrations();

struct Webhook {
  std::string id, name, description, url;
  std::string secret;  // never in an answer, a log, an error
  bool active = true;
  UnixMs created_ms = 0, updated_ms = 0;
  std::vector<std::string> events;  // in the order given, each once
};

/// What changes; an empty optional stays as it is.
struct WebhookChange {
  std::optional<std::string> name, description, url, secret;
  std::optional<bool> active;
  std::optional<std::vector<std::string>> events;
};

/// kConflict when there are kWebhooksMax.
inline constexpr std::int64_t kWebhooksMax = 1000;
Result<> add_webhook(db::Tx& tx, const Webhook& webhook);
/// kMissing.
Result<Webhook> find_webhook(db::Tx& tx, const std::string& id);
/// Whether there are any.
Result<bool> any_webhook(db::Tx& tx);
/// Newest first.
Result<std::vector<Webhook>> list_webhooks(db::Tx& tx, std::int64_t offset, std::int64_t limit);
/// kMissing.
Result<Webhook> change_webhook(db::Tx& tx, const std::string& id, const WebhookChange& change,
                               UnixMs now_ms);
/// With what is owed to it. kMissing.
Result<> remove_webhook(db::Tx& tx, const std::string& id);

/// Owes `body()` to each active webhook that wants one of such events; not called where there is
/// none. Returns to how many.
Result<std::int64_t> owe(db::Tx& tx, std::string_view event,
                         const std::function<Result<std::string>()>& body, UnixMs now_ms);

/// A delivery with all that sending it needs.
struct OwedDelivery {
  std::int64_t seq = 0;
  std::string webhook;  // its id
  std::string id;       // of the delivery: the same however often it is tried
  std::string body;
  std::int64_t attempts = 0;
  UnixMs created_ms = 0, next_ms = 0;
  std::string url, secret;
};
WIRE(OwedDelivery, seq, webhook, id, body, attempts, created_ms, next_ms, url, secret)

/// Whether anything is owed to an active webhook.
Result<bool> owes(db::Tx& tx);
/// The oldest delivery of each active webhook, where it is due: one receiver gets its events in
/// order, and a slow one holds up nobody else.
Result<std::vector<OwedDelivery>> due_deliveries(db::Tx& tx, UnixMs now_ms);

/// What came of an attempt.
struct Outcome {
  std::string error;       // empty: it was taken
  bool try_again = false;  // the error may pass
};
/// A delivery that was taken is forgotten, one that failed is tried again later (pause_after), or
/// given up: at once when trying again is of no use, else after kGiveUpMs. True when it was given
/// up; the last kGivenUpKept of a webhook are kept, with why.
inline constexpr std::int64_t kGivenUpKept = 100;
Result<bool> record_outcome(db::Tx& tx, const OwedDelivery& delivery, const Outcome& outcome,
                            UnixMs now_ms);

}  // namespace slipway::notify
