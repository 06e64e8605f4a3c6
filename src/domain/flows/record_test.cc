#include "domain/flows/record.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/hash.h"
#include "domain/flows/commit.h"
#include "domain/flows/flows_testing.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

class Recording : public FlowsTest {
 protected:
  Recording() {
    write("dvc.yaml",
          "stages:\n  t:\n    cmd: make\n    deps: [y, x]\n    params: [lr, b.yaml: [k]]\n"
          "    outs: [o]\n    metrics: [m.json: {cache: false}]\n");
    for (const char* name : {"x", "y", "o", "m.json"}) write(name, std::string(name) + "\n");
    write("params.yaml", "lr: 0.5\nother: 1\n");
    write("b.yaml", "k: [1, 2]\n");
  }
  Result<data::LockedStage> inputs(const std::string& from = "") {
    ParamsFiles params;
    return inputs_now(repository(), step("t"), params, from.empty() ? root_ : at(from));
  }
  std::string refused_inputs() {
    Result<data::LockedStage> locked = inputs();
    return locked.ok()
               ? ""
               : std::string(to_string(locked.error().code)) + ": " + locked.error().message;
  }
  /// The message of save_outs, or "".
  std::string saved_outs(const SaveOptions& options) {
    locked_ = *inputs();
    Result<> saved = save_outs(repository(), step("t"), locked_, options, root_);
    return saved.ok() ? "" : saved.error().message;
  }
  bool is_kept(const std::string& content) {
    return fs::exists(repository().cache().object_path(md5_hex(content)));
  }
  data::LockedStage locked_;
};

TEST_F(Recording, InputsAreInTheOrderOfTheLock) {
  Result<data::LockedStage> locked = inputs();
  ASSERT_TRUE(locked.ok()) << locked.error().message;
  EXPECT_EQ(locked->cmd.text, "make");
  ASSERT_EQ(locked->deps.size(), 2u);
  EXPECT_EQ(locked->deps[0].path, "x");
  EXPECT_EQ(locked->deps[0].version.md5, md5_hex("x\n"));
  ASSERT_EQ(locked->outs.size(), 2u);
  EXPECT_EQ(locked->outs[0].path, "m.json");
  EXPECT_EQ(locked->outs[0].version.md5, "");
  EXPECT_EQ(wire::dump(params_json(*locked)), R"({"params.yaml":{"lr":0.5},"b.yaml":{"k":[1,2]}})");
}

TEST_F(Recording, WhatIsNotThereIsNoInput) {
  fs::remove(at("y"));
  EXPECT_EQ(refused_inputs(), "missing: dependency 'y' does not exist");
  write("y", "");
  write("params.yaml", "other: 1\n");
  EXPECT_EQ(refused_inputs(), "missing: Parameters 'lr' are missing from 'params.yaml'.");
  fs::remove(at("params.yaml"));
  EXPECT_EQ(refused_inputs(), "missing: dependency 'params.yaml' does not exist");
  fs::create_directories(at("sub"));
  write("params.yaml", "lr: 1\n");
  fs::remove(at("x"));
  EXPECT_EQ(inputs("sub").error().message, "dependency '../x' does not exist");
}

TEST_F(Recording, OutputsGoIntoTheCacheAndUncachedOnesAreKeptForTheRunCache) {
  EXPECT_EQ(saved_outs({}), "");
  EXPECT_EQ(locked_.outs.at(0).version.md5, md5_hex("m.json\n"));
  EXPECT_EQ(locked_.outs.at(1).version.md5, md5_hex("o\n"));
  EXPECT_TRUE(is_kept("o\n"));
  EXPECT_TRUE(is_kept("m.json\n"));
}

TEST_F(Recording, UncachedOutputsAreNotKeptForAStageThatIsNotRemembered) {
  EXPECT_EQ(saved_outs({.remember = false}), "");
  EXPECT_EQ(locked_.outs.at(0).version.md5, md5_hex("m.json\n"));
  EXPECT_TRUE(is_kept("o\n"));
  EXPECT_FALSE(is_kept("m.json\n"));
}

TEST_F(Recording, NothingIsKeptWithoutStoring) {
  EXPECT_EQ(saved_outs({.store = false}), "");
  EXPECT_EQ(locked_.outs.at(1).version.md5, md5_hex("o\n"));
  EXPECT_FALSE(exists(".dvc/cache"));
}

