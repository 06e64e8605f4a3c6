#include "domain/data/cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <thread>
#include <vector>

#include "base/file.h"
#include "base/hash.h"
#include "domain/data/data_testing.h"

namespace slipway::data {
namespace {

namespace fs = std::filesystem;

class CacheTest : public ProjectTest {
 protected:
  CacheTest() : cache_(with({LinkType::kCopy})) {}
  Cache with(std::vector<LinkType> links, bool shared = false) const {
    return Cache(root_ / "store", root_ / ".dvc" / "tmp", std::move(links), shared);
  }
  std::string put(std::string_view content) {
    std::string md5 = md5_hex(content);
    EXPECT_TRUE(cache_.put_bytes(md5, content).ok());
    return md5;
  }
  std::string object(const std::string& md5) const { return *read_file(cache_.object_path(md5)); }
  void damage(const std::string& md5, std::string_view content, unsigned mode) {
    fs::path path = cache_.object_path(md5);
    fs::remove(path);
    ASSERT_TRUE(write_file_quick(path, content).ok());
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
  }
  static ino_t inode(const fs::path& path) {
    struct stat status {};
    EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
    return status.st_ino;
  }
  std::size_t leftovers() const {
    std::size_t count = 0;
    for (const fs::path& folder : {root_, root_ / ".dvc" / "tmp", root_ / "store"}) {
      for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
        if (entry.path().extension() == ".tmp") ++count;
      }
    }
    return count;
  }

