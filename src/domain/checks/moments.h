#pragma once

#include <cstdint>
#include <limits>
#include <span>

namespace slipway::checks {

/// Count, range and central moments to the fourth order of finite values; merged as Chan, Golub and
/// LeVeque do, so the order of merging changes the last digits only.
struct Moments {
  std::int64_t n = 0;
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
  double mean = 0;
  double m2 = 0, m3 = 0, m4 = 0;  // sums of powers of the distance from the mean

  /// Precondition: all are finite.
  void add(std::span<const double> values);
  /// The same where sum_of() the values is known.
  void add(std::span<const double> values, double sum);
  /// One value: the update of Welford to the fourth order, without what a list needs.
  void add(double value);
  void merge(const Moments& other);

  double sum() const { return mean * static_cast<double>(n); }
  double variance() const { return n > 0 ? m2 / static_cast<double>(n) : 0; }  // ddof 0
  double deviation() const;
  double skewness() const;  // 0 when all values are equal
  double kurtosis() const;  // excess; 0 when all values are equal
};

}  // namespace slipway::checks
