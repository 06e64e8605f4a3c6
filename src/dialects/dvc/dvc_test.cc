#include "dialects/dvc/dvc.h"

#include <gtest/gtest.h>

#include <sstream>

#include "base/hash.h"
#include "domain/data/data_testing.h"

namespace slipway::dvc {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

/// Says what it is told to, and keeps what it was asked.
class KeptPipelines final : public Pipelines {
 public:
  Result<std::vector<StageStatus>> status(const Words& targets) override {
    asked = targets;
    if (error) return *error;
    return stages;
  }
  Result<> commit(const Words& targets, bool force, bool relink) override {
    asked = targets;
    commits.push_back(std::string(force ? "force" : "") + (relink ? " relink" : ""));
    if (error) return *error;
    return {};
  }
  int repro(const Words& arguments, std::ostream& out, std::ostream&) override {
    asked = arguments;
    out << "reproduced\n";
    return 42;
  }
  std::vector<StageStatus> stages;
  std::optional<Error> error;
  Words asked, commits;
};

class Dvc : public data::ProjectTest {
 protected:
  int run(const Words& arguments, const std::string& from = "") {
    std::ostringstream out, err;
    int code = run_dvc(arguments, from.empty() ? root_ : at(from), out, err, pipelines_);
    out_ = out.str();
    err_ = err.str();
    return code;
  }
  /// A file that is under versioning.
  void added(const std::string& name, const std::string& content) {
    write(name, content);
    ASSERT_EQ(run({"add", "-q", name}), 0) << err_;
  }
  KeptPipelines kept_;
  Pipelines* pipelines_ = &kept_;
  std::string out_, err_;
};

// --- spelling ---

TEST_F(Dvc, WrongUseIsSaidInItsWords) {
  struct Case {
    Words arguments;
    const char* said;
  };
  for (const Case& one : std::vector<Case>{
           {{}, "the following arguments are required: command"},
           {{"add"}, "the following arguments are required: targets"},
           {{"status", "-x"}, "unrecognized arguments: -x"},
           {{"checkout", "--json"}, "unrecognized arguments: --json"},
           {{"init", "--json"}, "unrecognized arguments: --json"},
           {{"init", "a", "b"}, "unrecognized arguments: b"},
           {{"--version"}, "unrecognized arguments: --version"},
           {{"nonsense"}, "argument command: invalid choice: 'nonsense'"},
           {{"stauts"}, "argument command: invalid choice: 'stauts'; did you mean 'status'?"},
           {{"psuh"}, "argument command: invalid choice: 'psuh'; did you mean 'push'?"}}) {
    EXPECT_EQ(run(one.arguments), 254) << one.said;
    EXPECT_EQ(err_, "ERROR: " + std::string(one.said) + "\n");
    EXPECT_EQ(out_, "");
  }
}

TEST_F(Dvc, WhatComesLaterIsRefusedBeforeAnythingIsDone) {
  write("x", "1\n");
  for (const Words& arguments : std::vector<Words>{{"add", "--glob", "x"},
                                                   {"add", "x", "--out=y"},
                                                   {"status", "-c"},
                                                   {"status", "-j", "2"},
                                                   {"checkout", "-R"},
                                                   {"commit", "-d"},
                                                   {"push"},
                                                   {"exp", "run"}}) {
    EXPECT_EQ(run(arguments), 255) << arguments[0];
    EXPECT_EQ(err_.find("ERROR: not supported yet: " + arguments[0]), 0u) << err_;
  }
  EXPECT_FALSE(exists("x.dvc"));
}

TEST_F(Dvc, HelpIsGivenAndNothingElseIsDone) {
  write("x", "1\n");
  for (const char* name : {"init", "add", "status", "checkout", "commit", "repro"}) {
    EXPECT_EQ(run({name, "x", "--help"}), 0);
    EXPECT_EQ(out_.find("usage: dvc " + std::string(name) + " ["), 0u) << out_;
  }
  EXPECT_TRUE(kept_.asked.empty());
  EXPECT_FALSE(exists("x.dvc"));
  EXPECT_EQ(run({"-h"}), 0);
  EXPECT_NE(out_.find("repro"), std::string::npos);
}

TEST_F(Dvc, AfterTwoDashesEverythingIsATarget) {
  write("-f", "1\n");
  EXPECT_EQ(run({"add", "--", "-f"}), 0) << err_;
  EXPECT_TRUE(exists("-f.dvc"));
  EXPECT_EQ(run({"status", "--", "--help"}), 1);
  EXPECT_EQ(kept_.asked, Words{"--help"});
}

TEST_F(Dvc, OutsideOfAProjectThereIsNone) {
  fs::path outside = fs::canonical(fs::temp_directory_path());
  std::ostringstream out, err;
  EXPECT_EQ(run_dvc({"status"}, outside, out, err, nullptr), 253);
  EXPECT_EQ(err.str(),
            "ERROR: you are not inside of a DVC repository (checked up to mount point '/')\n");
}

TEST_F(Dvc, ReproIsHandedOnAsItIs) {
  EXPECT_EQ(run({"repro", "-f", "--", "a"}), 42);
  EXPECT_EQ(out_, "reproduced\n");
  EXPECT_EQ(kept_.asked, (Words{"-f", "--", "a"}));
  pipelines_ = nullptr;
  EXPECT_EQ(run({"repro"}), 255);
}

TEST(DvcErrors, HaveItsCodesAndWords) {
  EXPECT_EQ(exit_code(with_tag(invalid("x"), "config")), 251);
  EXPECT_EQ(exit_code(with_tag(missing("x"), "no_repository")), 253);
  EXPECT_EQ(exit_code(invalid("x")), 255);
  EXPECT_EQ(message_of(invalid("x")), "x");
  EXPECT_EQ(message_of(with_tag(busy("held"), "locked")).find("Unable to acquire lock"), 0u);
  EXPECT_EQ(message_of(with_tag(busy("'y' is busy, by"), "locked")), "'y' is busy, by");
}

TEST_F(Dvc, DataIsLookedAtBesideStagesThatAreNotUnderstood) {
  write("x", "1\n");
  ASSERT_EQ(run({"add", "-q", "x"}), 0);
  write("dvc.yaml", "vars: [p.yaml]\n");
  kept_.error = with_tag(invalid("dvc.yaml:1:1: not supported yet: vars"), "unsupported");
  write("x", "2\n");
  EXPECT_EQ(run({"status"}), 1);
  EXPECT_EQ(out_.find("x.dvc:\n\tchanged outs:\n"), 0u) << out_;
  EXPECT_NE(err_.find("ERROR: "), std::string::npos);
  EXPECT_NE(err_.find("dvc.yaml:1:1: not supported yet"), std::string::npos) << err_;
  EXPECT_EQ(run({"status", "x"}), 0);
  EXPECT_EQ(out_.find("x.dvc:\n"), 0u) << out_;
  EXPECT_EQ(err_, "");
  EXPECT_EQ(run({"checkout", "-f", "x"}), 0) << err_;
  EXPECT_EQ(read("x"), "1\n");
  fs::remove(at("x"));
  EXPECT_EQ(run({"checkout"}), 255);
  EXPECT_EQ(read("x"), "1\n");
  EXPECT_NE(err_.find("not supported yet"), std::string::npos) << err_;
  EXPECT_EQ(run({"status", "train"}), 1);
  EXPECT_EQ(err_, "ERROR: dvc.yaml:1:1: not supported yet: vars\n");
}

// --- init ---

TEST_F(Dvc, InitSaysWhatStopsIt) {
  fs::create_directories(at("new"));
  EXPECT_EQ(run({"init", "--no-scm"}), 1);
  EXPECT_EQ(err_, "ERROR: failed to initiate DVC - '.dvc' exists. Use `-f` to force.\n");
  EXPECT_EQ(run({"init", "new"}), 1);
  EXPECT_NE(err_.find("is not tracked by any supported SCM tool"), std::string::npos) << err_;
  EXPECT_EQ(run({"init", "--no-scm", "new"}), 0);
  EXPECT_EQ(out_.find("Initialized DVC repository.\n\nWhat's next?"), 0u) << out_;
  EXPECT_EQ(run({"init", "-q", "-f", "--no-scm"}, "new"), 0);
  EXPECT_EQ(out_, "");
}

// --- add ---

TEST_F(Dvc, AddSaysWhatCannotBeAdded) {
  write("d/x", "1\n");
  struct Case {
    std::string target, said;
  };
  for (const Case& one : std::vector<Case>{
           {"none", "output 'none' does not exist: [Errno 2] No such file or directory: '" +
                        at("none").string() + "'"},
           {".dvc/config", "Path '" + at(".dvc/config").string() + "' is ignored by :.dvc/"},
           {"../x",
            "Cached output(s) outside of DVC project: " + (root_.parent_path() / "x").string() +
                ". See <https://dvc.org/doc/user-guide/data-management/"
                "importing-external-data> for more info."}}) {
    EXPECT_EQ(run({"add", one.target}), 1);
    EXPECT_EQ(err_, "ERROR: " + one.said + "\n");
  }
}

TEST_F(Dvc, AddRefusesWhatOverlaps) {
  write("d/x", "1\n");
  added("e/y", "1\n");
  EXPECT_EQ(run({"add", "e"}), 1);
  EXPECT_EQ(err_,
            "ERROR: Cannot add 'e', because it is overlapping with other DVC tracked output: "
            "'e/y'.\nTo include 'e/y' in 'e', run 'dvc remove e/y.dvc' and then 'dvc add e'\n");
  ASSERT_EQ(run({"add", "d"}), 0);
  EXPECT_EQ(run({"add", "d/x"}), 1);
  EXPECT_EQ(err_,
            "ERROR: Cannot add 'd/x', because it is overlapping with other DVC tracked output: "
            "'d'.\nTo include 'd/x' in 'd', run 'dvc commit d.dvc'\n");
}

TEST_F(Dvc, AddSendsTheOutputOfAStageToTheStage) {
  write("dvc.yaml", "stages:\n  a:\n    cmd: x\n    outs: [y]\n");
  write("y", "1\n");
  EXPECT_EQ(run({"add", "y"}), 1);
  EXPECT_EQ(err_,
            "ERROR: cannot update 'y': overlaps with an output of stage: 'a' in 'dvc.yaml'.\nRun "
            "the pipeline or use 'dvc commit' to force update it.\n");
}

TEST_F(Dvc, AddHintsAtGitWithQuotedNames) {
  use_git();
  write("a 'b", "1\n");
  ASSERT_EQ(run({"add", "a 'b"}), 0) << err_;
  EXPECT_NE(out_.find("\tgit add .gitignore 'a '\"'\"'b.dvc'\n"), std::string::npos) << out_;
  EXPECT_EQ(run({"add", "-q", "a 'b"}), 0);
  EXPECT_EQ(out_, "");
  write("t", "1\n");
  git({"add", "t"});
  EXPECT_EQ(run({"add", "t"}), 1);
  EXPECT_NE(err_.find("output 't' is already tracked by SCM (e.g. Git)."), std::string::npos);
}

TEST_F(Dvc, AddWithoutCommitKeepsNothing) {
  write("x", "1\n");
  EXPECT_EQ(run({"add", "--no-commit", "x"}), 0);
  EXPECT_TRUE(exists("x.dvc"));
  EXPECT_FALSE(exists(".dvc/cache"));
}

// --- status ---

TEST_F(Dvc, StatusOfNothingAndOfNothingChanged) {
  EXPECT_EQ(run({"status"}), 0);
  EXPECT_EQ(out_.find("There are no data or pipelines tracked"), 0u) << out_;
  added("x", "1\n");
  EXPECT_EQ(run({"status"}), 0);
  EXPECT_EQ(out_, "Data and pipelines are up to date.\n");
  EXPECT_EQ(run({"status", "--json"}), 0);
  EXPECT_EQ(out_, "{}\n");
}

// Sections come as the walk over the folder meets their files, which no file system promises.
TEST_F(Dvc, StatusShowsStagesAndData) {
  added("x", "1\n");
  write("x", "2\n");
  kept_.stages.push_back({"train",
                          {{"in", "deleted"}},
                          {{"params.yaml", {{"lr", "modified"}}}},
                          {{"out", "not in cache"}},
                          true,
                          true});
  EXPECT_EQ(run({"status"}), 0);
  const std::string train =
      "train:\n\tchanged deps:\n\t\tdeleted:            in\n\t\tparams.yaml:\n"
      "\t\t\tmodified:           lr\n\tchanged outs:\n\t\tnot in cache:       out\n"
      "\tchanged command\n\talways changed\n";
  const std::string data = "x.dvc:\n\tchanged outs:\n\t\tmodified:           x\n";
  EXPECT_TRUE(out_ == train + data || out_ == data + train) << out_;
  EXPECT_EQ(run({"status", "--json"}), 0);
  const std::string train_json =
      R"("train": [{"changed deps": {"in": "deleted", "params.yaml": {"lr": "modified"}}}, )"
      R"({"changed outs": {"out": "not in cache"}}, "changed command", "always changed"])";
  const std::string data_json = R"("x.dvc": [{"changed outs": {"x": "modified"}}])";
  EXPECT_TRUE(out_ == "{" + train_json + ", " + data_json + "}\n" ||
              out_ == "{" + data_json + ", " + train_json + "}\n")
      << out_;
  EXPECT_EQ(run({"status", "-q"}), 1);
  EXPECT_EQ(out_, "");
}

TEST_F(Dvc, StatusOfWhatIsNotThere) {
  EXPECT_EQ(run({"status", "none"}), 1);
  EXPECT_EQ(err_,
            "ERROR: 'none' does not exist as an output or a stage name in 'dvc.yaml': 'dvc.yaml' "
            "does not exist\n");
  kept_.error = invalid("dvc.yaml:1:1: broken");
  EXPECT_EQ(run({"status"}), 1);
  EXPECT_EQ(err_, "ERROR: dvc.yaml:1:1: broken\n");
  kept_.error = with_tag(invalid("bad config"), "config");
  EXPECT_EQ(run({"status"}), 251);
}

// --- checkout ---

TEST_F(Dvc, CheckoutSaysWhatItDid) {
  added("x", "1\n");
  added("d/y", "1\n");
  fs::remove(at("x"));
  fs::remove(at("d/y"));
  EXPECT_EQ(run({"checkout"}), 0);
  EXPECT_EQ(out_, "A       d/y\nA       x\n");
  fs::remove(at("x"));
  EXPECT_EQ(run({"checkout", "--summary"}), 0);
  EXPECT_EQ(out_, "1 file added\n");
  EXPECT_EQ(run({"checkout", "--summary"}), 0);
  EXPECT_EQ(out_, "No changes.\n");
  EXPECT_EQ(run({"checkout", "--relink"}), 0);
  EXPECT_EQ(out_, "Relinked successfully\n");
}

TEST_F(Dvc, CheckoutKeepsWhatIsSavedNowhere) {
  added("x", "1\n");
  write("x", "mine\n");
  EXPECT_EQ(run({"checkout"}), 255);
  EXPECT_EQ(err_,
            "ERROR: Can't remove the following unsaved files without confirmation. Use `--force` "
            "to force.\n" +
                at("x").string() + "\n");
  EXPECT_EQ(read("x"), "mine\n");
  EXPECT_EQ(run({"checkout", "-f"}), 0);
  EXPECT_EQ(out_, "M       x\n");
  EXPECT_EQ(read("x"), "1\n");
}

TEST_F(Dvc, CheckoutOfWhatIsInNoCache) {
  added("x", "1\n");
  fs::remove(at("x"));
  fs::remove_all(at(".dvc/cache"));
  EXPECT_EQ(run({"checkout"}), 255);
  EXPECT_EQ(err_,
            "ERROR: Checkout failed for following targets:\nx\nIs your cache up to "
            "date?\n<https://error.dvc.org/missing-files>\n");
  EXPECT_EQ(run({"checkout", "--allow-missing"}), 0);
  EXPECT_EQ(run({"checkout", "none"}), 255);
  EXPECT_EQ(err_.find("ERROR: Did you mean `git checkout none`?: 'none' does not exist"), 0u);
}

// --- commit ---

TEST_F(Dvc, CommitAsksForForceAndHandsStagesOn) {
  added("x", "1\n");
  write("x", "2\n");
  EXPECT_EQ(run({"commit"}), 1);
  EXPECT_EQ(err_,
            "ERROR: failed to commit - unable to commit changed stage: 'x.dvc'. Use `-f|--force` "
            "to force.\n");
  EXPECT_TRUE(kept_.commits.empty());
  EXPECT_EQ(run({"commit", "-f", "x"}), 0);
  EXPECT_NE(read("x.dvc").find(md5_hex("2\n")), std::string::npos);
  EXPECT_EQ(run({"commit", "--no-relink"}), 0);
  EXPECT_EQ(kept_.commits, (Words{"force relink", ""}));
  kept_.error = with_tag(conflict("unable to commit changed stage: 'a'."), "changed");
  EXPECT_EQ(run({"commit"}), 1);
  EXPECT_EQ(err_, "ERROR: failed to commit - unable to commit changed stage: 'a'.\n");
}

TEST_F(Dvc, CommitOfWhatIsNotThere) {
  added("x", "1\n");
  fs::remove(at("x"));
  EXPECT_EQ(run({"commit", "-f", "x"}), 1);
  EXPECT_EQ(err_, "ERROR: failed to commit x - output 'x' does not exist\n");
  EXPECT_EQ(run({"commit", "none"}), 1);
  EXPECT_EQ(err_.find("ERROR: failed to commit none - 'none' does not exist as an output"), 0u);
}

}  // namespace
}  // namespace slipway::dvc
