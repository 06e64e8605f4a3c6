#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace slipway::checks {

/// How many different values there are, off by 1.6 % (one standard error): HyperLogLog with 4,096
/// registers. Merging is exact.
class DistinctSketch {
 public:
  static constexpr double kStandardError = 0.01625;  // of an estimate: 1.04 / sqrt(4096)

  void add(std::uint64_t hash) {
    const std::size_t index = hash >> 52;
    const int rank = std::countl_zero((hash << 12) | (1u << 11)) + 1;
    if (rank > registers_[index]) registers_[index] = static_cast<std::uint8_t>(rank);
  }
  /// The same for each of them. Of many values nearly none changes a register, and that is seen by
  /// looking at the hashes alone.
  void add_all(std::span<const std::uint64_t> hashes);
  void merge(const DistinctSketch& other);
  double estimate() const;
  bool operator==(const DistinctSketch& other) const { return registers_ == other.registers_; }

  /// One character a register ('0' and above); runs of '0' are "z" and their length in decimal,
  /// ".".
  std::string text() const;
  static bool restore(std::string_view text, DistinctSketch& out);

 private:
  std::array<std::uint8_t, 4096> registers_{};
  int floor_ = 0;  // no register is below it
};

}  // namespace slipway::checks
