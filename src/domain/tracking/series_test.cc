#include "domain/tracking/series.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

namespace slipway::tracking {
namespace {

/// Few values, so that times, steps and values are often the same.
std::vector<Metric> random_metrics(std::mt19937_64& random, std::size_t count, int keys) {
  const double values[] = {-1, 0, 0.5, std::numeric_limits<double>::infinity(),
                           std::numeric_limits<double>::quiet_NaN()};
  std::vector<Metric> metrics;
  for (std::size_t i = 0; i < count; ++i) {
    metrics.push_back({"key" + std::to_string(random() % keys), values[random() % 5],
                       static_cast<UnixMs>(random() % 4),
                       static_cast<std::int64_t>(random() % 5) - 2});
  }
  return metrics;
}

Point point_of(const Metric& metric) {
  return to_point(metric.value, metric.timestamp_ms, metric.step);
}

std::vector<Point> points_of(const Addition& addition) {
  std::vector<Point> points = addition.points;
  for (const Chunk& chunk : addition.chunks) {
    const std::vector<Point> part = *decode_chunk(chunk.data);
    EXPECT_EQ(static_cast<std::int64_t>(part.size()), chunk.points);
    EXPECT_EQ(part.front().timestamp_ms, chunk.first_ms);
    EXPECT_EQ(part.back().timestamp_ms, chunk.last_ms);
    points.insert(points.end(), part.begin(), part.end());
  }
  return points;
}

SeriesRow row_of(const std::string& key) {
  SeriesRow row;
  row.key = key;
  return row;
}

void expect_same(const SeriesRow& a, const SeriesRow& b) {
  EXPECT_EQ(a.key, b.key);
  EXPECT_EQ(a.points, b.points);
  EXPECT_EQ(a.value, b.value);
  EXPECT_EQ(a.is_nan, b.is_nan);
  EXPECT_EQ(a.timestamp_ms, b.timestamp_ms);
  EXPECT_EQ(a.step, b.step);
  EXPECT_EQ(a.min_value, b.min_value);
  EXPECT_EQ(a.max_value, b.max_value);
  EXPECT_EQ(a.first_step, b.first_step);
  EXPECT_EQ(a.last_step, b.last_step);
}

TEST(Additions, ComeInTheOrderOfTheirFirstPointsWithAllOfThem) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 300; ++round) {
    const std::vector<Metric> metrics = random_metrics(random, random() % 40, 1 + round % 7);
    const std::vector<Addition> additions = to_additions(metrics);
    std::vector<std::string> order;
    for (const Metric& metric : metrics) {
      if (std::find(order.begin(), order.end(), metric.key) == order.end())
        order.push_back(metric.key);
    }
    ASSERT_EQ(additions.size(), order.size());
    for (std::size_t i = 0; i < order.size(); ++i) {
      SeriesRow expected = row_of(order[i]);
      std::vector<Point> points;
      for (const Metric& metric : metrics) {
        if (metric.key != order[i]) continue;
        points.push_back(point_of(metric));
        add_point(expected, points.back());
      }
      EXPECT_EQ(points_of(additions[i]), points);
      expect_same(additions[i].sum, expected);
    }
  }
}

TEST(Additions, OfManyPointsAreChunksInOrderEachPointOnce) {
  for (std::size_t count : {kOwnChunkPoints - 1, kOwnChunkPoints, kChunkPoints + 1}) {
    std::vector<Metric> metrics;
    for (std::size_t i = count; i-- > 0;)
      metrics.push_back({"loss", 1.0 / static_cast<double>(i + 1), static_cast<UnixMs>(i), 0});
    metrics.push_back(metrics.back());
    const std::vector<Addition> additions = to_additions(metrics);
    ASSERT_EQ(additions.size(), 1u);
    EXPECT_EQ(additions[0].sum.points, static_cast<std::int64_t>(count + 1));
    if (count + 1 < kOwnChunkPoints) {
      EXPECT_EQ(additions[0].points.size(), count + 1);
      continue;
    }
    EXPECT_TRUE(additions[0].points.empty());
    EXPECT_EQ(additions[0].chunks.size(), (count + kChunkPoints - 1) / kChunkPoints);
    const std::vector<Point> points = points_of(additions[0]);
    EXPECT_EQ(points.size(), count) << "a repetition is one point";
    EXPECT_TRUE(std::is_sorted(points.begin(), points.end(), comes_before));
  }
}

TEST(Sum, OfPartsIsTheSumOfAllPoints) {
  std::mt19937_64 random(6);
  for (int round = 0; round < 1000; ++round) {
    SeriesRow whole = row_of("key0"), parts = row_of("key0");
    for (std::size_t part = 0; part < 1 + random() % 4; ++part) {
      SeriesRow sum;
      for (const Metric& metric : random_metrics(random, random() % 4, 1)) {
        add_point(sum, point_of(metric));
        add_point(whole, point_of(metric));
      }
      add_sum(parts, sum);
    }
    expect_same(parts, whole);
  }
}

}  // namespace
}  // namespace slipway::tracking
