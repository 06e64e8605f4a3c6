#include "domain/delivery/sequential.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "domain/delivery/beta.h"

// Expected values: tests/data/delivery/make_vectors.py, which integrates the definitions with
// SciPy.
namespace slipway::delivery {
namespace {

constexpr double kInfinite = std::numeric_limits<double>::infinity();

struct AboveRow {
  double share;
  std::int64_t events, on_candidate;
  double expected;
};

TEST(CountEvidence, IsTheIntegralOfItsDefinition) {
  const AboveRow rows[] = {
      {0.2, 1, 1, 0.826597281909},
      {0.2, 10, 2, -0.852899611476},
      {0.2, 36, 20, 9.66103595707},
      {0.05, 100, 12, 2.48408692247},
      {0.05, 100, 1, -2.56957190764},
      {0.5, 40, 30, 4.14674603478},
      {0.5, 40, 4, -3.50316271543},
      {0.01, 1000, 30, 11.0317340937},
      {0.2, 100000, 20500, 3.16855695331},
      {0.2, 100000, 20000, -5.28076945107},
      {0.5, 1000000, 502000, 2.01116416629},
      {0.2, 1000000000, 200100000, 22.0543828316},
      {0.2, 1000000000, 200000000, -9.88468427624},
      {0.9, 30, 30, 2.85753348956},
  };
  for (const AboveRow& row : rows) {
    EXPECT_NEAR(log_e_above(row.share, row.events, row.on_candidate), row.expected,
                1e-7 * std::max(1.0, std::fabs(row.expected)))
        << row.on_candidate << " of " << row.events << " at " << row.share;
  }
}

TEST(CountEvidence, HasExpectationOneAtTheNullAndLessBelowIt) {
  for (const double share : {0.05, 0.2, 0.5, 0.9}) {
    for (const double truth : {share, share * 0.8, share * 0.3}) {
      constexpr int kEvents = 40;
      double expectation = 0, probability = std::pow(1 - truth, kEvents);
      for (int x = 0; x <= kEvents; ++x) {
        expectation += probability * std::exp(log_e_above(share, kEvents, x));
        probability *= truth / (1 - truth) * (kEvents - x) / (x + 1);
      }
      if (truth == share)
        EXPECT_NEAR(expectation, 1, 1e-10) << share;
      else
        EXPECT_LT(expectation, 1) << share << " " << truth;
    }
  }
}

TEST(CountEvidence, IsAMartingaleEventByEvent) {
  for (const double share : {0.02, 0.2, 0.5}) {
    for (const std::int64_t n : {0, 1, 17, 1000, 1'000'000}) {
      for (const std::int64_t x : {std::int64_t{0}, n / 3, n}) {
        const double now = log_e_above(share, n, x);
        const double next = share * std::exp(log_e_above(share, n + 1, x + 1) - now) +
                            (1 - share) * std::exp(log_e_above(share, n + 1, x) - now);
        EXPECT_NEAR(next, 1, 2e-8) << share << " " << n << " " << x;
      }
    }
  }
}

TEST(CountEvidence, GrowsWithEachEventOnTheCandidate) {
  double before = -kInfinite;
  for (int x = 0; x <= 500; ++x) {
    const double now = log_e_above(0.2, 500, x);
    EXPECT_TRUE(std::isfinite(now));
    EXPECT_GT(now, before);
    before = now;
  }
}

TEST(CountEvidence, OfABillionEventsIsFinite) {
  for (const std::int64_t x : {std::int64_t{0}, std::int64_t{1}, std::int64_t{199'999'999},
                               std::int64_t{200'000'001}, std::int64_t{1'000'000'000}})
    EXPECT_TRUE(std::isfinite(log_e_above(0.2, 1'000'000'000, x))) << x;
}

TEST(CountEvidence, NeedsBothVersionsToAnswer) {
  EXPECT_EQ(log_e_above(0, 10, 0), kNoEvidence);
  EXPECT_EQ(log_e_above(1, 10, 10), kNoEvidence);
  EXPECT_EQ(log_e_above(std::nan(""), 10, 10), kNoEvidence);
  EXPECT_EQ(log_e_above(0.5, 0, 0), kNoEvidence);
}

TEST(CountTest, MultipliesPartsOfDifferentShares) {
  CountTest test;
  test.add(0.05, 3, 20);
  test.add(0.05, 2, 10);
  test.add(0.5, 30, 20);
  EXPECT_DOUBLE_EQ(test.log_e_worse(), log_e_above(0.05, 35, 5) + log_e_above(0.5, 50, 30));
  EXPECT_DOUBLE_EQ(test.log_e_better(), log_e_below(0.05, 35, 5) + log_e_below(0.5, 50, 30));
  EXPECT_EQ(test.events(), 85);
}

TEST(CountTest, BetterIsWorseSeenFromTheOtherSide) {
  EXPECT_DOUBLE_EQ(log_e_below(0.2, 50, 3), log_e_above(0.8, 50, 47));
}

// Looks after every event, with the share that was really served, as the rollout does.
TEST(CountEvidence, RaisesFewFalseAlarms) {
  constexpr int kRuns = 200, kRequests = 10'000;
  constexpr double kAlpha = 0.05, kRate = 0.01;
  for (const double share : {0.05, 0.2, 0.5}) {
    std::mt19937_64 random(7);
    std::uniform_real_distribution<double> uniform;
    int alarms = 0;
    for (int run = 0; run < kRuns; ++run) {
      std::int64_t candidate = 0, events = 0, on_candidate = 0;
      bool alarm = false;
      for (int request = 1; request <= kRequests && !alarm; ++request) {
        const bool to_candidate = uniform(random) < share;
        candidate += to_candidate;
        if (uniform(random) >= kRate) continue;
        ++events;
        on_candidate += to_candidate;
        alarm = log_e_above(static_cast<double>(candidate) / request, events, on_candidate) >=
                -std::log(kAlpha);
      }
      alarms += alarm;
    }
    EXPECT_LE(alarms, kRuns * kAlpha) << share;
  }
}

struct WithinRow {
  Trials candidate, stable;
  double margin, expected;
};

TEST(WithinMargin, IsTheMixtureOverTheLikeliestNull) {
  const WithinRow rows[] = {
      {{84, 0}, {84, 0}, 0.1, 8.038664455},      {{50, 0}, {50, 0}, 0.1, 4.557869126},
      {{200, 2}, {200, 4}, 0.05, 2.954775144},   {{20000, 200}, {80000, 800}, 0.002, -6.540185043},
      {{400, 20}, {1600, 16}, 0.1, 2.539164141}, {{50, 5}, {50, 1}, 0.02, -4.156243326},
  };
  for (const WithinRow& row : rows)
    EXPECT_NEAR(log_e_within(row.candidate, row.stable, row.margin), row.expected, 2e-7);
}

TEST(WithinMargin, IsNoEvidenceWhereTheCandidateIsWorseByMore) {
  EXPECT_LT(log_e_within({100, 60}, {100, 0}, 0.1), 0);
  EXPECT_LT(log_e_within({1'000'000'000, 300'000'000}, {1'000'000'000, 100'000'000}, 0.1), 0);
}

TEST(WithinMargin, IsNoEvidenceWithoutAnswers) {
  EXPECT_EQ(log_e_within({0, 0}, {100, 0}, 0.1), kNoEvidence);
  EXPECT_EQ(log_e_within({100, 0}, {0, 0}, 0.1), kNoEvidence);
}

TEST(WithinMargin, HoldsAtEdgesWhereAllOrNoneAreEvents) {
  for (const Trials candidate : {Trials{40, 0}, Trials{40, 40}, Trials{40, 20}})
    for (const Trials stable : {Trials{40, 0}, Trials{40, 40}, Trials{40, 20}})
      EXPECT_TRUE(std::isfinite(log_e_within(candidate, stable, 0.3)));
  EXPECT_GT(log_e_within({1000, 1000}, {1000, 1000}, 0.1), std::log(1000));
}

TEST(WithinMargin, HasExpectationAtMostOneOnTheEdgeOfTheMargin) {
  constexpr int kTrials = 25;
  constexpr double kMargin = 0.15;
  for (const double stable : {0.0, 0.05, 0.4}) {
    double expectation = 0;
    const double candidate = stable + kMargin;
    double p = std::pow(1 - candidate, kTrials);
    for (int x = 0; x <= kTrials; ++x) {
      double q = std::pow(1 - stable, kTrials);
      for (int y = 0; y <= kTrials; ++y) {
        expectation += p * q * std::exp(log_e_within({kTrials, x}, {kTrials, y}, kMargin));
        q *= stable / (1 - stable) * (kTrials - y) / (y + 1);
      }
      p *= candidate / (1 - candidate) * (kTrials - x) / (x + 1);
    }
    EXPECT_LE(expectation, 1 + 1e-9) << stable;
  }
}

TEST(Moments, AreThoseOfTheValues) {
  Moments all, one, two;
  const double values[] = {3, -1, 4, 1.5, 9, 2.6};
  for (const double v : values) all.add(v);
  for (int i = 0; i < 6; ++i) (i < 2 ? one : two).add(values[i]);
  one.merge(two);
  EXPECT_EQ(one.count, 6);
  EXPECT_NEAR(all.mean, 3.183333333333333, 1e-12);
  EXPECT_NEAR(all.variance(), 11.041666666666666, 1e-12);
  EXPECT_NEAR(one.mean, all.mean, 1e-12);
  EXPECT_NEAR(one.squares, all.squares, 1e-12);
  Moments empty;
  empty.merge(Moments{});
  EXPECT_EQ(empty, Moments{});
}

TEST(Moments, KeepTheirPrecisionFarFromZero) {
  Moments m;
  for (int i = 0; i < 1000; ++i) m.add(1e9 + (i % 2));
  EXPECT_NEAR(m.variance(), 0.25 * 1000 / 999, 1e-9);
}

MeanDifference difference(double d, double v, double tau) {
  return {kMeanMin, d, v, tau};
}

TEST(MeanEvidence, IsTheMixtureOfItsDefinition) {
  EXPECT_NEAR(log_e_different(difference(0.05, 0.001, 0.1)), -0.0625840000355, 1e-10);
  EXPECT_NEAR(log_e_different(difference(0.2, 0.0004, 0.1)), 46.4478748079, 1e-9);
  EXPECT_NEAR(log_e_mean_above(difference(0.05, 0.001, 0.1), 0), 0.562462045596, 1e-10);
  EXPECT_NEAR(log_e_mean_above(difference(0, 0.001, 0.1), 0), -1.1989476364, 1e-10);
  EXPECT_NEAR(log_e_mean_above(difference(-0.05, 0.001, 0.1), 0), -2.09005555456, 1e-10);
  EXPECT_NEAR(log_e_mean_above(difference(0.2, 0.0004, 0.1), 0), 47.1410219885, 1e-9);
  // Deep in the other tail, where Phi itself would underflow.
  EXPECT_NEAR(log_e_mean_above(difference(-3, 0.01, 0.1), 0), 225 - 229, 0.5);
  EXPECT_TRUE(std::isfinite(log_e_mean_above(difference(-1000, 1e-6, 0.1), 0)));
}

TEST(MeanEvidence, OneSidedSidesAddUpToTwo) {
  const MeanDifference d = difference(0.03, 0.0005, 0.1);
  const double sum = std::exp(log_e_mean_above(d, 0)) + std::exp(log_e_mean_below(d, 0));
  EXPECT_NEAR(sum / 2, std::exp(log_e_different(d)), 1e-12);
}

TEST(MeanEvidence, ABoundIsADifferenceMoved) {
  EXPECT_NEAR(log_e_mean_below(difference(0.02, 0.0005, 0.1), 0.1),
              log_e_mean_above(difference(0.08, 0.0005, 0.1), 0), 1e-12);
}

// d^2 / v = 9 with 20 degrees of freedom is worth 20 log(1 + 9 / 20) = 7.4312711.
TEST(MeanEvidence, WeighsLessWhereTheVarianceIsEstimatedFromFew) {
  MeanDifference few = difference(0.3, 0.01, 0.1);
  few.degrees = 20;
  EXPECT_NEAR(log_e_different(few), log_e_different(difference(0.272603578, 0.01, 0.1)), 1e-7);
  EXPECT_NEAR(log_e_mean_above(few, 0.5),
              log_e_mean_above(difference(-0.1909563, 0.01, 0.1), 0), 1e-6);
  few.degrees = 1e12;
  EXPECT_NEAR(log_e_different(few), log_e_different(difference(0.3, 0.01, 0.1)), 1e-9);
}

TEST(MeanEvidence, NeedsThirtyValues) {
  MeanDifference d = difference(5, 0.001, 0.1);
  d.count = kMeanMin - 1;
  EXPECT_EQ(log_e_different(d), kNoEvidence);
  EXPECT_EQ(log_e_mean_above(d, 0), kNoEvidence);
}

TEST(MeanEvidence, OfConstantsIsCertainOrNone) {
  EXPECT_EQ(log_e_different(difference(0, 0, 0)), kNoEvidence);
  EXPECT_EQ(log_e_mean_above(difference(1, 0, 0), 0), kInfinite);
  EXPECT_EQ(log_e_mean_below(difference(0, 0, 0), 0.5), kInfinite);
}

TEST(MeanEvidence, PairedScoresNeedFarFewerAnswers) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> normal;
  Moments stable, candidate, differences;
  int paired_at = 0, split_at = 0;
  for (int i = 1; i <= 60'000 && !(paired_at && split_at); ++i) {
    const double score = normal(random), other = score + 0.05 + 0.1 * normal(random);
    differences.add(other - score);
    (i % 2 ? stable : candidate).add(i % 2 ? score : other);
    if (!paired_at && log_e_different(paired_difference(differences, stable)) > std::log(20))
      paired_at = i;
    if (!split_at && log_e_different(split_difference(candidate, stable)) > std::log(20))
      split_at = i;
  }
  EXPECT_GT(paired_at, 0);
  EXPECT_LT(paired_at, 200);
  EXPECT_GT(split_at, 10 * paired_at);
}

struct DecideRow {
  Evidence evidence;
  Finding finding;
};

TEST(Decide, NamesWhatIsShown) {
  const double enough = -std::log(0.05);
  const DecideRow rows[] = {
      {{0, 0, 0}, Finding::kUndecided},
      {{enough, 0, 0}, Finding::kHarmful},
      {{enough - 0.01, enough - 0.01, 0}, Finding::kUndecided},
      {{0, enough, 0}, Finding::kNonInferior},
      {{enough, enough, 0}, Finding::kNonInferior},  // worse, but by less than the margin
      {{0, enough, enough}, Finding::kSuperior},
      {{kInfinite, 0, 0}, Finding::kHarmful},
  };
  for (const DecideRow& row : rows) EXPECT_EQ(decide(row.evidence, 0.05), row.finding);
}

TEST(Needed, IsTheFirstCountThatShowsIt) {
  const std::int64_t n = answers_needed(0.1, 0.0125, 0.5, 0);
  EXPECT_GE(log_e_within({n, 0}, {n, 0}, 0.1), -std::log(0.0125));
  EXPECT_LT(log_e_within({n - 1, 0}, {n - 1, 0}, 0.1), -std::log(0.0125));
  EXPECT_GT(answers_needed(0.01, 0.0125, 0.5, 0), 5 * n);
  EXPECT_GT(answers_needed(0.1, 0.0125, 0.5, 0.05), n);
  const std::int64_t pairs = pairs_needed(0.1, 0.0125, 0);
  EXPECT_GE(log_e_below(0.1, pairs, 0), -std::log(0.0125));
  EXPECT_LT(log_e_below(0.1, pairs - 1, 0), -std::log(0.0125));
}

TEST(Needed, SaysSoWhereNothingSuffices) {
  EXPECT_EQ(pairs_needed(0.1, 0.05, 0.2), 0);
}

TEST(BetaTail, IsTheIncompleteBetaFunction) {
  EXPECT_NEAR(log_beta_tail(0.4, 1.6, 0.2), -1.0197700731, 1e-10);
  EXPECT_NEAR(log_beta_tail(20.4, 17.6, 0.2), -2.47701235259e-06, 1e-15);
  EXPECT_NEAR(log_beta_tail(2.5, 300, 0.2), -61.0601292002, 1e-9);
  EXPECT_NEAR(log_beta_tail(1000, 1000, 0.5), -0.69314718056, 1e-11);
  EXPECT_NEAR(log_beta_tail(0.002, 1.998, 0.001), -4.4436915555, 1e-10);
}

TEST(LogBeta, IsThatOfKnownValues) {
  EXPECT_NEAR(log_beta(1, 1), 0, 1e-14);
  EXPECT_NEAR(log_beta(0.5, 0.5), std::log(std::acos(-1.0)), 1e-14);
  EXPECT_NEAR(log_beta(3, 4), std::log(1.0 / 60), 1e-13);
}

}  // namespace
}  // namespace slipway::delivery
