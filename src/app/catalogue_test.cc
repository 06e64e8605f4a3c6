#include "app/catalogue.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/file.h"

namespace slipway::app {
namespace {

class CatalogueTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "slipway-catalogue-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    state_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(state_); }

  const std::string team_ = "postgresql://ann:s3cr3t@db.example.org/team";
  std::filesystem::path state_;
};

TEST_F(CatalogueTest, IsInTheStateFolderUnlessSomebodySaidElse) {
  EXPECT_EQ(*catalogue_of(state_), "sqlite://" + state_.string() + "/catalog.db");
  EXPECT_EQ(*catalogue_of(state_, team_), team_);
  EXPECT_TRUE(std::filesystem::is_empty(state_));
}

TEST_F(CatalogueTest, IsWhereItWasKeptLastForThisUserOnly) {
  ASSERT_TRUE(keep_catalogue(state_, team_).ok());
  EXPECT_EQ(*catalogue_of(state_), team_);
  EXPECT_EQ(*catalogue_of(state_, "sqlite:///other.db"), "sqlite:///other.db");
  struct stat status {};
  ASSERT_EQ(stat((state_ / "store.json").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(CatalogueTest, ComesBackIntoTheStateFolder) {
  ASSERT_TRUE(keep_catalogue(state_, team_).ok());
  ASSERT_TRUE(keep_catalogue(state_, catalogue_uri(state_)).ok());
  EXPECT_EQ(*catalogue_of(state_), catalogue_uri(state_));
  EXPECT_TRUE(std::filesystem::is_empty(state_));
}

TEST_F(CatalogueTest, IsItsOwnHoweverItIsWritten) {
  const std::string paths[] = {
      "/" + state_.string() + "/catalog.db",
      state_.string() + "/../" + state_.filename().string() + "//catalog.db"};
  for (const std::string& path : paths) {
    ASSERT_TRUE(keep_catalogue(state_, team_).ok());
    ASSERT_TRUE(keep_catalogue(state_, "sqlite://" + path).ok());
    EXPECT_TRUE(std::filesystem::is_empty(state_)) << path;
  }
}

TEST_F(CatalogueTest, OneThatIsGoneIsNotBegunAnew) {
  EXPECT_EQ(check_remembered("sqlite://" + (state_ / "gone.db").string()).error().code,
            Code::kMissing);
  ASSERT_TRUE(write_file_quick(state_ / "there.db", "").ok());
  EXPECT_TRUE(check_remembered("sqlite://" + (state_ / "there.db").string()).ok());
  EXPECT_TRUE(check_remembered(team_).ok());
}

TEST_F(CatalogueTest, IsNotGuessedFromADamagedFile) {
  for (const std::string text : {"", "{", "{}", "[]", "{\"store\": \"\"}", "{\"store\": 3}"}) {
    ASSERT_TRUE(write_file_quick(state_ / "store.json", text).ok());
    const Result<std::string> found = catalogue_of(state_);
    ASSERT_FALSE(found.ok()) << text;
    EXPECT_EQ(found.error().code, Code::kConflict);
    EXPECT_NE(found.error().message.find("--store"), std::string::npos);
    EXPECT_EQ(*catalogue_of(state_, team_), team_);
  }
  ASSERT_TRUE(keep_catalogue(state_, team_).ok());
  EXPECT_EQ(*catalogue_of(state_), team_);
}

}  // namespace
}  // namespace slipway::app
