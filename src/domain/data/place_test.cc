#include "domain/data/place.h"

#include <gtest/gtest.h>

#include <array>

#include "base/file.h"
#include "base/hash.h"
#include "domain/data/commands.h"
#include "domain/data/data_testing.h"

namespace slipway::data {
namespace {

namespace fs = std::filesystem;

/// A project with an object in its cache, and a folder beside it that is none of its business.
class Place : public ProjectTest {
 protected:
  Place() {
    write("payload", "payload\n");
    payload_ = saved("payload");
    outside_ = root_;
    outside_ += "-outside";
    fs::create_directories(outside_);
    EXPECT_TRUE(write_file_quick(outside_ / "victim", "precious\n").ok());
  }
  ~Place() override { fs::remove_all(outside_); }

  static std::string tag_of(const Result<>& result) {
    return result.ok() ? "" : result.error().tag;
  }
  std::string check(const fs::path& path) const { return tag_of(check_place(root_, path)); }
  std::string checkout(const std::string& name, const Version& version, bool force = false) {
    return tag_of(repository().checkout(at(name), version, {.force = force}));
  }
  /// A folder with the payload at `relpath`, in the cache as a stranger may have put it there.
  Version folder_with(const std::string& relpath) {
    Tree tree;
    tree.files.push_back({relpath, payload_.md5});
    Version version;
    version.md5 = tree.digest();
    EXPECT_TRUE(repository().cache().put_bytes(version.md5, tree.bytes()).ok());
    return version;
  }
  std::string victim() const { return *read_file(outside_ / "victim", 100); }
  std::size_t files_outside() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(outside_), fs::directory_iterator()));
  }

  Version payload_;
  fs::path outside_;
};

TEST_F(Place, IsAnywhereInTheProject) {
  EXPECT_EQ(check(at("x")), "");
  EXPECT_EQ(check(at("no/such/folder/x")), "");
  EXPECT_EQ(check(at("a/../x")), "");
  EXPECT_EQ(check(at(".github/x")), "");
  EXPECT_EQ(check(at("data.git/x")), "");
}

TEST_F(Place, IsNotOutsideOfTheProjectNorTheProjectItself) {
  EXPECT_EQ(check(outside_ / "new"), "bad_place");
  EXPECT_EQ(check(at("../new")), "bad_place");
  EXPECT_EQ(check(at("a/../../new")), "bad_place");
  EXPECT_EQ(check(root_), "bad_place");
  EXPECT_EQ(check(at(".")), "bad_place");
  EXPECT_EQ(check(root_.parent_path()), "bad_place");
  EXPECT_EQ(check("/etc/passwd"), "bad_place");
}

TEST_F(Place, IsNotWhatGitDvcAndSlipwayKeepThere) {
  for (const char* name : {".git", ".git/hooks/pre-commit", ".hg/hgrc", ".dvc/config",
                           ".slipway/secret", "sub/.git/config", "x/../.git/hooks/post-checkout"}) {
    EXPECT_EQ(check(at(name)), "bad_place") << name;
  }
}

TEST_F(Place, IsNotBehindALinkThatLeavesTheProject) {
  fs::create_directory_symlink(outside_, at("out"));
  EXPECT_EQ(check(at("out/new")), "bad_place");
  EXPECT_EQ(check(at("out/new/deeper")), "bad_place");
  EXPECT_EQ(check(at("out")), "bad_place");
  fs::create_directories(at(".git/hooks"));
  fs::create_directory_symlink(".git", at("repository"));
  EXPECT_EQ(check(at("repository/hooks/pre-commit")), "bad_place");
}

TEST_F(Place, MayBeBehindALinkThatStaysInTheProject) {
  fs::create_directories(at("data-2026"));
  fs::create_directory_symlink("data-2026", at("data"));
  EXPECT_EQ(check(at("data/x")), "");
  EXPECT_EQ(check(at("data")), "");
}

TEST_F(Place, IsTheSameInAProjectThatIsReachedByALink) {
  fs::path link = outside_ / "project";
  fs::create_directory_symlink(root_, link);
  EXPECT_EQ(tag_of(check_place(link, link / "x")), "");
  EXPECT_EQ(tag_of(check_place(link, link / ".git/x")), "bad_place");
}

TEST_F(Place, OfALinkToAFileIsTheLinksOwn) {
  fs::create_symlink(outside_ / "victim", at("x"));
  EXPECT_EQ(checkout("x", payload_, /*force=*/true), "");
  EXPECT_EQ(read("x"), "payload\n");
  EXPECT_FALSE(fs::is_symlink(at("x")));
  EXPECT_EQ(victim(), "precious\n");
}

