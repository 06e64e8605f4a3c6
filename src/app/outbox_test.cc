#include "app/outbox.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <thread>

namespace slipway::app {
namespace {

wire::Json fact(int number) {
  wire::Json json;
  json.set("number", number);
  return json;
}

/// A catalogue that remembers what it took, and takes nothing while it is away.
struct Catalogue {
  bool is_away = false;
  int refused = -1;  // the number of a fact that it does not want
  std::vector<int> numbers;

  TakeFacts face() {
    return [this](const std::string&, std::int64_t first, const wire::Json::Array& facts) {
      return take(first, facts);
    };
  }
  Result<TakenFacts> take(std::int64_t first, const wire::Json::Array& facts) {
    if (is_away) return unavailable("away");
    TakenFacts taken;
    for (const wire::Json& one : facts) {
      auto number = static_cast<int>(one.find("number")->as_int64());
      if (number == refused)
        taken.refused.push_back({first, "no"});
      else
        numbers.push_back(number);
      taken.next = ++first;
    }
    return taken;
  }
};

class OutboxTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "slipway-outbox-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  Outbox create() { return std::move(Outbox::create(*StateFolder::open(folder_))).value(); }

  std::filesystem::path folder_;
  Catalogue catalogue_;
};

TEST_F(OutboxTest, HandsOverInOrderAndOnce) {
  Outbox outbox = create();
  ASSERT_TRUE(outbox.put(fact(1)).ok());
  ASSERT_TRUE(outbox.put(fact(2)).ok());
  ASSERT_TRUE(outbox.deliver(catalogue_.face()).ok());
  ASSERT_TRUE(outbox.put(fact(3)).ok());
  ASSERT_TRUE(outbox.deliver(catalogue_.face()).ok());
  EXPECT_EQ(catalogue_.numbers, (std::vector<int>{1, 2, 3}));
  outbox.close();
  EXPECT_FALSE(has_outboxes(folder_));
}

TEST_F(OutboxTest, WaitsForACatalogueThatIsAway) {
  Outbox outbox = create();
  ASSERT_TRUE(outbox.put(fact(1)).ok());
  catalogue_.is_away = true;
  EXPECT_FALSE(outbox.deliver(catalogue_.face()).ok());
  outbox.close();
  EXPECT_TRUE(has_outboxes(folder_));
  catalogue_.is_away = false;
  ASSERT_TRUE(outbox.deliver(catalogue_.face()).ok());
  EXPECT_EQ(catalogue_.numbers, (std::vector<int>{1}));
}

TEST_F(OutboxTest, IsDeliveredByOthersOnlyWhenItsProcessIsGone) {
  {
    Outbox outbox = create();
    ASSERT_TRUE(outbox.put(fact(1)).ok());
    ASSERT_TRUE(deliver_left(folder_, catalogue_.face()).ok());
    EXPECT_TRUE(catalogue_.numbers.empty());
  }
  Outbox later = create();
  ASSERT_TRUE(later.put(fact(2)).ok());
  ASSERT_TRUE(deliver_left(folder_, catalogue_.face()).ok());
  EXPECT_EQ(catalogue_.numbers, (std::vector<int>{1}));
}

TEST_F(OutboxTest, IsMadeWhileOthersLookForOnesThatWereLeft) {
  std::atomic<bool> is_over{false};
  std::thread others([&] {
    while (!is_over) EXPECT_TRUE(deliver_left(folder_, catalogue_.face()).ok());
  });
  for (int i = 0; i < 60; ++i) {
    Result<Outbox> made = Outbox::create(*StateFolder::open(folder_));
    EXPECT_TRUE(made.ok()) << made.error().message;
    if (made.ok()) made->close();
  }
  is_over = true;
  others.join();
}

TEST_F(OutboxTest, AFactThatIsRefusedIsSetAsideAndKeepsNoOtherOut) {
  Outbox outbox = create();
  for (int number : {1, 2, 3}) ASSERT_TRUE(outbox.put(fact(number)).ok());
  catalogue_.refused = 2;
  ASSERT_TRUE(outbox.deliver(catalogue_.face()).ok());
  EXPECT_EQ(catalogue_.numbers, (std::vector<int>{1, 3}));
  EXPECT_EQ(outbox.waiting(), 0u);
  std::string aside = *read_file(folder_ / "outbox" / "refused.jsonl");
  EXPECT_NE(aside.find("{\"number\":2}"), std::string::npos) << aside;
}

TEST_F(OutboxTest, WhatWasCutShortIsPassedOver) {
  std::filesystem::path file;
  {
    Outbox outbox = create();
    ASSERT_TRUE(outbox.put(fact(1)).ok());
    ASSERT_TRUE(outbox.put(fact(2)).ok());
    file = *std::filesystem::directory_iterator(folder_ / "outbox");
  }
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  ASSERT_TRUE(deliver_left(folder_, catalogue_.face()).ok());
  EXPECT_EQ(catalogue_.numbers, (std::vector<int>{1}));
  EXPECT_FALSE(has_outboxes(folder_));
}

// The catalogue knows facts by their place: those behind one that is lost keep theirs.
TEST_F(OutboxTest, AFactThatIsDamagedTakesOnlyItself) {
  std::filesystem::path file;
  {
    Outbox outbox = create();
    for (int number : {1, 2, 3, 4}) ASSERT_TRUE(outbox.put(fact(number)).ok());
    file = *std::filesystem::directory_iterator(folder_ / "outbox");
  }
  const std::string bytes = *read_file(file);
  std::fstream(file, std::ios::in | std::ios::out | std::ios::binary)
          .seekp(static_cast<std::streamoff>(bytes.find("{\"number\":2}")))
      << 'x';
  std::map<std::int64_t, int> taken;
  const TakeFacts take = [&](const std::string&, std::int64_t first,
                             const wire::Json::Array& facts) -> Result<TakenFacts> {
    TakenFacts done;
    for (const wire::Json& one : facts) {
      if (one.is_null())
        done.refused.push_back({first, "no fact"});
      else
        taken[first] = static_cast<int>(one.find("number")->as_int64());
      done.next = ++first;
    }
    return done;
  };
  ASSERT_TRUE(deliver_left(folder_, take).ok());
  EXPECT_EQ(taken, (std::map<std::int64_t, int>{{0, 1}, {2, 3}, {3, 4}}));
}

}  // namespace
}  // namespace slipway::app