  Cache cache_;
};

constexpr char kOneMd5[] = "b026324c6904b2a9cb4b88d6d61c81d1";  // of "1\n"

TEST_F(CacheTest, ObjectsStandWhereDvcLooksForThem) {
  Cache cache("/c", {}, {}, false);
  EXPECT_EQ(cache.object_path(kOneMd5), "/c/files/md5/b0/26324c6904b2a9cb4b88d6d61c81d1");
  EXPECT_EQ(cache.object_path(kOneMd5, /*legacy=*/true), "/c/b0/26324c6904b2a9cb4b88d6d61c81d1");
  EXPECT_EQ(cache.object_path("d751713988987e9331980363e24189ce.dir"),
            "/c/files/md5/d7/51713988987e9331980363e24189ce.dir");
  EXPECT_EQ(cache.run_cache(), "/c/runs");
}

TEST_F(CacheTest, AnObjectIsReadOnlyAndHoldsItsBytes) {
  EXPECT_FALSE(cache_.has(kOneMd5));
  put("1\n");
  EXPECT_TRUE(cache_.has(kOneMd5));
  EXPECT_EQ(object(kOneMd5), "1\n");
  EXPECT_EQ(mode_of(cache_.object_path(kOneMd5)), 0444u);
  EXPECT_EQ(leftovers(), 0u);
}

TEST_F(CacheTest, WhatIsThereIsNotWrittenAgain) {
  put("1\n");
  ino_t before = inode(cache_.object_path(kOneMd5));
  put("1\n");
  EXPECT_EQ(inode(cache_.object_path(kOneMd5)), before);
}

TEST_F(CacheTest, OnlyDigestsNameObjects) {
  put("1\n");
  for (const char* name :
       {"", "b0", "../../x", "B026324C6904B2A9CB4B88D6D61C81D1", "b026324c6904b2a9cb4b88d6d61c81d",
        "b026324c6904b2a9cb4b88d6d61c81d1.dir.dir", "b026324c6904b2a9cb4b88d6d61c81dg"}) {
    EXPECT_FALSE(cache_.has(name)) << name;
  }
}

TEST_F(CacheTest, NothingButAPlainFileIsAnObject) {
  fs::path path = cache_.object_path(kOneMd5);
  fs::create_directories(path);
  EXPECT_FALSE(cache_.has(kOneMd5));
  fs::remove(path);
  write("elsewhere", "1\n", 0444);
  fs::create_symlink(at("elsewhere"), path);
  EXPECT_FALSE(cache_.has(kOneMd5));
}

TEST_F(CacheTest, AWritableObjectMustProveItself) {
  put("1\n");
  damage(kOneMd5, "2\n", 0644);
  EXPECT_FALSE(cache_.has(kOneMd5));
  damage(kOneMd5, "1\n", 0644);
  EXPECT_TRUE(cache_.has(kOneMd5));
  EXPECT_EQ(mode_of(cache_.object_path(kOneMd5)), 0444u);
}

TEST_F(CacheTest, AReadOnlyObjectIsTrustedAsDvcDoes) {
  put("1\n");
  damage(kOneMd5, "2\n", 0444);
  EXPECT_TRUE(cache_.has(kOneMd5));
}

TEST_F(CacheTest, ADamagedObjectIsReplaced) {
  put("1\n");
  damage(kOneMd5, "2\n", 0644);
  put("1\n");
  EXPECT_EQ(object(kOneMd5), "1\n");
  EXPECT_EQ(mode_of(cache_.object_path(kOneMd5)), 0444u);
}

TEST_F(CacheTest, TakesAFileUnderTheDigestOfWhatWasCopied) {
  write("x", "1\n");
  Result<std::string> md5 = cache_.absorb(at("x"), /*is_synced=*/true);
  ASSERT_TRUE(md5.ok()) << md5.error().message;
  EXPECT_EQ(*md5, kOneMd5);
  EXPECT_EQ(object(kOneMd5), "1\n");
  EXPECT_EQ(read("x"), "1\n");
}

TEST_F(CacheTest, AFileThatChangedMeanwhileIsAConflict) {
  write("x", "2\n");
  Result<> put = cache_.put_file(kOneMd5, at("x"));
  ASSERT_FALSE(put.ok());
  EXPECT_EQ(put.error().code, Code::kConflict);
  EXPECT_FALSE(cache_.has(kOneMd5));
}

TEST_F(CacheTest, AFileThatIsNotThereIsNamed) {
  Result<std::string> md5 = cache_.absorb(at("none"), true);
  ASSERT_FALSE(md5.ok());
  EXPECT_NE(md5.error().message.find(at("none").string()), std::string::npos);
  EXPECT_EQ(cache_.put_file(kOneMd5, at("none")).error().code, md5.error().code);
}

TEST_F(CacheTest, AnObjectIsProtectedOnlyWhenItIsDurable) {
  write("x", "1\n");
  ASSERT_TRUE(cache_.put_file(kOneMd5, at("x"), /*is_synced=*/false).ok());
  EXPECT_NE(mode_of(cache_.object_path(kOneMd5)) & 0200u, 0u);
  EXPECT_TRUE(cache_.has(kOneMd5));
  ASSERT_TRUE(cache_.sync().ok());
  EXPECT_EQ(mode_of(cache_.object_path(kOneMd5)), 0444u);
}

TEST_F(CacheTest, WhatAnotherProcessLeftUnsyncedIsReadBeforeItIsTrusted) {
  write("x", "1\n");
  ASSERT_TRUE(cache_.put_file(kOneMd5, at("x"), /*is_synced=*/false).ok());
  Cache other = with({LinkType::kCopy});
  ASSERT_EQ(truncate(cache_.object_path(kOneMd5).c_str(), 0), 0);  // a power cut
  EXPECT_FALSE(other.has(kOneMd5));
}

TEST_F(CacheTest, AFolderIsThereWithAllItsFiles) {
  Tree tree{{{"a", put("1\n")}, {"b/c", md5_hex("2\n")}}};
  Version version;
  version.md5 = tree.digest();
  EXPECT_FALSE(*cache_.has_all(version));
  ASSERT_TRUE(cache_.put_bytes(version.md5, tree.bytes()).ok());
  EXPECT_FALSE(*cache_.has_all(version));
  put("2\n");
  EXPECT_TRUE(*cache_.has_all(version));
}

TEST_F(CacheTest, ReadsTheListOfAFolder) {
  Tree tree{{{"a", put("1\n")}, {"b/c", md5_hex("2\n")}}};
  Version version;
  version.md5 = tree.digest();
  EXPECT_EQ(cache_.tree(version).error().code, Code::kMissing);
  ASSERT_TRUE(cache_.put_bytes(version.md5, tree.bytes()).ok());
  Result<Tree> read = cache_.tree(version);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->bytes(), tree.bytes());
}

