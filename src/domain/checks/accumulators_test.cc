#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "domain/checks/bins.h"
#include "domain/checks/distinct.h"
#include "domain/checks/frequent.h"
#include "domain/checks/moments.h"
#include "domain/checks/quantiles.h"
#include "domain/checks/stable_hash.h"

namespace slipway::checks {
namespace {

std::vector<double> normals(std::size_t n, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(10, 3);
  std::vector<double> values(n);
  for (double& value : values) value = normal(random);
  return values;
}

/// The values in up to 9 parts of random sizes, some of them empty.
std::vector<std::span<const double>> parts_of(std::span<const double> values, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::span<const double>> parts;
  for (int i = 0; i < 8; ++i) {
    const std::size_t size = random() % (values.size() / 4 + 1);
    parts.push_back(values.first(std::min(size, values.size())));
    values = values.subspan(parts.back().size());
  }
  parts.push_back(values);
  return parts;
}

TEST(StableHash, NeverChanges) {
  // From the definition in docs/formats/profile.md, written down once more in Python.
  EXPECT_EQ(hash_of(0.0), hash_of(-0.0));
  EXPECT_EQ(hash_of(std::int64_t{0}), 16294208416658607535u);
  EXPECT_EQ(hash_of(std::int64_t{-7}), 7790691224305936752u);
  EXPECT_EQ(hash_of(0.5), 17606427253252083309u);
  EXPECT_EQ(hash_of(std::string_view("")), 16294208416658607535u);
  EXPECT_EQ(hash_of(std::string_view("bikes in the rain")), 6471204303293043511u);
}

TEST(Moments, AreThoseOfAnExactPass) {
  const std::vector<double> values = normals(10'001, 1);
  Moments moments;
  moments.add(values);
  long double mean = 0;
  for (double x : values) mean += x;
  mean /= static_cast<long double>(values.size());
  long double m2 = 0, m3 = 0, m4 = 0;
  for (double x : values) {
    const long double d = x - mean;
    m2 += d * d;
    m3 += d * d * d;
    m4 += d * d * d * d;
  }
  EXPECT_EQ(moments.n, 10'001);
  EXPECT_EQ(moments.min, *std::min_element(values.begin(), values.end()));
  EXPECT_EQ(moments.max, *std::max_element(values.begin(), values.end()));
  EXPECT_NEAR(moments.mean, static_cast<double>(mean), 1e-12);
  EXPECT_NEAR(moments.m2, static_cast<double>(m2), 1e-9 * static_cast<double>(m2));
  EXPECT_NEAR(moments.m3, static_cast<double>(m3), 1e-7 * static_cast<double>(m2));
  EXPECT_NEAR(moments.m4, static_cast<double>(m4), 1e-9 * static_cast<double>(m4));
  EXPECT_NEAR(moments.kurtosis(), 0, 0.2);
}

TEST(Moments, OfPartsAreThoseOfTheWhole) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    const std::vector<double> values = normals(1 + seed * 37, seed);
    Moments whole, merged;
    whole.add(values);
    for (std::span<const double> part : parts_of(values, seed)) {
      Moments moments;
      moments.add(part);
      merged.merge(moments);
    }
    EXPECT_EQ(merged.n, whole.n);
    EXPECT_EQ(merged.min, whole.min);
    EXPECT_EQ(merged.max, whole.max);
    EXPECT_NEAR(merged.mean, whole.mean, 1e-12 * std::abs(whole.mean));
    EXPECT_NEAR(merged.m2, whole.m2, 1e-9 * (whole.m2 + 1));
    EXPECT_NEAR(merged.m3, whole.m3, 1e-8 * (whole.m4 + 1));
    EXPECT_NEAR(merged.m4, whole.m4, 1e-9 * (whole.m4 + 1));
  }
}

TEST(Moments, OfOneBigOffsetLoseNothing) {
  std::vector<double> values;
  for (int i = 0; i < 1000; ++i) values.push_back(1e9 + i % 2);
  Moments moments;
  moments.add(values);
  EXPECT_DOUBLE_EQ(moments.variance(), 0.25);
}

TEST(Bins, CountAsASlowSearchDoes) {
  std::mt19937 random(7);
  for (int edges_count : {2, 3, 11, 65, 126}) {
    std::vector<double> edges;
    for (int i = 0; i < edges_count; ++i) edges.push_back(i * 0.25 - 5);
    std::vector<double> values = normals(5000, random());
    values.insert(values.end(), edges.begin(), edges.end());
    Bins bins(edges);
    bins.add(values);
    std::vector<std::int64_t> slow(edges.size() + 1);
    for (double x : values) {
      std::size_t bin =
          static_cast<std::size_t>(std::upper_bound(edges.begin(), edges.end(), x) - edges.begin());
      if (x == edges.back()) bin = edges.size() - 1;  // the last bin has its upper edge too
      ++slow[bin];
    }
    EXPECT_EQ(bins.all(), slow) << edges_count;
    EXPECT_EQ(bins.under(), slow.front());
    EXPECT_EQ(bins.over(), slow.back());
    EXPECT_EQ(bins.total(), static_cast<std::int64_t>(values.size()));
  }
}

TEST(Bins, OfPartsAreThoseOfTheWhole) {
  const std::vector<double> values = normals(9999, 3);
  Bins whole({0, 5, 10, 15, 20}), merged({0, 5, 10, 15, 20});
  whole.add(values);
  for (std::span<const double> part : parts_of(values, 4)) {
    Bins bins({0, 5, 10, 15, 20});
    bins.add(part);
    merged.merge(bins);
  }
  EXPECT_EQ(merged.all(), whole.all());
}

TEST(Bins, AValueThatIsOftenThereGetsABinOfItsOwn) {
  const std::vector<double> quantiles = {0, 0, 0, 1, 2, 3};
  const std::vector<double> edges = edges_from_quantiles(quantiles);
  EXPECT_EQ(edges, (std::vector<double>{0, std::nextafter(0.0, 1.0), 1, 2, 3}));
  EXPECT_TRUE(Bins::are_edges(edges));
  EXPECT_TRUE(Bins::are_edges(edges_from_quantiles(std::vector<double>{4, 4, 4})));
  EXPECT_FALSE(Bins::are_edges(std::vector<double>{1, 1}));
}

double rank_of(const std::vector<double>& sorted, double x) {
  return static_cast<double>(std::upper_bound(sorted.begin(), sorted.end(), x) - sorted.begin()) /
         static_cast<double>(sorted.size());
}

double worst_rank_error(const QuantileSketch& sketch, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  std::vector<double> shares;
  for (int i = 1; i < 100; ++i) shares.push_back(i / 100.0);
  const std::vector<double> quantiles = sketch.quantiles(shares);
  double worst = 0;
  for (std::size_t i = 0; i < shares.size(); ++i)
    worst = std::max(worst, std::abs(rank_of(values, quantiles[i]) - shares[i]));
  return worst;
}

TEST(QuantileSketch, IsExactForFewValues) {
  QuantileSketch sketch;
  std::vector<double> values;
  for (int i = 800; i > 0; --i) values.push_back(i);
  sketch.add(values);
  EXPECT_EQ(sketch.quantile(0), 1);
  EXPECT_EQ(sketch.quantile(0.5), 400);
  EXPECT_EQ(sketch.quantile(0.25), 200);
  EXPECT_EQ(sketch.quantile(1), 800);
  EXPECT_DOUBLE_EQ(sketch.share_until(200.5), 0.25);
}

TEST(QuantileSketch, StaysWithinOnePercentOfTheRankInAnyOrder) {
  for (std::size_t n : {5'000u, 60'000u, 1'000'000u}) {
    std::vector<double> values = normals(n, static_cast<unsigned>(n));
    for (int order = 0; order < 3; ++order) {
      if (order == 1) std::sort(values.begin(), values.end());
      if (order == 2) std::reverse(values.begin(), values.end());
      QuantileSketch sketch;
      for (std::size_t at = 0; at < n; at += 2048)
        sketch.add(std::span(values).subspan(at, std::min<std::size_t>(2048, n - at)));
      EXPECT_EQ(sketch.n(), static_cast<std::int64_t>(n));
      EXPECT_LT(worst_rank_error(sketch, values), 0.012) << n << " " << order;
      EXPECT_LT(sketch.sorted().size(), 3000u);
      std::int64_t weight = 0;
      for (const auto& item : sketch.sorted()) weight += item.weight;
      EXPECT_EQ(weight, sketch.n());
    }
  }
}

TEST(QuantileSketch, MergesFromAnyParts) {
  const std::vector<double> values = normals(300'000, 11);
  for (unsigned seed = 0; seed < 5; ++seed) {
    QuantileSketch merged;
    for (std::span<const double> part : parts_of(values, seed)) {
      QuantileSketch sketch;
      sketch.add(part);
      merged.merge(sketch);
    }
    EXPECT_EQ(merged.n(), 300'000);
    std::int64_t weight = 0;
    for (const auto& item : merged.sorted()) weight += item.weight;
    EXPECT_EQ(weight, 300'000);
    EXPECT_LT(worst_rank_error(merged, values), 0.015);
  }
}

TEST(QuantileSketch, IsReadBackAsItWasWritten) {
  QuantileSketch sketch;
  sketch.add(normals(100'000, 5));
  QuantileSketch again;
  ASSERT_TRUE(QuantileSketch::restore(sketch.levels(), again));
  EXPECT_EQ(again.n(), sketch.n());
  for (double q : {0.01, 0.5, 0.99}) EXPECT_EQ(again.quantile(q), sketch.quantile(q));
  again.add(normals(10'000, 6));
  EXPECT_EQ(again.n(), 110'000);
  EXPECT_FALSE(QuantileSketch::restore({{0.5, std::nan("")}}, again));
  EXPECT_FALSE(QuantileSketch::restore(std::vector<std::vector<double>>(60), again));
}

TEST(DistinctSketch, CountsWithinFivePercent) {
  for (std::int64_t n : {1, 10, 500, 4096, 50'000, 1'000'000}) {
    DistinctSketch sketch;
    for (std::int64_t i = 0; i < n; ++i) {
      sketch.add(hash_of(i));
      sketch.add(hash_of(i / 2));
    }
    EXPECT_NEAR(sketch.estimate(), static_cast<double>(n), 0.05 * static_cast<double>(n) + 0.5);
  }
  EXPECT_EQ(DistinctSketch().estimate(), 0);
}

TEST(DistinctSketch, MergesExactlyAndIsReadBack) {
  DistinctSketch whole, left, right, again;
  for (std::int64_t i = 0; i < 10'000; ++i) {
    whole.add(hash_of(i));
    (i % 3 == 0 ? left : right).add(hash_of(i));
  }
  left.merge(right);
  EXPECT_TRUE(left == whole);
  ASSERT_TRUE(DistinctSketch::restore(whole.text(), again));
  EXPECT_TRUE(again == whole);
  DistinctSketch empty;
  EXPECT_EQ(empty.text(), "z4096.");
  for (const char* wrong : {"", "z4095.", "z4097.", "z99999999999.", "z", "zz.", "!"})
    EXPECT_FALSE(DistinctSketch::restore(wrong, again)) << wrong;
}

void add(Frequent& frequent, const std::string& text, std::int64_t row) {
  frequent.add_text(hash_of(std::string_view(text)), text, row);
}

TEST(Frequent, CountsExactlyUpToItsBound) {
  Frequent frequent;
  for (int i = 0; i < 30'000; ++i) add(frequent, std::to_string(i % 10'000), i);
  EXPECT_TRUE(frequent.exact());
  EXPECT_EQ(frequent.size(), 10'000u);
  EXPECT_EQ(frequent.last_new_row(), 9'999);
  EXPECT_EQ(frequent.find(hash_of(std::string_view("77")))->count, 3);
  EXPECT_EQ(frequent.find(hash_of(std::string_view("x"))), nullptr);
}

TEST(Frequent, KeepsWhatIsFrequentAmongMany) {
  std::mt19937 random(3);
  Frequent frequent(100);
  std::map<std::string, std::int64_t> truth;
  for (int i = 0; i < 50'000; ++i) {
    const std::string text = i % 5 == 0 ? "often" : std::to_string(random() % 20'000);
    add(frequent, text, i);
    ++truth[text];
  }
  EXPECT_FALSE(frequent.exact());
  EXPECT_LE(frequent.size(), 200u);
  EXPECT_LE(frequent.error(), 50'000 / 100);
  ASSERT_EQ(frequent.top(1).size(), 1u);
  EXPECT_EQ(frequent.top(1)[0].text, "often");
  for (const Frequent::Item& item : frequent.items()) {
    EXPECT_LE(item.count, truth[item.text]);
    EXPECT_GE(item.count + frequent.error(), truth[item.text]);
  }
}

TEST(Frequent, OfPartsIsThatOfTheWholeWhileExact) {
  Frequent whole, merged;
  std::int64_t rows = 0;
  for (int part = 0; part < 4; ++part) {
    Frequent one;
    for (int i = 0; i < 1000; ++i) {
      const std::string text = std::to_string((part * 1000 + i) % 700);
      add(whole, text, rows + i);
      add(one, text, i);
    }
    merged.merge(one, rows);
    rows += 1000;
  }
  ASSERT_EQ(merged.size(), whole.size());
  EXPECT_EQ(merged.last_new_row(), whole.last_new_row());
  const std::vector<Frequent::Item> ours = merged.top(700), theirs = whole.top(700);
  for (std::size_t i = 0; i < 700; ++i) {
    EXPECT_EQ(ours[i].text, theirs[i].text);
    EXPECT_EQ(ours[i].count, theirs[i].count);
  }
}

TEST(Frequent, LongTextsAreCutBetweenCharacters) {
  Frequent frequent;
  add(frequent, std::string(127, 'a') + "\xc3\xa4" + "tail", 0);
  EXPECT_EQ(frequent.items()[0].text, std::string(127, 'a'));
}

}  // namespace
}  // namespace slipway::checks
