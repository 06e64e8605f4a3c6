#include <gtest/gtest.h>

#include "domain/data/data_testing.h"
#include "domain/flows/engine.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

class LockFilesTest : public data::ProjectTest {
 protected:
  static data::LockedStage locked(const std::string& command) {
    data::LockedStage stage;
    stage.cmd = yaml::Node::string(command);
    return stage;
  }
  void put(const std::string& stage, std::size_t place, const std::string& command = "x") {
    files_.put(at("dvc.yaml"), stage, locked(command), place);
  }
  std::vector<LockFiles::Written> written() {
    auto result = files_.write(repository().scratch());
    EXPECT_TRUE(result.ok()) << result.error().message;
    return result.ok() ? *result : std::vector<LockFiles::Written>();
  }
  std::string names() {
    std::string text;
    yaml::Node root = *yaml::parse(read("dvc.lock"), "dvc.lock");
    for (const yaml::Entry& entry : root.find("stages")->entries)
      text += entry.key.text + ":" + entry.value.find("cmd")->text + " ";
    return text;
  }
  LockFiles files_;
};

TEST_F(LockFilesTest, OrderNewEntriesByPlaceOverSeveralWrites) {
  put("c", 3);
  put("a", 1);
  ASSERT_EQ(written().size(), 1u);
  EXPECT_EQ(names(), "a:x c:x ");
  put("b", 2);
  put("d", 4);
  written();
  EXPECT_EQ(names(), "a:x b:x c:x d:x ");
}

TEST_F(LockFilesTest, SayWhichFilesAreNewAndWriteNothingForNothing) {
  put("a", 1);
  std::vector<LockFiles::Written> first = written();
  ASSERT_EQ(first.size(), 1u);
  EXPECT_TRUE(first[0].is_new);
  EXPECT_TRUE(written().empty());
  put("a", 1);
  EXPECT_TRUE(written().empty());
  put("a", 1, "y");
  std::vector<LockFiles::Written> second = written();
  ASSERT_EQ(second.size(), 1u);
  EXPECT_FALSE(second[0].is_new);
}

TEST_F(LockFilesTest, KeepWhatOthersWroteMeanwhile) {
  put("b", 2);
  written();
  data::LockFile other = *data::LockFile::read(at("dvc.lock"));
  other.set("theirs", locked("t"));
  ASSERT_TRUE(other.write(repository().scratch()).ok());
  put("a", 1);
  written();
  EXPECT_EQ(names(), "a:x b:x theirs:t ");
}

TEST_F(LockFilesTest, AppendWhenTheEntriesTheyWroteAreGone) {
  put("b", 2);
  written();
  write("dvc.lock", "schema: '2.0'\nstages:\n  theirs:\n    cmd: t\n");
  put("a", 1);
  written();
  EXPECT_EQ(names(), "theirs:t a:x ");
}

TEST_F(LockFilesTest, AreOnePerPipelineFile) {
  fs::create_directories(at("sub"));
  files_.put(at("sub/dvc.yaml"), "a", locked("x"), 1);
  put("a", 0);
  EXPECT_EQ(written().size(), 2u);
  EXPECT_EQ(read("sub/dvc.lock"), read("dvc.lock"));
}

TEST_F(LockFilesTest, AFileThatCannotBeReadIsNotWrittenOver) {
  write("dvc.lock", "schema: '1.0'\n");
  put("a", 1);
  EXPECT_FALSE(files_.write(repository().scratch()).ok());
  EXPECT_EQ(read("dvc.lock"), "schema: '1.0'\n");
}

}  // namespace
}  // namespace slipway::flows
