#include "domain/monitor/scan.h"

#include <gtest/gtest.h>

#include <charconv>
#include <cmath>
#include <cstring>
#include <random>

namespace slipway::monitor {
namespace {

/// What as_written() promises: of whole numbers themselves.
double by_text(float cell) {
  if (cell == std::floor(cell)) return cell;
  char text[64];
  const auto written = std::to_chars(text, text + sizeof text, cell);
  double value = 0;
  std::from_chars(text, written.ptr, value);
  return value;
}

TEST(AsWritten, IsWhatTheShortestTextSays) {
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal;
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t draw = random();
    const auto bits = static_cast<std::uint32_t>(draw >> 32);
    float any;
    std::memcpy(&any, &bits, sizeof any);
    const double decimal = static_cast<double>(draw % 100'000'000) / std::pow(10.0, i % 9);
    for (const float cell : {any, normal(random), static_cast<float>(decimal),
                             static_cast<float>(-decimal), static_cast<float>(decimal * 1e-6)}) {
      if (!std::isfinite(cell)) continue;
      ASSERT_EQ(as_written(cell), by_text(cell)) << cell;
    }
  }
}

TEST(AsWritten, NeighboursOfPowersOfTenToo) {
  for (const double power : {1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 1e5, 1e6, 1e7, 1e8}) {
    float below = static_cast<float>(power), above = below;
    for (int i = 0; i < 2000; ++i) {
      ASSERT_EQ(as_written(below), by_text(below));
      ASSERT_EQ(as_written(-above), by_text(-above));
      below = std::nextafter(below, 0.0F);
      above = std::nextafter(above, HUGE_VALF);
    }
  }
}

}  // namespace
}  // namespace slipway::monitor
