#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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

/// Shows the time that it was told last: history is lived through again. Spans are measured as they
/// are.
class ReplayClock final : public Clock {
 public:
  explicit ReplayClock(UnixMs start_ms = 0) : now_ms_(start_ms) {}
  UnixMs now_ms() const override { return now_ms_; }
  std::chrono::nanoseconds monotonic() const override { return system_.monotonic(); }
  /// Returns false, and changes nothing, when that would be going back.
  bool turn_to(UnixMs ms);

 private:
  std::atomic<UnixMs> now_ms_;
  SystemClock system_;
};

/// "2026-11-25T18:04:21.123Z"
std::string to_iso8601(UnixMs ms);
/// RFC 3339: "2026-11-25T18:04:21Z", with a fraction (cut to milliseconds) or an offset "+01:00"; a
/// date alone is its midnight in UTC. Nothing for anything else: without "Z" or an offset a time of
/// day says nothing.
std::optional<UnixMs> parse_iso8601(std::string_view text);

}  // namespace slipway
