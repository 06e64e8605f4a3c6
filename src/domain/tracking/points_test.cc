#include "domain/tracking/points.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace slipway::tracking {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kMax = std::numeric_limits<double>::max();
constexpr std::int64_t kLast = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kFirst = std::numeric_limits<std::int64_t>::min();

TEST(Point, KeepsNanAsAFlagAndInfinityAsTheLargestNumber) {
  EXPECT_EQ(to_point(kNan, 1, 2), (Point{1, 2, 0, true}));
  EXPECT_EQ(to_point(kInf, 1, 2), (Point{1, 2, kMax, false}));
  EXPECT_EQ(to_point(-kInf, 1, 2), (Point{1, 2, -kMax, false}));
  EXPECT_TRUE(std::isnan(value_of(to_point(kNan, 0, 0))));
  EXPECT_EQ(value_of(to_point(0.1, 0, 0)), 0.1);
}

TEST(Point, ReplacesTheLatestByStepThenTimeThenValue) {
  struct Row {
    Point a, b;
    bool later;
  };
  const Row rows[] = {
      {{0, 2, 0, false}, {9, 1, 9, false}, true},  {{9, 1, 9, false}, {0, 2, 0, false}, false},
      {{2, 1, 0, false}, {1, 1, 9, false}, true},  {{1, 1, 2, false}, {1, 1, 1, false}, true},
      {{1, 1, 1, false}, {1, 1, 1, false}, false}, {{1, 1, 0, true}, {1, 1, -1, false}, true},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(is_later(row.a, row.b), row.later)
        << row.a.step << " " << row.a.timestamp_ms << " " << row.a.value;
  }
}

TEST(Points, AreTidiedByTimeStepAndValueWithoutDuplicates) {
  std::vector<Point> points = {
      {2, 0, 1, false}, {1, 5, 0, false}, {1, 5, 0, true}, {1, 0, 9, false}, {2, 0, 1, false}};
  tidy(points);
  EXPECT_EQ(points, (std::vector<Point>{
                        {1, 0, 9, false}, {1, 5, 0, false}, {1, 5, 0, true}, {2, 0, 1, false}}));
}

std::vector<Point> steps(std::initializer_list<std::int64_t> numbers) {
  std::vector<Point> points;
  for (std::int64_t number : numbers) points.push_back({0, number, 0, false});
  return points;
}

