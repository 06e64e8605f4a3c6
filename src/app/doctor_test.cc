#include "app/doctor.h"

#include <gtest/gtest.h>

namespace slipway::app {
namespace {

constexpr std::uint64_t kGiB = 1u << 30;

TEST(JudgeSpace, LittleIsAWarningAndNextToNothingAProblem) {
  EXPECT_EQ(judge_space("d", "/x", 50 * kGiB, 100 * kGiB).level, "ok");
  EXPECT_EQ(judge_space("d", "/x", 2 * kGiB, 100 * kGiB).level, "ok");
  EXPECT_EQ(judge_space("d", "/x", kGiB / 2, 100 * kGiB).level, "warning");
  // A small disk that is half empty.
  EXPECT_EQ(judge_space("d", "/x", kGiB / 2, kGiB).level, "ok");
  const Finding full = judge_space("d", "/x", kGiB / 100, kGiB);
  EXPECT_EQ(full.level, "problem");
  EXPECT_EQ(full.found, "10 MiB of 1024 MiB are free at /x");
  EXPECT_FALSE(full.todo.empty());
}

TEST(JudgeClock, OneThatIsBeforeTheProgramOrBehindItsOwnEventsIsTold) {
  constexpr UnixMs kNow = 1'800'000'000'000;
  EXPECT_EQ(judge_clock(kNow, std::nullopt).level, "ok");
  EXPECT_EQ(judge_clock(kNow, kNow + 60'000).level, "ok");
  EXPECT_EQ(judge_clock(kNow, kNow + 600'000).level, "warning");
  EXPECT_EQ(judge_clock(86'400'000, std::nullopt).level, "problem");
}

TEST(JudgeNotifications, EveryReceiverThatDoesNotTakeThemIsAWarning) {
  EXPECT_EQ(judge_notifications({}).at(0).level, "ok");
  const auto findings = judge_notifications(
      {{"https://one.example/...", 2, 0, 1'700'000'000'000, 3, "connection refused"},
       {"'chat' (https://two.example/...)", 0, 1, 0, 0, "the receiver answered 404"}});
  ASSERT_EQ(findings.size(), 2u);
  EXPECT_EQ(findings[0].level, "warning");
  EXPECT_EQ(findings[0].found,
            "https://one.example/...: 2 wait, the oldest since 2023-11-14T22:13:20.000Z (3 "
            "attempts so far): connection refused");
  EXPECT_EQ(findings[1].found,
            "'chat' (https://two.example/...): 1 was given up in the last 7 days: the receiver "
            "answered 404");
  EXPECT_FALSE(findings[0].todo.empty());
  EXPECT_NE(findings[0].todo, findings[1].todo) << "what was given up is not sent again";
}

}  // namespace
}  // namespace slipway::app
