#include "domain/flows/engine.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/hash.h"
#include "domain/flows/flows_testing.h"
#include "io/proc/record.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

constexpr char kChain[] = R"(stages:
  a:
    cmd: cat x > y
    deps: [x]
    outs: [y]
  b:
    cmd: sort y > z
    deps: [y]
    outs: [z]
)";

/// Two stages, b after a, that were never run.
class Chain : public ReproTest {
 protected:
  Chain() {
    write("dvc.yaml", kChain);
    write("x", "2\n1\n");
  }
  void replace(const std::string& from, const std::string& to) {
    std::string text = read("dvc.yaml");
    std::size_t at = text.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    write("dvc.yaml", text.replace(at, from.size(), to));
  }
  /// What was said of stages: "skipped a, running b".
  std::string said() const {
    static const std::map<Note::Kind, std::string> words = {
        {Note::Kind::kSkipped, "skipped"},     {Note::Kind::kRunning, "running"},
        {Note::Kind::kRestored, "restored"},   {Note::Kind::kVerifying, "verifying"},
        {Note::Kind::kFrozen, "frozen"},       {Note::Kind::kFailed, "failed"},
        {Note::Kind::kLeftOut, "left out by"}, {Note::Kind::kInterrupted, "interrupted"},
        {Note::Kind::kKilled, "killed"}};
    std::string text;
    for (const Note& note : notes_.notes) {
      auto word = words.find(note.kind);
      if (word == words.end()) continue;
      text +=
          (text.empty() ? "" : ", ") + word->second + (note.stage.empty() ? "" : " " + note.stage);
    }
    return text;
  }
  /// What failed and why: "b: output 'z' does not exist".
  std::string failures(ReproOptions options = {}) {
    Result<ReproResult> result = run(std::move(options));
    EXPECT_TRUE(result.ok()) << result.error().message;
    if (!result.ok()) return "error";
    std::string text;
    for (const StageFailure& one : result->failures)
      text += (text.empty() ? "" : ", ") + one.stage + ": " + one.reason;
    return text;
  }
  /// Names in dvc.lock, in their order.
  Names locked() {
    Names names;
    yaml::Node root = *yaml::parse(read("dvc.lock"), "dvc.lock");
    const yaml::Node* stages = root.find("stages");
    if (stages == nullptr) return names;
    for (const yaml::Entry& entry : stages->entries) names.push_back(entry.key.text);
    return names;
  }
};

TEST_F(Chain, RunsWhatChangedInOrderAndRecordsIt) {
  EXPECT_EQ(ran(), (Names{"a", "b"}));
  EXPECT_EQ(read("z"), "1\n2\n");
  EXPECT_EQ(locked(), (Names{"a", "b"}));
  EXPECT_TRUE(*repository().cache().has_all(step("b").outs[0].recorded));
  EXPECT_EQ(ran(), Names{});
  EXPECT_EQ(said(), "skipped a, skipped b");
}

TEST_F(Chain, ASecondRunAfterAChangeRunsOnlyWhatItReaches) {
  ran();
  write("dvc.yaml", read("dvc.yaml") + "  c:\n    cmd: cp z w\n    deps: [z]\n    outs: [w]\n");
  EXPECT_EQ(ran(), Names{"c"});
  write("x", "1\n2\n");
  EXPECT_EQ(ran(), (Names{"a", "b"}));  // sorted it is the same
  replace("sort y > z", "sort  y > z");
  EXPECT_EQ(ran(), Names{"b"});
}

TEST_F(Chain, FilesAreThoseThatBelongIntoGit) {
  Result<ReproResult> first = run();
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->files, std::vector<fs::path>{at("dvc.lock")});
  EXPECT_FALSE(first->staged);
  EXPECT_TRUE(run()->files.empty());
}

// --- which stages ---

TEST_F(Chain, SingleStagesRunInTheOrderTheyAreNamed) {
  ran();
  write("x", "3\n");
  EXPECT_EQ(ran({.targets = {"b", "a"}, .force = true, .single_item = true}), (Names{"b", "a"}));
  EXPECT_EQ(read("z"), "1\n2\n");  // b ran before there was a new y
}

TEST_F(Chain, SingleStagesWithJobsWaitForThoseNamedBefore) {
  ran();
  EXPECT_EQ(ran({.targets = {"b", "a"}, .force = true, .single_item = true, .jobs = 2}),
            (Names{"b", "a"}));
  EXPECT_EQ(ran({.targets = {"a", "b"}, .force = true, .single_item = true, .jobs = 2}),
            (Names{"a", "b"}));
}

