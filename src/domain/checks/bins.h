#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "domain/checks/kernels.h"

namespace slipway::checks {

/// Counts of finite values between fixed edges: bin i holds edges[i] <= x < edges[i+1], the last
/// one its upper edge too. Two tables with the same edges merge exactly. What is missing, NaN or
/// infinite is counted by the column.
class Bins {
 public:
  /// `edges` ascending, without repeats, 2 to kEdgesMax - 1 of them, all finite.
  explicit Bins(std::vector<double> edges);
  static bool are_edges(std::span<const double> edges);

  /// Precondition: all are finite.
  void add(std::span<const double> values);
  /// Precondition: the same edges.
  void merge(const Bins& other);

  const std::vector<double>& edges() const { return edges_; }
  std::int64_t under() const { return raw_[0]; }
  std::int64_t over() const { return raw_[edges_.size()]; }
  std::vector<std::int64_t> counts() const;
  std::int64_t total() const;

  /// The same counts with the first and the last edge moved out to `min` and `max`, between which all
  /// that was added lies: nothing is outside any more.
  Bins stretched(double min, double max) const;
  /// Whether kReferenceBins of equal mass hold about that: none more than twice as much, but for
  /// those of a single value.
  bool are_even() const;

  /// As written: under, the bins, over. Precondition: edges + 1 counts.
  static Bins restored(std::vector<double> edges, std::span<const std::int64_t> all);
  std::vector<std::int64_t> all() const;

 private:
  std::vector<double> edges_;
  // The edges as the search wants them: the last one is the next double above it, so that its bin
  // holds it.
  std::array<double, kEdgesMax + Grid::kStepsMax> padded_;
  Grid grid_;
  std::array<std::int64_t, kEdgesMax + 1> raw_{};
};

inline constexpr int kReferenceBins = 64;
inline constexpr std::size_t kValuesMax = (kEdgesMax - 1) / 2;  // that can have a bin each

/// Edges of at most `bins` bins of equal mass. `quantiles` are those of i/bins, ascending, from the
/// smallest value to the largest: a value that stands there several times gets a bin of its own.
std::vector<double> edges_from_quantiles(std::span<const double> quantiles);

/// One bin a value, and one for what lies between two neighbours: `values` ascending, without
/// repeats, at most kValuesMax of them.
std::vector<double> edges_from_values(std::span<const double> values);
/// Whether edges are such: then every second bin, from the first one on, is that of a value.
bool are_of_values(std::span<const double> edges);

}  // namespace slipway::checks
