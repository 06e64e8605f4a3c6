#include "domain/access/throttle.h"

#include "base/hash.h"
#include "base/ids.h"

namespace slipway::access {

std::array<Throttle::Counted, 3> Throttle::places_of(std::string_view name,
                                                     std::string_view address) {
  const auto place = [&](char kind, std::string_view of, std::string_view from) {
    std::string key(1, kind);
    key.append(of).append(1, '\0').append(from);
    return &places_[fast_hash(key) % kPlaces];
  };
  return {Counted{place('p', name, address), kPairMax},
          Counted{place('a', "", address), kAddressMax}, Counted{place('n', name, ""), kNameMax}};
}

bool Throttle::may_try(std::string_view name, std::string_view address, UnixMs now_ms) {
  std::lock_guard lock(mutex_);
  for (const Counted& counted : places_of(name, address)) {
    // A clock that was set back opens a new window.
    const UnixMs age_ms = now_ms - counted.place->window_ms;
    if (age_ms >= 0 && age_ms < kWindowMs && counted.place->failures >= counted.max) return false;
  }
  return true;
}

void Throttle::failed(std::string_view name, std::string_view address, UnixMs now_ms) {
  std::lock_guard lock(mutex_);
  for (const Counted& counted : places_of(name, address)) {
    const UnixMs age_ms = now_ms - counted.place->window_ms;
    if (age_ms < 0 || age_ms >= kWindowMs) *counted.place = {now_ms, 0};
    ++counted.place->failures;
  }
}

KnownPasswords::KnownPasswords() : secret_(random_hex32()) {}

std::string KnownPasswords::key_of(std::string_view name, std::string_view password) const {
  std::string pair(name);
  pair.append(1, '\0').append(password);
  return hmac_sha256(secret_, pair);
}

bool KnownPasswords::knows(std::string_view name, std::string_view password, std::int64_t stamp,
                           UnixMs now_ms) {
  const std::string key = key_of(name, password);
  std::lock_guard lock(mutex_);
  const auto found = entries_.find(key);
  if (found == entries_.end()) return false;
  const Entry& entry = found->second;
  if (entry.stamp == stamp && now_ms < entry.until_ms && now_ms >= entry.until_ms - kLifeMs) {
    return true;
  }
  entries_.erase(found);
  return false;
}

void KnownPasswords::learn(std::string_view name, std::string_view password, std::int64_t stamp,
                           UnixMs now_ms) {
  std::string key = key_of(name, password);
  std::lock_guard lock(mutex_);
  if (entries_.size() >= kEntriesMax) {
    std::erase_if(entries_, [&](const auto& known) { return known.second.until_ms <= now_ms; });
  }
  if (entries_.size() >= kEntriesMax) entries_.clear();
  entries_[std::move(key)] = {stamp, now_ms + kLifeMs};
}

std::size_t KnownPasswords::size() {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace slipway::access
