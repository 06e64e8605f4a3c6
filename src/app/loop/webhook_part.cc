#include "app/loop/webhook_part.h"

#include "base/failpoint.h"
#include "base/log.h"
#include "io/http/client.h"

namespace slipway::app {

mlflow::PostWebhook http_post(bool private_allowed, std::optional<StopToken> stop) {
  return [private_allowed, stop = std::move(stop)](const std::string& url, const std::string& body,
                                                   const http::Headers& headers) {
    http::ClientRequest request;
    request.method = http::Method::kPost;
    request.url = url;
    request.headers = headers;
    request.body = body;
    request.timeout = std::chrono::seconds(10);
    request.response_bytes_max = 64u << 10;
    request.public_only = !private_allowed;
    request.stop = stop;
    return http::fetch(request);
  };
}

WebhookPart::WebhookPart(db::Pool& pool, Metrics& metrics, std::function<void()> wake,
                         bool private_allowed, mlflow::PostWebhook post)
    : pool_(pool),
      sent_(metrics.counter("slipway_webhooks_total", "Deliveries to webhooks, by outcome",
                            {{"outcome", "delivered"}})),
      failed_(metrics.counter("slipway_webhooks_total", "Deliveries to webhooks, by outcome",
                              {{"outcome", "failed"}})),
      post_(std::move(post)),
      couriers_(std::move(wake)) {
  if (!post_) post_ = http_post(private_allowed, couriers_.stop());
}

WebhookPart::~WebhookPart() = default;

Result<bool> WebhookPart::turn(UnixMs now) {
  if (!TRY(pool_.read([](db::Tx& tx) { return notify::owes(tx); }))) return false;
  const auto due = TRY(pool_.read([&](db::Tx& tx) { return notify::due_deliveries(tx, now); }));
  for (const notify::OwedDelivery& delivery : due) {
    couriers_.send(delivery.webhook, [this, delivery, now] { attempt(delivery, now); });
  }
  return false;
}

/// Whether that is the first failure since it took one.
bool WebhookPart::note_outcome(const std::string& webhook, bool is_taken) {
  std::lock_guard lock(mutex_);
  if (is_taken) failing_.erase(webhook);
  return !is_taken && failing_.insert(webhook).second;
}

void WebhookPart::attempt(const notify::OwedDelivery& delivery, UnixMs now) {
  const notify::Outcome outcome = mlflow::send_webhook(delivery, post_, now);
  failpoint("webhooks.sent");
  // Given up by us, it is no failure of the receiver: the next server sends it.
  if (!outcome.error.empty() && couriers_.stop().stop_requested()) return;
  const bool is_taken = outcome.error.empty();
  (is_taken ? sent_ : failed_).add();
  // An address may hold a token: what is said outside of the catalogue is the webhook's id.
  if (note_outcome(delivery.webhook, is_taken)) {
    log_warning("a webhook did not take a delivery",
                {{"webhook", delivery.webhook},
                 {"next", outcome.try_again ? "it is sent again, for three days" : "given up"}});
  }
  const Result<bool> recorded =
      pool_.write([&](db::Tx& tx) { return notify::record_outcome(tx, delivery, outcome, now); });
  if (!recorded.ok()) {
    log_warning("the outcome of a delivery could not be kept; it may be sent again",
                {{"webhook", delivery.webhook}, {"why", recorded.error().message}});
  }
}

}  // namespace slipway::app