TEST_F(Chain, PipelinesOverruleASingleStage) {
  EXPECT_EQ(ran({.targets = {"b"}, .single_item = true, .pipeline = true}), (Names{"a", "b"}));
  write("x", "3\n");
  EXPECT_EQ(ran({.single_item = true, .all_pipelines = true}), (Names{"a", "b"}));
}

TEST_F(Chain, DownstreamBeginsAtTheTarget) {
  ran();
  write("x", "3\n");
  EXPECT_EQ(ran({.targets = {"b"}, .downstream = true}), Names{});
  EXPECT_EQ(ran({.targets = {"a"}, .downstream = true}), (Names{"a", "b"}));
}

TEST_F(Chain, ForceRunsWhatDidNotChange) {
  ran();
  EXPECT_EQ(ran({.targets = {"a"}, .force = true}), Names{"a"});
  EXPECT_EQ(said(), "running a");
}

TEST_F(Chain, ForceDownstreamRunsWhatFollowsOneThatRan) {
  ran();
  replace("cat x > y", "cat  x > y");  // makes the same y
  EXPECT_EQ(ran({.force_downstream = true}), (Names{"a", "b"}));
  EXPECT_EQ(ran({.force_downstream = true}), Names{});
}

TEST_F(Chain, ForceDownstreamDoesNotReachFromASingleStage) {
  ran();
  replace("cat x > y", "cat  x > y");
  EXPECT_EQ(ran({.targets = {"a", "b"}, .single_item = true, .force_downstream = true}),
            Names{"a"});
}

TEST_F(Chain, NothingIsDoneForAFileWithoutStages) {
  write("dvc.yaml", "stages: {}\n");
  EXPECT_EQ(ran(), Names{});
  EXPECT_FALSE(exists("dvc.lock"));
}

TEST_F(Chain, AnUnknownTargetIsAnErrorBeforeAnythingRuns) {
  Result<ReproResult> result = run({.targets = {"a", "none"}});
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().tag, "no_target");
  EXPECT_FALSE(exists("y"));
}

// --- what is missing ---

TEST_F(Chain, AMissingDependencyFailsTheStageAndItsOutputStays) {
  ran();
  fs::remove(at("x"));
  EXPECT_EQ(failures(), "a: dependency 'x' does not exist");
  EXPECT_EQ(read("y"), "2\n1\n");
}

TEST_F(Chain, MissingFilesMayBeAllowedUnlessTheirStageMadeAnother) {
  ran();
  fs::remove(at("y"));
  EXPECT_EQ(ran({.allow_missing = true}), Names{});
  write("x", "3\n");
  EXPECT_EQ(ran({.targets = {"a"}}), Names{"a"});
  fs::remove(at("y"));
  EXPECT_EQ(failures({.allow_missing = true}), "b: dependency 'y' does not exist");
  EXPECT_EQ(failures({.targets = {"b"}, .single_item = true, .allow_missing = true}), "");
  EXPECT_EQ(read("z"), "1\n2\n");
}

TEST_F(Chain, AForcedStageRunsWithoutItsDependency) {
  replace("cat x > y", "echo 1 > x; cat x > y");
  fs::remove(at("x"));
  EXPECT_EQ(ran({.force = true}), (Names{"a", "b"}));
}

// --- outputs ---

TEST_F(Chain, AnOutputThatIsNotMadeFailsTheStage) {
  replace("sort y > z", "echo nothing");
  EXPECT_EQ(failures(), "b: output 'z' does not exist");
  EXPECT_EQ(locked(), Names{"a"});
  ASSERT_EQ(facts_.ends.size(), 2u);
  EXPECT_EQ(facts_.ends[1].state, AttemptEnded::State::kFailed);
  EXPECT_EQ(facts_.ends[1].message, "output 'z' does not exist");
}

TEST_F(Chain, OutputsAreRemovedBeforeARunUnlessTheyPersist) {
  write("y", "old\n");
  write("z", "old\n");
  replace("cat x > y", "test ! -e y && cat x > y");
  replace("sort y > z", "cat y >> z");
  replace("[z]", "[z: {persist: true}]");
  EXPECT_EQ(ran(), (Names{"a", "b"}));
  EXPECT_EQ(read("z"), "old\n2\n1\n");
}

TEST_F(Chain, WithoutCommitOutputsAreRecordedButNotKept) {
  EXPECT_EQ(ran({.no_commit = true}), (Names{"a", "b"}));
  EXPECT_EQ(step("b").outs[0].recorded.md5, md5_hex("1\n2\n"));
  EXPECT_FALSE(exists(".dvc/cache"));
}

TEST_F(Chain, ABinaryFileIsNoMetric) {
  replace("sort y > z", "printf '\\000\\001' > z");
  replace("outs: [z]", "metrics: [z]");
  std::string reason = failures();
  EXPECT_EQ(reason, "b: binary file '" + at("z").string() + "' cannot be used as metrics.");
}

