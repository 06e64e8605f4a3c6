#pragma once

#include <functional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "domain/notify/webhooks.h"
#include "domain/registry/registry.h"
#include "io/db/db.h"
#include "io/http/message.h"
#include "io/http/router.h"

// The registry's webhooks: who is told of what, as calls make it, and what is sent. The outbox is
// domain/notify's, what sends is app's.
namespace slipway::mlflow {

/// Writes what is owed to webhooks in the transaction of the change.
registry::Witness webhook_witness();
/// The same for an alias that this server moved by itself.
Result<> note_alias(db::Tx& tx, const std::string& model, const std::string& alias,
                    std::int64_t number, UnixMs now_ms);

/// Posts a body; the error says why there was no answer. Any thread, several at once.
using PostWebhook = std::function<Result<http::Response>(
    const std::string& url, const std::string& body, const http::Headers& headers)>;

/// Sends one delivery and says what came of it: any 2xx is success; 408, 429, 5xx and no answer may
/// pass.
notify::Outcome send_webhook(const notify::OwedDelivery& delivery, const PostWebhook& post,
                             UnixMs now_ms);

struct WebhookOptions {
  /// Webhooks may go to http:// and to addresses that are not of the public internet.
  bool private_allowed = false;
  PostWebhook post = {};               // for the call that tests a webhook
  std::function<void()> changed = {};  // something may be due now
};

/// Adds /webhooks... to both prefixes of the API. `pool` and `clock` must outlive the server.
void mount_webhooks(http::Router& router, db::Pool& pool, const Clock& clock,
                    WebhookOptions options);

}  // namespace slipway::mlflow
