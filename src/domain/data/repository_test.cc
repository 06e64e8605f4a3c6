#include "domain/data/repository.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/hash.h"
#include "domain/data/data_testing.h"

namespace slipway::data {
namespace {

namespace fs = std::filesystem;

class RepositoryTest : public ProjectTest {
 protected:
  Version version(const std::string& name) {
    Result<std::optional<Version>> found = repository().version_of(at(name));
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() && *found ? **found : Version();
  }
  Error fault(const std::string& name) {
    Result<std::optional<Version>> found = repository().version_of(at(name));
    return found.ok() ? Error{Code::kInternal, "no error"} : found.error();
  }
};

TEST_F(RepositoryTest, IsFoundFromAFolderBelow) {
  fs::create_directories(at("a/b"));
  Result<Repository> found = Repository::open(at("a/b/"));
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->root(), root_);
  EXPECT_FALSE(found->uses_git());
}

TEST_F(RepositoryTest, IsMissingOutsideOfAProject) {
  fs::remove_all(at(".dvc"));
  Result<Repository> found = Repository::open(root_);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, Code::kMissing);
  EXPECT_EQ(found.error().tag, "no_repository");
  EXPECT_NE(found.error().message.find(root_.string()), std::string::npos);
}

TEST_F(RepositoryTest, InitWritesWhatDvcInitWrites) {
  fs::path fresh = at("fresh");
  fs::create_directories(fresh);
  ASSERT_TRUE(Repository::init(fresh, /*no_scm=*/true, false).ok());
  EXPECT_EQ(read("fresh/.dvc/config"), "[core]\n    no_scm = True\n");
  EXPECT_EQ(read("fresh/.dvc/tmp/btime"), "");
  EXPECT_EQ(read("fresh/.dvcignore").size(), 139u);
  EXPECT_FALSE(exists("fresh/.dvc/.gitignore"));
}

TEST_F(RepositoryTest, InitInGitIsStaged) {
  fs::create_directories(at("fresh"));
  git({"init", "-q", "fresh"});
  ASSERT_TRUE(Repository::init(at("fresh"), false, false).ok());
  EXPECT_EQ(read("fresh/.dvc/config"), "");
  EXPECT_EQ(read("fresh/.dvc/.gitignore"), "/config.local\n/tmp\n/cache\n");
  EXPECT_TRUE(exists("fresh/.git/index"));
  EXPECT_TRUE(Repository::open(at("fresh"))->uses_git());
}

TEST_F(RepositoryTest, InitBelowTheTopOfGitMustBeWanted) {
  git({"init", "-q", "."});
  fs::create_directories(at("below"));
  Error refused = Repository::init(at("below"), false, false).error();
  EXPECT_EQ(refused.tag, "no_git");
  EXPECT_NE(refused.message.find("git repository " + root_.string()), std::string::npos);
  EXPECT_NE(refused.message.find("--subdir"), std::string::npos);
  ASSERT_TRUE(Repository::init(at("below"), false, false, /*subdir=*/true).ok());
  EXPECT_EQ(read("below/.dvc/config"), "");
  EXPECT_EQ(read("below/.dvc/.gitignore"), "/config.local\n/tmp\n/cache\n");
  EXPECT_TRUE(Repository::open(at("below"))->uses_git());
}

TEST_F(RepositoryTest, InitRefusesAFolderThatGitIgnores) {
  git({"init", "-q", "."});
  write(".gitignore", "below\n");
  fs::create_directories(at("below"));
  EXPECT_EQ(Repository::init(at("below"), false, false, /*subdir=*/true).error().tag, "ignored");
  EXPECT_FALSE(exists("below/.dvc"));
}

