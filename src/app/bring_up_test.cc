#include "app/bring_up.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <future>

#include "base/log.h"
#include "io/http/listener.h"

namespace slipway::app {
namespace {

class BringUp : public testing::Test {
 protected:
  void SetUp() override {
    set_log_level(LogLevel::kWarning);
    std::string pattern = (std::filesystem::temp_directory_path() / "slipway-up-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  AppOptions options(const char* state, int port = 0) const {
    AppOptions options;
    options.state = folder_ / state;
    options.listen.port = port;
    return options;
  }
  bool exists(const char* name) const { return std::filesystem::exists(folder_ / name); }
  static int port_of(const App& app) {
    return parse_address(app.url().substr(std::string("http://").size()))->port;
  }

  std::filesystem::path folder_;
  std::optional<Ownership> own_;
};

TEST_F(BringUp, MakesTheStateFolderAndAnswers) {
  Result<std::unique_ptr<App>> app = bring_up(options("state"));
  ASSERT_TRUE(app.ok()) << app.error().message;
  EXPECT_GT(port_of(**app), 0);
  EXPECT_TRUE(exists("state"));
}

TEST_F(BringUp, MakesNoStateFolderWhereTheAddressIsTaken) {
  Fd other = std::move(http::open_listener("127.0.0.1", 0)).value();
  int port = http::port_of(other.get());
  std::future<void> hangs_up = std::async(std::launch::async, [&] {
    pollfd waited{other.get(), POLLIN, 0};
    poll(&waited, 1, -1);  // until somebody asks who is there
    Fd asked(accept(other.get(), nullptr, nullptr));
  });
  Result<std::unique_ptr<App>> app = bring_up(options("state", port));
  ASSERT_FALSE(app.ok());
  EXPECT_EQ(app.error().tag, "taken");
  EXPECT_NE(app.error().message.find("taken by another program"), std::string::npos);
  EXPECT_NE(app.error().message.find("--listen 127.0.0.1:0"), std::string::npos);
  EXPECT_FALSE(exists("state"));
}

TEST_F(BringUp, TellsASlipwayFromOtherPrograms) {
  std::unique_ptr<App> first = std::move(bring_up(options("first"))).value();
  std::string who = "another Slipway (pid " + std::to_string(getpid()) + ")";
  for (bool has_folder : {false, true}) {
    if (has_folder) std::filesystem::create_directories(folder_ / "second");
    Result<std::unique_ptr<App>> second = bring_up(options("second", port_of(*first)));
    ASSERT_FALSE(second.ok());
    EXPECT_NE(second.error().message.find(who), std::string::npos) << second.error().message;
    EXPECT_EQ(exists("second"), has_folder);
  }
}

TEST_F(BringUp, NamesTheOwnerOfTheFolderEvenWhereThePortIsTakenToo) {
  std::unique_ptr<App> first = std::move(bring_up(options("state"))).value();
  Result<std::unique_ptr<App>> second = bring_up(options("state", port_of(*first)));
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().tag, "owned");
  EXPECT_NE(second.error().message.find(first->url()), std::string::npos);
}

TEST_F(BringUp, LetsGoOfTheFolderBeforeItAsksWhoHasThePort) {
  std::filesystem::create_directories(folder_ / "state");
  Fd port = std::move(http::open_listener("127.0.0.1", 0)).value();
  std::future<bool> other = std::async(std::launch::async, [&] {
    pollfd waited{port.get(), POLLIN, 0};
    poll(&waited, 1, -1);
    Result<StateFolder> state = StateFolder::open(folder_ / "state");
    Result<std::optional<Ownership>> own = Ownership::try_take(*state);
    bool has_it = own.ok() && own->has_value();
    if (has_it) own_ = std::move(**own);
    if (has_it) has_it = own_->announce({getpid(), "http://127.0.0.1:1", "slipway up"}).ok();
    Fd asked(accept(port.get(), nullptr, nullptr));
    return has_it;
  });
  Result<std::unique_ptr<App>> app = bring_up(options("state", http::port_of(port.get())));
  EXPECT_TRUE(other.get());
  ASSERT_FALSE(app.ok());
  EXPECT_EQ(app.error().tag, "owned");
  EXPECT_NE(app.error().message.find("http://127.0.0.1:1"), std::string::npos);
}

TEST_F(BringUp, OfManyAtOnceOneAnswersAndTheOthersSayWhere) {
  AppOptions same = options("state");
  std::vector<std::future<Result<std::unique_ptr<App>>>> all;
  for (int i = 0; i < 4; ++i)
    all.push_back(std::async(std::launch::async, [&] { return bring_up(same); }));
  std::vector<Result<std::unique_ptr<App>>> ended;
  for (auto& one : all) ended.push_back(one.get());
  std::string url;
  for (auto& one : ended) {
    if (!one.ok()) continue;
    EXPECT_EQ(url, "");
    url = (*one)->url();
  }
  ASSERT_NE(url, "");
  for (auto& one : ended) {
    if (one.ok()) continue;
    EXPECT_NE(one.error().message.find(" at " + url), std::string::npos) << one.error().message;
  }
}

}  // namespace
}  // namespace slipway::app
