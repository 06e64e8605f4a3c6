#include "app/loop/nats_part.h"

#include <gtest/gtest.h>

#include <deque>

#include "app/app.h"
#include "domain/flows/runs_store.h"
#include "io/db/db_testing.h"

namespace slipway::app {
namespace {

using std::chrono::milliseconds;

TEST(NatsListener, TriesEverMoreSlowly) {
  EXPECT_EQ(retry_after(0), milliseconds(250));
  EXPECT_EQ(retry_after(1), milliseconds(500));
  EXPECT_EQ(retry_after(6), milliseconds(16'000));
  EXPECT_EQ(retry_after(7), milliseconds(30'000));
  EXPECT_EQ(retry_after(1'000'000), milliseconds(30'000));
}

TEST(NatsListener, TakesNoMoreThanSoManyASecond) {
  EXPECT_EQ(pause_after(64, milliseconds(0)), milliseconds(12));
  EXPECT_EQ(pause_after(64, milliseconds(10)), milliseconds(2));
  EXPECT_EQ(pause_after(64, milliseconds(100)), milliseconds(0));
  EXPECT_EQ(pause_after(kMessagesPerSecondMax, milliseconds(0)), milliseconds(1'000));
}

/// A stream in memory that gives again what was not settled, and may be out of order.
class FakeBroker {
 public:
  void publish(const std::string& body) {
    std::lock_guard lock(mutex_);
    nats::Message message;
    message.at = {"LABELS", 1, ++sequence_};
    message.subject = "labels.ready";
    message.body = body;
    message.bytes = body.size();
    waiting_.push_back(message);
    changed_.notify_all();
  }
  void set_error(std::optional<Error> error) {
    std::lock_guard lock(mutex_);
    error_ = std::move(error);
    changed_.notify_all();
  }
  /// Returns once so many are settled; how.
  std::vector<nats::Settle> settled(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return settled_.size() >= count; });
    return settled_;
  }
  void wait_for_tries(int tries) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return tries_ >= tries; });
  }
  std::vector<nats::Subscription> asked() {
    std::lock_guard lock(mutex_);
    return asked_;
  }
  std::vector<std::string> removed() {
    std::lock_guard lock(mutex_);
    return removed_;
  }

  NatsPart::Broker face() {
    NatsPart::Broker broker;
    broker.subscribe = [this](const nats::Subscription& wanted,
                              int) -> Result<std::unique_ptr<nats::Consumer>> {
      std::lock_guard lock(mutex_);
      ++tries_;
      asked_.push_back(wanted);
      changed_.notify_all();
      if (error_) return *error_;
      return std::unique_ptr<nats::Consumer>(std::make_unique<FakeConsumer>(*this));
    };
    broker.remove = [this](const std::string&, const std::string& stream,
                           const std::string& consumer) -> Result<> {
      std::lock_guard lock(mutex_);
      removed_.push_back(stream + "/" + consumer);
      changed_.notify_all();
      return {};
    };
    return broker;
  }
  void wait_for_removal() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !removed_.empty(); });
  }

 private:
  class FakeConsumer final : public nats::Consumer {
   public:
    explicit FakeConsumer(FakeBroker& broker) : broker_(broker) {}
    ~FakeConsumer() override {
      std::lock_guard lock(broker_.mutex_);
      broker_.waiting_.insert(broker_.waiting_.begin(), held_.begin(), held_.end());
    }
    Result<std::vector<nats::Message>> fetch(milliseconds wait) override {
      std::unique_lock lock(broker_.mutex_);
      broker_.changed_.wait_for(lock, std::min(wait, milliseconds(20)),
                                [&] { return !broker_.waiting_.empty() || broker_.error_; });
      if (broker_.error_) return *broker_.error_;
      held_.assign(broker_.waiting_.begin(), broker_.waiting_.end());
      broker_.waiting_.clear();
      return held_;
    }
    Result<> settle(const std::vector<nats::Settle>& settles) override {
      std::lock_guard lock(broker_.mutex_);
      held_.clear();
      broker_.settled_.insert(broker_.settled_.end(), settles.begin(), settles.end());
      broker_.changed_.notify_all();
      return {};
    }
    std::string stream() const override { return "LABELS"; }

   private:
    FakeBroker& broker_;
    std::vector<nats::Message> held_;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<nats::Message> waiting_;
  std::vector<nats::Settle> settled_;
  std::vector<nats::Subscription> asked_;
  std::vector<std::string> removed_;
  std::optional<Error> error_;
  std::uint64_t sequence_ = 0;
  int tries_ = 0;
};

constexpr UnixMs kStart = 1'300'000'000'000;
constexpr char kBegin[] = R"(version: 1
project: bikes
use_case: {problem: p, user: u, owner: o, requirements: []}
pipelines: {train: {}}
triggers:
)";
constexpr char kReady[] =
    "  ready: {pipeline: train, cloudevent: {type: ready, nats: labels.ready}, overlap: allow}\n";

class NatsPartTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = db::TestDatabase::make(db::Engine::kSqlite);
    ASSERT_TRUE(made.ok());
    database_ = std::move(*made);
    auto opened = db::Pool::open(database_->uri(), all_migrations(), metrics_);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    pool_ = std::move(*opened);
  }
  void TearDown() override { part_.reset(); }
  void begin_server(bool is_named = true) {
    part_.reset();
    NatsPart::Broker broker = broker_.face();
    broker.is_named = is_named;
    part_ = std::make_unique<NatsPart>(*pool_, metrics_, std::move(broker), "here", [this] {
      std::lock_guard lock(mutex_);
      ++wakes_;
      woken_.notify_all();
    });
  }
  void apply(const std::string& triggers) {
    auto declared = project::declare(kBegin + triggers, {});
    ASSERT_TRUE(declared.ok()) << declared.error().message;
    ASSERT_TRUE(
        pool_->write([&](db::Tx& tx) { return project::apply(tx, *declared, "ann", now_); }).ok());
  }
  /// Turns whenever it is woken, until `done`.
  template <class Done>
  void turn_until(Done done) {
    while (true) {
      int seen = 0;
      {
        std::lock_guard lock(mutex_);
        seen = wakes_;
      }
      Result<bool> did = part_->turn(now_);
      ASSERT_TRUE(did.ok()) << did.error().message;
      if (done()) return;
      if (*did) continue;
      std::unique_lock lock(mutex_);
      woken_.wait_for(lock, milliseconds(50), [&] { return wakes_ != seen; });
    }
  }
  std::vector<graph::LoggedEvent> events(const std::string& type) {
    auto all = *pool_->read([](db::Tx& tx) { return graph::events_after(tx, 0, 1000); });
    std::erase_if(all, [&](const auto& event) { return event.event.type != type; });
    return all;
  }
  std::size_t runs() {
    return pool_->read([](db::Tx& tx) { return flows::recent_runs(tx, 1000); })->size();
  }
  wire::Json source() {
    const wire::Json json = *pool_->read([](db::Tx& tx) { return show_nats_sources(tx); });
    return json.find("sources")->as_array().front();
  }