TEST_F(RepositoryTest, InitAnewKeepsTheCache) {
  write("x", "1\n");
  Version old = *repository().save(at("x"));
  write(".dvc/config", "[core]\n    no_scm = True\n[cache]\n    dir = ours/store\n");
  write("y", "2\n");
  Version newer = *std::move(Repository::open(root_)).value().save(at("y"));
  write(".dvc/config.local", "");
  write(".dvc/tmp/rest", "");
  ASSERT_TRUE(Repository::init(root_, true, /*force=*/true).ok());
  EXPECT_FALSE(exists(".dvc/config.local"));
  EXPECT_FALSE(exists(".dvc/tmp/rest"));
  EXPECT_EQ(read(".dvc/config"), "[core]\n    no_scm = True\n");
  auto object = [](const Version& version) {
    return "files/md5/" + version.md5.substr(0, 2) + "/" + version.md5.substr(2);
  };
  EXPECT_EQ(read(".dvc/cache/" + object(old)), "1\n");
  EXPECT_EQ(read(".dvc/ours/store/" + object(newer)), "2\n");
}

TEST_F(RepositoryTest, InitRefusesWhatItWouldDestroy) {
  Result<> again = Repository::init(root_, true, false);
  EXPECT_EQ(again.error().tag, "exists");
  EXPECT_EQ(again.error().code, Code::kConflict);
  write(".dvc/old", "");
  ASSERT_TRUE(Repository::init(root_, true, /*force=*/true).ok());
  EXPECT_FALSE(exists(".dvc/old"));
  EXPECT_NE(again.error().message.find("its cache stays"), std::string::npos);
  fs::create_directories(at("plain"));
  EXPECT_EQ(Repository::init(at("plain"), /*no_scm=*/false, false).error().tag, "no_git");
}

TEST_F(RepositoryTest, OfAFileThereIsItsDigest) {
  write("x", "1\n");
  EXPECT_EQ(version("x").md5, "b026324c6904b2a9cb4b88d6d61c81d1");
  EXPECT_EQ(version("x").size, 2);
  EXPECT_FALSE(version("x").nfiles.has_value());
  EXPECT_FALSE(version("x").is_executable);
  write("x", "1\n", 0755);
  EXPECT_TRUE(version("x").is_executable);
  write("empty", "");
  EXPECT_EQ(version("empty").md5, "d41d8cd98f00b204e9800998ecf8427e");
}

TEST_F(RepositoryTest, OfAFolderThereIsTheDigestOfItsList) {
  write("d/run.sh", "1\n", 0755);
  Version found = version("d");
  EXPECT_EQ(found.md5, "5b2e7f89df2ec98432cf2c7308614dbf.dir");
  EXPECT_EQ(found.size, 2);
  EXPECT_EQ(found.nfiles, 1);
  EXPECT_FALSE(found.is_executable);
  EXPECT_EQ(version("d/").md5, found.md5);
}

TEST_F(RepositoryTest, AnEmptyFolderHasADigestAndEmptyOnesInsideDoNotCount) {
  fs::create_directories(at("d"));
  EXPECT_EQ(version("d").md5, "d751713988987e9331980363e24189ce.dir");
  EXPECT_EQ(version("d").nfiles, 0);
  fs::create_directories(at("d/e/f"));
  EXPECT_EQ(version("d").md5, "d751713988987e9331980363e24189ce.dir");
}

TEST_F(RepositoryTest, AListIsSortedByWholePaths) {
  for (const char* name : {"d/a/b", "d/a-b", "d/a.b", "d/a0"}) write(name, name);
  Tree tree;
  for (const char* name : {"a-b", "a.b", "a/b", "a0"}) {
    tree.files.push_back({name, md5_hex(std::string("d/") + name)});
  }
  EXPECT_EQ(version("d").md5, tree.digest());
}

TEST_F(RepositoryTest, WhatIsNotThereHasNoVersion) {
  EXPECT_FALSE((*repository().version_of(at("none"))).has_value());
  write("file", "");
  EXPECT_FALSE((*repository().version_of(at("file/below"))).has_value());
  fs::create_symlink("nowhere", at("broken"));
  EXPECT_FALSE((*repository().version_of(at("broken"))).has_value());
}

