#include "domain/notify/deliveries.h"

#include <gtest/gtest.h>

#include "domain/notify/notify.h"
#include "graph/graph.h"
#include "io/db/db_testing.h"

namespace slipway::notify {
namespace {

constexpr UnixMs kStart = 1'700'000'000'000;

class DeliveriesTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    OnEachEngine::SetUp();
    pool_ = open(db::joined({graph::migrations(), migrations()}));
    project::Notification hook, other;
    hook.webhook = "http://one/";
    hook.on = {"incident", "rollback"};
    other.webhook = "${env:TWO}";
    other.on = {"incident"};
    declared_ = {hook, other};
    happen("project.applied");
    take_all();
  }

  std::int64_t happen(const std::string& type) {
    auto seq = pool_->write([&](db::Tx& tx) {
      return graph::append_event(tx, {type, {"deployment", "bikes"}, "slipway", 0, {}}, kStart);
    });
    EXPECT_TRUE(seq.ok());
    return *seq;
  }
  void take_all(int limit = 100) {
    bool more = true;
    while (more) {
      auto any = pool_->write([&](db::Tx& tx) { return take_in(tx, declared_, limit, kStart); });
      ASSERT_TRUE(any.ok()) << any.error().message;
      more = *any;
    }
  }
  std::vector<Delivery> due_at(UnixMs now) {
    auto found = pool_->write([&](db::Tx& tx) { return due(tx, declared_, now); });
    EXPECT_TRUE(found.ok()) << found.error().message;
    return *found;
  }
  void record(const Delivery& delivery, const std::string& error, UnixMs now) {
    auto done = pool_->write([&](db::Tx& tx) { return record_attempt(tx, delivery, error, now); });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  std::vector<Delivery> all() {
    return *pool_->read([&](db::Tx& tx) { return deliveries(tx, 100); });
  }

  std::unique_ptr<db::Pool> pool_;
  std::vector<project::Notification> declared_;
};
INSTANTIATE_TEST_SUITE_P(Engines, DeliveriesTest, db::every_engine(), db::engine_name);

TEST_P(DeliveriesTest, NobodyIsToldOfWhatWasBefore) {
  EXPECT_TRUE(all().empty());
}

TEST_P(DeliveriesTest, EachWebhookGetsWhatItWantsInOrder) {
  const std::int64_t first = happen("incident.opened"), second = happen("rollout.rolled_back");
  happen("gate.judged");
  take_all(1);
  take_all();  // and nothing is owed twice
  EXPECT_EQ(all().size(), 3u);

  std::vector<Delivery> heads = due_at(kStart);
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_EQ(heads[0].webhook, "${env:TWO}");
  EXPECT_EQ(heads[1].webhook, "http://one/");
  EXPECT_EQ(heads[1].event_seq, first);
  record(heads[1], "", kStart);
  heads = due_at(kStart);
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_EQ(heads[1].event_seq, second);
}

TEST_P(DeliveriesTest, AFailureIsTriedAgainLaterAndHoldsUpOnlyItsOwn) {
  happen("incident.opened");
  take_all();
  record(due_at(kStart)[1], "the receiver answered 500", kStart);
  ASSERT_EQ(due_at(kStart).size(), 1u);
  std::vector<Delivery> heads = due_at(kStart + 1000);
  ASSERT_EQ(heads.size(), 2u);
  EXPECT_EQ(heads[1].attempts, 1);
  EXPECT_EQ(heads[1].last_error, "the receiver answered 500");
  record(heads[1], "again", kStart + 1000);
  EXPECT_EQ(due_at(kStart + 2999).size(), 1u);
  EXPECT_EQ(due_at(kStart + 3000).size(), 2u);
}

TEST_P(DeliveriesTest, AClockThatIsPutBackDelaysNothing) {
  constexpr UnixMs kDay = 24 * 3600 * 1000;
  happen("rollout.rolled_back");
  take_all();
  EXPECT_EQ(due_at(kStart - kDay).size(), 1u);
  record(due_at(kStart)[0], "no answer", kStart);
  EXPECT_TRUE(due_at(kStart + 999).empty());
  EXPECT_EQ(due_at(kStart - kDay).size(), 1u);
}

TEST_P(DeliveriesTest, GivesUpAfterThreeDays) {
  happen("rollout.rolled_back");
  take_all();
  record(due_at(kStart)[0], "no answer", kStart + kGiveUpMs - 1);
  ASSERT_EQ(due_at(kStart + 2 * kGiveUpMs).size(), 1u);
  record(due_at(kStart + 2 * kGiveUpMs)[0], "no answer", kStart + kGiveUpMs);
  EXPECT_TRUE(due_at(kStart + 2 * kGiveUpMs).empty());
  EXPECT_EQ(all()[0].state, "given_up");
  EXPECT_EQ(all()[0].attempts, 2);
}

TEST_P(DeliveriesTest, AWebhookThatIsNoLongerDeclaredIsOwedNothing) {
  happen("incident.opened");
  take_all();
  declared_.pop_back();
  EXPECT_EQ(due_at(kStart).size(), 1u);
  for (const Delivery& one : all()) {
    EXPECT_EQ(one.state, one.webhook == "http://one/" ? "waiting" : "given_up");
  }
}

TEST_P(DeliveriesTest, AnAttemptThatIsRecordedTwiceChangesNothingMore) {
  happen("rollout.rolled_back");
  take_all();
  const Delivery delivery = due_at(kStart)[0];
  record(delivery, "", kStart);
  record(delivery, "late news of the same attempt", kStart + 5);
  EXPECT_EQ(all()[0].state, "delivered");
  EXPECT_EQ(all()[0].attempts, 1);
}

}  // namespace
}  // namespace slipway::notify
