#include "domain/flows/commands.h"

#include <gtest/gtest.h>

#include <sstream>

#include "domain/flows/flows_testing.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

ReproOptions options_of(const Words& arguments) {
  Result<ParsedRepro> parsed = parse_repro(arguments, "/p");
  EXPECT_TRUE(parsed.ok()) << parsed.error().message;
  return parsed.ok() ? parsed->options : ReproOptions();
}

TEST(ParseRepro, KnowsEverySpelling) {
  using Field = bool ReproOptions::*;
  for (const auto& [names, field] : std::vector<std::pair<Words, Field>>{
           {{"-f", "--force"}, &ReproOptions::force},
           {{"-s", "--single-item"}, &ReproOptions::single_item},
           {{"-p", "--pipeline"}, &ReproOptions::pipeline},
           {{"-P", "--all-pipelines"}, &ReproOptions::all_pipelines},
           {{"-R", "--recursive"}, &ReproOptions::recursive},
           {{"--glob"}, &ReproOptions::glob},
           {{"--downstream"}, &ReproOptions::downstream},
           {{"--force-downstream"}, &ReproOptions::force_downstream},
           {{"--dry"}, &ReproOptions::dry},
           {{"--no-commit"}, &ReproOptions::no_commit},
           {{"--no-run-cache"}, &ReproOptions::no_run_cache},
           {{"--allow-missing"}, &ReproOptions::allow_missing}}) {
    EXPECT_FALSE(options_of({}).*field);
    for (const std::string& name : names) EXPECT_TRUE(options_of({name}).*field) << name;
  }
  EXPECT_EQ(options_of({}).on_error, OnError::kStop);
  EXPECT_EQ(options_of({"-k"}).on_error, OnError::kGoOn);
  EXPECT_EQ(options_of({"--keep-going"}).on_error, OnError::kGoOn);
  EXPECT_EQ(options_of({"--ignore-errors"}).on_error, OnError::kIgnore);
  EXPECT_TRUE(parse_repro({"-q"}, "/p")->quiet);
  EXPECT_FALSE(parse_repro({"-v"}, "/p")->quiet);
}

TEST(ParseRepro, ListsWhatItTakes) {
  for (const std::string& name : repro_flags()) {
    Result<ParsedRepro> parsed = parse_repro({name}, "/p");
    EXPECT_TRUE(parsed.ok() || parsed.error().message == name + " takes a number") << name;
  }
}

TEST(ParseRepro, TakesJobsInEveryForm) {
  for (const Words& arguments :
       std::vector<Words>{{"-j", "3"}, {"-j3"}, {"--jobs", "3"}, {"--jobs=3"}}) {
    EXPECT_EQ(options_of(arguments).jobs, 3) << arguments[0];
  }
  for (const char* text : {"0", "-1", "257", "x", "", "1.5", "99999999999999999999"}) {
    Result<ParsedRepro> parsed = parse_repro({"-j", text}, "/p");
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().tag, "usage");
    EXPECT_EQ(parsed.error().message,
              "-j takes a number from 1 to 256, not \"" + std::string(text) + "\"");
  }
  EXPECT_EQ(parse_repro({"a", "-j"}, "/p").error().message, "-j takes a number");
}

TEST(ParseRepro, TellsTargetsFromFlags) {
  ReproOptions options = options_of({"a", "-f", "--", "-s", "b"});
  EXPECT_EQ(options.targets, (Words{"a", "-s", "b"}));
  EXPECT_TRUE(options.force);
  EXPECT_FALSE(options.single_item);
  EXPECT_EQ(options.from, "/p");
  EXPECT_EQ(options.command_line, "slipway repro a -f -- -s b");
}

TEST(ParseRepro, RefusesWhatItDoesNotKnowAndWhatComesLater) {
  EXPECT_EQ(parse_repro({"--nonsense"}, "/p").error().tag, "usage");
  for (const char* flag : {"--pull", "-i", "--interactive", "-m"}) {
    Result<ParsedRepro> parsed = parse_repro({"--allow-missing", flag}, "/p");
    ASSERT_FALSE(parsed.ok()) << flag;
    EXPECT_EQ(parsed.error().tag, "unsupported");
    EXPECT_EQ(parsed.error().message, "not supported yet: repro " + std::string(flag));
  }
}

class Commands : public ReproTest {
 protected:
  Commands() {
    write("dvc.yaml", "stages:\n  a:\n    cmd: cp x y\n    deps: [x]\n    outs: [y]\n");
    write("x", "1\n");
  }
  int repro(const Words& arguments, bool json = false, const fs::path& from = {}) {
    CommandContext context{spawner_, clock_, facts_, nullptr, variables_};
    return call(json, [&](data::Console& console) {
      return run_repro(arguments, from.empty() ? root_ : from, context, console);
    });
  }
  int status(const Words& targets = {}, bool json = false) {
    return call(json, [&](data::Console& console) { return run_status(targets, root_, console); });
  }
  int commit(const data::CommitRequest& request) {
    return call(false, [&](data::Console& console) { return run_commit(request, console); });
  }
  template <class F>
  int call(bool json, F command) {
    std::ostringstream out, err;
    data::Console console{out, err, json};
    int code = command(console);
    out_ = out.str();
    err_ = err.str();
    return code;
  }
  std::string out_, err_;
};

