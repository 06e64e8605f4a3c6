#include "domain/flows/cron.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/text.h"

namespace slipway::flows {
namespace {

constexpr UnixMs kMinuteMs = 60'000, kDayMs = 24 * 60 * kMinuteMs;
constexpr std::int64_t kDaysMax = 40 * 366;
constexpr std::size_t kTextBytesMax = 256;

struct Field {
  const char* name;
  int least, most;
  std::vector<std::string> names;  // of `least` and on
};

const std::array<Field, 5>& fields() {
  static const std::array<Field, 5> list{{
      {"minute", 0, 59, {}},
      {"hour", 0, 23, {}},
      {"day of month", 1, 31, {}},
      {"month",
       1,
       12,
       {"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}},
      {"day of week", 0, 7, {"sun", "mon", "tue", "wed", "thu", "fri", "sat"}},
  }};
  return list;
}

struct Macro {
  const char* name;
  const char* meaning;
};
constexpr Macro kMacros[] = {{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},
                             {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
                             {"@monthly", "0 0 1 * *"},  {"@yearly", "0 0 1 1 *"},
                             {"@annually", "0 0 1 1 *"}};

Error refused(const Field& field, std::string_view found) {
  std::string expected = std::to_string(field.least) + " to " + std::to_string(field.most);
  if (!field.names.empty()) expected += ", " + field.names.front() + " to " + field.names.back();
  return invalid("cron: the " + std::string(field.name) + " '" + std::string(found) +
                 "' is not understood; expected " + expected +
                 ", *, lists (1,2), ranges (1-5) or "
                 "steps (*/15)");
}

std::optional<int> read_value(const Field& field, std::string_view text) {
  const std::string lower = to_lower(text);
  auto named = std::find(field.names.begin(), field.names.end(), lower);
  if (named != field.names.end()) {
    return field.least + static_cast<int>(named - field.names.begin());
  }
  const bool digits = !text.empty() && text.size() <= 2 &&
                      std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c); });
  if (!digits) return std::nullopt;
  const auto value = static_cast<int>(*to_int64(text));
  if (value < field.least || value > field.most) return std::nullopt;
  return value;
}

/// One item of a list: "*", "5", "1-5", "*/15", "10-40/10", "5/15" (from 5 on).
template <std::size_t N>
Result<> add_item(const Field& field, std::string_view item, std::bitset<N>& set) {
  const std::size_t slash = item.find('/');
  std::string_view range = item.substr(0, slash);
  int step = 1;
  if (slash != std::string_view::npos) {
    std::string_view text = item.substr(slash + 1);
    const std::optional<std::int64_t> value = to_int64(text);
    if (!value || !is_digit(text.front()) || *value < 1 || *value > field.most) {
      return refused(field, item);
    }
    step = static_cast<int>(*value);
  }
  int first = field.least, last = field.most;
  if (range != "*") {
    const std::size_t dash = range.find('-');
    const std::optional<int> from = read_value(field, range.substr(0, dash));
    const std::optional<int> to =
        dash == std::string_view::npos ? from : read_value(field, range.substr(dash + 1));
    if (!from || !to || *from > *to) return refused(field, item);
    first = *from;
    if (dash != std::string_view::npos || slash == std::string_view::npos) last = *to;
  }
  for (int value = first; value <= last; value += step)
    set.set(static_cast<std::size_t>(value) % N);
  return {};
}

template <std::size_t N>
Result<> read_field(const Field& field, std::string_view text, std::bitset<N>& set) {
  for (std::string_view item : split(text, ',')) TRY(add_item(field, item, set));
  return {};
}

bool is_number_list(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == ','; });
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::string_view word : split(text, ' ')) {
    word = trim(word);
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

std::string two_digits(int value) {
  return (value < 10 ? "0" : "") + std::to_string(value);
}

std::string nominal_of(const CivilMinute& local, bool second_time) {
  return std::to_string(local.year) + "-" + two_digits(local.month) + "-" + two_digits(local.day) +
         "T" + two_digits(local.hour) + ":" + two_digits(local.minute) + (second_time ? "/2" : "");
}

/// The firings that a local minute means, in order.
std::vector<CronFiring> firings_of(const CronRule& rule, const TimeZone& zone,
                                   const CivilMinute& local) {
  const TimeZone::Instants instants = zone.to_instants(local);
  if (instants.count == 0) {
    if (!rule.is_fixed()) return {};
    return {{instants.after_gap, nominal_of(local, false)}};
  }
  std::vector<CronFiring> firings{{instants.first, nominal_of(local, false)}};
  if (instants.count == 2 && !rule.is_fixed()) {
    firings.push_back({instants.second, nominal_of(local, true)});
  }
  return firings;
}

/// The instant at which a day begins on whose every minute the clock shows one time after the
/// other, as on nearly all of them; so that most days cost two look-ups.
std::optional<UnixMs> steady_midnight(const TimeZone& zone, std::int64_t days) {
  const TimeZone::Instants begin = zone.to_instants(civil_from_days(days));
  const TimeZone::Instants end = zone.to_instants(civil_from_days(days + 1));
  const bool steady = begin.count == 1 && end.count == 1 && end.first - begin.first == kDayMs;
  return steady ? std::optional(begin.first) : std::nullopt;
}

/// Whether no clock ever showed this date: a zone changed to the other side of the date line.
bool is_left_out(const TimeZone& zone, CivilMinute date) {
  const bool begins = zone.to_instants(date).count > 0;
  date.hour = 23;
  date.minute = 59;
  return !begins && zone.to_instants(date).count == 0;
}

/// The first firing of one day's minutes after `after_ms`.
std::optional<CronFiring> first_of_day(const CronRule& rule, const TimeZone& zone,
                                       std::int64_t days, UnixMs after_ms) {
  const std::optional<UnixMs> midnight = steady_midnight(zone, days);
  CivilMinute local = civil_from_days(days);
  std::optional<CronFiring> first;
  if (!midnight && is_left_out(zone, local)) return first;
  for (int minute = 0; minute < 24 * 60; ++minute) {
    local.hour = minute / 60;
    local.minute = minute % 60;
    if (!rule.matches_minute(local.hour, local.minute)) continue;
    if (midnight) {
      const UnixMs at_ms = *midnight + minute * kMinuteMs;
      if (at_ms > after_ms) return CronFiring{at_ms, nominal_of(local, false)};
      continue;
    }
    for (CronFiring& firing : firings_of(rule, zone, local)) {
      if (firing.at_ms > after_ms && (!first || firing.at_ms < first->at_ms)) first = firing;
    }
  }
  return first;
}

}  // namespace

