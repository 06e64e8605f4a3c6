#include "io/git/git.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <thread>

#include "base/file.h"
#include "base/ids.h"

namespace slipway::git {
namespace {

using namespace std::chrono_literals;

/// Takes connections and never says a word.
class SilentHost {
 public:
  SilentHost() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(socket_.get(), 8), 0);
    EXPECT_EQ(getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
    url_ = "git://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/nothing";
  }
  const std::string& url() const { return url_; }

 private:
  Fd socket_;
  std::string url_;
};

TEST(Run, SaysWhatGitSaid) {
  const Result<Outcome> outcome = run("/", {"--version"});
  ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  EXPECT_EQ(outcome->status, 0);
  EXPECT_EQ(outcome->out.find("git version"), 0u);
  const Result<Outcome> patient = run("/", {"--version"}, {1min, {}});
  ASSERT_TRUE(patient.ok()) << patient.error().message;
  EXPECT_EQ(patient->out, outcome->out);
}

TEST(Run, ARemoteThatNeverAnswersIsGivenUp) {
  SilentHost host;
  const Result<Outcome> outcome = run("/", {"ls-remote", host.url()}, {300ms, {}});
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().code, Code::kUnavailable);
  EXPECT_EQ(outcome.error().tag, "timeout") << outcome.error().message;
}

TEST(Run, ARemoteThatNeverAnswersIsLeftWhenTheServerEnds) {
  SilentHost host;
  StopToken stop;
  std::thread ending([&] { stop.request_stop(); });
  const Result<Outcome> outcome = run("/", {"ls-remote", host.url()}, {10min, stop});
  ending.join();
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(outcome.error().tag, "") << outcome.error().message;
}

TEST(WorkTree, OneAtATimeIsAtTheListOfAllTreesOfARepository) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("slipway-git-" + random_hex32());
  const fs::path main = folder / "main", other = folder / "other";
  const fs::path own = main / ".git" / "worktrees" / "other";
  fs::create_directories(own);
  fs::create_directories(other);
  ASSERT_TRUE(write_file_quick(other / ".git", "gitdir: " + own.string() + "\n").ok());
  ASSERT_TRUE(write_file_quick(own / "commondir", "../..\n").ok());
  const auto of_main = WorkTree::find(main), of_other = WorkTree::find(other);
  ASSERT_TRUE(of_main && of_other);
  {
    const auto held = of_main->lock_trees(0ms);
    ASSERT_TRUE(held.ok()) << held.error().message;
    EXPECT_TRUE(*held);
    const auto refused = of_other->lock_trees(20ms);
    ASSERT_TRUE(refused.ok()) << refused.error().message;
    EXPECT_FALSE(*refused);
  }
  const auto held = of_other->lock_trees(0ms);
  EXPECT_TRUE(held.ok() && *held);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace slipway::git