  Metrics metrics_;
  std::unique_ptr<db::TestDatabase> database_;
  std::unique_ptr<db::Pool> pool_;
  FakeBroker broker_;
  std::mutex mutex_;
  std::condition_variable woken_;
  int wakes_ = 0;
  UnixMs now_ = kStart;
  std::unique_ptr<NatsPart> part_;
};

TEST_F(NatsPartTest, AMessageIsARunAndThenSettled) {
  apply(kReady);
  begin_server();
  broker_.publish(R"({"day": 1})");
  turn_until([&] { return runs() == 1; });
  EXPECT_EQ(broker_.settled(1), std::vector{nats::Settle::kDone});
  EXPECT_EQ(events("message.received").size(), 1u);
  EXPECT_EQ(events("trigger.listening").size(), 1u);
  EXPECT_EQ(source().find("state")->as_string(), "listening");
  EXPECT_EQ(source().find("sequence")->as_int64(), 1);
}

TEST_F(NatsPartTest, WhatWasNotSettledComesAgainAndIsKnown) {
  apply(kReady);
  begin_server();
  broker_.publish(R"({"specversion": "1.0", "id": "1", "source": "/a", "type": "ready"})");
  turn_until([&] { return runs() == 1; });
  broker_.settled(1);
  broker_.publish(R"({"specversion": "1.0", "id": "1", "source": "/a", "type": "ready"})");
  turn_until([&] { return source().find("sequence")->as_int64() == 2; });
  broker_.settled(2);
  EXPECT_EQ(runs(), 1u);
}

