#include "io/blob/journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "base/file.h"
#include "base/hash.h"
#include "base/ids.h"
#include "io/blob/blob_testing.h"
#include "io/blob/damages.h"

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
  static Result<> append(Journal& journal, std::string bytes) { return journal.append(bytes); }
  static JournalVisitor into(std::vector<std::string>& payloads) {
    return {[&payloads](std::string_view payload) {
      payloads.emplace_back(payload);
      return true;
    }};
  }
  std::vector<std::string> read(const std::filesystem::path& file, bool* torn = nullptr) {
    std::vector<std::string> payloads;
    Result<JournalEnd> end = read_journal(file, "test", into(payloads));
    EXPECT_TRUE(end.ok()) << end.error().message;
    if (end.ok() && torn != nullptr) *torn = end->torn;
    return payloads;
  }
  /// What can be read of a file that holds these bytes.
  std::vector<std::string> read_bytes(std::string_view bytes, JournalEnd& end) {
    // In place: a file that is truncated and written again waits for the disk when it is closed.
    const auto file = folder_ / "bytes.log";
    Fd out(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666));
    EXPECT_EQ(pwrite(out.get(), bytes.data(), bytes.size(), 0), std::ssize(bytes));
    EXPECT_EQ(ftruncate(out.get(), std::ssize(bytes)), 0);
    std::vector<std::string> payloads;
    Result<JournalEnd> read = read_journal(file, "test", into(payloads));
    EXPECT_TRUE(read.ok()) << read.error().message;
    end = read.ok() ? *read : JournalEnd();
    return payloads;
  }
  std::string written(const std::vector<std::string>& payloads) {
    const auto file = folder_ / (random_hex32() + ".log");
    Journal journal = std::move(*Journal::create(disk_, file, "test"));
    std::string bytes;
    for (const std::string& payload : payloads) add_frame(bytes, payload);
    EXPECT_TRUE(journal.append(bytes).ok());
    return *read_file(file);
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("journal_test_" + random_hex32());
  Disk disk_;
};

using Texts = std::vector<std::string>;

TEST_F(JournalTest, GivesBackWhatWasAppended) {
  Journal journal = make(disk_);
  const std::string large(3u << 20, 'x');
  ASSERT_TRUE(append(journal, frames({"one", "", large})).ok());
  ASSERT_TRUE(append(journal, frames({"four"})).ok());
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
    ASSERT_TRUE(append(journal, frames({"first", "second"})).ok());
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

/// As the first version wrote them: "SLIPWAY1", the kind, then a length and a sum before each.
std::string old_journal(const Texts& payloads) {
  std::string bytes = "SLIPWAY1test";
  bytes.resize(24, '\0');
  auto put = [&bytes](std::uint32_t v) {
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(v >> (8 * i));
  };
  for (const std::string& payload : payloads) {
    const std::size_t at = bytes.size();
    put(static_cast<std::uint32_t>(payload.size()));
    put(crc32c(payload, crc32c(std::string_view(bytes).substr(at, 4))));
    bytes += payload;
  }
  return bytes;
}

/// Of all sizes; some alike, so that a length with a flipped bit may end where another frame does.
Texts twenty() {
  Texts payloads;
  for (std::size_t i = 0; i < 20; ++i) {
    const std::size_t size = i % 3 == 0 ? 112 : (i % 3 == 1 ? 120 : i);
    payloads.emplace_back(size, static_cast<char>('a' + i));
  }
  return payloads;
}

TEST_F(JournalTest, TheFirstVersionIsRead) {
  JournalEnd end;
  EXPECT_EQ(read_bytes(old_journal(twenty()), end), twenty());
  EXPECT_FALSE(end.torn);
  EXPECT_EQ(end.damages, 0u);
}

// Whichever bit of a file flips, every frame but the one that it is in is read.
TEST_F(JournalTest, AFlippedBitTakesOneFrame) {
  const Texts payloads = twenty();
  for (const bool is_old : {false, true}) {
    const std::string bytes = is_old ? old_journal(payloads) : written(payloads);
    const std::size_t head = is_old ? 24 : 32, frame_head = is_old ? 8 : 16;
    std::size_t frame = 0, frame_end = head;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (; at >= frame_end; ++frame) frame_end += frame_head + payloads[frame].size();
      Texts expected = payloads;
      if (at >= head) expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(frame) - 1);
      const bool is_last = frame == payloads.size();
      for (int bit = 0; bit < 8; ++bit) {
        std::string flipped = bytes;
        flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
        JournalEnd end;
        ASSERT_EQ(read_bytes(flipped, end), expected) << is_old << " " << at << " " << bit;
        ASSERT_EQ(end.torn, is_last) << at;
        ASSERT_EQ(end.damages, is_last ? 0u : 1u) << at;
        ASSERT_EQ(end.lost_frames, at < head || is_last ? 0u : 1u) << at;
      }
    }
  }
}

