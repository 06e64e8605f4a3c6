#include "domain/flows/steps.h"

#include <gtest/gtest.h>

#include "base/hash.h"
#include "domain/flows/flows_testing.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

/// x.dvc, a stage in the root, two in sub/.
class StepsOf : public FlowsTest {
 protected:
  StepsOf() {
    write("dvc.yaml", "stages:\n  prepare:\n    cmd: make\n    deps: [x]\n    outs: [sub/data]\n");
    write(
        "sub/dvc.yaml",
        "stages:\n  train:\n    wdir: ..\n    cmd: make\n    deps: [sub/data/]\n    params: [lr]\n"
        "    outs: [model]\n  test:\n    cmd: [a, b]\n    frozen: true\n    always_changed: true\n"
        "    metrics: [../score.json: {cache: false, persist: true}]\n");
    write("x.dvc", "outs:\n- md5: " + md5_hex("1\n") + "\n  size: 2\n  hash: md5\n  path: x\n");
  }
  /// Names of what `target` means, or "TAG: MESSAGE".
  std::string found(const std::string& target, const std::string& from = "", bool recursive = false,
                    bool glob = false) {
    Steps steps = load(from);
    Result<std::vector<std::size_t>> indices = steps.find(target, recursive, glob);
    if (!indices.ok()) return indices.error().tag + ": " + indices.error().message;
    std::string names;
    for (std::size_t i : *indices) names += (names.empty() ? "" : " ") + steps.all()[i].name;
    return names;
  }
  std::string error_of_load() {
    Result<Steps> steps = Steps::load(repository(), root_);
    return steps.ok() ? "" : steps.error().message;
  }
};

TEST_F(StepsOf, AProjectAreItsDataFilesThenItsStages) {
  std::string names, ids;
  Steps steps = load();
  for (const Step& one : steps.all()) {
    names += one.name + " ";
    ids += one.id + " ";
  }
  EXPECT_EQ(names, "x.dvc prepare sub/dvc.yaml:train sub/dvc.yaml:test ");
  EXPECT_EQ(ids, "x.dvc dvc.yaml:prepare sub/dvc.yaml:train sub/dvc.yaml:test ");
}

TEST_F(StepsOf, AFolderAreCalledAsSeenFromThere) {
  std::string names, ids;
  Steps steps = load("sub");
  for (const Step& one : steps.all()) {
    names += one.name + " ";
    ids += one.id + " ";
  }
  EXPECT_EQ(names, "../x.dvc ../dvc.yaml:prepare train test ");
  EXPECT_EQ(ids, "x.dvc dvc.yaml:prepare sub/dvc.yaml:train sub/dvc.yaml:test ");
}

TEST_F(StepsOf, AStageHaveItsPathsAbsoluteAndAsWritten) {
  Step train = step("sub/dvc.yaml:train");
  EXPECT_EQ(train.folder, root_);
  EXPECT_EQ(train.deps.at(0).path, "sub/data/");
  EXPECT_EQ(train.deps.at(0).absolute, at("sub/data"));
  EXPECT_EQ(train.params.at(0).absolute, at("params.yaml"));
  EXPECT_EQ(train.outs.at(0).absolute, at("model"));
  EXPECT_FALSE(train.is_data || train.frozen || train.always_changed || train.is_callback());
  Step test = step("sub/dvc.yaml:test");
  EXPECT_TRUE(test.frozen && test.always_changed);
  EXPECT_EQ(test.folder, at("sub"));
  EXPECT_EQ(test.outs.at(0).absolute, at("score.json"));
  EXPECT_FALSE(test.outs.at(0).cache);
  EXPECT_TRUE(test.outs.at(0).persist);
  EXPECT_EQ(test.outs.at(0).kind, project::OutputKind::kMetric);
}

TEST_F(StepsOf, ADataFileAreItsOutputsWithWhatItSays) {
  Step data = step("x.dvc");
  EXPECT_TRUE(data.is_data);
  EXPECT_FALSE(data.is_callback());
  EXPECT_EQ(data.outs.at(0).absolute, at("x"));
  EXPECT_EQ(data.outs.at(0).recorded.md5, md5_hex("1\n"));
}

