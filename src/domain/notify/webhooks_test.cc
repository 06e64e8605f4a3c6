#include "domain/notify/webhooks.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "domain/notify/notify.h"
#include "io/db/db_testing.h"

namespace slipway::notify {
namespace {

constexpr UnixMs kStart = 1'700'000'000'000;

class WebhooksTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    OnEachEngine::SetUp();
    pool_ = open(webhook_migrations());
  }

  template <class F>
  auto write(F f) {
    auto done = pool_->write(f);
    EXPECT_TRUE(done.ok()) << done.error().message;
    return *done;
  }
  void add(const std::string& id, std::vector<std::string> events, bool active = true,
           UnixMs created = kStart) {
    Webhook hook{id,     "hook " + id, "",      "https://" + id + "/", "secret",
                 active, created,      created, std::move(events)};
    auto done = pool_->write([&](db::Tx& tx) { return add_webhook(tx, hook); });
    ASSERT_TRUE(done.ok()) << done.error().message;
  }
  std::int64_t happen(const std::string& event, const std::string& body = "{}") {
    return write([&](db::Tx& tx) {
      return owe(
          tx, event, [&] { return Result<std::string>(body); }, kStart);
    });
  }
  std::vector<OwedDelivery> due_at(UnixMs now) {
    return *pool_->read([&](db::Tx& tx) { return due_deliveries(tx, now); });
  }
  bool record(const OwedDelivery& delivery, const Outcome& outcome, UnixMs now = kStart) {
    return write([&](db::Tx& tx) { return record_outcome(tx, delivery, outcome, now); });
  }
  Webhook find(const std::string& id) {
    return *pool_->read([&](db::Tx& tx) { return find_webhook(tx, id); });
  }
  std::string listed() {
    std::vector<std::string> ids;
    auto found = pool_->read([](db::Tx& tx) { return list_webhooks(tx, 0, 100); });
    for (const Webhook& one : *found) ids.push_back(one.id);
    return join(ids, " ");
  }

  std::unique_ptr<db::Pool> pool_;
};
INSTANTIATE_TEST_SUITE_P(Engines, WebhooksTest, db::every_engine(), db::engine_name);

TEST_P(WebhooksTest, AreKeptAsTheyWereGiven) {
  add("a", {"two", "one", "two"});
  const Webhook hook = find("a");
  EXPECT_EQ(hook.name, "hook a");
  EXPECT_EQ(hook.secret, "secret");
  EXPECT_EQ(hook.events, (std::vector<std::string>{"two", "one"}));
}

TEST_P(WebhooksTest, AreListedNewestFirst) {
  add("a", {"one"});
  add("b", {"one"}, true, kStart + 1);
  add("c", {"one"}, true, kStart + 1);
  EXPECT_EQ(listed(), "c b a");
}

TEST_P(WebhooksTest, ChangeOnlyInWhatIsSaid) {
  add("a", {"one"});
  WebhookChange change;
  change.url = "https://elsewhere/";
  change.events = {"two"};
  const Webhook changed =
      write([&](db::Tx& tx) { return change_webhook(tx, "a", change, kStart + 7); });
  EXPECT_EQ(changed.url, "https://elsewhere/");
  EXPECT_EQ(changed.name, "hook a");
  EXPECT_EQ(changed.events, std::vector<std::string>{"two"});
  EXPECT_EQ(changed.updated_ms, kStart + 7);
}

TEST_P(WebhooksTest, ThatAreUnknownAreMissing) {
  const auto none = pool_->read([](db::Tx& tx) { return find_webhook(tx, "a"); });
  EXPECT_EQ(none.error().code, Code::kMissing);
}

TEST_P(WebhooksTest, OweAnEventToWhoWantsItOnly) {
  add("a", {"one", "two"});
  add("b", {"two"});
  add("off", {"one"}, /*active=*/false);
  EXPECT_EQ(happen("one"), 1);
  EXPECT_EQ(happen("two"), 2);
  EXPECT_EQ(happen("three"), 0);
  const auto due = due_at(kStart);
  ASSERT_EQ(due.size(), 2u);
  EXPECT_EQ(due[0].webhook, "a");
  EXPECT_EQ(due[0].url, "https://a/");
  EXPECT_EQ(due[1].webhook, "b");
  EXPECT_NE(due[0].id, due[1].id);
}

