#include "domain/monitor/decimals.h"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(__SANITIZE_THREAD__)
// Chosen once by the dynamic loader. (The baseline of x86-64 has vectors of two doubles.)
#define WIDE \
  __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3", "fp-contract=off")))
#else
#define WIDE
#endif

namespace slipway::monitor {
namespace {

constexpr std::array<double, 6> kPowersOfTen = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5};
constexpr double kFastMin = 1e-5, kFastMax = 1e5;
constexpr int kExponentMin = -17, kExponentMax = 16;  // of 2, of the floats between those
constexpr std::size_t kExponents = kExponentMax - kExponentMin + 1;

/// By the exponent of a float: where its decimals have one digit more before the point, and the
/// power of ten that leaves six digits before it, below that and from there on. (Of 0.0999 it is
/// the seventh behind the point, of 0.00999 the eighth.)
struct Scales {
  std::array<double, kExponents> next{}, below{}, above{};
};

constexpr Scales make_scales() {
  Scales scales;
  for (int exponent = kExponentMin; exponent <= kExponentMax; ++exponent) {
    const auto i = static_cast<std::size_t>(exponent - kExponentMin);
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

/// A decimal beside the cell, with a certain number of digits.
struct Candidate {
  double whole, power;  // the decimal is whole / power
  double off, reach;    // its distance from the cell, and half the way to the next float, x power
};

constexpr double kRound = 0x1.8p52;  // added and taken away: the nearest whole number
constexpr double kDoubt = 1e-6;      // more than what rounding does to the numbers below

inline Candidate candidate(double x, double half, double power) {
  const double scaled = x * power, whole = scaled + kRound - kRound;
  return {whole, power, std::fabs(scaled - whole), half * power};
}

inline const Candidate& shorter(const Candidate& fewer, const Candidate& more) {
  return fewer.off <= fewer.reach + kDoubt ? fewer : more;
}

/// By arithmetic instead of text, and without a branch. One with six digits tells any two floats
/// apart that need no more; nine always do. NaN where rounding could decide, and of what is out of
/// range.
inline double by_arithmetic(float cell) {
  constexpr std::uint32_t kFraction = (std::uint32_t{1} << 23) - 1, kBias = 127 + kExponentMin;
  constexpr std::uint64_t kExponentOfDouble = std::uint64_t{0x7ff} << 52;
  const double x = std::fabs(static_cast<double>(cell));
  const auto bits = std::bit_cast<std::uint32_t>(cell);
  const bool is_in_range = x >= kFastMin && x < kFastMax;
  const std::uint32_t i = is_in_range ? (bits >> 23 & 0xff) - kBias : 0;
  // Floats have 24 bits: half the way to the next one is 2^-24 of the power of two below.
  const double half =
      std::bit_cast<double>(std::bit_cast<std::uint64_t>(x) & kExponentOfDouble) * 0x1p-24;
  const double six = x >= kScales.next[i] ? kScales.above[i] : kScales.below[i];
  const Candidate chosen =
      shorter(candidate(x, half, six),
              shorter(candidate(x, half, six * 10),
                      shorter(candidate(x, half, six * 100), candidate(x, half, six * 1000))));
  const bool is_whole = x + kRound - kRound == x;
  // Below a power of two the next float is nearer than above.
  const bool is_sure = (bits & kFraction) != 0 && chosen.off <= chosen.reach - kDoubt &&
                       chosen.off <= 0.5 - kDoubt;
  const double decimal = is_whole ? x : chosen.whole / chosen.power;
  const bool is_known = x == 0 || (is_in_range && (is_whole || is_sure));
  return is_known ? std::copysign(decimal, static_cast<double>(cell))
                  : std::numeric_limits<double>::quiet_NaN();
}

}  // namespace

double as_written(float cell) {
  const double decimal = by_arithmetic(cell);
  return std::isnan(decimal) ? by_text(cell) : decimal;
}

WIDE static void all_by_arithmetic(const float* cells, std::size_t n, double* decimals) {
  for (std::size_t i = 0; i < n; ++i) decimals[i] = by_arithmetic(cells[i]);
}

void as_written(const float* cells, std::size_t n, double* decimals) {
  all_by_arithmetic(cells, n, decimals);
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isnan(decimals[i])) decimals[i] = by_text(cells[i]);
  }
}

}  // namespace slipway::monitor
