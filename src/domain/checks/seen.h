#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/huge_pages.h"
#include "domain/checks/distinct.h"
#include "domain/checks/profile.h"

namespace slipway::checks {

/// Hashes seen so far, for exact uniqueness; an estimate once there are too many.
class Seen {
 public:
  /// `while_likely`: exactness is of no use once many values were there twice.
  explicit Seen(bool while_likely = false) : while_likely_(while_likely) {}

  void add(std::uint64_t hash);
  void add_all(std::span<const std::uint64_t> hashes);
  /// So many cells whose hashes were added before.
  void add_known(std::int64_t count);
  Uniqueness result() const;

 private:
  bool is_full() const { return slots_.size() < 2 * (size_ + 1); }
  void put(std::uint64_t hash);
  void grow();

  std::vector<std::uint64_t, HugePages<std::uint64_t>> slots_;  // 0: free
  std::size_t size_ = 0;
  std::int64_t n_ = 0;
  bool exact_ = true;
  bool while_likely_;
  DistinctSketch sketch_;
};

}  // namespace slipway::checks