TEST(Points, AreTakenEvenlyWithTheLastAmongThem) {
  const std::vector<Point> ten = steps({0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_EQ(take_evenly(ten, 20), ten);
  EXPECT_EQ(take_evenly(ten, 10), ten);
  EXPECT_EQ(take_evenly(ten, 5), steps({0, 2, 4, 6, 9}));
  // Parts of 4, 3 and 3.
  EXPECT_EQ(take_evenly(ten, 3), steps({0, 4, 9}));
  EXPECT_EQ(take_evenly(ten, 1), steps({9}));
  EXPECT_EQ(take_evenly(ten, 0), steps({}));
  EXPECT_EQ(take_evenly({}, 3), steps({}));
}

std::vector<Point> random_points(std::mt19937_64& random, std::size_t count) {
  std::vector<Point> points;
  const std::int64_t odd[] = {kFirst, kLast, 0, -1, 1};
  for (std::size_t i = 0; i < count; ++i) {
    const auto bits = random();
    const std::int64_t step = bits % 7 == 0 ? odd[bits / 7 % 5] : static_cast<int>(bits);
    const double value = bits % 11 == 0 ? kNan : bits % 13 == 0 ? -kInf : std::ldexp(bits, -40);
    points.push_back(to_point(value, static_cast<UnixMs>(bits >> 20), step));
  }
  return points;
}

std::string encode(const std::vector<SeriesPoints>& batch) {
  std::vector<SeriesView> views;
  for (const SeriesPoints& series : batch) views.push_back({series.series, series.points});
  return encode_batch(views);
}

TEST(Heads, StandForAllPointsOfTheirChunk) {
  for (std::size_t n : {1u, 2u, 31u, 32u, 33u, 64u, 65u, 1000u, 1023u, 1024u}) {
    std::vector<Point> points;
    for (std::size_t i = 0; i < n; ++i) {
      const auto step = static_cast<std::int64_t>((i * 7) % n);  // not in the order of time
      points.push_back(to_point(1.5, static_cast<UnixMs>(i), n % 7 == 0 ? 0 : step));
    }
    const std::vector<Chunk> chunks = to_chunks(points);
    ASSERT_EQ(chunks.size(), 1u);
    std::sort(points.begin(), points.end(), comes_before_by_step);
    EXPECT_EQ(chunks[0].first_step, points.front().step);
    EXPECT_EQ(chunks[0].last_step, points.back().step);
    Result<std::vector<Head>> heads = decode_heads(chunks[0].heads, n);
    ASSERT_TRUE(heads.ok()) << n;
    std::size_t at = 0;
    for (const Head& head : *heads) {
      ASSERT_LT(at, n);
      EXPECT_EQ(head.point, points[at]);
      at += head.points;
    }
    EXPECT_EQ(at, n);
    EXPECT_EQ(heads->back().point, points.back());
    EXPECT_FALSE(decode_heads(chunks[0].heads, n + kHeadPoints).ok());
  }
}

TEST(Heads, AreTakenOneFromEachPart) {
  constexpr std::size_t kPoints = 40 * kChunkPoints + 17;
  std::vector<Head> heads;
  for (std::size_t from = 0; from < kPoints; from += kChunkPoints) {
    std::vector<Point> points;
    for (std::size_t i = from; i < std::min(from + kChunkPoints, kPoints); ++i) {
      points.push_back(to_point(0, 1, static_cast<std::int64_t>(i)));
    }
    const std::vector<Chunk> chunks = to_chunks(points);
    const Result<std::vector<Head>> read = decode_heads(chunks[0].heads, points.size());
    ASSERT_TRUE(read.ok());
    heads.insert(heads.end(), read->begin(), read->end());
  }
  for (std::size_t count : {1u, 7u, 100u, 1000u}) {
    const std::vector<Point> taken = take_heads(heads, count);
    ASSERT_EQ(taken.size(), count);
    const std::size_t size = kPoints / count, larger = kPoints % count;
    for (std::size_t i = 0; i + 1 < count; ++i) {
      const std::size_t start = i * size + std::min(i, larger);
      EXPECT_GE(taken[i].step, static_cast<std::int64_t>(start));
      EXPECT_LT(taken[i].step, static_cast<std::int64_t>(start + size));
    }
    EXPECT_EQ(taken.back().step, static_cast<std::int64_t>(kPoints) - 1);
  }
}

TEST(Batch, IsGatheredSeriesBySeries) {
  const std::vector<Point> one{to_point(1, 1, 1)}, two{to_point(2, 2, 2), to_point(3, 3, 3)};
  const SeriesView views[] = {{9, one}, {4, two}, {7, one}, {4, one}};
  const std::string bytes = encode_batch(views);
  std::map<std::int64_t, std::vector<Point>> found;
  ASSERT_TRUE(gather_batch(bytes, 0, found).ok());
  EXPECT_EQ(found.size(), 3u);
  EXPECT_EQ(found[4], (std::vector<Point>{two[0], two[1], one[0]}));
  EXPECT_EQ(found[7], one);
  EXPECT_EQ(found[9], one);
  ASSERT_TRUE(gather_batch(bytes, 7, found).ok());
  EXPECT_EQ(found.size(), 3u);
  EXPECT_EQ(found[9], (std::vector<Point>{one[0], one[0]})) << "behind what was there";
  found.clear();
  ASSERT_TRUE(gather_batch(bytes, 7, found).ok());
  EXPECT_EQ(found.size(), 1u);
  EXPECT_EQ(found[9], one);
}

TEST(Batch, ReadsBackAsWritten) {
  std::mt19937_64 random(1);
  for (int round = 0; round < 200; ++round) {
    std::vector<SeriesPoints> batch;
    for (std::size_t i = 0; i < random() % 5; ++i) {
      batch.push_back(
          {static_cast<std::int64_t>(random() >> 1), random_points(random, 1 + random() % 9)});
    }
    Result<std::vector<SeriesPoints>> read = decode_batch(encode(batch));
    ASSERT_TRUE(read.ok()) << read.error().message;
    ASSERT_EQ(read->size(), batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
      EXPECT_EQ((*read)[i].series, batch[i].series);
      EXPECT_EQ((*read)[i].points, batch[i].points);
    }
  }
}

TEST(Batch, GivesOneSeriesAlone) {
  std::mt19937_64 random(2);
  const std::vector<Point> a = random_points(random, 5), b = random_points(random, 7);
  const std::string bytes = encode({{3, a}, {900, b}, {4, a}});
  EXPECT_EQ(*decode_batch_of(bytes, 900), b);
  EXPECT_EQ(*decode_batch_of(bytes, 4), a);
  EXPECT_TRUE(decode_batch_of(bytes, 5)->empty());
}

TEST(Batch, OfOnePointIsShort) {
  const Point point = to_point(0.5, 1'700'000'000'000, 12'345);
  EXPECT_LT(encode({{77, {point}}}).size(), 28u);
}

TEST(Chunk, ReadsBackAsWrittenAndIsSmallForRegularSeries) {
  std::mt19937_64 random(3);
  for (std::size_t count : {0, 1, 2, 1024}) {
    const std::vector<Point> points = random_points(random, count);
    EXPECT_EQ(*decode_chunk(encode_chunk(points)), points);
  }
  std::vector<Point> regular;
  for (int i = 0; i < 1000; ++i) regular.push_back(to_point(i, 1'700'000'000'000 + i * 50, i));
  EXPECT_LT(encode_chunk(regular).size(), 10'100u) << "a value of eight bytes and two of one";
}

TEST(Bytes, ThatAreDamagedAreAnErrorAndNeverMore) {
  std::mt19937_64 random(4);
  const std::string batch = encode({{1, random_points(random, 20)}, {2, random_points(random, 3)}});
  const std::string chunk = encode_chunk(random_points(random, 20));
  for (const std::string& good : {batch, chunk}) {
    for (std::size_t length = 0; length < good.size(); ++length) {
      EXPECT_FALSE(decode_batch(good.substr(0, length)).ok());
      EXPECT_FALSE(decode_chunk(good.substr(0, length)).ok());
    }
    for (int round = 0; round < 5000; ++round) {
      std::string bad = good;
      for (int i = 0; i < 3; ++i) bad[random() % bad.size()] = static_cast<char>(random());
      // Whatever they hold now, they are no more points than fit into the bytes.
      if (Result<std::vector<Point>> points = decode_chunk(bad); points.ok()) {
        EXPECT_LE(points->size() * 10, bad.size());
      }
      if (Result<std::vector<Point>> points = decode_batch_of(bad, 1); points.ok()) {
        EXPECT_LE(points->size() * 10, bad.size());
      }
    }
  }
  EXPECT_FALSE(decode_chunk(std::string("\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10)).ok())
      << "a count beyond the bytes";
  EXPECT_FALSE(decode_chunk("\x02").ok()) << "a version to come";
}

}  // namespace
}  // namespace slipway::tracking
