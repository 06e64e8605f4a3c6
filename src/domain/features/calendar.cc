#include "domain/features/calendar.h"

#include <array>
#include <cstdio>

#include "base/text.h"

namespace slipway::features {
namespace {

constexpr std::int64_t days_from_civil(std::int64_t year, int month, int day) {
  // Years are counted from March, so that the leap day is the last of its year.
  year -= month <= 2;
  const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
  const std::int64_t year_of_era = year - era * 400;
  const std::int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const std::int64_t day_of_era =
      year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

constexpr std::int64_t kFirstUs = days_from_civil(1, 1, 1) * kDayUs;
constexpr std::int64_t kEndUs = days_from_civil(10'000, 1, 1) * kDayUs;

constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

void set_date(CivilTime& civil, std::int64_t days) {
  days += 719'468;
  const std::int64_t era = floor_div(days, 146'097);
  const std::int64_t day_of_era = days - era * 146'097;
  const std::int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  const std::int64_t day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const std::int64_t month = (5 * day_of_year + 2) / 153;
  civil.day = static_cast<int>(day_of_year - (153 * month + 2) / 5 + 1);
  civil.month = static_cast<int>(month < 10 ? month + 3 : month - 9);
  civil.year = year_of_era + era * 400 + (civil.month <= 2 ? 1 : 0);
}

std::int64_t days_of(std::int64_t us) {
  return floor_div(us, kDayUs);
}

/// 1 is Monday. 1970-01-01 was a Thursday.
std::int64_t iso_day_of_week(std::int64_t days) {
  return (days % 7 + 7 + 3) % 7 + 1;
}

struct IsoWeek {
  std::int64_t year = 0, week = 0;
};
IsoWeek iso_week(std::int64_t us) {
  // The week belongs to the year that its Thursday lies in.
  const std::int64_t days = days_of(us);
  CivilTime thursday;
  const std::int64_t thursday_days = days - iso_day_of_week(days) + 4;
  set_date(thursday, thursday_days);
  return {thursday.year, (thursday_days - days_from_civil(thursday.year, 1, 1)) / 7 + 1};
}

/// Length of a part that always has the same, else 0.
constexpr std::int64_t fixed_length(DatePart part) {
  switch (part) {
    case DatePart::kDay:
      return kDayUs;
    case DatePart::kHour:
      return kHourUs;
    case DatePart::kMinute:
      return kMinuteUs;
    case DatePart::kSecond:
      return kSecondUs;
    case DatePart::kMillisecond:
      return 1000;
    case DatePart::kMicrosecond:
      return 1;
    default:
      return 0;
  }
}

/// Length in months of a part that is made of them, else 0.
constexpr std::int64_t months_of(DatePart part) {
  switch (part) {
    case DatePart::kYear:
      return 12;
    case DatePart::kQuarter:
      return 3;
    case DatePart::kMonth:
      return 1;
    default:
      return 0;
  }
}

constexpr std::int64_t kMondayUs = -3 * kDayUs;  // 1969-12-29

std::int64_t month_number(std::int64_t us) {
  const CivilTime civil = civil_of(us);
  return civil.year * 12 + civil.month - 1;
}

std::int64_t us_of_month(std::int64_t month) {
  return days_from_civil(floor_div(month, 12),
                         static_cast<int>(month - floor_div(month, 12) * 12) + 1, 1) *
         kDayUs;
}

/// Reads exactly `count` digits.
bool take_digits(std::string_view& text, int count, int& value) {
  if (text.size() < static_cast<std::size_t>(count)) return false;
  value = 0;
  for (int i = 0; i < count; ++i) {
    const char c = text[static_cast<std::size_t>(i)];
    if (!is_digit(c)) return false;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(static_cast<std::size_t>(count));
  return true;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

bool take_fraction(std::string_view& text, int& microsecond) {
  int digits = 0;
  while (!text.empty() && is_digit(text.front()) && digits < 6) {
    microsecond = microsecond * 10 + (text.front() - '0');
    text.remove_prefix(1);
    ++digits;
  }
  for (int i = digits; i < 6; ++i) microsecond *= 10;
  return digits > 0;
}

bool take_time(std::string_view& text, CivilTime& civil) {
  if (!take_digits(text, 2, civil.hour) || !take(text, ':')) return false;
  if (!take_digits(text, 2, civil.minute)) return false;
  if (take(text, ':')) {
    if (!take_digits(text, 2, civil.second)) return false;
    if (take(text, '.') && !take_fraction(text, civil.microsecond)) return false;
  }
  return civil.hour < 24 && civil.minute < 60 && civil.second < 60;
}

/// How far the zone is ahead of UTC.
bool take_zone(std::string_view& text, std::int64_t& ahead_us) {
  if (text.empty() || take(text, 'Z') || take(text, 'z')) return true;
  const bool behind = text.front() == '-';
  if (!take(text, '+') && !take(text, '-')) return false;
  int hours = 0, minutes = 0;
  if (!take_digits(text, 2, hours)) return false;
  if (!text.empty()) {
    take(text, ':');
    if (!take_digits(text, 2, minutes)) return false;
  }
  if (hours > 15 || minutes > 59) return false;
  ahead_us = (hours * 60 + minutes) * kMinuteUs * (behind ? -1 : 1);
  return true;
}

}  // namespace

bool is_in_calendar(std::int64_t us) {
  return us >= kFirstUs && us < kEndUs;
}

CivilTime civil_of(std::int64_t us) {
  CivilTime civil;
  const std::int64_t days = days_of(us);
  set_date(civil, days);
  std::int64_t rest = us - days * kDayUs;
  civil.hour = static_cast<int>(rest / kHourUs);
  rest %= kHourUs;
  civil.minute = static_cast<int>(rest / kMinuteUs);
  rest %= kMinuteUs;
  civil.second = static_cast<int>(rest / kSecondUs);
  civil.microsecond = static_cast<int>(rest % kSecondUs);
  return civil;
}

std::int64_t us_of(const CivilTime& civil) {
  return days_from_civil(civil.year, civil.month, civil.day) * kDayUs + civil.hour * kHourUs +
         civil.minute * kMinuteUs + civil.second * kSecondUs + civil.microsecond;
}

int days_in_month(std::int64_t year, int month) {
  constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return kDays[static_cast<std::size_t>(month - 1)] + (month == 2 && leap ? 1 : 0);
}

std::optional<DatePart> parse_date_part(std::string_view name) {
  struct Entry {
    std::string_view name;
    DatePart part;
  };
  static constexpr Entry kParts[] = {{"year", DatePart::kYear},
                                     {"quarter", DatePart::kQuarter},
                                     {"month", DatePart::kMonth},
                                     {"week", DatePart::kWeek},
                                     {"day", DatePart::kDay},
                                     {"hour", DatePart::kHour},
                                     {"minute", DatePart::kMinute},
                                     {"second", DatePart::kSecond},
                                     {"millisecond", DatePart::kMillisecond},
                                     {"microsecond", DatePart::kMicrosecond},
                                     {"dow", DatePart::kDayOfWeek},
                                     {"dayofweek", DatePart::kDayOfWeek},
                                     {"isodow", DatePart::kIsoDayOfWeek},
                                     {"doy", DatePart::kDayOfYear},
                                     {"dayofyear", DatePart::kDayOfYear},
                                     {"isoyear", DatePart::kIsoYear},
                                     {"epoch", DatePart::kEpoch}};
  const std::string lower = to_lower(name);
  for (const Entry& entry : kParts) {
    if (entry.name == lower) return entry.part;
  }
  return std::nullopt;
}

std::int64_t part_of(DatePart part, std::int64_t us) {
  const CivilTime civil = civil_of(us);
  switch (part) {
    case DatePart::kYear:
      return civil.year;
    case DatePart::kQuarter:
      return (civil.month + 2) / 3;
    case DatePart::kMonth:
      return civil.month;
    case DatePart::kWeek:
      return iso_week(us).week;
    case DatePart::kDay:
      return civil.day;
    case DatePart::kHour:
      return civil.hour;
    case DatePart::kMinute:
      return civil.minute;
    case DatePart::kSecond:
      return civil.second;
    case DatePart::kMillisecond:
      return civil.second * 1000 + civil.microsecond / 1000;
    case DatePart::kMicrosecond:
      return civil.second * kSecondUs + civil.microsecond;
    case DatePart::kDayOfWeek:
      return iso_day_of_week(days_of(us)) % 7;
    case DatePart::kIsoDayOfWeek:
      return iso_day_of_week(days_of(us));
    case DatePart::kDayOfYear:
      return days_of(us) - days_from_civil(civil.year, 1, 1) + 1;
    case DatePart::kIsoYear:
      return iso_week(us).year;
    case DatePart::kEpoch:
      return floor_div(us, kSecondUs);
  }
  return 0;
}

std::optional<std::int64_t> truncate(DatePart part, std::int64_t us) {
  if (const std::int64_t length = fixed_length(part)) return floor_to(us, length);
  if (part == DatePart::kWeek) return floor_to(us - kMondayUs, 7 * kDayUs) + kMondayUs;
  if (const std::int64_t months = months_of(part)) {
    return us_of_month(floor_to(month_number(us), months));
  }
  return std::nullopt;
}

std::optional<std::int64_t> difference(DatePart part, std::int64_t from_us, std::int64_t to_us) {
  if (const std::int64_t months = months_of(part)) {
    return floor_div(month_number(to_us), months) - floor_div(month_number(from_us), months);
  }
  const std::int64_t length = part == DatePart::kWeek ? 7 * kDayUs : fixed_length(part);
  if (length == 0) return std::nullopt;
  return (*truncate(part, to_us) - *truncate(part, from_us)) / length;
}

std::optional<std::int64_t> add(DatePart part, std::int64_t count, std::int64_t us) {
  std::int64_t sum = 0;
  if (const std::int64_t months = months_of(part)) {
    std::int64_t by = 0;
    if (__builtin_mul_overflow(count, months, &by)) return std::nullopt;
    if (by < -200'000 || by > 200'000) return std::nullopt;  // far beyond the calendar
    CivilTime civil = civil_of(us);
    const std::int64_t month = civil.year * 12 + civil.month - 1 + by;
    civil.year = floor_div(month, 12);
    civil.month = static_cast<int>(month - civil.year * 12) + 1;
    civil.day = std::min(civil.day, days_in_month(civil.year, civil.month));
    sum = us_of(civil);
  } else {
    const std::int64_t length = part == DatePart::kWeek ? 7 * kDayUs : fixed_length(part);
    if (length == 0) return std::nullopt;
    std::int64_t by = 0;
    if (__builtin_mul_overflow(count, length, &by)) return std::nullopt;
    if (__builtin_add_overflow(us, by, &sum)) return std::nullopt;
  }
  if (!is_in_calendar(sum)) return std::nullopt;
  return sum;
}

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
  CivilTime civil;
  int year = 0;
  if (!take_digits(text, 4, year) || !take(text, '-')) return std::nullopt;
  if (!take_digits(text, 2, civil.month) || !take(text, '-')) return std::nullopt;
  if (!take_digits(text, 2, civil.day)) return std::nullopt;
  civil.year = year;
  if (year < 1 || civil.month < 1 || civil.month > 12) return std::nullopt;
  if (civil.day < 1 || civil.day > days_in_month(year, civil.month)) return std::nullopt;
  std::int64_t ahead_us = 0;
  if (!text.empty()) {
    if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
    if (!take_time(text, civil) || !take_zone(text, ahead_us) || !text.empty()) return std::nullopt;
  }
  const std::int64_t us = us_of(civil) - ahead_us;
  if (!is_in_calendar(us)) return std::nullopt;
  return us;
}

std::string format_timestamp(std::int64_t us) {
  const CivilTime civil = civil_of(us);
  char text[64];
  const int length = std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d",
                                   static_cast<int>(civil.year), civil.month, civil.day, civil.hour,
                                   civil.minute, civil.second);
  std::string out(text, static_cast<std::size_t>(length));
  if (civil.microsecond != 0) {
    std::snprintf(text, sizeof text, ".%06d", civil.microsecond);
    out += text;
  }
  return out + "Z";
}

}  // namespace slipway::features
