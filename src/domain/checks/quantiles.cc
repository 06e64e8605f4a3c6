#include "domain/checks/quantiles.h"

#include <algorithm>
#include <cmath>

#include "domain/checks/stable_hash.h"

namespace slipway::checks {
namespace {

constexpr std::size_t kSmallestLevel = 8;
constexpr std::size_t kLevelsMax = 48;

}  // namespace

std::uint64_t QuantileSketch::random() {
  state_ += 0x9e3779b97f4a7c15;
  return mix64(state_);
}

std::size_t QuantileSketch::capacity(std::size_t level) const {
  const std::size_t depth = levels_.size() - 1 - level;
  const double size = kTop * std::pow(2.0 / 3.0, static_cast<double>(depth));
  return std::max(kSmallestLevel, static_cast<std::size_t>(size));
}

void QuantileSketch::push(std::size_t level, double value) {
  if (levels_.size() <= level) levels_.resize(level + 1);
  levels_[level].push_back(value);
  ++kept_;
}

/// Halves the lowest level that is over its capacity, until the whole is within it.
void QuantileSketch::compact() {
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    if (levels_[level].size() <= capacity(level)) continue;
    if (level + 1 == levels_.size()) levels_.emplace_back();
    std::vector<double>& full = levels_[level];
    std::sort(full.begin(), full.end());
    // An odd one stays; of each pair one goes up, standing for both.
    const std::size_t pairs = full.size() / 2;
    const std::size_t offset = random() & 1;
    for (std::size_t i = 0; i < pairs; ++i) levels_[level + 1].push_back(full[2 * i + offset]);
    const bool odd = full.size() % 2 == 1;
    const double last = full.back();
    full.clear();
    if (odd) full.push_back(last);
    kept_ -= pairs;
  }
}

/// Once many values came through, only half as many do.
void QuantileSketch::grow_sampler() {
  ++sampling_;
  sampled_ /= 2;
}

void QuantileSketch::add(std::span<const double> values) {
  n_ += static_cast<std::int64_t>(values.size());
  std::size_t at = 0;
  while (at < values.size()) {
    const std::int64_t block = std::int64_t{1} << sampling_;
    if (block_seen_ == 0) {
      block_pick_ = static_cast<std::int64_t>(random() & (static_cast<std::uint64_t>(block) - 1));
      block_value_ = values[at];  // should the block end before its pick
    }
    const std::int64_t left = static_cast<std::int64_t>(values.size() - at);
    const std::int64_t step = std::min(block - block_seen_, left);
    const std::int64_t pick = block_pick_ - block_seen_;
    if (pick >= 0 && pick < step) block_value_ = values[at + static_cast<std::size_t>(pick)];
    at += static_cast<std::size_t>(step);
    block_seen_ += step;
    if (block_seen_ < block) break;
    block_seen_ = 0;
    push(sampling_, block_value_);
    if (levels_[sampling_].size() > 2 * static_cast<std::size_t>(kTop)) compact();
    if (++sampled_ >= kSampled) grow_sampler();
  }
}

/// A block that is not full goes in whole: its value at the levels of the binary digits of its
/// count.
void QuantileSketch::take_open_block(const QuantileSketch& other) {
  const std::int64_t seen = other.block_seen_;
  const double value = other.block_value_;
  for (std::size_t level = 0; level <= other.sampling_; ++level) {
    if ((seen >> level) & 1) push(level, value);
  }
}

void QuantileSketch::merge(const QuantileSketch& other) {
  for (std::size_t level = 0; level < other.levels_.size(); ++level) {
    for (double value : other.levels_[level]) push(level, value);
  }
  take_open_block(other);
  n_ += other.n_;
  if (kept_ > 4 * static_cast<std::size_t>(kTop)) compact();
  while (sampling_ < other.sampling_) {
    // An open block of this sketch keeps its count; its pick stays within the larger block.
    grow_sampler();
  }
  sampled_ += other.sampled_;
  while (sampled_ >= kSampled) grow_sampler();
}

std::vector<std::vector<double>> QuantileSketch::levels() const {
  QuantileSketch closed = *this;
  closed.take_open_block(*this);
  return closed.levels_;
}

std::vector<QuantileSketch::Weighted> QuantileSketch::sorted() const {
  std::vector<Weighted> all;
  const std::vector<std::vector<double>> closed = levels();
  for (std::size_t level = 0; level < closed.size(); ++level) {
    for (double value : closed[level]) all.push_back({value, std::int64_t{1} << level});
  }
  std::sort(all.begin(), all.end(),
            [](const Weighted& a, const Weighted& b) { return a.value < b.value; });
  return all;
}

std::vector<double> QuantileSketch::quantiles(std::span<const double> shares) const {
  const std::vector<Weighted> all = sorted();
  std::int64_t total = 0;
  for (const Weighted& item : all) total += item.weight;
  std::vector<double> out;
  for (double share : shares) {
    const double wanted = share * static_cast<double>(total);
    std::int64_t until = 0;
    double value = all.empty() ? 0 : all.back().value;
    for (const Weighted& item : all) {
      until += item.weight;
      if (static_cast<double>(until) < wanted) continue;
      value = item.value;
      break;
    }
    out.push_back(value);
  }
  return out;
}

double QuantileSketch::quantile(double q) const {
  const double shares[] = {q};
  return quantiles(shares).front();
}

double QuantileSketch::share_until(double x) const {
  std::int64_t until = 0, total = 0;
  for (const Weighted& item : sorted()) {
    total += item.weight;
    if (item.value <= x) until += item.weight;
  }
  return total == 0 ? 0 : static_cast<double>(until) / static_cast<double>(total);
}

bool QuantileSketch::restore(std::vector<std::vector<double>> levels, QuantileSketch& out) {
  if (levels.empty()) levels.resize(1);
  if (levels.size() > kLevelsMax) return false;
  QuantileSketch sketch;
  sketch.levels_ = std::move(levels);
  for (std::size_t level = 0; level < sketch.levels_.size(); ++level) {
    const std::vector<double>& values = sketch.levels_[level];
    if (values.size() > 4 * static_cast<std::size_t>(kTop)) return false;
    for (double value : values) {
      if (!std::isfinite(value)) return false;
    }
    sketch.kept_ += values.size();
    sketch.n_ += static_cast<std::int64_t>(values.size()) << level;
  }
  while ((sketch.n_ >> sketch.sampling_) >= kSampled) ++sketch.sampling_;
  sketch.sampled_ = sketch.n_ >> sketch.sampling_;
  out = std::move(sketch);
  return true;
}

}  // namespace slipway::checks