TEST_F(Chain, AnOutputThatGitTracksIsRefused) {
  use_git();
  write("z", "1\n");
  git({"add", "z"});
  EXPECT_NE(failures().find("'z' is already tracked by SCM"), std::string::npos);
  EXPECT_EQ(locked(), Names{"a"});
}

// --- restoring ---

TEST_F(Chain, WhatRanOnTheseInputsBeforeIsRestored) {
  ran();
  write("x", "3\n");
  ran();
  write("x", "2\n1\n");
  Result<ReproResult> result = run();
  EXPECT_EQ(result->restored, (Names{"a", "b"}));
  EXPECT_EQ(said(), "restored a, restored b");
  EXPECT_EQ(read("z"), "1\n2\n");
  ASSERT_EQ(facts_.restores.size(), 2u);
  EXPECT_TRUE(facts_.restores[0].from_run_cache);
  EXPECT_EQ(facts_.restores[0].outputs.at(0).md5, md5_hex("2\n1\n"));
  EXPECT_TRUE(facts_.starts.empty());
}

TEST_F(Chain, AnOutputThatIsGoneComesBackByWhatDvcLockSays) {
  ran();
  fs::remove(at("z"));
  EXPECT_EQ(run({.no_run_cache = true})->restored, Names{"b"});
  ASSERT_EQ(facts_.restores.size(), 1u);
  EXPECT_FALSE(facts_.restores[0].from_run_cache);
}

TEST_F(Chain, WithoutTheRunCacheItRunsAgain) {
  ran();
  write("x", "3\n");
  ran();
  write("x", "2\n1\n");
  ran({.no_run_cache = true});
  EXPECT_EQ(said(), "running a, running b");
}

TEST_F(Chain, ARememberedRunWhoseOutputIsGoneFromTheCacheRunsAgain) {
  ran();
  write("x", "3\n");
  ran();
  write("x", "2\n1\n");
  fs::remove(repository().cache().object_path(md5_hex("1\n2\n")));
  EXPECT_EQ(ran(), (Names{"a", "b"}));
  EXPECT_EQ(said(), "restored a, running b");
}

TEST_F(Chain, AnUncachedMetricIsRestoredAsAFileOfItsOwn) {
  replace("outs: [z]", "metrics: [z: {cache: false}]");
  configure("[core]\n    no_scm = True\n[cache]\n    type = symlink\n");
  ran();
  write("x", "3\n");
  ran();
  write("x", "2\n1\n");
  EXPECT_EQ(run()->restored, (Names{"a", "b"}));
  EXPECT_TRUE(fs::is_symlink(at("y")));
  EXPECT_FALSE(fs::is_symlink(at("z")));
  EXPECT_EQ(read("z"), "1\n2\n");
}

TEST_F(Chain, AnUncachedOutputIsNotRemembered) {
  replace("[z]", "[z: {cache: false}]");
  ran();
  write("x", "3\n");
  ran();
  write("x", "2\n1\n");
  EXPECT_EQ(ran(), (Names{"a", "b"}));
  EXPECT_EQ(said(), "restored a, running b");
}

TEST_F(Chain, AlwaysChangedRunsEveryTimeAndIsNotRestored) {
  replace("outs: [z]", "outs: [z]\n    always_changed: true");
  ran();
  EXPECT_EQ(ran(), Names{"b"});
  EXPECT_EQ(said(), "skipped a, running b");
}

TEST_F(Chain, ACallbackRunsEveryTime) {
  write("dvc.yaml", "stages:\n  hello:\n    cmd: echo >> log\n");
  ran();
  ran();
  EXPECT_EQ(read("log"), "\n\n");
}

// --- frozen stages and .dvc files ---

TEST_F(Chain, AFrozenStageRecordsWhatItsOutputIsNow) {
  ran();
  replace("  b:\n", "  b:\n    frozen: true\n");
  write("x", "3\n");
  EXPECT_EQ(ran(), Names{"a"});
  EXPECT_EQ(said(), "running a, frozen b, skipped b");
  write("z", "by hand\n");
  EXPECT_EQ(ran(), Names{"b"});
  EXPECT_EQ(said(), "skipped a, frozen b, verifying b");
  EXPECT_EQ(step("b").outs[0].recorded.md5, md5_hex("by hand\n"));
  fs::remove(at("z"));
  EXPECT_EQ(failures(), "b: missing data 'source': z");
}

