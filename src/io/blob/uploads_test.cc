#include "io/blob/uploads.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <thread>

#include "base/hash.h"
#include "io/blob/blob_testing.h"

namespace slipway::blob {
namespace {

namespace fs = std::filesystem;

Result<Stored> put_part(Blobs& blobs, const std::string& upload, int number,
                        std::string_view content) {
  std::unique_ptr<Writer> part = TRY(blobs.create_part(upload, number));
  TRY(part->write(content));
  return part->commit();
}

class AnyUploads : public testing::TestWithParam<std::string> {
 protected:
  AnyUploads()
      : blobs_(GetParam() == "memory" ? open_memory() : open_at(disk_, folder_.path() / "a")) {}
  TemporaryFolder folder_;
  Disk disk_;
  std::unique_ptr<Blobs> blobs_;
};
INSTANTIATE_TEST_SUITE_P(Stores, AnyUploads, testing::Values("memory", "folder"),
                         [](const auto& store) { return store.param; });

TEST_P(AnyUploads, JoinPartsThatCameInAnyOrder) {
  const std::string upload = *blobs_->begin_parts("d/x");
  const std::string one(300'000, '1'), two(200'000, '2'), three = "3";
  std::vector<Part> parts(3);
  for (const int number : {3, 2, 1}) {
    const Result<Stored> part =
        put_part(*blobs_, upload, number, number == 1 ? one : number == 2 ? two : three);
    ASSERT_TRUE(part.ok()) << part.error().message;
    parts[static_cast<std::size_t>(number) - 1] = {number, part->stamp};
  }
  EXPECT_EQ(blobs_->open("d/x").error().code, Code::kMissing);
  const Result<Stored> joined = blobs_->join_parts("d/x", upload, parts);
  ASSERT_TRUE(joined.ok()) << joined.error().message;
  EXPECT_EQ(joined->sha256, sha256_hex(one + two + three));
  EXPECT_EQ(joined->bytes, 500'001u);
  EXPECT_EQ(*get(*blobs_, "d/x"), one + two + three);
  EXPECT_EQ((*blobs_->open("d/x"))->stamp(), joined->stamp);
}

TEST_P(AnyUploads, AreJoinedOnceHoweverOftenItIsAsked) {
  const std::string upload = *blobs_->begin_parts("x");
  ASSERT_TRUE(put_part(*blobs_, upload, 1, "1").ok());
  const Result<Stored> joined = blobs_->join_parts("x", upload, {{1, ""}});
  ASSERT_TRUE(joined.ok());
  ASSERT_TRUE(put(*blobs_, "x", "newer").ok());
  EXPECT_EQ(blobs_->join_parts("x", upload, {{1, ""}})->stamp, joined->stamp);
  EXPECT_EQ(*get(*blobs_, "x"), "newer");
}

TEST_P(AnyUploads, RefuseToJoinWhatIsNotThereAsTold) {
  const std::string upload = *blobs_->begin_parts("x");
  const std::string etag = put_part(*blobs_, upload, 1, "1")->stamp;
  ASSERT_TRUE(put_part(*blobs_, upload, 3, "3").ok());
  for (const std::vector<Part>& parts :
       {std::vector<Part>{{1, etag}}, {{1, etag}, {2, ""}}, {{1, etag}, {3, ""}}, {{3, ""}, {1, ""}}}) {
    EXPECT_EQ(blobs_->join_parts("x", upload, parts).error().code, Code::kInvalid);
  }
  ASSERT_TRUE(put_part(*blobs_, upload, 2, "2").ok());
  EXPECT_EQ(blobs_->join_parts("x", upload, {{1, "other"}, {2, ""}, {3, ""}}).error().code,
            Code::kInvalid);
  EXPECT_EQ(blobs_->join_parts("y", upload, {{1, ""}, {2, ""}, {3, ""}}).error().code,
            Code::kMissing);
  EXPECT_TRUE(blobs_->join_parts("x", upload, {{1, etag}, {2, ""}, {3, ""}}).ok());
}

TEST_P(AnyUploads, ThatAreDroppedAreUnknown) {
  const std::string upload = *blobs_->begin_parts("x");
  auto late = blobs_->create_part(upload, 1);
  ASSERT_TRUE(blobs_->drop_parts("x", upload).ok());
  ASSERT_TRUE(blobs_->drop_parts("x", upload).ok());
  EXPECT_EQ((*late)->commit().error().code, Code::kMissing);
  EXPECT_EQ(blobs_->create_part(upload, 1).error().code, Code::kMissing);
  EXPECT_EQ(blobs_->join_parts("x", upload, {{1, ""}}).error().code, Code::kMissing);
  EXPECT_EQ(blobs_->create_part("nobody's", 1).error().code, Code::kMissing);
}

TEST_P(AnyUploads, AreDroppedByTheKeyTheyWereBegunWithOnly) {
  const std::string upload = *blobs_->begin_parts("x");
  ASSERT_TRUE(put_part(*blobs_, upload, 1, "1").ok());
  EXPECT_TRUE(blobs_->drop_parts("y", upload).ok());
  EXPECT_TRUE(blobs_->drop_parts("", upload).ok());
  ASSERT_TRUE(put_part(*blobs_, upload, 2, "2").ok());
  ASSERT_TRUE(blobs_->join_parts("x", upload, {{1, ""}, {2, ""}}).ok());
  EXPECT_EQ(*get(*blobs_, "x"), "12");
}

TEST_P(AnyUploads, HaveNumbersInBounds) {
  const std::string upload = *blobs_->begin_parts("x");
  for (const int number : {0, -1, kPartsMax + 1}) {
    EXPECT_EQ(blobs_->create_part(upload, number).error().code, Code::kInvalid);
  }
  EXPECT_EQ(blobs_->begin_parts("../x").error().code, Code::kInvalid);
}

TEST(FolderUploads, KeepLittleTwice) {
  TemporaryFolder folder;
  Disk disk;
  auto blobs = open_at(disk, folder.path() / "a");
  const std::string upload = *blobs->begin_parts("x");
  EXPECT_EQ(leftovers(folder.path() / "a"), 1u);
  ASSERT_TRUE(put_part(*blobs, upload, 1, "1").ok());
  EXPECT_EQ(leftovers(folder.path() / "a"), 1u);
  ASSERT_TRUE(put_part(*blobs, upload, 3, "3").ok());
  EXPECT_EQ(leftovers(folder.path() / "a"), 2u);
  ASSERT_TRUE(put_part(*blobs, upload, 2, "2").ok());
  EXPECT_EQ(leftovers(folder.path() / "a"), 1u);
  ASSERT_TRUE(blobs->join_parts("x", upload, {{1, ""}, {2, ""}, {3, ""}}).ok());
  EXPECT_EQ(leftovers(folder.path() / "a"), 0u);
}

TEST(FolderUploads, LeaveNothingWhenTheyAreDroppedOrTheStoreEnds) {
  TemporaryFolder folder;
  Disk disk;
  for (const bool drop : {true, false}) {
    auto blobs = open_at(disk, folder.path() / "a");
    const std::string upload = *blobs->begin_parts("x");
    ASSERT_TRUE(put_part(*blobs, upload, 1, "1").ok());
    ASSERT_TRUE(put_part(*blobs, upload, 5, "5").ok());
    auto open_part = blobs->create_part(upload, 2);
    if (drop) {
      ASSERT_TRUE(blobs->drop_parts("x", upload).ok());
    }
    open_part->reset();
    blobs.reset();
    EXPECT_EQ(leftovers(folder.path() / "a"), 0u);
  }
}

TEST(FolderUploads, TakeTheSamePartTwiceAndNoOtherInItsPlace) {
  TemporaryFolder folder;
  Disk disk;
  auto blobs = open_at(disk, folder.path() / "a");
  const std::string upload = *blobs->begin_parts("x");
  ASSERT_TRUE(put_part(*blobs, upload, 1, "one").ok());
  EXPECT_TRUE(put_part(*blobs, upload, 1, "one").ok());
  EXPECT_EQ(put_part(*blobs, upload, 1, "two").error().code, Code::kConflict);
  ASSERT_TRUE(put_part(*blobs, upload, 3, "two").ok());
  ASSERT_TRUE(put_part(*blobs, upload, 3, "three").ok());  // not in its place yet
  ASSERT_TRUE(put_part(*blobs, upload, 2, "two").ok());
  ASSERT_TRUE(blobs->join_parts("x", upload, {{1, ""}, {2, ""}, {3, ""}}).ok());
  EXPECT_EQ(*get(*blobs, "x"), "onetwothree");
}

TEST(FolderUploads, TakePartsOfManyThreads) {
  TemporaryFolder folder;
  Disk disk;
  auto blobs = open_at(disk, folder.path() / "a");
  const std::string upload = *blobs->begin_parts("x");
  constexpr int kThreads = 4, kEach = 25;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = kEach - 1; i >= 0; --i) {
        const int number = i * kThreads + t + 1;
        EXPECT_TRUE(put_part(*blobs, upload, number, std::to_string(number) + ",").ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<Part> parts;
  std::string whole;
  for (int i = 1; i <= kThreads * kEach; ++i) {
    parts.push_back({i, ""});
    whole += std::to_string(i) + ",";
  }
  ASSERT_TRUE(blobs->join_parts("x", upload, parts).ok());
  EXPECT_EQ(*get(*blobs, "x"), whole);
}

TEST(FolderUploads, AreBoundedAndThoseThatNobodyUsesGo) {
  TemporaryFolder folder;
  Disk disk;
  auto blobs = open_at(disk, folder.path() / "a");
  Fd incoming(open((folder.path() / "a" / kIncomingFolder).c_str(), O_RDONLY | O_DIRECTORY));
  std::chrono::steady_clock::time_point now{};
  Uploads uploads(disk, incoming.get(), [&] { return now; });
  std::string first;
  for (std::size_t i = 0; i < Uploads::kOpenMax; ++i) {
    const Result<std::string> begun = uploads.begin("x", std::move(*blobs->create("x")));
    ASSERT_TRUE(begun.ok());
    if (i == 0) first = *begun;
  }
  EXPECT_EQ(uploads.begin("x", std::move(*blobs->create("x"))).error().code, Code::kBusy);
  now += Uploads::kIdleMax - std::chrono::hours(1);
  ASSERT_TRUE(uploads.create_part(first, 1).ok());  // somebody uses this one
  now += std::chrono::hours(2);
  ASSERT_TRUE(uploads.begin("x", std::move(*blobs->create("x"))).ok());
  EXPECT_TRUE(uploads.create_part(first, 1).ok());
  EXPECT_EQ(leftovers(folder.path() / "a"), 2u);
}

/// Parts 2, 1, 3 and joining them, on a disk whose n-th call fails, until none does.
TEST(FolderUploads, LoseNothingAcknowledgedWhenAnyCallFails) {
  TemporaryFolder folder;
  bool whole = false;
  int call = 0;
  for (; !whole; ++call) {
    ASSERT_LT(call, 100);
    const fs::path root = folder.path() / std::to_string(call);
    FailingDisk disk(call + 2);  // the first is the sync of open()
    auto blobs = open_at(disk, root);
    bool joined = false;
    const Result<std::string> upload = blobs->begin_parts("d/x");
    ASSERT_TRUE(upload.ok());
    bool sent = true;
    for (const int number : {2, 1, 3}) {
      sent &= put_part(*blobs, *upload, number, std::to_string(number)).ok();
    }
    if (sent) joined = blobs->join_parts("d/x", *upload, {{1, ""}, {2, ""}, {3, ""}}).ok();
    whole = !disk.has_failed();
    blobs.reset();
    Disk good;
    auto after = open_at(good, root);
    const Result<std::string> found = get(*after, "d/x");
    EXPECT_TRUE(found.ok() || !joined) << call;
    EXPECT_EQ(found.ok() ? *found : "123", "123") << call;
    EXPECT_EQ(leftovers(root), 0u);
  }
  EXPECT_GT(call, 8);
}

TEST(FolderUploads, AreDurableWhenTheyAreJoinedAndInvisibleBefore) {
  TemporaryFolder folder;
  ForgetfulDisk disk;
  const fs::path root = folder.path() / "before";
  auto blobs = open_at(disk, root);
  const std::string upload = *blobs->begin_parts("d/x");
  ASSERT_TRUE(put_part(*blobs, upload, 1, "one").ok());
  disk.cut_power(root, folder.path() / "early");
  ASSERT_TRUE(blobs->join_parts("d/x", upload, {{1, ""}}).ok());
  disk.cut_power(root, folder.path() / "late");
  Disk good;
  EXPECT_EQ(open_at(good, folder.path() / "early")->open("d/x").error().code, Code::kMissing);
  EXPECT_EQ(*get(*open_at(good, folder.path() / "late"), "d/x"), "one");
}

}  // namespace
}  // namespace slipway::blob
