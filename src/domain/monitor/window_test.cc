#include "domain/monitor/window.h"

#include <gtest/gtest.h>

namespace slipway::monitor {
namespace {

constexpr UnixMs kHour = 3'600'000, kDay = 24 * kHour;
constexpr UnixMs kMay1 = 1'304'208'000'000;  // 2011-05-01T00:00:00Z, a Sunday

project::MonitorSpec spec(Span window, bool delayed = false, Span labels_within = Span(0)) {
  project::MonitorSpec s;
  s.window = window;
  s.delayed_labels = delayed;
  s.labels_within = labels_within;
  return s;
}

TEST(Windows, OfAWeekBeginOnTheDayOfTheFirstAnswer) {
  const Window window = first_window(kMay1 + 9 * kHour + 1, std::chrono::hours(7 * 24));
  EXPECT_EQ(window, (Window{kMay1, kMay1 + 7 * kDay}));
  EXPECT_EQ(window_from(window.end_ms, std::chrono::hours(7 * 24)).end_ms, kMay1 + 14 * kDay);
}

TEST(Windows, ShorterThanADayBeginAWholeNumberOfThemAfterMidnight) {
  EXPECT_EQ(first_window(kMay1 + 9 * kHour + 1, std::chrono::hours(1)).start_ms, kMay1 + 9 * kHour);
  EXPECT_EQ(first_window(kMay1 + 9 * kHour + 1, std::chrono::hours(6)).start_ms, kMay1 + 6 * kHour);
}

TEST(Windows, BeginBeforeTheFirstAnswerBefore1970Too) {
  EXPECT_EQ(first_window(-1, std::chrono::hours(24)).start_ms, -kDay);
  EXPECT_EQ(first_window(-1, std::chrono::hours(1)).start_ms, -kHour);
}

TEST(Windows, HoldEveryMomentInOneOfThem) {
  for (const auto span : {std::chrono::minutes(90), std::chrono::minutes(60 * 24 * 7)}) {
    Window window = first_window(kMay1 + 1234567, span);
    for (int i = 0; i < 50; ++i) {
      const Window next = window_from(window.end_ms, span);
      EXPECT_EQ(next.start_ms, window.end_ms);
      EXPECT_EQ(next.end_ms - next.start_ms, Span(span).count());
      window = next;
    }
  }
}

TEST(Windows, AreDueMinutesAfterTheirEnd) {
  const auto week = std::chrono::hours(7 * 24);
  EXPECT_EQ(due_ms(spec(week), {kMay1, kMay1 + 7 * kDay}), kMay1 + 7 * kDay + 5 * 60'000);
}

TEST(Windows, WaitAnotherWindowForDelayedLabels) {
  const auto week = std::chrono::hours(7 * 24);
  EXPECT_EQ(due_ms(spec(week, true), {kMay1, kMay1 + 7 * kDay}), kMay1 + 14 * kDay);
}

TEST(Windows, WaitForLabelsAsLongAsIsDeclared) {
  const auto week = std::chrono::hours(7 * 24);
  EXPECT_EQ(due_ms(spec(week, true, std::chrono::hours(48)), {kMay1, kMay1 + 7 * kDay}),
            kMay1 + 9 * kDay);
  EXPECT_EQ(due_ms(spec(week, true, Span(1)), {kMay1, kMay1 + 7 * kDay}),
            kMay1 + 7 * kDay + 5 * 60'000);
}

TEST(Windows, OfAnAgeLastADay) {
  EXPECT_EQ(span_of(spec(Span(0))), std::chrono::hours(24));
}

TEST(NextDue, IsThatOfTheFirstOfAll) {
  const auto week = spec(std::chrono::hours(7 * 24), true), day = spec(std::chrono::hours(24));
  EXPECT_EQ(next_due({{&week, kMay1}, {&day, kMay1 + 3 * kDay}}), kMay1 + 4 * kDay + 5 * 60'000);
  EXPECT_EQ(next_due({{&week, kMay1}, {&day, kMay1 + 30 * kDay}}), kMay1 + 14 * kDay);
  EXPECT_FALSE(next_due({}));
}

}  // namespace
}  // namespace slipway::monitor
