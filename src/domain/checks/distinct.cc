#include "domain/checks/distinct.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"
#include "domain/checks/kernels.h"

namespace slipway::checks {
namespace {

constexpr int kBits = 52;  // of a hash that ranks are counted in
constexpr double kRegisters = 4096;

// Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), which needs no
// tables.
double sigma(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double y = 1, z = x, before;
  do {
    x *= x;
    before = z;
    z += x * y;
    y += y;
  } while (z != before);
  return z;
}

double tau(double x) {
  if (x == 0 || x == 1) return 0;
  double y = 1, z = 1 - x, before;
  do {
    x = std::sqrt(x);
    before = z;
    y /= 2;
    z -= (1 - x) * (1 - x) * y;
  } while (z != before);
  return z / 3;
}

}  // namespace

void DistinctSketch::add_all(std::span<const std::uint64_t> hashes) {
  constexpr std::size_t kBlock = 16;
  constexpr std::size_t kMany = 1024;  // for which it pays to look at all registers
  for (std::size_t at = 0; at < hashes.size();) {
    if (floor_ > 0) at += skip_low_ranks(&hashes[at], hashes.size() - at, floor_);
    const std::size_t end = std::min(at + kBlock, hashes.size());
    for (; at < end; ++at) add(hashes[at]);
  }
  if (hashes.size() >= kMany) floor_ = least_of(registers_.data(), registers_.size());
}

void DistinctSketch::merge(const DistinctSketch& other) {
  for (std::size_t i = 0; i < registers_.size(); ++i)
    registers_[i] = std::max(registers_[i], other.registers_[i]);
}

double DistinctSketch::estimate() const {
  std::array<int, kBits + 2> multiplicity{};
  for (std::uint8_t rank : registers_) ++multiplicity[rank];
  double z = kRegisters * tau(1 - multiplicity[kBits + 1] / kRegisters);
  for (int k = kBits; k >= 1; --k) z = 0.5 * (z + multiplicity[static_cast<std::size_t>(k)]);
  z += kRegisters * sigma(multiplicity[0] / kRegisters);
  const double alpha = 0.5 / std::log(2.0);
  return alpha * kRegisters * kRegisters / z;
}

std::string DistinctSketch::text() const {
  std::string out;
  for (std::size_t i = 0; i < registers_.size();) {
    std::size_t end = i;
    while (end < registers_.size() && registers_[end] == 0) ++end;
    if (end - i > 3) {
      out += "z" + std::to_string(end - i) + ".";
      i = end;
    } else {
      out += static_cast<char>('0' + registers_[i++]);
    }
  }
  return out;
}

bool DistinctSketch::restore(std::string_view text, DistinctSketch& out) {
  DistinctSketch sketch;
  std::size_t at = 0;
  while (!text.empty()) {
    if (text.front() == 'z') {
      const std::size_t dot = text.find('.');
      if (dot == std::string_view::npos) return false;
      auto run = to_int64(text.substr(1, dot - 1));
      if (!run || *run < 0 || *run > 4096) return false;
      at += static_cast<std::size_t>(*run);
      text.remove_prefix(dot + 1);
    } else {
      const int rank = text.front() - '0';
      if (rank < 0 || rank > kBits + 1 || at >= sketch.registers_.size()) return false;
      sketch.registers_[at++] = static_cast<std::uint8_t>(rank);
      text.remove_prefix(1);
    }
    if (at > sketch.registers_.size()) return false;
  }
  if (at != sketch.registers_.size()) return false;
  out = sketch;
  return true;
}

}  // namespace slipway::checks
