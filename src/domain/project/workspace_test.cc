#include "domain/project/workspace.h"

#include <gtest/gtest.h>

#include "base/text.h"
#include "domain/project/plan.h"

namespace slipway::project {
namespace {

constexpr char kText[] = R"(version: 1
project: rides
pipelines:
  train: {stages: [split, trian]}
triggers:
  decay:
    pipeline: train
    cron: "0 3 * * *"
    with: {params: {train.tree: "5", seed: "7"}, data: {from: deployments/rides, to: data/live.csv}}
deployments:
  rides: {model: rides, gates: [integrity]}
)";

ProjectFile parsed() {
  Result<ProjectFile> file = parse_project(kText);
  EXPECT_TRUE(file.ok()) << file.error().message;
  return file.ok() ? std::move(*file) : ProjectFile();
}

Workspace whole() {
  Workspace workspace;
  workspace.stages = {{"split", {"data/rides.csv"}, {}},
                      {"train", {"data/split", "train.py"}, {{"params.yaml", {"train"}}}}};
  workspace.unknown_stages = {"trian"};
  workspace.params = {{"params.yaml", true, {"train", "train.trees", "seed"}}};
  return workspace;
}

TEST(Workspace, RefusesNamesThatNothingHas) {
  const Remarks remarks = judge(parsed(), whole());
  EXPECT_EQ(join(remarks.refusals, "\n"),
            "slipway.yaml:4:27: the pipeline train names the stage trian, which is in no dvc.yaml; "
            "did you mean 'train'?\n"
            "slipway.yaml:9:21: the trigger decay sets a parameter: there is no train.tree in "
            "params.yaml; did you mean 'train.trees'?");
}

TEST(Workspace, WarnsOfWhatARunWouldNotNotice) {
  const Remarks remarks = judge(parsed(), whole());
  ASSERT_EQ(remarks.warnings.size(), 2u) << join(remarks.warnings, "\n");
  EXPECT_TRUE(remarks.warnings[0].starts_with(
      "slipway.yaml:9:38: no stage has the parameter seed of params.yaml in its params"))
      << remarks.warnings[0];
  EXPECT_TRUE(
      remarks.warnings[1].starts_with("slipway.yaml:9:86: no stage depends on data/live.csv"))
      << remarks.warnings[1];
}

TEST(Workspace, WarnsOfContractsWhoseTableNobodyReads) {
  Result<ProjectFile> file = parse_project(
      "version: 1\nproject: rides\n"
      "contracts:\n  data/rides.csv: a.yaml\n  data/ride.csv: b.yaml\n"
      "  data/split/train.csv: c.yaml\n  data/live.csv: d.yaml\n"
      "pipelines: {train: }\n"
      "triggers:\n  t: {pipeline: train, cron: \"0 3 * * *\", with: {data: {from: "
      "deployments/rides, to: data/live.csv}}}\n"
      "deployments: {rides: {model: rides}}\n");
  ASSERT_TRUE(file.ok()) << file.error().message;
  const Remarks remarks = unread_contracts(*file, whole());
  EXPECT_EQ(join(remarks.warnings, "\n"),
            "slipway.yaml:5:3: no stage depends on data/ride.csv: the gate \"contract\" judges "
            "nothing by b.yaml; name the table in the deps of the stage that reads it; did you "
            "mean 'data/rides.csv'?\n"
            "slipway.yaml:6:3: a stage depends on the folder data/split, and none on "
            "data/split/train.csv itself: the gate \"contract\" judges nothing by c.yaml; name "
            "the table in the deps of the stage that reads it");
  EXPECT_TRUE(unread_contracts(*file, Workspace()).warnings.empty()) << "there are no stages yet";
}

TEST(Workspace, IsContentWithDataInAFolderThatAStageReads) {
  Workspace workspace = whole();
  for (const char* dep : {"data", "data/live.csv", "."}) {
    workspace.stages[1].deps = {dep};
    const Remarks remarks = judge(parsed(), workspace);
    EXPECT_EQ(join(remarks.warnings, "\n").find("no stage depends on"), std::string::npos) << dep;
  }
  workspace.stages[1].deps = {"data/live.csv.old"};
  EXPECT_NE(join(judge(parsed(), workspace).warnings, "\n").find("no stage depends on"),
            std::string::npos);
}

TEST(Workspace, AParameterFileThatIsADependencyIsRead) {
  Workspace workspace = whole();
  workspace.stages[1].deps = {"params.yaml", "data/live.csv"};
  EXPECT_TRUE(judge(parsed(), workspace).warnings.empty());
}

TEST(Workspace, BeforeTheFirstStageNothingIsRefused) {
  Workspace workspace;
  workspace.unknown_stages = {"split", "trian"};
  const Remarks remarks = judge(parsed(), workspace);
  EXPECT_TRUE(remarks.refusals.empty());
  ASSERT_EQ(remarks.warnings.size(), 2u);
  EXPECT_EQ(remarks.warnings[0],
            "slipway.yaml:4:20: the pipeline train names the stage split, and there are no stages "
            "yet");
}

TEST(Workspace, SaysWhyItDoesNotKnow) {
  Workspace workspace;
  workspace.unreadable = "dvc.yaml:1:1: not supported yet: vars";
  const Remarks remarks = judge(parsed(), workspace);
  EXPECT_TRUE(remarks.refusals.empty());
  EXPECT_EQ(join(remarks.warnings, "\n"),
            "slipway.yaml: whether its stages are there was not judged: dvc.yaml:1:1: not "
            "supported yet: vars");
}

TEST(Workspace, IsPartOfThePlan) {
  Result<Declared> declared = declare(kText, {});
  ASSERT_TRUE(declared.ok());
  Facts facts;
  facts.workspace = whole();
  EXPECT_EQ(plan(nullptr, *declared, facts).refusals, judge(parsed(), whole()).refusals);
  EXPECT_TRUE(plan(nullptr, *declared, {}).refusals.empty());
}

constexpr char kTriggers[] = R"(version: 1
project: rides
pipelines: {train: }
triggers:
  code: {pipeline: train, git: {}}
  typed: {pipeline: train, git: {branch: mian, paths: ["scr/**", train.py]}}
  data: {pipeline: train, data: data/custmers.csv}
)";

