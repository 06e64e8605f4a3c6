#pragma once

#include <array>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"

// What keeps guessing slow and knowing fast. Bounded memory, any thread.
namespace slipway::access {

/// Counts failed logins in windows of a minute: of a name from one address, of an address, of a
/// name. Names and addresses that share a place share its count, so memory has a bound whatever is
/// sent.
class Throttle {
 public:
  static constexpr UnixMs kWindowMs = 60'000;
  static constexpr int kPairMax = 5, kAddressMax = 30, kNameMax = 60;

  /// Whether another try may be made.
  bool may_try(std::string_view name, std::string_view address, UnixMs now_ms);
  void failed(std::string_view name, std::string_view address, UnixMs now_ms);

 private:
  static constexpr std::size_t kPlaces = 8192;
  struct Place {
    UnixMs window_ms = 0;
    int failures = 0;
  };
  struct Counted {
    Place* place;
    int max;
  };
  std::array<Counted, 3> places_of(std::string_view name, std::string_view address);

  std::mutex mutex_;
  std::vector<Place> places_ = std::vector<Place>(kPlaces);
};

/// Passwords that were found right, so that the next request costs a hash and not a key derivation.
/// What is kept tells nothing without this process's memory.
class KnownPasswords {
 public:
  static constexpr std::size_t kEntriesMax = 4096;
  static constexpr UnixMs kLifeMs = 5 * 60'000;

  KnownPasswords();
  /// `stamp` is that of the password that the name has now: an entry of an earlier one is none.
  bool knows(std::string_view name, std::string_view password, std::int64_t stamp, UnixMs now_ms);
  void learn(std::string_view name, std::string_view password, std::int64_t stamp, UnixMs now_ms);
  std::size_t size();

 private:
  struct Entry {
    std::int64_t stamp = 0;
    UnixMs until_ms = 0;
  };
  std::string key_of(std::string_view name, std::string_view password) const;

  std::string secret_;  // of this process
  std::mutex mutex_;
  std::unordered_map<std::string, Entry> entries_;
};

}  // namespace slipway::access
