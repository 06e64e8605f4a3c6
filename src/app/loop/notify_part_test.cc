#include "app/loop/notify_part.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "domain/notify/deliveries.h"
#include "graph/graph.h"
#include "io/db/db_testing.h"

namespace slipway::app {
namespace {

constexpr UnixMs kStart = 1'700'000'000'000;

struct Sent {
  std::string url, body;
  std::vector<notify::Header> headers;
};

/// Takes connections, and answers nothing.
class HangingReceiver {
 public:
  HangingReceiver() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* at = reinterpret_cast<sockaddr*>(&address);
    EXPECT_EQ(bind(socket_, at, length), 0);
    EXPECT_EQ(listen(socket_, 1), 0);
    EXPECT_EQ(getsockname(socket_, at, &length), 0);
    url_ = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
  }
  ~HangingReceiver() {
    close(connection_);
    close(socket_);
  }
  const std::string& url() const { return url_; }
  /// Returns once somebody has sent something.
  void wait_for_request() {
    connection_ = accept(socket_, nullptr, nullptr);
    char first = 0;
    EXPECT_EQ(recv(connection_, &first, 1, 0), 1);
  }

 private:
  int socket_, connection_ = -1;
  std::string url_;
};

class NotifyPartTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pool = db::Pool::open(
        "sqlite://" + (folder_.path() / "catalog.db").string(),
        db::joined({graph::migrations(), project::migrations(), notify::migrations()}), metrics_);
    ASSERT_TRUE(pool.ok()) << pool.error().message;
    pool_ = std::move(*pool);
    apply("notify: [{webhook: \"${env:HOOK}\", on: [incident]}]\n");
    make_part();
    turn(kStart);
  }
  void make_part() {
    part_.reset();
    auto variable = [](const std::string& name) -> std::optional<std::string> {
      if (name == "HOOK") return "http://receiver/token";
      return std::nullopt;
    };
    part_ = std::make_unique<NotifyPart>(
        *pool_, metrics_, [] {}, variable,
        [this](const std::string& url, const std::string& body,
               const std::vector<notify::Header>& headers) -> Result<> {
          std::lock_guard lock(mutex_);
          sent_.push_back({url, body, headers});
          return answer_;
        });
  }
  void apply(const std::string& more) {
    auto declared = project::declare("version: 1\nproject: bikes\n" + more, {});
    ASSERT_TRUE(declared.ok()) << declared.error().message;
    auto outcome =
        pool_->write([&](db::Tx& tx) { return project::apply(tx, *declared, "person", kStart); });
    ASSERT_TRUE(outcome.ok()) << outcome.error().message;
  }
  void happen(const std::string& type) {
    auto seq = pool_->write([&](db::Tx& tx) {
      return graph::append_event(tx, {type, {"deployment", "bikes"}, "slipway", 0, {}}, kStart);
    });
    ASSERT_TRUE(seq.ok());
  }
  /// Until nothing is left to do at that time.
  void turn(UnixMs now) {
    for (bool any = true; any;) {
      auto did = part_->turn(now);
      ASSERT_TRUE(did.ok()) << did.error().message;
      part_->finish_requests();
      any = *did;
    }
  }
  std::vector<notify::Delivery> all() {
    return *pool_->read([](db::Tx& tx) { return notify::deliveries(tx, 10); });
  }

  db::TemporaryFolder folder_;
  Metrics metrics_;
  std::unique_ptr<db::Pool> pool_;
  std::mutex mutex_;
  std::vector<Sent> sent_;
  Result<> answer_;
  std::unique_ptr<NotifyPart> part_;
};

TEST_F(NotifyPartTest, TellsOnceWhatWasWanted) {
  happen("incident.opened");
  happen("rollout.promoted");
  turn(kStart);
  turn(kStart + 1000);
  ASSERT_EQ(sent_.size(), 1u);
  EXPECT_EQ(sent_[0].url, "http://receiver/token");
  EXPECT_NE(sent_[0].body.find("slipway.incident.opened"), std::string::npos);
  EXPECT_EQ(all()[0].state, "delivered");
}

TEST_F(NotifyPartTest, TriesAgainAndKeepsTheAddressToItself) {
  answer_ = Error{Code::kUnavailable, "no route to http://receiver/token today"};
  happen("incident.opened");
  turn(kStart);
  ASSERT_EQ(all()[0].state, "waiting");
  EXPECT_EQ(all()[0].last_error, "no route to the webhook today");
  turn(kStart + 999);
  EXPECT_EQ(sent_.size(), 1u);
  answer_ = {};
  turn(kStart + 1000);
  EXPECT_EQ(sent_.size(), 2u);
  EXPECT_EQ(all()[0].state, "delivered");
}

TEST_F(NotifyPartTest, SaysWhatIsNotSet) {
  apply("notify: [{webhook: \"${env:OTHER}\", on: [incident]}]\n");
  turn(kStart);
  happen("incident.opened");
  turn(kStart);
  EXPECT_TRUE(sent_.empty());
  EXPECT_EQ(all()[0].last_error, "${env:OTHER} is not set in the environment of the server");
}

TEST_F(NotifyPartTest, WhatWasSentAndNotRecordedIsSentAgainUnderTheSameId) {
  happen("incident.opened");
  turn(kStart);
  // As if the server had died between the answer and its record.
  auto forgotten = pool_->write([](db::Tx& tx) -> Result<> {
    TRY(tx.run("update notify_deliveries set state = 'waiting', next_ms = 0"));
    return {};
  });
  ASSERT_TRUE(forgotten.ok());
  make_part();
  turn(kStart);
  ASSERT_EQ(sent_.size(), 2u);
  EXPECT_EQ(sent_[0].headers[1].value, sent_[1].headers[1].value);
  EXPECT_EQ(sent_[0].body, sent_[1].body);
}

TEST_F(NotifyPartTest, AReceiverThatHangsHoldsUpNoEnd) {
  HangingReceiver receiver;
  apply("notify: [{webhook: \"" + receiver.url() + "\", on: [incident]}]\n");
  turn(kStart);
  part_ = std::make_unique<NotifyPart>(
      *pool_, metrics_, [] {},
      [](const std::string&) -> std::optional<std::string> { return std::nullopt; });
  happen("incident.opened");
  ASSERT_TRUE(part_->turn(kStart).ok());
  receiver.wait_for_request();
  const auto began = std::chrono::steady_clock::now();
  part_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  // It was no fault of the receiver.
  EXPECT_EQ(all()[0].state, "waiting");
  EXPECT_EQ(all()[0].last_error, "");
  make_part();
  turn(kStart);
  EXPECT_EQ(sent_.size(), 1u);
}

}  // namespace
}  // namespace slipway::app
