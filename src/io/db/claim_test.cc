#include "io/db/claim.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <future>
#include <thread>

#include "io/db/db_testing.h"

namespace slipway::db {
namespace {

class ClaimTest : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    Result<std::unique_ptr<TestDatabase>> made = TestDatabase::make(GetParam());
    ASSERT_TRUE(made.ok()) << made.error().message;
    database_ = std::move(*made);
  }
  std::unique_ptr<TestDatabase> database_;
};
INSTANTIATE_TEST_SUITE_P(Engines, ClaimTest, every_engine(), engine_name);

TEST(ClaimOfAFile, IsOneServersAndSaysWhose) {
  TemporaryFolder folder;
  const std::string uri = "sqlite://" + (folder.path() / "c.db").string();
  Result<std::unique_ptr<Claim>> first = claim(uri, {"slipway up, pid 42 on here", "a"});
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_TRUE((*first)->check().ok());
  Result<std::unique_ptr<Claim>> second = claim(uri, {"slipway up, pid 43 on here", "b"});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().tag, "claimed");
  EXPECT_NE(second.error().message.find("slipway up, pid 42 on here"), std::string::npos)
      << second.error().message;
  first->reset();
  EXPECT_TRUE(claim(uri, {"slipway up, pid 43 on here", "b"}).ok());
}

TEST_P(ClaimTest, OfAnotherDatabaseIsAnother) {
  std::unique_ptr<TestDatabase> other = std::move(*TestDatabase::make(GetParam()));
  Result<std::unique_ptr<Claim>> first = claim(database_->uri(), {"one", "one"});
  Result<std::unique_ptr<Claim>> second = claim(other->uri(), {"two", "two"});
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_TRUE((*first)->check().ok() && (*second)->check().ok());
}

TEST(ClaimOfAFile, IsTheSameByAnyName) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "real");
  std::filesystem::create_directory_symlink("real", folder.path() / "link");
  auto first = claim("sqlite://" + (folder.path() / "real" / "c.db").string(), {"one", "one"});
  ASSERT_TRUE(first.ok()) << first.error().message;
  auto second = claim("sqlite://" + (folder.path() / "link" / "c.db").string(), {"two", "two"});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().tag, "claimed");
}

/// Two servers of one PostgreSQL database.
class ClaimOfASchema : public testing::Test {
 protected:
  void SetUp() override {
    database_ = std::move(*TestDatabase::make(Engine::kPostgres));
    first_ = std::move(*claim(database_->uri(), {"claim-of-the-first", "claim-of-the-first"}));
    ASSERT_TRUE(first_->check().ok());
    second_ = std::move(*claim(database_->uri(), {"claim-of-the-second", "claim-of-the-second"}));
    pool_ = std::move(
        *Pool::open(database_->uri(), {portable("t/1", "create table t (n bigint)")}, metrics_));
    acting_ = under_claim(*pool_, *first_);
  }
  static void cut(const std::string& name) {
    Result<> ended = run_on_test_server(
        "do $$ begin perform pg_terminate_backend(pid, 5000) from pg_stat_activity "
        "where application_name = '" +
        name + "'; end $$");
    ASSERT_TRUE(ended.ok()) << ended.error().message;
  }
  static Result<> check_until(Claim& claim, bool ok) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    Result<> now = claim.check();
    while (now.ok() != ok && std::chrono::steady_clock::now() < end) now = claim.check();
    return now;
  }
  static Result<> add(Tx& tx) {
    TRY(tx.run("insert into t (n) values (1)"));
    return {};
  }
  std::int64_t rows() {
    return pool_->read([](Tx& tx) { return tx.one<std::int64_t>("select count(*) from t"); })
        .value()
        .value_or(-1);
  }

  Metrics metrics_;
  std::unique_ptr<TestDatabase> database_;
  std::unique_ptr<Claim> first_, second_;
  std::unique_ptr<Pool> pool_, acting_;
};

TEST_F(ClaimOfASchema, IsOneServersAtATimeAndSaysWhose) {
  Result<> other = second_->check();
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().tag, "claimed");
  EXPECT_NE(other.error().message.find("claim-of-the-first"), std::string::npos)
      << other.error().message;
  first_.reset();
  EXPECT_TRUE(check_until(*second_, true).ok());
}

TEST_F(ClaimOfASchema, KnowsWhoElseIsThere) {
  const auto others = [this](Claim& claim) {
    return *pool_->read([&](Tx& tx) { return claim.others(tx); });
  };
  const auto is_there = [this](const std::string& id) {
    return *pool_->read([&](Tx& tx) { return first_->is_there(tx, id); });
  };
  EXPECT_EQ(others(*first_), 1);
  EXPECT_EQ(others(*second_), 1);
  EXPECT_TRUE(is_there("claim-of-the-first") && is_there("claim-of-the-second"));
  EXPECT_FALSE(is_there("claim-of-the-third"));
  second_.reset();
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (is_there("claim-of-the-second") && std::chrono::steady_clock::now() < end) continue;
  EXPECT_FALSE(is_there("claim-of-the-second"));
  EXPECT_EQ(others(*first_), 0);
}

TEST_F(ClaimOfASchema, GoesToTheOtherWhenItsConnectionIsCutAndBackWhenThatOneIsGone) {
  cut("claim-of-the-first");
  ASSERT_TRUE(check_until(*second_, true).ok());
  Result<> lost = check_until(*first_, false);
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().tag, "claimed") << lost.error().message;
  second_.reset();
  EXPECT_TRUE(check_until(*first_, true).ok());
}

TEST_F(ClaimOfASchema, LetsNothingBecomeDurableThatItWasLostBefore) {
  ASSERT_TRUE(acting_->write(&add).ok());
  cut("claim-of-the-first");
  ASSERT_TRUE(check_until(*second_, true).ok());
  const Result<> late = acting_->write(&add);  // before first_ has looked
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().code, Code::kUnavailable) << late.error().message;
  EXPECT_EQ(rows(), 1);
  ASSERT_TRUE(pool_->write(&add).ok());  // what clients ask for needs no claim
  second_.reset();
  ASSERT_TRUE(check_until(*first_, true).ok());
  ASSERT_TRUE(acting_->write(&add).ok());
  EXPECT_EQ(rows(), 3);
}

TEST_F(ClaimOfASchema, IsNotTakenBeforeTheTransactionsOfWhoHadItHaveEnded) {
  std::promise<void> under_way, go_on;
  std::thread slow([&] {
    EXPECT_TRUE(acting_
                    ->write([&](Tx& tx) -> Result<> {
                      under_way.set_value();
                      go_on.get_future().wait();
                      return add(tx);
                    })
                    .ok());
  });
  under_way.get_future().wait();
  cut("claim-of-the-first");
  std::atomic<bool> taken{false};
  std::thread taker([&] {
    EXPECT_TRUE(check_until(*second_, true).ok());
    taken = true;
    EXPECT_EQ(rows(), 1);
  });
  // PostgreSQL says when the other waits for the writers' lock.
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  std::int64_t waiting = 0;
  while (waiting == 0 && std::chrono::steady_clock::now() < end) {
    waiting = pool_
                  ->read([](Tx& tx) {
                    return tx.one<std::int64_t>(
                        "select count(*) from pg_locks where locktype = 'advisory' and not granted "
                        "and classid = 1936288112");
                  })
                  .value()
                  .value_or(0);
  }
  EXPECT_EQ(waiting, 1);
  EXPECT_FALSE(taken);
  go_on.set_value();
  slow.join();
  taker.join();
}

}  // namespace
}  // namespace slipway::db
