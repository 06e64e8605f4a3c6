#include "app/state.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "app/owner.h"

namespace slipway::app {
namespace {

class StateTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "slipway-state-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  StateFolder open() { return std::move(StateFolder::open(folder_ / ".slipway")).value(); }

  std::filesystem::path folder_;
};

TEST_F(StateTest, KeepsItselfOutOfEveryCommit) {
  open();
  EXPECT_EQ(*read_file(folder_ / ".slipway" / ".gitignore"), "*\n");
}

TEST_F(StateTest, AnyOtherFolderIsNone) {
  EXPECT_FALSE(has_state(folder_));
  EXPECT_EQ(require_state(folder_ / "nowhere").error().code, Code::kMissing);
  StateFolder state = open();
  ASSERT_TRUE(*Ownership::try_take(state));
  EXPECT_TRUE(require_state(folder_ / ".slipway").ok());
}

TEST_F(StateTest, HasOneOwnerAtATime) {
  StateFolder state = open();
  std::optional<Ownership> first = std::move(Ownership::try_take(state)).value();
  ASSERT_TRUE(first);
  EXPECT_FALSE(*Ownership::try_take(state));
  first.reset();
  EXPECT_TRUE(*Ownership::try_take(state));
}

TEST_F(StateTest, TellsWhereTheOwnerAnswersAndForgetsOneThatIsGone) {
  StateFolder state = open();
  {
    std::optional<Ownership> owner = std::move(Ownership::try_take(state)).value();
    ASSERT_TRUE(owner->announce({42, "http://127.0.0.1:1", "slipway up"}).ok());
    std::optional<Owner> found = *announced_owner(state);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->pid, 42);
    EXPECT_EQ(found->url, "http://127.0.0.1:1");
    EXPECT_TRUE(*living_owner(state));
  }
  // Its word is there still; whoever answers at that address now is another.
  EXPECT_TRUE(*announced_owner(state));
  EXPECT_FALSE(*living_owner(state));
  std::optional<Ownership> next = std::move(Ownership::try_take(state)).value();
  EXPECT_FALSE(*announced_owner(state));
}

TEST_F(StateTest, MakesItsSecretOnceForThisUserOnly) {
  std::string secret = *open().secret();
  EXPECT_EQ(secret.size(), 64u);
  EXPECT_EQ(*open().secret(), secret);
  struct stat status {};
  ASSERT_EQ(stat((folder_ / ".slipway" / "secret").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(StateTest, RefusesASecretThatIsNone) {
  const std::filesystem::path file = folder_ / ".slipway" / "secret";
  const std::string good = *open().secret();
  for (const std::string& text :
       {std::string(), good.substr(1), good + "\n", std::string(64, '\0'), std::string(64, 'x')}) {
    ASSERT_TRUE(write_file_quick(file, text).ok());
    Result<std::string> secret = open().secret();
    ASSERT_FALSE(secret.ok());
    EXPECT_EQ(secret.error().tag, "damaged_secret");
    EXPECT_NE(secret.error().message.find(file.string()), std::string::npos);
    EXPECT_EQ(*read_file(file), text);
  }
  std::filesystem::remove(file);
  EXPECT_NE(*open().secret(), good);
}

TEST_F(StateTest, TellsWhatIsLeftWhereTheCatalogueIsGone) {
  StateFolder state = open();
  EXPECT_TRUE(state.kept_beside_the_catalogue().empty());
  std::filesystem::create_directories(state.path() / "predictions");
  std::filesystem::create_directories(state.path() / "artifacts" / "0");
  EXPECT_EQ(state.kept_beside_the_catalogue(), std::vector<std::string>{"artifacts"});
}

TEST(AttemptToken, NamesItsAttemptAndCannotBeForged) {
  std::string token = attempt_token("key", "0190-a");
  EXPECT_EQ(attempt_of_token("key", token), "0190-a");
  EXPECT_FALSE(attempt_of_token("other key", token));
  std::string forged = token;
  forged.replace(forged.find("0190-a"), 6, "0190-b");
  EXPECT_FALSE(attempt_of_token("key", forged));
  for (const char* text :
       {"", "slipway-attempt.", "slipway-attempt..", "slipway-attempt.a", "something"}) {
    EXPECT_FALSE(attempt_of_token("key", text)) << text;
  }
}

}  // namespace
}  // namespace slipway::app
