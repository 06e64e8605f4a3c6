#include "domain/checks/moments.h"

#include <algorithm>
#include <cmath>

#include "domain/checks/kernels.h"

namespace slipway::checks {

void Moments::add(std::span<const double> values) {
  add(values, sum_of(values.data(), values.size()));
}

void Moments::add(std::span<const double> values, double sum) {
  if (values.empty()) return;
  Moments chunk;
  chunk.n = static_cast<std::int64_t>(values.size());
  chunk.mean = sum / static_cast<double>(chunk.n);
  const Powers powers = powers_of(values.data(), values.size(), chunk.mean);
  chunk.min = powers.min;
  chunk.max = powers.max;
  chunk.m2 = powers.m2;
  chunk.m3 = powers.m3;
  chunk.m4 = powers.m4;
  merge(chunk);
}

void Moments::add(double value) {
  const double before = static_cast<double>(n++);
  const double after = before + 1;
  const double d = value - mean;
  const double part = d / after;
  const double part2 = part * part;
  const double term = d * part * before;
  mean += part;
  m4 += term * part2 * (after * after - 3 * after + 3) + 6 * part2 * m2 - 4 * part * m3;
  m3 += term * part * (after - 2) - 3 * part * m2;
  m2 += term;
  min = std::min(min, value);
  max = std::max(max, value);
}

void Moments::merge(const Moments& other) {
  if (other.n == 0) return;
  if (n == 0) {
    *this = other;
    return;
  }
  const double a = static_cast<double>(n);
  const double b = static_cast<double>(other.n);
  const double all = a + b;
  const double d = other.mean - mean;
  const double d2 = d * d;
  const double new_m4 = m4 + other.m4 +
                        d2 * d2 * a * b * (a * a - a * b + b * b) / (all * all * all) +
                        6 * d2 * (a * a * other.m2 + b * b * m2) / (all * all) +
                        4 * d * (a * other.m3 - b * m3) / all;
  const double new_m3 = m3 + other.m3 + d2 * d * a * b * (a - b) / (all * all) +
                        3 * d * (a * other.m2 - b * m2) / all;
  m2 += other.m2 + d2 * a * b / all;
  m3 = new_m3;
  m4 = new_m4;
  mean += d * b / all;
  min = std::min(min, other.min);
  max = std::max(max, other.max);
  n += other.n;
}

double Moments::deviation() const {
  return std::sqrt(variance());
}

double Moments::skewness() const {
  if (n == 0 || m2 <= 0) return 0;
  return std::sqrt(static_cast<double>(n)) * m3 / std::pow(m2, 1.5);
}

double Moments::kurtosis() const {
  if (n == 0 || m2 <= 0) return 0;
  return static_cast<double>(n) * m4 / (m2 * m2) - 3;
}

}  // namespace slipway::checks
