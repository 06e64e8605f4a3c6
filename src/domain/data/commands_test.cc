#include "domain/data/commands.h"

#include <gtest/gtest.h>

#include <sstream>

#include "base/hash.h"
#include "domain/data/data_testing.h"

namespace slipway::data {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class DataCommands : public ProjectTest {
 protected:
  Result<Added> add_all(const Words& targets, const std::string& from = "") {
    AddRequest request;
    request.targets = targets;
    request.from = from.empty() ? root_ : at(from);
    return add(repository(), request);
  }
  /// "TAG: MESSAGE" of what could not be added; empty when it was.
  std::string refused(const Words& targets) {
    Result<Added> added = add_all(targets);
    return added.ok() ? "" : added.error().tag + ": " + added.error().message;
  }
  std::string owners(const Words& targets, const std::string& from = "") {
    fs::path folder = from.empty() ? root_ : at(from);
    Result<std::vector<Tracked>> chosen = select(*tracked(repository(), folder), targets, folder);
    if (!chosen.ok()) return chosen.error().tag + ": " + chosen.error().message;
    std::string names;
    for (const Tracked& one : *chosen)
      names += (names.empty() ? "" : " ") + one.owner + ">" + shown(one.path, folder);
    return names;
  }
  /// "x.dvc: x modified"
  std::string state(const Words& targets = {}) {
    Result<std::vector<OwnerStatus>> all = status(repository(), targets, root_);
    if (!all.ok()) return all.error().tag;
    std::string text;
    for (const OwnerStatus& owner : *all) {
      text += (text.empty() ? "" : "; ") + owner.owner + ":";
      for (const auto& [path, state] : owner.deps)
        text += " dep " + shown(path, root_) + " " + to_string(state);
      for (const auto& [path, state] : owner.outs)
        text += " " + shown(path, root_) + " " + to_string(state);
      if (owner.always_changed) text += " always";
    }
    return text;
  }
};

TEST(Shown, IsRelativeToWhereItIsAsked) {
  EXPECT_EQ(shown("/p/a/b", "/p"), "a/b");
  EXPECT_EQ(shown("/p/a", "/p/b/c"), "../../a");
  EXPECT_EQ(shown("/p", "/p"), ".");
}

TEST_F(DataCommands, TrackedAreDataFilesThenStages) {
  write("b.txt", "1\n");
  write("a/x", "1\n");
  ASSERT_TRUE(add_all({"b.txt", "a/x"}).ok());
  write("sub/dvc.yaml",
        "stages:\n  s:\n    cmd: x\n    outs: [o, u: {cache: false, persist: true}]\n");
  EXPECT_EQ(owners({}), "a/x.dvc>a/x b.txt.dvc>b.txt sub/dvc.yaml:s>sub/o sub/dvc.yaml:s>sub/u");
  EXPECT_EQ(owners({}, "sub"), "../a/x.dvc>../a/x ../b.txt.dvc>../b.txt s>o s>u");
  Tracked last = tracked(repository(), root_)->back();
  EXPECT_EQ(last.stage, "s");
  EXPECT_FALSE(last.cache);
  EXPECT_TRUE(last.persist);
  EXPECT_EQ(last.version.md5, "");
}

TEST_F(DataCommands, TargetsAreOwnersOutputsFoldersAroundAndFilesInside) {
  write("d/e/x", "1\n");
  write("y", "1\n");
  ASSERT_TRUE(add_all({"d/e", "y"}).ok());
  for (const char* target : {"d/e.dvc", "d/e", "d/e/", "d", "d/e/x", "./d/../d/e"})
    EXPECT_EQ(owners({target}), "d/e.dvc>d/e") << target;
  EXPECT_EQ(owners({"y", "d", "y.dvc"}), "d/e.dvc>d/e y.dvc>y");
  EXPECT_EQ(owners({"e"}, "d"), "e.dvc>e");
  EXPECT_EQ(owners({"y", "d/ee"}),
            "no_target: nothing that is tracked is called 'd/ee'; did you mean 'd/e'?");
}

TEST_F(DataCommands, AddWritesWhatBelongsIntoGitOnce) {
  use_git();
  write("d/x", "1\n");
  write("d/y", "2\n");
  Result<Added> added = add_all({"d/x", "d/y", "d/x"});
  ASSERT_TRUE(added.ok()) << added.error().message;
  EXPECT_EQ(added->files,
            (std::vector<fs::path>{at("d/.gitignore"), at("d/x.dvc"), at("d/y.dvc")}));
  EXPECT_FALSE(added->staged);
  EXPECT_EQ(read("d/.gitignore"), "/x\n/y\n");
}

TEST_F(DataCommands, AddOfWhatIsThereRecordsItAnew) {
  write("x", "1\n");
  ASSERT_TRUE(add_all({"x"}).ok());
  write("x", "2\n");
  ASSERT_TRUE(add_all({"x"}).ok());
  EXPECT_NE(read("x.dvc").find(md5_hex("2\n")), std::string::npos);
  EXPECT_EQ(state(), "");
}

TEST_F(DataCommands, AddRefusesWhatCannotBeTracked) {
  write("d/x", "1\n");
  write("y", "1\n");
  write("dvc.yaml", "stages:\n  s:\n    cmd: x\n    outs: [y]\n");
  fs::create_directory_symlink(at("d"), at("link"));
  EXPECT_EQ(refused({"none"}), "no_output: 'none' does not exist");
  EXPECT_EQ(refused({"."}).find("outside: '.' does not lie in the project"), 0u);
  EXPECT_EQ(refused({"../x"}).find("outside: "), 0u);
  EXPECT_EQ(refused({".dvc/config"}).find("inside_dvc: "), 0u);
  EXPECT_EQ(refused({".dvc"}).find("inside_dvc: "), 0u);
  EXPECT_EQ(refused({"link/x"}).find("symlink: "), 0u);
  EXPECT_EQ(refused({"y"}), "pipeline_output: s");
  EXPECT_EQ(refused({"d", "d/x"}),
            "overlap_child: cannot add 'd/x': it overlaps with 'd' of d.dvc");
  EXPECT_FALSE(exists("d.dvc"));  // nothing is done when one is refused
  write(".dvcignore", "d\n");
  reopen();
  EXPECT_EQ(refused({"d"}), "no_output: 'd' does not exist");
}

TEST_F(DataCommands, AddThatFailsTakesItsIgnoreLineBack) {
  use_git();
  write("x", "1\n");
  write("t", "1\n");
  git({"add", "t"});
  EXPECT_EQ(refused({"t"}).find("tracked_by_git: "), 0u);
  EXPECT_FALSE(exists(".gitignore"));
  EXPECT_FALSE(exists("t.dvc"));
}

TEST_F(DataCommands, StatusIsThatOfDataFilesAlone) {
  write("x", "1\n");
  ASSERT_TRUE(add_all({"x"}).ok());
  write("dvc.yaml", "stages:\n  s:\n    cmd: x\n    outs: [y]\n");
  EXPECT_EQ(state(), "");
  write("x", "2\n");
  EXPECT_EQ(state(), "x.dvc: x modified");
  EXPECT_EQ(state({"y"}), "");
  fs::remove(at("x"));
  EXPECT_EQ(state(), "x.dvc: x deleted");
  write("x", "1\n");
  fs::remove_all(at(".dvc/cache"));
  EXPECT_EQ(state(), "x.dvc: x not in cache");
  EXPECT_EQ(state({"none"}), "no_target");
}

TEST_F(DataCommands, StatusLooksAtInputsOfDataThatIsNotFrozen) {
  write("x", "1\n");
  write("y", "2\n");
  saved("x");
  std::string rest =
      "deps:\n- md5: " + md5_hex("1\n") +
      "\n  hash: md5\n  path: y\n- path: s3://bucket/key\n  etag: e\nouts:\n- md5: " +
      md5_hex("1\n") + "\n  hash: md5\n  path: x\n";
  write("x.dvc", rest);
  EXPECT_EQ(state(), "x.dvc: dep y modified");
  write("x.dvc", "frozen: true\n" + rest);
  EXPECT_EQ(state(), "");
  write("x.dvc", "frozen: true\nalways_changed: true\n" + rest);
  EXPECT_EQ(state(), "x.dvc: always");
}

TEST_F(DataCommands, CheckoutLosesNothingUnlessForced) {
  write("x", "1\n");
  write("y", "1\n");
  ASSERT_TRUE(add_all({"x", "y"}).ok());
  write("x", "mine\n");
  fs::remove(at("y"));
  CheckoutRequest request;
  request.from = root_;
  Result<CheckedOut> done = checkout(repository(), request);
  ASSERT_FALSE(done.ok());
  EXPECT_EQ(done.error().tag, "unsaved");
  EXPECT_TRUE(done.error().message.ends_with("\n" + at("x").string())) << done.error().message;
  EXPECT_FALSE(exists("y"));  // nothing at all was changed
  request.force = true;
  done = checkout(repository(), request);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->changes.modified, std::vector<fs::path>{at("x")});
  EXPECT_EQ(done->changes.added, std::vector<fs::path>{at("y")});
}

