#include "domain/project/stage.h"

#include <gtest/gtest.h>

#include "domain/project/params.h"

namespace slipway::project {
namespace {

Error fault(std::string_view text) {
  Result<Pipeline> pipeline = parse_pipeline(text, "/p/dvc.yaml");
  return pipeline.ok() ? Error{Code::kInternal, "no error"} : pipeline.error();
}

TEST(Pipeline, ReadsEveryKeyOfAStage) {
  Result<Pipeline> pipeline = parse_pipeline(R"(stages:
  prepare:
    cmd: [a, b]
    wdir: sub
    deps: [./in//x, ../y]
    params:
    - lr
    - conf.json: [a.b]
    - other.yaml:
    - epochs
    outs:
    - d/
    - e: {cache: false, persist: true, desc: text}
    metrics:
    - m.json: {cache: false}
    plots:
    - p.csv: {x: step, template: linear}
    frozen: true
    always_changed: false
    desc: what it does
    meta: {owner: x}
metrics: [m.json]
)",
                                             "/p/dvc.yaml");
  ASSERT_TRUE(pipeline.ok()) << pipeline.error().message;
  const Stage& stage = pipeline->stages[0];
  EXPECT_EQ(stage.folder(), "/p/sub");
  EXPECT_EQ(stage.cmd().items.size(), 2u);
  EXPECT_EQ(stage.deps[0].path, "./in//x") << "as it is written";
  EXPECT_EQ(stage.params[0].keys, (std::vector<std::string>{"lr", "epochs"}));
  EXPECT_TRUE(stage.params[2].keys.empty());
  EXPECT_EQ(stage.outs[0].path, "d/");
  EXPECT_TRUE(stage.outs[1].persist);
  EXPECT_FALSE(stage.outs[2].cache);
  EXPECT_EQ(stage.outs[3].plot.find("x")->text, "step");
  EXPECT_TRUE(stage.frozen);
}

TEST(Pipeline, RecordsPathsAsTheyAreWrittenButForAbsoluteOnes) {
  EXPECT_EQ(recorded_path("./in//x/", "/p/sub", "/p"), "./in//x/");
  EXPECT_EQ(recorded_path("../../elsewhere", "/p/sub", "/p"), "../../elsewhere");
  EXPECT_EQ(recorded_path("/p/sub/x", "/p/sub", "/p"), "x");
  EXPECT_EQ(recorded_path("/p//y/../x/", "/p/sub", "/p"), "../x");
  EXPECT_EQ(recorded_path("/pp/x", "/p/sub", "/p"), "/pp/x");
  EXPECT_EQ(recorded_path("/q/x/", "/p/sub", "/p"), "/q/x/");
}

TEST(Pipeline, HasNoStageFilesAmongItsData) {
  for (const char* name : {"x.dvc", "sub/x.dvc", "dvc.yaml", "sub/dvc.yaml"}) {
    const std::string stage = "stages:\n  a:\n    cmd: x\n    ";
    EXPECT_EQ(fault(stage + "deps: [" + name + "]\n").message,
              std::string("dvc.yaml:4:12: stage file '") + name + "' cannot be a dependency");
    EXPECT_EQ(fault(stage + "outs: [" + name + "]\n").message,
              std::string("dvc.yaml:4:12: DVC file '") + name + "' cannot be an output");
  }
  EXPECT_EQ(fault("stages:\n  a:\n    cmd: x\n    outs: [o, ./o]\n").message,
            "dvc.yaml:4:15: the output \"./o\" stands in this stage a second time");
}

TEST(Pipeline, SaysWhereItIsWrong) {
  EXPECT_EQ(fault("stages:\n  a:\n    cmd: x\n    dep: [y]\n").message,
            "dvc.yaml:4:5: \"dep\" is no key of a stage; did you mean \"deps\"?");
  EXPECT_EQ(fault("stages:\n  a:\n    deps: [y]\n").message,
            "dvc.yaml:2:3: the stage \"a\" has no \"cmd\"");
  EXPECT_EQ(fault("stages:\n  a:\n    cmd: x\n    outs: [1]\n").message.substr(0, 13),
            "dvc.yaml:4:12");
}

TEST(Pipeline, NeverGuessesWhatIsNotSupported) {
  for (const char* text :
       {"stages:\n  a:\n    cmd: x ${lr}\n", "stages:\n  a:\n    foreach: [1]\n    do: {cmd: x}\n",
        "stages:\n  a:\n    matrix: {x: [1]}\n    cmd: y\n", "vars: [x.yaml]\n",
        "stages:\n  a:\n    cmd: x\n    deps: ['s3://b/k']\n"}) {
    Error error = fault(text);
    EXPECT_EQ(error.tag, "unsupported") << text;
    EXPECT_NE(error.message.find("not supported yet: "), std::string::npos) << error.message;
  }
}

TEST(Pipeline, SaysWhatToDoInstead) {
  EXPECT_EQ(fault("stages:\n  a:\n    cmd: x ${lr}\n").message,
            "dvc.yaml:3:10: not supported yet: templating (\"${...}\"); write the value in its "
            "place, or let the command read it from a file named under \"params\"");
  EXPECT_EQ(fault("stages:\n  a:\n    foreach: [1]\n    do: {cmd: x}\n").message,
            "dvc.yaml:3:5: not supported yet: \"foreach\" in a stage; write each stage out under "
            "a name of its own");
}

TEST(Params, AreFoundByDottedPath) {
  yaml::Node node = *yaml::parse("train: {layers: [{n: 3}]}\n", "params.yaml");
  EXPECT_EQ(find_param(node, "train.layers.0.n")->text, "3");
  EXPECT_EQ(find_param(node, "train.layers.1.n"), nullptr);
  EXPECT_EQ(find_param(node, "test"), nullptr);
}

TEST(Params, DatesHaveNoJson) {
  EXPECT_EQ(to_json(*yaml::parse("2020-01-02", "p")).error().tag, "no_json");
}

}  // namespace
}  // namespace slipway::project
