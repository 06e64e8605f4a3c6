#include "domain/tracking/tracking.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <future>
#include <limits>
#include <map>
#include <random>

#include "domain/tracking/store.h"
#include "domain/tracking/tracking_testing.h"
#include "graph/kinds.h"

namespace slipway::tracking {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

INSTANTIATE_TEST_SUITE_P(Engines, TrackingTest, db::every_engine(), db::engine_name);

std::vector<std::string> keys_of(const std::vector<Tag>& tags) {
  std::vector<std::string> keys;
  for (const Tag& tag : tags) keys.push_back(tag.key);
  return keys;
}
std::string value_of_tag(const std::vector<Tag>& tags, const std::string& key) {
  for (const Tag& tag : tags) {
    if (tag.key == key) return tag.value;
  }
  return "(none)";
}
std::map<std::string, double> latest_of(const tracking::Run& run) {
  std::map<std::string, double> values;
  for (const Metric& metric : run.metrics) values[metric.key] = metric.value;
  return values;
}

// --- experiments --------------------------------------------------------------------------------

TEST_P(TrackingTest, TheDefaultExperimentIsThereOnceAndNumbered0) {
  Result<std::unique_ptr<Tracking>> again = Tracking::open(*pool_, clock_);
  ASSERT_TRUE(again.ok());
  Result<Experiment> found = tracking_->experiment(0);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->name, "Default");
  EXPECT_EQ(found->artifact_location, "store:/root/0");
}

TEST_P(TrackingTest, ExperimentsAreNumberedFromOneAndKeepTheirTags) {
  Result<Experiment> first = create("first", {{"b", "2"}, {"a", ""}});
  Result<Experiment> second = create("second");
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_EQ(first->id, 1);
  EXPECT_EQ(second->id, 2);
  EXPECT_EQ(first->tags, (std::vector<Tag>{{"a", ""}, {"b", "2"}}));
  EXPECT_EQ(first->artifact_location, "store:/root/1");
  EXPECT_EQ((*tracking_->experiment_named("second"))->id, 2);
  EXPECT_FALSE(tracking_->experiment_named("third")->has_value());
}

TEST_P(TrackingTest, AnExperimentsNameIsTakenAlsoByADeletedOne) {
  const std::int64_t id = create("taken")->id;
  EXPECT_EQ(outcome(create("taken")), "conflict/already_exists");
  ASSERT_TRUE(wait_for([&](Done<> d) { tracking_->delete_experiment(id, {}, std::move(d)); }).ok());
  EXPECT_EQ(outcome(create("taken")), "conflict/already_exists");
  const std::int64_t other = create("other")->id;
  EXPECT_EQ(outcome(wait_for(
                [&](Done<> d) { tracking_->rename_experiment(other, "taken", {}, std::move(d)); })),
            "conflict/already_exists");
  EXPECT_EQ(outcome(wait_for(
                [&](Done<> d) { tracking_->rename_experiment(id, "new", {}, std::move(d)); })),
            "conflict/state");
}

TEST_P(TrackingTest, DeletingAnExperimentDeletesItsRunsAndRestoringRestoresThem) {
  const std::int64_t id = create("e")->id;
  NewRun new_run;
  new_run.experiment_id = id;
  const std::string inside = run(new_run), outside = run();
  auto remove = [&] {
    return outcome(wait_for([&](Done<> d) { tracking_->delete_experiment(id, {}, std::move(d)); }));
  };
  auto restore = [&] {
    return outcome(
        wait_for([&](Done<> d) { tracking_->restore_experiment(id, {}, std::move(d)); }));
  };
  EXPECT_EQ(restore(), "missing");
  EXPECT_EQ(remove(), "ok");
  EXPECT_EQ(remove(), "missing");
  EXPECT_TRUE(read(inside).info.deleted);
  EXPECT_FALSE(read(outside).info.deleted);
  EXPECT_EQ(outcome(start(new_run)), "conflict/inactive");
  EXPECT_EQ(restore(), "ok");
  EXPECT_FALSE(read(inside).info.deleted);
  EXPECT_EQ(events_of(graph::kind::kExperiment, std::to_string(id)),
            (std::vector<std::string>{"experiment.created", "experiment.deleted",
                                      "experiment.restored"}));
}

TEST_P(TrackingTest, ExperimentTagsAreReplacedAndDeleted) {
  const std::int64_t id = create("e")->id;
  auto set = [&](Tag tag) {
    return outcome(
        wait_for([&](Done<> d) { tracking_->set_experiment_tag(id, tag, std::move(d)); }));
  };
  auto remove = [&](const std::string& key) {
    return outcome(
        wait_for([&](Done<> d) { tracking_->delete_experiment_tag(id, key, std::move(d)); }));
  };
  EXPECT_EQ(set({"k", "1"}), "ok");
  EXPECT_EQ(set({"k", "2"}), "ok");
  EXPECT_EQ(tracking_->experiment(id)->tags, (std::vector<Tag>{{"k", "2"}}));
  EXPECT_EQ(remove("k"), "ok");
  EXPECT_EQ(remove("k"), "missing");
}

TEST(Location, GrowsBeforeItsQuery) {
  EXPECT_EQ(append_to_location("store:/", "0"), "store:/0");
  EXPECT_EQ(append_to_location("s3://b/p/", "1/artifacts"), "s3://b/p/1/artifacts");
  EXPECT_EQ(append_to_location("s3://b/p?x=/y", "1"), "s3://b/p/1?x=/y");
  EXPECT_EQ(append_to_location("/srv", "1"), "/srv/1");
  EXPECT_EQ(append_to_location("/", "1"), "/1");
}

