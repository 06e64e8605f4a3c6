#include "domain/tracking/adopt.h"

#include <cmath>

#include "domain/tracking/tracking_testing.h"

namespace slipway::tracking {
namespace {

class AdoptTest : public TrackingTest {
 protected:
  Result<Adoption> adopt(const Experiment& experiment) {
    return pool_->write([&](db::Tx& tx) {
      return adopt_experiment(tx, experiment, {"ann", ""}, 1'000);
    });
  }
  Result<Adoption> adopt(const AdoptedRun& run) {
    return pool_->write([&](db::Tx& tx) { return adopt_run(tx, run, 1'000); });
  }
  static Experiment experiment(std::int64_t id, const std::string& name) {
    return {id, name, "/old/" + name, false, 10, 20, {{"owner", "ann"}}};
  }
  static AdoptedRun run_of(std::int64_t experiment, char digit) {
    AdoptedRun adopted;
    adopted.run.info.id = std::string(32, digit);
    adopted.run.info.experiment_id = experiment;
    adopted.run.info.name = "old";
    adopted.run.info.status = RunStatus::kFailed;
    adopted.run.info.start_ms = 5;
    adopted.run.info.end_ms = 6;
    adopted.run.info.artifact_uri = "/old/files";
    adopted.run.params = {{"lr", "0.1"}};
    adopted.run.tags = {{"a", "b"}};
    adopted.run.datasets = {{{"rides", "d1", "local", "{}", "", ""}, {{"context", "training"}}}};
    adopted.run.models_made = {{"m-1", 2}};
    return adopted;
  }
};
INSTANTIATE_TEST_SUITE_P(Engines, AdoptTest, db::every_engine(), db::engine_name);

TEST_P(AdoptTest, AnExperimentKeepsItsNumberPlaceAndTimes) {
  ASSERT_EQ(*adopt(experiment(728669437866307808, "rides")), Adoption::kMade);
  const Experiment here = *tracking_->experiment(728669437866307808);
  EXPECT_EQ(here.name, "rides");
  EXPECT_EQ(here.artifact_location, "/old/rides");
  EXPECT_EQ(here.created_ms, 10);
  EXPECT_EQ(here.updated_ms, 20);
  EXPECT_EQ(here.tags, (std::vector<Tag>{{"owner", "ann"}}));
}

TEST_P(AdoptTest, WhatIsHereAlreadyStays) {
  const std::int64_t id = create("mine")->id;
  EXPECT_EQ(*adopt(experiment(id, "other")), Adoption::kIdTaken);
  EXPECT_EQ(*adopt(experiment(id + 7, "mine")), Adoption::kNameTaken);
  EXPECT_EQ(tracking_->experiment(id)->name, "mine");
}

TEST_P(AdoptTest, TheExperimentZeroIsTakenOverWhileNobodyHasUsedIt) {
  EXPECT_EQ(*adopt(experiment(0, "theirs")), Adoption::kMade);
  EXPECT_EQ(tracking_->experiment(0)->name, "theirs");
  EXPECT_EQ(*adopt(experiment(0, "others")), Adoption::kJoined);
  EXPECT_EQ(tracking_->experiment(0)->name, "theirs");
}

TEST_P(AdoptTest, TheExperimentZeroWithRunsIsJoined) {
  run();
  EXPECT_EQ(*adopt(experiment(0, "theirs")), Adoption::kJoined);
  EXPECT_EQ(tracking_->experiment(0)->name, "Default");
}

TEST_P(AdoptTest, ARunIsHereWithAllThatWasSaidOfIt) {
  ASSERT_EQ(*adopt(run_of(0, 'a')), Adoption::kMade);
  const tracking::Run here = *tracking_->run(std::string(32, 'a'));
  EXPECT_EQ(here.info.status, RunStatus::kFailed);
  EXPECT_EQ(here.info.end_ms, 6);
  EXPECT_EQ(here.info.artifact_uri, "/old/files");
  EXPECT_EQ(here.params, (std::vector<Param>{{"lr", "0.1"}}));
  ASSERT_EQ(here.datasets.size(), 1u);
  EXPECT_EQ(here.datasets[0].tags, (std::vector<Tag>{{"context", "training"}}));
  ASSERT_EQ(here.models_made.size(), 1u);
  EXPECT_EQ(here.models_made[0].step, 2);
  EXPECT_EQ(*adopt(run_of(0, 'a')), Adoption::kIdTaken);
}

TEST_P(AdoptTest, ADeletedRunIsDeletedHereAndCanBeRestored) {
  AdoptedRun adopted = run_of(0, 'b');
  adopted.run.info.deleted = true;
  adopted.deleted_ms = 7;
  ASSERT_EQ(*adopt(adopted), Adoption::kMade);
  EXPECT_TRUE(tracking_->run_info(std::string(32, 'b'))->deleted);
  const auto restored = wait_for(
      [&](Done<> done) { tracking_->restore_run(std::string(32, 'b'), {}, std::move(done)); });
  EXPECT_TRUE(restored.ok());
}

TEST_P(AdoptTest, PointsThatComeInPartsAreOneHistory) {
  ASSERT_EQ(*adopt(run_of(0, 'c')), Adoption::kMade);
  const std::string id(32, 'c');
  std::vector<Metric> first, second;
  for (int i = 0; i < 900; ++i) first.push_back({"loss", i / 8.0, 1'000 + i, i});
  for (int i = 900; i < 1'000; ++i) second.push_back({"loss", i / 8.0, 1'000 + i, i});
  second.push_back({"odd", std::nan(""), 1, 1});
  for (const auto* points : {&first, &second}) {
    const auto additions = to_additions(*points);
    ASSERT_TRUE(pool_->write([&](db::Tx& tx) { return adopt_points(tx, id, additions); }).ok());
  }
  ASSERT_TRUE(pool_->write([&](db::Tx& tx) { return settle_points(tx, id); }).ok());
  const HistoryPage page = *tracking_->history(id, "loss", {}, 5'000);
  ASSERT_EQ(page.points.size(), 1'000u);
  EXPECT_EQ(page.points.back().step, 999);
  EXPECT_TRUE(tracking_->history(id, "odd", {}, 10)->points.at(0).nan);
}

TEST_P(AdoptTest, ARunThatGoesOnHasNoEnd) {
  ASSERT_EQ(*adopt(run_of(0, 'd')), Adoption::kMade);
  const std::string id(32, 'd');
  ASSERT_TRUE(pool_->write([&](db::Tx& tx) { return forget_end(tx, id); }).ok());
  EXPECT_EQ(tracking_->run_info(id)->end_ms, std::nullopt);
}

TEST_P(AdoptTest, TheNextExperimentGetsANumberOfItsOwn) {
  ASSERT_EQ(*adopt(experiment(41, "theirs")), Adoption::kMade);
  ASSERT_TRUE(pool_->write([](db::Tx& tx) { return count_adopted(tx); }).ok());
  EXPECT_EQ(create("new")->id, 42);
}

}  // namespace
}  // namespace slipway::tracking
