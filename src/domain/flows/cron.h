#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "base/timezone.h"

// Rules of the calendar: five fields as in Vixie's cron (minute, hour, day of month, month, day of
// week), evaluated in the civil time of a zone. Values and pure functions; any thread.
namespace slipway::flows {

/// Numbers, '*', lists, ranges, steps ("*/15", "8-18/2"), names of months and weekdays in English,
/// 0 and 7 for Sunday, and @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually. When
/// day of month and day of week are both restricted, either will do.
class CronRule {
 public:
  /// kInvalid names the field, what was found and what may stand there.
  static Result<CronRule> parse(std::string_view text);

  /// Minute and hour are lists of numbers: it means points of the day, and a day without such a
  /// point (the clocks went forward over it) has its firing right after the gap, a day that has it
  /// twice the first one. Everything else means an interval, and follows the clock on the wall,
  /// both times.
  bool is_fixed() const { return is_fixed_; }

  /// False where no month that is asked for has a day that is: February 30.
  bool can_fire() const;
  bool matches_day(std::int64_t days) const;
  bool matches_minute(int hour, int minute) const {
    return hours_[at(hour)] && minutes_[at(minute)];
  }

 private:
  static std::size_t at(int value) { return static_cast<std::size_t>(value); }
  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;     // 1-31
  std::bitset<13> months_;   // 1-12
  std::bitset<7> weekdays_;  // 0 is Sunday
  bool any_day_ = false, any_weekday_ = false;
  bool is_fixed_ = false;
};

struct CronFiring {
  UnixMs at_ms = 0;
  /// The local time that the rule means, "2026-10-25T02:30"; with "/2" when the clock shows it for
  /// the second time. With the trigger's name it identifies the firing for ever.
  std::string nominal;
};

/// The first firing after `after_ms`; nothing when the rule matches no day within 40 years
/// (February 30).
std::optional<CronFiring> next_firing(const CronRule& rule, const TimeZone& zone, UnixMs after_ms);

}  // namespace slipway::flows
