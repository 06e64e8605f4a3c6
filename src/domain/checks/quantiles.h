#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace slipway::checks {

/// A KLL sketch of finite values with a sampler before it: exact below its first compaction, later
/// off by less than 1 % of the rank (99 of 100 times), whatever the order of the values, and after
/// any merging. Deterministic: the same values in the same order give the same sketch.
class QuantileSketch {
 public:
  static constexpr int kTop = 400;                 // values of the uppermost level
  static constexpr std::int64_t kSampled = 32768;  // values that get through the sampler, at most

  void add(std::span<const double> values);
  void merge(const QuantileSketch& other);

  std::int64_t n() const { return n_; }
  /// The smallest kept value that at least the share `q` of all values does not exceed. n() > 0.
  double quantile(double q) const;
  std::vector<double> quantiles(std::span<const double> shares) const;
  /// The share of the values at or below `x`; 0 when there are none.
  double share_until(double x) const;

  /// The values kept, ascending, each standing for so many.
  struct Weighted {
    double value;
    std::int64_t weight;
  };
  std::vector<Weighted> sorted() const;

  /// As written: levels[h] holds values that stand for 2^h each. False: that is no sketch.
  std::vector<std::vector<double>> levels() const;
  static bool restore(std::vector<std::vector<double>> levels, QuantileSketch& out);

 private:
  void push(std::size_t level, double value);
  void take_open_block(const QuantileSketch& other);
  void compact();
  void grow_sampler();
  std::size_t capacity(std::size_t level) const;
  std::uint64_t random();

  std::vector<std::vector<double>> levels_{1};
  std::size_t kept_ = 0;
  std::int64_t n_ = 0;
  // The sampler keeps one of 2^sampling_ values; a block that is not full yet:
  std::size_t sampling_ = 0;
  std::int64_t block_seen_ = 0, block_pick_ = 0;
  double block_value_ = 0;
  std::int64_t sampled_ = 0;
  std::uint64_t state_ = 0x2545f4914f6cdd1d;
};

}  // namespace slipway::checks