// --- runs ---------------------------------------------------------------------------------------

TEST_P(TrackingTest, ARunStartsRunningWithANameInItsTag) {
  NewRun asked;
  asked.user_id = "ann";
  asked.start_ms = 7;
  asked.tags = {{"t", "1"}};
  asked.name_tag = "name";
  Result<tracking::Run> made = start(asked);
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(made->info.id.size(), 32u);
  EXPECT_EQ(made->info.status, RunStatus::kRunning);
  EXPECT_EQ(made->info.start_ms, 7);
  EXPECT_FALSE(made->info.end_ms);
  EXPECT_EQ(made->info.artifact_uri, "store:/root/0/" + made->info.id + "/artifacts");
  EXPECT_FALSE(made->info.name.empty());
  EXPECT_EQ(value_of_tag(made->tags, "name"), made->info.name);
  EXPECT_EQ(keys_of(made->tags), (std::vector<std::string>{"name", "t"}));
}

TEST_P(TrackingTest, ARunIsNamedByItsTagWhenItHasNoOtherName) {
  NewRun asked;
  asked.tags = {{"name", "from the tag"}};
  asked.name_tag = "name";
  EXPECT_EQ(start(asked)->info.name, "from the tag");
}

TEST_P(TrackingTest, ARunWhoseTagHasAnotherNameIsRefusedOnceItsExperimentIsFound) {
  NewRun asked;
  asked.name = "a";
  asked.tags = {{"name", "b"}};
  asked.name_tag = "name";
  EXPECT_EQ(outcome(start(asked)), "invalid");
  asked.experiment_id = 99;
  EXPECT_EQ(outcome(start(asked)), "missing");
}

TEST_P(TrackingTest, ARunOfAnUnknownExperimentIsRefused) {
  NewRun asked;
  asked.experiment_id = 99;
  EXPECT_EQ(outcome(start(asked)), "missing");
}

TEST_P(TrackingTest, AChangeOfStatusIsAnEventAndARepetitionIsNone) {
  const std::string id = run();
  RunChange finish;
  finish.status = RunStatus::kFinished;
  finish.end_ms = 99;
  ASSERT_TRUE(change(id, finish).ok());
  Result<RunInfo> again = change(id, finish);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->status, RunStatus::kFinished);
  EXPECT_EQ(again->end_ms, 99);
  RunChange rename;
  rename.name = "other";
  EXPECT_EQ(change(id, rename)->name, "other");
  EXPECT_EQ(read(id).info.status, RunStatus::kFinished) << "a change leaves what it does not name";
  EXPECT_EQ(events_of(graph::kind::kRun, id),
            (std::vector<std::string>{"run.created", "run.finished"}));
}

TEST_P(TrackingTest, ADeletedRunTakesNoWritesUntilItIsRestored) {
  const std::string id = run();
  auto remove = [&] {
    return outcome(wait_for([&](Done<> d) { tracking_->delete_run(id, {}, std::move(d)); }));
  };
  EXPECT_EQ(remove(), "ok");
  EXPECT_EQ(remove(), "ok") << "deleting twice is deleting";
  EXPECT_EQ(outcome(log(id, std::vector<Metric>{{"m", 1, 1, 0}})), "conflict/inactive");
  EXPECT_EQ(outcome(param(id, {"p", "1"})), "conflict/inactive");
  EXPECT_EQ(outcome(change(id, {})), "conflict/inactive");
  EXPECT_EQ(outcome(wait_for([&](Done<> d) { tracking_->log_inputs(id, {}, std::move(d)); })),
            "conflict/inactive");
  EXPECT_EQ(outcome(wait_for([&](Done<> d) { tracking_->delete_tag(id, "t", std::move(d)); })),
            "conflict/inactive");
  EXPECT_TRUE(read(id).info.deleted) << "it can still be read";
  EXPECT_EQ(outcome(wait_for([&](Done<> d) { tracking_->restore_run(id, {}, std::move(d)); })),
            "ok");
  EXPECT_EQ(outcome(log(id, std::vector<Metric>{{"m", 1, 1, 0}})), "ok");
}

TEST_P(TrackingTest, AnUnknownRunIsMissingForEveryCall) {
  const std::string id(32, '0');
  EXPECT_EQ(outcome(tracking_->run(id)), "missing");
  EXPECT_EQ(outcome(tracking_->run_info(id)), "missing");
  EXPECT_EQ(outcome(log(id, std::vector<Metric>{{"m", 1, 1, 0}})), "missing");
  EXPECT_EQ(outcome(param(id, {"p", "1"})), "missing");
  EXPECT_EQ(outcome(change(id, {})), "missing");
  EXPECT_EQ(outcome(wait_for([&](Done<> d) { tracking_->delete_run(id, {}, std::move(d)); })),
            "missing");
  EXPECT_EQ(outcome(wait_for([&](Done<> d) { tracking_->log_outputs(id, {}, std::move(d)); })),
            "missing");
  EXPECT_TRUE(history(id, "m").empty());
}

// --- params and tags ----------------------------------------------------------------------------

