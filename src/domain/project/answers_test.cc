#include "domain/project/answers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace slipway::project {
namespace {

constexpr double kSketchAlpha = 0.0125;  // two guards, two steps

Question events(StepKind step, double share, double margin) {
  return {Measure::kEvents, step, share, margin, kSketchAlpha, kAssumedRate};
}

/// log of the mixture's L with tau = margin.
double log_ratio(double distance, double variance, double margin) {
  double tau = margin * margin;
  return 0.5 * std::log(variance / (variance + tau)) +
         tau * distance * distance / (2 * variance * (variance + tau));
}

TEST(SequentialRatio, SolvesItsEquation) {
  for (double alpha : {0.05, 0.0125, 0.001}) {
    double r = sequential_ratio(alpha);
    double margin = 0.3, variance = margin * margin / r;
    double unlucky = margin - 1.2815515655446004 * std::sqrt(variance);
    EXPECT_NEAR(log_ratio(unlucky, variance, margin), std::log(1 / alpha), 1e-6) << alpha;
  }
  EXPECT_GT(sequential_ratio(0.001), sequential_ratio(0.05));
}

TEST(AnswersNeeded, AreThoseOfTheFormula) {
  double r = sequential_ratio(kSketchAlpha);
  EXPECT_NEAR(r, 23.2, 0.3);
  double variance = 0.01 * 0.99;
  EXPECT_EQ(answers_needed(events(StepKind::kCanary, 0.2, 0.02)),
            static_cast<std::int64_t>(std::ceil(variance * r / (0.8 * 0.0004))));
  EXPECT_EQ(answers_needed(events(StepKind::kShadow, 1, 0.02)),
            static_cast<std::int64_t>(std::ceil(2 * variance * r / 0.0004)));
}

TEST(AnswersNeeded, AreNeverFewerThanAFaultlessCandidateNeeds) {
  // 0.5^n <= 0.0125 from n = 7 on.
  EXPECT_EQ(answers_needed(events(StepKind::kCanary, 0.5, 0.5)), 7);
}

TEST(AnswersNeeded, FitTheExampleOfTheProduct) {
  EXPECT_LE(*answers_needed(events(StepKind::kShadow, 1, 0.1)), 120);
  EXPECT_LE(*answers_needed(events(StepKind::kCanary, 0.5, 0.1)), 50);
}

TEST(AnswersNeeded, GrowWithTheShareThatTheCandidateTakesFromTheLiveVersion) {
  EXPECT_LT(*answers_needed(events(StepKind::kCanary, 0.05, 0.01)),
            *answers_needed(events(StepKind::kCanary, 0.95, 0.01)));
  EXPECT_FALSE(answers_needed(events(StepKind::kCanary, 1, 0.01)));
}

TEST(AnswersNeeded, OfFlipsAreThoseOfPairs) {
  Question flips{Measure::kFlips, StepKind::kShadow, 1, 0.05, kSketchAlpha, 0.01};
  EXPECT_GT(*answers_needed(flips), 100);
  flips.margin = 0.01;
  EXPECT_FALSE(answers_needed(flips));
  flips.margin = 0.05;
  flips.step = StepKind::kCanary;
  EXPECT_FALSE(answers_needed(flips));
}

TEST(AnswersNeeded, SufficeForNineOfTenEqualCandidates) {
  // The sequential test of means itself, looked at after every pair of answers.
  constexpr double kMargin = 0.2, kShare = 0.5;
  constexpr int kTrials = 400;
  Question question{Measure::kMean, StepKind::kCanary, kShare, kMargin, kSketchAlpha, 0};
  std::int64_t needed = *answers_needed(question);
  std::mt19937_64 random(20260101);
  std::normal_distribution<double> normal;
  auto ends_in_time = [&](double candidate_shift) {
    double sum = 0;
    for (std::int64_t n = 1; n <= needed; ++n) {
      sum += normal(random) + candidate_shift - normal(random);
      double difference = sum / static_cast<double>(n), variance = 2.0 / static_cast<double>(n);
      double distance = kMargin - difference;
      if (distance > 0 && log_ratio(distance, variance, kMargin) >= -std::log(kSketchAlpha))
        return true;
    }
    return false;
  };
  int equal = 0, at_the_margin = 0;
  for (int i = 0; i < kTrials; ++i) {
    equal += ends_in_time(0) ? 1 : 0;
    at_the_margin += ends_in_time(kMargin) ? 1 : 0;
  }
  EXPECT_GE(equal, kTrials * 9 / 10);
  EXPECT_LE(at_the_margin, kTrials * 0.0125 * 2);
}

TEST(AlphaOf, IsSplitOverGuardsAndSteps) {
  DeploymentSpec deployment;
  EXPECT_EQ(alpha_of(deployment), 0.05);
  deployment.guards.resize(2);
  deployment.rollout.resize(2);
  EXPECT_EQ(alpha_of(deployment), 0.0125);
}

}  // namespace
}  // namespace slipway::project
