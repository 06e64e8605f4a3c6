#include "domain/delivery/routing.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/hash.h"
#include "domain/delivery/counters.h"
#include "domain/delivery/plan.h"

namespace slipway::delivery {
namespace {

std::string key(int i) {
  return "user-" + std::to_string(i);
}

DeploymentRoute route(Mode mode, double percent) {
  DeploymentRoute r;
  r.stable = 3;
  r.candidate = 4;
  r.mode = mode;
  r.percent = percent;
  r.salt = "0123456789abcdef";
  return r;
}

TEST(Bucket, IsTheHashOfSaltAndKey) {
  EXPECT_EQ(bucket_of("salt", "key"), fast_hash("saltkey") % kBuckets);
  EXPECT_EQ(bucket_of("", ""), 3138u) << "XXH3 of nothing is 0x2d06800538d394c2";
  const std::string long_key(5000, 'k');
  EXPECT_EQ(bucket_of("salt", long_key), fast_hash("salt" + long_key) % kBuckets);
}

TEST(Route, SharesAreKept) {
  for (const double percent : {0.5, 5.0, 20.0, 50.0, 99.0}) {
    int candidates = 0;
    for (int i = 0; i < 20'000; ++i)
      candidates += role_of(route(Mode::kCanary, percent), key(i)) == Role::kCandidate;
    EXPECT_NEAR(candidates / 200.0, percent, 1.0);
  }
}

TEST(Route, AUserWhoIsOnTheCandidateStaysThereAsItGrows) {
  for (int i = 0; i < 5000; ++i) {
    bool before = false;
    for (const double percent : {0.0, 0.01, 5.0, 25.0, 50.0, 99.0, 100.0}) {
      const bool now = role_of(route(Mode::kCanary, percent), key(i)) == Role::kCandidate;
      EXPECT_TRUE(now || !before) << key(i) << " at " << percent;
      before = now;
    }
    EXPECT_TRUE(before) << "100 % is everyone";
  }
}

TEST(Route, AnotherSaltIsAnotherSplit) {
  DeploymentRoute other = route(Mode::kCanary, 50);
  other.salt = "fedcba9876543210";
  int same = 0;
  for (int i = 0; i < 10'000; ++i)
    same += role_of(route(Mode::kCanary, 50), key(i)) == role_of(other, key(i));
  EXPECT_NEAR(same, 5000, 250);
}

TEST(Route, InShadowTheStableVersionAnswers) {
  int shadowed = 0;
  for (int i = 0; i < 10'000; ++i) {
    EXPECT_EQ(version_for(route(Mode::kShadow, 100), key(i)), 3);
    EXPECT_TRUE(is_shadowed(route(Mode::kShadow, 100), key(i)));
    shadowed += is_shadowed(route(Mode::kShadow, 20), key(i));
  }
  EXPECT_NEAR(shadowed, 2000, 200);
}

TEST(Route, ShadowAndCanarySampleIndependently) {
  int both = 0;
  for (int i = 0; i < 10'000; ++i)
    both += is_shadowed(route(Mode::kShadow, 50), key(i)) &&
            role_of(route(Mode::kCanary, 50), key(i)) == Role::kCandidate;
  EXPECT_NEAR(both, 2500, 200);
}

TEST(Route, WithoutACandidateTheStableVersionAnswers) {
  DeploymentRoute r = route(Mode::kCanary, 100);
  r.candidate = 0;
  EXPECT_EQ(version_for(r, "k"), 3);
  EXPECT_EQ(version_for(route(Mode::kStableOnly, 100), "k"), 3);
  EXPECT_FALSE(is_shadowed(route(Mode::kCanary, 100), "k"));
  EXPECT_FALSE(is_shadowed(route(Mode::kStableOnly, 100), "k"));
}

StepCounts some_counts() {
  StepCounts c;
  c.candidate = {20, 3, 2, {}};
  c.stable = {80, 1, 5, {}};
  for (const double v : {1.0, 2.5, -7.0}) c.candidate.scores.add(v);
  c.pairs = {10, 1, 2, 3, 4, 5, {}};
  c.pairs.differences.add(0.25);
  c.dropped = 6;
  return c;
}

StepCounts clustered_counts() {
  StepCounts c;
  for (std::size_t i = 0; i < 40; ++i) {
    AnswerCounts answer;
    ArmCounts& arm = i % 4 == 0 ? answer.candidate : answer.stable;
    arm = {1, i % 3 == 0, i % 5 == 0, {}};
    arm.scores.add(static_cast<double>(i) / 7);
    if (i % 2) answer.pairs = {1, 0, 0, 1, 0, 1, {1, -0.5, 0}};
    c.add(answer, i * 11 % kClusters);
  }
  return c;
}

TEST(Counters, OfClustersAddUpToTheWhole) {
  const StepCounts c = clustered_counts();
  AnswerCounts sum;
  for (const AnswerCounts& cluster : c.clusters) sum.merge(cluster);
  EXPECT_EQ(sum.stable.requests, 30);
  EXPECT_EQ(sum.stable.requests, c.stable.requests);
  EXPECT_EQ(sum.candidate.errors, c.candidate.errors);
  EXPECT_EQ(sum.pairs.flips, c.pairs.flips);
  EXPECT_NEAR(sum.stable.scores.squares, c.stable.scores.squares, 1e-12);
}

TEST(Counters, OfClustersReadBackAndMerge) {
  const StepCounts c = clustered_counts();
  const auto read = step_counts_from(*wire::parse(wire::dump(to_json(c))));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, c);
  StepCounts twice = some_counts();  // of which nobody knows who asked
  twice.merge(c);
  EXPECT_EQ(twice.clusters, c.clusters);
  EXPECT_EQ(twice.stable.requests, 110);
  EXPECT_FALSE(totals_json(c).find("clusters"));
}

TEST(Counters, RefuseClustersThatCantBe) {
  for (const char* rows :
       {"{}", "[3]", "[[]]", "[[128, 1]]", "[[-1, 1]]", "[[0, 1, 2]]", "[[0, 1.5]]", "[[0, -1]]",
        "[[0, 1, 0, 0, 1, \"x\"]]", "[[0, 1, 0, 0, 1, 2, -1]]", "[[0, 1, 1, 2]]",
        "[[0,0,0,0,0,0,0,0,0,0,0,0,0,1,2]]",
        "[[0,0,0,0,0,0,0,0,0,0,0,0,0,1,0,0,0,0,0,0,0,0,0,0]]"}) {
    wire::Json json = to_json(some_counts());
    json.set("clusters", *wire::parse(rows));
    EXPECT_FALSE(step_counts_from(json).ok()) << rows;
  }
}

TEST(ClusterOf, SpreadsCallersOverAllClustersWhoeverAnswersThem) {
  std::vector<int> all(kClusters), candidate(kClusters);
  for (int i = 0; i < 64'000; ++i) {
    const std::string key = "caller-" + std::to_string(i);
    const std::size_t cluster = cluster_of("salt", key);
    ASSERT_LT(cluster, kClusters);
    ++all[cluster];
    candidate[cluster] += within(bucket_of("salt", key), 10);
  }
  for (std::size_t i = 0; i < kClusters; ++i) {
    EXPECT_NEAR(all[i], 500, 5 * std::sqrt(500)) << i;
    EXPECT_NEAR(candidate[i], 50, 5 * std::sqrt(50)) << i;
  }
}

TEST(Counters, ReadBack) {
  auto read = step_counts_from(to_json(some_counts()));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(*read, some_counts());
  auto parsed = wire::parse(wire::dump(to_json(some_counts())));
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*step_counts_from(*parsed), some_counts());
}

TEST(Counters, MergeInAnyOrder) {
  StepCounts a = some_counts(), b = some_counts();
  b.candidate.requests = 100;
  b.pairs.differences.add(3);
  StepCounts ab = a, ba = b;
  ab.merge(b);
  ba.merge(a);
  EXPECT_EQ(ab.candidate.requests, 120);
  EXPECT_EQ(ab.pairs.flips, 10);
  EXPECT_EQ(ab.dropped, 12);
  EXPECT_EQ(ab.candidate.requests, ba.candidate.requests);
  EXPECT_NEAR(ab.pairs.differences.squares, ba.pairs.differences.squares, 1e-12);
  StepCounts empty;
  empty.merge(a);
  EXPECT_EQ(empty, a);
}

TEST(Counters, RefuseWhatCountsCantBe) {
  const wire::Json good = to_json(some_counts());
  const auto broken = [&](const char* arm, const char* member, wire::Json value) {
    wire::Json json = good, inner = *good.find(arm);
    inner.set(member, std::move(value));
    json.set(arm, std::move(inner));
    return step_counts_from(json);
  };
  EXPECT_FALSE(broken("candidate", "requests", -1).ok());
  EXPECT_FALSE(broken("candidate", "errors", 21).ok());
  EXPECT_FALSE(broken("stable", "slow", "many").ok());
  EXPECT_FALSE(broken("pairs", "flips", 11).ok());
  EXPECT_FALSE(broken("pairs", "differences", wire::Json()).ok());
  EXPECT_FALSE(step_counts_from(wire::Json()).ok());
  auto refused = broken("candidate", "errors", 21);
  EXPECT_EQ(refused.error().message, "counters: candidate.errors is not what counts can be");
}

// --- plans --------------------------------------------------------------------------------------

project::DeploymentSpec spec(std::vector<project::GuardSpec> guards) {
  project::DeploymentSpec s;
  s.name = s.model = "bikes";
  project::RolloutStep shadow, canary;
  canary.kind = project::StepKind::kCanary;
  canary.percent = 50;
  canary.min_requests = 50;
  s.rollout = {shadow, canary};
  s.guards = std::move(guards);
  return s;
}

project::GuardSpec guard(std::string metric, std::string requirement = "",
                         std::optional<double> margin = {}) {
  project::GuardSpec g;
  g.metric = std::move(metric);
  g.requirement = std::move(requirement);
  g.margin = margin;
  g.at = {12, 5};
  return g;
}

std::vector<project::Requirement> requirements() {
  std::vector<project::Requirement> r(2);
  r[0].id = "latency";
  r[0].metric = "latency_ms";
  r[0].at_most = 5;
  r[0].share = 0.99;
  r[1].id = "freshness";
  r[1].metric = "model_age";
  r[1].at_most = 400;
  return r;
}

TEST(Plan, BindsGuardsToWhatTheyMeasure) {
  auto plan = make_plan(spec({guard("error_rate", "", 0.1), guard("", "latency")}), requirements());
  ASSERT_TRUE(plan.ok()) << plan.error().message;
  EXPECT_EQ(plan->guards[0].measure, Measure::kErrors);
  EXPECT_EQ(plan->guards[1].measure, Measure::kSlow);
  EXPECT_EQ(plan->guards[1].slow_ms, 5);
  EXPECT_NEAR(*plan->guards[1].allowed, 0.01, 1e-12);
  EXPECT_EQ(plan->slow_ms(), 5);
  EXPECT_DOUBLE_EQ(plan->alpha(), 0.05 / 4);
}

TEST(Plan, ReadsBack) {
  auto plan = make_plan(spec({guard("error_rate", "", 0.1), guard("", "latency")}), requirements());
  ASSERT_TRUE(plan.ok());
  auto read = plan_from(to_json(*plan));
  ASSERT_TRUE(read.ok()) << read.error().message;
  EXPECT_EQ(to_json(*read), to_json(*plan));
  EXPECT_EQ(read->guards[0].margin, 0.1);
  EXPECT_FALSE(read->guards[1].margin);
  EXPECT_FALSE(plan_from(wire::Json()).ok());
}

TEST(Plan, RefusesWhatCantBeDecided) {
  struct Row {
    project::DeploymentSpec spec;
    const char* message;
  };
  project::DeploymentSpec down = spec({}), whole = spec({guard("error_rate")}), late = spec({});
  down.rollout.push_back(down.rollout[1]);
  down.rollout.back().percent = 20;
  whole.rollout[1].percent = 100;
  late.rollout.push_back(late.rollout[0]);
  project::DeploymentSpec no_shadow = spec({guard("label_flips", "", 0.1)});
  no_shadow.rollout.erase(no_shadow.rollout.begin());
  const Row rows[] = {
      {spec({guard("latency_p99")}), "slipway.yaml:12:5: a guard can't watch \"latency_p99\""},
      {spec({guard("", "speed")}), "there is no requirement \"speed\""},
      {spec({guard("", "freshness")}), "is about model_age"},
      {spec({guard("error_rate", "", 0.0)}), "a share between 0 and 1"},
      {spec({guard("error_rate", "", 1.5)}), "a share between 0 and 1"},
      {spec({guard("label_flips")}), "needs a margin"},
      {no_shadow, "needs a shadow step"},
      {down, "never goes down"},
      {whole, "nothing to compare with"},
      {late, "comes before canary"},
      {spec(std::vector<project::GuardSpec>(33, guard("error_rate"))), "at most 32 steps"},
  };
  for (const Row& row : rows) {
    auto plan = make_plan(row.spec, requirements());
    ASSERT_FALSE(plan.ok()) << row.message;
    EXPECT_NE(plan.error().message.find(row.message), std::string::npos) << plan.error().message;
  }
}

TEST(Plan, SaysHowManyAnswersAGuardNeeds) {
  auto plan = make_plan(spec({guard("error_rate", "", 0.1), guard("", "latency")}), requirements());
  ASSERT_TRUE(plan.ok());
  const auto canary = answers_needed(*plan, plan->guards[0], plan->steps[1], 0);
  ASSERT_TRUE(canary);
  EXPECT_GT(*canary, 30);
  EXPECT_LT(*canary, 84) << "a week of the example suffices";
  EXPECT_LT(*answers_needed(*plan, plan->guards[0], plan->steps[0], 0), 120);
  EXPECT_FALSE(answers_needed(*plan, plan->guards[1], plan->steps[1], 0));
}

TEST(Plan, AnswersThePlanOfTheProject) {
  project::Question q;
  q.margin = 0.1;
  q.alpha = 0.0125;
  q.rate = 0;
  EXPECT_EQ(answers_for(q), pairs_needed(0.1, 0.0125, 0));
  q.step = project::StepKind::kCanary;
  q.share = 0.5;
  EXPECT_EQ(answers_for(q), answers_needed(0.1, 0.0125, 0.5, 0));
  q.share = 1;
  EXPECT_FALSE(answers_for(q));
  q.measure = project::Measure::kMean;
  q.share = 0.5;
  EXPECT_EQ(answers_for(q), project::answers_needed(q));
}

}  // namespace
}  // namespace slipway::delivery