TEST_P(TrackingTest, AParamIsSetOnceAndMayBeRepeated) {
  const std::string id = run();
  EXPECT_EQ(outcome(param(id, {"p", "1"})), "ok");
  EXPECT_EQ(outcome(param(id, {"p", "1"})), "ok");
  Result<> changed = param(id, {"p", "2"});
  EXPECT_EQ(outcome(changed), "conflict/changed");
  EXPECT_EQ(changed.error().message,
            "Changing param values is not allowed. Param with key='p' was already logged with "
            "value='1' for run ID='" +
                id + "'. Attempted logging new value '2'.");
  EXPECT_EQ(read(id).params, (std::vector<Param>{{"p", "1"}}));
}

TEST_P(TrackingTest, ABatchWithAChangedParamLeavesNothingOfItself) {
  const std::string id = run();
  ASSERT_TRUE(param(id, {"p", "it's"}).ok());
  Batch batch;
  batch.params = {{"new", "1"}, {"p", "\"2\"\n"}};
  batch.metrics = {{"m", 1, 1, 0}};
  batch.tags = {{"t", "1"}};
  batch.name = "renamed";
  Result<> refused = log(id, batch);
  EXPECT_EQ(outcome(refused), "conflict/changed");
  EXPECT_EQ(refused.error().message,
            "Changing param values is not allowed. Params were already logged='[{'key': 'p', "
            "'old_value': \"it's\", 'new_value': '\"2\"\\n'}]' for run ID='" +
                id + "'.");
  const tracking::Run after = read(id);
  EXPECT_EQ(after.params, (std::vector<Param>{{"p", "it's"}}));
  EXPECT_TRUE(after.metrics.empty());
  EXPECT_TRUE(history(id, "m").empty());
  EXPECT_EQ(value_of_tag(after.tags, "t"), "(none)");
  EXPECT_NE(after.info.name, "renamed");
}

TEST_P(TrackingTest, ABatchIsDurableTogetherWithWhatOthersWriteInIt) {
  const std::string id = run();
  Batch batch;
  batch.tags = {{"t", "1"}};
  batch.with = [](db::Tx& tx) -> Result<> {
    TRY(graph::put_node(tx, {"thing", "1"}, wire::Json::Object{}, 1));
    return conflict("not now");
  };
  EXPECT_EQ(outcome(log(id, batch)), "conflict");
  EXPECT_EQ(value_of_tag(read(id).tags, "t"), "(none)");
}

TEST_P(TrackingTest, TagsAreReplacedAndDeleted) {
  const std::string id = run();
  Batch batch;
  batch.tags = {{"t", "1"}, {"t", "2"}, {"u", ""}};
  ASSERT_TRUE(log(id, batch).ok());
  EXPECT_EQ(read(id).tags, (std::vector<Tag>{{"t", "2"}, {"u", ""}}));
  auto remove = [&](const std::string& key) {
    return outcome(wait_for([&](Done<> d) { tracking_->delete_tag(id, key, std::move(d)); }));
  };
  EXPECT_EQ(remove("t"), "ok");
  EXPECT_EQ(remove("t"), "missing");
  EXPECT_EQ(keys_of(read(id).tags), (std::vector<std::string>{"u"}));
}

TEST_P(TrackingTest, AListInATagGrowsItemByItem) {
  const std::string id = run();
  auto append = [&](const std::string& key, wire::Json item) {
    return outcome(wait_for(
        [&](Done<> d) { tracking_->append_to_tag(id, key, std::move(item), std::move(d)); }));
  };
  EXPECT_EQ(append("list", "a"), "ok");
  EXPECT_EQ(append("list", 2), "ok");
  EXPECT_EQ(value_of_tag(read(id).tags, "list"), "[\"a\", 2]");
  Batch batch;
  batch.tags = {{"text", "no list"}};
  ASSERT_TRUE(log(id, batch).ok());
  EXPECT_EQ(append("text", 1), "conflict");
}

// --- metrics ------------------------------------------------------------------------------------

TEST_P(TrackingTest, TheLatestPointIsThatOfTheLastStepThenTimeThenValue) {
  struct Row {
    std::vector<Metric> points;  // logged one by one, or at once
    double latest;
  };
  const Row rows[] = {
      {{{"m", 1, 1, 0}}, 1},
      {{{"m", 1, 100, 5}, {"m", 2, 900, 4}}, 1},
      {{{"m", 1, 100, 5}, {"m", 3, 50, 5}}, 1},
      {{{"m", 1, 100, 5}, {"m", 4, 100, 5}}, 4},
      {{{"m", 1, 100, 5}, {"m", 0, 100, 5}}, 1},
      {{{"m", 1, 100, -5}, {"m", 2, 1, -4}}, 2},
      {{{"m", -1, 1, 1}, {"m", kNan, 1, 1}}, kNan},  // NaN counts as 0
      {{{"m", 1, 1, 1}, {"m", kNan, 1, 1}}, 1},
      {{{"m", kNan, 1, 1}, {"m", 1, 1, 1}}, 1},
  };
  for (const Row& row : rows) {
    const std::string single = run(), batch = run();
    for (const Metric& metric : row.points) {
      ASSERT_TRUE(log(single, std::vector<Metric>{metric}).ok());
    }
    ASSERT_TRUE(log(batch, row.points).ok());
    for (const std::string& id : {single, batch}) {
      const double latest = latest_of(read(id)).at("m");
      EXPECT_TRUE(latest == row.latest || (std::isnan(latest) && std::isnan(row.latest)))
          << latest << " instead of " << row.latest;
    }
  }
}