TEST_F(DataCommands, CheckoutNamesWhatIsInNoCacheAndDoesTheRest) {
  write("x", "1\n");
  write("y", "2\n");
  ASSERT_TRUE(add_all({"x", "y"}).ok());
  fs::remove(at("x"));
  fs::remove(at("y"));
  fs::remove(repository().cache().object_path(md5_hex("1\n")));
  CheckoutRequest request;
  request.from = root_;
  Result<CheckedOut> done = checkout(repository(), request);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->failed, std::vector<fs::path>{at("x")});
  EXPECT_EQ(read("y"), "2\n");
}

TEST_F(DataCommands, CommitNeedsForceForWhatChanged) {
  write("x", "1\n");
  ASSERT_TRUE(add_all({"x"}).ok());
  CommitRequest request;
  request.from = root_;
  EXPECT_TRUE(commit(repository(), request).ok());
  write("x", "2\n");
  Result<Added> added = commit(repository(), request);
  ASSERT_FALSE(added.ok());
  EXPECT_EQ(added.error().tag, "changed");
  EXPECT_EQ(added.error().message, "x.dvc");
  request.force = true;
  added = commit(repository(), request);
  ASSERT_TRUE(added.ok());
  EXPECT_EQ(added->files, std::vector<fs::path>{at("x.dvc")});
  EXPECT_EQ(state(), "");
  fs::remove(at("x"));
  EXPECT_EQ(commit(repository(), request).error().code, Code::kMissing);
}

