#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "domain/serving/serving.h"

namespace slipway::serving {

/// The names of a version's columns in the order of its cells: as it was trained, else as its
/// signature has them; empty when neither says them.
std::vector<std::string> column_names_of(const LoadedVersion& version);

/// How cells that were made for one version become those of another one: by the names of their
/// columns; by their places where one of the two has no names and as many columns. Any thread.
class Translation {
 public:
  /// Impossible.
  Translation() = default;
  Translation(const LoadedVersion& from, const LoadedVersion& to);

  /// Whether the one version has every column of the other.
  bool is_possible() const { return is_possible_; }
  /// Whether the columns are the same, in the same order.
  bool is_same() const { return is_possible_ && is_same_; }

  /// Preconditions: it is possible; `cells` are `rows` of the one version's.
  std::vector<float> cells(std::span<const float> cells, std::size_t rows) const;
  /// Of something that is said of each column; empty stays empty.
  std::vector<bool> flags(const std::vector<bool>& flags) const;

 private:
  std::vector<std::size_t> places_;  // of the other's columns among those of the one
  std::size_t width_ = 0;            // columns of the one
  bool is_possible_ = false, is_same_ = false;
};

}  // namespace slipway::serving
