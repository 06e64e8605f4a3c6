#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <utility>

#include "domain/checks/bins.h"
#include "domain/checks/distinct.h"
#include "domain/checks/frequent.h"
#include "domain/checks/kernels.h"
#include "domain/checks/moments.h"
#include "domain/checks/quantiles.h"
#include "domain/checks/seen.h"
#include "domain/checks/stable_hash.h"
#include "domain/checks/tally.h"

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

TEST(Kernels, PackWhatIsThereInItsOrder) {
  std::mt19937_64 random(12);
  for (int round = 0; round < 400; ++round) {
    const std::size_t rows = random() % 300;
    std::vector<std::uint64_t> valid(rows / 64 + 1);
    for (std::uint64_t& bits : valid) {
      // Few nulls, few values, all, none, and any; with bits beyond the last row.
      const std::uint64_t any = random(), rare = random() & random() & random() & random();
      const std::uint64_t kinds[] = {~rare, rare, ~0ull, 0ull, any};
      bits = kinds[random() % 5];
    }
    std::vector<double> reals;
    std::vector<std::int64_t> integers, bits;
    const std::unique_ptr<bool[]> bools(new bool[rows + 1]);
    std::vector<double> expected_reals;
    std::vector<std::int64_t> expected, expected_bits;
    for (std::size_t i = 0; i < rows; ++i) {
      integers.push_back(static_cast<std::int64_t>(random()));
      reals.push_back(static_cast<double>(integers.back()) / 3);
      bools[i] = random() % 2 == 0;
      if ((valid[i / 64] >> (i % 64) & 1) == 0) continue;
      expected_reals.push_back(reals.back());
      expected.push_back(integers.back());
      expected_bits.push_back(bools[i]);
    }
    std::vector<double> packed_reals(rows);
    std::vector<std::int64_t> packed(rows), packed_bits(rows);
    packed_reals.resize(pack(reals.data(), valid.data(), rows, packed_reals.data()));
    packed.resize(pack(integers.data(), valid.data(), rows, packed.data()));
    packed_bits.resize(pack(bools.get(), valid.data(), rows, packed_bits.data()));
    EXPECT_EQ(packed_reals, expected_reals);
    EXPECT_EQ(packed, expected);
    EXPECT_EQ(packed_bits, expected_bits);
  }
}

TEST(Kernels, CountStepsAndTheLeast) {
  const std::vector<double> values = {1, 1, 0, 5, 5, 5, 2};
  const Steps steps = count_steps(values.data(), values.size(), 1);
  EXPECT_EQ(steps.descents, 2);
  EXPECT_EQ(steps.repeats, 4);
  EXPECT_EQ(count_steps(values.data(), 1, 2).descents, 1);
  EXPECT_EQ(count_steps(values.data(), 0, 2).repeats, 0);
  constexpr std::int64_t kBig = std::int64_t{1} << 53;  // as doubles all of these are the same
  const std::vector<std::int64_t> wholes = {kBig, kBig + 1, kBig, kBig};
  EXPECT_EQ(count_steps(wholes.data(), wholes.size(), kBig).descents, 1);
  EXPECT_EQ(count_steps(wholes.data(), wholes.size(), kBig).repeats, 2);
  std::vector<std::uint8_t> bytes(256, 9);
  for (std::size_t place : {0u, 63u, 64u, 255u}) {
    bytes[place] = 3;
    EXPECT_EQ(least_of(bytes.data(), bytes.size()), 3);
    bytes[place] = 9;
  }
}

TEST(Moments, OfPartsAreThoseOfTheWhole) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    const std::vector<double> values = normals(1 + seed * 37, seed);
    Moments whole, merged, one_by_one;
    whole.add(values);
    for (double value : values) one_by_one.add(value);
    for (std::span<const double> part : parts_of(values, seed)) {
      Moments moments;
      moments.add(part);
      merged.merge(moments);
    }
    for (const Moments& made : {merged, one_by_one}) {
      EXPECT_EQ(made.n, whole.n);
      EXPECT_EQ(made.min, whole.min);
      EXPECT_EQ(made.max, whole.max);
      EXPECT_NEAR(made.mean, whole.mean, 1e-12 * (std::abs(whole.mean) + 1));
      EXPECT_NEAR(made.m2, whole.m2, 1e-9 * (whole.m2 + 1));
      EXPECT_NEAR(made.m3, whole.m3, 1e-8 * (whole.m4 + 1));
      EXPECT_NEAR(made.m4, whole.m4, 1e-9 * (whole.m4 + 1));
    }
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