/// What `slipway` prints and how it ends.
class DataFaces : public DataCommands {
 protected:
  template <class F>
  int call(F command, bool json = false) {
    std::ostringstream out, err;
    Console console{out, err, json};
    int code = command(console);
    out_ = out.str();
    err_ = err.str();
    return code;
  }
  int adding(const Words& targets, bool json = false, const fs::path& from = {}) {
    AddRequest request;
    request.targets = targets;
    request.from = from.empty() ? root_ : from;
    return call([&](Console& console) { return run_add(request, console); }, json);
  }
  int checking_out(const CheckoutRequest& request, bool json = false) {
    return call([&](Console& console) { return run_checkout(request, console); }, json);
  }
  std::string out_, err_;
};

TEST_F(DataFaces, AddNamesTheFilesForGit) {
  write("x", "1\n");
  EXPECT_EQ(adding({"x"}), 0);
  EXPECT_EQ(out_, "wrote x.dvc\n");  // there is no git to commit it with
  EXPECT_EQ(adding({"x"}, true), 0);
  EXPECT_EQ(out_, "{\"files\":[\"x.dvc\"],\"staged\":false}\n");
  use_git();
  write("y", "1\n");
  EXPECT_EQ(adding({"y"}), 0);
  EXPECT_EQ(out_, "wrote .gitignore\nwrote y.dvc\ncommit these with git to keep this state\n");
}

TEST_F(DataFaces, ExitCodesTellWrongUseAnAnswerAndWhatCouldNotBeDoneApart) {
  EXPECT_EQ(adding({"none"}), 3);
  EXPECT_EQ(err_, "slipway: error: 'none' does not exist\n");
  EXPECT_EQ(adding({"none"}, true), 3);
  EXPECT_EQ(out_, "{\"error\":\"'none' does not exist\",\"code\":\"missing\"}\n");
  EXPECT_EQ(err_, "");
  EXPECT_EQ(adding({"../x"}), 2);
  EXPECT_EQ(adding({".dvc/config"}), 2);
  write("y", "1\n");
  write("dvc.yaml", "stages:\n  s:\n    cmd: x\n    outs: [y]\n");
  EXPECT_EQ(adding({"y"}), 3);
  EXPECT_EQ(err_, "slipway: error: this is an output of stage 's'; run the stage instead\n");
  write("dvc.yaml", "stages: [\n");
  EXPECT_EQ(adding({"y"}), 3);
  EXPECT_EQ(adding({"y"}, false, fs::canonical(fs::temp_directory_path())), 3);
}

