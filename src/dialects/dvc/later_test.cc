#include "dialects/dvc/later.h"

#include <gtest/gtest.h>

namespace slipway::dvc {
namespace {

TEST(Later, SaysWhatToDoInstead) {
  EXPECT_EQ(not_yet("push"),
            "not supported yet: push; `dvc push` of DVC 3 works on this project as it is");
  EXPECT_EQ(
      not_yet("stage"),
      "not supported yet: stage; write the stage into dvc.yaml, or `dvc stage` of DVC 3 works "
      "on this project as it is");
}

TEST(Later, KnowsNothingOfWhatIsThereOrIsNoCommand) {
  for (const char* name : {"init", "add", "status", "checkout", "commit", "repro", "", "pushh",
                           "Push", "--help", "exp run"}) {
    EXPECT_EQ(not_yet(name), std::nullopt) << name;
  }
}

TEST(Later, HasEverySpellingOfACommand) {
  for (const char* name : {"exp", "experiments", "ls", "list", "ls-url", "list-url", "mv", "move",
                           "rm", "remove", "doctor", "version"}) {
    EXPECT_TRUE(not_yet(name)) << name;
  }
}

TEST(Later, ListsWhatItKnows) {
  for (const std::string& name : commands_not_yet()) {
    ASSERT_TRUE(not_yet(name)) << name;
    EXPECT_EQ(not_yet(name)->find("not supported yet: " + name + "; "), 0u) << name;
    EXPECT_NE(not_yet(name)->find("`dvc " + name + "` of DVC 3"), std::string::npos) << name;
  }
  EXPECT_GT(commands_not_yet().size(), 40u);
}

}  // namespace
}  // namespace slipway::dvc
