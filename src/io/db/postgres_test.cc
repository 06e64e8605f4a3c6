#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <latch>

#include "base/ids.h"
#include "io/db/db_testing.h"
#include "io/db/put.h"

// What only PostgreSQL can do to us.
namespace slipway::db {
namespace {

const std::vector<Migration> kItems = {
    {"test/0001_items", "create table items (id bigint primary key)", ""}};

class PostgresTest : public testing::Test {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<TestDatabase>> made = TestDatabase::make(Engine::kPostgres);
    ASSERT_TRUE(made.ok()) << made.error().message;
    database_ = std::move(*made);
    pool_ = open();
    other_ = open();
  }
  void TearDown() override {
    pool_.reset();
    other_.reset();
  }
  std::unique_ptr<Pool> open() {
    Result<std::unique_ptr<Pool>> pool = Pool::open(database_->uri(), kItems, metrics_);
    EXPECT_TRUE(pool.ok()) << pool.error().message;
    return pool.ok() ? std::move(*pool) : nullptr;
  }
  static Result<std::int64_t> own_process(Tx& tx) {
    return *TRY(tx.one<std::int64_t>("select pg_backend_pid()"));
  }
  /// Ends a connection of pool_ from outside, and waits until it is gone.
  void end_connection(std::int64_t process) {
    Result<std::optional<std::int64_t>> ended = other_->read([&](Tx& tx) {
      return tx.one<std::int64_t>("select pg_terminate_backend(cast(? as int), 10000)", process);
    });
    ASSERT_TRUE(ended.ok()) << ended.error().message;
    ASSERT_EQ(*ended, 1);
  }
  Result<> insert(std::int64_t id) {
    return pool_->write([&](Tx& tx) -> Result<> {
      TRY(tx.run("insert into items values (?)", id));
      return {};
    });
  }
  std::vector<std::int64_t> stored() {
    auto ids = other_->read(
        [](Tx& tx) { return tx.all<std::int64_t>("select id from items order by id"); });
    EXPECT_TRUE(ids.ok()) << ids.error().message;
    return *ids;
  }

  Metrics metrics_;
  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<Pool> pool_, other_;
};

TEST_F(PostgresTest, AConnectionLostWhileIdleIsReplacedUnnoticed) {
  end_connection(*pool_->write(own_process));
  end_connection(*pool_->read(own_process));
  Result<> written = insert(1);
  EXPECT_TRUE(written.ok()) << written.error().message;
  Result<std::int64_t> read = pool_->read(own_process);
  EXPECT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{1}));
}

TEST_F(PostgresTest, AWriteWhoseConnectionIsLostBeforeTheCommitIsDoneAgain) {
  bool killed = false;
  Result<> written = pool_->write([&](Tx& tx) -> Result<> {
    if (!std::exchange(killed, true)) end_connection(TRY(own_process(tx)));
    TRY(tx.run("insert into items values (1)"));
    return {};
  });
  EXPECT_TRUE(written.ok()) << written.error().message;
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{1}));
}

TEST_F(PostgresTest, AConnectionLostInEveryTryOfAWriteFailsItAndTheNextWorks) {
  Result<> lost = pool_->write([&](Tx& tx) -> Result<> {
    end_connection(TRY(own_process(tx)));
    TRY(tx.run("insert into items values (1)"));
    return {};
  });
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code, Code::kUnavailable);
  EXPECT_TRUE(insert(2).ok());
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{2}));
}

TEST_F(PostgresTest, ACommitWhoseAnswerIsLostSaysSo) {
  Result<> lost = pool_->write([](Tx& tx) -> Result<> {
    TRY(
        tx.run("create function die() returns trigger language plpgsql as "
               "'begin perform pg_terminate_backend(pg_backend_pid()); return null; end'"));
    TRY(
        tx.run("create constraint trigger die_late after insert on items "
               "deferrable initially deferred for each row execute function die()"));
    TRY(tx.run("insert into items values (1)"));
    return {};
  });
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().code, Code::kUnavailable);
  EXPECT_EQ(lost.error().tag, "outcome_unknown");
  EXPECT_TRUE(stored().empty());
}

/// A group of `writes`, formed behind a first one that waits for all to be queued; their outcomes.
std::vector<Result<>> run_as_group(Pool& pool, std::vector<std::function<Result<>(Tx&)>> writes) {
  std::latch queued(1);
  std::vector<std::promise<Result<>>> answers(writes.size());
  pool.write_later(
      [&](Tx&) -> Result<> {
        queued.wait();
        return {};
      },
      [](Result<>) {});
  for (std::size_t i = 0; i < writes.size(); ++i) {
    pool.write_later(writes[i], [&answers, i](Result<> r) { answers[i].set_value(std::move(r)); });
  }
  queued.count_down();
  std::vector<Result<>> outcomes;
  for (std::promise<Result<>>& answer : answers) outcomes.push_back(answer.get_future().get());
  return outcomes;
}

