#include "domain/checks/bins.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "base/check.h"

namespace slipway::checks {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double after(double x) {
  return std::nextafter(x, kInfinity);
}

}  // namespace

bool Bins::are_edges(std::span<const double> edges) {
  if (edges.size() < 2 || edges.size() > kEdgesMax - 1) return false;
  for (std::size_t i = 0; i < edges.size(); ++i) {
    if (!std::isfinite(edges[i])) return false;
    if (i > 0 && !(edges[i - 1] < edges[i])) return false;
  }
  return true;
}

Bins::Bins(std::vector<double> edges) : edges_(std::move(edges)) {
  CHECK(are_edges(edges_));
  // raw_[i] counts the values with i entries of padded_ at or below them: 0 is under, edges is
  // over.
  padded_.fill(kInfinity);
  for (std::size_t i = 0; i + 1 < edges_.size(); ++i) padded_[i] = edges_[i];
  padded_[edges_.size() - 1] = after(edges_.back());
  grid_ = grid_of({padded_.data(), edges_.size()});
}

void Bins::add(std::span<const double> values) {
  if (grid_.steps > 0)
    count_bins(values.data(), values.size(), padded_.data(), grid_, raw_.data());
  else
    count_bins(values.data(), values.size(), padded_.data(), raw_.data());
}

void Bins::merge(const Bins& other) {
  CHECK(edges_ == other.edges_);
  for (std::size_t i = 0; i < raw_.size(); ++i) raw_[i] += other.raw_[i];
}

std::vector<std::int64_t> Bins::all() const {
  return {raw_.begin(), raw_.begin() + static_cast<std::ptrdiff_t>(edges_.size()) + 1};
}

std::vector<std::int64_t> Bins::counts() const {
  return {raw_.begin() + 1, raw_.begin() + static_cast<std::ptrdiff_t>(edges_.size())};
}

std::int64_t Bins::total() const {
  std::int64_t sum = 0;
  for (std::int64_t count : raw_) sum += count;
  return sum;
}

Bins Bins::restored(std::vector<double> edges, std::span<const std::int64_t> all) {
  Bins bins(std::move(edges));
  CHECK(all.size() == bins.edges_.size() + 1);
  for (std::size_t i = 0; i < all.size(); ++i) bins.raw_[i] = all[i];
  return bins;
}

Bins Bins::stretched(double min, double max) const {
  std::vector<double> edges = edges_;
  edges.front() = std::min(edges.front(), min);
  edges.back() = std::max(edges.back(), max);
  std::vector<std::int64_t> counts = all();
  counts[1] += std::exchange(counts.front(), 0);
  counts[counts.size() - 2] += std::exchange(counts.back(), 0);
  return restored(std::move(edges), counts);
}

bool Bins::are_even() const {
  const double fair = static_cast<double>(total()) / kReferenceBins;
  for (std::size_t i = 0; i + 1 < edges_.size(); ++i) {
    const bool single = edges_[i + 1] == after(edges_[i]);
    const auto count = static_cast<double>(raw_[i + 1]);
    if (!single && count > 2 * fair) return false;
  }
  return true;
}

std::vector<double> edges_from_quantiles(std::span<const double> quantiles) {
  std::vector<double> edges;
  for (std::size_t i = 0; i < quantiles.size(); ++i) {
    const double q = quantiles[i];
    const bool repeated = i > 0 && q == quantiles[i - 1];
    const double edge = repeated ? after(q) : q;
    if (edges.empty() || edge > edges.back()) edges.push_back(edge);
  }
  if (edges.size() == 1) edges.push_back(after(edges.back()));
  return edges;
}

std::vector<double> edges_from_values(std::span<const double> values) {
  std::vector<double> edges;
  for (const double value : values) {
    if (edges.empty() || value > edges.back()) edges.push_back(value);
    edges.push_back(after(value));
  }
  return edges;
}

bool are_of_values(std::span<const double> edges) {
  for (std::size_t i = 0; i < edges.size(); i += 2) {
    if (i + 1 == edges.size() || edges[i + 1] != after(edges[i])) return false;
  }
  return !edges.empty();
}

}  // namespace slipway::checks
