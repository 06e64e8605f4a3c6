#include "io/proc/proc.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <thread>

#include "base/text.h"
#include "io/proc/record.h"

namespace slipway::proc {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::seconds;

class Proc : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "slipway-proc-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    Result<Spawner> spawner = Spawner::start();
    ASSERT_TRUE(spawner.ok());
    spawner_.emplace(std::move(*spawner));
  }
  void TearDown() override {
    pid_t pid = spawner_->pid();
    spawner_.reset();
    EXPECT_EQ(waitpid(pid, nullptr, 0), pid);
    fs::remove_all(folder_);
  }

  Request shell(const std::string& script) const {
    Request request;
    request.commands = {{{"/bin/sh", "-c", script}, ""}};
    request.environment = {"PATH=/usr/bin:/bin"};
    request.folder = folder_;
    return request;
  }
  Outcome run(const Request& request) const {
    Result<Attempt> attempt = spawner_->run(request);
    EXPECT_TRUE(attempt.ok()) << attempt.error().message;
    Result<Outcome> outcome = attempt->wait();
    EXPECT_TRUE(outcome.ok()) << outcome.error().message;
    return *outcome;
  }
  std::string content(const char* name) const {
    Result<std::string> text = read_file(folder_ / name);
    return text.ok() ? *text : "(" + text.error().message + ")";
  }

  fs::path folder_;
  std::optional<Spawner> spawner_;
};

/// Looks again until `holds`, or the time is over.
bool comes_true(const std::function<bool()>& holds, milliseconds within = seconds(10)) {
  auto until = std::chrono::steady_clock::now() + within;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    poll(nullptr, 0, 5);
  }
  return true;
}

bool is_alive(pid_t pid) {
  if (kill(pid, 0) != 0) return false;
  Result<std::string> stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  return stat.ok() && (*stat)[stat->rfind(')') + 2] != 'Z';
}

pid_t pid_in(const fs::path& file) {
  Result<std::string> text = read_file(file);
  return text.ok() ? static_cast<pid_t>(to_int64(trim(*text)).value_or(0)) : 0;
}

std::size_t open_files(const std::string& pid) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator("/proc/" + pid + "/fd")) ++count;
  return count;
}

TEST_F(Proc, ReportsTheExitCode) {
  Outcome outcome = run(shell("exit 7"));
  EXPECT_EQ(outcome.kind, Outcome::Kind::kExited);
  EXPECT_EQ(outcome.code, 7);
  EXPECT_EQ(outcome.shell_code(), 7);
  EXPECT_FALSE(outcome.ok());
  EXPECT_TRUE(run(shell("true")).ok());
}

TEST_F(Proc, ReportsTheSignal) {
  Outcome outcome = run(shell("kill -SEGV $$"));
  EXPECT_EQ(outcome.kind, Outcome::Kind::kSignaled);
  EXPECT_EQ(outcome.signal, SIGSEGV);
  EXPECT_EQ(outcome.shell_code(), 128 + SIGSEGV);
}

TEST_F(Proc, SaysWhatCouldNotBeStarted) {
  Request request = shell("");
  request.commands[0].arguments = {"/no/such/program"};
  Outcome outcome = run(request);
  EXPECT_EQ(outcome.kind, Outcome::Kind::kNotStarted);
  EXPECT_EQ(outcome.message, "cannot start /no/such/program: No such file or directory");
  request = shell("true");
  request.folder = folder_ / "nowhere";
  EXPECT_NE(run(request).message.find("nowhere: No such file"), std::string::npos);
}

TEST_F(Proc, RefusesWhatCanNotBeARequest) {
  Request request = shell("true");
  request.folder = "relative";
  EXPECT_EQ(spawner_->run(request).error().code, Code::kInvalid);
  request = shell("true");
  request.commands.clear();
  EXPECT_EQ(spawner_->run(request).error().code, Code::kInvalid);
}

