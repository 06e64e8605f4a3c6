#include "domain/checks/kernels.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/wide.h"
#include "domain/checks/stable_hash.h"

namespace slipway::checks {
namespace {

// Eight running values instead of one: additions that don't wait for each other, in a fixed order,
// so every processor gives the same sum.
constexpr std::size_t kLanes = 8;

/// The bits of the cells from 64 * word on, those beyond `rows` cleared.
std::uint64_t word_of(const std::uint64_t* valid, std::size_t word, std::size_t rows) {
  const std::size_t left = rows - 64 * word;
  return left < 64 ? valid[word] & ((std::uint64_t{1} << left) - 1) : valid[word];
}

/// Run after run: nulls are rare, or are most of a column.
template <class Value, class Packed>
std::size_t pack_runs(const Value* values, const std::uint64_t* valid, std::size_t rows,
                      Packed* packed) {
  std::size_t n = 0;
  for (std::size_t word = 0; 64 * word < rows; ++word) {
    std::uint64_t bits = word_of(valid, word, rows);
    const Value* at = values + 64 * word;
    while (bits != 0) {
      const int gap = std::countr_zero(bits);
      const int run = std::countr_one(bits >> gap);
      std::copy_n(at + gap, run, packed + n);
      n += static_cast<std::size_t>(run);
      if (gap + run == 64) break;
      bits = (bits >> (gap + run)) << (gap + run);
    }
  }
  return n;
}

template <class Value>
SLIPWAY_INLINE Steps steps_of(const Value* values, std::size_t n, Value before) {
  if (n == 0) return {};
  std::int64_t descents = values[0] < before, repeats = values[0] == before;
  for (std::size_t i = 1; i < n; ++i) {
    descents += values[i] < values[i - 1];
    repeats += values[i] == values[i - 1];
  }
  return {descents, repeats};
}

/// The cell of a value, which has to be finite. Ascending in it, as each operation is.
SLIPWAY_INLINE std::int32_t cell_of(double value, double low, double scale) {
  constexpr double kLast = Grid::kCells - 1;
  double cell = (value - low) * scale;
  cell = cell > 0 ? cell : 0;
  cell = cell < kLast ? cell : kLast;
  return static_cast<std::int32_t>(cell);
}

template <int kSteps>
SLIPWAY_INLINE void count_cells(const double* values, std::size_t n, const double* edges,
                                const Grid& grid, std::int64_t* counts) {
  constexpr std::size_t kBlock = 64;
  std::array<std::uint32_t, 2 * (kEdgesMax + 1)> local{};  // as in count_bins()
  std::int32_t cells[kBlock];
  const double low = grid.low, scale = grid.scale;
  for (std::size_t begin = 0; begin < n; begin += kBlock) {
    const std::size_t block = std::min(kBlock, n - begin);
    const double* x = values + begin;
    for (std::size_t i = 0; i < block; ++i) cells[i] = cell_of(x[i], low, scale);
    for (std::size_t i = 0; i < block; ++i) {
      const std::size_t first = grid.before[static_cast<std::size_t>(cells[i])];
      std::size_t index = first;
      for (int step = 0; step < kSteps; ++step) index += edges[first + step] <= x[i];
      ++local[index + (i % 2) * (kEdgesMax + 1)];
    }
  }
  for (std::size_t i = 0; i <= kEdgesMax; ++i) counts[i] += local[i] + local[i + kEdgesMax + 1];
}

}  // namespace

std::size_t pack(const double* values, const std::uint64_t* valid, std::size_t rows,
                 double* packed) {
  return pack_runs(values, valid, rows, packed);
}

std::size_t pack(const std::int64_t* values, const std::uint64_t* valid, std::size_t rows,
                 std::int64_t* packed) {
  return pack_runs(values, valid, rows, packed);
}

SLIPWAY_WIDE std::size_t pack(const bool* values, const std::uint64_t* valid, std::size_t rows,
                              std::int64_t* packed) {
  if (valid != nullptr) return pack_runs(values, valid, rows, packed);
  for (std::size_t i = 0; i < rows; ++i) packed[i] = values[i];
  return rows;
}

SLIPWAY_WIDE void as_reals(const std::int64_t* values, std::size_t n, double* reals) {
  for (std::size_t i = 0; i < n; ++i) reals[i] = static_cast<double>(values[i]);
}

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

Grid grid_of(std::span<const double> edges) {
  Grid grid;
  // The outer edges are the extremes of a table, often far from all others.
  const std::size_t outer = edges.size() > 4 ? 1 : 0;
  grid.low = edges[outer];
  grid.scale = static_cast<double>(Grid::kCells) / (edges[edges.size() - 1 - outer] - grid.low);
  if (!std::isfinite(grid.scale) || grid.scale <= 0) return grid;
  std::array<int, Grid::kCells> inside{};
  for (double edge : edges) ++inside[static_cast<std::size_t>(cell_of(edge, grid.low, grid.scale))];
  std::size_t before = 0;
  for (std::size_t cell = 0; cell < Grid::kCells; ++cell) {
    grid.before[cell] = static_cast<std::uint8_t>(before);
    before += static_cast<std::size_t>(inside[cell]);
  }
  const int most = *std::max_element(inside.begin(), inside.end());
  grid.steps = most <= Grid::kStepsMax ? most : 0;
  return grid;
}

SLIPWAY_WIDE void count_bins(const double* values, std::size_t n, const double* edges,
                             const Grid& grid, std::int64_t* counts) {
  if (grid.steps <= 1) return count_cells<1>(values, n, edges, grid, counts);
  if (grid.steps == 2) return count_cells<2>(values, n, edges, grid, counts);
  if (grid.steps == 3) return count_cells<3>(values, n, edges, grid, counts);
  return count_cells<Grid::kStepsMax>(values, n, edges, grid, counts);
}

SLIPWAY_WIDE Steps count_steps(const double* values, std::size_t n, double before) {
  return steps_of(values, n, before);
}

SLIPWAY_WIDE Steps count_steps(const std::int64_t* values, std::size_t n, std::int64_t before) {
  return steps_of(values, n, before);
}

SLIPWAY_WIDE void hash_all(const std::int64_t* values, std::size_t n, std::uint64_t* hashes) {
  for (std::size_t i = 0; i < n; ++i) hashes[i] = hash_of(values[i]);
}

SLIPWAY_WIDE void hash_all(const double* values, std::size_t n, std::uint64_t* hashes) {
  for (std::size_t i = 0; i < n; ++i) hashes[i] = hash_of(values[i]);
}

SLIPWAY_WIDE std::size_t skip_low_ranks(const std::uint64_t* hashes, std::size_t n, int floor) {
  constexpr std::size_t kBlock = 16;
  const int rest = 64 - floor;
  std::size_t at = 0;
  for (; at + kBlock <= n; at += kBlock) {
    std::uint64_t some = 0;
    for (std::size_t i = 0; i < kBlock; ++i) some |= ((hashes[at + i] << 12) >> rest) == 0;
    if (some != 0) break;
  }
  return at;
}

SLIPWAY_WIDE std::uint8_t least_of(const std::uint8_t* bytes, std::size_t n) {
  constexpr std::size_t kWidth = 64;
  std::uint8_t least[kWidth];
  for (std::size_t i = 0; i < kWidth; ++i) least[i] = bytes[i];
  for (std::size_t at = kWidth; at < n; at += kWidth) {
    for (std::size_t i = 0; i < kWidth; ++i)
      least[i] = bytes[at + i] < least[i] ? bytes[at + i] : least[i];
  }
  return *std::min_element(least, least + kWidth);
}

SLIPWAY_WIDE std::int64_t count_outside(const double* values, std::size_t n, double min,
                                        double max) {
  std::int64_t outside = 0;
  for (std::size_t i = 0; i < n; ++i) outside += (values[i] < min) | (values[i] > max);
  return outside;
}

}  // namespace slipway::checks
