#include "base/timezone.h"

#include <gtest/gtest.h>

namespace slipway {
namespace {

constexpr UnixMs kMinute = 60'000, kHour = 60 * kMinute;
// 2026-03-29: Berlin turns its clocks from 02:00 to 03:00 at 01:00 UTC; 2026-10-25: from 03:00 to
// 02:00 at 01:00 UTC.
constexpr UnixMs kSpring = 1'774'746'000'000, kAutumn = 1'792'890'000'000;

TimeZone berlin() {
  return *TimeZone::find("Europe/Berlin");
}

TEST(TimeZones, AnUnknownOneNamesTheNearest) {
  const Error error = TimeZone::find("Europe/Berln").error();
  EXPECT_EQ(error.code, Code::kMissing);
  EXPECT_EQ(error.message, "there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?");
  EXPECT_FALSE(TimeZone::find("").ok());
  EXPECT_FALSE(TimeZone::find("../../etc/passwd").ok());
}

TEST(TimeZones, ClocksGoForward) {
  EXPECT_EQ(berlin().to_local(kSpring - kMinute), (CivilMinute{2026, 3, 29, 1, 59}));
  EXPECT_EQ(berlin().to_local(kSpring), (CivilMinute{2026, 3, 29, 3, 0}));
  const TimeZone::Instants gap = berlin().to_instants({2026, 3, 29, 2, 30});
  EXPECT_EQ(gap.count, 0);
  EXPECT_EQ(gap.after_gap, kSpring);
  EXPECT_EQ(berlin().next_change(kSpring - kHour), kSpring);
  EXPECT_EQ(berlin().next_change(kSpring), kAutumn);
}

TEST(TimeZones, ClocksGoBack) {
  const TimeZone::Instants twice = berlin().to_instants({2026, 10, 25, 2, 30});
  EXPECT_EQ(twice.count, 2);
  EXPECT_EQ(twice.first, kAutumn - kHour / 2);
  EXPECT_EQ(twice.second, kAutumn + kHour / 2);
  EXPECT_EQ(berlin().to_local(twice.first), berlin().to_local(twice.second));
}

TEST(TimeZones, OtherMinutesAreOneInstant) {
  const TimeZone::Instants once = berlin().to_instants({2026, 7, 1, 12, 0});
  EXPECT_EQ(once.count, 1);
  EXPECT_EQ(berlin().to_local(once.first), (CivilMinute{2026, 7, 1, 12, 0}));
}

TEST(CivilDays, KnowLeapYearsAndWeekdays) {
  EXPECT_EQ(days_from_civil(1970, 1, 1), 0);
  EXPECT_EQ(weekday_of(0), 4);  // a Thursday
  EXPECT_EQ(days_in_month(2000, 2), 29);
  EXPECT_EQ(days_in_month(2100, 2), 28);
  EXPECT_EQ(civil_from_days(days_from_civil(2026, 11, 26)), (CivilMinute{2026, 11, 26, 0, 0}));
}

}  // namespace
}  // namespace slipway
