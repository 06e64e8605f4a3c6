#include "domain/flows/run_folders.h"

#include <gtest/gtest.h>

#include "base/ids.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

constexpr UnixMs kDay = 86'400'000, kNow = 1000 * kDay;

RunFolderFacts ended(const std::string& run, std::int64_t days_ago,
                     RunState state = RunState::kSucceeded) {
  return {run, state, kNow - days_ago * kDay};
}

TEST(FoldersToRemove, AreOldAndNotAmongTheNewest) {
  const std::vector<RunFolderFacts> all = {ended("a", 30), ended("c", 40), ended("b", 20),
                                           ended("d", 15, RunState::kFailed), ended("e", 1)};
  EXPECT_EQ(folders_to_remove(all, {2, 14 * kDay}, kNow), (Names{"c", "a", "b"}));
  EXPECT_EQ(folders_to_remove(all, {3, 14 * kDay}, kNow), (Names{"c", "a"}));
  EXPECT_EQ(folders_to_remove(all, {2, 25 * kDay}, kNow), (Names{"c", "a"}));
  EXPECT_EQ(folders_to_remove(all, {0, 0}, kNow), (Names{"c", "a", "b", "d", "e"}));
  EXPECT_TRUE(folders_to_remove(all, {5, 0}, kNow).empty());
  EXPECT_TRUE(folders_to_remove({}, {0, 0}, kNow).empty());
}

TEST(FoldersToRemove, AreNeverOfARunThatIsNotOver) {
  for (const RunState state : {RunState::kQueued, RunState::kRunning, RunState::kRetryWait})
    EXPECT_TRUE(folders_to_remove({{"a", state, 0}}, {0, 0}, kNow).empty());
}

TEST(FoldersToRemove, ARunThatIsNotOverIsNoneOfTheNewest) {
  const std::vector<RunFolderFacts> all = {
      {"r", RunState::kRunning, 0}, ended("a", 30), ended("b", 20)};
  EXPECT_EQ(folders_to_remove(all, {1, 14 * kDay}, kNow), (Names{"a"}));
}

TEST(FoldersToRemove, AClockThatWentBackRemovesNothing) {
  EXPECT_TRUE(folders_to_remove({ended("a", 30)}, {0, 14 * kDay}, kNow - 100 * kDay).empty());
}

class RunFoldersOnDisk : public testing::Test {
 protected:
  void TearDown() override { fs::remove_all(state_); }
  std::string run() {
    std::string id = uuid7(kNow);
    fs::create_directories(state_ / "runs" / id / "attempts" / "1");
    return id;
  }
  RunFolders list() { return *list_run_folders(state_, 100); }
  fs::path state_ = fs::temp_directory_path() / ("slipway-" + random_hex32());
};

TEST_F(RunFoldersOnDisk, NoFolderYetIsFine) {
  EXPECT_TRUE(list().runs.empty());
}

TEST_F(RunFoldersOnDisk, OneGoesWithAllInIt) {
  const std::string id = run();
  fs::create_directories(state_ / "runs" / "notes");
  EXPECT_EQ(list().runs, Names{id});
  const Result<bool> removed = remove_run_folder(state_, id, state_);
  ASSERT_TRUE(removed.ok()) << removed.error().message;
  EXPECT_TRUE(*removed);
  EXPECT_TRUE(list().runs.empty());
  EXPECT_TRUE(list().going.empty());
  EXPECT_TRUE(fs::exists(state_ / "runs" / "notes")) << "that is no run";
}

TEST_F(RunFoldersOnDisk, OneWhoseAttemptIsAliveStays) {
  const std::string id = run();
  const auto lock = lock_run(RunFolder::of(state_, id));
  ASSERT_TRUE(lock.ok() && *lock);
  const Result<bool> removed = remove_run_folder(state_, id, state_);
  ASSERT_TRUE(removed.ok());
  EXPECT_FALSE(*removed);
  EXPECT_EQ(list().runs, Names{id});
}

TEST_F(RunFoldersOnDisk, ARemovalThatWasCutOffIsFinished) {
  const std::string id = run();
  fs::rename(state_ / "runs" / id, state_ / "runs" / (".going-" + id));
  ASSERT_EQ(list().going.size(), 1u);
  ASSERT_TRUE(finish_removal(state_, list().going.front()).ok());
  EXPECT_TRUE(list().going.empty());
}

}  // namespace
}  // namespace slipway::flows
