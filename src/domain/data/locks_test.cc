#include "domain/data/locks.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <future>

#include "base/file.h"
#include "domain/data/data_testing.h"

namespace slipway::data {
namespace {

/// A process that was and is no more.
pid_t dead_pid() {
  pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  return child;
}

class Locks : public ProjectTest {
 protected:
  std::filesystem::path tmp() const { return root_ / ".dvc" / "tmp"; }
  std::string claims() const { return read(".dvc/tmp/rwlock"); }
  /// Of another process; `kind` is "write" or "read".
  void hold(const std::string& kind, const std::string& path, pid_t pid,
            const std::string& command = "dvc repro") {
    std::string info = R"({"pid": )" + std::to_string(pid) + R"(, "cmd": ")" + command + R"("})";
    if (kind == "read") info = "[" + info + "]";
    write(".dvc/tmp/rwlock", R"({")" + kind + R"(": {")" + path + R"(": )" + info + "}}");
  }
  Result<> enter(std::vector<std::string> reads, std::vector<std::string> writes) {
    return enter_claim(tmp(), {"slipway add", std::move(reads), std::move(writes)});
  }
};

TEST_F(Locks, ALockFileHoldsThePidInDvcsForm) {
  Result<Fd> lock = take_lock_file(tmp() / "lock");
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(read(".dvc/tmp/lock"), " " + std::to_string(getpid()) + "\n");
}

TEST_F(Locks, ALongerPidOfBeforeLeavesNothing) {
  write(".dvc/tmp/lock", " 99999999999999\n");
  ASSERT_TRUE(take_lock_file(tmp() / "lock").ok());
  EXPECT_EQ(read(".dvc/tmp/lock"), " " + std::to_string(getpid()) + "\n");
}

TEST_F(Locks, WaitsForWhoHoldsIt) {
  Result<Fd> first = take_lock_file(tmp() / "lock");
  ASSERT_TRUE(first.ok());
  auto second = std::async(std::launch::async, [&] { return take_lock_file(tmp() / "lock"); });
  *first = Fd();
  EXPECT_TRUE(second.get().ok());
}

TEST_F(Locks, GivesUpAfterThreeSecondsAndNamesTheFile) {
  Result<Fd> first = take_lock_file(tmp() / "lock");
  auto before = std::chrono::steady_clock::now();
  Result<Fd> second = take_lock_file(tmp() / "lock");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().code, Code::kBusy);
  EXPECT_EQ(second.error().tag, "locked");
  EXPECT_NE(second.error().message.find((tmp() / "lock").string()), std::string::npos);
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(2900));
}

TEST_F(Locks, ALockThatCannotBeMadeIsUnavailable) {
  EXPECT_EQ(take_lock_file(root_ / "none" / "lock").error().code, Code::kUnavailable);
}

TEST_F(Locks, ClaimsAreWrittenInDvcsForm) {
  ASSERT_TRUE(enter({"/p/in", "/p/x"}, {"/p/out"}).ok());
  std::string self = R"({"pid": )" + std::to_string(getpid()) + R"(, "cmd": "slipway add"})";
  EXPECT_EQ(claims(), R"({"write": {"/p/out": )" + self + R"(}, "read": {"/p/in": [)" + self +
                          R"(], "/p/x": [)" + self + "]}}");
  ASSERT_TRUE(leave_claim(tmp(), {"slipway add", {"/p/in", "/p/x"}, {"/p/out"}}).ok());
  EXPECT_EQ(claims(), "{}");
}

TEST_F(Locks, OverlappingPathsExcludeEachOtherUnlessBothRead) {
  struct Case {
    const char *held, *held_path, *wanted, *path;
    bool free;
  };
  for (const Case& one : std::vector<Case>{{"write", "/p/d", "write", "/p/d", false},
                                           {"write", "/p/d", "write", "/p/d/e", false},
                                           {"write", "/p/d/e", "write", "/p/d", false},
                                           {"write", "/p/d", "write", "/p/d2", true},
                                           {"write", "/p/d", "write", "/p", false},
                                           {"write", "/p/d", "read", "/p/d/e/f", false},
                                           {"write", "/p/d", "read", "/p/e", true},
                                           {"read", "/p/d", "write", "/p/d", false},
                                           {"read", "/p/d", "write", "/p/d/e", false},
                                           {"read", "/p/d/e", "write", "/p/d", false},
                                           {"read", "/p/d", "read", "/p/d", true},
                                           {"read", "/p/d", "write", "/p/dd", true}}) {
    hold(one.held, one.held_path, getppid());
    bool reads = std::string(one.wanted) == "read";
    Result<> entered = reads ? enter({one.path}, {}) : enter({}, {one.path});
    EXPECT_EQ(entered.ok(), one.free)
        << one.held << " " << one.held_path << " / " << one.wanted << " " << one.path;
    if (entered.ok()) continue;
    EXPECT_EQ(entered.error().code, Code::kBusy);
    EXPECT_EQ(entered.error().tag, "locked");
  }
}

