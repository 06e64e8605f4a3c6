#include "domain/monitor/decimals.h"

#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <random>
#include <vector>

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

/// One by one and all at once. Signs of zero count.
void expect_as_text(const std::vector<float>& cells) {
  std::vector<double> decimals(cells.size());
  as_written(cells.data(), cells.size(), decimals.data());
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const auto expected = std::bit_cast<std::uint64_t>(by_text(cells[i]));
    ASSERT_EQ(std::bit_cast<std::uint64_t>(decimals[i]), expected) << cells[i];
    ASSERT_EQ(std::bit_cast<std::uint64_t>(as_written(cells[i])), expected) << cells[i];
  }
}

TEST(AsWritten, IsWhatTheShortestTextSays) {
  std::mt19937_64 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> cells;
  for (int i = 0; i < 200'000; ++i) {
    const std::uint64_t draw = random();
    const auto any = std::bit_cast<float>(static_cast<std::uint32_t>(draw >> 32));
    const double decimal = static_cast<double>(draw % 100'000'000) / std::pow(10.0, i % 9);
    for (const float cell : {any, normal(random), static_cast<float>(decimal),
                             static_cast<float>(-decimal), static_cast<float>(decimal * 1e-6)}) {
      if (std::isfinite(cell)) cells.push_back(cell);
    }
  }
  expect_as_text(cells);
}

TEST(AsWritten, NeighboursOfPowersToo) {
  std::vector<float> cells = {0.0F, -0.0F};
  std::vector<double> powers = {1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1.0, 10.0, 1e4, 1e5, 1e6, 1e8};
  for (int exponent = -30; exponent <= 30; ++exponent) powers.push_back(std::ldexp(1.0, exponent));
  for (const double power : powers) {
    float below = static_cast<float>(power), above = below;
    for (int i = 0; i < 2000; ++i) {
      cells.push_back(below);
      cells.push_back(-above);
      below = std::nextafter(below, 0.0F);
      above = std::nextafter(above, HUGE_VALF);
    }
  }
  expect_as_text(cells);
}

TEST(AsWritten, IsAsAPersonWroteIt) {
  EXPECT_EQ(as_written(0.1F), 0.1);
  EXPECT_EQ(as_written(0.24F), 0.24);
  EXPECT_EQ(as_written(-0.2879F), -0.2879);
  EXPECT_EQ(as_written(16777216.0F), 16777216.0);
  EXPECT_TRUE(std::isnan(as_written(std::nanf(""))));
  EXPECT_TRUE(std::isinf(as_written(-HUGE_VALF)));
}

}  // namespace
}  // namespace slipway::monitor
