#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/file.h"
#include "base/hash.h"
#include "domain/data/data_testing.h"
#include "domain/data/repository.h"

namespace slipway::data {
namespace {

namespace fs = std::filesystem;

class Checkout : public ProjectTest {
 protected:
  /// A folder d with x, sub/y and an executable z, saved.
  Version folder() {
    write("d/x", "1\n");
    write("d/sub/y", "2\n");
    write("d/z", "3\n", 0755);
    return saved("d");
  }
  void forget(std::string_view content) {
    fs::remove(repository().cache().object_path(md5_hex(content)));
  }
  Result<> checkout(const std::string& name, const Version& version, bool force = false) {
    changes_ = {};
    return repository().checkout(at(name), version, {.force = force}, &changes_);
  }
  Repository::CheckoutPlan plan(const std::string& name, const Version& version) {
    Result<Repository::CheckoutPlan> made = repository().plan_checkout(at(name), version);
    EXPECT_TRUE(made.ok()) << made.error().message;
    return std::move(*made);
  }
  static bool holds(const std::vector<fs::path>& paths, const fs::path& path) {
    return std::find(paths.begin(), paths.end(), path) != paths.end();
  }

  Changes changes_;
};

TEST_F(Checkout, BringsAFileBack) {
  write("x", "1\n", 0755);
  Version version = saved("x");
  fs::remove(at("x"));
  ASSERT_TRUE(checkout("x", version).ok());
  EXPECT_EQ(read("x"), "1\n");
  EXPECT_NE(mode_of(at("x")) & 0100u, 0u);
  EXPECT_EQ(changes_.added, std::vector<fs::path>{at("x")});
  EXPECT_EQ(changes_.files_added, 1u);
}

TEST_F(Checkout, BringsAFolderBack) {
  Version version = folder();
  fs::remove_all(at("d"));
  ASSERT_TRUE(checkout("d", version).ok());
  EXPECT_EQ(read("d/x"), "1\n");
  EXPECT_EQ(read("d/sub/y"), "2\n");
  EXPECT_EQ(changes_.files_added, 3u);
  EXPECT_EQ((*repository().version_of(at("d")))->md5, version.md5);
}

TEST_F(Checkout, DoesNothingWhereAllIsRight) {
  Version version = folder();
  Repository::CheckoutPlan made = plan("d", version);
  EXPECT_TRUE(made.place.empty() && made.remove.empty());
  EXPECT_FALSE(made.changes_content);
  ASSERT_TRUE(checkout("d", version).ok());
  EXPECT_TRUE(changes_.empty());
}

TEST_F(Checkout, APlanSaysWhatWouldHappenAndChangesNothing) {
  Version version = folder();
  write("d/x", "changed\n");
  write("d/new", "new\n");
  fs::remove(at("d/sub/y"));
  Repository::CheckoutPlan made = plan("d", version);
  EXPECT_EQ(made.added, 1u);
  EXPECT_EQ(made.modified, 1u);
  EXPECT_EQ(made.remove, std::vector<fs::path>{at("d/new")});
  EXPECT_EQ(made.unsaved.size(), 2u);
  EXPECT_TRUE(holds(made.unsaved, at("d/x")) && holds(made.unsaved, at("d/new")));
  EXPECT_EQ(read("d/x"), "changed\n");
  EXPECT_TRUE(exists("d/new"));
}

TEST_F(Checkout, RefusesToLoseWhatIsSavedNowhere) {
  Version version = folder();
  write("d/x", "changed\n");
  fs::remove(at("d/z"));
  Result<> done = checkout("d", version);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, Code::kConflict);
  EXPECT_EQ(done.error().tag, "unsaved");
  EXPECT_NE(done.error().message.find("\n  " + at("d/x").string()), std::string::npos);
  EXPECT_FALSE(exists("d/z"));  // nothing was changed
  ASSERT_TRUE(checkout("d", version, /*force=*/true).ok());
  EXPECT_EQ(read("d/x"), "1\n");
  EXPECT_TRUE(exists("d/z"));
}

TEST_F(Checkout, ReplacesWithoutAskingWhatTheCacheHas) {
  Version version = folder();
  write("d/x", "later\n");
  saved("d");
  ASSERT_TRUE(checkout("d", version).ok());
  EXPECT_EQ(read("d/x"), "1\n");
  EXPECT_EQ(changes_.modified, std::vector<fs::path>{at("d")});
}

TEST_F(Checkout, FilesThatAreNotRecordedGoWithTheirEmptyFolders) {
  Version version = folder();
  write("d/more/deep/w", "4\n");
  saved("d");
  ASSERT_TRUE(checkout("d", version).ok());
  EXPECT_FALSE(exists("d/more"));
  EXPECT_TRUE(exists("d/sub/y"));
  EXPECT_EQ(changes_.files_deleted, 1u);
}

TEST_F(Checkout, WhatIsNotInTheCacheChangesNothing) {
  Version version = folder();
  forget("2\n");
  fs::remove(at("d/sub/y"));
  write("d/x", "later\n");
  saved("d/x");
  Result<> done = checkout("d", version);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().code, Code::kMissing);
  EXPECT_EQ(done.error().tag, "not_in_cache");
  EXPECT_NE(done.error().message.find(at("d/sub/y").string()), std::string::npos);
  EXPECT_EQ(read("d/x"), "later\n");
}