TEST_F(Place, ACheckoutWritesNothingOutside) {
  for (bool force : {false, true}) {
    EXPECT_EQ(checkout("../" + outside_.filename().string() + "/new", payload_, force),
              "bad_place");
    EXPECT_EQ(checkout("../" + outside_.filename().string() + "/victim", payload_, force),
              "bad_place");
    EXPECT_EQ(checkout("../" + outside_.filename().string(), folder_with("x"), force), "bad_place");
    EXPECT_EQ(checkout("../" + outside_.filename().string(), {}, force), "bad_place");
  }
  EXPECT_EQ(files_outside(), 1u);
  EXPECT_EQ(victim(), "precious\n");
}

TEST_F(Place, ACheckoutMakesNoHookOfGit) {
  fs::create_directories(at(".git/hooks"));
  Version program = payload_;
  program.is_executable = true;
  EXPECT_EQ(checkout(".git/hooks/pre-commit", program, true), "bad_place");
  EXPECT_EQ(checkout("hooks", folder_with(".git/config"), true), "bad_place");
  EXPECT_EQ(checkout(".git", folder_with("hooks/pre-commit"), true), "bad_place");
  EXPECT_FALSE(exists(".git/hooks/pre-commit"));
  EXPECT_FALSE(exists("hooks"));
}

TEST_F(Place, ACheckoutOfAFolderGoesThroughNoLink) {
  fs::create_directories(at("sub"));
  fs::create_directory_symlink(outside_, at("sub/ln"));
  for (bool force : {false, true}) {
    EXPECT_EQ(checkout("sub", folder_with("ln/victim"), force), "bad_place");
    EXPECT_EQ(checkout("sub", folder_with("ln/new/file"), force), "bad_place");
  }
  EXPECT_EQ(victim(), "precious\n");
  EXPECT_EQ(files_outside(), 1u);
  EXPECT_TRUE(fs::is_symlink(at("sub/ln")));
}

TEST_F(Place, ALinkThatCameAfterThePlanIsNotFollowed) {
  Result<Repository::CheckoutPlan> plan =
      repository().plan_checkout(at("sub"), folder_with("ln/victim"));
  ASSERT_TRUE(plan.ok());
  fs::create_directories(at("sub"));
  fs::create_directory_symlink(outside_, at("sub/ln"));
  EXPECT_EQ(tag_of(repository().apply(*plan)), "bad_place");
  EXPECT_EQ(victim(), "precious\n");
}

TEST_F(Place, NothingOfGitsIsRemoved) {
  write(".git/HEAD", "ref\n");
  EXPECT_EQ(tag_of(repository().remove(at(".git"))), "bad_place");
  EXPECT_EQ(tag_of(repository().remove(at("x/../.git/HEAD"))), "bad_place");
  EXPECT_EQ(tag_of(repository().remove(root_)), "bad_place");
  EXPECT_EQ(read(".git/HEAD"), "ref\n");
}

TEST_F(Place, ACheckoutNamesTheFileThatAskedForIt) {
  write("x.dvc", "outs:\n- md5: " + payload_.md5 + "\n  hash: md5\n  path: .git/hooks/pre-push\n");
  Result<CheckedOut> done = data::checkout(repository(), {{}, root_});
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().tag, "bad_place");
  EXPECT_TRUE(done.error().message.starts_with("x.dvc, nothing was checked out: "))
      << done.error().message;
  EXPECT_NE(done.error().message.find("lies in .git, which belongs to git"), std::string::npos);
}

TEST_F(Place, OneBadOutputKeepsACheckoutFromChangingAnything) {
  fs::remove(at("payload"));
  write("a.dvc", "outs:\n- md5: " + payload_.md5 + "\n  hash: md5\n  path: payload\n");
  write("x.dvc", "outs:\n- md5: " + payload_.md5 + "\n  hash: md5\n  path: ../new\n");
  EXPECT_FALSE(data::checkout(repository(), {{}, root_}).ok());
  EXPECT_FALSE(exists("payload"));
  EXPECT_TRUE(data::checkout(repository(), {{"a.dvc"}, root_}).ok());
  EXPECT_EQ(read("payload"), "payload\n");
}

TEST_F(Place, ACommitTakesNothingFromOutside) {
  const std::string name = "../" + outside_.filename().string() + "/victim";
  write("x.dvc", "outs:\n- path: " + name + "\n");
  Result<Added> done = data::commit(repository(), {{}, root_, /*force=*/true});
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().tag, "bad_place");
  EXPECT_FALSE(repository().cache().has(md5_hex("precious\n")));
}

}  // namespace
}  // namespace slipway::data
