#include "domain/tracking/best.h"

#include <cmath>
#include <limits>

#include "domain/tracking/tracking_testing.h"

namespace slipway::tracking {
namespace {

Contender contender(std::vector<double> values) {
  Contender made;
  made.value = values.front();
  made.values = std::move(values);
  return made;
}

std::vector<Against> stands(std::vector<Contender> contenders, Goal goal = Goal::kMaximize) {
  double each = 0;
  judge(contenders, goal, 0.95, each);
  std::vector<Against> stands;
  for (const Contender& one : contenders) stands.push_back(one.against);
  return stands;
}

TEST(BestRun, IntervalOfAMeanIsStudents) {
  std::vector<Contender> one{contender({5, 1, 2, 3, 4})};
  double each = 0;
  judge(one, Goal::kMaximize, 0.95, each);
  EXPECT_DOUBLE_EQ(each, 0.95);
  EXPECT_DOUBLE_EQ(one.front().mean, 3);
  EXPECT_NEAR(*one.front().deviation, 1.5811388300841898, 1e-12);
  // 3 -+ t(0.975, 4) * s / sqrt(5), by R: t.test(1:5)$conf.int
  EXPECT_NEAR(one.front().interval->low, 1.036756838522439, 1e-9);
  EXPECT_NEAR(one.front().interval->high, 4.963243161477561, 1e-9);
}

TEST(BestRun, SeveralIntervalsHoldTogether) {
  std::vector<Contender> two{contender({5, 1, 2, 3, 4}), contender({5, 1, 2, 3, 4}),
                             contender({1})};
  double each = 0;
  judge(two, Goal::kMaximize, 0.95, each);
  EXPECT_DOUBLE_EQ(each, 0.975);  // of the two that have one
  EXPECT_FALSE(two.back().interval);
}

TEST(BestRun, IsNotShownBetterWhileIntervalsOverlap) {
  EXPECT_EQ(stands({contender({0.92, 0.90, 0.88}), contender({0.91, 0.89, 0.86})}),
            (std::vector{Against::kFirst, Against::kNotShown}));
  EXPECT_EQ(stands({contender({0.92, 0.919, 0.918}), contender({0.80, 0.799, 0.798})}),
            (std::vector{Against::kFirst, Against::kWorse}));
}

TEST(BestRun, OneRunShowsNothing) {
  EXPECT_EQ(stands({contender({0.99}), contender({0.5, 0.501, 0.502})}),
            (std::vector{Against::kFirst, Against::kUnknown}));
}

TEST(BestRun, ThatWasLuckyIsToldSo) {
  // The best single run is of the worse configuration.
  EXPECT_EQ(stands({contender({0.1, 0.9, 0.91, 0.92, 0.9, 0.91, 0.93, 0.92}),
                    contender({0.11, 0.111, 0.112, 0.11, 0.113})},
                   Goal::kMinimize),
            (std::vector{Against::kFirst, Against::kBetter}));
}

TEST(BestRun, LargeValuesLoseNoDigits) {
  std::vector<Contender> one{contender({1e15 + 4, 1e15, 1e15 + 2})};
  double each = 0;
  judge(one, Goal::kMaximize, 0.95, each);
  EXPECT_DOUBLE_EQ(one.front().mean, 1e15 + 2);
  EXPECT_NEAR(*one.front().deviation, 2, 1e-9);
  std::vector<Contender> huge{contender({1e308, -1e308})};
  judge(huge, Goal::kMaximize, 0.95, each);
  EXPECT_FALSE(huge.front().interval) << "a deviation that is no number gives no interval";
}

TEST(BestRun, TiesGoToTheRunThatWasThereFirst) {
  const Measured late{0, "", "a", 20, 1}, early{1, "", "b", 10, 1};
  EXPECT_TRUE(is_ahead(early, late, Goal::kMaximize));
  EXPECT_TRUE(is_ahead(early, late, Goal::kMinimize));
  EXPECT_TRUE(is_ahead({0, "", "a", 10, 1}, early, Goal::kMaximize));
}

TEST(BestRun, GoalIsTakenFromTheWordsOfAName) {
  for (const char* name :
       {"loss", "val_loss", "valLoss", "test/RMSE", "rmse.holdout", "mae_relative"})
    EXPECT_EQ(goal_by_name(name), Goal::kMinimize) << name;
  for (const char* name : {"accuracy", "auc", "r2", "f1", "lossless_share", "glossary"})
    EXPECT_EQ(goal_by_name(name), Goal::kMaximize) << name;
}

TEST(BestRun, SeedsMayVary) {
  for (const char* name : {"seed", "model.random_state", "train/Seed"})
    EXPECT_TRUE(may_vary(name, seed_names())) << name;
  for (const char* name : {"seeds", "lr", "seed.lr"})
    EXPECT_FALSE(may_vary(name, seed_names())) << name;
}

class BestRuns : public TrackingTest {
 protected:
  std::string make(const std::string& branch, double value, std::vector<Param> params,
                   const std::string& commit = "") {
    NewRun fresh;
    if (!branch.empty()) fresh.tags.push_back({"mlflow.source.git.branch", branch});
    if (!commit.empty()) fresh.tags.push_back({kCommitTag, commit});
    const std::string id = run(std::move(fresh));
    Batch batch;
    batch.params = std::move(params);
    batch.metrics = {{"auc", value, 1, 0}};
    EXPECT_TRUE(log(id, std::move(batch)).ok());
    return id;
  }
  BestQuery query() {
    BestQuery query;
    query.runs.experiments = {0};
    query.metric = "auc";
    return query;
  }
  tracking::Best best(const BestQuery& query) {
    Result<tracking::Best> found = tracking_->best(query);
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() ? *found : tracking::Best{};
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, BestRuns, db::every_engine(), db::engine_name);

TEST_P(BestRuns, RunsThatDifferInTheirSeedRepeatEachOther) {
  const std::string a = make("", 0.9, {{"lr", "0.1"}, {"seed", "1"}});
  const std::string b = make("", 0.8, {{"lr", "0.1"}, {"seed", "2"}});
  make("", 0.7, {{"lr", "0.1"}, {"seed", "2"}, {"depth", "3"}});  // more than they
  const std::string c = make("", 0.6, {{"lr", "0.2"}, {"seed", "1"}});
  make("", std::numeric_limits<double>::quiet_NaN(), {{"lr", "0.1"}});
  const tracking::Best found = best(query());
  ASSERT_EQ(found.contenders.size(), 3u);
  EXPECT_EQ(found.contenders[0].repeats, (std::vector{a, b}));
  EXPECT_DOUBLE_EQ(found.contenders[0].mean, 0.85);
  EXPECT_EQ(found.contenders[0].params, (std::vector<Param>{{"lr", "0.1"}}));
  EXPECT_EQ(found.contenders[2].run_id, c);
  EXPECT_EQ(found.runs, 5u);
  EXPECT_EQ(found.not_finite, 1u);
  EXPECT_FALSE(found.shown());
}

TEST_P(BestRuns, AnotherCommitIsAnotherConfiguration) {
  const std::string a(40, 'a'), b(40, 'b');
  make("", 0.9, {{"lr", "1"}}, a);
  make("", 0.8, {{"lr", "1"}}, b);
  make("", 0.7, {{"lr", "1"}});
  const tracking::Best found = best(query());
  ASSERT_EQ(found.contenders.size(), 3u);
  for (const Contender& one : found.contenders) EXPECT_EQ(one.repeats.size(), 1u);
}

TEST_P(BestRuns, EachBranchSendsItsBestRunWithWhatRepeatsItThere) {
  std::vector<std::string> main, trial;
  for (const double value : {0.902, 0.901, 0.9}) main.push_back(make("main", value, {{"lr", "1"}}));
  for (const double value : {0.802, 0.801, 0.8})
    trial.push_back(make("trial", value, {{"lr", "1"}}));
  make("", 0.5, {{"lr", "1"}});
  BestQuery across = query();
  across.across = ColumnName{Field::kTag, "mlflow.source.git.branch"};
  const tracking::Best found = best(across);
  ASSERT_EQ(found.contenders.size(), 3u);
  EXPECT_EQ(found.groups, 3u);
  EXPECT_EQ(found.contenders[0].group, "main");
  EXPECT_EQ(found.contenders[0].repeats, main);
  EXPECT_EQ(found.contenders[1].group, "trial");
  EXPECT_EQ(found.contenders[1].against, Against::kWorse);
  EXPECT_EQ(found.contenders[2].group, "");
  EXPECT_EQ(found.contenders[2].against, Against::kUnknown);
  across.limit = 2;
  EXPECT_TRUE(best(across).shown());
}

TEST_P(BestRuns, FiltersWithAlternativesHoldForRepeatsToo) {
  const std::string a = make("main", 0.9, {{"lr", "1"}, {"kind", "x"}});
  const std::string b = make("main", 0.8, {{"lr", "1"}, {"kind", "x"}});
  make("other", 0.7, {{"lr", "1"}, {"kind", "x"}});
  BestQuery some = query();
  some.runs.where = {
      {Field::kTag, "mlflow.source.git.branch", db::Op::kEqual, std::string("main"), {}},
      {Field::kParam, "lr", db::Op::kEqual, std::string("2"), {.either = true}}};
  const tracking::Best found = best(some);
  ASSERT_EQ(found.contenders.size(), 1u);
  EXPECT_EQ(found.contenders[0].repeats, (std::vector{a, b}));
}

TEST_P(BestRuns, LeastAndGreatestOfASeriesCount) {
  const std::string late = run(), early = run();
  ASSERT_TRUE(log(late, {{"auc", 0.1, 1, 0}, {"auc", 0.7, 1, 1}}).ok());
  ASSERT_TRUE(log(early, {{"auc", 0.9, 1, 0}, {"auc", 0.2, 1, 1}}).ok());
  EXPECT_EQ(best(query()).contenders.front().run_id, late);
  BestQuery greatest = query();
  greatest.taken = Taken::kMax;
  EXPECT_EQ(best(greatest).contenders.front().run_id, early);
  greatest.taken = Taken::kMin;
  greatest.goal = Goal::kMinimize;
  EXPECT_EQ(best(greatest).contenders.front().run_id, late);
}

TEST_P(BestRuns, NothingIsBestWhereNothingWasMeasured) {
  run();
  EXPECT_TRUE(best(query()).contenders.empty());
}

}  // namespace
}  // namespace slipway::tracking
