#include "domain/flows/attempts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "base/ids.h"
#include "domain/flows/run_cache.h"
#include "io/proc/record.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

class Attempts : public testing::Test {
 protected:
  Attempts() { fs::create_directories(folder_); }
  ~Attempts() override { fs::remove_all(folder_); }
  fs::path folder_ = fs::temp_directory_path() / ("slipway-attempts-" + random_hex32());
};

TEST_F(Attempts, ShellsStartWithoutTheUsersFiles) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(shell_arguments("x", ""), (Words{"/bin/sh", "-c", "x"}));
  EXPECT_EQ(shell_arguments("x", "/bin/bash"),
            (Words{"/bin/bash", "--noprofile", "--norc", "-c", "x"}));
  EXPECT_EQ(shell_arguments("x", "/usr/bin/zsh"), (Words{"/usr/bin/zsh", "--no-rcs", "-c", "x"}));
  EXPECT_EQ(shell_arguments("x", "/usr/bin/fish"),
            (Words{"/usr/bin/fish", "--no-config", "-c", "x"}));
}

TEST_F(Attempts, ATextRunsLineByLineAndAListItemByItem) {
  project::Stage stage;
  stage.commands = {"a\r\nb\n"};
  EXPECT_EQ(commands_of(stage), (std::vector<std::string>{"a", "b"}));
  stage.is_command_list = true;
  EXPECT_EQ(commands_of(stage), stage.commands);
}

TEST_F(Attempts, OneStageIsLockedOnceAndAnotherAllTheSame) {
  auto first = StageLock::try_take(folder_, "dvc.yaml:a");
  ASSERT_TRUE(first.ok() && *first);
  auto again = StageLock::try_take(folder_, "dvc.yaml:a");
  ASSERT_TRUE(again.ok());
  EXPECT_FALSE(again->has_value());
  auto other = StageLock::try_take(folder_, "dvc.yaml:b");
  EXPECT_TRUE(other.ok() && *other);
  first->reset();
  again = StageLock::try_take(folder_, "dvc.yaml:a");
  EXPECT_TRUE(again.ok() && *again);
}

TEST_F(Attempts, OnlyThoseOfDeadStartersAreLeft) {
  ASSERT_TRUE(AttemptFolder::create(folder_, "living", "dvc.yaml:a", "a", "dvc.yaml").ok());
  EXPECT_TRUE(left_attempts(folder_)->empty());
  auto dead = AttemptFolder::create(folder_, "dead", "dvc.yaml:b", "b", "dvc.yaml");
  proc::Supervisor starter = proc::Supervisor::self();
  starter.start_ticks += 1;  // the pid is another process now
  wire::Json intent = *wire::parse(*read_file(dead->path / "intent.json"));
  intent.set("starter", proc::to_text(starter));
  ASSERT_TRUE(write_file_quick(dead->path / "intent.json", wire::dump(intent)).ok());
  Result<std::vector<LeftAttempt>> left = left_attempts(folder_);
  ASSERT_EQ(left->size(), 1u);
  EXPECT_EQ(left->at(0).stage_id, "dvc.yaml:b");
  left->at(0).folder.remove();
  EXPECT_TRUE(left_attempts(folder_)->empty());
}

TEST_F(Attempts, AFolderThatWasCutShortIsLeftToo) {
  fs::create_directories(folder_ / "attempts" / "cut");
  Result<std::vector<LeftAttempt>> left = left_attempts(folder_);
  ASSERT_EQ(left->size(), 1u);
  EXPECT_TRUE(left->at(0).stage_id.empty());
}

TEST_F(Attempts, LinesGetTheirPrefixAndTheRestALineEnd) {
  fs::path file = folder_ / "printed";
  Fd to(open(file.c_str(), O_WRONLY | O_CREAT, 0644));
  Result<LineRelay> opened = LineRelay::open("[a] ", to.get());
  ASSERT_TRUE(opened.ok());
  LineRelay& relay = *opened;
  ASSERT_EQ(write(relay.end(), "one\ntw", 6), 6);
  relay.pump();
  EXPECT_EQ(*read_file(file), "[a] one\n");
  ASSERT_EQ(write(relay.end(), "o\nrest", 6), 6);
  relay.close_end();
  relay.finish();
  EXPECT_EQ(*read_file(file), "[a] one\n[a] two\n[a] rest\n");
  EXPECT_EQ(relay.fd(), -1);
}

data::LockedStage an_execution() {
  data::LockedStage stage;
  stage.cmd = yaml::Node::string("cp x y");
  data::Record dep, out;
  dep.path = "x";
  dep.version.md5 = "b026324c6904b2a9cb4b88d6d61c81d1";
  out.path = "y";
  out.version.md5 = dep.version.md5;
  stage.deps = {dep};
  stage.outs = {out};
  stage.normalize();
  return stage;
}

/// The only file of the run cache.
fs::path entry_of(const fs::path& runs) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(runs)) {
    if (entry.is_regular_file()) return entry.path();
  }
  return {};
}

TEST_F(Attempts, AnExecutionIsFoundByItsInputs) {
  RunCache runs(folder_, {});
  data::LockedStage inputs = an_execution();
  inputs.outs[0].version = {};
  EXPECT_FALSE((*runs.find(inputs)).has_value());
  ASSERT_TRUE(runs.save(an_execution()).ok());
  Result<std::optional<data::LockedStage>> found = runs.find(inputs);
  ASSERT_TRUE(found.ok() && *found);
  EXPECT_EQ((*found)->outs.at(0).version.md5, an_execution().outs[0].version.md5);
  inputs.cmd = yaml::Node::string("cp  x y");
  EXPECT_FALSE((*runs.find(inputs)).has_value());
}

TEST_F(Attempts, ADamagedExecutionIsDroppedAndOneThatWritesElsewhereNotTaken) {
  RunCache runs(folder_, {});
  ASSERT_TRUE(runs.save(an_execution()).ok());
  fs::path entry = entry_of(folder_);
  std::string text = *read_file(entry);
  std::string elsewhere = text;
  elsewhere.replace(elsewhere.find("path: y"), 7, "path: ../../z");
  ASSERT_TRUE(write_file_quick(entry, elsewhere).ok());
  EXPECT_FALSE((*runs.find(an_execution())).has_value());
  ASSERT_TRUE(write_file_quick(entry, text.substr(0, text.size() / 2)).ok());
  EXPECT_FALSE((*runs.find(an_execution())).has_value());
  ASSERT_TRUE(runs.save(an_execution()).ok());
  EXPECT_TRUE((*runs.find(an_execution())).has_value());
}

}  // namespace
}  // namespace slipway::flows