TEST_F(StepsOf, AnImportHaveOnlyDependenciesThatCanBeLookedAt) {
  write("x.dvc", "frozen: true\ndeps:\n- path: s3://bucket/key\n  etag: abc\n- md5: " +
                     md5_hex("2\n") + "\n  hash: md5\n  path: y\nouts:\n- md5: " + md5_hex("1\n") +
                     "\n  hash: md5\n  path: x\n");
  Step data = step("x.dvc");
  ASSERT_EQ(data.deps.size(), 1u);
  EXPECT_EQ(data.deps[0].absolute, at("y"));
  EXPECT_TRUE(data.frozen);
}

TEST_F(StepsOf, AFileOfTheFirstDvcAreRefused) {
  write("x.dvc", "cmd: make\nouts:\n- md5: " + md5_hex("1\n") + "\n  hash: md5\n  path: x\n");
  EXPECT_EQ(error_of_load(),
            "not supported yet: x.dvc has a \"cmd\" (DVC 1 wrote such files); move it into "
            "dvc.yaml");
}

TEST_F(StepsOf, BrokenFilesAreNone) {
  write("sub/dvc.lock", "schema: '2.0'\nstages: [a]\n");
  EXPECT_TRUE(error_of_load().starts_with("sub/dvc.lock:2:9: ")) << error_of_load();
  write("sub/dvc.yaml", "stages:\n  train: {}\n");
  EXPECT_TRUE(error_of_load().find("dvc.yaml:2:") != std::string::npos) << error_of_load();
  write("x.dvc", "outs: [\n");
  EXPECT_TRUE(error_of_load().starts_with("x.dvc:")) << error_of_load();
}

TEST_F(StepsOf, AreFilledFromTheLockAndEmptiedWithoutIt) {
  Step one = step("sub/dvc.yaml:train");
  data::LockedStage locked;
  locked.cmd = yaml::Node::string("make");
  locked.deps = {{"sub/data/", version_of("1\n"), {}}, {"gone", version_of("2\n"), {}}};
  locked.outs = {{"other", version_of("3\n"), {}}};
  locked.params = {{"params.yaml", {{"lr", yaml::Node::integer(1)}}}};
  one.fill(&locked);
  EXPECT_TRUE(one.is_locked);
  EXPECT_EQ(one.locked_cmd.text, "make");
  EXPECT_EQ(one.deps.at(0).recorded.md5, md5_hex("1\n"));
  EXPECT_EQ(one.outs.at(0).recorded.md5, "");
  ASSERT_TRUE(one.params.at(0).is_recorded);
  EXPECT_EQ(one.params[0].recorded.at(0).first, "lr");
  one.fill(nullptr);
  EXPECT_FALSE(one.is_locked);
  EXPECT_EQ(one.deps[0].recorded.md5, "");
  EXPECT_FALSE(one.params[0].is_recorded);
  EXPECT_TRUE(one.params[0].recorded.empty());
}

TEST_F(StepsOf, TargetsAreStagesFilesAndOutputs) {
  EXPECT_EQ(found("prepare"), "prepare");
  EXPECT_EQ(found("dvc.yaml:prepare"), "prepare");
  EXPECT_EQ(found("./dvc.yaml:prepare"), "prepare");
  EXPECT_EQ(found("sub/dvc.yaml:train"), "sub/dvc.yaml:train");
  EXPECT_EQ(found("dvc.yaml"), "prepare");
  EXPECT_EQ(found("sub/dvc.yaml"), "sub/dvc.yaml:train sub/dvc.yaml:test");
  EXPECT_EQ(found("x.dvc"), "x.dvc");
  EXPECT_EQ(found("x"), "x.dvc");
  EXPECT_EQ(found("sub/data"), "prepare");
  EXPECT_EQ(found("sub/data/"), "prepare");
  EXPECT_EQ(found("score.json"), "sub/dvc.yaml:test");
}

TEST_F(StepsOf, TargetsAreSeenFromTheFolder) {
  EXPECT_EQ(found("train", "sub"), "train");
  EXPECT_EQ(found("data", "sub"), "../dvc.yaml:prepare");
  EXPECT_EQ(found("../model", "sub"), "train");
  EXPECT_EQ(found("../x.dvc", "sub"), "../x.dvc");
  EXPECT_EQ(found("../dvc.yaml:prepare", "sub"), "../dvc.yaml:prepare");
}