/// The bins of values as Bins counts them, and as a search by hand does.
void expect_exact(const std::vector<double>& edges, std::vector<double> values) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (double edge : edges) {
    for (double near : {edge, std::nextafter(edge, -kInfinity), std::nextafter(edge, kInfinity)})
      if (std::isfinite(near)) values.push_back(near);
  }
  Bins bins(edges);
  bins.add(values);
  std::vector<std::int64_t> slow(edges.size() + 1);
  for (double x : values) {
    const auto above = std::upper_bound(edges.begin(), edges.end(), x) - edges.begin();
    ++slow[x == edges.back() ? edges.size() - 1 : static_cast<std::size_t>(above)];
  }
  EXPECT_EQ(bins.all(), slow) << edges.front() << " to " << edges.back();
}

TEST(Bins, CountExactlyWhereverTheEdgesLie) {
  constexpr double kMax = std::numeric_limits<double>::max();
  constexpr double kLeast = std::numeric_limits<double>::denorm_min();
  const std::vector<double> extremes = {-kMax, -1e300, -1, -kLeast, 0, kLeast, 1, 1e300, kMax};
  expect_exact({-kMax, kMax}, extremes);
  expect_exact({-kMax, 0, 1, 2, 3, kMax}, extremes);
  expect_exact({0, kLeast}, extremes);
  expect_exact({0, kLeast, 2 * kLeast, 3 * kLeast, 4 * kLeast, 5 * kLeast}, extremes);
  expect_exact({1e308, 1.1e308, 1.2e308, 1.3e308, 1.4e308, kMax}, extremes);
  std::mt19937_64 random(9);
  for (int round = 0; round < 300; ++round) {
    std::set<double> edges;
    const double spread = std::pow(10.0, static_cast<int>(random() % 40) - 20);
    std::normal_distribution<double> normal(spread * static_cast<double>(random() % 3), spread);
    const std::size_t count = 2 + random() % 125;
    while (edges.size() < count)
      edges.insert(round % 2 == 0 ? normal(random) : std::exp(5 * normal(random) / spread));
    std::vector<double> values = extremes;
    for (int i = 0; i < 1000; ++i) values.push_back(*std::next(edges.begin()) + normal(random));
    expect_exact({edges.begin(), edges.end()}, values);
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

TEST(DistinctSketch, OfManyAtOnceIsThatOfEachOne) {
  std::mt19937_64 random(5);
  for (std::uint64_t different : {1ull, 1'000ull, 100'000ull, 1ull << 60}) {
    DistinctSketch each, all;
    for (int chunk = 0; chunk < 300; ++chunk) {
      std::vector<std::uint64_t> hashes(chunk % 5 == 0 ? random() % 100 : 2048);
      for (std::uint64_t& hash : hashes)
        hash = hash_of(static_cast<std::int64_t>(random() % different));
      for (std::uint64_t hash : hashes) each.add(hash);
      all.add_all(hashes);
      ASSERT_TRUE(each == all) << different << ", chunk " << chunk;
    }
  }
}

TEST(Seen, CountsKnownValuesAsIfTheyHadBeenLookedUp) {
  std::mt19937_64 random(6);
  for (const std::uint64_t different : {3ull, 900ull, 40'000ull, 10'000'000ull}) {
    for (const bool while_likely : {false, true}) {
      Seen each(while_likely), some(while_likely);
      std::set<std::uint64_t> known;
      std::int64_t count = 0;
      for (int i = 0; i < 100'000; ++i) {
        const std::uint64_t hash = hash_of(static_cast<std::int64_t>(random() % different));
        each.add(hash);
        if (!known.insert(hash).second) {
          ++count;
          continue;
        }
        some.add_known(std::exchange(count, 0));
        some.add(hash);
      }
      some.add_known(count);
      EXPECT_EQ(some.result().n, each.result().n);
      EXPECT_EQ(some.result().distinct, each.result().distinct) << different;
      EXPECT_EQ(some.result().exact, each.result().exact) << different;
    }
  }
}

TEST(Tally, CountsWhatWasPutAndNothingElse) {
  std::mt19937_64 random(7);
  Tally<NumberKey> tally;
  std::map<std::int64_t, std::int64_t> truth;
  for (int i = 0; i < 200'000; ++i) {
    // Some share their lower bits, some their upper ones.
    const auto bits = static_cast<std::int64_t>((random() % 3'000) << (i % 3 * 25));
    const bool is_known = truth.contains(bits);
    ASSERT_EQ(tally.count({bits}), is_known);
    if (is_known)
      ++truth[bits];
    else
      tally.put({bits}, hash_of(truth.emplace(bits, 0).first->first));
  }
  std::size_t seen = 0;
  tally.each([&](std::uint64_t hash, const NumberKey& key, std::int64_t count) {
    EXPECT_EQ(hash, hash_of(key.bits));
    EXPECT_EQ(count, truth[key.bits]);
    ++seen;
  });
  EXPECT_EQ(seen, static_cast<std::size_t>(std::count_if(
                      truth.begin(), truth.end(), [](const auto& one) { return one.second > 0; })));
  tally.clear();
  EXPECT_FALSE(tally.count({truth.begin()->first}));
}

TEST(Tally, WhatIsNoKeyIsNeverKnown) {
  Tally<NumberKey> tally;
  const std::int64_t none = std::numeric_limits<std::int64_t>::min();
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(tally.count({none}));
    tally.put({none}, 1);
  }
  for (std::int64_t bits = 0; bits < 1000; ++bits) tally.put({bits}, 2);
  tally.each([](std::uint64_t, const NumberKey& key, std::int64_t count) {
    ADD_FAILURE() << key.bits << " was never counted, yet " << count << " times";
  });
}

TEST(Tally, TellsTextsApartByLengthAndByEachByte) {
  Tally<TextKey> tally;
  std::vector<std::string> texts = {"", std::string(1, '\0'), std::string(12, '\0'), "a", "ab",
                                    "abcdefghijkl", "abcdefghijkm", "bbcdefghijkl"};
  for (const std::string& text : texts) {
    const TextKey key{table::Text(text)};
    EXPECT_FALSE(tally.count(key)) << text;
    tally.put(key, hash_of(std::string_view(text)));
    EXPECT_TRUE(tally.count(key)) << text;
    EXPECT_EQ(key.text().view(), text);
  }
  std::size_t seen = 0;
  tally.each([&](std::uint64_t hash, const TextKey& key, std::int64_t count) {
    EXPECT_EQ(hash, hash_of(key.text().view()));
    EXPECT_EQ(count, 1);
    ++seen;
  });
  EXPECT_EQ(seen, texts.size());
}

TEST(Tally, ValuesMadeToCollideAreLeftToOthers) {
  // Multiples of the inverse of what keys are multiplied with: all belong to the first places.
  std::uint64_t inverse = 0x9e3779b97f4a7c15;
  for (int i = 0; i < 6; ++i) inverse *= 2 - 0x9e3779b97f4a7c15 * inverse;
  Tally<NumberKey> tally;
  std::int64_t counted = 0;
  for (int round = 0; round < 2; ++round) {
    for (std::uint64_t i = 0; i < 20'000; ++i) {
      const NumberKey key{static_cast<std::int64_t>(i * inverse)};
      if (tally.count(key))
        ++counted;
      else
        tally.put(key, i);
    }
  }
  EXPECT_LT(counted, 200);
  tally.each([&](std::uint64_t, const NumberKey&, std::int64_t count) { counted -= count; });
  EXPECT_EQ(counted, 0);
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
