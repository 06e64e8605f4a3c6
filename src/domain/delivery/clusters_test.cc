#include "domain/delivery/clusters.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace slipway::delivery {
namespace {

CountedPart part_of(const std::vector<Counted>& clusters) {
  CountedPart part;
  part.clusters = clusters;
  part.clusters.resize(kClusters);
  for (const Counted& c : clusters) {
    for (auto [whole, cluster] : {std::pair{&part.whole.candidate, &c.candidate},
                                  std::pair{&part.whole.stable, &c.stable}}) {
      whole->trials += cluster->trials;
      whole->events += cluster->events;
    }
  }
  return part;
}

double effect_of(const std::vector<Counted>& clusters) {
  const CountedPart part = part_of(clusters);
  return design_effect({&part, 1});
}

// Expected: tests/data/delivery/make_vectors.py.
TEST(DesignEffect, IsThatOfItsDefinition) {
  EXPECT_NEAR(effect_of({{{6, 1}, {20, 3}},
                         {{7, 0}, {21, 4}},
                         {{1, 0}, {20, 1}},
                         {{7, 5}, {4, 1}},
                         {{4, 1}, {28, 5}},
                         {{5, 0}, {18, 0}},
                         {{6, 1}, {27, 3}},
                         {{3, 2}, {10, 0}},
                         {{8, 3}, {12, 1}},
                         {{1, 1}, {26, 2}},
                         {{3, 0}, {8, 0}},
                         {{4, 1}, {4, 0}}}),
              1.44298492489, 1e-10);
}

TEST(DesignEffect, OfIndependentAnswersIsOneOrLittleMore) {
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform;
  for (const int answers : {200, 2'000, 20'000}) {
    std::vector<Counted> clusters(kClusters);
    for (int i = 0; i < answers; ++i) {
      Counted& cluster = clusters[static_cast<std::size_t>(uniform(random) * kClusters)];
      Trials& arm = uniform(random) < 0.2 ? cluster.candidate : cluster.stable;
      ++arm.trials;
      arm.events += uniform(random) < 0.05;
    }
    const double effect = effect_of(clusters);
    EXPECT_GE(effect, 1);
    EXPECT_LT(effect, 1.5) << answers;
  }
}

TEST(DesignEffect, ABurstOfOneCallerWeighsAsOneEvent) {
  std::vector<Counted> clusters(40, Counted{{10, 0}, {10, 0}});
  clusters[7].candidate.events = 10;
  EXPECT_NEAR(effect_of(clusters), 10, 0.5);
}

TEST(DesignEffect, OfAFewCallersIsTheirEventsEachUpToABurst) {
  EXPECT_DOUBLE_EQ(effect_of({{{50, 5}, {}}, {{50, 5}, {}}, {{}, {100, 0}}}), 5);
  EXPECT_DOUBLE_EQ(effect_of({{{500, 500}, {}}, {{500, 500}, {}}, {{}, {1000, 0}}}), kBurstMax);
}

TEST(DesignEffect, OfAFewCallersIsNotBoundedWhereManyEventsOfOneAreNoHarm) {
  const CountedPart part = part_of({{{500, 500}, {}}, {{500, 0}, {}}, {{}, {1000, 0}}});
  EXPECT_DOUBLE_EQ(design_effect({&part, 1}, 1e9), 500);
}

TEST(DesignEffect, OfOneWhoHasMostAnswersIsAsOfAFew) {
  std::vector<Counted> clusters(40, Counted{{10, 0}, {10, 0}});
  clusters[7] = {{2'000, 1'000}, {0, 0}};
  const CountedPart part = part_of(clusters);
  EXPECT_LT(callers_of_candidate(part), 2);
  EXPECT_DOUBLE_EQ(design_effect({&part, 1}, 1e9), 1'000);
}

TEST(DesignEffect, OfOneCallerForWhomAllGoesWrongIsBoundedUnlessToldOtherwise) {
  std::vector<Counted> clusters(40, Counted{{200, 0}, {200, 0}});
  clusters[7].candidate.events = 200;
  EXPECT_DOUBLE_EQ(effect_of(clusters), kBurstMax);
  const CountedPart part = part_of(clusters);
  EXPECT_NEAR(design_effect({&part, 1}, 1e9), 200, 10);
  EXPECT_DOUBLE_EQ(paired_design_effect(part), kBurstMax);
}

TEST(DesignEffect, WhatFailsForEverybodyIsNoBurst) {
  EXPECT_DOUBLE_EQ(effect_of(std::vector<Counted>(40, Counted{{10, 10}, {40, 0}})), 1);
}

TEST(DesignEffect, OfStepsWithTheSameCallersIsMoreThanOfEach) {
  std::vector<Counted> clusters(40, Counted{{10, 0}, {10, 0}});
  for (std::size_t i = 0; i < 4; ++i) clusters[i].candidate.events = 5;
  const std::vector<CountedPart> parts(3, part_of(clusters));
  EXPECT_NEAR(design_effect(parts), 3 * effect_of(clusters), 1e-9);
  // Others in each step: no more than in one.
  std::vector<CountedPart> others;
  for (std::size_t step = 0; step < 3; ++step) {
    std::vector<Counted> shifted(40, Counted{{10, 0}, {10, 0}});
    for (std::size_t i = 0; i < 4; ++i) shifted[step * 4 + i].candidate.events = 5;
    others.push_back(part_of(shifted));
  }
  EXPECT_LE(design_effect(others), effect_of(clusters));
}

TEST(DesignEffect, IsOneWhereNothingHappenedOrNobodyIsKnown) {
  EXPECT_EQ(effect_of(std::vector<Counted>(40, Counted{{10, 0}, {10, 0}})), 1);
  EXPECT_EQ(effect_of({}), 1);
  EXPECT_EQ(design_effect({}), 1);
  CountedPart unknown{{{100, 10}, {100, 5}}, {}};
  EXPECT_EQ(design_effect({&unknown, 1}), 1);
  EXPECT_EQ(paired_design_effect(unknown), 1);
}

/// `callers` who ask `each` times, in clusters by chance.
CountedPart asked(std::mt19937_64& random, int callers, int each, const Counted& answer) {
  std::vector<Counted> clusters(kClusters);
  for (int caller = 0; caller < callers; ++caller) {
    Counted& cluster = clusters[random() % kClusters];
    for (int i = 0; i < each; ++i) {
      cluster.candidate.trials += answer.candidate.trials;
      cluster.stable.trials += answer.stable.trials;
    }
  }
  return part_of(clusters);
}

TEST(Callers, AreCountedByHowOftenTwoAnswersAreToTheSame) {
  std::mt19937_64 random(5);
  const Counted of_candidate{{1, 0}, {0, 0}};
  EXPECT_NEAR(callers_of_candidate(asked(random, 3, 500, of_candidate)), 3, 0.1);
  EXPECT_NEAR(callers_of_candidate(asked(random, 60, 50, of_candidate)), 60, 20);
  EXPECT_NEAR(callers_of_candidate(asked(random, 2'000, 1, of_candidate)), 2'000, 600);
  EXPECT_EQ(callers_of_candidate(asked(random, 60, 50, {{0, 0}, {1, 0}})), 0);
  EXPECT_EQ(callers_of_candidate({}), 0);
}

TEST(CallersThatCount, AreThoseWhoCameUntilTheyAreManyOrAskOnce) {
  std::mt19937_64 random(5);
  const Counted answer{{1, 0}, {4, 0}};
  for (const int each : {5, 300})
    EXPECT_NEAR(callers_that_count(asked(random, 4, each, answer)), 4, 0.2) << each;
  EXPECT_NEAR(callers_that_count(asked(random, 60, 50, answer)), 60, 20);
  EXPECT_EQ(callers_that_count(asked(random, 2'000, 5, answer)), 0);
  EXPECT_EQ(callers_that_count(asked(random, 100, 1, answer)), 0);
  EXPECT_EQ(callers_that_count({{{100, 10}, {100, 5}}, {}}), 0) << "nobody is known";
}

TEST(UnseenEffect, OfIndependentAnswersIsNone) {
  std::mt19937_64 random(5);
  for (const int answers : {5, 50, 500, 50'000}) {
    const CountedPart part = asked(random, answers, 1, {{1, 0}, {4, 0}});
    EXPECT_EQ(unseen_effect(part, 1), 1) << answers;
    EXPECT_EQ(paired_unseen_effect(part, 1), 1) << answers;
  }
}

TEST(UnseenEffect, CountsCallersWhereNothingHappened) {
  std::mt19937_64 random(5);
  for (const int callers : {1, 2, 8, 30}) {
    const CountedPart part = asked(random, callers, 300, {{1, 0}, {4, 0}});
    EXPECT_NEAR(unseen_effect(part, 1), 300, 75) << callers;
    EXPECT_NEAR(paired_unseen_effect(part, 1), 300, 75) << callers;
  }
}

TEST(UnseenEffect, IsTheDesignEffectWhereMuchHappenedAndNeverLess) {
  std::mt19937_64 random(5);
  CountedPart part = asked(random, 500, 20, {{1, 0}, {1, 0}});
  part.whole.candidate.events = part.whole.stable.events = 5'000;
  EXPECT_NEAR(unseen_effect(part, 1), 1, 0.2);
  EXPECT_NEAR(unseen_effect(part, 3), 3, 0.2);
  EXPECT_GE(unseen_effect(part, 3), 3);
  EXPECT_EQ(unseen_effect(asked(random, 30, 300, {{1, 0}, {4, 0}}), 1'000), 1'000);
  EXPECT_EQ(unseen_effect({{{100, 10}, {100, 5}}, {}}, 1), 1) << "nobody is known";
}

TEST(PairedDesignEffect, SetsOffWhatBothDidToTheSameCaller) {
  std::vector<Counted> even(40, Counted{{20, 3}, {20, 3}});
  EXPECT_EQ(paired_design_effect(part_of(even)), 1);
  std::vector<Counted> burst(40, Counted{{20, 0}, {20, 0}});
  burst[3].candidate.events = 12;
  EXPECT_NEAR(paired_design_effect(part_of(burst)), 12, 0.5);
}

/// Every caller's scores lie around its own mean.
StepCounts scored(int callers, int answers_each, double apart, double spread) {
  std::mt19937_64 random(9);
  std::normal_distribution<double> normal;
  StepCounts counts;
  for (int caller = 0; caller < callers; ++caller) {
    const double own = apart * normal(random);
    for (int i = 0; i < answers_each; ++i) {
      AnswerCounts answer;
      ArmCounts& arm = caller % 2 ? answer.candidate : answer.stable;
      arm.requests = 1;
      arm.scores.add(own + spread * normal(random));
      answer.pairs.pairs = 1;
      answer.pairs.differences.add(own + spread * normal(random));
      counts.add(answer, static_cast<std::size_t>(caller) % kClusters);
    }
  }
  return counts;
}

MeanDifference split_of(const StepCounts& c) {
  return clustered_split(split_difference(c.candidate.scores, c.stable.scores), c);
}

TEST(ClusteredMeans, OfAlikeCallersVaryAsTheirAnswersDo) {
  const StepCounts c = scored(128, 50, 0, 1);
  const double plain = split_difference(c.candidate.scores, c.stable.scores).variance;
  EXPECT_GE(split_of(c).variance, plain);
  EXPECT_LT(split_of(c).variance, 1.4 * plain);
  EXPECT_NEAR(split_of(c).degrees, 64, 64) << "as of 64 callers, or of as many answers";
}

TEST(ClusteredMeans, OfUnlikeCallersVaryAsTheCallersDo) {
  const StepCounts c = scored(128, 50, 1, 0.1);
  // 64 callers of variance 1 on each side.
  EXPECT_NEAR(split_of(c).variance, 2.0 / 64, 0.01);
  const MeanDifference pairs =
      clustered_pairs(paired_difference(c.pairs.differences, c.stable.scores), c);
  EXPECT_NEAR(pairs.variance, 1.0 / 128, 0.003);
  EXPECT_EQ(pairs.degrees, 127);
}

TEST(ClusteredMeans, OfAFewCallersAreNoEvidence) {
  const StepCounts few = scored(2 * kCallersMin - 2, 500, 1, 0.1);
  EXPECT_EQ(split_of(few).count, 0);
  EXPECT_EQ(log_e_different(split_of(few)), kNoEvidence);
  EXPECT_NE(split_of(scored(2 * kCallersMin, 500, 1, 0.1)).count, 0);
}

TEST(ClusteredMeans, StayAsTheyAreWhereNobodyIsKnown) {
  StepCounts c = scored(40, 10, 1, 0.1);
  c.clusters.clear();
  const MeanDifference plain = split_difference(c.candidate.scores, c.stable.scores);
  EXPECT_EQ(split_of(c).variance, plain.variance);
  EXPECT_EQ(split_of(c).degrees, plain.degrees);
}

}  // namespace
}  // namespace slipway::delivery
