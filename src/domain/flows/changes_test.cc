#include "domain/flows/changes.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/hash.h"
#include "domain/flows/flows_testing.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

constexpr char kPipeline[] = R"(stages:
  train:
    cmd: make model
    deps: [data, train.py]
    params:
    - lr
    - opt.name
    - whole.yaml:
    outs: [model]
    metrics:
    - score.json: {cache: false}
)";

/// One stage with every kind of input and output, recorded as it is.
class Changes : public FlowsTest {
 protected:
  Changes() {
    write("dvc.yaml", kPipeline);
    write("data/a", "1\n");
    write("train.py", "code\n");
    write("params.yaml", "lr: 0.1\nopt: {name: adam}\nother: 1\n");
    write("whole.yaml", "a: 1\nb: [1, 2]\n");
    write("model", "weights\n");
    write("score.json", "{}\n");
    record("train");
  }
  void pipeline(const std::string& from, const std::string& to) {
    std::string text = kPipeline;
    text.replace(text.find(from), from.size(), to);
    write("dvc.yaml", text);
  }
  void forget(std::string_view content) {
    fs::remove(repository().cache().object_path(md5_hex(content)));
  }
};

TEST_F(Changes, AreNoneAfterRecording) {
  EXPECT_EQ(text_of(differences_of("train")), "");
}

TEST_F(Changes, OfEveryKindAreSeen) {
  struct Case {
    const char* what;
    std::function<void()> change;
    const char* found;
  };
  for (const Case& one : std::vector<Case>{
           {"a file", [&] { write("train.py", "other\n"); }, "dep train.py modified"},
           {"a file in a folder", [&] { write("data/b", ""); }, "dep data modified"},
           {"a missing dep", [&] { fs::remove(at("train.py")); }, "dep train.py deleted"},
           {"a parameter", [&] { write("params.yaml", "lr: 0.2\nopt: {name: adam}\n"); },
            "param params.yaml:lr modified"},
           {"a nested one", [&] { write("params.yaml", "lr: 0.1\nopt: {name: sgd}\n"); },
            "param params.yaml:opt.name modified"},
           {"its type", [&] { write("params.yaml", "lr: '0.1'\nopt: {name: adam}\n"); },
            "param params.yaml:lr modified"},
           {"one that is gone", [&] { write("params.yaml", "opt: {name: adam}\n"); },
            "param params.yaml:lr deleted"},
           {"an empty file", [&] { write("params.yaml", ""); },
            "param params.yaml:lr deleted, param params.yaml:opt.name deleted"},
           {"no file", [&] { fs::remove(at("params.yaml")); }, "dep params.yaml deleted"},
           {"of the whole file", [&] { write("whole.yaml", "c: 3\na: 2\n"); },
            "param whole.yaml:c new, param whole.yaml:a modified, param whole.yaml:b deleted"},
           {"an output", [&] { write("model", "other\n"); }, "out model modified"},
           {"a missing output", [&] { fs::remove(at("model")); }, "out model deleted"},
           {"its object", [&] { forget("weights\n"); }, "out model not in cache"},
           {"an uncached one", [&] { write("score.json", "[]\n"); }, "out score.json modified"},
           {"the command", [&] { pipeline("make model", "make  model"); }, "command"},
           {"to a list", [&] { pipeline("make model", "[make model]"); }, "command"},
           {"a new dep", [&] { pipeline("[data,", "[params.yaml, data,"); },
            "dep params.yaml modified"},
           {"a new parameter", [&] { pipeline("- lr\n", "- lr\n    - other\n"); },
            "param params.yaml:other new"},
           {"a new params file",
            [&] {
              write("more.yaml", "x: 1\n");
              pipeline("- lr\n", "- lr\n    - more.yaml: [x]\n");
            },
            "dep more.yaml new"},
           {"a new output",
            [&] {
              write("extra", "");
              pipeline("[model]", "[model, extra]");
            },
            "out extra modified"},
           {"always", [&] { pipeline("    outs", "    always_changed: true\n    outs"); },
            "always"}}) {
    write("dvc.yaml", kPipeline);
    write("data/a", "1\n");
    fs::remove(at("data/b"));
    write("train.py", "code\n");
    write("params.yaml", "lr: 0.1\nopt: {name: adam}\nother: 1\n");
    write("whole.yaml", "a: 1\nb: [1, 2]\n");
    write("model", "weights\n");
    write("score.json", "{}\n");
    saved("model");
    ASSERT_EQ(text_of(differences_of("train")), "") << one.what;
    one.change();
    EXPECT_EQ(text_of(differences_of("train")), one.found) << one.what;
    EXPECT_TRUE(differences_of("train", {.depth = Depth::kFirst}).any()) << one.what;
  }
}

