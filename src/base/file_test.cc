#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

namespace slipway {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "slipway-file-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::size_t files() const {
    std::filesystem::directory_iterator entries(folder_);
    return static_cast<std::size_t>(std::distance(begin(entries), end(entries)));
  }

  std::filesystem::path folder_;
};

TEST_F(FileTest, WritesWholeAndLeavesNothingBeside) {
  std::string content("zero\0byte", 9);
  ASSERT_TRUE(write_file_atomic(folder_ / "a", "old").ok());
  ASSERT_TRUE(write_file_atomic(folder_ / "a", content).ok());
  EXPECT_EQ(*read_file(folder_ / "a"), content);
  ASSERT_TRUE(write_file_quick(folder_ / "a", "").ok());
  EXPECT_EQ(*read_file(folder_ / "a"), "");
  EXPECT_EQ(files(), 1u);
}

TEST_F(FileTest, ModeOfASecret) {
  ASSERT_TRUE(write_file_atomic(folder_ / "secret", "x", 0600).ok());
  struct stat found {};
  ASSERT_EQ(stat((folder_ / "secret").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 0777, 0600u);
}

TEST_F(FileTest, ErrorsSayWhichKind) {
  EXPECT_EQ(read_file(folder_ / "none").error().code, Code::kMissing);
  ASSERT_TRUE(write_file_atomic(folder_ / "long", std::string(100, 'x')).ok());
  EXPECT_EQ(read_file(folder_ / "long", 99).error().code, Code::kInvalid);
  EXPECT_TRUE(read_file(folder_ / "long", 100).ok());
  Result<> nowhere = write_file_atomic(folder_ / "no" / "such", "x");
  ASSERT_FALSE(nowhere.ok());
  EXPECT_NE(nowhere.error().message.find("such"), std::string::npos) << nowhere.error().message;
  EXPECT_FALSE(read_file(folder_).ok());  // a folder is not a file
}

TEST_F(FileTest, APipeOrADeviceInThePlaceOfAFileIsNotWaitedFor) {
  ASSERT_EQ(mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("pipe", folder_ / "link");
  for (const char* name : {"pipe", "link"}) {
    const Result<std::string> read = read_file(folder_ / name);
    EXPECT_EQ(read.error().code, Code::kInvalid);
    EXPECT_EQ(read.error().message, (folder_ / name).string() + " is a pipe, expected a file");
  }
  EXPECT_EQ(read_file("/dev/zero").error().message, "/dev/zero is a device, expected a file");
}

TEST_F(FileTest, FilesOfTheKernelThatSayNoLengthAreRead) {
  EXPECT_NE(read_file("/proc/self/status")->find("Name:"), std::string::npos);
}

}  // namespace
}  // namespace slipway