TEST_F(Chain, AFrozenStageBesideTheOneItReadsFromWaits) {
  ran();
  replace("  b:\n", "  b:\n    frozen: true\n");
  write("x", "3\n");
  write("z", "by hand\n");
  EXPECT_EQ(ran({.jobs = 2}), (Names{"a", "b"}));
}

TEST_F(Chain, AFrozenStageGoesOnWhenTheOneItReadsFromFails) {
  ran();
  replace("  b:\n", "  b:\n    frozen: true\n");
  replace("cat x > y", "exit 1");
  replace("[y]\n  b", "[y: {persist: true}]\n  b");
  for (int jobs : {1, 2}) {
    write("z", "by hand " + std::to_string(jobs) + "\n");
    EXPECT_EQ(failures({.on_error = OnError::kGoOn, .jobs = jobs}),
              "a: failed to run: exit 1, exited with 1");
    EXPECT_EQ(said(), "running a, failed a, frozen b, verifying b") << jobs;
  }
}

TEST_F(Chain, ADataFileIsRecordedAnewWhenItsDataChanged) {
  write("x.dvc", "outs:\n- md5: " + md5_hex("old\n") + "\n  size: 4\n  hash: md5\n  path: x\n");
  EXPECT_EQ(ran(), (Names{"x.dvc", "a", "b"}));
  EXPECT_EQ(step("x.dvc").outs[0].recorded.md5, md5_hex("2\n1\n"));
  EXPECT_TRUE(exists(".dvc/cache/files/md5"));
  EXPECT_EQ(ran(), Names{});
  fs::remove(at("x"));
  EXPECT_EQ(failures(), "x.dvc: missing data 'source': x");
}

TEST_F(Chain, AnImportIsNotUpdated) {
  write("x.dvc", "deps:\n- md5: " + md5_hex("q\n") + "\n  hash: md5\n  path: q\nouts:\n- md5: " +
                     md5_hex("old\n") + "\n  hash: md5\n  path: x\n");
  EXPECT_EQ(failures(), "x.dvc: not supported yet: updating the import x.dvc");
}

// --- failures ---

TEST_F(Chain, TheReasonSaysHowTheCommandEnded) {
  struct Case {
    const char *command, *reason;
  };
  for (const Case& one : std::vector<Case>{
           {"exit 3", "failed to run: exit 3, exited with 3"},
           {"kill -9 $$", "failed to run: kill -9 $$, killed by signal 9 (Killed)"},
           {"[\"true\", exit 4, \"false\"]", "failed to run: exit 4, exited with 4"}}) {
    write("dvc.yaml", "stages:\n  a:\n    cmd: " + std::string(one.command) + "\n");
    EXPECT_EQ(failures(), "a: " + std::string(one.reason));
  }
}

TEST_F(Chain, AFailureStopsTheRun) {
  replace("cat x > y", "exit 1");
  write("dvc.yaml", read("dvc.yaml") + "  c:\n    cmd: echo 1 > w\n    outs: [w]\n");
  Result<ReproResult> result = run();
  EXPECT_EQ(result->message(), "failed to reproduce 'a': failed to run: exit 1, exited with 1");
  EXPECT_FALSE(exists("w"));
  EXPECT_EQ(said(), "running a");
}

TEST_F(Chain, GoingOnLeavesOutOnlyWhatDependsOnTheFailure) {
  replace("cat x > y", "exit 1");
  write("dvc.yaml", read("dvc.yaml") + "  c:\n    cmd: echo 1 > w\n    outs: [w]\n");
  Result<ReproResult> result = run({.on_error = OnError::kGoOn});
  EXPECT_EQ(result->message(), "failed to reproduce 'a'");
  EXPECT_EQ(result->ran, Names{"c"});
  EXPECT_EQ(said(), "running a, failed a, left out by a, running c");
  EXPECT_EQ(notes_.notes.at(2).text, "Stage 'b' will be skipped due to this failure");
}

TEST_F(Chain, GoingOnWithSingleStagesLeavesOutNothing) {
  replace("cat x > y", "exit 1");
  write("y", "1\n");
  replace("sort y > z", "echo 1 > z");
  replace("    deps: [y]\n", "");
  replace("outs: [z]", "outs: [z]\n    deps: [w]");
  write("w", "1\n");
  replace("outs: [y]", "outs: [y, w: {persist: true}]");
  Result<ReproResult> result =
      run({.targets = {"a", "b"}, .single_item = true, .on_error = OnError::kGoOn});
  EXPECT_EQ(result->ran, Names{"b"});
}

TEST_F(Chain, IgnoredFailuresHoldNothingBackAndAreNone) {
  replace("cat x > y", "cat x > y; exit 1");
  Result<ReproResult> result = run({.on_error = OnError::kIgnore});
  EXPECT_TRUE(result->ok());
  EXPECT_EQ(result->ran, Names{"b"});
  EXPECT_EQ(locked(), Names{"b"});
}

