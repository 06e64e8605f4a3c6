#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "io/db/crash_testing.h"
#include "io/db/db_testing.h"

namespace slipway::db {
namespace {

class CrashTest : public OnEachEngine {};
INSTANTIATE_TEST_SUITE_P(Engines, CrashTest, every_engine(), engine_name);

TEST_P(CrashTest, AKilledProgramLosesNoAcknowledgedWrite) {
  std::mt19937 random(3);
  std::vector<std::int64_t> acknowledged;
  for (int trial = 0; trial < 12; ++trial) {
    Result<std::vector<std::int64_t>> more = acknowledged_before_kill(uri(), 1 + random() % 300);
    ASSERT_TRUE(more.ok()) << more.error().message;
    acknowledged.insert(acknowledged.end(), more->begin(), more->end());

    std::unique_ptr<Pool> pool = open(crash_migrations());
    Result<std::vector<std::int64_t>> stored = pool->read(
        [](Tx& tx) { return tx.all<std::int64_t>("select id from entries order by id"); });
    ASSERT_TRUE(stored.ok()) << stored.error().message;
    std::sort(acknowledged.begin(), acknowledged.end());
    EXPECT_TRUE(
        std::includes(stored->begin(), stored->end(), acknowledged.begin(), acknowledged.end()))
        << acknowledged.size() << " acknowledged, " << stored->size() << " stored";
  }
  EXPECT_GT(acknowledged.size(), 100u);
}

}  // namespace
}  // namespace slipway::db