std::vector<std::string> silent(const std::optional<Sources>& sources) {
  Result<ProjectFile> file = parse_project(kTriggers);
  EXPECT_TRUE(file.ok()) << file.error().message;
  Workspace workspace;
  workspace.sources = sources;
  return silent_triggers(*file, workspace).warnings;
}

TEST(SilentTriggers, WaitForWhatTheRepositoryDoesNotHave) {
  const std::vector<std::string> warnings = silent(Sources{
      true, "master", {"master"}, {{"scr/**", "src/**"}}, {{"data/custmers.csv", ""}}});
  EXPECT_EQ(join(warnings, "\n"),
            "slipway.yaml:5:3: the trigger code waits for commits on the branch main, as no other "
            "one is named, and the repository has no such branch (it has master): nothing fires it "
            "until there is one; did you mean \"branch: master\"?\n"
            "slipway.yaml:6:42: the trigger typed waits for commits on the branch mian, and the "
            "repository has no such branch (it has master): nothing fires it until there is one; "
            "did you mean \"branch: master\"?\n"
            "slipway.yaml:6:56: the trigger typed waits for commits that change scr/**, which "
            "matches no file of the repository: nothing fires it until one is there; did you mean "
            "'src/**'?\n"
            "slipway.yaml:7:33: the trigger data waits for a change of data/custmers.csv, which is "
            "no file, is not tracked (there is no data/custmers.csv.dvc) and is made by no stage: "
            "nothing fires it until it is there");
}

TEST(SilentTriggers, AreNoneWhereAllIsThere) {
  EXPECT_TRUE(silent(Sources{true, "main", {"main", "mian"}, {}, {}}).empty());
  EXPECT_TRUE(silent(std::nullopt).empty()) << "nobody looked";
}

TEST(SilentTriggers, ABranchWithoutCommitsIsThere) {
  const std::vector<std::string> warnings = silent(Sources{true, "main", {}, {}, {}});
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings[0].find("did you mean \"branch: main\"?"), std::string::npos) << warnings[0];
}

TEST(SilentTriggers, NothingIsCommittedWithoutGit) {
  const std::vector<std::string> warnings = silent(Sources());
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_EQ(warnings[0],
            "slipway.yaml:5:3: the trigger code waits for commits, and the project is in no git "
            "repository: nothing fires it");
}

TEST(SilentTriggers, ArePartOfThePlan) {
  Result<Declared> declared = declare(kTriggers, {});
  ASSERT_TRUE(declared.ok());
  Facts facts;
  facts.workspace.emplace().sources = Sources{true, "master", {"master"}, {}, {}};
  EXPECT_EQ(plan(nullptr, *declared, facts).warnings.size(), 2u);
}

TEST(NearestGlob, PutsTheFolderThatIsThere) {
  const std::vector<std::string> files = {"src/train.py", "src/deep/er.py", "data/rides.csv"};
  EXPECT_EQ(nearest_glob("scr/**", files), "src/**");
  EXPECT_EQ(nearest_glob("src/dep/*.py", files), "src/deep/*.py");
  EXPECT_EQ(nearest_glob("src/trian.py", files), "src/train.py");
  EXPECT_EQ(nearest_glob("src", files), "src/**");
  EXPECT_EQ(nearest_glob("src/*.cc", files), "") << "the folder is there";
  EXPECT_EQ(nearest_glob("*.cc", files), "");
  EXPECT_EQ(nearest_glob("notebooks/**", files), "");
}

TEST(Plan, WarnsThatAModelMayGoDark) {
  Result<Declared> declared = declare(kText, {});
  ASSERT_TRUE(declared.ok());
  Facts facts;
  facts.deployments["rides"].registry_version = 3;
  EXPECT_EQ(join(plan(nullptr, *declared, facts).warnings, "\n"),
            "slipway.yaml:11:3: version 3 of model rides answers today because it is registered; "
            "once this is applied, only a version that passes the gates of rides does: integrity "
            "(`slipway gates show rides`)");
}

TEST(ParamName, HasAFile) {
  EXPECT_EQ(param_name("a.b").file, "params.yaml");
  EXPECT_EQ(param_name("a.b").key, "a.b");
  EXPECT_EQ(param_name("sub/p.yaml:a.b").file, "sub/p.yaml");
  EXPECT_EQ(param_name("sub/p.yaml:a.b").key, "a.b");
}

TEST(ParamName, IsAtFaultWhereNothingIsCalledSo) {
  const ParamsFile file = {"params.yaml", true, keys_of(*yaml::parse("a: {b: 1}\nc: 2\n", "p"))};
  EXPECT_EQ(file.keys, (std::vector<std::string>{"a", "a.b", "c"}));
  EXPECT_FALSE(fault_of({"params.yaml", "a.b"}, file));
  EXPECT_EQ(fault_of({"params.yaml", "zebra"}, file).value_or(""),
            "there is no zebra in params.yaml");
  EXPECT_EQ(fault_of({"foo.yaml", "x"}, {"foo.yaml", false, {}}).value_or(""),
            "there is no file foo.yaml, which would have x");
}

}  // namespace
}  // namespace slipway::project