TEST_F(Chain, SeveralFailuresAreNamedTogether) {
  write("dvc.yaml", "stages:\n  a:\n    cmd: exit 1\n  b:\n    cmd: exit 2\n");
  EXPECT_EQ(run({.on_error = OnError::kGoOn})->message(), "failed to reproduce stages: 'a', 'b'");
}

// --- rehearsals ---

TEST_F(Chain, ARehearsalWritesNothing) {
  EXPECT_EQ(ran({.dry = true}), (Names{"a", "b"}));
  EXPECT_EQ(notes_.notes.at(0).lines, Names{"> cat x > y"});
  EXPECT_FALSE(exists("y"));
  EXPECT_FALSE(exists("dvc.lock"));
  EXPECT_FALSE(exists(".slipway"));
  EXPECT_TRUE(facts_.order.empty());
}

TEST_F(Chain, ARehearsalFailsWhereNothingWouldMakeTheInput) {
  ran();
  write("x", "3\n");
  ran({.targets = {"a"}});
  fs::remove(at("y"));
  EXPECT_EQ(failures({.dry = true, .allow_missing = true}), "b: dependency 'y' does not exist");
  EXPECT_EQ(failures({.targets = {"b"}, .single_item = true, .dry = true}),
            "b: dependency 'y' does not exist");
}

TEST_F(Chain, ARehearsalOfARestoreRestoresNothing) {
  ran();
  fs::remove(at("z"));
  EXPECT_EQ(run({.dry = true})->restored, Names{"b"});
  EXPECT_FALSE(exists("z"));
}

// --- several at the same time ---

constexpr char kUntil[] =
    "i=0; until %; do i=$((i+1)); [ $i -lt 3000 ] || exit 9; sleep 0.01; done; ";

/// A shell line that goes on when `condition` holds, and fails after half a minute.
std::string until(const std::string& condition) {
  std::string text = kUntil;
  return text.replace(text.find('%'), 1, condition);
}

// `slow` ends only after dvc.lock names `quick`: that is durable at once, and still stands after.
TEST_F(Chain, TheLockFileHasTheOrderOfThePlanWhateverEndsFirst) {
  write("dvc.yaml", "stages:\n  slow:\n    cmd: '" + until("grep -q quick: dvc.lock") +
                        "echo 1 > s'\n    outs: [s]\n"
                        "  middle:\n    cmd: '" +
                        until("grep -q slow: dvc.lock") +
                        "echo 1 > m'\n    outs: [m]\n"
                        "  quick:\n    cmd: echo 1 > q\n    outs: [q]\n");
  EXPECT_EQ(ran({.jobs = 3}), (Names{"quick", "slow", "middle"}));
  EXPECT_EQ(locked(), (Names{"slow", "middle", "quick"}));
}

// Each waits until the line of the one after it in the plan is there.
TEST_F(Chain, GitIgnoresOutputsInTheOrderOfThePlanWhateverEndsFirst) {
  use_git();
  write(".gitignore", "/z\n# ours");
  write("dvc.yaml", "stages:\n  first:\n    cmd: '" + until("grep -q /m .gitignore") +
                        "echo 1 > a; echo 1 > b'\n    outs: [a, b]\n"
                        "  middle:\n    cmd: '" +
                        until("grep -q /q .gitignore") +
                        "echo 1 > m'\n    outs: [m]\n"
                        "  last:\n    cmd: echo 1 > q\n    outs: [q]\n");
  EXPECT_EQ(ran({.jobs = 3}), (Names{"last", "middle", "first"}));
  EXPECT_EQ(read(".gitignore"), "/z\n# ours\n/a\n/b\n/m\n/q\n");
}

TEST_F(Chain, AnEntryThatIsThereKeepsItsPlace) {
  write("dvc.yaml", "stages:\n  b:\n    cmd: echo 1 > z\n    outs: [z]\n");
  ran();
  write("dvc.yaml",
        "stages:\n  a:\n    cmd: echo 1 > y\n    outs: [y]\n"
        "  b:\n    cmd: echo 2 > z\n    outs: [z]\n  c:\n    cmd: echo 1 > w\n    outs: [w]\n");
  EXPECT_EQ(ran({.jobs = 3}).size(), 3u);
  EXPECT_EQ(locked(), (Names{"b", "a", "c"}));
}

TEST_F(Chain, IndependentStagesRunAtTheSameTime) {
  write("dvc.yaml", "stages:\n  a:\n    cmd: 'touch a.up; " + until("[ -e b.up ]") +
                        "'\n  b:\n    cmd: 'touch b.up; " + until("[ -e a.up ]") + "'\n");
  EXPECT_EQ(ran({.jobs = 2}).size(), 2u);
}

