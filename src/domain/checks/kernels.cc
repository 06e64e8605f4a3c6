#include "domain/checks/kernels.h"

#include <algorithm>
#include <array>
#include <limits>

#include "base/wide.h"
#include "domain/checks/stable_hash.h"

namespace slipway::checks {
namespace {

// Eight running values instead of one: additions that don't wait for each other, in a fixed order,
// so every processor gives the same sum.
constexpr std::size_t kLanes = 8;

}  // namespace

SLIPWAY_WIDE double sum_of(const double* values, std::size_t n) {
  double lanes[kLanes] = {};
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) lanes[j] += values[i + j];
  }
  for (; i < n; ++i) lanes[0] += values[i];
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

SLIPWAY_WIDE Powers powers_of(const double* values, std::size_t n, double mean) {
  double low[kLanes], high[kLanes], m2[kLanes] = {}, m3[kLanes] = {}, m4[kLanes] = {};
  for (std::size_t j = 0; j < kLanes; ++j) low[j] = high[j] = values[0];
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::size_t j = 0; j < kLanes; ++j) {
      const double x = values[i + j];
      const double d = x - mean;
      const double d2 = d * d;
      low[j] = x < low[j] ? x : low[j];
      high[j] = x > high[j] ? x : high[j];
      m2[j] += d2;
      m3[j] += d2 * d;
      m4[j] += d2 * d2;
    }
  }
  for (; i < n; ++i) {
    const double x = values[i];
    const double d = x - mean;
    low[0] = std::min(low[0], x);
    high[0] = std::max(high[0], x);
    m2[0] += d * d;
    m3[0] += d * d * d;
    m4[0] += d * d * d * d;
  }
  Powers all{low[0], high[0], 0, 0, 0};
  for (std::size_t j = 0; j < kLanes; ++j) {
    all.min = std::min(all.min, low[j]);
    all.max = std::max(all.max, high[j]);
    all.m2 += m2[j];
    all.m3 += m3[j];
    all.m4 += m4[j];
  }
  return all;
}

SLIPWAY_WIDE void count_bins(const double* values, std::size_t n, const double* edges,
                     std::int64_t* counts) {
  constexpr std::size_t kBlock = 64;
  // Two tables by turns: equal neighbours don't wait for each other's count.
  std::array<std::uint32_t, 2 * (kEdgesMax + 1)> local{};
  std::int32_t index[kBlock];
  for (std::size_t begin = 0; begin < n; begin += kBlock) {
    const std::size_t block = std::min(kBlock, n - begin);
    const double* x = values + begin;
    for (std::size_t i = 0; i < block; ++i) index[i] = 0;
    for (std::int32_t half = 64; half > 0; half /= 2) {
      for (std::size_t i = 0; i < block; ++i)
        index[i] += edges[index[i] + half - 1] <= x[i] ? half : 0;
    }
    for (std::size_t i = 0; i < block; ++i)
      ++local[static_cast<std::size_t>(index[i]) + (i % 2) * (kEdgesMax + 1)];
  }
  for (std::size_t i = 0; i <= kEdgesMax; ++i) counts[i] += local[i] + local[i + kEdgesMax + 1];
}

SLIPWAY_WIDE void hash_all(const std::int64_t* values, std::size_t n, std::uint64_t* hashes) {
  for (std::size_t i = 0; i < n; ++i) hashes[i] = hash_of(values[i]);
}

SLIPWAY_WIDE void hash_all(const double* values, std::size_t n, std::uint64_t* hashes) {
  for (std::size_t i = 0; i < n; ++i) hashes[i] = hash_of(values[i]);
}

SLIPWAY_WIDE std::int64_t count_outside(const double* values, std::size_t n, double min, double max) {
  std::int64_t outside = 0;
  for (std::size_t i = 0; i < n; ++i) outside += (values[i] < min) | (values[i] > max);
  return outside;
}

}  // namespace slipway::checks
