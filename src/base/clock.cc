#include "base/clock.h"

#include <cstdio>
#include <ctime>

#include "base/text.h"
#include "base/timezone.h"

namespace slipway {
namespace {

/// Takes exactly so many digits off the front, for a number in [least, most].
bool take_number(std::string_view& text, std::size_t digits, int least, int most, int& value) {
  if (text.size() < digits) return false;
  value = 0;
  for (char c : text.substr(0, digits)) {
    if (!is_digit(c)) return false;
    value = value * 10 + (c - '0');
  }
  text.remove_prefix(digits);
  return value >= least && value <= most;
}

bool take(std::string_view& text, char c) {
  if (text.empty() || text.front() != c) return false;
  text.remove_prefix(1);
  return true;
}

/// ".5" and the like, in milliseconds; what is finer is cut.
bool take_fraction(std::string_view& text, int& ms) {
  ms = 0;
  if (!take(text, '.')) return true;
  if (text.empty() || !is_digit(text.front())) return false;
  for (int place = 100; !text.empty() && is_digit(text.front()); place /= 10) {
    ms += place * (text.front() - '0');
    text.remove_prefix(1);
  }
  return true;
}

/// "Z" or "+01:00", in minutes ahead of UTC.
bool take_offset(std::string_view& text, int& ahead) {
  ahead = 0;
  if (take(text, 'Z') || take(text, 'z')) return true;
  const bool is_behind = !text.empty() && text.front() == '-';
  int hours = 0, minutes = 0;
  if (!take(text, is_behind ? '-' : '+') || !take_number(text, 2, 0, 23, hours)) return false;
  if (!take(text, ':') || !take_number(text, 2, 0, 59, minutes)) return false;
  ahead = (hours * 60 + minutes) * (is_behind ? -1 : 1);
  return true;
}

}  // namespace

UnixMs SystemClock::now_ms() const {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::chrono::nanoseconds SystemClock::monotonic() const {
  return std::chrono::steady_clock::now().time_since_epoch();
}

bool ReplayClock::turn_to(UnixMs ms) {
  UnixMs known = now_ms_;
  while (ms >= known) {
    if (now_ms_.compare_exchange_weak(known, ms)) return true;
  }
  return false;
}

std::string to_iso8601(UnixMs ms) {
  UnixMs seconds = ms / 1000;
  UnixMs rest = ms % 1000;
  if (rest < 0) {
    rest += 1000;
    --seconds;
  }
  std::time_t time = seconds;
  std::tm utc{};
  gmtime_r(&time, &utc);
  char buffer[64];
  std::size_t length = std::strftime(buffer, sizeof buffer, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(buffer + length, sizeof buffer - length, ".%03dZ", static_cast<int>(rest));
  return buffer;
}

std::optional<UnixMs> parse_iso8601(std::string_view text) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, ms = 0, ahead = 0;
  if (!take_number(text, 4, 1, 9999, year) || !take(text, '-')) return std::nullopt;
  if (!take_number(text, 2, 1, 12, month) || !take(text, '-')) return std::nullopt;
  if (!take_number(text, 2, 1, days_in_month(year, month), day)) return std::nullopt;
  if (!text.empty()) {
    if (!take(text, 'T') && !take(text, 't') && !take(text, ' ')) return std::nullopt;
    if (!take_number(text, 2, 0, 23, hour) || !take(text, ':')) return std::nullopt;
    if (!take_number(text, 2, 0, 59, minute) || !take(text, ':')) return std::nullopt;
    if (!take_number(text, 2, 0, 60, second) || !take_fraction(text, ms)) return std::nullopt;
    if (!take_offset(text, ahead) || !text.empty()) return std::nullopt;
  }
  const UnixMs minutes = days_from_civil(year, month, day) * 1440 + hour * 60 + minute - ahead;
  return (minutes * 60 + second) * 1000 + ms;
}

}  // namespace slipway