TEST_F(Chain, OneJobMeansOneAtATime) {
  write("dvc.yaml",
        "stages:\n  a:\n    cmd: test ! -e up && touch up && rm up\n"
        "  b:\n    cmd: test ! -e up && touch up && rm up\n");
  EXPECT_EQ(ran(), (Names{"a", "b"}));
}

TEST_F(Chain, WhatRunsBesideAFailureIsFinished) {
  write("dvc.yaml", "stages:\n  bad:\n    cmd: '" + until("[ -e up ]") +
                        "exit 1'\n  good:\n    cmd: 'touch up; echo 1 > g'\n    outs: [g]\n");
  Result<ReproResult> result = run({.jobs = 2});
  EXPECT_EQ(result->failures.size(), 1u);
  EXPECT_EQ(locked(), Names{"good"});
}

TEST_F(Chain, WhatCommandsPrintStandsBehindTheirNames) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  Fd from(ends[0]), to(ends[1]);
  write("dvc.yaml", "stages:\n  a:\n    cmd: printf 'one\\ntwo'\n");
  ran({.jobs = 2, .output = to.get()});
  char text[256];
  ssize_t got = ::read(from.get(), text, sizeof(text));
  EXPECT_EQ(std::string(text, static_cast<std::size_t>(std::max<ssize_t>(got, 0))),
            "[a] > printf 'one\\ntwo'\n[a] one\n[a] two\n");
}

// --- facts ---

TEST_F(Chain, FactsComeBeforeTheLockFileNamesWhatTheyAreAbout) {
  facts_.on_flush = [&] {
    EXPECT_EQ(read("dvc.lock"), "(absent)");
    EXPECT_EQ(facts_.ends.size(), 2u);
  };
  ran();
  EXPECT_EQ(facts_.order.back(), "flush");
  EXPECT_EQ(facts_.order.at(0), "started a");
  EXPECT_EQ(facts_.order.at(1), "ended a");
}

TEST_F(Chain, AnAttemptSaysWhatItUsedAndMade) {
  write("params.yaml", "lr: 0.5\n");
  replace("deps: [x]", "deps: [x]\n    params: [lr]");
  ran({.targets = {"a"}});
  ASSERT_EQ(facts_.starts.size(), 1u);
  const AttemptStarted& started = facts_.starts[0];
  EXPECT_EQ(started.inputs.stage, "a");
  EXPECT_EQ(started.inputs.pipeline, "dvc.yaml");
  EXPECT_EQ(started.inputs.command, wire::Json("cat x > y"));
  ASSERT_EQ(started.inputs.data.size(), 1u);
  EXPECT_EQ(started.inputs.data[0].path, "x");
  EXPECT_EQ(started.inputs.data[0].md5, md5_hex("2\n1\n"));
  EXPECT_EQ(wire::dump(started.inputs.params.description), R"({"params.yaml":{"lr":0.5}})");
  EXPECT_FALSE(started.environment.digest.empty());
  ASSERT_EQ(facts_.ends.size(), 1u);
  EXPECT_EQ(facts_.ends[0].id, started.id);
  EXPECT_EQ(facts_.ends[0].state, AttemptEnded::State::kSucceeded);
  ASSERT_EQ(facts_.ends[0].outputs.size(), 1u);
  EXPECT_EQ(facts_.ends[0].outputs[0].path, "y");
  EXPECT_TRUE(fs::is_empty(at(".slipway/attempts")));
}

TEST_F(Chain, AFactThatCannotBeKeptEndsTheRun) {
  for (OnError on_error : {OnError::kStop, OnError::kGoOn, OnError::kIgnore}) {
    for (const char* what : {"started a", "ended a", "flush"}) {
      fs::remove(at("dvc.lock"));
      facts_.refused = what;
      Result<ReproResult> result = run({.no_run_cache = true, .on_error = on_error});
      ASSERT_FALSE(result.ok()) << what;
      EXPECT_EQ(result.error().message, std::string("cannot keep ") + what);
      EXPECT_EQ(read("dvc.lock"), "(absent)") << what;
    }
  }
}

TEST_F(Chain, AFailedAttemptIsAFactToo) {
  replace("cat x > y", "exit 3");
  EXPECT_NE(failures(), "");
  ASSERT_EQ(facts_.ends.size(), 1u);
  EXPECT_EQ(facts_.ends[0].state, AttemptEnded::State::kFailed);
  EXPECT_EQ(facts_.ends[0].exit_code, 3);
  EXPECT_EQ(facts_.ends[0].message, "failed to run: exit 3, exited with 3");
}

