#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "base/hash.h"
#include "io/blob/blob_testing.h"

namespace slipway::blob {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> names(const Result<std::vector<Entry>>& entries) {
  std::vector<std::string> names;
  EXPECT_TRUE(entries.ok());
  for (const Entry& entry : *entries) names.push_back(entry.name + (entry.is_folder ? "/" : ""));
  return names;
}

// What holds for every store.
class AnyBlobs : public testing::TestWithParam<std::string> {
 protected:
  AnyBlobs() {
    if (GetParam() == "memory")
      blobs_ = open_memory();
    else
      blobs_ = open_at(disk_, folder_.path() / "artifacts");
  }
  TemporaryFolder folder_;
  Disk disk_;
  std::unique_ptr<Blobs> blobs_;
};
INSTANTIATE_TEST_SUITE_P(Stores, AnyBlobs, testing::Values("memory", "folder"),
                         [](const auto& store) { return store.param; });

TEST_P(AnyBlobs, GivesBackWhatWasCommitted) {
  std::string content = std::string("\0\n\xff", 3) + std::string(100'000, 'x');
  ASSERT_TRUE(put(*blobs_, "1/run/artifacts/model/MLmodel", content).ok());
  EXPECT_EQ(*get(*blobs_, "1/run/artifacts/model/MLmodel"), content);
  EXPECT_EQ((*blobs_->open("1/run/artifacts/model/MLmodel"))->size(), content.size());
}

TEST_P(AnyBlobs, SaysWhatItHasKept) {
  auto writer = blobs_->create("d/x");
  ASSERT_TRUE((*writer)->write("hel").ok());
  ASSERT_TRUE((*writer)->write("lo").ok());
  const Result<Stored> stored = (*writer)->commit();
  ASSERT_TRUE(stored.ok());
  EXPECT_EQ(stored->bytes, 5u);
  EXPECT_EQ(stored->sha256, sha256_hex("hello"));
  EXPECT_EQ((*blobs_->open("d/x"))->stamp(), stored->stamp);
}

TEST_P(AnyBlobs, TellsContentsOfAKeyApart) {
  std::set<std::string> stamps;
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(put(*blobs_, "x", std::to_string(i % 10)).ok());
    stamps.insert((*blobs_->open("x"))->stamp());
  }
  EXPECT_EQ(stamps.size(), 100u);
}

TEST_P(AnyBlobs, GivesTheBytesThatAreSelected) {
  ASSERT_TRUE(put(*blobs_, "x", "0123456789").ok());
  auto reader = blobs_->open("x");
  std::string got(20, '\0');
  ASSERT_TRUE((*reader)->select(3, 4).ok());
  EXPECT_EQ(*(*reader)->read(got), 4u);
  EXPECT_EQ(got.substr(0, 4), "3456");
  EXPECT_EQ(*(*reader)->read(got), 0u);
  ASSERT_TRUE((*reader)->select(10, 0).ok());
  EXPECT_EQ(*(*reader)->read(got), 0u);
  EXPECT_EQ((*reader)->select(5, 6).error().code, Code::kInvalid);
  EXPECT_EQ((*reader)->select(11, 0).error().code, Code::kInvalid);
  EXPECT_EQ((*reader)->select(UINT64_MAX, 2).error().code, Code::kInvalid);
}

TEST_P(AnyBlobs, ShowsNothingBeforeCommit) {
  auto writer = blobs_->create("a/b");
  ASSERT_TRUE((*writer)->write("half").ok());
  EXPECT_EQ(blobs_->open("a/b").error().code, Code::kMissing);
  EXPECT_TRUE(names(blobs_->list("")).empty());
  writer->reset();
  EXPECT_TRUE(names(blobs_->list("")).empty());
}

TEST_P(AnyBlobs, RefusesASecondCommit) {
  auto writer = blobs_->create("a");
  ASSERT_TRUE((*writer)->commit().ok());
  EXPECT_EQ((*writer)->commit().error().code, Code::kConflict);
}

TEST_P(AnyBlobs, ListsChildrenByName) {
  for (const char* key : {"d/z", "d/a", "d/sub/x", "d/sub/y", "e"}) {
    ASSERT_TRUE(put(*blobs_, key, "12345").ok());
  }
  EXPECT_EQ(names(blobs_->list("d")), (std::vector<std::string>{"a", "sub/", "z"}));
  EXPECT_EQ(names(blobs_->list("")), (std::vector<std::string>{"d/", "e"}));
  EXPECT_EQ((*blobs_->list("d"))[0].bytes, 5u);
  EXPECT_TRUE(names(blobs_->list("e")).empty());
  EXPECT_TRUE(names(blobs_->list("none")).empty());
}

TEST_P(AnyBlobs, FindsFilesAndFolders) {
  ASSERT_TRUE(put(*blobs_, "d/sub/x", "123").ok());
  EXPECT_EQ((**blobs_->find("d/sub/x")).bytes, 3u);
  EXPECT_TRUE((**blobs_->find("d/sub")).is_folder);
  EXPECT_FALSE(blobs_->find("d/none")->has_value());
  EXPECT_FALSE(blobs_->find("d/sub/x/deeper")->has_value());
}

TEST_P(AnyBlobs, OpensNoFolder) {
  ASSERT_TRUE(put(*blobs_, "d/x", "1").ok());
  EXPECT_EQ(blobs_->open("d").error().code, Code::kMissing);
  EXPECT_EQ(blobs_->open("d/x/y").error().code, Code::kMissing);
}

TEST_P(AnyBlobs, RemovesAFolderWithAllThatIsInIt) {
  for (const char* key : {"d/sub/x", "d/y", "dd"}) ASSERT_TRUE(put(*blobs_, key, "1").ok());
  ASSERT_TRUE(blobs_->remove("d").ok());
  ASSERT_TRUE(blobs_->remove("d").ok());
  EXPECT_EQ(names(blobs_->list("")), (std::vector<std::string>{"dd"}));
  EXPECT_EQ(blobs_->remove("").error().code, Code::kInvalid);
}

TEST_P(AnyBlobs, PutsNoFileInThePlaceOfAFolderNorUnderAFile) {
  ASSERT_TRUE(put(*blobs_, "d/x", "1").ok());
  EXPECT_EQ(put(*blobs_, "d", "2").error().code, Code::kConflict);
  EXPECT_EQ(put(*blobs_, "d/x/y", "2").error().code, Code::kConflict);
  EXPECT_EQ(*get(*blobs_, "d/x"), "1");
}

TEST_P(AnyBlobs, RefusesEveryBadKeyInEveryCall) {
  for (const std::string& key :
       {std::string("../x"), std::string("a/../../x"), std::string("a/.."), std::string("./a"),
        std::string("/etc/passwd"), std::string("a//b"), std::string("a/"), std::string("a\0b", 3),
        std::string("a\\..\\b"), std::string(1025, 'a'), std::string(256, 'a'),
        std::string(".incoming/x"), std::string(".incoming")}) {
    EXPECT_EQ(blobs_->create(key).error().code, Code::kInvalid) << key;
    EXPECT_EQ(blobs_->open(key).error().code, Code::kInvalid) << key;
    EXPECT_EQ(blobs_->list(key).error().code, Code::kInvalid) << key;
    EXPECT_EQ(blobs_->find(key).error().code, Code::kInvalid) << key;
    EXPECT_EQ(blobs_->remove(key).error().code, Code::kInvalid) << key;
  }
}

TEST_P(AnyBlobs, KeepsOneOfTheObjectsThatThreadsPutUnderOneKeyWhole) {
  std::vector<std::jthread> writers;
  for (char letter = 'a'; letter < 'e'; ++letter) {
    writers.emplace_back([&, letter] {
      for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(put(*blobs_, "same/deep/key", std::string(50'000, letter)).ok());
      }
    });
  }
  writers.clear();
  std::string kept = *get(*blobs_, "same/deep/key");
  EXPECT_EQ(kept, std::string(50'000, kept[0]));
}

TEST(FolderBlobs, FollowsNoLinkOnTheWayOrAtTheEnd) {
  TemporaryFolder folder;
  fs::path root = folder.path() / "artifacts";
  fs::path outside = folder.path() / "outside";
  fs::create_directories(outside);
  std::ofstream(outside / "secret") << "s";
  Disk disk;
  auto blobs = open_at(disk, root);
  fs::create_directory_symlink(outside, root / "way");
  fs::create_symlink(outside / "secret", root / "end");
  EXPECT_EQ(blobs->open("way/secret").error().code, Code::kInvalid);
  EXPECT_EQ(blobs->open("end").error().code, Code::kInvalid);
  EXPECT_EQ(blobs->find("way/secret").error().code, Code::kInvalid);
  EXPECT_EQ(blobs->remove("way/secret").error().code, Code::kInvalid);
  EXPECT_FALSE(put(*blobs, "way/new", "x").ok());
  EXPECT_TRUE(names(blobs->list("")).empty());
  EXPECT_FALSE(fs::exists(outside / "new"));
  EXPECT_TRUE(blobs->remove("way").ok());  // the link itself goes, what it points to stays
  EXPECT_TRUE(fs::exists(outside / "secret"));
}

TEST(FolderBlobs, DoesNotWaitForAPipe) {
  TemporaryFolder folder;
  Disk disk;
  auto blobs = open_at(disk, folder.path());
  ASSERT_EQ(mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(blobs->open("pipe").error().code, Code::kMissing);
}

TEST(FolderBlobs, SweepsWhatACrashLeft) {
  TemporaryFolder folder;
  fs::create_directories(folder.path() / kIncomingFolder / "removed/deep");
  std::ofstream(folder.path() / kIncomingFolder / "grown") << "half";
  std::ofstream(folder.path() / kIncomingFolder / "removed/deep/x") << "old";
  Disk disk;
  auto blobs = open_at(disk, folder.path());
  EXPECT_EQ(leftovers(folder.path()), 0u);
}

TEST(FolderBlobs, AreOneStoreForSeveralPrograms) {
  TemporaryFolder folder;
  Disk disk;
  auto first = open_at(disk, folder.path());
  auto growing = std::move(*first->create("x"));
  ASSERT_TRUE(growing->write("half ").ok());
  fs::create_directory_symlink(folder.path(), folder.path().string() + "-link");
  auto second = open_at(disk, folder.path().string() + "-link");
  EXPECT_EQ(second->identity(), first->identity());
  ASSERT_TRUE(growing->write("and half").ok());
  ASSERT_TRUE(growing->commit().ok());
  EXPECT_EQ(*get(*second, "x"), "half and half");
  ASSERT_TRUE(second->remove("x").ok());
  EXPECT_FALSE(first->open("x").ok());
  second.reset();
  EXPECT_TRUE(put(*first, "y", "on").ok());
  first.reset();
  EXPECT_EQ(leftovers(folder.path()), 0u);
  fs::remove(folder.path().string() + "-link");
}

TEST(FolderBlobs, HaveAnIdentityThatStaysAndThatNoOtherHas) {
  TemporaryFolder folder, other;
  Disk disk;
  const std::string id = open_at(disk, folder.path())->identity();
  EXPECT_EQ(open_at(disk, folder.path())->identity(), id);
  EXPECT_NE(open_at(disk, other.path())->identity(), id);
}

TEST(FolderBlobs, LosesNothingAcknowledgedWhenAnyCallFails) {
  int failed = 0;
  for (int call = 1;; ++call) {
    TemporaryFolder folder;
    Disk good;
    ASSERT_TRUE(put(*open_at(good, folder.path()), "d/x", "old").ok());
    FailingDisk disk(call + 1);  // the first is the sync of open()
    auto blobs = open_at(disk, folder.path());
    Result<> committed = put(*blobs, "d/x", "new content");
    if (committed.ok()) {
      EXPECT_FALSE(disk.has_failed());
      break;
    }
    ++failed;
    EXPECT_EQ(committed.error().code, Code::kUnavailable);
    std::string kept = *get(*blobs, "d/x");
    EXPECT_TRUE(kept == "old" || kept == "new content") << kept;
    EXPECT_EQ(leftovers(folder.path()), 0u);
    ASSERT_TRUE(put(*blobs, "d/x", "again").ok());  // works again when the disk does
    EXPECT_EQ(*get(*blobs, "d/x"), "again");
  }
  EXPECT_GE(failed, 5);  // write, sync, rename, sync of two folders
}

TEST(FolderBlobs, KeepsEveryCommittedObjectThroughAPowerCut) {
  TemporaryFolder folder;
  fs::path root = folder.path() / "before";
  ForgetfulDisk disk;
  auto blobs = open_at(disk, root);
  for (int i = 0; i < 20; ++i) {
    std::string key = "e" + std::to_string(i % 3) + "/run" + std::to_string(i) + "/model/data";
    ASSERT_TRUE(put(*blobs, key, key).ok());
    fs::path after = folder.path() / ("after" + std::to_string(i));
    disk.cut_power(root, after);
    Disk good;
    auto survivor = open_at(good, after);
    EXPECT_EQ(*get(*survivor, key), key);
    EXPECT_EQ(*get(*survivor, "e0/run0/model/data"), "e0/run0/model/data");
  }
}

TEST(FolderBlobs, KeepsWhatWasPutInAFolderThatWasMadeAgain) {
  TemporaryFolder folder;
  const fs::path root = folder.path() / "before";
  ForgetfulDisk disk;
  auto blobs = open_at(disk, root);
  ASSERT_TRUE(put(*blobs, "e/run/model/old", "1").ok());
  ASSERT_TRUE(blobs->remove("e/run").ok());
  ASSERT_TRUE(put(*blobs, "e/run/model/new", "2").ok());
  fs::remove_all(root / "e");  // by somebody else
  ASSERT_TRUE(put(*blobs, "e/run/model/newest", "3").ok());
  disk.cut_power(root, folder.path() / "after");
  Disk good;
  auto survivor = open_at(good, folder.path() / "after");
  EXPECT_EQ(*get(*survivor, "e/run/model/newest"), "3");
}

TEST(FolderBlobs, SyncsAFolderThatIsKnownToBeDurableOnlyForItsOwnEntries) {
  class CountingDisk final : public Disk {
   public:
    Result<> sync(int file_or_folder) override {
      ++syncs;
      return Disk::sync(file_or_folder);
    }
    int syncs = 0;
  };
  TemporaryFolder folder;
  CountingDisk disk;
  auto blobs = open_at(disk, folder.path() / "artifacts");
  ASSERT_TRUE(put(*blobs, "1/run/artifacts/model/a", "x").ok());
  disk.syncs = 0;
  ASSERT_TRUE(put(*blobs, "1/run/artifacts/model/b", "x").ok());
  EXPECT_EQ(disk.syncs, 2);  // the file, its folder
  disk.syncs = 0;
  ASSERT_TRUE(put(*blobs, "1/run/artifacts/new/b", "x").ok());
  EXPECT_EQ(disk.syncs, 3);  // and the one that has the new folder
}

TEST(FolderBlobs, ShowsNothingUncommittedAfterAPowerCut) {
  TemporaryFolder folder;
  fs::path root = folder.path() / "before";
  ForgetfulDisk disk;
  auto blobs = open_at(disk, root);
  ASSERT_TRUE(put(*blobs, "d/x", "old").ok());
  auto writer = blobs->create("d/x");
  ASSERT_TRUE((*writer)->write("half").ok());
  disk.cut_power(root, folder.path() / "after");
  Disk good;
  auto survivor = open_at(good, folder.path() / "after");
  EXPECT_EQ(*get(*survivor, "d/x"), "old");
  EXPECT_EQ(names(survivor->list("d")), (std::vector<std::string>{"x"}));
}

TEST(FolderBlobs, StaysRemovedThroughAPowerCut) {
  TemporaryFolder folder;
  fs::path root = folder.path() / "before";
  ForgetfulDisk disk;
  auto blobs = open_at(disk, root);
  ASSERT_TRUE(put(*blobs, "d/x", "1").ok());
  ASSERT_TRUE(blobs->remove("d").ok());
  disk.cut_power(root, folder.path() / "after");
  EXPECT_FALSE(fs::exists(folder.path() / "after/d"));
}

TEST(ForgetfulDisk, LosesWhatNobodySynced) {
  TemporaryFolder folder;
  ForgetfulDisk disk;
  auto blobs = open_at(disk, folder.path() / "before");
  std::ofstream(folder.path() / "before/unsynced") << "x";
  disk.cut_power(folder.path() / "before", folder.path() / "after");
  EXPECT_FALSE(fs::exists(folder.path() / "after/unsynced"));
}

}  // namespace
}  // namespace slipway::blob
