// The small things that threads share: queue, stop token, guarded value, metrics.
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/guarded.h"
#include "base/lazy_queue.h"
#include "base/metrics.h"
#include "base/queue.h"
#include "base/stop.h"

namespace slipway {
namespace {

TEST(Queue, RefusesWhenFullAndKeepsTheItem) {
  Queue<std::string> queue(1);
  std::string first = "first", second = "second";
  EXPECT_TRUE(queue.push(first));
  EXPECT_FALSE(queue.push(second));
  EXPECT_EQ(second, "second");
  EXPECT_EQ(queue.pop(), "first");
  queue.close();
  EXPECT_FALSE(queue.push(second));
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(Queue, EveryItemArrivesOnceAfterClose) {
  constexpr int kItems = 10'000;
  Queue<int> queue(kItems);
  Guarded<std::vector<int>> taken;
  std::vector<std::thread> readers;
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      for (std::vector<int> some = queue.pop_many(7); !some.empty(); some = queue.pop_many(7)) {
        taken.with([&](auto& all) { all.insert(all.end(), some.begin(), some.end()); });
      }
    });
  }
  for (int i = 0; i < kItems; ++i) ASSERT_TRUE(queue.push(i));
  queue.close();
  for (std::thread& reader : readers) reader.join();
  std::vector<int> all = taken.with([](auto& items) { return items; });
  std::sort(all.begin(), all.end());
  ASSERT_EQ(all.size(), static_cast<std::size_t>(kItems));
  for (int i = 0; i < kItems; ++i) ASSERT_EQ(all[static_cast<std::size_t>(i)], i);
}

TEST(LazyQueue, RefusesWhenFullAndKeepsTheItem) {
  LazyQueue<std::string> queue(1, std::chrono::hours(1));
  std::string first = "first", second = "second";
  EXPECT_TRUE(queue.push(first));
  EXPECT_FALSE(queue.push(second));
  EXPECT_EQ(second, "second");
  EXPECT_EQ(queue.pop_all().front(), "first");
  queue.close();
  EXPECT_FALSE(queue.push(second));
  EXPECT_TRUE(queue.pop_all().empty());
}

/// What its consumer sees of one that lingers for longer than any test may last.
std::vector<int> taken_from(const std::function<void(LazyQueue<int>&)>& fill) {
  LazyQueue<int> queue(8, std::chrono::hours(1));
  std::vector<int> taken;
  std::thread consumer([&] {
    for (std::deque<int> some = queue.pop_all(); !some.empty(); some = queue.pop_all())
      taken.insert(taken.end(), some.begin(), some.end());
  });
  fill(queue);
  consumer.join();
  return taken;
}

TEST(LazyQueue, LingersNoLongerThanItIsHurriedOrClosed) {
  auto push = [](LazyQueue<int>& queue, int item) { ASSERT_TRUE(queue.push(item)); };
  EXPECT_EQ(taken_from([](LazyQueue<int>& queue) { queue.close(); }), std::vector<int>{});
  EXPECT_EQ(taken_from([&](LazyQueue<int>& queue) {
              push(queue, 1);
              queue.close();
            }),
            std::vector<int>{1});
  EXPECT_EQ(taken_from([&](LazyQueue<int>& queue) {
              push(queue, 1);
              queue.hurry();
              push(queue, 2);
              queue.close();
            }),
            (std::vector<int>{1, 2}));
}

TEST(LazyQueue, ThatIsHalfFullIsTakenAtOnce) {
  std::vector<int> all;
  for (int i = 0; i < 1000; ++i) all.push_back(i);
  EXPECT_EQ(taken_from([&](LazyQueue<int>& queue) {
              for (int& item : all) {
                // More than it holds: it is emptied meanwhile, or this never ends.
                while (!queue.push(item)) std::this_thread::yield();
              }
              queue.close();
            }),
            all);
}

TEST(LazyQueue, WakesAConsumerThatGaveUpLingering) {
  LazyQueue<int> queue(1000, std::chrono::microseconds(1));
  std::vector<int> taken;
  std::thread consumer([&] {
    for (std::deque<int> some = queue.pop_all(); !some.empty(); some = queue.pop_all())
      taken.insert(taken.end(), some.begin(), some.end());
  });
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(queue.push(i));
    if (i % 100 == 0) std::this_thread::yield();
  }
  queue.close();
  consumer.join();
  EXPECT_EQ(taken.size(), 1000u);
}

TEST(StopToken, WakesWhoWaits) {
  StopToken token, copy = token;
  EXPECT_FALSE(token.wait_for(std::chrono::milliseconds(0)));
  std::thread other([copy]() mutable { copy.request_stop(); });
  EXPECT_TRUE(token.wait_for(std::chrono::minutes(1)));
  other.join();
  EXPECT_TRUE(token.stop_requested());
}

TEST(Metrics, ExposesWhatWasCounted) {
  Metrics metrics;
  metrics.counter("slipway_tests_total", "Tests.", {{"kind", "unit"}}).add(2);
  metrics.counter("slipway_tests_total", "Tests.", {{"kind", "unit"}}).add();
  metrics.gauge("slipway_open", "Open.").set(4);
  metrics.histogram("slipway_wait_seconds", "Waits.", {0.1, 1}).observe(0.5);
  std::string text = metrics.expose();
  for (const char* line :
       {"# HELP slipway_tests_total Tests.\n", "# TYPE slipway_tests_total counter\n",
        "slipway_tests_total{kind=\"unit\"} 3\n", "slipway_open 4\n",
        "slipway_wait_seconds_bucket{le=\"0.1\"} 0\n", "slipway_wait_seconds_bucket{le=\"1\"} 1\n",
        "slipway_wait_seconds_count 1\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "\nin\n" << text;
  }
}

TEST(Clock, TimesAsIso8601) {
  EXPECT_EQ(to_iso8601(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_iso8601(1'764'093'861'123), "2025-11-25T18:04:21.123Z");
  EXPECT_EQ(to_iso8601(-1), "1969-12-31T23:59:59.999Z");
  FakeClock clock(1000);
  clock.advance(std::chrono::milliseconds(5));
  EXPECT_EQ(clock.now_ms(), 1005);
}

}  // namespace
}  // namespace slipway