TEST_F(RepositoryTest, IgnoredFilesDoNotCount) {
  write("d/x", "1\n");
  std::string before = version("d").md5;
  write(".dvcignore", "*.log\nskip/\n");
  reopen();
  write("d/a.log", "");
  write("d/skip/y", "");
  EXPECT_EQ(version("d").md5, before);
  EXPECT_TRUE(repository().is_ignored(at("d/a.log"), false));
  EXPECT_FALSE((*repository().version_of(at("d/a.log"))).has_value());
}

TEST_F(RepositoryTest, ProjectsInsideDoNotCount) {
  write("d/x", "1\n");
  std::string before = version("d").md5;
  fs::create_directories(at("d/sub/.dvc"));
  write("d/sub/y", "");
  EXPECT_EQ(version("d").md5, before);
}

TEST_F(RepositoryTest, LinksToFilesAreReadAndLinksToFoldersLeftOut) {
  write("target", "1\n");
  write("elsewhere/z", "");
  write("d/x", "1\n");
  fs::create_directories(at("e"));
  fs::create_symlink(at("target"), at("e/x"));
  fs::create_directory_symlink(at("elsewhere"), at("e/linked"));
  EXPECT_EQ(version("e").md5, version("d").md5);
}

TEST_F(RepositoryTest, SaysWhatAFolderMayNotHold) {
  write("rules/.dvcignore", "");
  EXPECT_NE(fault("rules").message.find(".dvcignore file should not be in collected dir path"),
            std::string::npos);
  write("bytes/\xFF", "");
  EXPECT_NE(fault("bytes").message.find("is not valid UTF-8"), std::string::npos);
  fs::create_directories(at("bytes2/\xC3("));
  EXPECT_NE(fault("bytes2").message.find("is not valid UTF-8"), std::string::npos);
  fs::create_directories(at("broken"));
  fs::create_symlink("nowhere", at("broken/link"));
  EXPECT_NE(fault("broken").message.find("leads nowhere"), std::string::npos);
  fs::create_directories(at("pipes"));
  ASSERT_EQ(mkfifo(at("pipes/p").c_str(), 0644), 0);
  EXPECT_NE(fault("pipes").message.find("neither a file nor a folder"), std::string::npos);
}

TEST_F(RepositoryTest, AFileIsReadAgainWhenItChanged) {
  write("x", "1\n");
  std::string first = version("x").md5;
  write("x", "2\n");
  EXPECT_NE(version("x").md5, first);
}

TEST_F(RepositoryTest, KeepsItsOwnStateOutOfGit) {
  EXPECT_FALSE(exists(".slipway"));
  EXPECT_EQ(*repository().state_folder(), at(".slipway"));
  EXPECT_EQ(read(".slipway/.gitignore"), "*\n");
}

TEST_F(RepositoryTest, StateOfAPathAgainstWhatIsRecorded) {
  write("same", "1\n");
  saved("same");
  write("changed", "2\n");
  write("uncached", "3\n");
  struct Case {
    const char *name, *recorded;
    bool cached;
    State state;
  };
  for (const Case& one : std::vector<Case>{{"same", "1\n", true, State::kSame},
                                           {"same", "1\n", false, State::kSame},
                                           {"changed", "1\n", true, State::kModified},
                                           {"none", "1\n", true, State::kDeleted},
                                           {"none", "1\n", false, State::kDeleted},
                                           {"uncached", "3\n", true, State::kNotInCache},
                                           {"uncached", "3\n", false, State::kSame},
                                           {"none", "3\n", true, State::kNotInCache}}) {
    Result<State> state =
        repository().state_of(at(one.name), ProjectTest::version_of(one.recorded), one.cached);
    ASSERT_TRUE(state.ok()) << state.error().message;
    EXPECT_EQ(*state, one.state) << one.name << " " << one.recorded << " " << one.cached;
  }
}