TEST_F(NatsPartTest, NothingIsSettledWithoutATurn) {
  apply(kReady);
  begin_server();
  turn_until([&] { return !events("trigger.listening").empty(); });
  broker_.publish("{}");
  {
    std::unique_lock lock(mutex_);
    woken_.wait(lock, [&] { return part_->is_pending(); });
  }
  begin_server();  // the old one ends with the message in its hands
  turn_until([&] { return runs() == 1; });
  EXPECT_EQ(broker_.settled(1).size(), 1u);
}

TEST_F(NatsPartTest, WhatNobodyCanReadIsRefusedAndCounted) {
  apply(kReady);
  begin_server();
  for (int i = 0; i < 50; ++i) broker_.publish("no JSON");
  turn_until([&] { return source().find("sequence")->as_int64() == 50; });
  for (nats::Settle how : broker_.settled(50)) EXPECT_EQ(how, nats::Settle::kRefuse);
  ASSERT_LE(events("trigger.ignored").size(), 2u);
  EXPECT_EQ(events("trigger.ignored").front().event.data.find("rule")->as_string(), "refused");
  EXPECT_EQ(runs(), 0u);
}

TEST_F(NatsPartTest, AnotherTypeIsNotForIt) {
  apply(kReady);
  begin_server();
  broker_.publish(R"({"specversion": "1.0", "id": "1", "source": "/a", "type": "other"})");
  turn_until([&] { return source().find("sequence")->as_int64() == 1; });
  EXPECT_EQ(broker_.settled(1), std::vector{nats::Settle::kDone});
  EXPECT_EQ(runs(), 0u);
}

TEST_F(NatsPartTest, ABrokerThatIsGoneIsToldOnce) {
  broker_.set_error(unavailable("nobody there"));
  apply(kReady);
  begin_server();
  turn_until([&] { return !events("trigger.unreachable").empty(); });
  broker_.wait_for_tries(3);
  turn_until([&] { return true; });
  EXPECT_EQ(events("trigger.unreachable").size(), 1u);
  EXPECT_EQ(source().find("why")->as_string(), "nobody there");
  begin_server();  // a new server finds the same
  turn_until([&] { return true; });
  broker_.wait_for_tries(4);
  turn_until([&] { return true; });
  EXPECT_EQ(events("trigger.unreachable").size(), 1u);
  broker_.set_error(std::nullopt);
  turn_until([&] { return !events("trigger.listening").empty(); });
  EXPECT_EQ(source().find("state")->as_string(), "listening");
}

TEST_F(NatsPartTest, WithoutAServerItSaysHowToNameOne) {
  apply(kReady);
  begin_server(false);
  turn_until([&] { return !events("trigger.unreachable").empty(); });
  EXPECT_NE(source().find("why")->as_string().find("SLIPWAY_NATS"), std::string::npos);
}

TEST_F(NatsPartTest, AConsumerThatIsMadeAnewGoesOnWhereTheOldOneWas) {
  apply(kReady);
  begin_server();
  broker_.publish("{}");
  turn_until([&] { return runs() == 1; });
  EXPECT_EQ(broker_.asked().front().since_ms, kStart);
  EXPECT_EQ(broker_.asked().front().after, nats::Position());
  broker_.settled(1);
  const int tries = static_cast<int>(broker_.asked().size());
  broker_.set_error(missing("it was deleted"));
  broker_.wait_for_tries(tries + 1);
  EXPECT_EQ(broker_.asked().back().after, (nats::Position{"LABELS", 1, 1}));
}

TEST_F(NatsPartTest, ATriggerThatIsGoneTakesItsConsumerAlong) {
  apply(kReady);
  begin_server();
  turn_until([&] { return !events("trigger.listening").empty(); });
  const std::string consumer = source().find("consumer")->as_string();
  apply("  {}\n");
  turn_until([&] { return !broker_.removed().empty(); });
  for (const std::string& removed : broker_.removed()) EXPECT_EQ(removed, "LABELS/" + consumer);
  EXPECT_FALSE(part_->is_pending());
}

TEST_F(NatsPartTest, OthersAreNotItsBusiness) {
  apply("  http: {pipeline: train, cloudevent: {type: ready}}\n");
  begin_server();
  EXPECT_FALSE(*part_->turn(now_));
  EXPECT_TRUE(broker_.asked().empty());
}

}  // namespace
}  // namespace slipway::app