TEST_F(Proc, GivesFolderEnvironmentAndOutput) {
  Fd out(open((folder_ / "out").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
  Request request = shell("pwd; echo \"$WORD\"; echo err >&2; cat");
  request.environment.push_back("WORD=a b");
  request.output = request.error = out.get();
  EXPECT_TRUE(run(request).ok());
  EXPECT_EQ(content("out"), folder_.string() + "\na b\nerr\n");
}

TEST_F(Proc, RunsCommandsOneAfterAnotherUntilOneFails) {
  Fd out(open((folder_ / "out").c_str(), O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600));
  Request request = shell("echo one");
  request.commands[0].announcement = "> echo one\n";
  request.commands.push_back({{"/bin/sh", "-c", "exit 3"}, "> exit 3\n"});
  request.commands.push_back({{"/bin/sh", "-c", "echo never"}, "> never\n"});
  request.output = out.get();
  Outcome outcome = run(request);
  EXPECT_EQ(outcome.code, 3);
  EXPECT_EQ(outcome.command, 1u);
  EXPECT_EQ(content("out"), "> echo one\none\n> exit 3\n");
}

TEST_F(Proc, CommandsGetNoDescriptorOfOursButTheHeldOne) {
  Fd out(open((folder_ / "out").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  Fd held(open((folder_ / "held").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  Request request = shell("ls /proc/self/fd | tr '\\n' ' '");
  request.output = out.get();
  request.held = held.get();
  EXPECT_TRUE(run(request).ok());
  EXPECT_EQ(content("out"), "0 1 2 200 3 ");  // 3: ls reads the folder
}

TEST_F(Proc, CancelAsksFirst) {
  Result<Attempt> attempt = spawner_->run(
      shell("trap 'echo asked > asked; exit 5' TERM; echo > up; while :; do sleep 0.01; done"));
  ASSERT_TRUE(attempt.ok());
  ASSERT_TRUE(comes_true([&] { return fs::exists(folder_ / "up"); }));
  ASSERT_TRUE(attempt->cancel().ok());
  Result<Outcome> outcome = attempt->wait();
  EXPECT_TRUE(outcome->cancelled);
  EXPECT_EQ(outcome->code, 5);
  EXPECT_EQ(content("asked"), "asked\n");
}

TEST_F(Proc, CancelKillsWhatDoesNotListen) {
  Request request = shell(
      "trap '' TERM INT HUP; (trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > far; while :; "
      "do "
      "sleep 0.05; done') & echo $$ > near; while :; do sleep 0.05; done");
  request.grace = milliseconds(50);
  Result<Attempt> attempt = spawner_->run(request);
  ASSERT_TRUE(attempt.ok());
  ASSERT_TRUE(comes_true([&] { return pid_in(folder_ / "far") && pid_in(folder_ / "near"); }));
  ASSERT_TRUE(attempt->cancel().ok());
  Result<Outcome> outcome = attempt->wait();
  EXPECT_EQ(outcome->signal, SIGKILL);
  EXPECT_FALSE(is_alive(pid_in(folder_ / "near")));
  EXPECT_FALSE(is_alive(pid_in(folder_ / "far")));  // although it had left the group
}

/// A command that nothing but SIGKILL ends, with one of the same kind in another session.
std::string deaf_family() {
  return "trap '' TERM INT HUP QUIT; setsid sh -c 'echo $$ > away; exec sleep 60' & "
         "echo $$ > here; while :; do sleep 1; done";
}

TEST_F(Proc, KillAsksNobody) {
  Request request = shell(deaf_family());
  request.grace = std::chrono::hours(1);
  for (const bool after_cancel : {false, true}) {
    for (const char* name : {"here", "away"}) fs::remove(folder_ / name);
    Result<Attempt> attempt = spawner_->run(request);
    ASSERT_TRUE(comes_true([&] { return pid_in(folder_ / "here") && pid_in(folder_ / "away"); }));
    if (after_cancel) {
      ASSERT_TRUE(attempt->cancel().ok());
    }
    ASSERT_TRUE(attempt->kill().ok());
    Result<std::optional<Outcome>> outcome = attempt->wait_for(seconds(10));
    ASSERT_TRUE(outcome.ok() && *outcome);
    EXPECT_EQ((*outcome)->signal, SIGKILL);
    EXPECT_TRUE((*outcome)->cancelled);
    for (const char* name : {"here", "away"}) EXPECT_FALSE(is_alive(pid_in(folder_ / name)));
  }
}

TEST_F(Proc, KillBetweenCommandsIsNoSuccess) {
  Request request = shell("true");
  for (int i = 0; i < 200; ++i) request.commands.push_back(request.commands[0]);
  Result<Attempt> attempt = spawner_->run(request);
  ASSERT_TRUE(attempt->kill().ok());
  Result<Outcome> outcome = attempt->wait();
  EXPECT_FALSE(outcome->ok());
  EXPECT_TRUE(outcome->cancelled);
}

TEST_F(Proc, CancelBetweenCommandsIsNoSuccess) {
  Request request = shell("echo > up; trap 'exit 0' TERM; while :; do sleep 0.01; done");
  request.commands.push_back({{"/bin/sh", "-c", "echo > second"}, ""});
  Result<Attempt> attempt = spawner_->run(request);
  ASSERT_TRUE(comes_true([&] { return fs::exists(folder_ / "up"); }));
  ASSERT_TRUE(attempt->cancel().ok());
  Result<Outcome> outcome = attempt->wait();
  EXPECT_FALSE(outcome->ok());
  EXPECT_TRUE(outcome->cancelled);
  EXPECT_FALSE(fs::exists(folder_ / "second"));
}

TEST_F(Proc, SignalsReachTheGroup) {
  Result<Attempt> attempt = spawner_->run(
      shell("trap 'echo int > got; exit 130' INT; echo > up; while :; do sleep 0.01; done"));
  ASSERT_TRUE(comes_true([&] { return fs::exists(folder_ / "up"); }));
  ASSERT_TRUE(attempt->signal(SIGINT).ok());
  Result<Outcome> outcome = attempt->wait();
  EXPECT_EQ(content("got"), "int\n");
  EXPECT_FALSE(outcome->cancelled);
}

TEST_F(Proc, NothingOutlivesAnAttempt) {
  Outcome outcome = run(
      shell("sleep 1000 & echo $! > a; setsid sh -c 'echo $$ > b; sleep 1000' & while [ ! -s b ]; "
            "do sleep 0.01; done; exit 0"));
  EXPECT_TRUE(outcome.ok());
  EXPECT_FALSE(outcome.cancelled);
  EXPECT_GT(pid_in(folder_ / "a"), 0);
  EXPECT_FALSE(is_alive(pid_in(folder_ / "a")));
  EXPECT_FALSE(is_alive(pid_in(folder_ / "b")));
}

TEST_F(Proc, ASignalBeforeTheFirstCommandEndsTheAttempt) {
  ASSERT_EQ(kill(spawner_->pid(), SIGSTOP), 0);
  Result<Attempt> attempt = spawner_->run(shell("echo > ran"));
  ASSERT_TRUE(attempt.ok());
  ASSERT_TRUE(attempt->signal(SIGINT).ok());
  ASSERT_EQ(kill(spawner_->pid(), SIGCONT), 0);
  Outcome outcome = *attempt->wait();
  EXPECT_EQ(outcome.kind, Outcome::Kind::kSignaled);
  EXPECT_EQ(outcome.signal, SIGINT);
  EXPECT_FALSE(outcome.cancelled);
  EXPECT_FALSE(fs::exists(folder_ / "ran"));
}

TEST_F(Proc, ASignalBetweenTwoCommandsEndsTheAttempt) {
  Request request = shell("kill -STOP $PPID; echo $$ > first");
  request.commands.push_back({{"/bin/sh", "-c", "echo > second"}, ""});
  request.record = folder_;
  Result<Attempt> attempt = spawner_->run(request);
  ASSERT_TRUE(attempt.ok());
  // The first is over, and its supervisor, which was stopped, does not know yet.
  ASSERT_TRUE(comes_true([&] {
    pid_t first = pid_in(folder_ / "first");
    return first > 0 && !is_alive(first);
  }));
  ASSERT_TRUE(attempt->signal(SIGINT).ok());
  ASSERT_EQ(kill(parse_supervisor(content("record"))->pid, SIGCONT), 0);
  Outcome outcome = *attempt->wait();
  EXPECT_EQ(outcome.kind, Outcome::Kind::kSignaled);
  EXPECT_EQ(outcome.signal, SIGINT);
  EXPECT_EQ(outcome.command, 0u);
  EXPECT_FALSE(fs::exists(folder_ / "second"));
}

TEST_F(Proc, ASignalThatEndsNothingDoesNotKeepTheCommandFromRunning) {
  ASSERT_EQ(kill(spawner_->pid(), SIGSTOP), 0);
  Result<Attempt> attempt = spawner_->run(shell("exit 3"));
  ASSERT_TRUE(attempt.ok());
  ASSERT_TRUE(attempt->signal(SIGWINCH).ok());
  ASSERT_EQ(kill(spawner_->pid(), SIGCONT), 0);
  EXPECT_EQ(attempt->wait()->code, 3);
}

TEST_F(Proc, LeavesARecord) {
  Request request = shell("exit 9");
  request.record = folder_;
  request.durable_record = true;
  run(request);
  Result<Outcome> recorded = parse_outcome(content("exit"));
  ASSERT_TRUE(recorded.ok()) << recorded.error().message;
  EXPECT_EQ(recorded->code, 9);
  EXPECT_GT(recorded->ended_ms, 0);
  Result<Supervisor> supervisor = parse_supervisor(content("record"));
  ASSERT_TRUE(supervisor.ok());
  EXPECT_EQ(supervisor->boot, boot_id());
  EXPECT_GT(supervisor->start_ticks, 0u);
}

TEST(Record, RefusesWhatIsCutShort) {
  std::string whole = to_text(Outcome{});
  ASSERT_TRUE(parse_outcome(whole).ok());
  for (std::size_t size = 0; size + 2 < whole.size(); ++size) {
    EXPECT_FALSE(parse_outcome(std::string_view(whole).substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(parse_supervisor("pid x\nend 1\n").ok());
}

TEST_F(Proc, TheHeldFileIsLockedUntilItIsOver) {
  std::string name = (folder_ / "lock").string();
  Request request = shell("while [ ! -e go ]; do sleep 0.01; done");
  Result<Attempt> attempt = [&] {
    Fd lock(open(name.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    EXPECT_EQ(flock(lock.get(), LOCK_EX | LOCK_NB), 0);
    request.held = lock.get();
    return spawner_->run(request);
  }();
  Fd other(open(name.c_str(), O_RDWR | O_CLOEXEC));
  EXPECT_NE(flock(other.get(), LOCK_EX | LOCK_NB), 0);
  EXPECT_TRUE(write_file_quick(folder_ / "go", "").ok());
  EXPECT_TRUE(attempt->wait()->ok());
  EXPECT_TRUE(comes_true([&] { return flock(other.get(), LOCK_EX | LOCK_NB) == 0; }));
}

/// Runs the request in a process of its own that was forked from here, and kills that process with
/// SIGKILL when `when` holds.
void kill_starter(const Request& request, const std::function<bool()>& when) {
  pid_t starter = fork();
  if (starter == 0) {
    Result<Spawner> spawner = Spawner::start();
    if (!spawner.ok()) _exit(1);
    const Result<Attempt> attempt = spawner->run(request);  // held until the kill
    while (true) pause();
  }
  ASSERT_TRUE(comes_true(when));
  kill(starter, SIGKILL);
  waitpid(starter, nullptr, 0);
}

TEST_F(Proc, NoOrphanTwoSecondsAfterTheStarterWasKilled) {
  Request request = shell(
      "trap '' TERM INT HUP; echo $$ > near; setsid sh -c 'trap \"\" TERM HUP; echo $$ > far; "
      "while :; "
      "do sleep 0.05; done' & while :; do sleep 0.05; done");
  request.grace = seconds(60);
  kill_starter(request, [&] { return pid_in(folder_ / "far") && pid_in(folder_ / "near"); });
  pid_t near = pid_in(folder_ / "near"), far = pid_in(folder_ / "far");
  EXPECT_TRUE(comes_true([&] { return !is_alive(near) && !is_alive(far); }, seconds(2)));
}

TEST_F(Proc, AnAttemptCanOutliveItsStarterAndBeAdopted) {
  Request request =
      shell("echo $$ > near; while [ ! -e go ]; do sleep 0.01; done; (sleep 1000 &) ; exit 9");
  request.record = folder_;
  request.outlives_starter = true;
  kill_starter(request, [&] { return pid_in(folder_ / "near") > 0; });
  Result<Attempt> adopted = adopt(folder_);
  ASSERT_TRUE(adopted.ok()) << adopted.error().message;
  EXPECT_FALSE(adopted->take()->has_value());
  ASSERT_TRUE(write_file_quick(folder_ / "go", "").ok());
  Result<Outcome> outcome = adopted->wait();
  ASSERT_TRUE(outcome.ok());
  EXPECT_EQ(outcome->kind, Outcome::Kind::kExited);
  EXPECT_EQ(outcome->code, 9);
  EXPECT_EQ(adopt(folder_)->wait()->code, 9);  // and again, when it is long over
}

TEST_F(Proc, AnAdoptedAttemptCanBeCancelled) {
  Request request = shell("echo $$ > near; exec sleep 1000");
  request.record = folder_;
  request.outlives_starter = true;
  kill_starter(request, [&] { return pid_in(folder_ / "near") > 0; });
  Result<Attempt> adopted = adopt(folder_);
  ASSERT_TRUE(adopted.ok());
  ASSERT_TRUE(adopted->cancel().ok());
  Result<Outcome> outcome = adopted->wait();
  EXPECT_TRUE(outcome->cancelled);
  EXPECT_EQ(outcome->signal, SIGTERM);
  EXPECT_FALSE(is_alive(pid_in(folder_ / "near")));
}

TEST_F(Proc, AnAdoptedAttemptCanBeKilled) {
  Request request = shell(deaf_family());
  request.record = folder_;
  request.outlives_starter = true;
  request.grace = std::chrono::hours(1);
  kill_starter(request, [&] { return pid_in(folder_ / "here") && pid_in(folder_ / "away"); });
  Result<Attempt> adopted = adopt(folder_);
  ASSERT_TRUE(adopted.ok());
  ASSERT_TRUE(adopted->kill().ok());
  Result<Outcome> outcome = adopted->wait();
  EXPECT_TRUE(outcome->cancelled);
  EXPECT_EQ(outcome->signal, SIGKILL);
  for (const char* name : {"here", "away"}) EXPECT_FALSE(is_alive(pid_in(folder_ / name)));
}

TEST_F(Proc, AdoptKnowsWhatIsNotThere) {
  EXPECT_EQ(adopt(folder_).error().tag, "no_record");
  Supervisor gone = Supervisor::self();
  gone.start_ticks += 1;  // our pid, in another life
  ASSERT_TRUE(write_file_quick(folder_ / "record", to_text(gone)).ok());
  EXPECT_EQ(adopt(folder_)->wait()->kind, Outcome::Kind::kLost);
  ASSERT_TRUE(write_file_quick(folder_ / "record", "nonsense").ok());
  EXPECT_EQ(adopt(folder_).error().code, Code::kInvalid);
}

TEST_F(Proc, ASupervisorThatIsKilledTakesItsCommandWithIt) {
  Request request = shell("echo $$ > near; exec sleep 1000");
  request.record = folder_;
  Result<Attempt> attempt = spawner_->run(request);
  ASSERT_TRUE(comes_true([&] { return pid_in(folder_ / "near") > 0; }));
  kill(parse_supervisor(content("record"))->pid, SIGKILL);
  EXPECT_EQ(attempt->wait()->kind, Outcome::Kind::kLost);
  EXPECT_TRUE(comes_true([&] { return !is_alive(pid_in(folder_ / "near")); }));
}

TEST_F(Proc, AThousandLeakNothing) {
  constexpr int kCount = 1000;
  run(shell("true"));
  std::string self = std::to_string(getpid()), spawner = std::to_string(spawner_->pid());
  std::size_t ours = open_files(self), theirs = open_files(spawner);
  auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < kCount; ++i) ASSERT_TRUE(run(shell(":")).ok());
  auto took = std::chrono::steady_clock::now() - begin;
  std::printf("%d attempts, %.2f ms each\n", kCount,
              std::chrono::duration<double, std::milli>(took).count() / kCount);
  EXPECT_EQ(open_files(self), ours);
  EXPECT_EQ(open_files(spawner), theirs);
  EXPECT_TRUE(comes_true([&] {
    Result<std::string> children = read_file("/proc/" + spawner + "/task/" + spawner + "/children");
    return children.ok() && trim(*children).empty();
  }));
}

TEST_F(Proc, RunsManyAtOnce) {
  std::vector<Attempt> attempts;
  for (int i = 0; i < 50; ++i) {
    Result<Attempt> attempt = spawner_->run(shell("exit " + std::to_string(i)));
    ASSERT_TRUE(attempt.ok());
    attempts.push_back(std::move(*attempt));
  }
  for (int i = 0; i < 50; ++i) EXPECT_EQ(attempts[static_cast<std::size_t>(i)].wait()->code, i);
}

TEST_F(Proc, WhatOutlivesAKilledSupervisorIsFoundByItsEnvironmentAndEnded) {
  const std::string mark = "SLIPWAY_PROC_TEST=" + folder_.filename().string();
  Request request = shell("(trap '' TERM; echo > up; while :; do sleep 0.01; done) & wait");
  request.environment.push_back(mark);
  request.record = folder_;
  Result<Attempt> attempt = spawner_->run(request);
  ASSERT_TRUE(attempt.ok());
  ASSERT_TRUE(comes_true([&] { return fs::exists(folder_ / "up"); }));
  Supervisor supervisor = *parse_supervisor(content("record"));
  ASSERT_EQ(kill(supervisor.pid, SIGKILL), 0);
  EXPECT_EQ(attempt->wait()->kind, Outcome::Kind::kLost);
  EXPECT_GE(*end_marked(mark, std::chrono::milliseconds(20)), 1u);
  EXPECT_EQ(*end_marked(mark, std::chrono::milliseconds(20)), 0u);
}

}  // namespace
}  // namespace slipway::proc