TEST_F(RepositoryTest, WhatIsNotRecordedCountsAsModifiedAsDvcSaysIt) {
  write("x", "1\n");
  EXPECT_EQ(*repository().state_of(at("x"), {}, true), State::kModified);
  EXPECT_EQ(*repository().state_of(at("none"), {}, true), State::kDeleted);
}

TEST_F(RepositoryTest, AFolderWithADamagedListIsNotInCache) {
  write("d/x", "1\n");
  Version folder = saved("d");
  fs::path object = repository().cache().object_path(folder.md5);
  fs::remove(object);
  ASSERT_TRUE(write_file_quick(object, "[", 0444).ok());
  ASSERT_EQ(chmod(object.c_str(), 0444), 0);
  EXPECT_EQ(*repository().state_of(at("d"), folder, true), State::kNotInCache);
}

TEST_F(RepositoryTest, WhatDvc2RecordedIsRefusedWithAHint) {
  Version legacy = ProjectTest::version_of("1\n");
  legacy.legacy = true;
  Error error = repository().state_of(at("x"), legacy, true).error();
  EXPECT_EQ(error.tag, "unsupported");
  EXPECT_NE(error.message.find("dvc cache migrate"), std::string::npos);
  EXPECT_EQ(repository().plan_checkout(at("x"), legacy).error().tag, "unsupported");
}

TEST_F(RepositoryTest, SavingKeepsFilesAndPutsTheirBytesIntoTheCache) {
  write("d/x", "1\n");
  write("d/sub/y", "2\n");
  Version folder = saved("d");
  EXPECT_TRUE(*repository().cache().has_all(folder));
  EXPECT_EQ(read("d/x"), "1\n");
  EXPECT_EQ(folder.md5, version("d").md5);
  EXPECT_EQ(repository().save(at("none")).error().code, Code::kMissing);
}

TEST_F(RepositoryTest, SavingManyFilesOnTwoThreads) {
  for (int i = 0; i < 60; ++i) write("d/" + std::to_string(i), std::to_string(i));
  Version folder = saved("d");
  EXPECT_EQ(folder.nfiles, 60);
  EXPECT_TRUE(*repository().cache().has_all(folder));
  EXPECT_EQ(mode_of(repository().cache().object_path(md5_hex("7"))), 0444u);
}

TEST_F(RepositoryTest, SavingLinksWhereLinksAreWanted) {
  configure("[core]\n    no_scm = True\n[cache]\n    type = hardlink\n");
  write("x", "1\n");
  saved("x");
  struct stat file {
  }, object{};
  stat(at("x").c_str(), &file);
  stat(repository().cache().object_path(md5_hex("1\n")).c_str(), &object);
  EXPECT_EQ(file.st_ino, object.st_ino);
  write("y", "2\n");
  ASSERT_TRUE(repository().save(at("y"), /*relink=*/false).ok());
  stat(at("y").c_str(), &file);
  EXPECT_EQ(file.st_nlink, 1u);
}

TEST_F(RepositoryTest, UnprotectMakesAnOwnFileOfALink) {
  for (const char* type : {"hardlink", "symlink"}) {
    configure(std::string("[core]\n    no_scm = True\n[cache]\n    type = ") + type + "\n");
    write("d/x", type, 0755);
    saved("d");
    ASSERT_TRUE(repository().unprotect(at("d")).ok());
    struct stat file {};
    ASSERT_EQ(lstat(at("d/x").c_str(), &file), 0);
    EXPECT_TRUE(S_ISREG(file.st_mode)) << type;
    EXPECT_EQ(file.st_nlink, 1u) << type;
    EXPECT_NE(file.st_mode & 0200u, 0u) << type;
    EXPECT_EQ(read("d/x"), type);
    EXPECT_TRUE(repository().cache().has(md5_hex(type)));
  }
}

