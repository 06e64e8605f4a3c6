#include "domain/checks/cell_text.h"

#include <chrono>
#include <cmath>
#include <cstdio>

#include "base/text.h"
#include "domain/checks/frequent.h"

namespace slipway::checks {
namespace {

using table::Type;

constexpr std::int64_t kSecond = 1'000'000;
constexpr std::int64_t kDay = 86'400 * kSecond;

/// Reads `digits` digits off the front.
std::optional<int> take_number(std::string_view& text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  int value = 0;
  for (std::size_t i = 0; i < digits; ++i) {
    if (!is_digit(text[i])) return std::nullopt;
    value = value * 10 + (text[i] - '0');
  }
  text.remove_prefix(digits);
  return value;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

std::optional<std::int64_t> take_date(std::string_view& text) {
  auto year = take_number(text, 4);
  if (!year || !take(text, '-')) return std::nullopt;
  auto month = take_number(text, 2);
  if (!month || !take(text, '-')) return std::nullopt;
  auto day = take_number(text, 2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count() * kDay;
}

std::int64_t take_fraction(std::string_view& text) {
  if (!take(text, '.')) return 0;
  std::int64_t micros = 0;
  std::int64_t place = kSecond / 10;
  while (!text.empty() && is_digit(text.front())) {
    micros += place * (text.front() - '0');
    place /= 10;
    text.remove_prefix(1);
  }
  return micros;
}

std::optional<std::int64_t> take_clock(std::string_view& text) {
  auto hours = take_number(text, 2);
  if (!hours || *hours > 23 || !take(text, ':')) return std::nullopt;
  auto minutes = take_number(text, 2);
  if (!minutes || *minutes > 59) return std::nullopt;
  std::int64_t micros = (*hours * 3600 + *minutes * 60) * kSecond;
  if (!take(text, ':')) return micros;
  auto seconds = take_number(text, 2);
  if (!seconds || *seconds > 60) return std::nullopt;
  return micros + *seconds * kSecond + take_fraction(text);
}

std::optional<std::int64_t> take_offset(std::string_view& text) {
  if (text.empty() || take(text, 'Z')) return 0;
  const bool west = text.front() == '-';
  if (!take(text, '+') && !take(text, '-')) return std::nullopt;
  auto hours = take_number(text, 2);
  if (!hours) return std::nullopt;
  take(text, ':');
  auto minutes = text.empty() ? std::optional<int>(0) : take_number(text, 2);
  if (!minutes) return std::nullopt;
  const std::int64_t offset = (*hours * 3600 + *minutes * 60) * kSecond;
  return west ? -offset : offset;
}

std::string date_text(std::int64_t micros) {
  const std::int64_t days = micros >= 0 ? micros / kDay : -((kDay - 1 - micros) / kDay);
  const std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(days))};
  char text[32];
  std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text;
}

std::string time_text(std::int64_t micros) {
  std::int64_t within = micros % kDay;
  if (within < 0) within += kDay;
  char text[40];
  const std::int64_t fraction = within % kSecond;
  const std::int64_t seconds = within / kSecond;
  std::snprintf(text, sizeof text, "T%02d:%02d:%02d", static_cast<int>(seconds / 3600),
                static_cast<int>(seconds / 60 % 60), static_cast<int>(seconds % 60));
  std::string out = date_text(micros) + text;
  if (fraction != 0) {
    std::snprintf(text, sizeof text, ".%06d", static_cast<int>(fraction));
    out += text;
    while (out.back() == '0') out.pop_back();
  }
  return out + "Z";
}

}  // namespace

std::string number_text(double value, Type type) {
  constexpr double kTimesMax = 2.5e17;  // within the years that four digits name
  switch (type) {
    case Type::kBool:
      return value != 0 ? "true" : "false";
    case Type::kDate:
      if (std::abs(value) < kTimesMax) return date_text(static_cast<std::int64_t>(value));
      break;
    case Type::kTimestamp:
      if (std::abs(value) < kTimesMax) return time_text(static_cast<std::int64_t>(value));
      break;
    case Type::kInteger:
      if (std::abs(value) < 9.2e18) return std::to_string(static_cast<std::int64_t>(value));
      break;
    default:
      break;
  }
  return python_repr(value);
}

std::string cell_text(const table::ColumnView& view, std::size_t row) {
  switch (view.type) {
    case Type::kText:
      return std::string(view.texts[row].view().substr(0, Frequent::kTextMax));
    case Type::kReal:
      return number_text(view.reals[row], view.type);
    case Type::kBool:
      return view.bools[row] ? "true" : "false";
    default:
      return number_text(static_cast<double>(view.integers[row]), view.type);
  }
}

bool reads_as(std::string_view text, Type type) {
  switch (type) {
    case Type::kInteger:
      return to_int64(text).has_value();
    case Type::kReal:
      return to_double(text).has_value();
    case Type::kBool:
      return text == "true" || text == "false" || text == "True" || text == "False" ||
             text == "0" || text == "1";
    case Type::kDate:
    case Type::kTimestamp:
      return parse_time(text).has_value();
    default:
      return true;
  }
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  auto date = take_date(text);
  if (!date || text.empty()) return date;
  if (!take(text, 'T') && !take(text, ' ')) return std::nullopt;
  auto clock = take_clock(text);
  if (!clock) return std::nullopt;
  auto offset = take_offset(text);
  if (!offset || !text.empty()) return std::nullopt;
  return *date + *clock - *offset;
}

}  // namespace slipway::checks
