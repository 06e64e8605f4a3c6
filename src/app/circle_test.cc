#include "app/circle.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>

namespace slipway::app {
namespace {

using namespace std::chrono_literals;

class TestPart : public Part {
 public:
  TestPart(std::function<Result<bool>(UnixMs)> turn, std::function<bool()> pending = {},
           std::string name = "test")
      : turn_(std::move(turn)), pending_(std::move(pending)), name_(std::move(name)) {}
  std::string name() const override { return name_; }
  Result<bool> turn(UnixMs now) override { return turn_(now); }
  bool is_pending() const override { return pending_ && pending_(); }

 private:
  std::function<Result<bool>(UnixMs)> turn_;
  std::function<bool()> pending_;
  std::string name_;
};

TEST(Circle, SettlesWhenNoPartHasAnythingLeft) {
  FakeClock clock;
  Circle circle(clock);
  int first = 3, second = 0;  // the second part's work comes from the first one's
  circle.add(std::make_unique<TestPart>([&](UnixMs) -> Result<bool> {
    if (second == 0) return false;
    --second;
    return true;
  }));
  circle.add(std::make_unique<TestPart>([&](UnixMs) -> Result<bool> {
    if (first == 0) return false;
    --first;
    ++second;
    return true;
  }));
  ASSERT_TRUE(circle.settle(10s).ok());
  EXPECT_EQ(first, 0);
  EXPECT_EQ(second, 0);
}

TEST(Circle, GivesTheClocksTime) {
  FakeClock clock(1000);
  Circle circle(clock);
  UnixMs seen = 0;
  circle.add(std::make_unique<TestPart>([&](UnixMs now) -> Result<bool> {
    seen = now;
    return false;
  }));
  clock.advance(5ms);
  ASSERT_TRUE(circle.settle(10s).ok());
  EXPECT_EQ(seen, 1005);
}

TEST(Circle, WaitsForWorkElsewhere) {
  FakeClock clock;
  Circle circle(clock);
  std::atomic<bool> begun = false, ended = false, collected = false;
  std::thread elsewhere;
  circle.add(std::make_unique<TestPart>(
      [&](UnixMs) -> Result<bool> {
        if (!begun.exchange(true)) {
          elsewhere = std::thread([&] {
            ended = true;
            circle.wake();
          });
          return true;
        }
        if (ended && !collected.exchange(true)) return true;
        return false;
      },
      [&] { return begun && !collected; }));
  ASSERT_TRUE(circle.settle(10s).ok());
  EXPECT_TRUE(collected);
  elsewhere.join();
}

TEST(Circle, LooksAgainAfterAWakeDuringTheLastLook) {
  FakeClock clock;
  Circle circle(clock);
  bool work = false, done = false;
  int asked = 0;
  circle.add(std::make_unique<TestPart>(
      [&](UnixMs) -> Result<bool> {
        done = done || work;
        return std::exchange(work, false);
      },
      [&] {
        if (++asked != 2) return false;  // once before the turns, once after them
        work = true;                     // as another thread might
        circle.wake();
        return false;
      }));
  ASSERT_TRUE(circle.settle(10s).ok());
  EXPECT_TRUE(done);
}

TEST(Circle, SaysWhatFailed) {
  FakeClock clock;
  Circle circle(clock);
  circle.add(std::make_unique<TestPart>([](UnixMs) -> Result<bool> {
    return Error{Code::kInternal, "no disk"};
  }));
  Result<> settled = circle.settle(10s);
  ASSERT_FALSE(settled.ok());
  EXPECT_EQ(settled.error().message, "no disk");
}

TEST(Circle, GivesUpOnWorkThatDoesNotEnd) {
  FakeClock clock;
  Circle circle(clock);
  circle.add(std::make_unique<TestPart>([](UnixMs) -> Result<bool> { return false; },
                                        [] { return true; }));
  Result<> settled = circle.settle(1ms);
  ASSERT_FALSE(settled.ok());
  EXPECT_EQ(settled.error().code, Code::kUnavailable);
  EXPECT_NE(settled.error().message.find("at work: test"), std::string::npos)
      << settled.error().message;
}

TEST(Circle, NobodyWaitsAfterAnInterruption) {
  FakeClock clock;
  Circle circle(clock);
  std::atomic<bool> asked = false;
  circle.add(std::make_unique<TestPart>([](UnixMs) -> Result<bool> { return false; },
                                        [&] {
                                          asked = true;
                                          return true;
                                        }));
  std::thread other([&] {
    while (!asked) std::this_thread::yield();
    circle.interrupt();
  });
  EXPECT_EQ(circle.settle(1h).error().code, Code::kUnavailable);
  EXPECT_EQ(circle.settle(1h).error().code, Code::kUnavailable);
  other.join();
}

TEST(Circle, NoPartTurnsWhileItsGuardFails) {
  FakeClock clock;
  Circle circle(clock);
  int turns = 0;
  bool may_turn = false;
  circle.guard([&]() -> Result<Circle::StandsBy> {
    if (may_turn) return Circle::StandsBy();
    return conflict("another has it");
  });
  circle.add(std::make_unique<TestPart>([&](UnixMs) -> Result<bool> {
    ++turns;
    return false;
  }));
  Result<> settled = circle.settle(10s);
  ASSERT_FALSE(settled.ok());
  EXPECT_EQ(settled.error().message, "another has it");
  EXPECT_EQ(turns, 0);
  may_turn = true;
  EXPECT_TRUE(circle.settle(10s).ok());
  EXPECT_GT(turns, 0);
}

TEST(Circle, PartsStandByWhileAnotherServerActs) {
  struct Standing final : TestPart {
    Standing(int& turns, std::string& why)
        : TestPart([&turns](UnixMs) -> Result<bool> { return ++turns == 0; }), why_(why) {}
    Result<bool> stand_by(UnixMs, const std::string& why) override {
      why_ = why;
      called.set_value();
      return false;
    }
    std::promise<void> called;
    std::string& why_;
  };
  FakeClock clock;
  Circle circle(clock, 1h);
  int turns = 0;
  std::string why;
  auto part = std::make_unique<Standing>(turns, why);
  std::future<void> called = part->called.get_future();
  circle.guard([]() -> Result<Circle::StandsBy> { return Circle::StandsBy("the other acts"); });
  circle.add(std::move(part));
  circle.start();
  circle.wake();
  ASSERT_EQ(called.wait_for(30s), std::future_status::ready);
  circle.stop();
  EXPECT_EQ(why, "the other acts");
  EXPECT_EQ(turns, 0);
  EXPECT_EQ(circle.settle(10s).error().code, Code::kUnavailable);
}

TEST(Circle, AWakeTurnsEveryPart) {
  FakeClock clock;
  Circle circle(clock, 1h);
  std::mutex mutex;
  std::condition_variable changed;
  int turns = 0;
  for (int i = 0; i < 2; ++i) {
    circle.add(std::make_unique<TestPart>([&](UnixMs) -> Result<bool> {
      std::lock_guard lock(mutex);
      ++turns;
      changed.notify_all();
      return false;
    }));
  }
  circle.start();
  circle.wake();
  std::unique_lock lock(mutex);
  EXPECT_TRUE(changed.wait_for(lock, 30s, [&] { return turns >= 2; }));
  lock.unlock();
  circle.stop();
}

TEST(Circle, TheOthersTurnAfterTheOneThatLooksFirst) {
  FakeClock clock;
  Circle circle(clock, 1h);
  constexpr int kOthers = 8, kRounds = 50;
  std::mutex mutex;
  std::condition_variable changed;
  int first = 0, others = 0;
  bool is_early = false;
  circle.add(std::make_unique<TestPart>(
      [&](UnixMs) -> Result<bool> {
        // Time enough for whoever was woken too.
        for (int i = 0; i < 100; ++i) std::this_thread::yield();
        std::lock_guard lock(mutex);
        is_early |= others != first * kOthers;
        ++first;
        return false;
      },
      nullptr, "first"));
  for (int i = 0; i < kOthers; ++i) {
    circle.add(std::make_unique<TestPart>([&](UnixMs) -> Result<bool> {
      std::lock_guard lock(mutex);
      is_early |= first == others / kOthers;
      ++others;
      changed.notify_all();
      return false;
    }));
  }
  circle.start();
  for (int round = 1; round <= kRounds; ++round) {
    circle.wake_first("first");
    std::unique_lock lock(mutex);
    ASSERT_TRUE(changed.wait_for(lock, 30s, [&] { return others == round * kOthers; }));
  }
  circle.stop();
  EXPECT_FALSE(is_early);
}

TEST(Circle, SettlesBesideAPartThatLooksFirst) {
  FakeClock clock;
  Circle circle(clock, 1h);
  std::atomic<int> due = 0;
  int done = 0;
  circle.add(std::make_unique<TestPart>(
      [&](UnixMs) -> Result<bool> {
        if (due == 0) return false;
        --due;
        ++done;
        return true;
      },
      nullptr, "first"));
  circle.start();
  for (int round = 1; round <= 50; ++round) {
    ++due;
    circle.wake_first("first");
    ASSERT_TRUE(circle.settle(10s).ok());
    EXPECT_EQ(done, round);
  }
  circle.stop();
}

TEST(Circle, MayBeWokenWhilePartsAreAdded) {
  FakeClock clock;
  Circle circle(clock, 1h);
  constexpr int kParts = 200;
  std::atomic<int> turns = 0;
  std::atomic<bool> is_over = false;
  std::thread other([&] {
    do {  // once at least, however late it comes to a core
      circle.wake();
      circle.wake_first("test");
    } while (!is_over);
  });
  for (int i = 0; i < kParts; ++i) {
    circle.add(std::make_unique<TestPart>([&](UnixMs) -> Result<bool> {
      ++turns;
      return false;
    }));
    std::this_thread::yield();
  }
  is_over = true;
  other.join();
  circle.start();
  while (turns < kParts) std::this_thread::yield();  // what came before the start is not forgotten
  circle.stop();
}

TEST(Circle, AWakeOfAnUnknownPartIsOneOfAll) {
  FakeClock clock;
  Circle circle(clock, 1h);
  std::promise<void> turned;
  bool is_told = false;
  circle.add(std::make_unique<TestPart>([&](UnixMs) -> Result<bool> {
    if (!std::exchange(is_told, true)) turned.set_value();
    return false;
  }));
  circle.start();
  circle.wake_first("nobody");
  EXPECT_EQ(turned.get_future().wait_for(30s), std::future_status::ready);
  circle.stop();
}

}  // namespace
}  // namespace slipway::app