TEST_F(RepositoryTest, WhatIsSavedLaterIsDurableAfterSync) {
  repository().sync_later();
  write("x", "1\n");
  saved("x");
  fs::path object = repository().cache().object_path(md5_hex("1\n"));
  EXPECT_NE(mode_of(object) & 0200u, 0u);
  ASSERT_TRUE(repository().sync().ok());
  EXPECT_EQ(mode_of(object), 0444u);
}

TEST_F(RepositoryTest, FindsStageFilesWhereTheyCount) {
  write("b.dvc", "outs:\n- path: tracked\n");
  write("a/dvc.yaml", "stages:\n  s:\n    cmd: x\n    outs: [made]\n");
  write("dvc.yaml", "");
  write("a/made/dvc.yaml", "");     // an output of the stage
  write("tracked/deep/c.dvc", "");  // below a tracked folder
  write(".slipway/dvc.yaml", "");   // our own state
  write("ignored/dvc.yaml", "");
  write("sub/dvc.yaml", "");
  fs::create_directories(at("sub/.dvc"));  // a project of its own
  write(".dvcignore", "ignored\n");
  write(".dvc/x.dvc", "");
  write(".dvc.yaml", "");
  reopen();
  Result<Repository::StageFiles> files = repository().stage_files();
  ASSERT_TRUE(files.ok());
  EXPECT_EQ(files->single, (std::vector<fs::path>{at("b.dvc")}));
  EXPECT_EQ(files->pipelines, (std::vector<fs::path>{at("a/dvc.yaml"), at("dvc.yaml")}));
}

class GitProject : public RepositoryTest {
 protected:
  GitProject() { use_git(); }
};

TEST_F(GitProject, IgnoringAddsOneLineBesideThePath) {
  write("d/x", "");
  Result<std::optional<fs::path>> changed = repository().ignore(at("d/x"));
  ASSERT_TRUE(changed.ok()) << changed.error().message;
  EXPECT_EQ(*changed, at("d/.gitignore"));
  EXPECT_EQ(read("d/.gitignore"), "/x\n");
  EXPECT_FALSE((*repository().ignore(at("d/x"))).has_value());
  EXPECT_EQ(read("d/.gitignore"), "/x\n");
}

TEST_F(GitProject, SpecialNamesAreEscapedAsDvcDoes) {
  for (const char* name : {"#hash", "!bang", "br[a]ck*?", "with space"}) {
    write(name, "");
    ASSERT_TRUE(repository().ignore(at(name)).ok()) << name;
    EXPECT_FALSE((*repository().ignore(at(name))).has_value()) << name << " is not ignored by git";
  }
  EXPECT_EQ(read(".gitignore"), "/\\#hash\n/\\!bang\n/br\\[a\\]ck\\*\\?\n/with space\n");
}

TEST_F(GitProject, ALineWithoutAnEndGetsOne) {
  write(".gitignore", "*.pyc");
  write("x", "");
  ASSERT_TRUE(repository().ignore(at("x")).ok());
  EXPECT_EQ(read(".gitignore"), "*.pyc\n/x\n");
}

TEST_F(GitProject, WhatGitIgnoresAlreadyNeedsNoLine) {
  write(".gitignore", "*.bin\n");
  write("a.bin", "");
  EXPECT_FALSE((*repository().ignore(at("a.bin"))).has_value());
  EXPECT_EQ(read(".gitignore"), "*.bin\n");
}

TEST_F(GitProject, WhatGitTracksIsNotTaken) {
  write("x", "");
  write("d/y", "");
  git({"add", "x", "d"});
  for (const char* name : {"x", "d"}) {
    Result<std::optional<fs::path>> ignored = repository().ignore(at(name));
    ASSERT_FALSE(ignored.ok()) << name;
    EXPECT_EQ(ignored.error().tag, "tracked_by_git");
  }
  Result<std::set<fs::path>> tracked =
      repository().tracked_by_git({at("x"), at("d"), at("d/y"), at("d/z"), at("y")});
  ASSERT_TRUE(tracked.ok());
  EXPECT_EQ(*tracked, (std::set<fs::path>{at("x"), at("d"), at("d/y")}));
}

