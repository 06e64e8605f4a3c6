#include "domain/flows/stages.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "domain/flows/flows_testing.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class Stages : public FlowsTest {
 protected:
  Stages() {
    write("dvc.yaml",
          "stages:\n  a:\n    cmd: cp x y; cp x w\n    deps: [x]\n    outs: [y, w]\n"
          "  b:\n    cmd: cp y z\n    deps: [y]\n    outs: [z]\n");
    for (const char* name : {"x", "y", "w", "z"}) write(name, "1\n");
    record("a");
    record("b");
  }
  /// "a: dep x modified; b: ..." or "error: MESSAGE".
  std::string state(const Words& targets = {}, const std::string& from = "") {
    Result<std::vector<StageStatus>> all =
        status(repository(), targets, from.empty() ? root_ : at(from));
    if (!all.ok()) return "error: " + all.error().message;
    std::string text;
    for (const StageStatus& one : *all)
      text += (text.empty() ? "" : "; ") + one.owner + ": " + text_of(one.found);
    return text;
  }
  /// The files that were written, or "error TAG: MESSAGE".
  std::string committed(StageCommit request) {
    request.from = root_;
    Result<std::vector<fs::path>> files = commit(repository(), request);
    if (!files.ok()) return "error " + files.error().tag + ": " + files.error().message;
    std::string names;
    for (const fs::path& file : *files)
      names += (names.empty() ? "" : " ") + file.lexically_relative(root_).string();
    return names;
  }
};

TEST_F(Stages, WithoutDifferencesSayNothing) {
  EXPECT_EQ(state(), "");
}

TEST_F(Stages, SayWhatDiffersInOrderOfTheFile) {
  write("y", "2\n");
  fs::remove(at("x"));
  EXPECT_EQ(state(), "a: dep x deleted, out y modified; b: dep y modified");
  fs::create_directories(at("sub"));
  EXPECT_EQ(state({}, "sub"),
            "../dvc.yaml:a: dep ../x deleted, out ../y modified; ../dvc.yaml:b: dep ../y modified");
}

TEST_F(Stages, TargetsNarrowItToAStageOrOneOutput) {
  write("y", "2\n");
  write("w", "2\n");
  EXPECT_EQ(state({"b"}), "b: dep y modified");
  EXPECT_EQ(state({"w"}), "a: out w modified");
  EXPECT_EQ(state({"b", "a"}), "b: dep y modified; a: out y modified, out w modified");
  EXPECT_EQ(state({"none"}), "");  // it may name data
}

TEST_F(Stages, AFrozenStageIsSaidToBeOne) {
  write("dvc.yaml",
        "stages:\n  b:\n    frozen: true\n    cmd: cp y z\n    deps: [y]\n    outs: [z]\n");
  write("z", "2\n");
  Result<std::vector<StageStatus>> all = status(repository(), {}, root_);
  ASSERT_EQ(all->size(), 1u);
  EXPECT_TRUE(all->at(0).frozen);
}

TEST_F(Stages, ABadPipelineIsAnErrorUnlessAStageIsNamed) {
  write("dvc.yaml", read("dvc.yaml") + "  c:\n    cmd: x\n    outs: [z]\n");
  EXPECT_EQ(state().find("error: output 'z' is specified in:"), 0u) << state();
  EXPECT_EQ(state({"a"}), "");
  write("dvc.yaml", "stages: [\n");
  EXPECT_NE(state({"a"}).find("dvc.yaml:2:1: "), std::string::npos) << state({"a"});
}

TEST_F(Stages, CommitRefusesWhatChangedAndWritesNothing) {
  write("z", "2\n");
  std::string before = read("dvc.lock");
  EXPECT_EQ(committed({.targets = {}, .from = {}}),
            "error changed: unable to commit changed stage: 'b'. Use `-f|--force` to force.");
  EXPECT_EQ(read("dvc.lock"), before);
  EXPECT_EQ(committed({.targets = {"a"}, .from = {}}), "");
}

TEST_F(Stages, CommitRecordsTheWorkspaceWhenForced) {
  write("z", "2\n");
  EXPECT_EQ(committed({.targets = {}, .from = {}, .force = true}), "dvc.lock");
  EXPECT_EQ(state(), "");
  EXPECT_EQ(step("b").outs.at(0).recorded.md5, md5_hex("2\n"));
  EXPECT_TRUE(fs::exists(repository().cache().object_path(md5_hex("2\n"))));
  EXPECT_TRUE(exists(".dvc/cache/runs"));
}

TEST_F(Stages, CommitPutsBackWhatIsOnlyGoneFromTheCache) {
  fs::remove(repository().cache().object_path(md5_hex("1\n")));
  EXPECT_EQ(state({"b"}), "b: out z not in cache");
  EXPECT_EQ(committed({.targets = {"b"}, .from = {}}), "");
  EXPECT_EQ(state({"b"}), "");
}

TEST_F(Stages, CommitNeedsEveryInputAndOutput) {
  fs::remove(at("z"));
  EXPECT_EQ(committed({.targets = {"b"}, .from = {}, .force = true}),
            "error : output 'z' does not exist");
  fs::remove(at("x"));
  EXPECT_EQ(committed({.targets = {"a"}, .from = {}, .force = true}),
            "error : dependency 'x' does not exist");
}

TEST_F(Stages, CommitOfNewStagesKeepsTheOrderOfTheirFile) {
  fs::remove(at("dvc.lock"));
  EXPECT_EQ(committed({.targets = {}, .from = {}, .force = true}), "dvc.lock");
  EXPECT_LT(read("dvc.lock").find("\n  a:"), read("dvc.lock").find("\n  b:"));
}

TEST_F(Stages, CommitIgnoresOutputsInGit) {
  use_git();
  write("z", "2\n");
  EXPECT_EQ(committed({.targets = {"b"}, .from = {}, .force = true}), ".gitignore dvc.lock");
  EXPECT_EQ(read(".gitignore"), "/z\n");
}

}  // namespace
}  // namespace slipway::flows