// --- what commands see ---

class ToldTracking final : public Tracking {
 public:
  Result<std::string> url() override {
    ++urls;
    if (broken) return unavailable("no server");
    return std::string("http://127.0.0.1:1");
  }
  Result<std::string> token(const std::string& attempt) override { return "token-" + attempt; }
  bool is_gone(const std::string& uri) override { return uri == gone; }
  std::string gone;
  int urls = 0;
  bool broken = false;
};

TEST_F(Chain, CommandsAreToldWhereToTrackAndByWhichToken) {
  ToldTracking tracking;
  tracking_ = &tracking;
  replace("cat x > y", "echo $MLFLOW_TRACKING_URI $SLIPWAY_URL $MLFLOW_TRACKING_TOKEN > y");
  replace("sort y > z", "echo $MLFLOW_RUN_CONTEXT > z");
  ran();
  EXPECT_EQ(read("y"),
            "http://127.0.0.1:1 http://127.0.0.1:1 token-" + facts_.starts.at(0).id + "\n");
  EXPECT_EQ(read("z"),
            "{\"slipway.attempt\":\"" + facts_.starts.at(1).id + "\",\"slipway.stage\":\"b\"}\n");
  EXPECT_EQ(tracking.urls, 2);  // before each stage: the server may be another one by then
  ran();
  EXPECT_EQ(tracking.urls, 2);  // nothing to run: no server is needed
}

TEST_F(Chain, AServerOfTheUsersIsLeftToThem) {
  ToldTracking tracking;
  tracking_ = &tracking;
  variables_["MLFLOW_TRACKING_URI"] = "http://theirs";
  replace("cat x > y", "echo $MLFLOW_TRACKING_URI [$MLFLOW_TRACKING_TOKEN] > y");
  ran({.targets = {"a"}});
  EXPECT_EQ(read("y"), "http://theirs []\n");
}