TEST_F(CacheTest, AListThatIsNoneIsRefusedByName) {
  std::string name = md5_hex("no list") + ".dir";
  fs::create_directories(cache_.object_path(name).parent_path());
  ASSERT_TRUE(write_file_quick(cache_.object_path(name), "no list").ok());
  Version version;
  version.md5 = name;
  Result<Tree> tree = cache_.tree(version);
  ASSERT_FALSE(tree.ok());
  EXPECT_EQ(tree.error().code, Code::kInvalid);
  EXPECT_NE(tree.error().message.find(name), std::string::npos);
  version.md5 = "../../etc/passwd.dir";
  EXPECT_EQ(cache_.tree(version).error().code, Code::kInvalid);
}

TEST_F(CacheTest, ACopyIsAFileOfItsOwn) {
  put("1\n");
  Result<LinkType> placed = cache_.place(kOneMd5, at("x"), false);
  ASSERT_TRUE(placed.ok());
  EXPECT_EQ(*placed, LinkType::kCopy);
  EXPECT_EQ(read("x"), "1\n");
  EXPECT_NE(mode_of(at("x")) & 0200u, 0u);
  EXPECT_NE(inode(at("x")), inode(cache_.object_path(kOneMd5)));
  EXPECT_EQ(leftovers(), 0u);
}

TEST_F(CacheTest, AHardLinkIsTheObjectItself) {
  put("1\n");
  Result<LinkType> placed = with({LinkType::kHardlink}).place(kOneMd5, at("x"), false);
  ASSERT_TRUE(placed.ok());
  EXPECT_EQ(*placed, LinkType::kHardlink);
  EXPECT_EQ(inode(at("x")), inode(cache_.object_path(kOneMd5)));
  EXPECT_EQ(mode_of(at("x")), 0444u);
  // Once more over itself: rename() leaves both names then.
  ASSERT_TRUE(with({LinkType::kHardlink}).place(kOneMd5, at("x"), false).ok());
  EXPECT_EQ(leftovers(), 0u);
}

TEST_F(CacheTest, ASymbolicLinkLeadsToTheObject) {
  put("1\n");
  Result<LinkType> placed = with({LinkType::kSymlink}).place(kOneMd5, at("x"), false);
  ASSERT_TRUE(placed.ok());
  EXPECT_EQ(*placed, LinkType::kSymlink);
  EXPECT_EQ(fs::read_symlink(at("x")), cache_.object_path(kOneMd5));
}

TEST_F(CacheTest, EmptyFilesAreNeverHardLinked) {
  std::string md5 = put("");
  Result<LinkType> placed = with({LinkType::kHardlink}).place(md5, at("x"), false);
  ASSERT_TRUE(placed.ok());
  EXPECT_EQ(*placed, LinkType::kCopy);
  EXPECT_NE(inode(at("x")), inode(cache_.object_path(md5)));
}

TEST_F(CacheTest, TheFirstTypeOfLinkThatWorksIsTaken) {
  put("1\n");
  Result<LinkType> placed =
      with({LinkType::kReflink, LinkType::kCopy}).place(kOneMd5, at("x"), false);
  ASSERT_TRUE(placed.ok());
  EXPECT_TRUE(*placed == LinkType::kReflink || *placed == LinkType::kCopy);
  EXPECT_EQ(read("x"), "1\n");
  EXPECT_NE(mode_of(at("x")) & 0200u, 0u);
  EXPECT_EQ(leftovers(), 0u);
}

