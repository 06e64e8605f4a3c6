#include "domain/imports/follow.h"

#include <gtest/gtest.h>

#include "domain/imports/imports.h"
#include "io/db/db_testing.h"

namespace slipway::imports {
namespace {

Head head(std::map<std::string, std::string> tags, std::string name = "a",
          std::string status = "RUNNING") {
  return {std::move(name), std::move(status), std::nullopt, std::move(tags)};
}

TEST(Merge, WhatWasNotChangedThereStaysAsItIsHere) {
  const Merge merged = merge(head({{"k", "1"}}), head({{"k", "1"}}), head({{"k", "2"}, {"o", ""}}));
  EXPECT_TRUE(merged.empty());
  EXPECT_TRUE(merged.kept.empty());
}

TEST(Merge, WhatWasChangedThereAloneIsTaken) {
  Head there = head({{"k", "2"}, {"new", "n"}}, "b", "FINISHED");
  there.end_ms = 7;
  const Head here = head({{"k", "1"}, {"old", ""}});
  const Merge merged = merge(here, there, here);
  EXPECT_EQ(merged.name, "b");
  EXPECT_EQ(merged.status, "FINISHED");
  EXPECT_EQ(merged.end_ms, 7);
  EXPECT_EQ(merged.tags, (std::map<std::string, std::string>{{"k", "2"}, {"new", "n"}}));
  EXPECT_EQ(merged.gone, std::vector<std::string>{"old"});
  EXPECT_EQ(merged.brought, there);
}

TEST(Merge, WhatWasChangedOnBothSidesStaysAndIsToldEachTime) {
  const Head before = head({{"k", "1"}}), there = head({{"k", "2"}}, "b", "FAILED");
  const Head here = head({{"k", "3"}}, "c", "KILLED");
  const Merge merged = merge(before, there, here);
  EXPECT_TRUE(merged.empty());
  const std::vector<Kept> kept{
      {"name", "c", "b"}, {"status", "KILLED", "FAILED"}, {"tag k", "3", "2"}};
  EXPECT_EQ(merged.kept, kept);
  EXPECT_EQ(merged.brought, before);
  EXPECT_EQ(merge(merged.brought, there, here).kept, kept);
}

TEST(Merge, WhatIsAlikeOnBothSidesIsNoConflict) {
  const Head both = head({{"k", "2"}}, "b", "FINISHED");
  const Merge merged = merge(head({{"k", "1"}}), both, both);
  EXPECT_TRUE(merged.empty());
  EXPECT_TRUE(merged.kept.empty());
  EXPECT_EQ(merged.brought, both);
}

TEST(Merge, ATagThatIsGoneThereAndWasChangedHereStays) {
  const Merge merged = merge(head({{"k", "1"}}), head({}), head({{"k", "mine"}}));
  EXPECT_TRUE(merged.gone.empty());
  EXPECT_EQ(merged.kept, (std::vector<Kept>{{"tag k", "mine", "(none)"}}));
}

TEST(NextTrail, AFileIsReplacedOnlyWhereABringerWroteIt) {
  EXPECT_TRUE(next_trail(std::nullopt, "", "new"));
  EXPECT_TRUE(next_trail(std::nullopt, "new", "new"));
  EXPECT_FALSE(next_trail(std::nullopt, "theirs", "new"));
  EXPECT_TRUE(next_trail(FileTrail{"old", ""}, "old", "new"));
  // Killed between the note and the upload, and changed once more since.
  EXPECT_TRUE(next_trail(FileTrail{"sending", "old"}, "old", "new"));
  EXPECT_TRUE(next_trail(FileTrail{"sending", "old"}, "sending", "new"));
  EXPECT_FALSE(next_trail(FileTrail{"sending", "old"}, "theirs", "new"));
}

class FollowTest : public db::OnEachEngine {};
INSTANTIATE_TEST_SUITE_P(Engines, FollowTest, db::every_engine(), db::engine_name);

TEST_P(FollowTest, WhatWasBroughtLastIsKept) {
  const auto pool = open(migrations());
  Head last = head({{"é", "\n"}});
  last.end_ms = 5;
  ASSERT_TRUE(pool->write([&](db::Tx& tx) -> Result<> {
                    EXPECT_FALSE(followed(tx, kFollowedRun, "r")->has_value());
                    TRY(put_followed(tx, kFollowedRun, "r", {"a", {}}, 1));
                    TRY(put_followed(tx, kFollowedRun, "r", {"host:/x", last}, 2));
                    return put_file_trail(tx, "r", "a/b", {"1", "0"});
                  }).ok());
  ASSERT_TRUE(pool->read([&](db::Tx& tx) -> Result<> {
                    const auto found = TRY(followed(tx, kFollowedRun, "r"));
                    EXPECT_EQ(found->origin, "host:/x");
                    EXPECT_EQ(found->head, last);
                    EXPECT_EQ(TRY(file_trails(tx, "r")).at("a/b").before, "0");
                    return {};
                  }).ok());
}

TEST_P(FollowTest, AnItemIsKeptAsItWasPutLastWithWhatItWas) {
  const auto pool = open(migrations());
  const auto kept = pool->write([&](db::Tx& tx) -> Result<Items> {
    const Import import = TRY(begin(tx, "sqlite:///old.db", 1));
    TRY(put_item(tx, import.id, "run", "a", {.key = "loss", .number = 9, .print = "tags=1\n"}));
    TRY(put_item(tx, import.id, "run", "b", {.whole = true}));
    TRY(put_item(tx, import.id, "run", "a", {.whole = true, .print = "tags=1\npoints=2\n"}));
    return items(tx, import.id, "run");
  });
  ASSERT_TRUE(kept.ok());
  EXPECT_TRUE(kept->at("a").whole);
  EXPECT_EQ(kept->at("a").print, "tags=1\npoints=2\n");
  EXPECT_EQ(kept->at("a").number, 0);
  EXPECT_EQ(kept->at("b").print, "");
}

TEST_P(FollowTest, ASeriesIsMovedOnByWhoKnowsHowFarItIs) {
  const auto pool = open(migrations());
  const auto move = [&](const Trail& was, const Trail& now) {
    return pool->write([&](db::Tx& tx) { return move_trail(tx, "r", "loss", was, now); });
  };
  EXPECT_TRUE(move({}, {10, "a"}).ok());
  EXPECT_EQ(move({}, {20, "b"}).error().tag, "moved_on");
  EXPECT_EQ(move({10, "x"}, {20, "b"}).error().tag, "moved_on");
  EXPECT_TRUE(move({10, "a"}, {20, "b"}).ok());
  const auto all = pool->read([](db::Tx& tx) { return trails(tx, "r"); });
  EXPECT_EQ(all->at("loss"), (Trail{20, "b"}));
}

}  // namespace
}  // namespace slipway::imports