TEST_F(Locks, SaysWhoStandsInTheWay) {
  hold("write", "/p/d", getppid(), "dvc repro train");
  Result<> entered = enter({"/p/d/x"}, {});
  ASSERT_FALSE(entered.ok());
  EXPECT_EQ(entered.error().message, "'/p/d/x' is busy, it is being blocked by:\n  (PID " +
                                         std::to_string(getppid()) + "): dvc repro train");
}

TEST_F(Locks, ARefusedClaimLeavesNothingBehind) {
  hold("write", "/p/d", getppid());
  std::string before = claims();
  EXPECT_FALSE(enter({"/p/a"}, {"/p/b", "/p/d"}).ok());
  EXPECT_EQ(claims(), before);
}

TEST_F(Locks, ClaimsOfProcessesThatAreGoneCountForNothing) {
  for (const char* kind : {"write", "read"}) {
    hold(kind, "/p/d", dead_pid());
    EXPECT_TRUE(enter({}, {"/p/d"}).ok()) << kind;
    EXPECT_EQ(claims().find("dvc repro"), std::string::npos);
  }
  hold("write", "/p/d", -1);
  EXPECT_TRUE(enter({}, {"/p/d"}).ok());
}

TEST_F(Locks, OnesOwnClaimsDoNotStandInTheWay) {
  ASSERT_TRUE(enter({"/p/d"}, {"/p/e"}).ok());
  EXPECT_TRUE(enter({"/p/e"}, {"/p/d"}).ok());
}

TEST_F(Locks, LeavingTakesOutOnesOwnEntriesOnly) {
  hold("read", "/p/d", getppid());
  ASSERT_TRUE(enter({"/p/d"}, {}).ok());
  ASSERT_TRUE(enter({"/p/d"}, {}).ok());
  ASSERT_TRUE(leave_claim(tmp(), {"slipway add", {"/p/d"}, {"/p/never"}}).ok());
  std::string self = R"({"pid": )" + std::to_string(getpid()) + R"(, "cmd": "slipway add"})";
  EXPECT_EQ(claims(), R"({"read": {"/p/d": [{"pid": )" + std::to_string(getppid()) +
                          R"(, "cmd": "dvc repro"}, )" + self + "]}}");
}

TEST_F(Locks, ADamagedFileOfClaimsIsNeverOverwritten) {
  for (const char* text :
       {"{", R"({"write": {"/p": {"pid": "x", "cmd": "y"}}})", R"({"write": {"/p": {"pid": 1}}})",
        R"({"read": {"/p": {}}})", R"({"read": {"/p": [3]}})"}) {
    write(".dvc/tmp/rwlock", text);
    Result<> entered = enter({"/q"}, {});
    ASSERT_FALSE(entered.ok()) << text;
    EXPECT_EQ(entered.error().code, Code::kInvalid);
    EXPECT_NE(entered.error().message.find((tmp() / "rwlock").string()), std::string::npos);
    EXPECT_EQ(claims(), text);
  }
}

TEST_F(Locks, AClaimEndsWithItsObject) {
  {
    Result<PathsLock> lock = repository().lock_paths("slipway add", {at("a")}, {at("b")});
    ASSERT_TRUE(lock.ok());
    PathsLock moved = std::move(*lock);
    EXPECT_NE(claims().find(at("b").string()), std::string::npos);
  }
  EXPECT_EQ(claims(), "{}");
}

TEST_F(Locks, TheProjectsLockSweepsWhatKilledProcessesLeft) {
  write(".dvc/tmp/slipway-1234.tmp", "half");
  write(".dvc/tmp/other.tmp", "of dvc");
  { ASSERT_TRUE(repository().lock().ok()); }
  EXPECT_FALSE(exists(".dvc/tmp/slipway-1234.tmp"));
  EXPECT_TRUE(exists(".dvc/tmp/other.tmp"));
  EXPECT_TRUE(repository().lock().ok());  // it was given back
}

}  // namespace
}  // namespace slipway::data