TEST_F(Recording, AMissingOutputIsRefusedUnlessItIsAllowed) {
  fs::remove(at("o"));
  EXPECT_EQ(saved_outs({}), "output 'o' does not exist");
  EXPECT_EQ(saved_outs({.missing_allowed = true}), "");
  EXPECT_EQ(locked_.outs.at(1).version.md5, "");
}

TEST_F(Recording, AMetricIsText) {
  for (const std::string& content :
       {std::string("a\0b", 3), std::string(200, '\xff'), std::string("\x01\x02\x03x")}) {
    write("m.json", content);
    EXPECT_EQ(saved_outs({}),
              "binary file '" + at("m.json").string() + "' cannot be used as metrics.");
  }
  for (const std::string& content :
       {std::string(), std::string("{\"a\": 1}\r\n\t"), std::string(600, 'x') + '\0',
        std::string(70, 'x') + std::string(30, '\xc3')}) {
    write("m.json", content);
    EXPECT_EQ(saved_outs({}), "") << content.size();
  }
  write("m.json", "{}\n");
  write("o", std::string("a\0b", 3));
  EXPECT_EQ(saved_outs({}), "");
}

TEST(ParamsJson, IsNullWithoutParamsOrWhereJsonHasNoForm) {
  data::LockedStage locked;
  EXPECT_TRUE(params_json(locked).is_null());
  locked.params = {{"params.yaml", {{"day", *yaml::parse("2020-01-02", "p")}}}};
  EXPECT_TRUE(params_json(locked).is_null());
}

TEST_F(Recording, DataIsCalledByItsPathInTheProject) {
  Step one = step("t");
  one.folder = at("sub");
  data::Version folder;
  folder.md5 = md5_hex("[]") + ".dir";
  folder.nfiles = 3;
  std::vector<DataFact> facts = data_facts(one,
                                           {{"a", version_of("1\n"), {}},
                                            {"../d/", folder, {}},
                                            {"../../out", version_of(""), {}},
                                            {"unknown", {}, {}}},
                                           root_);
  ASSERT_EQ(facts.size(), 3u);
  EXPECT_EQ(facts[0].path, "sub/a");
  EXPECT_EQ(facts[0].md5, md5_hex("1\n"));
  EXPECT_EQ(facts[0].size, 2);
  EXPECT_EQ(facts[0].nfiles, -1);
  EXPECT_EQ(facts[1].path, "d/");
  EXPECT_EQ(facts[1].nfiles, 3);
  EXPECT_EQ(facts[2].path, (root_.parent_path() / "out").string());
}

/// The same in a git work tree with everything committed.
class Committed : public Recording {
 protected:
  Committed() {
    use_git();
    write(".gitignore", "/theirs\n");
    git({"add", "-A"});
    git({"rm", "-q", "--cached", "o"});
    git({"commit", "-q", "-m", "first"});
  }
  CommitFact now() {
    Result<CommitFact> fact = commit_now(repository(), load());
    EXPECT_TRUE(fact.ok()) << fact.error().message;
    return fact.ok() ? *fact : CommitFact();
  }
};

TEST_F(Recording, WithoutGitThereIsNoCommit) {
  Result<CommitFact> fact = commit_now(repository(), load());
  ASSERT_TRUE(fact.ok());
  EXPECT_EQ(fact->commit, "");
  EXPECT_FALSE(fact->dirty);
}

TEST_F(Recording, BeforeTheFirstCommitThereIsNone) {
  use_git();
  EXPECT_EQ(commit_now(repository(), load())->commit, "");
}

TEST_F(Committed, ACleanWorkTreeIsItsCommit) {
  EXPECT_EQ(now().commit.size(), 40u);
  EXPECT_FALSE(now().dirty);
  EXPECT_EQ(now().diff, "");
}

TEST_F(Committed, AChangedFileMakesItDirtyByItsContent) {
  write("x", "changed\n");
  CommitFact first = now();
  EXPECT_TRUE(first.dirty);
  EXPECT_EQ(first.diff.size(), 64u);
  EXPECT_EQ(now().diff, first.diff);
  write("x", "changed again\n");
  EXPECT_NE(now().diff, first.diff);
  write("x", "x\n");
  EXPECT_FALSE(now().dirty);
}

