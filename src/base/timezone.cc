#include "base/timezone.h"

#include <date/tz.h>

#include <exception>

#include "base/text.h"

namespace slipway {
namespace {

using std::chrono::milliseconds;

const date::time_zone& zone_of(const void* zone) {
  return *static_cast<const date::time_zone*>(zone);
}

date::local_time<std::chrono::minutes> to_local_time(const CivilMinute& c) {
  return date::local_days(date::year(c.year) / c.month / c.day) + std::chrono::hours(c.hour) +
         std::chrono::minutes(c.minute);
}

UnixMs to_ms(std::chrono::seconds seconds) {
  return std::chrono::duration_cast<milliseconds>(seconds).count();
}

}  // namespace

std::int64_t days_from_civil(int year, int month, int day) {
  return date::sys_days(date::year(year) / month / day).time_since_epoch().count();
}

CivilMinute civil_from_days(std::int64_t days) {
  const date::year_month_day ymd{date::sys_days(date::days(days))};
  return {int(ymd.year()), static_cast<int>(unsigned(ymd.month())),
          static_cast<int>(unsigned(ymd.day())), 0, 0};
}

int weekday_of(std::int64_t days) {
  return static_cast<int>(date::weekday(date::sys_days(date::days(days))).c_encoding());
}

int days_in_month(int year, int month) {
  const auto last = date::year(year) / month / date::last;
  return static_cast<int>(unsigned(date::year_month_day(last).day()));
}

Result<TimeZone> TimeZone::find(const std::string& name) {
  try {
    return TimeZone(date::locate_zone(name));
  } catch (const std::exception&) {
    // Unknown, or the database itself is not there: names() tells.
  }
  const std::vector<std::string> known = TRY(names());
  const std::optional<std::string> near = nearest(name, known);
  return missing("there is no time zone '" + name + "'" +
                 (near ? "; did you mean '" + *near + "'?" : ""));
}

Result<std::vector<std::string>> TimeZone::names() {
  try {
    std::vector<std::string> names;
    for (const date::time_zone& zone : date::get_tzdb().zones) names.push_back(zone.name());
    return names;
  } catch (const std::exception& e) {
    return unavailable(std::string("the system has no tz database (install tzdata): ") + e.what());
  }
}

CivilMinute TimeZone::to_local(UnixMs ms) const {
  const auto local = zone_of(zone_).to_local(
      date::sys_time<std::chrono::minutes>(date::floor<std::chrono::minutes>(milliseconds(ms))));
  const auto day = date::floor<date::days>(local);
  const date::year_month_day ymd{day};
  const auto minutes = date::floor<std::chrono::minutes>(local - day).count();
  return {int(ymd.year()), static_cast<int>(unsigned(ymd.month())),
          static_cast<int>(unsigned(ymd.day())), static_cast<int>(minutes / 60),
          static_cast<int>(minutes % 60)};
}

UnixMs TimeZone::next_change(UnixMs ms) const {
  const auto at =
      date::sys_time<std::chrono::seconds>(date::floor<std::chrono::seconds>(milliseconds(ms)));
  return to_ms(zone_of(zone_).get_info(at).end.time_since_epoch());
}

TimeZone::Instants TimeZone::to_instants(const CivilMinute& local) const {
  const auto time = to_local_time(local);
  const date::local_info info = zone_of(zone_).get_info(time);
  const auto since = std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch());
  if (info.result == date::local_info::nonexistent) {
    return {0, 0, 0, to_ms(info.second.begin.time_since_epoch())};
  }
  if (info.result == date::local_info::ambiguous) {
    return {to_ms(since - info.first.offset), to_ms(since - info.second.offset), 2, 0};
  }
  return {to_ms(since - info.first.offset), 0, 1, 0};
}

}  // namespace slipway
