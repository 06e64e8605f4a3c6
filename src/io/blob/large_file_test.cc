#include "io/blob/large_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "base/hash.h"
#include "io/blob/blob_testing.h"

namespace slipway::blob {
namespace {

constexpr std::size_t kLarge = kLargeBytes;

/// Bytes of which no two pieces are alike.
std::string content_of(std::size_t bytes) {
  std::string content(bytes + 8, '\0');
  for (std::uint64_t at = 0; at < bytes; at += 8) {
    const std::uint64_t word = (at + 1) * 0x9e3779b97f4a7c15;
    std::memcpy(content.data() + at, &word, 8);
  }
  content.resize(bytes);
  return content;
}

Result<Stored> put_in_pieces(Blobs& blobs, const std::string& key, std::string_view content,
                             std::mt19937& random) {
  auto writer = TRY(blobs.create(key));
  while (!content.empty()) {
    const std::string_view piece = content.substr(0, 1 + random() % (3 * kPieceBytes));
    TRY(writer->write(piece));
    content.remove_prefix(piece.size());
  }
  return writer->commit();
}

/// How an object is read: into memory, by a pipe where that can be done, or now so and now so.
enum class Way { kRead, kMove, kBoth };

/// A pipe for a mebibyte, and what came out of it.
class TestPipe {
 public:
  explicit TestPipe(std::size_t room = kPieceBytes) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    out_ = Fd(ends[0]);
    in_ = Fd(ends[1]);
    EXPECT_GE(fcntl(in_.get(), F_SETPIPE_SZ, static_cast<int>(room)), 0);
  }
  Reader::Pipe entrance() const {
    return [this] { return in_.get(); };
  }
  void take(std::size_t bytes, std::string& to) {
    moved += bytes;
    std::string taken(bytes, '\0');
    for (std::size_t at = 0; at < bytes;) {
      const ssize_t got = ::read(out_.get(), taken.data() + at, bytes - at);
      ASSERT_GT(got, 0);
      at += static_cast<std::size_t>(got);
    }
    to += taken;
  }
  std::size_t moved = 0;