/// What one request logs of two series.
PointsLog log_of(const std::string& run_id, std::int64_t step) {
  return {run_id, to_additions(std::vector<Metric>{{"loss", 10.0 - 1.0 * step, step, step},
                                                   {"accuracy", 0.5 * step, step, step}})};
}

TEST_P(TrackingTest, RequestsWrittenTogetherAreAsIfOneAfterTheOther) {
  const std::string first = run(), second = run(), deleted = run(), unknown(32, 'f');
  ASSERT_EQ(*tracking_->set_runs_deleted({deleted}, true, {}), 1);
  ASSERT_TRUE(log(first, {{"loss", 20, 1, 0}}).ok());
  const std::vector<PointsLog> logs = {log_of(first, 1),   log_of(unknown, 1), log_of(second, 4),
                                       log_of(deleted, 1), log_of(first, 2),   log_of(first, 3)};
  std::vector<const PointsLog*> pointers;
  for (const PointsLog& log : logs) pointers.push_back(&log);
  for (int again = 0; again < 2; ++again) {  // the second time all series are there
    const auto written = pool_->write([&](db::Tx& tx) { return write_points(tx, pointers); });
    ASSERT_TRUE(written.ok()) << written.error().message;
    std::vector<std::string> outcomes;
    for (const auto& one : *written) outcomes.push_back(outcome(one));
    EXPECT_EQ(outcomes, (std::vector<std::string>{"ok", "missing", "ok", "conflict/inactive", "ok",
                                                  "ok"}));
    EXPECT_EQ((*written)[0]->points, 2u);
    EXPECT_EQ((*written)[0]->run, (*written)[5]->run);
    EXPECT_NE((*written)[0]->run, (*written)[2]->run);
  }
  EXPECT_EQ(history(first, "loss"), (std::vector<Point>{to_point(20, 1, 0), to_point(9, 1, 1),
                                                        to_point(8, 2, 2), to_point(7, 3, 3)}));
  EXPECT_EQ(history(first, "accuracy").size(), 3u);
  EXPECT_EQ(history(second, "loss"), (std::vector<Point>{to_point(6, 4, 4)}));
  const auto sums = pool_->read([&](db::Tx& tx) {
    return tx.all<std::string>(
        "select s.key || ' ' || s.points || ' ' || s.step || ' ' || s.first_step || ' ' || "
        "cast(cast(s.min_value as bigint) as text) from runs r join metric_series s on s.run = "
        "r.id where r.run_id = ? order by s.key",
        first);
  });
  ASSERT_TRUE(sums.ok()) << sums.error().message;
  EXPECT_EQ(*sums, (std::vector<std::string>{"accuracy 6 3 1 0", "loss 7 3 0 7"}));
}

/// Of every so-manieth of so many keys.
std::vector<Metric> a_point_of_each(int keys, int every, double value) {
  std::vector<Metric> metrics;
  for (int i = 0; i < keys; i += every) {
    metrics.push_back({"k" + std::to_string(i), value, 1, static_cast<std::int64_t>(value)});
  }
  return metrics;
}

TEST_P(TrackingTest, EverySeriesOfABatchIsFoundInRunsOfFewAndOfManySeries) {
  const std::string id = run();
  ASSERT_TRUE(log(id, a_point_of_each(100, 1, 1)).ok());   // none is there
  ASSERT_TRUE(log(id, a_point_of_each(100, 1, 2)).ok());   // all are
  ASSERT_TRUE(log(id, a_point_of_each(150, 1, 3)).ok());   // some are
  ASSERT_TRUE(log(id, a_point_of_each(150, 2, 4)).ok());   // with others beside them
  ASSERT_TRUE(log(id, a_point_of_each(1000, 1, 5)).ok());
  ASSERT_TRUE(log(id, a_point_of_each(1000, 10, 6)).ok());  // with very many
  const tracking::Run found = read(id);
  ASSERT_EQ(found.metrics.size(), 1000u);
  for (const SeriesHead& series : found.metrics) {
    const int i = std::stoi(series.key.substr(1));
    const int points = 1 + 2 * (i < 100) + (i < 150) + (i < 150 && i % 2 == 0) + (i % 10 == 0);
    ASSERT_EQ(series.points, points) << series.key;
    ASSERT_EQ(series.value, i % 10 == 0 ? 6 : 5) << series.key;
    ASSERT_EQ(history(id, series.key).size(), static_cast<std::size_t>(points)) << series.key;
  }
}

TEST_P(TrackingTest, EverySeriesOfABatchIsFoundInWhateverOrderTheKeysCome) {
  std::mt19937 random(5);
  const std::vector<std::string> ids{run(), run()};
  std::map<std::string, std::map<std::string, std::pair<double, std::int64_t>>> expected;
  std::vector<Metric> keys = a_point_of_each(200, 1, 0);
  for (int step = 1; step <= 40; ++step) {
    // As they came before; else some of them, in another order, or one among them that is new.
    const int what = static_cast<int>(random() % 5);
    if (what == 0) std::shuffle(keys.begin(), keys.end(), random);
    if (what == 1) keys.insert(keys.begin() + 70, {"new" + std::to_string(step), 0, 0, 0});
    std::vector<Metric> some(keys.begin() + (what == 2 ? 13 : 0), keys.end() - (what == 3 ? 9 : 0));
    for (const std::string& id : ids) {
      for (Metric& metric : some) {
        metric.value = step + (id == ids[1] ? 0.5 : 0), metric.step = step;
        auto& [value, points] = expected[id][metric.key];
        value = metric.value, ++points;
      }
      ASSERT_TRUE(log(id, some).ok());
    }
  }
  for (const std::string& id : ids) {
    const tracking::Run found = read(id);
    ASSERT_EQ(found.metrics.size(), expected[id].size());
    for (const SeriesHead& series : found.metrics) {
      ASSERT_EQ(series.value, expected[id][series.key].first) << series.key;
      ASSERT_EQ(series.points, expected[id][series.key].second) << series.key;
    }
  }
}

