#include "domain/monitor/decimals.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/wide.h"

namespace slipway::monitor {
namespace {

constexpr std::array<double, 6> kPowersOfTen = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5};
constexpr double kFastMin = 1e-5, kFastMax = 1e5;
constexpr int kExponentMin = -17, kExponentMax = 16;  // of 2, of the floats between those
constexpr int kBias = 127;

/// By the exponent of a float, as its bits have it: where its decimals have one digit more before the point, and the
/// power of ten that leaves six digits before it, below that and from there on. (Of 0.0999 it is
/// the seventh behind the point, of 0.00999 the eighth.)
struct Scales {
  double next[256] = {}, below[256] = {}, above[256] = {};
};

constexpr Scales make_scales() {
  Scales scales;
  for (int exponent = kExponentMin; exponent <= kExponentMax; ++exponent) {
    const auto i = static_cast<std::size_t>(exponent + kBias);
    const int before = (exponent * 1233 >> 12) + 1;  // log10(2) is 1233 / 4096
    scales.next[i] = before >= 0 ? kPowersOfTen[static_cast<std::size_t>(before)]
                                 : 1 / kPowersOfTen[static_cast<std::size_t>(-before)];
    double power = 1e6;
    for (int digit = 0; digit < before; ++digit) power /= 10;
    for (int digit = before; digit < 0; ++digit) power *= 10;
    scales.below[i] = power;
    scales.above[i] = power / 10;
  }
  return scales;
}
constexpr Scales kScales = make_scales();

double by_text(float cell) {
  if (!std::isfinite(cell) || cell == std::floor(cell)) return cell;
  char text[32];
  const auto written = std::to_chars(text, text + sizeof text, cell);
  double value = cell;
  std::from_chars(text, written.ptr, value);
  return value;
}

constexpr double kRound = 0x1.8p52;  // added and taken away: the nearest whole number
constexpr double kDoubt = 1e-6;      // more than what rounding does to the numbers below

// Four cells side by side: the comparisons of eight become scalar ones. Vectors are passed by
// reference: how they are passed by value depends on the processor that is compiled for.
constexpr std::size_t kLanes = 4;
using Doubles = double __attribute__((vector_size(kLanes * sizeof(double))));
using Longs = std::int64_t __attribute__((vector_size(kLanes * sizeof(double))));

SLIPWAY_INLINE void select(Doubles& chosen, const Longs& is_first, const Doubles& first) {
  chosen = (Doubles)(((Longs)first & is_first) | ((Longs)chosen & ~is_first));
}

/// A decimal beside each cell, with a certain number of digits.
struct Candidates {
  Doubles whole, power;  // the decimal is whole / power
  Doubles off, reach;    // its distance from the cell, and half the way to the next float, x power
};

SLIPWAY_INLINE void try_power(Candidates& tried, const Doubles& x, const Doubles& half,
                      const Doubles& power) {
  const Doubles scaled = x * power;
  tried.whole = scaled + kRound - kRound;
  tried.power = power;
  const Doubles off = scaled - tried.whole;
  tried.off = (Doubles)((Longs)off & INT64_MAX);
  tried.reach = half * power;
}

SLIPWAY_INLINE void take_shorter(Candidates& chosen, const Candidates& fewer) {
  const Longs is_near = fewer.off <= fewer.reach + kDoubt;
  select(chosen.whole, is_near, fewer.whole);
  select(chosen.power, is_near, fewer.power);
  select(chosen.off, is_near, fewer.off);
  select(chosen.reach, is_near, fewer.reach);
}

/// By arithmetic instead of text, and without a branch. One with six digits tells any two floats
/// apart that need no more; nine always do. NaN where rounding could decide, and of what is out of
/// range.
SLIPWAY_INLINE void by_arithmetic(const float* cells, double* decimals) {
  constexpr std::uint32_t kFraction = (std::uint32_t{1} << 23) - 1;
  constexpr std::int64_t kExponent = std::int64_t{0x7ff} << 52;
  Doubles signed_x, next, six, above;
  Longs fraction;
  for (std::size_t i = 0; i < kLanes; ++i) {
    const auto bits = __builtin_bit_cast(std::uint32_t, cells[i]);
    const std::uint32_t exponent = bits >> 23 & 0xff;
    signed_x[i] = static_cast<double>(cells[i]);
    fraction[i] = bits & kFraction;
    next[i] = kScales.next[exponent];
    six[i] = kScales.below[exponent];
    above[i] = kScales.above[exponent];
  }
  const Longs sign = (Longs)signed_x & INT64_MIN;
  const Doubles x = (Doubles)((Longs)signed_x & INT64_MAX);
  // Floats have 24 bits: half the way to the next one is 2^-24 of the power of two below.
  const Doubles half = (Doubles)((Longs)x & kExponent) * 0x1p-24;
  select(six, x >= next, above);
  Candidates chosen, fewer;
  try_power(chosen, x, half, six * 1000);
  try_power(fewer, x, half, six * 100);
  take_shorter(chosen, fewer);
  try_power(fewer, x, half, six * 10);
  take_shorter(chosen, fewer);
  try_power(fewer, x, half, six);
  take_shorter(chosen, fewer);
  const Longs is_whole = x + kRound - kRound == x;
  // Below a power of two the next float is nearer than above.
  const Longs is_sure =
      (fraction != 0) & (chosen.off <= chosen.reach - kDoubt) & (chosen.off <= 0.5 - kDoubt);
  const Longs is_known = (x == 0) | ((x >= kFastMin) & (x < kFastMax) & (is_whole | is_sure));
  Doubles decimal = chosen.whole / chosen.power;
  select(decimal, is_whole, x);
  decimal = (Doubles)((Longs)decimal | sign);
  Doubles known = Doubles{} + std::numeric_limits<double>::quiet_NaN();
  select(known, is_known, decimal);
  for (std::size_t i = 0; i < kLanes; ++i) decimals[i] = known[i];
}

SLIPWAY_WIDE void all_by_arithmetic(const float* cells, std::size_t n, double* decimals) {
  std::size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) by_arithmetic(cells + i, decimals + i);
  float rest[kLanes] = {};
  double rest_decimals[kLanes];
  for (std::size_t j = i; j < n; ++j) rest[j - i] = cells[j];
  by_arithmetic(rest, rest_decimals);
  for (std::size_t j = i; j < n; ++j) decimals[j] = rest_decimals[j - i];
}

}  // namespace

void as_written(const float* cells, std::size_t n, double* decimals) {
  all_by_arithmetic(cells, n, decimals);
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isnan(decimals[i])) decimals[i] = by_text(cells[i]);
  }
}

double as_written(float cell) {
  double decimal = 0;
  as_written(&cell, 1, &decimal);
  return decimal;
}

}  // namespace slipway::monitor
