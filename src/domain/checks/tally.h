#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "io/table/table.h"

// Counting equal cells by their bits, before anything of them is worked out.
namespace slipway::checks {

/// A number of 64 bits as a key.
struct NumberKey {
  std::int64_t bits = std::numeric_limits<std::int64_t>::min();  // as made: no key

  bool operator==(const NumberKey&) const = default;
  std::uint64_t mixed() const { return static_cast<std::uint64_t>(bits) * 0x9e3779b97f4a7c15; }
};

/// A text that lies in its 16 bytes.
struct TextKey {
  std::uint64_t head = ~std::uint64_t{0}, tail = 0;  // as made: no key, as no length is so large

  TextKey() = default;
  explicit TextKey(const table::Text& text) {
    static_assert(sizeof text == sizeof head + sizeof tail);
    std::memcpy(static_cast<void*>(this), &text, sizeof text);
  }
  table::Text text() const {
    table::Text text;
    std::memcpy(static_cast<void*>(&text), this, sizeof text);
    return text;
  }
  bool operator==(const TextKey&) const = default;
  std::uint64_t mixed() const {
    return (head ^ std::rotl(tail * 0xbf58476d1ce4e5b9, 32)) * 0x9e3779b97f4a7c15;
  }
};

/// How often each of some values came since it was put here. What is known of a value by its hash
/// is the business of others, who are told the counts in the end.
template <class Key>
class Tally {
 public:
  /// More values are not taken.
  static constexpr std::size_t kMost = 20'000;

  /// Counts a value that is here; false where it is not, or is hard to find.
  bool count(const Key& key) {
    std::size_t at = place(key);
    for (int probe = 0; probe < kProbesMax; ++probe, at = (at + 1) & mask_) {
      Slot& slot = slots_[at];
      if (slot.key == key) {
        ++slot.more;
        return key != Key();
      }
      if (slot.key == Key()) return false;
    }
    return false;
  }

  /// A value that is not here. Not every one is taken.
  void put(const Key& key, std::uint64_t hash) {
    if (key == Key() || size_ >= kMost) return;
    if (4 * (size_ + 1) > slots_.size()) grow();
    std::size_t at = place(key);
    for (int probe = 0; probe < kProbesMax; ++probe, at = (at + 1) & mask_) {
      if (slots_[at].key != Key()) continue;
      slots_[at] = {key, 0};  // a free slot may have counted what is no key
      hashes_[at] = hash;
      ++size_;
      return;
    }
  }

  /// what(hash, key, count) for each value that came since.
  template <class What>
  void each(What what) const {
    for (std::size_t at = 0; at < slots_.size(); ++at) {
      const Slot& slot = slots_[at];
      if (slot.key != Key() && slot.more > 0) what(hashes_[at], slot.key, slot.more);
    }
  }

  void clear() { *this = Tally(); }

 private:
  struct Slot {
    Key key;
    std::int64_t more = 0;
  };

  std::size_t place(const Key& key) const { return key.mixed() >> shift_; }

  void grow() {
    const std::vector<Slot> slots(std::exchange(slots_, std::vector<Slot>(2 * slots_.size())));
    const auto hashes = std::exchange(hashes_, std::vector<std::uint64_t>(slots_.size()));
    mask_ = slots_.size() - 1;
    shift_ = 64 - std::countr_zero(slots_.size());
    for (std::size_t at = 0; at < slots.size(); ++at) {
      if (slots[at].key == Key()) continue;
      std::size_t to = place(slots[at].key);
      while (slots_[to].key != Key()) to = (to + 1) & mask_;
      slots_[to] = slots[at];
      hashes_[to] = hashes[at];
    }
  }

  // At most a quarter is taken, so that nearly every value is at its place. Where values were made
  // to collide, they are not looked for for long.
  static constexpr int kProbesMax = 32;
  static constexpr std::size_t kSlotsAtFirst = 64;
  std::vector<Slot> slots_ = std::vector<Slot>(kSlotsAtFirst);
  std::vector<std::uint64_t> hashes_ = std::vector<std::uint64_t>(kSlotsAtFirst);
  std::size_t mask_ = kSlotsAtFirst - 1;
  int shift_ = 64 - std::countr_zero(kSlotsAtFirst);
  std::size_t size_ = 0;
};

}  // namespace slipway::checks
