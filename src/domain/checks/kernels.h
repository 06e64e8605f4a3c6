#pragma once

#include <cstddef>
#include <cstdint>

// The loops that touch every value, one translation unit, compiled for the processor's widest
// vectors and chosen when the program starts. Plain arrays in, plain numbers out.
namespace slipway::checks {

/// Sum of n values; not finite when any of them is not (or when it overflows).
double sum_of(const double* values, std::size_t n);

struct Powers {
  double min, max, m2, m3, m4;
};
/// Range, and the sums of powers of the distance from `mean`. n > 0, all finite.
Powers powers_of(const double* values, std::size_t n, double mean);

inline constexpr std::size_t kEdgesMax = 127;

/// For each value the number of `edges` (ascending, padded with infinity to kEdgesMax) that are not
/// above it, counted into counts[0..edges].
void count_bins(const double* values, std::size_t n, const double* edges_padded,
                std::int64_t* counts);

/// hash_of() of each value (stable_hash.h).
void hash_all(const std::int64_t* values, std::size_t n, std::uint64_t* hashes);
void hash_all(const double* values, std::size_t n, std::uint64_t* hashes);

/// How many values are outside of [min, max]. All finite.
std::int64_t count_outside(const double* values, std::size_t n, double min, double max);

}  // namespace slipway::checks
