#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>

namespace slipway {

/// Milliseconds since 1970-01-01T00:00:00Z; what is stored and sent.
using UnixMs = std::int64_t;

/// Where modules get the time from, so that tests turn it by hand. Any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual UnixMs now_ms() const = 0;
  /// Never goes back; for measuring spans.
  virtual std::chrono::nanoseconds monotonic() const = 0;
};

class SystemClock final : public Clock {
 public:
  UnixMs now_ms() const override;
  std::chrono::nanoseconds monotonic() const override;
};

class FakeClock final : public Clock {
 public:
  explicit FakeClock(UnixMs start_ms = 1'700'000'000'000) : now_ms_(start_ms) {}
  UnixMs now_ms() const override { return now_ms_; }
  std::chrono::nanoseconds monotonic() const override { return std::chrono::milliseconds(now_ms_); }
  void advance(std::chrono::milliseconds by) { now_ms_ += by.count(); }

 private:
  std::atomic<UnixMs> now_ms_;
};

/// "2026-11-25T18:04:21.123Z"
std::string to_iso8601(UnixMs ms);

}  // namespace slipway
