#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

// The loops that touch every value, one translation unit, compiled for the processor's widest
// vectors and chosen when the program starts. Plain arrays in, plain numbers out.
namespace slipway::checks {

/// The values of the cells whose bit is set in `valid`, one after the other; their number. `packed`
/// has room for `rows` of them.
std::size_t pack(const double* values, const std::uint64_t* valid, std::size_t rows,
                 double* packed);
std::size_t pack(const std::int64_t* values, const std::uint64_t* valid, std::size_t rows,
                 std::int64_t* packed);
/// Bools as 0 and 1; `valid` may be nullptr: all are.
std::size_t pack(const bool* values, const std::uint64_t* valid, std::size_t rows,
                 std::int64_t* packed);
void as_reals(const std::int64_t* values, std::size_t n, double* reals);

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

/// Cells of equal width that say where among the edges a value can lie, so that few are compared
/// with it. Which cell a value is in rises with the value, so an edge of an earlier cell is below
/// it, and one of a later cell above.
struct Grid {
  static constexpr std::size_t kCells = 1024;
  static constexpr int kStepsMax = 4;

  double low = 0, scale = 0;  // of the cells
  int steps = 0;              // edges that lie in one cell, at most; 0: the grid is of no use
  std::array<std::uint8_t, kCells> before{};  // the edges of earlier cells
};
/// Of ascending, finite edges.
Grid grid_of(std::span<const double> edges);
/// count_bins() by a grid of those edges, which is of use: more of the padding, by kStepsMax. The
/// values are finite.
void count_bins(const double* values, std::size_t n, const double* edges_padded, const Grid& grid,
                std::int64_t* counts);

struct Steps {
  std::int64_t descents = 0, repeats = 0;
};
/// How many values are smaller than, and how many equal to, the one before; `before` is before the
/// first.
Steps count_steps(const double* values, std::size_t n, double before);
Steps count_steps(const std::int64_t* values, std::size_t n, std::int64_t before);

/// hash_of() of each value (stable_hash.h).
void hash_all(const std::int64_t* values, std::size_t n, std::uint64_t* hashes);
void hash_all(const double* values, std::size_t n, std::uint64_t* hashes);

/// How many hashes, from the first one on, change no register of a DistinctSketch that is `floor`
/// or more: below their 12 upper bits, not all of the next `floor` are 0. It may be told too small.
/// floor > 0.
std::size_t skip_low_ranks(const std::uint64_t* hashes, std::size_t n, int floor);

/// The least of n bytes, a multiple of 64.
std::uint8_t least_of(const std::uint8_t* bytes, std::size_t n);

/// How many values are outside of [min, max]. All finite.
std::int64_t count_outside(const double* values, std::size_t n, double min, double max);

}  // namespace slipway::checks