TEST_F(CacheTest, AProgramCanBeExecutedByItsOwner) {
  put("1\n");
  ASSERT_TRUE(cache_.place(kOneMd5, at("x"), /*executable=*/true).ok());
  EXPECT_NE(mode_of(at("x")) & 0100u, 0u);
  EXPECT_EQ(mode_of(cache_.object_path(kOneMd5)), 0444u);
}

TEST_F(CacheTest, AHardLinkedProgramStaysExecutableAndTrusted) {
  put("1\n");
  Cache cache = with({LinkType::kHardlink});
  ASSERT_TRUE(cache.place(kOneMd5, at("x"), /*executable=*/true).ok());
  EXPECT_EQ(mode_of(at("x")), 0544u);
  EXPECT_TRUE(cache.has(kOneMd5));
}

TEST_F(CacheTest, PlacingReplacesWhatStoodThere) {
  put("1\n");
  write("x", "old");
  ASSERT_TRUE(cache_.place(kOneMd5, at("x"), false).ok());
  EXPECT_EQ(read("x"), "1\n");
}

TEST_F(CacheTest, WhatIsNotInTheCacheIsNotPlaced) {
  write("x", "old");
  Result<LinkType> placed = cache_.place(kOneMd5, at("x"), false);
  ASSERT_FALSE(placed.ok());
  EXPECT_EQ(placed.error().code, Code::kMissing);
  EXPECT_EQ(placed.error().tag, "not_in_cache");
  EXPECT_EQ(read("x"), "old");
}

TEST_F(CacheTest, SaysWhenNoTypeOfLinkWorks) {
  put("1\n");
  for (LinkType type : {LinkType::kCopy, LinkType::kHardlink, LinkType::kSymlink}) {
    Result<LinkType> placed = with({type}).place(kOneMd5, at("no/such/folder/x"), false);
    ASSERT_FALSE(placed.ok());
    EXPECT_EQ(placed.error().tag, "no_link");
  }
  EXPECT_EQ(leftovers(), 0u);
}

TEST_F(CacheTest, LegacyObjectsAreFoundAndPlaced) {
  fs::path path = cache_.object_path(kOneMd5, true);
  fs::create_directories(path.parent_path());
  ASSERT_TRUE(write_file_quick(path, "1\r\n").ok());
  EXPECT_TRUE(cache_.has(kOneMd5, /*legacy=*/true));
  EXPECT_FALSE(cache_.has(kOneMd5));
  ASSERT_TRUE(cache_.place(kOneMd5, at("x"), false, /*legacy=*/true).ok());
  EXPECT_EQ(read("x"), "1\r\n");
}

TEST_F(CacheTest, AGroupSharesFoldersAndReadsObjects) {
  Cache cache = with({LinkType::kCopy}, /*shared=*/true);
  ASSERT_TRUE(cache.put_bytes(kOneMd5, "1\n").ok());
  EXPECT_EQ(mode_of(cache.object_path(kOneMd5).parent_path()) & 02070u, 02070u);
  EXPECT_EQ(mode_of(cache.object_path(kOneMd5)), 0444u);
}

TEST_F(CacheTest, ManyWritersOfOneObjectLeaveOneWholeObject) {
  std::string content(1 << 20, 'x'), md5 = md5_hex(content);
  std::vector<std::thread> writers;
  std::atomic<int> done{0};
  for (int i = 0; i < 4; ++i) {
    writers.emplace_back([&] {
      Cache own = with({LinkType::kCopy});
      if (own.put_bytes(md5, content).ok()) ++done;
    });
  }
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(done, 4);
  EXPECT_EQ(object(md5), content);
  EXPECT_EQ(leftovers(), 0u);
}

}  // namespace
}  // namespace slipway::data