TEST_P(TrackingTest, AHistoryHasEachPointOnceInItsOrder) {
  const std::string id = run();
  ASSERT_TRUE(log(id, std::vector<Metric>{{"m", 3, 20, 1}, {"m", 1, 10, 2}, {"n", 9, 9, 9}}).ok());
  ASSERT_TRUE(log(id, std::vector<Metric>{{"m", 2, 10, 1}}).ok());
  ASSERT_TRUE(log(id, std::vector<Metric>{{"m", 2, 10, 1}, {"m", kNan, 10, 1}}).ok());
  EXPECT_EQ(history(id, "m"),
            (std::vector<Point>{
                {10, 1, 0, true}, {10, 1, 2, false}, {10, 2, 1, false}, {20, 1, 3, false}}));
  EXPECT_TRUE(history(id, "none").empty());
}

TEST_P(TrackingTest, AHistoryComesInPagesThatJoin) {
  const std::string id = run();
  std::vector<Metric> metrics;
  for (int i = 0; i < 100; ++i) metrics.push_back({"m", i / 2.0, i / 3, 100 - i});
  ASSERT_TRUE(log(id, metrics).ok());
  const std::vector<Point> whole = history(id, "m");
  ASSERT_EQ(whole.size(), 100u);
  std::vector<Point> joined;
  std::optional<Point> after;
  for (bool more = true; more;) {
    Result<HistoryPage> page = tracking_->history(id, "m", after, 7);
    ASSERT_TRUE(page.ok());
    joined.insert(joined.end(), page->points.begin(), page->points.end());
    more = page->more;
    after = joined.back();
  }
  EXPECT_EQ(joined, whole);
}

TEST_P(TrackingTest, ManyPointsOfOneSeriesAreChunksFromTheStart) {
  const std::string id = run();
  Batch batch;
  for (std::size_t i = 0; i < kOwnChunkPoints; ++i) {
    batch.metrics.push_back({"many", 0.5, 1000, static_cast<std::int64_t>(i)});
  }
  batch.metrics.push_back({"one", 0.25, 1000, 0});
  std::promise<bool> logged;
  tracking_->log(id, batch, [&](Result<> done) { logged.set_value(done.ok()); });
  ASSERT_TRUE(logged.get_future().get());
  ASSERT_TRUE(pool_
                  ->read([&](db::Tx& tx) -> Result<> {
                    EXPECT_EQ(TRY(tx.all<std::int64_t>("select points from metric_batches")),
                              std::vector<std::int64_t>{1});
                    EXPECT_EQ(TRY(tx.all<std::int64_t>("select points from metric_chunks")),
                              std::vector<std::int64_t>{kOwnChunkPoints});
                    return {};
                  })
                  .ok());
  EXPECT_EQ(history(id, "many").size(), kOwnChunkPoints);
  EXPECT_EQ(history(id, "one").size(), 1u);
}

/// Against a naive twin: every point in one list, sorted.
TEST_P(TrackingTest, HistoriesStayWhatTheyAreWhileTheyAreCompacted) {
  std::mt19937_64 random(7);
  const std::string ids[] = {run(), run()};
  std::map<std::pair<std::string, std::string>, std::vector<Point>> expected;
  constexpr int kBatches = 700;
  std::promise<void> all_done;
  for (int batch = 0; batch < kBatches; ++batch) {
    const std::string& id = ids[random() % 2];
    std::vector<Metric> metrics;
    const bool many = random() % 40 == 0;  // enough for chunks of their own
    const std::size_t count = many ? kOwnChunkPoints + random() % 900 : 1 + random() % 20;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string key = random() % (many ? 30 : 3) == 0 ? "a" : "b";
      const UnixMs time = random() % 10 == 0 ? static_cast<UnixMs>(random() % kBatches) : batch;
      metrics.push_back({key, static_cast<double>(random() % 5), time, batch});
      expected[{id, key}].push_back(to_point(metrics.back().value, time, batch));
    }
    Batch logged;
    logged.metrics = std::move(metrics);
    tracking_->log(id, std::move(logged), [&, last = batch == kBatches - 1](Result<> done) {
      EXPECT_TRUE(done.ok());
      if (last) all_done.set_value();
    });
  }
  all_done.get_future().wait();
  std::int64_t waiting = 0, chunks = 0;
  // A write that comes after those that move batches.
  ASSERT_TRUE(pool_
                  ->write([&](db::Tx& tx) -> Result<> {
                    waiting = *TRY(tx.one<std::int64_t>("select count(*) from metric_batches"));
                    chunks = *TRY(tx.one<std::int64_t>("select count(*) from metric_chunks"));
                    return {};
                  })
                  .ok());
  EXPECT_LT(waiting, 2 * 128 + 1) << "batches are moved into chunks";
  EXPECT_GT(chunks, 0);
  for (auto& [series, points] : expected) {
    tidy(points);
    EXPECT_EQ(history(series.first, series.second), points);
    // In pages too.
    std::vector<Point> joined;
    std::optional<Point> after;
    for (bool more = true; more;) {
      Result<HistoryPage> page = tracking_->history(series.first, series.second, after, 999);
      ASSERT_TRUE(page.ok());
      joined.insert(joined.end(), page->points.begin(), page->points.end());
      more = page->more;
      after = joined.back();
    }
    EXPECT_EQ(joined, points);
  }
}

