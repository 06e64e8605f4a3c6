#include "app/cli/stages.h"

#include <gtest/gtest.h>

#include <sstream>

#include "app/app.h"
#include "domain/data/data_testing.h"

// repro, status and commit as they are typed.
namespace slipway::app {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class Stages : public data::ProjectTest {
 protected:
  Stages() {
    write("dvc.yaml", "stages:\n  a:\n    cmd: cp x y\n    deps: [x]\n    outs: [y]\n");
    write("x", "1\n");
  }
  int call(const Words& words, const fs::path& from = {}) {
    std::ostringstream out, err;
    const int status = run_command_line(words, {from.empty() ? root_ : from, out, err});
    out_ = out.str();
    err_ = err.str();
    return status;
  }
  std::string out_, err_;
};

TEST_F(Stages, ReproSaysWhatItRanAndWhichFilesAreForGit) {
  use_git();
  EXPECT_EQ(call({"repro"}), kDone);
  EXPECT_EQ(out_,
            "Running stage 'a':\nGenerating lock file 'dvc.lock'\nUpdating lock file "
            "'dvc.lock'\n\nFor git: .gitignore dvc.lock\n");
  EXPECT_EQ(call({"repro"}), kDone);
  EXPECT_EQ(out_, "Stage 'a' didn't change, skipping\nData and pipelines are up to date.\n");
}

TEST_F(Stages, ReproIsQuietWhenAsked) {
  EXPECT_EQ(call({"repro", "-q"}), kDone);
  EXPECT_EQ(out_ + err_, "");
}

TEST_F(Stages, ReproAnswersInJson) {
  EXPECT_EQ(call({"--json", "repro"}), kDone);
  EXPECT_EQ(out_,
            R"({"ran":["a"],"restored":[],"failed":{},"interrupted":false,"files":["dvc.lock"]})"
            "\n");
  write("dvc.yaml", "stages:\n  a:\n    cmd: exit 3\n");
  EXPECT_EQ(call({"--json", "repro"}), kAnswerIsNo);
  EXPECT_EQ(out_,
            R"({"ran":[],"restored":[],"failed":{"a":"failed to run: exit 3, exited with 3"},)"
            R"("interrupted":false,"files":[]})"
            "\n");
}

TEST_F(Stages, ReproTellsFailuresWrongUseAndWhatCouldNotBeDoneApart) {
  write("dvc.yaml", "stages:\n  a:\n    cmd: exit 3\n");
  EXPECT_EQ(call({"repro"}), kAnswerIsNo);
  EXPECT_NE(err_.find("slipway: error: failed to reproduce 'a': failed to run: exit 3, exited with "
                      "3\n"),
            std::string::npos)
      << err_;
  EXPECT_EQ(call({"repro", "--nonsense"}), kUsedWrongly);
  EXPECT_NE(err_.find("--nonsense"), std::string::npos) << err_;
  EXPECT_EQ(call({"repro", "--pull"}), kCouldNotBeDone);
  EXPECT_EQ(call({"repro", "none"}), kCouldNotBeDone);
  EXPECT_EQ(call({"repro"}, fs::canonical(fs::temp_directory_path())), kCouldNotBeDone);
}

TEST_F(Stages, StatusAnswersNoWhenSomethingDiffers) {
  ASSERT_EQ(call({"repro", "-q"}), kDone);
  EXPECT_EQ(call({"status"}), kDone);
  EXPECT_EQ(out_, "Data and pipelines are up to date.\n");
  EXPECT_EQ(call({"--json", "status"}), kDone);
  EXPECT_EQ(out_, "{}\n");
  write("params.yaml", "lr: 1\n");
  write("dvc.yaml",
        "stages:\n  a:\n    cmd: cp  x y\n    deps: [x]\n    params: [lr]\n    outs: [y]\n"
        "    always_changed: true\n");
  write("x", "2\n");
  fs::remove(at("y"));
  EXPECT_EQ(call({"status"}), kAnswerIsNo);
  EXPECT_EQ(out_,
            "a\n  input   modified      x\n  input   new           params.yaml\n"
            "  output  deleted       y\n  command modified\n  always runs\n");
  EXPECT_EQ(call({"--json", "status"}), kAnswerIsNo);
  EXPECT_EQ(out_, R"({"a":[{"changed deps":{"x":"modified","params.yaml":"new"}},)"
                  R"({"changed outs":{"y":"deleted"}},"always changed","changed command"]})"
                  "\n");
}

TEST_F(Stages, StatusHasDataAfterStages) {
  write("z", "2\n");
  saved("z");
  write("x.dvc", "outs:\n- md5: 26ab0db90d72e28ad0ba1e22ee510510\n  hash: md5\n  path: x\n");
  EXPECT_EQ(call({"status", "x.dvc"}), kAnswerIsNo);
  EXPECT_EQ(out_, "x.dvc\n  output  modified      x\n");
  EXPECT_EQ(call({"status", "none"}), kCouldNotBeDone);
  EXPECT_EQ(err_, "slipway: error: nothing that is tracked is called 'none'\n");
}

TEST_F(Stages, CommitRefusesWhatChangedUnlessForced) {
  ASSERT_EQ(call({"repro", "-q"}), kDone);
  write("y", "2\n");
  EXPECT_EQ(call({"commit"}), kAnswerIsNo);
  EXPECT_EQ(err_,
            "slipway: error: unable to commit changed stage: 'a'. Use `-f|--force` to force.\n");
  use_git();
  EXPECT_EQ(call({"commit", "-f"}), kDone);
  EXPECT_EQ(out_, "\nFor git: .gitignore dvc.lock\n");
  EXPECT_EQ(call({"commit"}), kDone);
}

TEST_F(Stages, CommitOfDataSaysWhatDiffers) {
  write("x.dvc", "outs:\n- md5: 26ab0db90d72e28ad0ba1e22ee510510\n  hash: md5\n  path: x\n");
  EXPECT_EQ(call({"commit", "x.dvc"}), kAnswerIsNo);
  EXPECT_EQ(err_, "slipway: error: x.dvc differs from what is recorded; -f records it as it is\n");
  EXPECT_EQ(call({"commit", "none"}), kCouldNotBeDone);
}

}  // namespace
}  // namespace slipway::app
