#include "domain/notify/undelivered.h"

#include <gtest/gtest.h>

#include "domain/notify/deliveries.h"
#include "domain/notify/notify.h"
#include "domain/notify/webhooks.h"
#include "graph/graph.h"
#include "io/db/db_testing.h"

namespace slipway::notify {
namespace {

constexpr UnixMs kStart = 1'700'000'000'000, kMinute = 60'000;

TEST(ShownAddress, KeepsWhatMayBeASecretToItself) {
  const std::pair<const char*, const char*> cases[] = {
      {"${env:HOOK}", "${env:HOOK}"},
      {"https://hooks.example/services/T0/B1/secret", "https://hooks.example/..."},
      {"https://hooks.example/", "https://hooks.example/"},
      {"https://hooks.example", "https://hooks.example/"},
      {"https://hooks.example?token=secret", "https://hooks.example/..."},
      {"https://ann:secret@hooks.example:8443/x", "https://hooks.example:8443/..."},
      {"https://ann:se@cret@hooks.example/x", "https://hooks.example/..."},
      {"https://${env:HOST}/x", "https://${env:HOST}/..."},
      {"${env:HOOK}secret", "..."},
      {"secret", "..."},
      {"", "..."},
  };
  for (const auto& [address, shown] : cases) EXPECT_EQ(shown_address(address), shown);
}

class UndeliveredTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    OnEachEngine::SetUp();
    pool_ = open(db::joined({graph::migrations(), migrations(), webhook_migrations()}));
    project::Notification hook;
    hook.webhook = "https://one.example/secret";
    hook.on = {"incident"};
    declared_ = {hook};
    happen("project.applied");
  }
  void happen(const std::string& type) {
    ASSERT_TRUE(pool_
                    ->write([&](db::Tx& tx) -> Result<> {
                      TRY(graph::append_event(tx, {type, {"deployment", "x"}, "ann", 0, {}}, now_));
                      TRY(take_in(tx, declared_, 100, now_));
                      return {};
                    })
                    .ok());
  }
  void attempt(const std::string& error) {
    ASSERT_TRUE(pool_
                    ->write([&](db::Tx& tx) -> Result<> {
                      for (const Delivery& one : TRY(due(tx, declared_, now_)))
                        TRY(record_attempt(tx, one, error, now_));
                      return {};
                    })
                    .ok());
  }
  void attempt_made(const Outcome& outcome) {
    ASSERT_TRUE(pool_
                    ->write([&](db::Tx& tx) -> Result<> {
                      for (const OwedDelivery& one : TRY(due_deliveries(tx, now_)))
                        TRY(record_outcome(tx, one, outcome, now_));
                      return {};
                    })
                    .ok());
  }
  std::vector<Undelivered> found() {
    auto all = pool_->read(
        [&](db::Tx& tx) { return undelivered(tx, now_ - kMinute, now_ - 7 * 24 * 60 * kMinute); });
    EXPECT_TRUE(all.ok()) << all.error().message;
    return all.ok() ? *all : std::vector<Undelivered>();
  }

  UnixMs now_ = kStart;
  std::unique_ptr<db::Pool> pool_;
  std::vector<project::Notification> declared_;
};
INSTANTIATE_TEST_SUITE_P(Engines, UndeliveredTest, db::every_engine(), db::engine_name);

TEST_P(UndeliveredTest, WhatWasOwedJustNowIsNotLate) {
  happen("incident.opened");
  EXPECT_TRUE(found().empty());
  attempt("");
  now_ += 10 * kMinute;
  EXPECT_TRUE(found().empty());
}

TEST_P(UndeliveredTest, AReceiverThatHangsIsLateBeforeItsFirstAttemptIsOver) {
  happen("incident.opened");
  now_ += 2 * kMinute;
  const auto all = found();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].waiting, 1);
  EXPECT_EQ(all[0].attempts, 0);
}

TEST_P(UndeliveredTest, AReceiverThatIsDownIsToldWithItsLastErrorUntilItTakesThem) {
  happen("incident.opened");
  attempt("connection refused");
  now_ += 1;
  happen("incident.closed");
  const auto all = found();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].receiver, "https://one.example/...");
  EXPECT_EQ(all[0].waiting, 2);
  EXPECT_EQ(all[0].oldest_ms, kStart);
  EXPECT_EQ(all[0].attempts, 1);
  EXPECT_EQ(all[0].last_error, "connection refused");
  now_ += kMinute / 2;
  attempt("");
  attempt("");
  EXPECT_TRUE(found().empty());
}

TEST_P(UndeliveredTest, WhatWasGivenUpIsToldForAWeek) {
  happen("incident.opened");
  now_ += kGiveUpMs;
  attempt("connection refused");
  auto all = found();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].waiting, 0);
  EXPECT_EQ(all[0].oldest_ms, 0);
  EXPECT_EQ(all[0].given_up, 1);
  EXPECT_EQ(all[0].last_error, "connection refused");
  now_ += 8 * 24 * 60 * kMinute;
  EXPECT_TRUE(found().empty());
}

TEST_P(UndeliveredTest, WhatNobodyWantsAnyMoreIsNoFailure) {
  happen("incident.opened");
  declared_.clear();
  attempt("");
  EXPECT_TRUE(found().empty());
}

TEST_P(UndeliveredTest, AWebhookThatAClientMadeIsToldByItsName) {
  const auto owed = pool_->write([&](db::Tx& tx) -> Result<> {
    Webhook webhook;
    webhook.id = "w1";
    webhook.name = "chat";
    webhook.url = "https://two.example/secret";
    webhook.events = {"model_version.created"};
    TRY(add_webhook(tx, webhook));
    TRY(owe(
        tx, "model_version.created", [] { return Result<std::string>("{}"); }, now_));
    return {};
  });
  ASSERT_TRUE(owed.ok()) << owed.error().message;
  EXPECT_TRUE(found().empty());
  attempt_made({"the receiver answered 503", true});
  ASSERT_EQ(found().size(), 1u);
  EXPECT_EQ(found()[0].receiver, "'chat' (https://two.example/...)");
  EXPECT_EQ(found()[0].waiting, 1);
  now_ += kMinute;
  attempt_made({"the receiver answered 404", false});
  ASSERT_EQ(found().size(), 1u);
  EXPECT_EQ(found()[0].waiting, 0);
  EXPECT_EQ(found()[0].given_up, 1);
  EXPECT_EQ(found()[0].last_error, "the receiver answered 404");
}

}  // namespace
}  // namespace slipway::notify
