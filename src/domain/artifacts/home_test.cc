#include "domain/artifacts/home.h"

#include <gtest/gtest.h>

#include "domain/artifacts/recorded_blobs.h"
#include "graph/graph.h"
#include "io/db/db_testing.h"

namespace slipway::artifacts {
namespace {

class HomeTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    db::OnEachEngine::SetUp();
    if (!HasFatalFailure()) pool_ = open(db::joined({graph::migrations(), migrations()}));
  }
  Result<std::optional<Home>> settle(const Home& home, bool others) {
    return pool_->write([&](db::Tx& tx) { return settle_home(tx, home, others, 1); });
  }
  std::unique_ptr<db::Pool> pool_;
};
INSTANTIATE_TEST_SUITE_P(Engines, HomeTest, db::every_engine(), db::engine_name);

const Home kShared{"s3 host bucket/a", "s3://bucket/a", "one"};
const Home kPrivate{"0123", "/var/two/artifacts", "two"};

TEST_P(HomeTest, IsOneForAllServersThatAreThere) {
  ASSERT_TRUE(settle(kShared, false).ok());
  ASSERT_TRUE(settle({kShared.identity, "s3://bucket/a?region=eu", "two"}, true).ok());
  const auto refused = settle(kPrivate, true);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().tag, "elsewhere");
  for (const char* said : {"s3://bucket/a", "as one calls it", "/var/two/artifacts", "--artifacts"})
    EXPECT_NE(refused.error().message.find(said), std::string::npos) << refused.error().message;
}

TEST_P(HomeTest, IsWhereverAServerThatIsAloneHasIt) {
  EXPECT_FALSE(settle(kPrivate, false)->has_value());
  EXPECT_FALSE(settle(kPrivate, false)->has_value());
  const auto before = settle(kShared, false);
  ASSERT_TRUE(before.ok() && before->has_value());
  EXPECT_EQ((*before)->place, kPrivate.place);
  EXPECT_FALSE(settle(kPrivate, true).ok());
}

}  // namespace
}  // namespace slipway::artifacts
