#include "app/loop/notify_part.h"

#include <algorithm>

#include "base/failpoint.h"
#include "base/log.h"
#include "graph/graph.h"
#include "io/http/client.h"

namespace slipway::app {
namespace {

constexpr int kEventsPerTurn = 1000;

Result<std::optional<graph::LoggedEvent>> event_of(db::Tx& tx, std::int64_t seq) {
  std::vector<graph::LoggedEvent> found = TRY(graph::events_after(tx, seq - 1, 1));
  if (found.empty() || found[0].seq != seq) return std::optional<graph::LoggedEvent>();
  return std::optional<graph::LoggedEvent>(std::move(found[0]));
}

}  // namespace

Result<> NotifyPart::post(const std::string& url, const std::string& body,
                          const std::vector<notify::Header>& headers) {
  http::ClientRequest request;
  request.method = http::Method::kPost;
  request.url = url;
  for (const notify::Header& one : headers) request.headers.set(one.name, one.value);
  request.body = body;
  request.timeout = std::chrono::seconds(10);
  request.response_bytes_max = 64u << 10;
  request.stop = couriers_.stop();
  http::Response response = TRY(http::fetch(request));
  if (response.status >= 200 && response.status < 300) return {};
  return Error{Code::kUnavailable, "the receiver answered " + std::to_string(response.status)};
}

NotifyPart::NotifyPart(db::Pool& pool, Metrics& metrics, std::function<void()> wake,
                       notify::Variable variable, Post post)
    : pool_(pool),
      sent_(metrics.counter("slipway_notifications_total", "Notifications, by outcome",
                            {{"outcome", "delivered"}})),
      failed_(metrics.counter("slipway_notifications_total", "Notifications, by outcome",
                              {{"outcome", "failed"}})),
      variable_(variable),
      post_(post != nullptr ? std::move(post)
                            : [this](const std::string& url, const std::string& body,
                                     const std::vector<notify::Header>&
                                         headers) { return this->post(url, body, headers); }),
      couriers_(std::move(wake)) {}

NotifyPart::~NotifyPart() = default;

Result<bool> NotifyPart::turn(UnixMs now) {
  auto declared = TRY(pool_.read([&](db::Tx& tx) { return project_.get(tx); }));
  const std::vector<project::Notification> none;
  const std::vector<project::Notification>& notify =
      declared ? declared->declared.file.notify : none;
  const bool more = TRY(pool_.read([&](db::Tx& tx) { return notify::has_news(tx); }));
  if (more) {
    TRY(pool_.write([&](db::Tx& tx) { return notify::take_in(tx, notify, kEventsPerTurn, now); }));
    failpoint("notify.taken_in");
  }
  if (TRY(pool_.read([&](db::Tx& tx) { return notify::waits(tx); }))) {
    const auto due = TRY(pool_.write([&](db::Tx& tx) { return notify::due(tx, notify, now); }));
    for (const notify::Delivery& delivery : due) {
      const auto hook = std::find_if(notify.begin(), notify.end(), [&](const auto& one) {
        return one.webhook == delivery.webhook;
      });
      Job job{delivery, declared->declared.file.name, hook->secret, now};
      couriers_.send(delivery.webhook, [this, job = std::move(job)] { attempt(job); });
    }
  }
  return more;
}

/// Whether that is the first failure since it took one.
bool NotifyPart::note_outcome(const std::string& webhook, bool is_taken) {
  std::lock_guard lock(mutex_);
  if (is_taken) failing_.erase(webhook);
  return !is_taken && failing_.insert(webhook).second;
}

void NotifyPart::attempt(const Job& job) {
  const Result<> sent = send(job);
  failpoint("notify.sent");
  // Given up by us, it is no failure of the receiver: the next server sends it.
  if (!sent.ok() && couriers_.stop().stop_requested()) return;
  (sent.ok() ? sent_ : failed_).add();
  const std::string error = sent.ok() ? "" : sent.error().message;
  if (note_outcome(job.delivery.webhook, sent.ok())) {
    log_warning("a webhook does not take notifications; they are sent again, for three days",
                {{"webhook", job.delivery.webhook}, {"why", error}});
  }
  const Result<bool> recorded = pool_.write(
      [&](db::Tx& tx) { return notify::record_attempt(tx, job.delivery, error, job.now); });
  if (recorded.ok() && *recorded) {
    log_error("a notification was given up", {{"webhook", job.delivery.webhook},
                                              {"event", std::to_string(job.delivery.event_seq)},
                                              {"why", error}});
  }
  if (!recorded.ok()) {
    log_warning("the outcome of a notification could not be kept; it may be sent again",
                {{"webhook", job.delivery.webhook}, {"why", recorded.error().message}});
  }
}

Result<> NotifyPart::send(const Job& job) {
  const auto url = notify::resolve(job.delivery.webhook, variable_);
  const auto secret = notify::resolve(job.secret_written, variable_);
  if (!url || !secret) {
    return Error{Code::kUnavailable, (url ? job.secret_written : job.delivery.webhook) +
                                         " is not set in the environment of the server"};
  }
  const auto event =
      TRY(pool_.read([&](db::Tx& tx) { return event_of(tx, job.delivery.event_seq); }));
  if (!event) return Error{Code::kMissing, "its event is no longer in the log"};
  const std::string body = notify::body_of(*event, job.project);
  Result<> posted = post_(*url, body, notify::headers_of(event->id, job.now, *secret, body));
  if (posted.ok()) return {};
  // The address may hold a token: what is kept and logged has it as it was written.
  std::string message = posted.error().message;
  for (std::size_t at; !url->empty() && (at = message.find(*url)) != std::string::npos;) {
    message.replace(at, url->size(), "the webhook");
  }
  return Error{posted.error().code, message};
}

}  // namespace slipway::app