 private:
  Fd in_, out_;
};

std::string read_some(Blobs& blobs, const std::string& key, std::uint64_t at, std::uint64_t bytes,
                      std::mt19937& random, Way way = Way::kRead, std::size_t* moved = nullptr) {
  auto reader = blobs.open(key);
  EXPECT_TRUE(reader.ok() && (*reader)->select(at, bytes).ok());
  TestPipe pipe;
  std::string all, buffer(1 + random() % (2 * kPieceBytes), '\0');
  for (;;) {
    const bool moves = way == Way::kMove || (way == Way::kBoth && random() % 2 == 0);
    const Result<std::size_t> in_pipe =
        moves ? (*reader)->move_to(pipe.entrance(), std::min(buffer.size(), kPieceBytes))
              : Result<std::size_t>(0);
    EXPECT_TRUE(in_pipe.ok()) << (in_pipe.ok() ? "" : in_pipe.error().message);
    if (!in_pipe.ok()) return all;
    pipe.take(*in_pipe, all);
    if (moved != nullptr) *moved = pipe.moved;
    if (*in_pipe > 0) continue;
    const auto got = (*reader)->read(buffer);
    EXPECT_TRUE(got.ok()) << (got.ok() ? "" : got.error().message);
    if (!got.ok() || *got == 0) return all;
    all.append(buffer, 0, *got);
  }
}

/// How many of the file's bytes are in the system's cache.
std::size_t cached_bytes(const std::filesystem::path& path) {
  const std::size_t size = std::filesystem::file_size(path);
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  void* mapped = mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
  std::vector<unsigned char> pages((size + 4095) / 4096);
  EXPECT_EQ(mincore(mapped, size, pages.data()), 0);
  munmap(mapped, size);
  return 4096 * static_cast<std::size_t>(std::count_if(
                    pages.begin(), pages.end(), [](unsigned char page) { return page & 1; }));
}

bool passes_cache([[maybe_unused]] const std::filesystem::path& path) {
#ifdef STATX_DIOALIGN
  struct statx about {};
  return statx(AT_FDCWD, path.c_str(), 0, STATX_DIOALIGN, &about) == 0 &&
         about.stx_dio_offset_align > 0;
#else
  return false;
#endif
}

TEST(LargeFiles, ComeBackAsTheyWereWhereverTheyEnd) {
  TemporaryFolder folder;
  Disk disk;
  auto blobs = open_at(disk, folder.path());
  std::mt19937 random(3);
  for (const std::size_t size : {kLarge - 1, kLarge, kLarge + 1, kLarge + 4096, kLarge + 5000,
                                 kLarge + kPieceBytes, kLarge + 3 * kPieceBytes + 1}) {
    const std::string content = content_of(size);
    const auto stored = put_in_pieces(*blobs, "d/x", content, random);
    ASSERT_TRUE(stored.ok()) << stored.error().message;
    EXPECT_EQ(stored->bytes, size);
    EXPECT_EQ(stored->sha256, sha256_hex(content));
    for (int time = 0; time < 3; ++time)
      ASSERT_TRUE(read_some(*blobs, "d/x", 0, size, random) == content) << size;
  }
}

TEST(LargeFiles, AreReadFromAnyPlaceOn) {
  TemporaryFolder folder;
  Disk disk;
  auto blobs = open_at(disk, folder.path());
  std::mt19937 random(4);
  const std::string content = content_of(kLarge + 2 * kPieceBytes + 77);
  ASSERT_TRUE(put_in_pieces(*blobs, "d/x", content, random).ok());
  for (int time = 0; time < 60; ++time) {
    const std::size_t at = random() % content.size();
    const std::size_t bytes = random() % (content.size() - at + 1) % (3 * kPieceBytes);
    ASSERT_TRUE(read_some(*blobs, "d/x", at, bytes, random) == content.substr(at, bytes)) << at;
  }
  EXPECT_EQ(read_some(*blobs, "d/x", content.size(), 0, random), "");
}

TEST(LargeFiles, AreMovedByAPipeFromAnyPlaceOn) {
  TemporaryFolder folder;
  Disk disk;
  auto blobs = open_at(disk, folder.path());
  std::mt19937 random(8);
  const std::string small = content_of(300'000), large = content_of(kLarge + 3 * kPieceBytes + 77);
  ASSERT_TRUE(put_in_pieces(*blobs, "small", small, random).ok());
  ASSERT_TRUE(put_in_pieces(*blobs, "large", large, random).ok());
  for (int time = 0; time < 120; ++time) {
    // Its content is another one each time, of which nothing was read before.
    if (time % 4 == 0) {
      ASSERT_TRUE(put_in_pieces(*blobs, "large", large, random).ok());
    }
    const std::string& content = time % 5 == 0 ? small : large;
    const std::size_t at = random() % content.size();
    const std::size_t bytes = time % 3 == 0 ? content.size() - at : random() % (content.size() - at);
    const Way way = time % 2 == 0 ? Way::kMove : Way::kBoth;
    const std::string key = &content == &small ? "small" : "large";
    ASSERT_TRUE(read_some(*blobs, key, at, bytes, random, way) == content.substr(at, bytes)) << at;
  }
}

TEST(LargeFiles, AreMovedPastTheCache) {
  TemporaryFolder folder;
  Disk disk;
  auto blobs = open_at(disk, folder.path());
  std::mt19937 random(9);
  const std::string content = content_of(2 * kLarge + 5);
  ASSERT_TRUE(put_in_pieces(*blobs, "x", content, random).ok());
  const auto path = folder.path() / "x";
  if (!passes_cache(path)) GTEST_SKIP() << "this file system has no other way";
  std::size_t moved = 0;
  ASSERT_TRUE(read_some(*blobs, "x", 0, content.size(), random, Way::kMove, &moved) == content);
  EXPECT_GT(moved, content.size() - kLarge - 3 * kPieceBytes);
  EXPECT_LE(cached_bytes(path), kLarge + 8 * kPieceBytes) << "the system reads some ahead";
  ASSERT_TRUE(read_some(*blobs, "x", 0, content.size(), random, Way::kMove) == content);
  EXPECT_GT(cached_bytes(path), kLarge + 12 * kPieceBytes);
}

TEST(LargeFiles, ChangeNothingThatWasMovedBefore) {
  TemporaryFolder folder;
  Disk disk;
  auto blobs = open_at(disk, folder.path());
  std::mt19937 random(10);
  const std::string content = content_of(kLarge + 4 * kPieceBytes);
  ASSERT_TRUE(put_in_pieces(*blobs, "x", content, random).ok());
  const auto path = folder.path() / "x";
  if (!passes_cache(path)) GTEST_SKIP() << "this file system has no other way";
  auto reader = blobs->open("x");
  ASSERT_TRUE(reader.ok() && (*reader)->select(kLarge + kPieceBytes, 2 * kPieceBytes).ok());
  TestPipe pipe;
  const auto moved = (*reader)->move_to(pipe.entrance(), kPieceBytes);
  ASSERT_TRUE(moved.ok());
  ASSERT_EQ(*moved, kPieceBytes);
  std::filesystem::resize_file(path, 0);
  std::string taken;
  pipe.take(*moved, taken);
  EXPECT_TRUE(taken == content.substr(kLarge + kPieceBytes, kPieceBytes));
}

TEST(LargeFiles, MoveNoMoreThanAPipeHasRoomFor) {
  TemporaryFolder folder;
  Disk disk;
  auto blobs = open_at(disk, folder.path());
  std::mt19937 random(11);
  const std::string content = content_of(kLarge + 2 * kPieceBytes);
  ASSERT_TRUE(put_in_pieces(*blobs, "x", content, random).ok());
  if (!passes_cache(folder.path() / "x")) GTEST_SKIP() << "this file system has no other way";
  auto reader = blobs->open("x");
  ASSERT_TRUE(reader.ok() && (*reader)->select(kLarge, 2 * kPieceBytes).ok());
  constexpr std::size_t kRoom = 64u << 10;
  TestPipe pipe(kRoom);
  std::string taken;
  for (int time = 0; time < 2; ++time) {
    const auto moved = (*reader)->move_to(pipe.entrance(), kPieceBytes);
    ASSERT_TRUE(moved.ok());
    ASSERT_EQ(*moved, kRoom);
    pipe.take(*moved, taken);
  }
  EXPECT_TRUE(taken == content.substr(kLarge, 2 * kRoom));
  EXPECT_EQ(*(*reader)->move_to([] { return -1; }, kPieceBytes), 0u);
}

TEST(LargeFiles, TakeAPlaceInTheCacheWhenTheyAreReadAgain) {
  TemporaryFolder folder;
  Disk disk;
  auto blobs = open_at(disk, folder.path());
  std::mt19937 random(5);
  const std::string content = content_of(2 * kLarge);
  ASSERT_TRUE(put_in_pieces(*blobs, "x", content, random).ok());
  const auto path = folder.path() / "x";
  if (!passes_cache(path)) GTEST_SKIP() << "this file system has no other way";
  EXPECT_LE(cached_bytes(path), kLarge + kPieceBytes);
  ASSERT_TRUE(read_some(*blobs, "x", 0, content.size(), random) == content);
  EXPECT_LE(cached_bytes(path), kLarge + 8 * kPieceBytes) << "the system reads some ahead";
  ASSERT_TRUE(read_some(*blobs, "x", 0, content.size(), random) == content);
  EXPECT_GT(cached_bytes(path), kLarge + 12 * kPieceBytes);
}

TEST(LargeFiles, LeaveNothingWhenAnyCallFails) {
  const std::string content = content_of(kLarge + 2 * kPieceBytes + 5);
  int failed = 0;
  for (int call = 2;; ++call) {  // the first is the sync of open()
    TemporaryFolder folder;
    FailingDisk disk(call);
    auto blobs = open_at(disk, folder.path());
    std::mt19937 random(6);
    const auto stored = put_in_pieces(*blobs, "x", content, random);
    if (stored.ok()) break;
    ++failed;
    EXPECT_EQ(stored.error().code, Code::kUnavailable);
    EXPECT_EQ(leftovers(folder.path()), 0u);
    const auto kept = get(*blobs, "x");
    EXPECT_TRUE(!kept.ok() || *kept == content);
  }
  EXPECT_GE(failed, 8);
}

TEST(LargeFiles, OutliveAPowerCut) {
  TemporaryFolder folder;
  ForgetfulDisk disk;
  auto blobs = open_at(disk, folder.path() / "before");
  std::mt19937 random(7);
  const std::string content = content_of(kLarge + kPieceBytes + 9);
  ASSERT_TRUE(put_in_pieces(*blobs, "x", content, random).ok());
  disk.cut_power(folder.path() / "before", folder.path() / "after");
  Disk good;
  EXPECT_TRUE(*get(*open_at(good, folder.path() / "after"), "x") == content);
}

TEST(LargeReads, KnowWhatWasReadWholeLately) {
  LargeReads reads;
  reads.add("a", 60);
  EXPECT_FALSE(reads.is_again("a", 100));
  EXPECT_FALSE(reads.is_again("b", 100));
  reads.add("a", 40);
  EXPECT_TRUE(reads.is_again("a", 100));
  for (int i = 0; i < 1023; ++i) reads.add("other" + std::to_string(i), 1);
  EXPECT_TRUE(reads.is_again("a", 100));
  reads.add("one more", 1);
  EXPECT_FALSE(reads.is_again("a", 100));
}

}  // namespace
}  // namespace slipway::blob