TEST_P(TrackingTest, ARunWhosePointsAreDamagedDoesNotKeepOthersFromBeingMoved) {
  const std::string damaged = run(), whole = run();
  const auto log_to_both = [&](int step) {
    for (const std::string& id : {damaged, whole})
      ASSERT_TRUE(log(id, {{"m", 1.0 * step, step, step}}).ok());
  };
  for (int step = 0; step < 127; ++step) log_to_both(step);
  const auto count = [&](const std::string& id) {
    return **pool_->read([&](db::Tx& tx) {
      return tx.one<std::int64_t>(
          "select count(*) from metric_batches b join runs r on r.id = b.run where r.run_id = ?",
          id);
    });
  };
  ASSERT_EQ(count(whole), 127);
  ASSERT_TRUE(pool_
                  ->write([&](db::Tx& tx) {
                    return tx.run(
                        "update metric_batches set data = ? where id = (select min(b.id) from "
                        "metric_batches b join runs r on r.id = b.run where r.run_id = ?)",
                        db::Blob{"?"}, damaged);
                  })
                  .ok());
  // Both have enough at the same moment.
  std::promise<void> hold;
  pool_->write_later(
      [held = hold.get_future().share()](db::Tx&) -> Result<> {
        held.wait();
        return {};
      },
      [](Result<>) {});
  std::promise<Result<>> logged[2];
  for (int i = 0; i < 2; ++i) {
    Batch last;
    last.metrics = {{"m", 127, 127, 127}};
    tracking_->log(i == 0 ? damaged : whole, std::move(last),
                   [&logged, i](Result<> done) { logged[i].set_value(std::move(done)); });
  }
  hold.set_value();
  for (auto& one : logged) ASSERT_TRUE(one.get_future().get().ok());
  // Writes that come after what was queued before.
  for (int i = 0; i < 20 && count(whole) > 0; ++i)
    ASSERT_TRUE(pool_->write([](db::Tx&) -> Result<> { return {}; }).ok());
  EXPECT_EQ(count(whole), 0);
  EXPECT_EQ(count(damaged), 128);
  EXPECT_EQ(history(whole, "m").size(), 128u);
}

TEST_P(TrackingTest, ASampleIsEvenAndByStep) {
  const std::string id = run();
  std::vector<Metric> metrics;
  for (int step = 0; step < 1000; ++step) metrics.push_back({"m", 0.5, 2000 - step, step});
  ASSERT_TRUE(log(id, metrics).ok());
  auto steps_of = [&](const std::optional<StepRange>& range, std::size_t count) {
    std::vector<std::int64_t> steps;
    const Result<std::vector<Point>> sample = tracking_->sample(id, "m", range, count);
    EXPECT_TRUE(sample.ok());
    for (const Point& point : *sample) {
      steps.push_back(point.step);
    }
    return steps;
  };
  EXPECT_EQ(steps_of(std::nullopt, 4), (std::vector<std::int64_t>{0, 250, 500, 999}));
  EXPECT_EQ(steps_of(StepRange{10, 13}, 100), (std::vector<std::int64_t>{10, 11, 12, 13}));
  EXPECT_EQ(steps_of(StepRange{2000, 3000}, 100), (std::vector<std::int64_t>{}));
  EXPECT_EQ(steps_of(std::nullopt, 5000).size(), 1000u);
}

TEST_P(TrackingTest, HeadsOfChunksAreWrittenManyAtATime) {
  const std::string id = run();
  for (std::int64_t chunk = 0; chunk < 257; ++chunk) {
    std::vector<Metric> metrics;
    for (std::int64_t i = 0; i < 512; ++i)
      metrics.push_back({"m", 0.5, chunk * 512 + i, chunk * 512 + i});
    EXPECT_EQ(heads_kept(), chunk < 256 ? 0 : 256) << chunk;
    ASSERT_TRUE(log(id, std::move(metrics)).ok());
  }
}

TEST_P(TrackingTest, HeadsAreOfTheChunkThatIsThere) {
  const std::string id = run();
  std::vector<Metric> metrics;
  for (std::int64_t i = 0; i < 600; ++i) metrics.push_back({"m", 0.5, i, i});
  ASSERT_TRUE(log(id, metrics).ok());
  const auto put = [&](std::int64_t number, std::int64_t points, UnixMs last_ms) {
    NewHeads heads{1, number, {points, 0, last_ms, "", 0, last_ms, "h"}};
    return pool_->write([&](db::Tx& tx) { return put_heads(tx, std::span(&heads, 1)); }).ok();
  };
  ASSERT_TRUE(put(2, 600, 599));
  ASSERT_TRUE(put(1, 601, 599));
  ASSERT_TRUE(put(1, 600, 598));
  EXPECT_EQ(heads_kept(), 0) << "of chunks that are not there, or not as they were";
  ASSERT_TRUE(put(1, 600, 599));
  EXPECT_EQ(heads_kept(), 1);
  ASSERT_TRUE(put(1, 600, 599)) << "those that are there stay";
  EXPECT_EQ(heads_kept(), 1);
}

