#include "domain/tracking/trash.h"

#include "domain/tracking/store.h"
#include "domain/tracking/tracking_testing.h"
#include "graph/kinds.h"

namespace slipway::tracking {
namespace {

TEST(Age, IsReadAsMlflowReadsIt) {
  EXPECT_EQ(*parse_age("30d"), 30 * 86'400'000LL);
  EXPECT_EQ(*parse_age("2d8h5m20s"), ((2 * 24 + 8) * 60 + 5) * 60'000LL + 20'000);
  EXPECT_EQ(*parse_age("1.5h"), 5'400'000);
  EXPECT_EQ(*parse_age("2m4s"), 124'000);
  for (const char* wrong :
       {"", "30", "d", "5s2m", "-1d", "1.2.3d", "1e3d", "1d ", "99999999999999d"})
    EXPECT_EQ(parse_age(wrong).ok(), false) << wrong;
}

class TrashTest : public TrackingTest {
 protected:
  void drop(const std::string& id) { EXPECT_EQ(*tracking_->set_runs_deleted({id}, true, {}), 1); }
  Result<Condemned> condemn(const TrashQuery& query) {
    return pool_->read([&](db::Tx& tx) { return condemned(tx, query, clock_.now_ms()); });
  }
  Result<> ask(const Removal& removal) {
    return pool_->write([&](db::Tx& tx) { return ask_removal(tx, removal, clock_.now_ms()); });
  }
  Result<bool> remove_some(const std::string& id, std::int64_t rows) {
    return pool_->write([&](db::Tx& tx) {
      std::int64_t left = rows;
      return remove_some_of_run(tx, id, left, "me", clock_.now_ms());
    });
  }
  std::int64_t count(const std::string& table) {
    return **pool_->read(
        [&](db::Tx& tx) { return tx.one<std::int64_t>("select count(*) from " + table); });
  }
  void age(int days) { clock_.advance(std::chrono::hours(24 * days)); }
};
INSTANTIATE_TEST_SUITE_P(Engines, TrashTest, db::every_engine(), db::engine_name);

TEST_P(TrashTest, HoldsWhatIsDeletedLongEnough) {
  const std::string active = run(), old = run(), fresh = run();
  drop(old);
  age(10);
  drop(fresh);
  EXPECT_EQ(condemn({.older_than = {}, .run_ids = {}, .experiments = {}})->runs.size(), 2u);
  EXPECT_EQ(condemn({.older_than = "9d", .run_ids = {}, .experiments = {}})->runs,
            std::vector{old});
  using Ids = std::vector<std::string>;
  EXPECT_EQ(outcome(condemn({.older_than = {}, .run_ids = Ids{active}, .experiments = {}})),
            "invalid");
  EXPECT_EQ(outcome(condemn({.older_than = "9d", .run_ids = Ids{fresh}, .experiments = {}})),
            "invalid");
  EXPECT_EQ(
      outcome(condemn({.older_than = {}, .run_ids = Ids{std::string(32, '0')}, .experiments = {}})),
      "missing");
}

TEST_P(TrashTest, ADeletedExperimentTakesItsRunsAlong) {
  const std::int64_t id = create("gone")->id;
  NewRun fresh;
  fresh.experiment_id = id;
  const std::string own = run(fresh), other = run(fresh), elsewhere = run();
  ASSERT_TRUE(
      wait_for([&](Done<> done) { tracking_->delete_experiment(id, {}, std::move(done)); }).ok());
  const Result<Condemned> found = condemn({.older_than = {}, .run_ids = {}, .experiments = {id}});
  ASSERT_TRUE(found.ok()) << found.error().message;
  EXPECT_EQ(found->experiments, std::vector{id});
  EXPECT_EQ(found->runs.size(), 2u);
  ASSERT_TRUE(tracking_->set_runs_deleted({own}, false, {}).ok());
  EXPECT_EQ(outcome(condemn({.older_than = {}, .run_ids = {}, .experiments = {id}})), "conflict");
  EXPECT_EQ(outcome(condemn({.older_than = {}, .run_ids = {}, .experiments = {0}})), "invalid");
}

TEST_P(TrashTest, RemovesEveryRowInSmallSteps) {
  const std::string kept = run(), id = run();
  for (const std::string& one : {kept, id}) {
    Batch batch;
    for (int i = 0; i < 20; ++i) batch.params.push_back({"p" + std::to_string(i), "1"});
    for (int i = 0; i < 600; ++i) batch.metrics.push_back({"m", 1.0 * i, i, i});
    batch.tags = {{"a", "b"}};
    ASSERT_TRUE(log(one, std::move(batch)).ok());
    ASSERT_TRUE(log(one, {{"n", 1, 1, 1}}).ok());
    Inputs inputs;
    inputs.datasets.push_back({{"d", "1", "local", "s", "", ""}, {{"t", "u"}}});
    ASSERT_TRUE(wait_for([&](Done<> done) {
                  tracking_->log_inputs(one, std::move(inputs), std::move(done));
                }).ok());
  }
  const std::vector<const char*> tables = {"runs",          "run_params",     "run_tags",
                                           "metric_series", "metric_batches", "metric_chunks",
                                           "metric_heads",  "run_datasets",   "run_dataset_tags"};
  std::vector<std::int64_t> before;
  for (const char* table : tables) before.push_back(count(table));
  drop(id);
  int steps = 1;
  while (!*remove_some(id, 5)) ++steps;
  EXPECT_GT(steps, 4);
  for (std::size_t i = 0; i < tables.size(); ++i)
    EXPECT_EQ(count(tables[i]) * 2, before[i]) << tables[i];
  EXPECT_EQ(outcome(tracking_->run(id)), "missing");
  EXPECT_EQ(read(kept).params.size(), 20u);
  EXPECT_EQ(history(kept, "m").size(), 600u);
  EXPECT_EQ(events_of(graph::kind::kRun, id).back(), "run.removed");
  EXPECT_TRUE(causes_of({graph::kind::kRun, id}).empty());
  EXPECT_TRUE(*remove_some(id, 5)) << "what is gone is gone";
}

TEST_P(TrashTest, SearchesForgetWhatIsRemoved) {
  const std::string first = run(), second = run();
  for (const std::string& id : {first, second}) ASSERT_TRUE(log(id, {{"m", 1, 1, 1}}).ok());
  RunQuery query;
  query.experiments = {0};
  query.view = View::kAll;
  query.order = {{Field::kMetric, "m", true}};
  ASSERT_EQ(tracking_->search(query)->runs.size(), 2u);
  drop(second);
  ASSERT_TRUE(*remove_some(second, 1000));
  const Result<RunPage> page = tracking_->search(query);
  ASSERT_TRUE(page.ok()) << page.error().message;
  ASSERT_EQ(page->runs.size(), 1u);
  // The next run may have the key that the removed one had.
  const std::string third = run();
  const Result<RunPage> again = tracking_->search(query);
  ASSERT_EQ(again->runs.size(), 2u);
  EXPECT_EQ(again->runs.front().info.id, first);
  EXPECT_EQ(again->runs.back().info.id, third);
  EXPECT_TRUE(again->runs.back().metrics.empty());
}

TEST_P(TrashTest, WhatIsBeingRemovedCannotBeRestored) {
  const std::int64_t experiment = create("gone")->id;
  NewRun fresh;
  fresh.experiment_id = experiment;
  const std::string id = run(fresh), other = run(fresh);
  ASSERT_TRUE(wait_for([&](Done<> done) {
                tracking_->delete_experiment(experiment, {}, std::move(done));
              }).ok());
  ASSERT_TRUE(ask({0, Removed::kRun, id, "there", "me", false}).ok());
  EXPECT_EQ(
      outcome(wait_for([&](Done<> done) { tracking_->restore_run(id, {}, std::move(done)); })),
      "conflict");
  EXPECT_EQ(*tracking_->set_runs_deleted({id}, false, {}), 0);
  ASSERT_TRUE(wait_for([&](Done<> done) {
                tracking_->restore_experiment(experiment, {}, std::move(done));
              }).ok());
  EXPECT_TRUE(tracking_->run_info(id)->deleted);
  EXPECT_FALSE(tracking_->run_info(other)->deleted);
}

TEST_P(TrashTest, ARemovalIsThereUntilItIsFinished) {
  ASSERT_TRUE(ask({0, Removed::kExperiment, "7", "e", "me", false}).ok());
  ASSERT_TRUE(ask({0, Removed::kRun, "r", "there", "me", false}).ok());
  ASSERT_TRUE(ask({0, Removed::kRun, "r", "elsewhere", "you", false}).ok());
  const auto left = [&] { return *pool_->read([](db::Tx& tx) { return removals(tx, 10); }); };
  ASSERT_EQ(left().size(), 2u);
  EXPECT_EQ(left().front().thing, "r") << "experiments come last";
  EXPECT_EQ(left().front().location, "there");
  const std::int64_t id = left().front().id;
  ASSERT_TRUE(pool_->write([&](db::Tx& tx) { return note_rows_gone(tx, id); }).ok());
  EXPECT_TRUE(left().front().rows_gone);
  ASSERT_TRUE(pool_->write([&](db::Tx& tx) { return finish_removal(tx, id); }).ok());
  EXPECT_EQ(left().size(), 1u);
}

}  // namespace
}  // namespace slipway::tracking
