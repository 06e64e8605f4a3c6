#include "domain/data/workspace_index.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/file.h"
#include "base/hash.h"
#include "domain/data/data_testing.h"

namespace slipway::data {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kTime = 1'700'000'000 * kSecond + 123'456'789;
constexpr std::int64_t kLongAfter = kTime + 10 * kSecond;
const std::string kMd5 = "b026324c6904b2a9cb4b88d6d61c81d1";

FileFacts some_facts() {
  FileFacts facts;
  facts.size = 2;
  facts.inode = 7;
  facts.device = 3;
  facts.mtime_ns = kTime;
  facts.ctime_ns = kTime;
  return facts;
}

class Index : public ProjectTest {
 protected:
  std::filesystem::path file() const { return at("index"); }
  WorkspaceIndex reloaded() {
    EXPECT_TRUE(index_.save(file()).ok());
    return WorkspaceIndex::load(file());
  }
  WorkspaceIndex index_;
};

TEST_F(Index, KnowsAFileByItsFacts) {
  EXPECT_EQ(index_.find("/p/x", some_facts()), std::nullopt);
  index_.remember("/p/x", some_facts(), kMd5, kLongAfter);
  EXPECT_EQ(index_.find("/p/x", some_facts()), kMd5);
  EXPECT_EQ(index_.find("/p/y", some_facts()), std::nullopt);
}

TEST_F(Index, AnyOtherFactMeansThatItMustBeRead) {
  index_.remember("/p/x", some_facts(), kMd5, kLongAfter);
  std::vector<std::function<void(FileFacts&)>> changes = {
      [](FileFacts& f) { ++f.size; }, [](FileFacts& f) { ++f.inode; },
      [](FileFacts& f) { ++f.device; }, [](FileFacts& f) { ++f.mtime_ns; },
      [](FileFacts& f) { ++f.ctime_ns; }};
  for (const auto& change : changes) {
    FileFacts other = some_facts();
    change(other);
    EXPECT_EQ(index_.find("/p/x", other), std::nullopt);
  }
}

TEST_F(Index, DoesNotRememberWhatMayChangeWithinTheSameTick) {
  struct Case {
    std::int64_t mtime, ctime, looked_at;
    bool kept;
  };
  const std::int64_t whole = 1'700'000'000 * kSecond;
  for (const Case& one : std::vector<Case>{
           {kTime, kTime, kTime, false},
           {kTime, kTime, kTime + 20'000'000, false},
           {kTime, kTime, kTime + 20'000'001, true},
           {kTime, kTime + kSecond, kTime + kSecond, false},  // the later of both counts
           {kTime, kTime, kTime - kSecond, false},            // a clock that went back
           {whole, whole, whole + 2 * kSecond, false},        // a file system of whole seconds
           {whole, whole, whole + 2 * kSecond + 1, true}}) {
    WorkspaceIndex index;
    FileFacts facts = some_facts();
    facts.mtime_ns = one.mtime;
    facts.ctime_ns = one.ctime;
    index.remember("/p/x", facts, kMd5, one.looked_at);
    EXPECT_EQ(index.find("/p/x", facts).has_value(), one.kept)
        << one.mtime << " " << one.ctime << " " << one.looked_at;
  }
}

TEST_F(Index, ARacyLookLeavesWhatWasKnownBefore) {
  index_.remember("/p/x", some_facts(), kMd5, kLongAfter);
  FileFacts later = some_facts();
  later.mtime_ns = kLongAfter;
  index_.remember("/p/x", later, md5_hex("other"), kLongAfter);
  EXPECT_EQ(index_.find("/p/x", later), std::nullopt);
}

TEST_F(Index, SurvivesTheProcess) {
  index_.remember("/p/x", some_facts(), kMd5, kLongAfter);
  index_.remember("/p/\xC3\xA9 y", some_facts(), md5_hex("y"), kLongAfter);
  WorkspaceIndex again = reloaded();
  EXPECT_EQ(again.find("/p/x", some_facts()), kMd5);
  EXPECT_EQ(again.find("/p/\xC3\xA9 y", some_facts()), md5_hex("y"));
}

TEST_F(Index, IsWrittenOnlyWhenItChanged) {
  ASSERT_TRUE(index_.save(file()).ok());
  EXPECT_FALSE(exists("index"));
  index_.remember("/p/x", some_facts(), kMd5, kLongAfter);
  WorkspaceIndex again = reloaded();
  std::filesystem::remove(file());
  again.remember("/p/x", some_facts(), kMd5, kLongAfter);
  ASSERT_TRUE(again.save(file()).ok());
  EXPECT_FALSE(exists("index"));
}

TEST_F(Index, TheSameContentGivesTheSameBytes) {
  WorkspaceIndex other;
  for (const char* name : {"/a", "/b", "/c"}) index_.remember(name, some_facts(), kMd5, kLongAfter);
  for (const char* name : {"/c", "/a", "/b"}) other.remember(name, some_facts(), kMd5, kLongAfter);
  ASSERT_TRUE(index_.save(file()).ok());
  ASSERT_TRUE(other.save(at("other")).ok());
  EXPECT_EQ(read("index"), read("other"));
}

TEST_F(Index, EveryDamageMakesItEmptyInsteadOfWrong) {
  index_.remember("/p/x", some_facts(), kMd5, kLongAfter);
  ASSERT_TRUE(index_.save(file()).ok());
  std::string bytes = read("index");
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    write("index", damaged);
    EXPECT_FALSE(WorkspaceIndex::load(file()).find("/p/x", some_facts())) << "byte " << i;
    write("index", bytes.substr(0, i));
    EXPECT_FALSE(WorkspaceIndex::load(file()).find("/p/x", some_facts())) << "cut at " << i;
  }
}

TEST_F(Index, ACountThatLiesIsNotBelieved) {
  auto with_check = [](std::string body) { return body + md5_hex(body); };
  const std::string magic = "SLIPWIX1";
  write("index", with_check(magic + std::string(8, '\xFF')));
  EXPECT_FALSE(WorkspaceIndex::load(file()).find("", {}));
  // One row announced, whose name is said to be longer than the file.
  std::string row =
      std::string("\x01\0\0\0\0\0\0\0", 8) + std::string(40, '\0') + kMd5 + std::string(4, '\xFF');
  write("index", with_check(magic + row));
  EXPECT_FALSE(WorkspaceIndex::load(file()).find("", {}));
}

TEST_F(Index, AnAbsentFileIsAnEmptyIndex) {
  EXPECT_FALSE(WorkspaceIndex::load(at("none")).find("/p/x", some_facts()));
}

}  // namespace
}  // namespace slipway::data