TEST_F(StepsOf, TargetsThatAreNothingSayWhatIsNotThere) {
  EXPECT_EQ(found("train"), "no_target: Stage 'train' not found inside 'dvc.yaml' file");
  EXPECT_EQ(found("sub/dvc.yaml:none"),
            "no_target: Stage 'none' not found inside 'sub/dvc.yaml' file");
  EXPECT_EQ(found("none.dvc"), "no_target: '" + at("none.dvc").string() + "' does not exist");
  EXPECT_EQ(found("no/dvc.yaml"), "no_target: '" + at("no/dvc.yaml").string() + "' does not exist");
  EXPECT_EQ(found("no/dvc.yaml:a"),
            "no_target: '" + at("no/dvc.yaml").string() + "' does not exist");
  fs::remove(at("dvc.yaml"));
  EXPECT_EQ(found("train"), "no_target: 'dvc.yaml' does not exist");
  EXPECT_EQ(found("sub"), "no_target: 'dvc.yaml' does not exist");
}

TEST_F(StepsOf, AFolderIsATargetOnlyRecursively) {
  write("sub/deep/dvc.yaml", "stages:\n  d:\n    cmd: x\n");
  write("subway/dvc.yaml", "stages:\n  w:\n    cmd: x\n");
  EXPECT_EQ(found("sub", "", true), "sub/deep/dvc.yaml:d sub/dvc.yaml:train sub/dvc.yaml:test");
  EXPECT_EQ(found("sub").find("no_target"), 0u);
  EXPECT_EQ(found(".", "subway", true), "w");
}

TEST_F(StepsOf, APatternIsATargetOnlyWhenItIsSaidToBeOne) {
  EXPECT_EQ(found("t*", "sub", false, true), "train test");
  EXPECT_EQ(found("sub/dvc.yaml:t?st", "", false, true), "sub/dvc.yaml:test");
  EXPECT_EQ(found("[a-s]*", "sub", false, true).find("no_target"), 0u);
  EXPECT_EQ(found("t*", "sub").find("no_target"), 0u);
}

TEST_F(StepsOf, AFileWithoutStagesIsATargetThatMeansNothing) {
  write("sub/dvc.yaml", "stages: {}\n");
  EXPECT_EQ(found("sub/dvc.yaml"), "");
}

TEST_F(StepsOf, SeveralTargetsAreTakenOnceAndInTheirOrder) {
  Steps steps = load();
  auto all = [&](const std::vector<std::string>& targets) {
    std::string names;
    std::vector<std::size_t> found = *steps.find_all(targets, false, false);
    for (std::size_t i : found) names += steps.all()[i].name + " ";
    return names;
  };
  EXPECT_EQ(all({"sub/dvc.yaml:test", "x", "sub/dvc.yaml", "x.dvc"}),
            "sub/dvc.yaml:test x.dvc sub/dvc.yaml:train ");
  EXPECT_EQ(all({}), "prepare ");
  EXPECT_EQ(steps.find_all({"x", "none"}, false, false).error().tag, "no_target");
}

TEST_F(StepsOf, TheirGraphFollowsPathsAndParams) {
  write("dvc.yaml",
        "stages:\n  prepare:\n    cmd: make\n    deps: [x]\n    outs: [sub/data, params.yaml]\n");
  Steps steps = load();
  Graph graph = *steps.graph();
  std::string edges;
  for (std::size_t i = 0; i < graph.size(); ++i) {
    for (std::size_t cause : graph.upstream(i))
      edges += graph.node(cause).name + ">" + graph.node(i).name + " ";
  }
  EXPECT_EQ(edges, "x.dvc>prepare prepare>sub/dvc.yaml:train ");
}

TEST(LockPath, StandsBesideThePipelineFile) {
  EXPECT_EQ(lock_path_of("/p/sub/dvc.yaml"), "/p/sub/dvc.lock");
}

}  // namespace
}  // namespace slipway::flows
