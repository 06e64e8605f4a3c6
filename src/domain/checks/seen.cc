#include "domain/checks/seen.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "domain/checks/plan.h"

namespace slipway::checks {

void Seen::add_all(std::span<const std::uint64_t> hashes) {
  // What is looked up soon is fetched meanwhile: of many values the slots lie far apart.
  constexpr std::size_t kAhead = 16;
  std::size_t i = 0;
  for (; exact_ && i < hashes.size(); ++i) {
    if (i + kAhead < hashes.size() && !slots_.empty())
      __builtin_prefetch(&slots_[hashes[i + kAhead] & (slots_.size() - 1)]);
    add(hashes[i]);
  }
  n_ += static_cast<std::int64_t>(hashes.size() - i);
  sketch_.add_all(hashes.subspan(i));
}

void Seen::add(std::uint64_t hash) {
  ++n_;
  if (exact_ && is_full()) grow();
  if (exact_)
    put(hash);
  else
    sketch_.add(hash);
}

void Seen::add_known(std::int64_t count) {
  if (count == 0) return;
  ++n_;
  if (exact_ && is_full()) grow();  // whether they are unique is weighed when the first one comes
  n_ += count - 1;
}

void Seen::put(std::uint64_t hash) {
  if (hash == 0) hash = 1;  // 0 marks a free slot
  const std::size_t mask = slots_.size() - 1;
  std::size_t at = hash & mask;
  while (slots_[at] != 0) {
    if (slots_[at] == hash) return;
    at = (at + 1) & mask;
  }
  slots_[at] = hash;
  ++size_;
}

Uniqueness Seen::result() const {
  if (exact_) return {n_, static_cast<std::int64_t>(size_), true};
  return {n_, std::min(n_, static_cast<std::int64_t>(std::llround(sketch_.estimate()))), false};
}

void Seen::grow() {
  const auto old = std::exchange(slots_, {});
  const bool unlikely = while_likely_ && static_cast<double>(size_) < 0.9 * static_cast<double>(n_);
  if (size_ >= Profiler::kUniqueMax || (unlikely && size_ >= 512)) {
    exact_ = false;
    for (std::uint64_t hash : old) {
      if (hash != 0) sketch_.add(hash);
    }
    return;
  }
  slots_.assign(old.empty() ? 64 : old.size() * 2, 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::uint64_t hash : old) {
    if (hash == 0) continue;
    std::size_t at = hash & mask;
    while (slots_[at] != 0) at = (at + 1) & mask;
    slots_[at] = hash;
  }
}

}  // namespace slipway::checks