std::function<Result<>(Tx&)> inserting(std::int64_t id) {
  return [id](Tx& tx) -> Result<> {
    TRY(tx.run("insert into items values (?)", id));
    return {};
  };
}

/// Inserts `id`, but gives way `times` times before, as the victim of a deadlock does.
std::function<Result<>(Tx&)> giving_way(std::int64_t id, int times, const std::string& state) {
  auto left = std::make_shared<std::atomic<int>>(times);
  return [id, left, state](Tx& tx) -> Result<> {
    TRY(tx.run("insert into items values (?)", id));
    if ((*left)-- > 0) TRY(tx.run("do 'begin raise sqlstate ''" + state + "''; end'"));
    return {};
  };
}

TEST_F(PostgresTest, AGroupThatMeetsADeadlockIsRunOneByOne) {
  for (const char* state : {"40P01", "40001"}) {
    std::int64_t base = stored().size();
    std::vector<Result<>> outcomes = run_as_group(
        *pool_, {inserting(base + 1), giving_way(base + 2, 1, state), inserting(base + 3)});
    for (const Result<>& outcome : outcomes) {
      EXPECT_TRUE(outcome.ok()) << outcome.error().message;
    }
  }
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{1, 2, 3, 4, 5, 6}));
}

TEST_F(PostgresTest, AWriteThatGivesWayForEverIsBusyAndHurtsNobody) {
  std::vector<Result<>> outcomes =
      run_as_group(*pool_, {inserting(1), giving_way(2, 1000, "40P01"), inserting(3)});
  EXPECT_TRUE(outcomes[0].ok());
  ASSERT_FALSE(outcomes[1].ok());
  EXPECT_EQ(outcomes[1].error().code, Code::kBusy);
  EXPECT_TRUE(outcomes[2].ok());
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{1, 3}));
}

TEST_F(PostgresTest, AGroupWhoseConnectionIsLostIsRunAgain) {
  auto killed = std::make_shared<std::atomic<bool>>(false);
  auto killing = [&, killed](Tx& tx) -> Result<> {
    if (!killed->exchange(true)) end_connection(TRY(own_process(tx)));
    TRY(tx.run("insert into items values (2)"));
    return {};
  };
  std::vector<Result<>> outcomes = run_as_group(*pool_, {inserting(1), killing, inserting(3)});
  for (const Result<>& outcome : outcomes) EXPECT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{1, 2, 3}));
}

TEST_F(PostgresTest, WhatWasPutAndFailsFailsTheWriteThatPutIt) {
  const auto putting = [](std::int64_t id, std::int64_t other) {
    return [=](Tx& tx) -> Result<> {
      TRY(put(tx, "insert into items values (?)", id));
      return put(tx, "insert into items values (?)", other);
    };
  };
  EXPECT_EQ(pool_->write(putting(7, 7)).error().tag, "unique");
  EXPECT_TRUE(stored().empty());
  // In a group it is told to the next one, or at the commit; none of them pays for it.
  for (const bool is_last : {false, true}) {
    const std::int64_t first = is_last ? 10 : 20;
    std::vector<std::function<Result<>(Tx&)>> writes = {
        putting(first, first + 1), putting(first + 2, first + 2), inserting(first + 3)};
    if (is_last) std::swap(writes[1], writes[2]);
    const std::vector<Result<>> outcomes = run_as_group(*pool_, writes);
    const std::size_t wrong = is_last ? 2 : 1;
    for (std::size_t i = 0; i < outcomes.size(); ++i) EXPECT_EQ(outcomes[i].ok(), i != wrong) << i;
    EXPECT_EQ(outcomes[wrong].error().tag, "unique") << outcomes[wrong].error().message;
  }
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{10, 11, 13, 20, 21, 23}));
}

TEST_F(PostgresTest, WhatWasPutIsSeenByWhatIsAskedAfterIt) {
  const auto counted = pool_->write([](Tx& tx) -> Result<std::int64_t> {
    for (std::int64_t id = 0; id < 1000; ++id) TRY(put(tx, "insert into items values (?)", id));
    return *TRY(tx.one<std::int64_t>("select count(*) from items"));
  });
  ASSERT_TRUE(counted.ok()) << counted.error().message;
  EXPECT_EQ(*counted, 1000);
}