TEST_F(GitProject, ManyAreIgnoredTogether) {
  write(".gitignore", "/old\n*.bin\n");
  fs::create_directories(at("d"));
  Result<Repository::Ignored> done = repository().ignore_all(
      {{at("old")}, {at("a.bin")}, {at("new")}, {at("d/one")}, {at("d/two")}});
  ASSERT_TRUE(done.ok()) << done.error().message;
  EXPECT_EQ(done->files, (std::vector<fs::path>{at(".gitignore"), at("d/.gitignore")}));
  EXPECT_EQ(done->paths, (std::vector<fs::path>{at("new"), at("d/one"), at("d/two")}));
  EXPECT_EQ(read(".gitignore"), "/old\n*.bin\n/new\n");
  EXPECT_EQ(read("d/.gitignore"), "/one\n/two\n");
  EXPECT_TRUE(repository().ignore_all({{at("new")}, {at("d/one")}})->files.empty());
}

TEST_F(GitProject, ALineGoesBeforeThoseThatItShallStandBefore) {
  write(".gitignore", "/old\n/last\n# ours");
  ASSERT_TRUE(repository()
                  .ignore_all({{at("b"), {at("gone"), at("last")}},
                               {at("c"), {at("last"), at("d/old")}},
                               {at("end"), {at("gone")}}})
                  .ok());
  EXPECT_EQ(read(".gitignore"), "/old\n/b\n/c\n/last\n# ours\n/end\n");
}

TEST_F(GitProject, UnignoringTakesTheLineOutAgain) {
  write(".gitignore", "*.pyc\n/x\n");
  ASSERT_TRUE(repository().unignore(at("x")).ok());
  EXPECT_EQ(read(".gitignore"), "*.pyc\n");
  ASSERT_TRUE(repository().unignore(at("never")).ok());
  EXPECT_EQ(read(".gitignore"), "*.pyc\n");
  write("d/.gitignore", "/y\n");
  ASSERT_TRUE(repository().unignore(at("d/y")).ok());
  EXPECT_FALSE(exists("d/.gitignore"));
  EXPECT_TRUE(repository().unignore(at("e/z")).ok());
}

TEST_F(GitProject, UnignoringTakesOutWhatIgnoringWrote) {
  for (const char* name : {"#hash", "!bang", "br[a]ck*?", "with space"}) {
    write(name, "");
    ASSERT_TRUE(repository().ignore(at(name)).ok()) << name;
    ASSERT_TRUE(repository().unignore(at(name)).ok()) << name;
    EXPECT_FALSE(exists(".gitignore")) << read(".gitignore");
  }
}

TEST_F(GitProject, StagesFilesOnlyWhenAskedTo) {
  write("x.dvc", "");
  EXPECT_FALSE(*repository().autostage({at("x.dvc")}));
  configure("[core]\n    autostage = true\n");
  EXPECT_TRUE(*repository().autostage({at("x.dvc")}));
  EXPECT_TRUE(repository().tracked_by_git({at("x.dvc")})->contains(at("x.dvc")));
}

TEST_F(RepositoryTest, WithoutGitNothingIsIgnoredOrStaged) {
  write("x", "");
  EXPECT_FALSE((*repository().ignore(at("x"))).has_value());
  EXPECT_TRUE(repository().ignore_all({{at("x")}})->files.empty());
  EXPECT_TRUE(repository().tracked_by_git({at("x")})->empty());
  EXPECT_FALSE(*repository().autostage({at("x")}));
  EXPECT_FALSE(exists(".gitignore"));
}

}  // namespace
}  // namespace slipway::data