TEST_F(Checkout, WhatTheWorkspaceHasIsNotMissing) {
  Version version = folder();
  forget("2\n");
  fs::remove(at("d/x"));
  ASSERT_TRUE(checkout("d", version).ok());
  EXPECT_EQ(read("d/x"), "1\n");
}

TEST_F(Checkout, AFolderWithoutItsListIsMissingAsAWhole) {
  Version version = folder();
  fs::remove(repository().cache().object_path(version.md5));
  EXPECT_EQ(plan("d", version).missing, std::vector<fs::path>{at("d")});
}

TEST_F(Checkout, NamesTwentyAndCountsTheRest) {
  for (int i = 0; i < 25; ++i) write("d/" + std::to_string(i), std::to_string(i));
  Version empty;
  empty.md5 = Tree{}.digest();
  ASSERT_TRUE(repository().cache().put_bytes(empty.md5, "[]").ok());
  Result<> done = checkout("d", empty);
  ASSERT_FALSE(done.ok());
  EXPECT_TRUE(done.error().message.ends_with("\n  and 5 more")) << done.error().message;
}

TEST_F(Checkout, AFolderTakesTheFilesPlaceAndBack) {
  Version as_folder = folder();
  fs::remove_all(at("d"));
  write("d", "file\n");
  Version as_file = saved("d");
  ASSERT_TRUE(checkout("d", as_folder).ok());
  EXPECT_EQ(read("d/x"), "1\n");
  ASSERT_TRUE(checkout("d", as_file).ok());
  EXPECT_EQ(read("d"), "file\n");
  EXPECT_EQ(changes_.modified, std::vector<fs::path>{at("d")});
}

TEST_F(Checkout, WhatShallNotBeThereIsRemoved) {
  folder();
  ASSERT_TRUE(checkout("d", {}).ok());
  EXPECT_FALSE(exists("d"));
  EXPECT_EQ(changes_.deleted, std::vector<fs::path>{at("d")});
  ASSERT_TRUE(checkout("d", {}).ok());
  EXPECT_TRUE(changes_.empty());
}

TEST_F(Checkout, AnEmptyFolderIsMade) {
  fs::create_directories(at("d"));
  Version version = saved("d");
  fs::remove(at("d"));
  ASSERT_TRUE(checkout("d", version).ok());
  EXPECT_TRUE(fs::is_directory(at("d")));
  EXPECT_EQ(changes_.added, std::vector<fs::path>{at("d")});
  ASSERT_TRUE(checkout("d", version).ok());
  EXPECT_TRUE(changes_.empty());
}

TEST_F(Checkout, IgnoredFilesStay) {
  Version version = folder();
  write(".dvcignore", "*.log\n");
  reopen();
  write("d/a.log", "mine");
  ASSERT_TRUE(checkout("d", version).ok());
  EXPECT_EQ(read("d/a.log"), "mine");
  ASSERT_TRUE(checkout("d", {}).ok());
  EXPECT_EQ(read("d/a.log"), "mine");
}

TEST_F(Checkout, RelinkingChangesTheKindOfLinkAndNothingElse) {
  Version version = folder();
  configure("[core]\n    no_scm = True\n[cache]\n    type = symlink\n");
  ASSERT_TRUE(checkout("d", version).ok());
  EXPECT_FALSE(fs::is_symlink(at("d/x")));
  Changes changes;
  ASSERT_TRUE(repository().checkout(at("d"), version, {.relink = true}, &changes).ok());
  EXPECT_TRUE(fs::is_symlink(at("d/x")));
  EXPECT_TRUE(changes.empty());
  EXPECT_EQ(read("d/x"), "1\n");
  EXPECT_EQ((*repository().version_of(at("d")))->md5, version.md5);
}

TEST_F(Checkout, AListThatLeavesItsFolderIsRefused) {
  std::string bytes = R"([{"md5": "b026324c6904b2a9cb4b88d6d61c81d1", "relpath": "../escaped"}])";
  Version version;
  version.md5 = md5_hex(bytes) + ".dir";
  ASSERT_TRUE(repository().cache().put_bytes(md5_hex("1\n"), "1\n").ok());
  fs::path object = repository().cache().object_path(version.md5);
  fs::create_directories(object.parent_path());
  ASSERT_TRUE(write_file_quick(object, bytes).ok());
  Result<> done = checkout("d", version);
  ASSERT_FALSE(done.ok());
  EXPECT_FALSE(exists("escaped"));
}

}  // namespace
}  // namespace slipway::data