TEST_F(PostgresTest, WhatWasPutAndFailsIsNotTheFaultOfWhoAsksManyQuestions) {
  const auto asking = [](Tx& tx) -> Result<> {
    return ask_each(tx, "select id from items where id = ?", {{1}, {2}, {3}},
                    [](std::size_t, const Columns&) -> Result<> { return {}; });
  };
  const auto putting_twice = [](Tx& tx) -> Result<> {
    TRY(put(tx, "insert into items values (7)"));
    return put(tx, "insert into items values (7)");
  };
  const std::vector<Result<>> outcomes =
      run_as_group(*pool_, {inserting(1), putting_twice, asking, inserting(3)});
  for (std::size_t i = 0; i < outcomes.size(); ++i) EXPECT_EQ(outcomes[i].ok(), i != 1) << i;
  EXPECT_EQ(outcomes[1].error().tag, "unique") << outcomes[1].error().message;
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{1, 3}));
}

TEST_F(PostgresTest, OfAWriteThatFailsNothingThatItPutStays) {
  std::vector<std::function<Result<>(Tx&)>> writes = {
      inserting(1),
      [](Tx& tx) -> Result<> {
        TRY(put(tx, "insert into items values (2)"));
        return conflict("on second thoughts");
      },
      inserting(3)};
  const std::vector<Result<>> outcomes = run_as_group(*pool_, writes);
  EXPECT_TRUE(outcomes[0].ok() && outcomes[2].ok());
  EXPECT_EQ(outcomes[1].error().message, "on second thoughts");
  EXPECT_EQ(pool_->write(writes[1]).error().message, "on second thoughts");
  EXPECT_EQ(stored(), (std::vector<std::int64_t>{1, 3}));
}

TEST_F(PostgresTest, WritesOfTwoServersAreSerial) {
  // Each reads the highest number and adds one: without the lock they would collide.
  auto next = [](Tx& tx) -> Result<> {
    auto highest = TRY(tx.one<std::int64_t>("select coalesce(max(id), 0) from items"));
    TRY(tx.run("insert into items values (?)", *highest + 1));
    return {};
  };
  auto many = [&](Pool& pool) {
    for (int i = 0; i < 30; ++i) {
      Result<> done = pool.write(next);
      EXPECT_TRUE(done.ok()) << done.error().message;
    }
  };
  auto here = std::async(std::launch::async, [&] { many(*pool_); });
  many(*other_);
  here.get();
  EXPECT_EQ(stored().back(), 60);
}

TEST(PostgresDatabase, ThatIsNotUtf8IsRefusedWithTheCommandThatMakesOne) {
  std::string name = "slipway_test_ascii_" + random_hex32().substr(0, 12);
  Result<> made = run_on_test_server("create database " + name +
                                     " template template0 encoding 'SQL_ASCII' lc_collate 'C' "
                                     "lc_ctype 'C'");
  ASSERT_TRUE(made.ok()) << made.error().message;
  Metrics metrics;
  Result<std::unique_ptr<Pool>> refused = Pool::open(*uri_on_test_server(name), kItems, metrics);
  EXPECT_FALSE(refused.ok());
  if (!refused.ok()) {
    EXPECT_EQ(refused.error().code, Code::kInvalid);
    EXPECT_NE(refused.error().message.find("create database"), std::string::npos);
  }
  EXPECT_TRUE(run_on_test_server("drop database " + name).ok());
}

TEST(PostgresDatabase, ThatIsNotThereOrLacksRightsIsToldWithWhatToDo) {
  Metrics metrics;
  const auto missing_one = Pool::open(*uri_on_test_server("no_such_database"), kItems, metrics);
  ASSERT_FALSE(missing_one.ok());
  EXPECT_NE(missing_one.error().message.find("create database"), std::string::npos)
      << missing_one.error().message;

  const std::string name = "slipway_test_rights_" + random_hex32().substr(0, 12);
  ASSERT_TRUE(run_on_test_server("create database " + name +
                                 " template template0 encoding 'UTF8' lc_collate 'C' lc_ctype 'C'")
                  .ok());
  ASSERT_TRUE(run_on_test_server("create role " + name + " login password 'hush-hush'").ok());
  std::string uri = *uri_on_test_server(name);
  const std::size_t user = uri.find("user=");
  ASSERT_NE(user, std::string::npos);
  uri.replace(user, uri.find_first_of("&", user) - user, "user=" + name + "&password=hush-hush");
  const auto refused = Pool::open(uri, kItems, metrics);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, Code::kDenied);
  EXPECT_NE(refused.error().message.find("grant usage, create on schema"), std::string::npos)
      << refused.error().message;
  EXPECT_EQ(refused.error().message.find("hush"), std::string::npos);
  EXPECT_TRUE(run_on_test_server("drop database " + name).ok());
  EXPECT_TRUE(run_on_test_server("drop role " + name).ok());
}

}  // namespace
}  // namespace slipway::db
