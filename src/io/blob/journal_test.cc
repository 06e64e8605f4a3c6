#include "io/blob/journal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/ids.h"
#include "io/blob/blob_testing.h"

namespace slipway::blob {
namespace {

class JournalTest : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Journal make(Disk& disk) {
    Result<Journal> made = Journal::create(disk, path(), "test");
    EXPECT_TRUE(made.ok()) << made.error().message;
    return std::move(*made);
  }
  std::filesystem::path path() const { return folder_ / "a.log"; }
  static std::string frames(std::initializer_list<std::string_view> payloads) {
    std::string out;
    for (std::string_view payload : payloads) add_frame(out, payload);
    return out;
  }
  std::vector<std::string> read(const std::filesystem::path& file, bool* torn = nullptr) {
    std::vector<std::string> payloads;
    Result<JournalEnd> end = read_journal(file, "test", [&](std::string_view payload) {
      payloads.emplace_back(payload);
      return true;
    });
    EXPECT_TRUE(end.ok()) << end.error().message;
    if (end.ok() && torn != nullptr) *torn = end->torn;
    return payloads;
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("journal_test_" + random_hex32());
  Disk disk_;
};

using Texts = std::vector<std::string>;

TEST_F(JournalTest, GivesBackWhatWasAppended) {
  Journal journal = make(disk_);
  const std::string large(3u << 20, 'x');
  ASSERT_TRUE(journal.append(frames({"one", "", large})).ok());
  ASSERT_TRUE(journal.append(frames({"four"})).ok());
  bool torn = true;
  EXPECT_EQ(read(path(), &torn), (Texts{"one", "", large, "four"}));
  EXPECT_FALSE(torn);
}

TEST_F(JournalTest, IsNotMadeOverAnother) {
  make(disk_);
  EXPECT_EQ(Journal::create(disk_, path(), "test").error().code, Code::kConflict);
}

// Wherever it is cut, the frames before the cut are whole and the rest is known to be torn.
TEST_F(JournalTest, ACutAnywhereLosesOnlyWhatFollows) {
  {
    Journal journal = make(disk_);
    ASSERT_TRUE(journal.append(frames({"first", "second"})).ok());
  }
  const auto whole = std::filesystem::file_size(path());
  const std::uint64_t second = whole - frames({"second"}).size();
  const std::uint64_t first = second - frames({"first"}).size();
  for (std::uint64_t size = 0; size <= whole; ++size) {
    const auto copy = folder_ / "cut.log";
    std::filesystem::copy_file(path(), copy, std::filesystem::copy_options::overwrite_existing);
    std::filesystem::resize_file(copy, size);
    bool torn = false;
    const Texts found = read(copy, &torn);
    EXPECT_EQ(found, size == whole    ? Texts({"first", "second"})
                     : size >= second ? Texts{"first"}
                                      : Texts{})
        << size;
    EXPECT_EQ(torn, size != whole && size != second && size != first) << size;
  }
}

TEST_F(JournalTest, AFlippedBitEndsIt) {
  {
    Journal journal = make(disk_);
    ASSERT_TRUE(journal.append(frames({"first", "second", "third"})).ok());
  }
  const auto at = static_cast<std::streamoff>(std::filesystem::file_size(path()) -
                                              frames({"second", "third"}).size());
  for (std::streamoff offset : {0, 3, 4, 9}) {
    const auto copy = folder_ / "flipped.log";
    std::filesystem::copy_file(path(), copy, std::filesystem::copy_options::overwrite_existing);
    std::fstream file(copy, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at + offset);
    const char byte = static_cast<char>(file.get() ^ 0x40);
    file.seekp(at + offset);
    file.put(byte);
    file.close();
    bool torn = false;
    EXPECT_EQ(read(copy, &torn), Texts{"first"}) << offset;
    EXPECT_TRUE(torn) << offset;
  }
}

TEST_F(JournalTest, ZerosAfterACrashAreNoFrames) {
  {
    Journal journal = make(disk_);
    ASSERT_TRUE(journal.append(frames({"first"})).ok());
  }
  std::filesystem::resize_file(path(), std::filesystem::file_size(path()) + 4096);
  bool torn = false;
  EXPECT_EQ(read(path(), &torn), Texts{"first"});
  EXPECT_TRUE(torn);
}

TEST_F(JournalTest, AnotherKindIsRefused) {
  make(disk_);
  auto other = read_journal(path(), "other", [](std::string_view) { return true; });
  EXPECT_EQ(other.error().code, Code::kInvalid);
}

/// Takes half of what it is given, once.
class HalfWritingDisk : public Disk {
 public:
  Result<> write(int file, std::string_view data) override {
    if (!armed) return Disk::write(file, data);
    armed = false;
    TRY(Disk::write(file, data.substr(0, data.size() / 2)));
    return Error{Code::kUnavailable, "no space left"};
  }
  bool armed = false;
};

TEST_F(JournalTest, AHalfWrittenAppendIsTakenBack) {
  HalfWritingDisk disk;
  Journal journal = make(disk);
  ASSERT_TRUE(journal.append(frames({"first"})).ok());
  disk.armed = true;
  EXPECT_EQ(journal.append(frames({"lost", "lost too"})).error().code, Code::kUnavailable);
  ASSERT_TRUE(journal.append(frames({"second"})).ok());
  bool torn = true;
  EXPECT_EQ(read(path(), &torn), (Texts{"first", "second"}));
  EXPECT_FALSE(torn);
}

TEST_F(JournalTest, WhatWasSyncedOutlivesAPowerCut) {
  ForgetfulDisk disk;
  Journal journal = make(disk);
  ASSERT_TRUE(journal.append(frames({"kept"})).ok());
  ASSERT_TRUE(journal.sync().ok());
  ASSERT_TRUE(journal.append(frames({"not yet"})).ok());
  const auto after = folder_.string() + ".after";
  disk.cut_power(folder_, after);
  EXPECT_EQ(read(std::filesystem::path(after) / "a.log"), Texts{"kept"});
  std::filesystem::remove_all(after);
}

TEST_F(JournalTest, AFolderInItsPlaceIsNamed) {
  std::filesystem::create_directories(path());
  for (const Error& error : {read_journal(path(), "test", [](auto) { return true; }).error(),
                             read_last_frame(path(), 4).error()}) {
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_NE(error.message.find(path().string() + ": it is no file"), std::string::npos)
        << error.message;
  }
}

TEST_F(JournalTest, TheLastFrameIsFoundFromTheEnd) {
  Journal journal = make(disk_);
  ASSERT_TRUE(journal.append(frames({"some words", "end!"})).ok());
  EXPECT_EQ(*read_last_frame(path(), 4), "end!");
  EXPECT_EQ(*read_last_frame(path(), 5), "");
  ASSERT_TRUE(journal.append("torn").ok());
  EXPECT_EQ(*read_last_frame(path(), 4), "");
}

}  // namespace
}  // namespace slipway::blob