TEST_F(Chain, AServerOfTheUsersThatIsGoneIsNotWaitedFor) {
  ToldTracking tracking;
  tracking.gone = "http://127.0.0.1:5000";
  tracking_ = &tracking;
  variables_["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:5000/";
  variables_["MLFLOW_TRACKING_TOKEN"] = "theirs";
  replace("cat x > y", "echo $MLFLOW_TRACKING_URI $MLFLOW_TRACKING_TOKEN > y");
  ran({.targets = {"a"}});
  EXPECT_EQ(read("y"), "http://127.0.0.1:1 token-" + facts_.starts.at(0).id + "\n");
}

// Whoever exports the address of the server as its clients outside of stages do means that one.
TEST_F(Chain, TheServersOwnAddressInTheEnvironmentIsNoOther) {
  ToldTracking tracking;
  tracking_ = &tracking;
  variables_["MLFLOW_TRACKING_URI"] = "http://127.0.0.1:1/";
  replace("cat x > y", "echo $MLFLOW_TRACKING_TOKEN > y");
  ran({.targets = {"a"}});
  EXPECT_EQ(read("y"), "token-" + facts_.starts.at(0).id + "\n");
}

TEST_F(Chain, WithoutAServerTheStageFails) {
  ToldTracking tracking;
  tracking.broken = true;
  tracking_ = &tracking;
  EXPECT_EQ(failures(), "a: no server");
  EXPECT_FALSE(exists("y"));
}

TEST_F(Chain, CommandsKnowTheirStageAndProject) {
  write("sub/dvc.yaml",
        "stages:\n  t:\n    cmd: echo $DVC_STAGE $DVC_ROOT $PWD > o\n    outs: [o]\n");
  ran({.targets = {"sub/dvc.yaml:t"}});
  EXPECT_EQ(read("sub/o"), "sub/dvc.yaml:t " + root_.string() + " " + at("sub").string() + "\n");
}

// --- interrupts, and what is left behind ---

/// What the commands print to standard error counts as wishes to stop.
class Interruptions : public Chain {
 protected:
  Interruptions() {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    from_ = Fd(ends[0]);
    to_ = Fd(ends[1]);
  }
  void interrupted(const std::string& command, std::chrono::milliseconds grace,
                   const std::string& last_said = "interrupted") {
    replace("cat x > y", command);
    Result<ReproResult> result =
        run({.error = to_.get(), .interrupts = from_.get(), .interrupt_grace = grace});
    ASSERT_TRUE(result.ok()) << result.error().message;
    EXPECT_TRUE(result->interrupted);
    EXPECT_FALSE(result->ok());
    EXPECT_EQ(said(), "running a, " + last_said);
    ASSERT_EQ(facts_.ends.size(), 1u);
    EXPECT_EQ(facts_.ends[0].state, AttemptEnded::State::kCancelled);
    EXPECT_FALSE(exists("dvc.lock"));
  }
  Fd from_, to_;
};

TEST_F(Interruptions, TheFirstReachesTheCommandAndNothingMoreIsStarted) {
  interrupted("echo stop >&2; sleep 60", std::chrono::hours(1));
  EXPECT_EQ(facts_.ends[0].signal, SIGINT);
}

TEST_F(Interruptions, TheSecondKillsACommandThatDoesNotListen) {
  interrupted(
      "trap \"\" TERM; trap \"echo stop >&2\" INT; echo stop >&2; while true; do sleep 1; done",
      std::chrono::hours(1), "interrupted, killed");
  EXPECT_EQ(facts_.ends[0].signal, SIGKILL);
}

TEST_F(Interruptions, AfterAWhileACommandThatDoesNotListenIsKilled) {
  interrupted("trap \"\" INT TERM HUP QUIT; echo stop >&2; sleep 60; sleep 60",
              std::chrono::milliseconds(100), "interrupted, killed");
  EXPECT_EQ(facts_.ends[0].signal, SIGKILL);
}

TEST_F(Interruptions, BeforeThatItIsAskedInAnotherWay) {
  interrupted("trap \"\" INT; echo stop >&2; sleep 60; sleep 60", std::chrono::seconds(5));
  EXPECT_EQ(facts_.ends[0].signal, SIGTERM);
}

TEST_F(Interruptions, OneBeforeTheStartStartsNothing) {
  signalfd_siginfo info{};
  ASSERT_GT(::write(to_.get(), &info, sizeof(info)), 0);
  Result<ReproResult> result = run({.interrupts = from_.get()});
  EXPECT_TRUE(result->interrupted);
  EXPECT_EQ(result->message(), "interrupted");
  EXPECT_TRUE(facts_.starts.empty());
}

TEST_F(Chain, WhatAKilledRunLeftIsSaidToBeLost) {
  fs::path state = *repository().state_folder();
  AttemptFolder folder = *AttemptFolder::create(state, "left", "dvc.yaml:a", "a", "dvc.yaml");
  proc::Supervisor starter = proc::Supervisor::self();
  starter.start_ticks += 1;  // the pid is another process now
  wire::Json intent = *wire::parse(*read_file(folder.path / "intent.json"));
  intent.set("starter", proc::to_text(starter));
  ASSERT_TRUE(write_file_quick(folder.path / "intent.json", wire::dump(intent)).ok());
  EXPECT_EQ(ran({.dry = true}).size(), 2u);
  EXPECT_TRUE(fs::exists(folder.path));  // a rehearsal leaves it alone
  ran();
  ASSERT_EQ(facts_.ends.size(), 3u);
  EXPECT_EQ(facts_.ends[0].id, "left");
  EXPECT_EQ(facts_.ends[0].state, AttemptEnded::State::kLost);
  EXPECT_EQ(facts_.ends[0].message,
            "the run that started it ended before it could say how this ended");
  EXPECT_FALSE(fs::exists(folder.path));
}

TEST_F(Chain, WhatAKilledRunLeftEndedAsItsSupervisorSaw) {
  fs::path state = *repository().state_folder();
  AttemptFolder folder = *AttemptFolder::create(state, "left", "dvc.yaml:a", "a", "dvc.yaml");
  proc::Supervisor gone = proc::Supervisor::self();
  gone.start_ticks += 1;
  wire::Json intent = *wire::parse(*read_file(folder.path / "intent.json"));
  intent.set("starter", proc::to_text(gone));
  ASSERT_TRUE(write_file_quick(folder.path / "intent.json", wire::dump(intent)).ok());
  ASSERT_TRUE(write_file_quick(folder.path / "record", proc::to_text(gone)).ok());
  proc::Outcome outcome;
  outcome.kind = proc::Outcome::Kind::kExited;
  outcome.code = 3;
  ASSERT_TRUE(write_file_quick(folder.path / "exit", proc::to_text(outcome)).ok());
  ran();
  EXPECT_EQ(facts_.ends.at(0).id, "left");
  EXPECT_EQ(facts_.ends[0].state, AttemptEnded::State::kFailed);
  EXPECT_EQ(facts_.ends[0].exit_code, 3);
}

TEST_F(Chain, APathThatAnotherHoldsFailsTheStage) {
  Result<data::PathsLock> held = repository().lock_paths("somebody", {}, {at("y")});
  ASSERT_TRUE(held.ok());
  EXPECT_NE(failures().find("'" + at("y").string() + "' is busy"), std::string::npos);
}

}  // namespace
}  // namespace slipway::flows
