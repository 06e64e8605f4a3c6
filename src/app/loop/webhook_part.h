#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>

#include "app/circle.h"
#include "app/loop/couriers.h"
#include "base/metrics.h"
#include "dialects/mlflow/webhooks.h"
#include "io/db/db.h"

namespace slipway::app {

/// Sends what is owed to the registry's webhooks, by threads of its own. What is still under way at
/// the end is sent again by the next server.
class WebhookPart final : public Part {
 public:
  /// `wake` is called when an attempt is over. `post`: null for HTTP, to the public internet only
  /// unless `private_allowed`. All must outlive it.
  WebhookPart(db::Pool& pool, Metrics& metrics, std::function<void()> wake, bool private_allowed,
              mlflow::PostWebhook post = nullptr);
  /// Gives up what is under way, in about a second.
  ~WebhookPart() override;

  std::string name() const override { return "webhooks"; }
  Result<bool> turn(UnixMs now) override;
  /// Receivers are no part of the loop: nothing waits for them.
  bool is_pending() const override { return false; }
  /// For tests: returns once no request is under way.
  void finish_requests() { couriers_.finish(); }

 private:
  void attempt(const notify::OwedDelivery& delivery, UnixMs now);
  bool note_outcome(const std::string& webhook, bool is_taken);

  db::Pool& pool_;
  Counter& sent_;
  Counter& failed_;
  std::mutex mutex_;
  std::set<std::string> failing_;  // webhooks whose last attempt failed
  mlflow::PostWebhook post_;
  Couriers couriers_;
};

/// Posts over HTTP, at most ten seconds, no redirects; ends early when `stop` is set.
mlflow::PostWebhook http_post(bool private_allowed, std::optional<StopToken> stop = {});

}  // namespace slipway::app