TEST_F(JournalTest, DamageIsToldWithItsPlace) {
  const Texts payloads = {"one", "two", "three", "four"};
  std::string bytes = written(payloads);
  // From the middle of the second frame to that of the third.
  const std::size_t second = 32 + 16 + 3, third = second + 16 + 3, fourth = third + 16 + 5;
  std::fill(bytes.begin() + second + 5, bytes.begin() + third + 3, '\0');
  const auto file = folder_ / "told.log";
  std::ofstream(file, std::ios::binary) << bytes;
  Texts read;
  JournalVisitor visitor = into(read);
  std::vector<Damage> damages;
  visitor.damage = [&](const Damage& damage) {
    damages.push_back(damage);
    read.emplace_back("(damage)");
  };
  ASSERT_TRUE(read_journal(file, "test", visitor).ok());
  EXPECT_EQ(read, (Texts{"one", "(damage)", "four"}));
  ASSERT_EQ(damages.size(), 1u);
  EXPECT_EQ(damages[0].at, second);
  EXPECT_EQ(damages[0].bytes, fourth - second);
  EXPECT_EQ(damages[0].frames, 2u);
}

// Holes, cuts and noise at random: what is read was written, in order, and nothing twice.
TEST_F(JournalTest, WhateverHappensToAFileNothingIsMadeUp) {
  std::mt19937 random(7);
  auto below = [&](std::size_t n) { return random() % n; };
  const Texts payloads = twenty();
  const std::string old = old_journal(payloads), present = written(payloads);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes = round % 4 == 0 ? old : present;
    for (std::size_t hole = below(4); hole > 0; --hole) {
      const std::size_t at = 24 + below(bytes.size() - 24);
      const std::size_t size = std::min(bytes.size() - at, 1 + below(200));
      for (std::size_t i = at; i < at + size; ++i)
        bytes[i] = hole % 2 == 0 ? '\0' : static_cast<char>(random());
    }
    if (below(3) == 0) bytes.resize(32 + below(bytes.size() - 32));
    JournalEnd end;
    std::size_t next = 0;
    for (const std::string& payload : read_bytes(bytes, end)) {
      while (next < payloads.size() && payloads[next] != payload) ++next;
      ASSERT_LT(next++, payloads.size()) << round;
    }
  }
}

// A caller's text that was copied from another journal is not one of this one's frames.
TEST_F(JournalTest, ContentsDoNotPoseAsFrames) {
  const std::string other = written({"posing"});
  std::string bytes = written({"first", other, "third"});
  bytes[32 + 16 + 5 + 4] ^= 1;
  JournalEnd end;
  EXPECT_EQ(read_bytes(bytes, end), (Texts{"first", "third"}));
  EXPECT_EQ(end.lost_frames, 1u);
}

// Heads wherever one looks, each with a length that reaches to the end of the file.
TEST_F(JournalTest, AFileThatIsMadeToBeSlowIsGivenUp) {
  for (const bool is_old : {false, true}) {
    std::string bytes = is_old ? old_journal({"one"}) : written({"one"});
    const std::string mark = bytes.substr(24, 4);
    const std::size_t begin = bytes.size(), all = 8u << 20;
    while (bytes.size() < all) {
      const auto left = static_cast<std::uint32_t>(all - bytes.size() - 16);
      if (!is_old) bytes += mark;
      for (int i = 0; i < 4; ++i) bytes += static_cast<char>(left >> (8 * i));
      bytes.append(is_old ? 4 : 8, '\0');
    }
    JournalEnd end;
    EXPECT_EQ(read_bytes(bytes, end), Texts{"one"});
    EXPECT_EQ(end.bytes, begin);
    EXPECT_EQ(end.damages, 1u);
  }
}