TEST_F(Committed, ADeletedAndAStagedFileMakeItDirty) {
  fs::remove(at("x"));
  EXPECT_TRUE(now().dirty);
  write("x", "x\n");
  write("new", "1\n");
  EXPECT_FALSE(now().dirty);  // git knows nothing of it
  git({"add", "new"});
  EXPECT_TRUE(now().dirty);
}

TEST_F(Committed, WhatReproWritesItselfDoesNotCount) {
  write("dvc.lock", "schema: '2.0'\nstages: {}\n");
  git({"add", "dvc.lock"});
  write("m.json", "other\n");
  write(".gitignore", "/theirs\n/o\n");
  EXPECT_FALSE(now().dirty);
  write(".gitignore", "/theirs\n/o\n/more\n");
  EXPECT_TRUE(now().dirty);
  write(".gitignore", "/o\n");  // a line of theirs is gone
  EXPECT_TRUE(now().dirty);
}

TEST_F(Committed, OddNamesAreNamesAndNoPatterns) {
  write("a[b]", "1\n");
  write(":(glob)*", "1\n");
  git({"add", "-A"});
  git({"commit", "-q", "-m", "second"});
  EXPECT_FALSE(now().dirty);
  write("a[b]", "2\n");
  std::string diff = now().diff;
  EXPECT_NE(diff, "");
  write(":(glob)*", "2\n");
  EXPECT_TRUE(now().dirty);
  EXPECT_NE(now().diff, diff);
}

TEST_F(Committed, FilesThatGitDoesNotKnowAreCountedWithTheirContents) {
  EXPECT_EQ(now().untracked, 0);
  EXPECT_EQ(now().untracked_digest, "");
  write("lib.sh", "echo 1\n");
  write("more/lib.sh", "echo 2\n");
  write("theirs", "git ignores it\n");
  CommitFact first = now();
  EXPECT_FALSE(first.dirty);
  EXPECT_EQ(first.untracked, 2);
  EXPECT_EQ(first.untracked_digest.size(), 64u);
  EXPECT_EQ(now().untracked_digest, first.untracked_digest);
  write("lib.sh", "echo 3\n");
  EXPECT_EQ(now().untracked, 2);
  EXPECT_NE(now().untracked_digest, first.untracked_digest);
}

TEST_F(Committed, AStageFileOrADependencyThatGitDoesNotKnowMakesItDirty) {
  for (const char* name : {"dvc.yaml", "x", "b.yaml"}) {
    git({"rm", "-q", "--cached", name});
    git({"commit", "-q", "-m", "without"});
    EXPECT_TRUE(now().dirty) << name;
    EXPECT_EQ(now().untracked, 1) << name;
    git({"add", name});
    git({"commit", "-q", "-m", "with"});
    EXPECT_FALSE(now().dirty) << name;
  }
}

TEST_F(Committed, DigestsDoNotDependOnSettingsOfGit) {
  write("x", "changed\n");
  const std::string diff = now().diff;
  ASSERT_NE(diff, "");
  for (const char* setting :
       {"diff.context=1", "diff.noprefix=true", "diff.external=false", "diff.algorithm=patience",
        "diff.relative=true", "status.showUntrackedFiles=no", "diff.t.textconv=cat /dev/null"}) {
    std::string text = setting;
    git({"config", text.substr(0, text.find('=')), text.substr(text.find('=') + 1)});
    EXPECT_EQ(now().diff, diff) << setting;
  }
  write(".git/info/attributes", "x diff=t\n");
  EXPECT_EQ(now().diff, diff);
}

/// Whether it comes true within 20 seconds.
template <class Condition>
bool eventually(Condition condition) {
  auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::yield();
  }
  return true;
}

TEST_F(Committed, AWatchSeesCommitsAndEditsBetweenAttempts) {
  Steps steps = load();
  data::Repository& project = repository();
  CommitWatch watch(project, steps);
  const std::string first = watch.now()->commit;
  EXPECT_FALSE(watch.now()->dirty);
  write("x", "changed\n");
  auto is_dirty = [&] { return watch.now()->dirty; };
  EXPECT_TRUE(eventually(is_dirty));
  git({"commit", "-q", "-a", "-m", "second"});
  EXPECT_TRUE(eventually([&] { return watch.now()->commit != first && !is_dirty(); }));
  write("new", "1\n");
  EXPECT_TRUE(eventually([&] { return watch.now()->untracked == 1; }));
}

}  // namespace
}  // namespace slipway::flows
