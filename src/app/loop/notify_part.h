#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "app/circle.h"
#include "app/loop/couriers.h"
#include "base/metrics.h"
#include "domain/notify/deliveries.h"
#include "domain/notify/notify.h"
#include "domain/project/applied.h"

namespace slipway::app {

/// Keeps the outbox of notifications and sends what is due. Requests are made by threads of its
/// own, so that a receiver that hangs holds up neither the loop nor another receiver. What is still
/// under way at the end is sent again by the next server.
class NotifyPart final : public Part {
 public:
  /// POSTs to a receiver; the error says what it answered. Any thread, several at once.
  using Post = std::function<Result<>(const std::string& url, const std::string& body,
                                      const std::vector<notify::Header>& headers)>;

  /// `wake` is called when an attempt is over. `post`: null for HTTP. All must outlive it.
  NotifyPart(db::Pool& pool, Metrics& metrics, std::function<void()> wake,
             notify::Variable variable, Post post = nullptr);
  /// Gives up what is under way, in about a second.
  ~NotifyPart() override;

  std::string name() const override { return "notifications"; }
  Result<bool> turn(UnixMs now) override;
  /// Receivers are no part of the loop: nothing waits for them.
  bool is_pending() const override { return false; }
  /// For tests: returns once no request is under way.
  void finish_requests() { couriers_.finish(); }

 private:
  struct Job {
    notify::Delivery delivery;
    std::string project, secret_written;
    UnixMs now = 0;
  };

  void attempt(const Job& job);
  bool note_outcome(const std::string& webhook, bool is_taken);
  Result<> post(const std::string& url, const std::string& body,
                const std::vector<notify::Header>& headers);
  Result<> send(const Job& job);

  db::Pool& pool_;
  Counter& sent_;
  Counter& failed_;
  const notify::Variable variable_;
  const Post post_;
  project::CurrentProject project_;
  std::mutex mutex_;
  std::set<std::string> failing_;  // webhooks whose last attempt failed
  Couriers couriers_;
};

}  // namespace slipway::app