TEST_F(JournalTest, ZerosAfterACrashAreNoFrames) {
  {
    Journal journal = make(disk_);
    ASSERT_TRUE(append(journal, frames({"first"})).ok());
  }
  std::filesystem::resize_file(path(), std::filesystem::file_size(path()) + 4096);
  bool torn = false;
  EXPECT_EQ(read(path(), &torn), Texts{"first"});
  EXPECT_TRUE(torn);
}

TEST_F(JournalTest, AnotherKindIsRefused) {
  make(disk_);
  auto other = read_journal(path(), "other", {[](std::string_view) { return true; }});
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
  ASSERT_TRUE(append(journal, frames({"first"})).ok());
  disk.armed = true;
  EXPECT_EQ(append(journal, frames({"lost", "lost too"})).error().code, Code::kUnavailable);
  ASSERT_TRUE(append(journal, frames({"second"})).ok());
  bool torn = true;
  EXPECT_EQ(read(path(), &torn), (Texts{"first", "second"}));
  EXPECT_FALSE(torn);
}

TEST_F(JournalTest, WhatWasSyncedOutlivesAPowerCut) {
  ForgetfulDisk disk;
  Journal journal = make(disk);
  ASSERT_TRUE(append(journal, frames({"kept"})).ok());
  ASSERT_TRUE(journal.sync().ok());
  ASSERT_TRUE(append(journal, frames({"not yet"})).ok());
  const auto after = folder_.string() + ".after";
  disk.cut_power(folder_, after);
  EXPECT_EQ(read(std::filesystem::path(after) / "a.log"), Texts{"kept"});
  std::filesystem::remove_all(after);
}

TEST_F(JournalTest, AFolderInItsPlaceIsNamed) {
  std::filesystem::create_directories(path());
  for (const Error& error : {read_journal(path(), "test", {[](auto) { return true; }}).error(),
                             read_last_frame(path(), "test", 4).error()}) {
    EXPECT_EQ(error.code, Code::kUnavailable);
    EXPECT_NE(error.message.find(path().string() + ": it is no file"), std::string::npos)
        << error.message;
  }
}

TEST_F(JournalTest, TheLastFrameIsFoundFromTheEnd) {
  Journal journal = make(disk_);
  ASSERT_TRUE(append(journal, frames({"some words", "end!"})).ok());
  EXPECT_EQ(*read_last_frame(path(), "test", 4), "end!");
  EXPECT_EQ(*read_last_frame(path(), "test", 5), "");
  std::ofstream(path(), std::ios::binary | std::ios::app) << "torn";
  EXPECT_EQ(*read_last_frame(path(), "test", 4), "");
}

TEST_F(JournalTest, FramesGoOnBehindAHalfWrittenAppendWithoutAGap) {
  HalfWritingDisk disk;
  Journal journal = make(disk);
  ASSERT_TRUE(append(journal, frames({"first"})).ok());
  disk.armed = true;
  EXPECT_FALSE(append(journal, frames({"lost", "lost too"})).ok());
  ASSERT_TRUE(append(journal, frames({"second"})).ok());
  JournalEnd end;
  EXPECT_EQ(read_bytes(*read_file(path()), end), (Texts{"first", "second"}));
  EXPECT_EQ(end.damages, 0u);
}

double value_of(const Metrics& metrics, const std::string& name) {
  const std::string text = metrics.expose();
  return std::stod(text.substr(text.find("\n" + name + " ") + name.size() + 2));
}

TEST(Damages, AreCountedOnceHoweverOftenAFileIsRead) {
  Metrics metrics;
  Damages damages(metrics);
  EXPECT_EQ(value_of(metrics, "slipway_journal_damages_total"), 0);
  for (int i = 0; i < 3; ++i) damages.tell("/a.log", "test", {1, 40, 2});
  damages.tell("/a.log", "test", {});          // a reading that ended before it
  damages.tell("/a.log", "test", {2, 40, 7});  // one that went further
  damages.tell("/b.log", "test", {1, 40, 1});
  EXPECT_EQ(value_of(metrics, "slipway_journal_damages_total"), 3);
  EXPECT_EQ(value_of(metrics, "slipway_journal_frames_lost_total"), 8);
}

}  // namespace
}  // namespace slipway::blob