// "wdir, flags, desc, meta do not count": the stage is what it was.
TEST_F(Changes, OfWhatDoesNotMatterAreNone) {
  struct Case {
    const char* what;
    std::function<void()> change;
  };
  for (const Case& one : std::vector<Case>{
           {"another parameter",
            [&] { write("params.yaml", "other: 2\nopt: {name: adam, more: 1}\nlr: 0.1\n"); }},
           {"another spelling", [&] { write("params.yaml", "lr: 1e-1\nopt:\n  name: 'adam'\n"); }},
           {"order in the whole file", [&] { write("whole.yaml", "b: [1.0, 2]\na: true\n"); }},
           {"mode of a dep", [&] { write("train.py", "code\n", 0755); }},
           {"description",
            [&] { pipeline("    outs", "    desc: new\n    meta: {a: 1}\n    outs"); }},
           {"flags of an output", [&] { pipeline("[model]", "[model: {persist: true}]"); }},
           {"order of deps", [&] { pipeline("[data, train.py]", "[train.py, data]"); }},
           {"a dep less", [&] { pipeline("[data, train.py]", "[data]"); }},
           {"a parameter less", [&] { pipeline("    - opt.name\n", ""); }},
           {"the object of a dep", [&] { forget("code\n"); }}}) {
    write("dvc.yaml", kPipeline);
    write("train.py", "code\n");
    write("params.yaml", "lr: 0.1\nopt: {name: adam}\nother: 1\n");
    write("whole.yaml", "a: 1\nb: [1, 2]\n");
    one.change();
    EXPECT_EQ(text_of(differences_of("train")), "") << one.what;
  }
}

TEST_F(Changes, OfAStageThatWasNeverRecordedAreAllItsParts) {
  fs::remove(at("dvc.lock"));
  EXPECT_EQ(text_of(differences_of("train")),
            "dep data modified, dep train.py modified, dep params.yaml new, dep whole.yaml new, "
            "out model modified, out score.json modified");
}

TEST_F(Changes, OfInputsDoNotCountForAFrozenStage) {
  pipeline("    outs", "    frozen: true\n    outs");
  write("train.py", "other\n");
  write("params.yaml", "lr: 9\n");
  EXPECT_EQ(text_of(differences_of("train")), "");
  write("model", "other\n");
  EXPECT_EQ(text_of(differences_of("train")), "out model modified");
  pipeline("make model\n", "make it\n    frozen: true\n");
  EXPECT_EQ(text_of(differences_of("train")), "out model modified, command");
}

// `status` says that the stage always changes, `repro` leaves it alone.
TEST_F(Changes, AFrozenStageDoesNotRunForAlwaysChanging) {
  pipeline("    outs", "    frozen: true\n    always_changed: true\n    outs");
  EXPECT_EQ(text_of(differences_of("train")), "always");
  EXPECT_FALSE(differences_of("train", {.depth = Depth::kFirst}).any());
}

TEST_F(Changes, WhatIsOnlyMissingMayBeAllowed) {
  Asked asked{.missing_allowed = true};
  fs::remove_all(at("data"));
  fs::remove(at("params.yaml"));
  fs::remove(at("model"));
  forget("weights\n");
  EXPECT_EQ(text_of(differences_of("train", asked)), "");
  write("train.py", "other\n");
  EXPECT_EQ(text_of(differences_of("train", asked)), "dep train.py modified");
}

/// What `make` is said to have made of train.py.
class UpstreamChanges : public Changes {
 protected:
  /// `md5` empty: nothing is recorded.
  std::string train_with(const std::string& md5, const std::string& out = "train.py") {
    make_.outs = {{out, at(out), {}, true, false, project::OutputKind::kOut}};
    make_.outs[0].recorded.md5 = md5;
    return text_of(differences_of("train", {.missing_allowed = true, .upstream = {&make_}}));
  }
  Step make_;
};

TEST_F(UpstreamChanges, AMissingDependencyThatWasMadeAnewIsModified) {
  fs::remove(at("train.py"));
  EXPECT_EQ(train_with(md5_hex("code\n")), "");
  EXPECT_EQ(train_with(md5_hex("other\n")), "dep train.py modified");
  EXPECT_EQ(train_with(""), "dep train.py modified");
  EXPECT_TRUE(differences_of("train", {Depth::kFirst, true, {&make_}}).any());
}

TEST_F(UpstreamChanges, WithoutLeaveItIsDeleted) {
  fs::remove(at("train.py"));
  train_with(md5_hex("other\n"));
  EXPECT_EQ(text_of(differences_of("train", {.upstream = {&make_}})), "dep train.py deleted");
}

TEST_F(UpstreamChanges, WhatIsThereIsJudgedByItself) {
  EXPECT_EQ(train_with(md5_hex("other\n")), "");
  write("train.py", "third\n");
  EXPECT_EQ(train_with(md5_hex("third\n")), "dep train.py modified");
}

