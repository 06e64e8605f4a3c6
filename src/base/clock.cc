#include "base/clock.h"

#include <cstdio>
#include <ctime>

namespace slipway {

UnixMs SystemClock::now_ms() const {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::chrono::nanoseconds SystemClock::monotonic() const {
  return std::chrono::steady_clock::now().time_since_epoch();
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

}  // namespace slipway
