#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "domain/features/column.h"

// The proleptic Gregorian calendar in UTC, on microseconds. Pure functions. Any thread.
namespace slipway::features {

inline constexpr std::int64_t kSecondUs = 1'000'000;
inline constexpr std::int64_t kMinuteUs = 60 * kSecondUs;
inline constexpr std::int64_t kHourUs = 60 * kMinuteUs;
inline constexpr std::int64_t kDayUs = 24 * kHourUs;

/// Years 1 to 9999: what a timestamp may be.
bool is_in_calendar(std::int64_t us);

/// Nearest multiple of `step` that is not greater; also below zero. Precondition: step > 0.
constexpr std::int64_t floor_to(std::int64_t us, std::int64_t step) {
  const std::int64_t rest = us % step;
  return us - (rest < 0 ? rest + step : rest);
}

struct CivilTime {
  std::int64_t year = 1970;
  int month = 1, day = 1;  // from 1
  int hour = 0, minute = 0, second = 0, microsecond = 0;
};
/// Precondition of both: is_in_calendar.
CivilTime civil_of(std::int64_t us);
std::int64_t us_of(const CivilTime& civil);
int days_in_month(std::int64_t year, int month);

/// What can be asked of a timestamp, truncated to, counted and added.
enum class DatePart {
  kYear,
  kQuarter,
  kMonth,
  kWeek,
  kDay,
  kHour,
  kMinute,
  kSecond,
  kMillisecond,
  kMicrosecond,
  kDayOfWeek,     // 0 is Sunday
  kIsoDayOfWeek,  // 1 is Monday, 7 Sunday
  kDayOfYear,     // from 1
  kIsoYear,       // the year that the ISO week belongs to
  kEpoch,         // seconds since 1970, rounded down
};
std::optional<DatePart> parse_date_part(std::string_view name);
/// kWeek is the ISO week. kMillisecond and kMicrosecond include the seconds, as in PostgreSQL.
std::int64_t part_of(DatePart part, std::int64_t us);
/// Nothing for parts that are no spans (kDayOfWeek, ...). Weeks begin on Monday.
std::optional<std::int64_t> truncate(DatePart part, std::int64_t us);
/// How many boundaries of `part` lie between; nothing for parts that are no spans.
std::optional<std::int64_t> difference(DatePart part, std::int64_t from_us, std::int64_t to_us);
/// A day beyond the end of the month becomes its last day. Nothing beyond the calendar, or for
/// parts that are no spans.
std::optional<std::int64_t> add(DatePart part, std::int64_t count, std::int64_t us);

/// "2026-01-01", "2026-01-01T10:30", "2026-01-01 10:30:00.123456+02:00", "...Z". Without a zone:
/// UTC. At most six digits of a second's fraction. Nothing for anything else, or beyond the
/// calendar; a leap second (":60") is none.
std::optional<std::int64_t> parse_timestamp(std::string_view text);
/// "2026-01-01T00:00:00Z", with six digits of fraction when it is not whole.
std::string format_timestamp(std::int64_t us);

}  // namespace slipway::features
