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

}  // namespace
}  // namespace slipway::app