TEST_F(UpstreamChanges, OnlyAnOutputOfThatPathTells) {
  fs::remove_all(at("data"));
  EXPECT_EQ(train_with(md5_hex("1\n"), "data/a"), "");
  EXPECT_EQ(train_with(md5_hex("1\n"), "other"), "");
  EXPECT_EQ(train_with(md5_hex("1\n") + ".dir", "data"), "dep data modified");
}

TEST_F(UpstreamChanges, ADependencyWithoutRecordDiffersFromOneWith) {
  pipeline("[data, train.py]", "[data, train.py, extra]");
  EXPECT_EQ(train_with("", "extra"), "");
  EXPECT_EQ(train_with(md5_hex("1\n"), "extra"), "dep extra modified");
}

TEST_F(UpstreamChanges, ValuesOfAMissingParamsFileDifferFromAnyOutput) {
  fs::remove(at("whole.yaml"));
  EXPECT_EQ(train_with(md5_hex("1\n"), "other"), "");
  EXPECT_EQ(train_with(md5_hex("a: 1\nb: [1, 2]\n"), "whole.yaml"), "dep whole.yaml modified");
  EXPECT_EQ(train_with("", "whole.yaml"), "dep whole.yaml modified");
  fs::remove(at("dvc.lock"));
  EXPECT_EQ(differences_of("train", {.missing_allowed = true, .upstream = {&make_}}).deps.size(),
            3u);  // data, train.py, params.yaml: nothing is known on either side of whole.yaml
}

TEST_F(Changes, OfACallbackAreAlways) {
  write("dvc.yaml", "stages:\n  hello:\n    cmd: echo\n");
  EXPECT_EQ(text_of(differences_of("hello")), "always");
  write("dvc.yaml", "stages:\n  hello:\n    cmd: echo\n    params: [lr]\n");
  EXPECT_EQ(text_of(differences_of("hello")), "dep params.yaml new");
}

TEST_F(Changes, OfADataFileAreThoseOfItsOutput) {
  write("x", "1\n");
  saved("x");
  write("x.dvc", "outs:\n- md5: b026324c6904b2a9cb4b88d6d61c81d1\n  hash: md5\n  path: x\n");
  EXPECT_EQ(text_of(differences_of("x.dvc")), "");
  write("x", "2\n");
  EXPECT_EQ(text_of(differences_of("x.dvc")), "out x modified");
}

TEST_F(Changes, PathsAreShownFromWhereItIsAsked) {
  fs::create_directories(at("sub"));
  write("train.py", "other\n");
  ParamsFiles params;
  Result<Differences> found = differences(repository(), step("train"), params, at("sub"), {});
  EXPECT_EQ(text_of(*found), "dep ../train.py modified");
}

TEST_F(Changes, ABrokenParamsFileIsAnErrorWithItsPlace) {
  write("params.yaml", "lr: [\n");
  ParamsFiles params;
  Result<Differences> found = differences(repository(), step("train"), params, root_, {});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, Code::kInvalid);
  EXPECT_TRUE(found.error().message.starts_with("params.yaml:")) << found.error().message;
}

TEST_F(Changes, ParamsFilesAreReadAgainWhenTheyChange) {
  ParamsFiles params;
  Result<const yaml::Node*> first = params.get(at("params.yaml"));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ((*first)->find("lr")->text, "0.1");
  EXPECT_EQ(*params.get(at("params.yaml")), *first);
  write("params.yaml", "lr: 5\n");
  EXPECT_EQ((*params.get(at("params.yaml")))->find("lr")->text, "5");
  EXPECT_EQ(*params.get(at("none.yaml")), nullptr);
  EXPECT_EQ(*params.get(at("params.yaml/below")), nullptr);
  EXPECT_EQ(params.get(at("x.toml")).ok(), true);  // not there: nothing to refuse
  write("x.toml", "a = 1\n");
  EXPECT_EQ(params.get(at("x.toml")).error().tag, "unsupported");
}

TEST(ValuesOf, TakesTheKeysThatAreNamedOrAllOfTheTop) {
  yaml::Node file = *yaml::parse("b: 1\na: {c: [x, y]}\n3: three\n", "p");
  StepParams source;
  auto keys = [&] {
    std::string text;
    for (const auto& [key, value] : values_of(source, file)) text += key + " ";
    return text;
  };
  EXPECT_EQ(keys(), "b a 3 ");
  source.keys = {"a.c.1", "none", "b"};
  EXPECT_EQ(keys(), "a.c.1 b ");
  EXPECT_EQ(values_of(source, file)[0].second.text, "y");
}

}  // namespace
}  // namespace slipway::flows