TEST_F(DataFaces, CheckoutSaysWhatItDid) {
  write("x", "1\n");
  ASSERT_TRUE(add_all({"x"}).ok());
  CheckoutRequest request;
  request.from = root_;
  EXPECT_EQ(checking_out(request), 0);
  EXPECT_EQ(out_, "nothing to do\n");
  fs::remove(at("x"));
  EXPECT_EQ(checking_out(request), 0);
  EXPECT_EQ(out_, "added x\n");
  fs::remove(at("x"));
  EXPECT_EQ(checking_out(request, true), 0);
  EXPECT_EQ(out_, R"({"added":["x"],"modified":[],"deleted":[],"failed":[]})"
                  "\n");
  fs::remove(at("x"));
  fs::remove_all(at(".dvc/cache"));
  EXPECT_EQ(checking_out(request), 3);
  EXPECT_TRUE(err_.starts_with("slipway: error: x is neither here nor in the cache\n")) << err_;
  EXPECT_NE(err_.find("`dvc pull`"), std::string::npos) << err_;
  write("x", "other\n");
  request.force = true;
  EXPECT_EQ(checking_out(request), 3);
  EXPECT_TRUE(err_.starts_with("slipway: error: x is not in the cache; it was left as it is\n"));
  request.allow_missing = true;
  EXPECT_EQ(checking_out(request), 0);
  request.targets = {"none"};
  EXPECT_EQ(checking_out(request), 3);
}

TEST_F(DataFaces, CheckoutDoesWhatItCanBesideAPipelineThatIsNotUnderstood) {
  write("x", "1\n");
  write("sub/y", "1\n");
  ASSERT_TRUE(add_all({"x", "sub/y"}).ok());
  write("sub/dvc.yaml", "vars: [p.yaml]\nstages: {}\n");
  auto checkout_of = [&](const Words& targets) {
    fs::remove(at("x"));
    fs::remove(at("sub/y"));
    CheckoutRequest request;
    request.targets = targets;
    request.from = root_;
    return checking_out(request);
  };
  EXPECT_EQ(checkout_of({}), 3);
  EXPECT_EQ(out_, "added sub/y\nadded x\n");
  EXPECT_EQ(err_.find("slipway: warning: passed over, its outputs are as they were: "), 0u) << err_;
  EXPECT_NE(err_.find("dvc.yaml:1:1: not supported yet"), std::string::npos) << err_;
  EXPECT_EQ(checkout_of({"sub"}), 3);
  EXPECT_EQ(out_, "added sub/y\n");
  for (const char* target : {"x", "x.dvc", "sub/y"}) {
    EXPECT_EQ(checkout_of({target}), 0) << target << err_;
    EXPECT_EQ(err_, "");
  }
  EXPECT_EQ(checkout_of({"train"}), 3);
  EXPECT_NE(err_.find("dvc.yaml:1:1: not supported yet"), std::string::npos) << err_;
}

TEST_F(DataFaces, DataCanDoWithoutStagesThatAreNotUnderstood) {
  write("x", "1\n");
  ASSERT_TRUE(add_all({"x"}).ok());
  auto can = [&](const Words& targets) {
    return *can_do_without_stages(repository(), targets, root_);
  };
  EXPECT_FALSE(can({"x"}));  // nothing stands in the way
  write("dvc.yaml", "stages:\n  a: {cmd: 'echo ${lr}'}\n");
  write("sub/dvc.yaml", "stages:\n  s: {cmd: x, outs: [o]}\n");
  EXPECT_TRUE(can({}));
  EXPECT_TRUE(can({"x"}));
  EXPECT_FALSE(can({"x", "sub/o"}));
  EXPECT_FALSE(can({"a"}));
  write("x", "2\n");
  std::vector<PassedOver> passed_over;
  ASSERT_EQ(status(repository(), {}, root_, &passed_over)->size(), 1u);
  ASSERT_EQ(passed_over.size(), 1u);
  EXPECT_EQ(passed_over[0].file, at("dvc.yaml"));
  EXPECT_EQ(status(repository(), {}, root_).error().tag, "unsupported");
}

TEST_F(DataFaces, NothingButAPipelineThatIsNotUnderstoodIsAnError) {
  write("dvc.yaml", "vars: [p.yaml]\nstages: {}\n");
  EXPECT_EQ(checking_out({{}, root_}), 3);
  EXPECT_EQ(err_.find("slipway: error: "), 0u) << err_;
}

TEST_F(DataFaces, InitIsDoneOnce) {
  fs::create_directories(at("new"));
  auto initialize = [&](bool no_scm, bool force) {
    return call(
        [&](Console& console) { return run_init(at("new"), no_scm, force, false, console); });
  };
  EXPECT_NE(initialize(false, false), 0);  // there is no git
  EXPECT_FALSE(exists("new/.dvc"));
  EXPECT_EQ(initialize(true, false), 0);
  EXPECT_EQ(out_.find("a project begins in " + at("new").string()), 0u);
  EXPECT_EQ(initialize(true, false), 3);
  EXPECT_EQ(initialize(true, true), 0);
}

}  // namespace
}  // namespace slipway::data
