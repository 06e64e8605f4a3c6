#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"

// Civil time in the zones of the system's tz database (/usr/share/zoneinfo).
namespace slipway {

/// A minute as a calendar and a clock on the wall show it, in the proleptic Gregorian calendar.
struct CivilMinute {
  int year = 1970, month = 1, day = 1, hour = 0, minute = 0;
  auto operator<=>(const CivilMinute&) const = default;
};

/// Of a valid date; 0 is 1970-01-01.
std::int64_t days_from_civil(int year, int month, int day);
CivilMinute civil_from_days(std::int64_t days);
/// 0 is Sunday.
int weekday_of(std::int64_t days);
int days_in_month(int year, int month);

/// A zone of the database. Copies are cheap. Any thread.
class TimeZone {
 public:
  /// "Europe/Berlin", "UTC". kMissing names the nearest name; kUnavailable when the system has no
  /// tz database.
  static Result<TimeZone> find(const std::string& name);
  static Result<std::vector<std::string>> names();

  CivilMinute to_local(UnixMs ms) const;
  /// When the offset next changes after `ms`; far away when it never does.
  UnixMs next_change(UnixMs ms) const;

  /// The instants at which the clock on the wall begins to show `local`: two when it is turned back
  /// over it, none when it is turned forward over it.
  struct Instants {
    UnixMs first = 0, second = 0;
    int count = 0;
    /// Without any: the first valid instant after the gap, and its local time.
    UnixMs after_gap = 0;
  };
  Instants to_instants(const CivilMinute& local) const;

 private:
  explicit TimeZone(const void* zone) : zone_(zone) {}
  const void* zone_;
};

}  // namespace slipway