Result<CronRule> CronRule::parse(std::string_view text) {
  if (text.size() > kTextBytesMax) return invalid("cron: longer than 256 characters");
  text = trim(text);
  if (text.starts_with('@')) {
    const std::string name = to_lower(text);
    std::vector<std::string> known;
    for (const Macro& macro : kMacros) {
      if (name == macro.name) return parse(macro.meaning);
      known.emplace_back(macro.name);
    }
    return invalid("cron: '" + std::string(text) + "' is not understood; expected one of " +
                   join(known, ", "));
  }
  const std::vector<std::string_view> words = words_of(text);
  if (words.size() != fields().size()) {
    return invalid("cron: '" + std::string(text) + "' has " + std::to_string(words.size()) +
                   " fields; expected five: minute, hour, day of month, month, day of week");
  }
  CronRule rule;
  TRY(read_field(fields()[0], words[0], rule.minutes_));
  TRY(read_field(fields()[1], words[1], rule.hours_));
  TRY(read_field(fields()[2], words[2], rule.days_));
  TRY(read_field(fields()[3], words[3], rule.months_));
  TRY(read_field(fields()[4], words[4], rule.weekdays_));
  rule.any_day_ = words[2].starts_with('*');
  rule.any_weekday_ = words[4].starts_with('*');
  rule.is_fixed_ = is_number_list(words[0]) && is_number_list(words[1]);
  return rule;
}

bool CronRule::can_fire() const {
  // A day of the month alone: each weekday comes in every month, and once on February 29.
  const bool either = !any_day_ && !any_weekday_;
  if (either) return true;
  constexpr int kLongest[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  for (int month = 1; month <= 12; ++month) {
    for (int day = 1; months_[at(month)] && day <= kLongest[month]; ++day) {
      if (days_[at(day)]) return true;
    }
  }
  return false;
}

bool CronRule::matches_day(std::int64_t days) const {
  const CivilMinute date = civil_from_days(days);
  if (!months_[at(date.month)]) return false;
  const bool day = days_[at(date.day)];
  const bool weekday = weekdays_[at(weekday_of(days))];
  return any_day_ || any_weekday_ ? day && weekday : day || weekday;
}

std::optional<CronFiring> next_firing(const CronRule& rule, const TimeZone& zone, UnixMs after_ms) {
  const CivilMinute start = zone.to_local(after_ms);
  const std::int64_t today = days_from_civil(start.year, start.month, start.day);
  std::optional<CronFiring> next;
  // From yesterday: when the clocks go forward over midnight, what it still meant comes today. And
  // one day beyond the first one found, where they are turned back over midnight.
  for (std::int64_t days = today - 1; days <= today + kDaysMax; ++days) {
    if (!rule.matches_day(days)) {
      if (next) break;
      continue;
    }
    std::optional<CronFiring> first = first_of_day(rule, zone, days, after_ms);
    const bool found_before = next.has_value();
    if (first && (!next || first->at_ms < next->at_ms)) next = std::move(first);
    if (found_before) break;
  }
  return next;
}

}  // namespace slipway::flows