TEST_P(TrackingTest, AChartOfManyPointsIsEvenToo) {
  const std::string id = run();
  constexpr std::int64_t kPoints = 200'000;
  for (std::int64_t from = 0; from < kPoints; from += 1000) {
    std::vector<Metric> metrics;
    for (std::int64_t step = from; step < from + 1000; ++step) {
      metrics.push_back({"m", static_cast<double>(step), step, step});
    }
    ASSERT_TRUE(log(id, std::move(metrics)).ok());
  }
  Result<std::vector<Point>> chart = tracking_->sample(id, "m", std::nullopt, 2500);
  ASSERT_TRUE(chart.ok()) << chart.error().message;
  ASSERT_EQ(chart->size(), 2500u);
  for (std::size_t i = 0; i + 1 < chart->size(); ++i) {
    EXPECT_GE((*chart)[i].step, static_cast<std::int64_t>(i * 80));
    EXPECT_LT((*chart)[i].step, static_cast<std::int64_t>((i + 1) * 80));
  }
  EXPECT_EQ(chart->front().step, 0);
  EXPECT_EQ(chart->back().step, kPoints - 1);
  // Of fewer points each is where it should be.
  chart = tracking_->sample(id, "m", StepRange{50'001, 150'000}, 1000);
  ASSERT_EQ(chart->size(), 1000u);
  for (std::size_t i = 0; i + 1 < chart->size(); ++i) {
    EXPECT_EQ((*chart)[i].step, static_cast<std::int64_t>(50'001 + i * 100));
  }
  EXPECT_EQ(chart->back().step, 150'000);
  EXPECT_EQ(heads_kept(), kPoints / 1000) << "what a chart had to make is kept";
  // Chunks that were written before there were heads.
  auto older = pool_->write(
      [](db::Tx& tx) { return tx.run("delete from metric_heads where chunk % 2 = 0"); });
  ASSERT_TRUE(older.ok());
  Result<std::vector<Point>> same = tracking_->sample(id, "m", std::nullopt, 2500);
  chart = tracking_->sample(id, "m", std::nullopt, 2500);
  ASSERT_TRUE(same.ok());
  EXPECT_EQ(*same, *chart);
  EXPECT_EQ(same->size(), 2500u);
}

// --- inputs, outputs, facts ---------------------------------------------------------------------

Inputs used(std::vector<DatasetInput> datasets) {
  Inputs inputs;
  inputs.datasets = std::move(datasets);
  return inputs;
}

TEST_P(TrackingTest, ADatasetIsSharedAndAUseKeepsItsFirstTags) {
  const std::string a = run(), b = run();
  const Dataset bikes{"bikes", "d1", "local", "/data", "", ""};
  auto use = [&](const std::string& id, Inputs inputs) {
    return outcome(
        wait_for([&](Done<> d) { tracking_->log_inputs(id, std::move(inputs), std::move(d)); }));
  };
  EXPECT_EQ(use(a, used({{bikes, {{"context", "train"}}}, {bikes, {{"context", "again"}}}})), "ok");
  EXPECT_EQ(use(a, used({{bikes, {{"context", "later"}}}})), "ok");
  Dataset other_words = bikes;
  other_words.source = "/elsewhere";
  EXPECT_EQ(use(b, used({{other_words, {}}})), "ok");
  const tracking::Run first = read(a), second = read(b);
  ASSERT_EQ(first.datasets.size(), 1u);
  EXPECT_EQ(first.datasets[0].tags, (std::vector<Tag>{{"context", "train"}}));
  ASSERT_EQ(second.datasets.size(), 1u);
  EXPECT_EQ(second.datasets[0].dataset.source, "/data") << "known by name and digest";
  EXPECT_EQ(
      *tracking_->dataset_uses({0}, "context", 10),
      (std::vector<DatasetUse>{{0, "bikes", "d1", std::nullopt}, {0, "bikes", "d1", "train"}}));
  const std::vector<graph::Edge> causes = causes_of({graph::kind::kRun, a});
  ASSERT_EQ(causes.size(), 1u);
  EXPECT_EQ(causes[0].relation, graph::relation::kUsed);
  EXPECT_EQ(causes[0].cause, (graph::NodeRef{graph::kind::kDataset, "bikes@d1"}));
}

TEST_P(TrackingTest, ModelsThatARunMadeComeFromIt) {
  const std::string id = run();
  Inputs inputs;
  inputs.models = {{"m-in", 0}};
  ASSERT_TRUE(wait_for([&](Done<> d) { tracking_->log_inputs(id, inputs, std::move(d)); }).ok());
  ASSERT_TRUE(wait_for([&](Done<> d) {
                tracking_->log_outputs(id, {{"m-out", 3}}, std::move(d));
              }).ok());
  const tracking::Run found = read(id);
  ASSERT_EQ(found.models_used.size(), 1u);
  EXPECT_EQ(found.models_used[0].model_id, "m-in");
  ASSERT_EQ(found.models_made.size(), 1u);
  EXPECT_EQ(found.models_made[0].step, 3);
  const std::vector<graph::Edge> made = causes_of({graph::kind::kModel, "m-out"});
  ASSERT_EQ(made.size(), 1u);
  EXPECT_EQ(made[0].relation, graph::relation::kProducedBy);
  EXPECT_EQ(made[0].cause, (graph::NodeRef{graph::kind::kRun, id}));
}

class AttemptTest : public TrackingTest {
 protected:
  void put_attempt(const std::string& id, const std::string& state) {
    wire::Json attributes;
    attributes.set("state", state);
    Result<> put = pool_->write([&](db::Tx& tx) {
      return graph::put_node(tx, {graph::kind::kAttempt, id}, attributes, clock_.now_ms());
    });
    ASSERT_TRUE(put.ok()) << put.error().message;
  }
  std::string run_of(const Actor& actor, const std::string& tag = "") {
    NewRun run;
    if (!tag.empty()) run.tags = {{kAttemptTag, tag}};
    return start(run, actor)->info.id;
  }
  /// "a" for a proof, "a (claimed)" for a claim.
  std::vector<std::string> attempts_of(const std::string& id) {
    std::vector<std::string> attempts;
    for (const graph::Edge& edge : causes_of({graph::kind::kRun, id})) {
      EXPECT_EQ(edge.relation, graph::relation::kProducedBy);
      const wire::Json* claimed = edge.attributes.find("claimed");
      attempts.push_back(edge.cause.id + (claimed != nullptr ? " (claimed)" : ""));
    }
    return attempts;
  }
  using Names = std::vector<std::string>;
};
INSTANTIATE_TEST_SUITE_P(Engines, AttemptTest, db::every_engine(), db::engine_name);

TEST_P(AttemptTest, ItsTokenProvesThatARunIsItsOwn) {
  put_attempt("a", "running");
  EXPECT_EQ(attempts_of(run_of({"", "a"})), Names{"a"});
  EXPECT_EQ(attempts_of(run_of({"", "a"}, "a")), Names{"a"});
  EXPECT_EQ(attempts_of(run_of({"", "not-told-of-yet"})), Names{"not-told-of-yet"});
  EXPECT_EQ(attempts_of(run_of({})), Names{});
}

TEST_P(AttemptTest, ItsTokenProvesNothingOnceItIsOver) {
  put_attempt("over", "succeeded");
  const std::string id = run_of({"", "over"}, "over");
  EXPECT_EQ(attempts_of(id), Names{});
  auto events = pool_->read([&](db::Tx& tx) {
    return graph::events_about(tx, {graph::kind::kRun, id}, 10);
  });
  ASSERT_TRUE(events.ok() && !events->empty());
  EXPECT_EQ(events->front().event.actor, "anonymous");
}

TEST_P(AttemptTest, ATagAloneOnlyClaimsAnAttemptThatRuns) {
  put_attempt("a", "running");
  put_attempt("over", "failed");
  EXPECT_EQ(attempts_of(run_of({}, "a")), Names{"a (claimed)"});
  EXPECT_EQ(attempts_of(run_of({}, "over")), Names{});
  EXPECT_EQ(attempts_of(run_of({}, "made-up")), Names{});
  Batch batch;
  batch.tags = {{kAttemptTag, "a"}};
  const std::string later = run();
  ASSERT_TRUE(log(later, batch).ok());
  EXPECT_EQ(attempts_of(later), Names{"a (claimed)"});
}

TEST_P(AttemptTest, ATokenCountsMoreThanATag) {
  put_attempt("a", "running");
  put_attempt("b", "running");
  const std::string id = run_of({"", "a"}, "b");
  Batch batch;
  batch.tags = {{kAttemptTag, "b"}};
  ASSERT_TRUE(log(id, batch).ok());
  EXPECT_EQ(attempts_of(id), Names{"a"});
}

TEST_P(AttemptTest, TheCommitThatAClientTellsIsKeptForRunsWithoutOne) {
  const std::string commit(40, 'c');
  NewRun told;
  told.tags = {{kCommitTag, commit}};
  const std::vector<graph::Edge> causes = causes_of({graph::kind::kRun, start(told)->info.id});
  ASSERT_EQ(causes.size(), 1u);
  EXPECT_EQ(causes[0].relation, graph::relation::kUsed);
  EXPECT_EQ(causes[0].cause, (graph::NodeRef{graph::kind::kCommit, commit}));
  EXPECT_EQ(causes[0].attributes.find("told_by")->as_string(), "client");
  put_attempt("a", "running");
  EXPECT_EQ(attempts_of(start(told, {"", "a"})->info.id), Names{"a"});
  told.tags = {{kCommitTag, "no commit"}};
  EXPECT_TRUE(causes_of({graph::kind::kRun, start(told)->info.id}).empty());
}

TEST_P(TrackingTest, ARunIsANodeWithItsName) {
  const std::string id = run();
  RunChange rename;
  rename.name = "renamed";
  ASSERT_TRUE(change(id, rename).ok());
  auto node = pool_->read([&](db::Tx& tx) {
    return graph::find_node(tx, {graph::kind::kRun, id});
  });
  ASSERT_TRUE(node.ok() && node->has_value());
  EXPECT_EQ((*node)->attributes.find("name")->as_string(), "renamed");
  EXPECT_EQ((*node)->attributes.find("experiment")->as_string(), "Default");
}

TEST(RunName, IsTwoWordsAndANumber) {
  EXPECT_EQ(random_run_name(0), "amber-anchor-0");
  EXPECT_NE(random_run_name(1), random_run_name(2));
}

}  // namespace
}  // namespace slipway::tracking
