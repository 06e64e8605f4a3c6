#include "io/db/claim.h"

#include <gtest/gtest.h>

#include <filesystem>

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

TEST_P(ClaimTest, IsOneServersAtATimeAndSaysWhose) {
  Result<std::unique_ptr<Claim>> first = claim(database_->uri(), "slipway up, pid 42 on here");
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_TRUE((*first)->check().ok());
  Result<std::unique_ptr<Claim>> second = claim(database_->uri(), "slipway up, pid 43 on here");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().tag, "claimed");
  EXPECT_NE(second.error().message.find("slipway up, pid 42 on here"), std::string::npos)
      << second.error().message;
  first->reset();
  EXPECT_TRUE(claim(database_->uri(), "slipway up, pid 43 on here").ok());
}

TEST_P(ClaimTest, OfAnotherDatabaseIsAnother) {
  std::unique_ptr<TestDatabase> other = std::move(*TestDatabase::make(GetParam()));
  Result<std::unique_ptr<Claim>> first = claim(database_->uri(), "one");
  Result<std::unique_ptr<Claim>> second = claim(other->uri(), "two");
  EXPECT_TRUE(first.ok() && second.ok());
}

TEST(ClaimOfAFile, IsTheSameByAnyName) {
  TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "real");
  std::filesystem::create_directory_symlink("real", folder.path() / "link");
  auto first = claim("sqlite://" + (folder.path() / "real" / "c.db").string(), "one");
  ASSERT_TRUE(first.ok()) << first.error().message;
  auto second = claim("sqlite://" + (folder.path() / "link" / "c.db").string(), "two");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().tag, "claimed");
}

TEST(ClaimOfASchema, IsTakenAnewWhenItsConnectionWasLost) {
  std::unique_ptr<TestDatabase> database = std::move(*TestDatabase::make(Engine::kPostgres));
  Result<std::unique_ptr<Claim>> first = claim(database->uri(), "claim-that-is-cut-off");
  ASSERT_TRUE(first.ok()) << first.error().message;
  Result<> ended = run_on_test_server(
      "do $$ begin perform pg_terminate_backend(pid) from pg_stat_activity "
      "where application_name = 'claim-that-is-cut-off'; end $$");
  ASSERT_TRUE(ended.ok()) << ended.error().message;
  Result<std::unique_ptr<Claim>> other = claim(database->uri(), "another");
  ASSERT_TRUE(other.ok()) << other.error().message;
  Result<> lost = (*first)->check();
  ASSERT_FALSE(lost.ok());
  EXPECT_EQ(lost.error().tag, "claimed");
  other->reset();
  EXPECT_TRUE((*first)->check().ok());
}

}  // namespace
}  // namespace slipway::db