TEST_P(WebhooksTest, MakeNoBodyThatNobodyWants) {
  add("a", {"one"});
  bool made = false;
  write([&](db::Tx& tx) {
    return owe(
        tx, "two",
        [&] {
          made = true;
          return Result<std::string>("{}");
        },
        kStart);
  });
  EXPECT_FALSE(made);
}

TEST_P(WebhooksTest, GetTheirEventsInOrder) {
  add("a", {"one"});
  happen("one", "first");
  happen("one", "second");
  ASSERT_EQ(due_at(kStart).size(), 1u);
  EXPECT_EQ(due_at(kStart)[0].body, "first");
  record(due_at(kStart)[0], {});
  EXPECT_EQ(due_at(kStart)[0].body, "second");
}

TEST_P(WebhooksTest, AreTriedAgainUnderTheSameId) {
  add("a", {"one"});
  happen("one");
  const std::string id = due_at(kStart)[0].id;
  EXPECT_FALSE(record(due_at(kStart)[0], {"answered 503", true}));
  EXPECT_TRUE(due_at(kStart + 999).empty());
  ASSERT_EQ(due_at(kStart + 1000).size(), 1u);
  EXPECT_EQ(due_at(kStart + 1000)[0].id, id);
}

TEST_P(WebhooksTest, GiveUpAtOnceWhatIsRefused) {
  add("a", {"one"});
  happen("one");
  EXPECT_TRUE(record(due_at(kStart)[0], {"answered 404", false}));
  EXPECT_TRUE(due_at(kStart + kGiveUpMs).empty());
}

TEST_P(WebhooksTest, GiveUpAfterThreeDays) {
  add("a", {"one"});
  happen("one");
  EXPECT_FALSE(record(due_at(kStart)[0], {"no answer", true}, kStart + kGiveUpMs - 1));
  EXPECT_TRUE(record(due_at(kStart + 2 * kGiveUpMs)[0], {"no answer", true}, kStart + kGiveUpMs));
}

TEST_P(WebhooksTest, WaitWhileTheyAreOff) {
  add("a", {"one"});
  happen("one");
  WebhookChange off, on;
  off.active = false;
  on.active = true;
  write([&](db::Tx& tx) { return change_webhook(tx, "a", off, kStart); });
  EXPECT_TRUE(due_at(kStart).empty());
  EXPECT_FALSE(*pool_->read([](db::Tx& tx) { return owes(tx); }));
  write([&](db::Tx& tx) { return change_webhook(tx, "a", on, kStart); });
  EXPECT_EQ(due_at(kStart).size(), 1u);
}

TEST_P(WebhooksTest, AreOwedNothingOnceTheyAreGone) {
  add("a", {"one"});
  happen("one");
  auto removed = pool_->write([](db::Tx& tx) { return remove_webhook(tx, "a"); });
  ASSERT_TRUE(removed.ok()) << removed.error().message;
  EXPECT_TRUE(due_at(kStart).empty());
  EXPECT_EQ(happen("one"), 0);
}

TEST_P(WebhooksTest, KeepOnlyTheLastFailures) {
  add("a", {"one"});
  write([](db::Tx& tx) -> Result<bool> {
    for (int i = 0; i < kGivenUpKept + 20; ++i) {
      TRY(owe(
          tx, "one", [] { return Result<std::string>("{}"); }, kStart));
      const auto due = TRY(due_deliveries(tx, kStart));
      TRY(record_outcome(tx, due.at(0), {"answered 404", false}, kStart));
    }
    return true;
  });
  const auto kept = *pool_->read(
      [](db::Tx& tx) { return tx.one<std::int64_t>("select count(*) from webhook_deliveries"); });
  EXPECT_EQ(kept, kGivenUpKept);
}

}  // namespace
}  // namespace slipway::notify
