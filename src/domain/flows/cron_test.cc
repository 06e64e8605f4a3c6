#include "domain/flows/cron.h"

#include <gtest/gtest.h>

#include <set>
#include <utility>
#include <vector>

namespace slipway::flows {
namespace {

constexpr UnixMs kMinute = 60'000, kHour = 60 * kMinute, kDay = 24 * kHour;

UnixMs utc(int year, int month, int day, int hour = 0, int minute = 0) {
  return days_from_civil(year, month, day) * kDay + hour * kHour + minute * kMinute;
}
CronRule rule(const std::string& text) {
  Result<CronRule> parsed = CronRule::parse(text);
  EXPECT_TRUE(parsed.ok()) << parsed.error().message;
  return *parsed;
}
TimeZone zone(const std::string& name) {
  return *TimeZone::find(name);
}
/// Firings in (from, to], as UTC.
std::vector<std::string> firings(const std::string& text, const std::string& in, UnixMs from,
                                 UnixMs to) {
  std::vector<std::string> list;
  const CronRule parsed = rule(text);
  for (UnixMs at = from;;) {
    const std::optional<CronFiring> next = next_firing(parsed, zone(in), at);
    if (!next || next->at_ms > to) return list;
    EXPECT_GT(next->at_ms, at);
    at = next->at_ms;
    list.push_back(to_iso8601(at).substr(5, 11));
  }
}
using Times = std::vector<std::string>;

TEST(Cron, PlainRules) {
  const UnixMs monday = utc(2026, 11, 23);
  EXPECT_EQ(firings("30 2 * * *", "UTC", monday, monday + 2 * kDay),
            (Times{"11-23T02:30", "11-24T02:30"}));
  EXPECT_EQ(firings("*/20 0-1 * * *", "UTC", monday - kMinute, monday + 3 * kHour),
            (Times{"11-23T00:00", "11-23T00:20", "11-23T00:40", "11-23T01:00", "11-23T01:20",
                   "11-23T01:40"}));
  EXPECT_EQ(firings("0 9 * * mon-wed,FRI", "UTC", monday, monday + 7 * kDay),
            (Times{"11-23T09:00", "11-24T09:00", "11-25T09:00", "11-27T09:00"}));
  EXPECT_EQ(firings("0 0 1 jan *", "UTC", monday, monday + 400 * kDay), Times{"01-01T00:00"});
  EXPECT_EQ(firings("5/20 0 * * *", "UTC", monday, monday + kHour),
            (Times{"11-23T00:05", "11-23T00:25", "11-23T00:45"}));
  EXPECT_EQ(firings("@hourly", "UTC", monday, monday + 2 * kHour),
            (Times{"11-23T01:00", "11-23T02:00"}));
}

TEST(Cron, ZeroAndSevenAreSunday) {
  const UnixMs monday = utc(2026, 11, 23);
  for (const char* text : {"0 0 * * 0", "0 0 * * 7", "0 0 * * sun"}) {
    EXPECT_EQ(firings(text, "UTC", monday, monday + 7 * kDay), Times{"11-29T00:00"}) << text;
  }
  EXPECT_EQ(firings("0 0 * * 5-7", "UTC", monday, monday + 7 * kDay),
            (Times{"11-27T00:00", "11-28T00:00", "11-29T00:00"}));
}

// As Vixie's cron has it: both restricted, either will do; a field that begins with * restricts
// nothing by itself.
TEST(Cron, DayOfMonthOrDayOfWeek) {
  const UnixMs start = utc(2026, 11, 1) - kMinute;
  EXPECT_EQ(firings("0 0 13 * 5", "UTC", start, start + 14 * kDay),
            (Times{"11-06T00:00", "11-13T00:00"}));
  EXPECT_EQ(firings("0 0 10 * 5", "UTC", start, start + 14 * kDay),
            (Times{"11-06T00:00", "11-10T00:00", "11-13T00:00"}));
  EXPECT_EQ(firings("0 0 */2 * 5", "UTC", start, start + 14 * kDay), (Times{"11-13T00:00"}));
}

TEST(Cron, ARuleThatNoDayEverMatchesCannotFire) {
  for (const char* never : {"0 0 31 2 *", "0 0 30 2 *", "0 0 30,31 feb *", "0 0 31 4,6,9,11 *",
                            "0 0 31 2-2 *", "0 0 31 2,4 */2"}) {
    EXPECT_FALSE(rule(never).can_fire()) << never;
  }
  for (const char* sometimes :
       {"0 0 29 2 *", "0 0 31 2,3 *", "0 0 30 4 *", "0 0 31 * *", "0 0 * 2 *", "* * * * *",
        "0 0 29 2 */3", "0 0 31 2 1", "0 0 */30 2 *", "@monthly"}) {
    EXPECT_TRUE(rule(sometimes).can_fire()) << sometimes;
  }
}

TEST(Cron, WhetherARuleCanFireIsWhatALookAtFourHundredYearsSays) {
  for (const char* text : {"0 0 31 2 *", "0 0 31 4 */2", "0 0 29 2 */6", "0 0 30 2,4 */7",
                           "0 0 31 2 5", "0 0 29-31 2 *"}) {
    bool found = false;
    for (std::int64_t day = 0; day < 146'097 && !found; ++day) found = rule(text).matches_day(day);
    EXPECT_EQ(rule(text).can_fire(), found) << text;
  }
}

TEST(Cron, FebruaryThe29thIsWaitedForAndThe30thNeverComes) {
  EXPECT_EQ(next_firing(rule("0 0 29 2 *"), zone("UTC"), utc(2096, 3, 1))->at_ms, utc(2104, 2, 29));
  EXPECT_FALSE(next_firing(rule("0 0 30 2 *"), zone("UTC"), utc(2026, 1, 1)));
}

TEST(Cron, WhatIsNotUnderstoodIsNamed) {
  EXPECT_EQ(CronRule::parse("0 24 * * *").error().message,
            "cron: the hour '24' is not understood; expected 0 to 23, *, lists (1,2), ranges (1-5) "
            "or steps (*/15)");
  EXPECT_EQ(CronRule::parse("0 0 * * fri-mon").error().message,
            "cron: the day of week 'fri-mon' is not understood; expected 0 to 7, sun to sat, *, "
            "lists (1,2), ranges (1-5) or steps (*/15)");
  for (const char* text :
       {"", "* * * *", "* * * * * *", "60 * * * *", "-1 * * * *", "* * 0 * *", "* * * 13 *",
        "* * * * 8", "*/0 * * * *", "*/x * * * *", "1, * * * *", "a * * * *", "1-60 * * * *",
        "+1 * * * *", "*/+5 * * * *", "001 * * * *", "@fortnightly", "1--2 * * * *"}) {
    EXPECT_FALSE(CronRule::parse(text).ok()) << text;
  }
  EXPECT_FALSE(CronRule::parse(std::string(10'000, '*')).ok());
}

// --- clocks that are turned ----------------------------------------------------------------------
// Berlin goes forward at 2026-03-29T01:00Z over 02:00-03:00, and back at 2026-10-25T01:00Z.

TEST(Cron, AFixedTimeInsideTheGapFiresRightAfterIt) {
  EXPECT_EQ(firings("30 2 * * *", "Europe/Berlin", utc(2026, 3, 28), utc(2026, 3, 31)),
            (Times{"03-28T01:30", "03-29T01:00", "03-30T00:30"}));
}

TEST(Cron, AFixedTimeInsideTheOverlapFiresOnce) {
  EXPECT_EQ(firings("30 2 * * *", "Europe/Berlin", utc(2026, 10, 24), utc(2026, 10, 27)),
            (Times{"10-24T00:30", "10-25T00:30", "10-26T01:30"}));
}

TEST(Cron, AnIntervalFollowsTheClockOnTheWall) {
  EXPECT_EQ(firings("*/30 * * * *", "Europe/Berlin", utc(2026, 3, 29, 0), utc(2026, 3, 29, 2)),
            (Times{"03-29T00:30", "03-29T01:00", "03-29T01:30", "03-29T02:00"}));
  EXPECT_EQ(
      firings("*/30 * * * *", "Europe/Berlin", utc(2026, 10, 24, 23, 30), utc(2026, 10, 25, 2)),
      (Times{"10-25T00:00", "10-25T00:30", "10-25T01:00", "10-25T01:30", "10-25T02:00"}));
  EXPECT_EQ(firings("0 7-8 * * *", "Europe/Berlin", utc(2026, 3, 29), utc(2026, 3, 30)),
            (Times{"03-29T05:00", "03-29T06:00"}));
  EXPECT_EQ(firings("15 1-3 * * *", "Europe/Berlin", utc(2026, 3, 29), utc(2026, 3, 29, 2)),
            (Times{"03-29T00:15", "03-29T01:15"}));
}

TEST(Cron, TheSecondPassOfAnOverlapHasAnotherName) {
  const CronRule half = rule("30 * * * *");
  const auto first = next_firing(half, zone("Europe/Berlin"), utc(2026, 10, 25, 0, 0));
  const auto second = next_firing(half, zone("Europe/Berlin"), first->at_ms);
  EXPECT_EQ(first->nominal, "2026-10-25T02:30");
  EXPECT_EQ(second->nominal, "2026-10-25T02:30/2");
  EXPECT_EQ(second->at_ms - first->at_ms, kHour);
}

TEST(Cron, TwoTimesInsideOneGapFireTogether) {
  EXPECT_EQ(firings("0,30 2 * * *", "Europe/Berlin", utc(2026, 3, 29), utc(2026, 3, 29, 12)),
            (Times{"03-29T01:00"}));
}

// In Brazil clocks went forward over midnight: 2018-11-04 began at 01:00.
TEST(Cron, AGapAtMidnight) {
  EXPECT_EQ(firings("30 0 * * *", "America/Sao_Paulo", utc(2018, 11, 3), utc(2018, 11, 6)),
            (Times{"11-03T03:30", "11-04T03:00", "11-05T02:30"}));
  EXPECT_EQ(firings("0 0 * * *", "America/Sao_Paulo", utc(2018, 11, 4), utc(2018, 11, 6)),
            (Times{"11-04T03:00", "11-05T02:00"}));
}

// Samoa had no 2011-12-30.
TEST(Cron, ADateThatNoClockShowedDoesNotFire) {
  EXPECT_EQ(firings("0 12 * * *", "Pacific/Apia", utc(2011, 12, 29), utc(2012, 1, 1)),
            (Times{"12-29T22:00", "12-30T22:00", "12-31T22:00"}));
}

std::int64_t day_number(const std::string& nominal) {
  return days_from_civil(std::stoi(nominal.substr(0, 4)), std::stoi(nominal.substr(5, 2)),
                         std::stoi(nominal.substr(8, 2)));
}

bool is_shown(const TimeZone& in, std::int64_t date) {
  CivilMinute noon = civil_from_days(date);
  noon.hour = 12;
  return in.to_instants(noon).count > 0;
}

/// The local dates on which `daily` fires within three days of `change`; fails when one comes
/// twice, out of order, or is left out.
void expect_each_date_once(const CronRule& daily, const TimeZone& in, UnixMs change) {
  std::optional<std::int64_t> before;
  for (UnixMs at = change - 3 * kDay; at < change + 3 * kDay;) {
    const std::optional<CronFiring> next = next_firing(daily, in, at);
    ASSERT_TRUE(next);
    ASSERT_GT(next->at_ms, at);
    at = next->at_ms;
    const std::int64_t date = day_number(next->nominal);
    if (before) {
      std::int64_t expected = *before + 1;
      while (!is_shown(in, expected)) ++expected;
      ASSERT_EQ(date, expected);
    }
    before = date;
  }
}

// Around every change of every zone's clocks between 2005 and 2030; zones that change alike once.
TEST(Cron, ADailyRuleFiresOnceForEachDateInEveryZone) {
  const CronRule daily = rule("30 2 * * *"), midnight = rule("0 0 * * *");
  const Result<std::vector<std::string>> names = TimeZone::names();
  ASSERT_TRUE(names.ok()) << names.error().message;
  ASSERT_GT(names->size(), 300u);
  std::set<std::vector<std::pair<UnixMs, CivilMinute>>> seen;
  int changes = 0;
  for (const std::string& name : *names) {
    SCOPED_TRACE(name);
    const TimeZone in = zone(name);
    std::vector<std::pair<UnixMs, CivilMinute>> all;
    for (UnixMs at = in.next_change(utc(2005, 1, 1)); at < utc(2030, 1, 1);
         at = in.next_change(at)) {
      all.emplace_back(at, in.to_local(at));
    }
    if (!seen.insert(all).second) continue;
    for (const auto& [at, local] : all) {
      ++changes;
      ASSERT_NO_FATAL_FAILURE(expect_each_date_once(daily, in, at)) << to_iso8601(at);
      ASSERT_NO_FATAL_FAILURE(expect_each_date_once(midnight, in, at)) << to_iso8601(at);
    }
  }
  EXPECT_GT(changes, 1000);
}

}  // namespace
}  // namespace slipway::flows