TEST_F(Commands, ReproSaysWhatItRanAndWhichFilesAreForGit) {
  EXPECT_EQ(repro({}), 0);
  EXPECT_EQ(out_,
            "Running stage 'a':\nGenerating lock file 'dvc.lock'\nUpdating lock file "
            "'dvc.lock'\n\nFor git: dvc.lock\n");
  EXPECT_EQ(repro({}), 0);
  EXPECT_EQ(out_, "Stage 'a' didn't change, skipping\nData and pipelines are up to date.\n");
}

TEST_F(Commands, ReproIsQuietWhenAsked) {
  EXPECT_EQ(repro({"-q"}), 0);
  EXPECT_EQ(out_ + err_, "");
}

TEST_F(Commands, ReproAnswersInJson) {
  EXPECT_EQ(repro({}, true), 0);
  EXPECT_EQ(out_,
            R"({"ran":["a"],"restored":[],"failed":{},"interrupted":false,"files":["dvc.lock"]})"
            "\n");
  write("dvc.yaml", "stages:\n  a:\n    cmd: exit 3\n");
  EXPECT_EQ(repro({}, true), 1);
  EXPECT_EQ(out_,
            R"({"ran":[],"restored":[],"failed":{"a":"failed to run: exit 3, exited with 3"},)"
            R"("interrupted":false,"files":[]})"
            "\n");
}

TEST_F(Commands, ReproTellsFailuresWrongUseAndWhatCouldNotBeDoneApart) {
  write("dvc.yaml", "stages:\n  a:\n    cmd: exit 3\n");
  EXPECT_EQ(repro({}), 1);
  EXPECT_EQ(err_, "slipway: failed to reproduce 'a': failed to run: exit 3, exited with 3\n");
  EXPECT_EQ(repro({"--nonsense"}), 2);
  EXPECT_EQ(err_, "slipway: unrecognized arguments: --nonsense\n");
  EXPECT_EQ(repro({"--pull"}), 3);
  EXPECT_EQ(repro({"none"}), 3);
  EXPECT_EQ(repro({}, false, fs::canonical(fs::temp_directory_path())), 3);
}

TEST_F(Commands, StatusAnswersNoWhenSomethingDiffers) {
  ASSERT_EQ(repro({"-q"}), 0);
  EXPECT_EQ(status(), 0);
  EXPECT_EQ(out_, "Data and pipelines are up to date.\n");
  EXPECT_EQ(status({}, true), 0);
  EXPECT_EQ(out_, "{}\n");
  write("params.yaml", "lr: 1\n");
  write("dvc.yaml",
        "stages:\n  a:\n    cmd: cp  x y\n    deps: [x]\n    params: [lr]\n    outs: [y]\n"
        "    always_changed: true\n");
  write("x", "2\n");
  fs::remove(at("y"));
  EXPECT_EQ(status(), 1);
  EXPECT_EQ(out_,
            "a\n  input   modified      x\n  input   new           params.yaml\n"
            "  output  deleted       y\n  command modified\n  always runs\n");
  EXPECT_EQ(status({}, true), 1);
  EXPECT_EQ(out_, R"({"a":[{"changed deps":{"x":"modified","params.yaml":"new"}},)"
                  R"({"changed outs":{"y":"deleted"}},"always changed","changed command"]})"
                  "\n");
}

TEST_F(Commands, StatusHasDataAfterStages) {
  write("z", "2\n");
  saved("z");
  write("x.dvc", "outs:\n- md5: 26ab0db90d72e28ad0ba1e22ee510510\n  hash: md5\n  path: x\n");
  EXPECT_EQ(status({"x.dvc"}), 1);
  EXPECT_EQ(out_, "x.dvc\n  output  modified      x\n");
  EXPECT_EQ(status({"none"}), 3);
  EXPECT_EQ(err_, "slipway: nothing that is tracked is called 'none'\n");
}

TEST_F(Commands, CommitRefusesWhatChangedUnlessForced) {
  ASSERT_EQ(repro({"-q"}), 0);
  write("y", "2\n");
  EXPECT_EQ(commit({.targets = {}, .from = root_}), 1);
  EXPECT_EQ(err_, "slipway: unable to commit changed stage: 'a'. Use `-f|--force` to force.\n");
  EXPECT_EQ(commit({.targets = {}, .from = root_, .force = true}), 0);
  EXPECT_EQ(out_, "\nFor git: dvc.lock\n");
  EXPECT_EQ(commit({.targets = {}, .from = root_}), 0);
  EXPECT_EQ(out_, "");
}

TEST_F(Commands, CommitOfDataSaysWhatDiffers) {
  write("x.dvc", "outs:\n- md5: 26ab0db90d72e28ad0ba1e22ee510510\n  hash: md5\n  path: x\n");
  EXPECT_EQ(commit({.targets = {"x.dvc"}, .from = root_}), 1);
  EXPECT_EQ(err_, "slipway: x.dvc differs from what is recorded; -f records it as it is\n");
  EXPECT_EQ(commit({.targets = {"none"}, .from = root_}), 3);
}

TEST(TextObserver, LetsStagesStandOutOnATerminalOnly) {
  std::ostringstream out, err;
  TextObserver(out, err).note({Note::Kind::kRunning, "train", {}, {}, false});
  EXPECT_EQ(out.str(), "Running stage 'train':\n");
  out.str("");
  TextObserver(out, err, true).note({Note::Kind::kRunning, "train", {}, {}, false});
  EXPECT_EQ(out.str(), "\x1b[1mRunning stage 'train':\x1b[0m\n");
}

}  // namespace
}  // namespace slipway::flows
