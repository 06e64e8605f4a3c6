#include "domain/checks/drift.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "domain/checks/distributions.h"

// Every value was recomputed with SciPy 1.17 and NumPy 2.4 (tests/vectors/drift_vectors.py prints
// them) and agrees with the published one to all ten digits, but for the bins of NannyML in V5:
// Doane's rule gives 7 of them there (NumPy), not 8, so these values are NumPy's.
namespace slipway::checks {
namespace {

constexpr double kDigits = 6e-11;  // ten digits after the point
constexpr double kE = 2.718281828459045;
using Numbers = std::vector<double>;

const Smoothing kEvidently{Smoothing::Kind::kEvidently, 0};

TEST(Vectors, V1Categories) {
  const Numbers r{16, 18, 16, 14, 12, 12}, c{16, 16, 16, 16, 16, 8};
  const Significance chi = chi_square(r, c);
  EXPECT_NEAR(chi.statistic, 3.1746031746, kDigits);
  EXPECT_NEAR(chi.p, 0.6730876007, kDigits);
  EXPECT_EQ(chi.dof, 5);
  const Significance g = g_test(r, c);
  EXPECT_NEAR(g.statistic, 3.2223320117, kDigits);
  EXPECT_NEAR(g.p, 0.6657519578, kDigits);
  EXPECT_NEAR(hellinger(r, c), 0.0681277437, kDigits);
  EXPECT_NEAR(jensen_shannon_distance(r, c, kE), 0.0680481962, kDigits);
  EXPECT_NEAR(jensen_shannon_distance(r, c), 0.0817342133, kDigits);
  EXPECT_NEAR(jensen_shannon_divergence(r, c), 0.0066804816, kDigits);
  EXPECT_NEAR(population_stability(r, c, kEvidently), 0.0372183816, kDigits);
  EXPECT_NEAR(kullback_leibler(r, c, kEvidently), 0.0189096770, kDigits);
  EXPECT_NEAR(total_variation(r, c), 0.0681818182, kDigits);
  EXPECT_NEAR(l_infinity(r, c).value, 0.0454545455, kDigits);
  EXPECT_EQ(l_infinity(Numbers{4, 4, 0}, Numbers{0, 4, 4}).index, 2u);  // of equal ones the last
}

TEST(Vectors, V2Samples) {
  const Numbers a{38.7, 41.5, 43.8, 44.5, 45.5, 46.0, 47.7, 58.0};
  const Numbers b{39.2, 39.3, 39.7, 41.4, 41.8, 42.9, 43.3, 45.8};
  EXPECT_DOUBLE_EQ(ks_statistic(a, b), 0.625);
  EXPECT_NEAR(ks_p_exact(0.625, 8, 8), 0.0870240870, kDigits);
  EXPECT_NEAR(ks_p_asymptotic(0.625, 8, 8), 0.0878664139, kDigits);
  EXPECT_NEAR(wasserstein(a, b), 4.1625, kDigits);
  EXPECT_NEAR(wasserstein(a, b) / wasserstein_scale_of_evidently(5.3280947580).value, 0.7812361058,
              kDigits);
}

// The values of this test are SciPy's: chi2_contingency without correction, hypergeom.
TEST(TwoSamples, AThinCellIsTestedByItselfAndNeverJoinedToAnOrdinaryOne) {
  // Exactly: 2 * hypergeom.sf(27, 20250, 28, 250), and 2 * hypergeom.cdf(0, 1000, 40, 100).
  EXPECT_NEAR(hypergeometric_p(28, 250, 28, 20250) / 1.5467186850e-54, 1, 1e-6);
  EXPECT_NEAR(hypergeometric_p(0, 100, 40, 1000), 0.0270402948, kDigits);
  EXPECT_NEAR(hypergeometric_p(4, 100, 40, 1000), 1, kDigits);
  // Without thin cells it is the chi-square test.
  EXPECT_NEAR(two_samples_p(Numbers{300, 500, 200}, Numbers{40, 40, 20}),
              chi_square_of_two(Numbers{300, 500, 200}, Numbers{40, 40, 20}, false).p, kDigits);
  // A new value, in a window that is small beside the reference.
  EXPECT_LT(two_samples_p(Numbers{900'000, 100'000, 0}, Numbers{0, 100, 900}), 1e-100);
  EXPECT_LT(two_samples_p(Numbers{10'000, 10'000, 0}, Numbers{112, 110, 28}), 1e-50);
  // One of a kind is chance, wherever it is.
  EXPECT_GT(two_samples_p(Numbers{10'000, 10'000, 0}, Numbers{125, 124, 1}), 0.1);
  // Thin cells that are not thin together.
  Numbers many(200, 2), few(200, 0);
  many.push_back(10'000);
  few.push_back(600);
  EXPECT_LT(two_samples_p(many, few), 0.001);
}

TEST(TwoSamples, OfOneDistributionDifferAsOftenAsPSaysWithManyRareCellsToo) {
  std::mt19937_64 random(5);
  for (const double exponent : {0.0, 1.0, 2.0}) {
    std::vector<double> weights;
    for (int i = 1; i <= 400; ++i) weights.push_back(std::pow(i, -exponent));
    std::discrete_distribution<std::size_t> draw(weights.begin(), weights.end());
    int alarms = 0;
    for (int trial = 0; trial < 1000; ++trial) {
      Numbers reference(400), current(400);
      for (int i = 0; i < 1000; ++i) ++reference[draw(random)];
      for (int i = 0; i < 250; ++i) ++current[draw(random)];
      alarms += two_samples_p(reference, current) < 0.01;
    }
    EXPECT_LE(alarms, 20) << exponent;  // 10 expected
  }
}

TEST(Vectors, V3ANewCategory) {
  const Numbers r{60, 40, 0}, c{50, 40, 10};
  EXPECT_NEAR(population_stability(r, c, kEvidently), 0.7083169080, kDigits);
  EXPECT_NEAR(population_stability(r, c, {Smoothing::Kind::kFloor, 0.01}), 0.2254648140, kDigits);
  EXPECT_NEAR(population_stability(r, c), 0.3177529524, kDigits);  // Slipway's own: Jeffreys
  EXPECT_TRUE(std::isinf(population_stability(r, c, {Smoothing::Kind::kNone, 0})));
  EXPECT_NEAR(kullback_leibler(r, c, kEvidently), 0.1085912944, kDigits);
  EXPECT_NEAR(jensen_shannon_distance(r, c, kE), 0.1921801945, kDigits);
  EXPECT_NEAR(jensen_shannon_distance(r, c), 0.2308319382, kDigits);
  EXPECT_NEAR(hellinger(r, c), 0.2286426087, kDigits);
  EXPECT_NEAR(l_infinity(r, c).value, 0.1, kDigits);
  EXPECT_TRUE(std::isinf(chi_square(r, c).statistic));
  EXPECT_EQ(chi_square(r, c).p, 0);
}

TEST(Vectors, V4TwoProportions) {
  const Significance z = proportions(65, 100, 50, 100);
  EXPECT_NEAR(z.statistic, 2.1455956196, kDigits);
  EXPECT_NEAR(z.p, 0.0319052552, kDigits);
  EXPECT_NEAR(fisher_exact(50, 50, 65, 35), 0.0449320001, kDigits);
}

Numbers histogram(const Numbers& values, const Numbers& edges) {
  Numbers counts(edges.size() - 1);
  for (double x : values) {
    auto after = std::upper_bound(edges.begin(), edges.end(), x);
    if (after == edges.end() && x == edges.back()) --after;
    if (after == edges.end() || after == edges.begin()) continue;
    ++counts[static_cast<std::size_t>(after - edges.begin()) - 1];
  }
  return counts;
}

TEST(Vectors, V5AShift) {
  Numbers a, b;
  for (int i = 0; i < 64; ++i) {
    a.push_back(0.5 * i);
    b.push_back(0.5 * i + 3);
  }
  const Numbers edges = sturges_edges(0, 34.5, 128);
  const Numbers r = histogram(a, edges), c = histogram(b, edges);
  EXPECT_EQ(r, (Numbers{9, 9, 8, 9, 9, 8, 9, 3}));
  EXPECT_EQ(c, (Numbers{3, 9, 8, 9, 9, 8, 9, 9}));
  EXPECT_NEAR(population_stability(r, c, kEvidently), 0.2059898041, kDigits);
  EXPECT_NEAR(kullback_leibler(r, c, kEvidently), 0.1029949021, kDigits);
  EXPECT_NEAR(jensen_shannon_distance(r, c, kE), 0.1566118027, kDigits);
  EXPECT_NEAR(hellinger(r, c), 0.1584936491, kDigits);
  const double deviation = std::sqrt((64.0 * 64 - 1) / 12) / 2;
  EXPECT_NEAR(wasserstein(a, b) / deviation, 0.3247991772, kDigits);
  EXPECT_DOUBLE_EQ(ks_statistic(a, b), 0.09375);
  EXPECT_NEAR(ks_p(0.09375, 64, 64), 0.9439990379, kDigits);
  // NannyML: Doane's bins of the reference, and what falls outside of them as one more.
  const Numbers doane_r{9, 9, 9, 9, 9, 9, 10, 0}, doane_c{3, 9, 9, 9, 9, 9, 10, 6};
  EXPECT_NEAR(jensen_shannon_distance(doane_r, doane_c), 0.2541017037, kDigits);
  EXPECT_NEAR(hellinger(doane_r, doane_c), 0.2437931878, kDigits);
}

TEST(Vectors, V6HistogramsOfTfdv) {
  const Histogram one{{0, 1, 2, 3}, {10, 20, 30}, 0}, two{{0, 1.5, 3}, {30, 30}, 0};
  EXPECT_NEAR(jensen_shannon_of_histograms(one, two), 0.0325299605, kDigits);
  const Histogram same{{0, 1, 2}, {50, 50}, 10};
  EXPECT_NEAR(jensen_shannon_of_histograms(same, same), 0.0909090909, kDigits);
}

TEST(Vectors, V7CramersV) {
  EXPECT_NEAR(cramers_v(Numbers{60, 30, 10}, Numbers{40, 30, 30}), 0.2454638981, kDigits);
  EXPECT_NEAR(cramers_v(Numbers{450, 50}, Numbers{400, 100}), 0.1335972966,
              kDigits);  // scaled down
  EXPECT_EQ(cramers_v(Numbers{450}, Numbers{400}), 0);
}

TEST(Drift, AgreesWithSciPyOnSamplesOfDifferentSizesWithTies) {
  Numbers a, b;
  for (int i = 0; i < 30; ++i) a.push_back(i % 7);
  for (int i = 0; i < 50; ++i) b.push_back(i % 11);
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  EXPECT_NEAR(ks_statistic(a, b), 0.32, kDigits);
  EXPECT_NEAR(ks_p_exact(0.32, 30, 50), 0.0346652959, kDigits);
  EXPECT_NEAR(ks_p_asymptotic(0.32, 30, 50), 0.0429867758, kDigits);
  EXPECT_NEAR(wasserstein(a, b), 1.8666666667, kDigits);
}

TEST(Drift, KolmogorovsTailIsThatOfSciPy) {
  auto tail = [](double x) { return ks_p_asymptotic(x, 2, 2); };  // at sqrt(2 * 2 / 4) = 1
  EXPECT_NEAR(tail(0.5), 0.9639452437, kDigits);
  EXPECT_NEAR(tail(1.17), 0.1293900422, kDigits);
  EXPECT_NEAR(tail(1.19), 0.1177422929, kDigits);
  EXPECT_NEAR(tail(2.5), 0.0000074533, kDigits);
  EXPECT_EQ(tail(0), 1);
}

TEST(Drift, TheExactTestIsFineWithThousandsOfRows) {
  EXPECT_NEAR(ks_p_exact(0.02, 10'000, 10'000), ks_p_asymptotic(0.02, 10'000, 10'000), 1e-3);
  EXPECT_EQ(ks_p_exact(1, 3000, 2000), 0);
  EXPECT_EQ(ks_p_exact(0, 5, 7), 1);
}

TEST(Drift, OfTwoSamplesByChiSquare) {
  const Numbers a{20, 30, 50}, b{35, 25, 20};
  EXPECT_NEAR(chi_square_of_two(a, b).statistic, 15.3701298701, kDigits);
  EXPECT_NEAR(chi_square_of_two(a, b).p, 0.0004596409, kDigits);
  EXPECT_EQ(chi_square_of_two(Numbers{5, 0}, Numbers{9, 0}).p, 1);  // one category
  EXPECT_NEAR(chi_square_tail(103.4424, 63), 0.0009999951, kDigits);
  EXPECT_NEAR(chi_square_quantile_of_tail(0.001, 63), 103.44237731987324, 1e-9);
}

TEST(Drift, ConstantColumns) {
  const Numbers same{100, 0}, other{0, 100};
  EXPECT_EQ(jensen_shannon_distance(same, same), 0);
  EXPECT_EQ(jensen_shannon_distance(same, other), 1);  // 1 bit
  EXPECT_EQ(ks_statistic_of_bins(same, other), 1);
  EXPECT_EQ(hellinger(same, other), 1);
  EXPECT_EQ(total_variation(same, other), 1);
  EXPECT_EQ(proportions(10, 10, 20, 20).p, 1);
  EXPECT_TRUE(wasserstein_scale(0, 500).floored);
  EXPECT_DOUBLE_EQ(wasserstein_scale(0, 500).value, 0.5);
  EXPECT_FALSE(wasserstein_scale(2, 500).floored);
}

TEST(Drift, BinnedMeasuresComeCloseToThoseOfTheSamples) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  Numbers a, b, edges;
  for (int i = 0; i < 20'000; ++i) {
    a.push_back(normal(random));
    b.push_back(normal(random) * 1.3 + 0.4);
  }
  std::sort(a.begin(), a.end());
  std::sort(b.begin(), b.end());
  for (int i = -320; i <= 320; ++i) edges.push_back(i / 40.0);
  const Numbers r = histogram(a, edges), c = histogram(b, edges);
  EXPECT_NEAR(ks_statistic_of_bins(r, c), ks_statistic(a, b), 0.01);
  EXPECT_NEAR(wasserstein_of_bins(edges, r, c), wasserstein(a, b), 0.005);
}

TEST(Drift, WassersteinOfBinsIsWithinItsBoundOfThatOfTheValues) {
  std::mt19937 random(11);
  double largest = 0;
  for (int round = 0; round < 300; ++round) {
    Numbers edges{0}, a, b;
    for (int i = 0; i < 6; ++i) edges.push_back(edges.back() + 1 + random() % 20);
    const auto draw = [&](Numbers& values) {
      const double from = random() % 2 == 0 ? 0 : edges[2];
      for (int i = 0; i < 20; ++i) {
        // Often at an edge, where the even spread is most wrong.
        const double at = from + (edges.back() - from) * (random() % 1000) / 1000;
        const auto above = std::upper_bound(edges.begin(), edges.end(), at);
        values.push_back(random() % 3 == 0 ? at : *(above - 1));
      }
      std::sort(values.begin(), values.end());
    };
    draw(a);
    draw(b);
    const Numbers r = histogram(a, edges), c = histogram(b, edges);
    const double bound = wasserstein_error_of_bins(edges, r, c);
    const double error = std::abs(wasserstein_of_bins(edges, r, c) - wasserstein(a, b));
    EXPECT_LE(error, bound + 1e-9);
    largest = std::max(largest, bound > 0 ? error / bound : 0);
  }
  // Nor is it far from what can be: all of one bin, at its one edge and at the other.
  const Numbers one{0, 10}, all{5};
  EXPECT_NEAR(wasserstein_error_of_bins(one, all, all), 10, 1e-12);
  EXPECT_NEAR(wasserstein(Numbers{0, 0}, Numbers{10, 10}) - wasserstein_of_bins(one, all, all), 10,
              1e-12);
  EXPECT_GT(largest, 0.1);
}

TEST(Drift, EveryDistanceIsZeroOfItselfAndWithinItsBounds) {
  std::mt19937 random(9);
  for (int round = 0; round < 200; ++round) {
    Numbers r, c;
    for (int i = 0; i < 12; ++i) {
      r.push_back(random() % 4 == 0 ? 0 : random() % 1000);
      c.push_back(random() % 4 == 0 ? 0 : random() % 1000);
    }
    r[0] = c[1] = 1;
    for (auto distance : {+[](Counts a, Counts b) { return jensen_shannon_distance(a, b); },
                          +[](Counts a, Counts b) { return hellinger(a, b); },
                          +[](Counts a, Counts b) { return total_variation(a, b); },
                          +[](Counts a, Counts b) { return l_infinity(a, b).value; },
                          +[](Counts a, Counts b) { return ks_statistic_of_bins(a, b); }}) {
      EXPECT_NEAR(distance(r, r), 0, 1e-7);
      EXPECT_NEAR(distance(r, c), distance(c, r), 1e-12);
      EXPECT_GE(distance(r, c), 0);
      EXPECT_LE(distance(r, c), 1 + 1e-12);
    }
    EXPECT_GE(population_stability(r, c), 0);
    EXPECT_GE(kullback_leibler(r, c), 0);
  }
}

TEST(BenjaminiHochberg, KeepsTheShareOfFalseAlarmsDown) {
  // SciPy's adjusted values are 0.005, 0.05, 0.05, 0.05 and 0.6.
  const Numbers p{0.001, 0.02, 0.04, 0.03, 0.6};
  EXPECT_EQ(benjamini_hochberg(p, 0.0500001), (std::vector<bool>{true, true, true, true, false}));
  EXPECT_EQ(benjamini_hochberg(p, 0.049), (std::vector<bool>{true, false, false, false, false}));
  EXPECT_TRUE(benjamini_hochberg({}, 0.05).empty());
}

}  // namespace
}  // namespace slipway::checks
