#include "app/trash.h"

#include <gtest/gtest.h>

#include <set>

#include "app/app.h"
#include "base/function_testing.h"
#include "domain/registry/logged_models.h"
#include "domain/tracking/tracking.h"
#include "io/db/db_testing.h"

namespace slipway::app {
namespace {

using Ids = std::vector<std::string>;

/// Somebody acts when it is looked at for the n-th time.
class MeddlersClock final : public Clock {
 public:
  UnixMs now_ms() const override {
    if (meddle_ && ++looks_ == at_) std::exchange(meddle_, {})();
    return clock_.now_ms();
  }
  std::chrono::nanoseconds monotonic() const override { return clock_.monotonic(); }
  void advance(std::chrono::milliseconds by) { clock_.advance(by); }
  void let(int at, std::function<void()> meddle) {
    looks_ = 0;
    at_ = at;
    meddle_ = std::move(meddle);
  }

 private:
  FakeClock clock_;
  int at_ = 0;
  mutable int looks_ = 0;
  mutable std::function<void()> meddle_;
};

class TrashTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    db::OnEachEngine::SetUp();
    if (HasFatalFailure()) return;
    pool_ = open(all_migrations());
    auto opened = tracking::Tracking::open(*pool_, clock_, {.artifact_root = "mlflow-artifacts:/"});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    tracking_ = std::move(*opened);
    auto may_remove = [this](db::Tx&, const std::string& key) -> Result<> {
      if (!held_.contains(key)) return {};
      return Error{Code::kConflict, "'" + key + "' is needed", "held"};
    };
    trash_ = std::make_unique<Trash>(TrashWorld{*pool_, *blobs_, clock_, {}, may_remove});
  }
  void TearDown() override {
    trash_.reset();
    pool_.reset();  // finishes what was queued
    tracking_.reset();
  }

  std::int64_t experiment(const std::string& name) {
    return wait_for<tracking::Experiment>([&](Done<tracking::Experiment> done) {
             tracking_->create_experiment({name, "", {}}, {}, std::move(done));
           })->id;
  }
  std::string run(std::int64_t experiment = 0) {
    tracking::NewRun fresh;
    fresh.experiment_id = experiment;
    return wait_for<tracking::Run>([&](Done<tracking::Run> done) {
             tracking_->create_run(fresh, {}, std::move(done));
           })->info.id;
  }
  std::string model(std::int64_t experiment) {
    registry::LoggedModels models(*pool_, clock_);
    return wait_for<registry::LoggedModel>([&](Done<registry::LoggedModel> done) {
             registry::NewLoggedModel fresh;
             fresh.experiment_id = std::to_string(experiment);
             fresh.name = "m";
             fresh.experiment_location = "mlflow-artifacts:/x";
             models.create("me", fresh, std::move(done));
           })->id;
  }
  void drop(const Ids& runs) {
    EXPECT_EQ(*tracking_->set_runs_deleted(runs, true, {}), static_cast<int>(runs.size()));
  }
  void change(std::int64_t experiment, bool deleted) {
    EXPECT_TRUE(wait_for([&](Done<> done) {
                  if (deleted)
                    tracking_->delete_experiment(experiment, {}, std::move(done));
                  else
                    tracking_->restore_experiment(experiment, {}, std::move(done));
                }).ok());
  }
  void put_file(const std::string& key) {
    auto writer = blobs_->create(key);
    ASSERT_TRUE(writer.ok()) << writer.error().message;
    ASSERT_TRUE((*writer)->write("x").ok());
    ASSERT_TRUE((*writer)->commit().ok());
  }
  wire::Json ask(const EmptyRequest& request = {}) {
    const auto answer = trash_->ask(request, "me");
    EXPECT_TRUE(answer.ok()) << answer.error().message;
    return answer.ok() ? *answer : wire::Json();
  }
  void work() {
    const auto left = trash_->work(std::chrono::minutes(1));
    ASSERT_TRUE(left.ok()) << left.error().message;
    EXPECT_EQ(*left, 0);
  }
  static Ids list(const wire::Json& answer, const char* name) {
    Ids ids;
    for (const wire::Json& id : answer.find(name)->as_array()) ids.push_back(id.as_string());
    return ids;
  }
  static std::string kept(const wire::Json& answer) {
    return wire::dump(*answer.find("kept"));
  }
  bool is_there(const std::string& run) { return tracking_->run_info(run).ok(); }
  double commits() {
    const std::string text = metrics().expose();
    const std::string name = "\nslipway_db_group_writes_count ";
    return std::stod(text.substr(text.find(name) + name.size()));
  }

  std::set<std::string> held_;  // folders of files that are needed
  MeddlersClock clock_;
  std::unique_ptr<blob::Blobs> blobs_ = blob::open_memory();
  std::unique_ptr<db::Pool> pool_;
  std::unique_ptr<tracking::Tracking> tracking_;
  std::unique_ptr<Trash> trash_;
};
INSTANTIATE_TEST_SUITE_P(Engines, TrashTest, db::every_engine(), db::engine_name);

TEST_P(TrashTest, ManyRunsGoInFewTransactions) {
  Ids runs;
  for (int i = 0; i < 200; ++i) runs.push_back(run());
  for (const std::string& one : runs) put_file("0/" + one + "/artifacts/a.txt");
  const std::string stays = run();
  put_file("0/" + stays + "/artifacts/a.txt");
  drop(runs);
  EXPECT_EQ(list(ask(), "runs").size(), 200u);
  const double before = commits();
  work();
  EXPECT_LE(commits() - before, 20);
  for (const std::string& one : runs) EXPECT_FALSE(is_there(one));
  EXPECT_TRUE(is_there(stays));
  EXPECT_EQ(blobs_->list("0")->size(), 1u);
}

TEST_P(TrashTest, WhatHoldsFilesThatAreNeededIsKeptWhoeverMadeThem) {
  const std::int64_t whole = experiment("whole");
  const std::string needed = run(), other = run(), logged = model(whole);
  held_ = {"0/" + needed, "x/models/" + logged};
  drop({needed, other});
  change(whole, true);
  const wire::Json answer = ask();
  EXPECT_EQ(list(answer, "runs"), Ids{other});
  EXPECT_EQ(list(answer, "models"), Ids{});
  EXPECT_EQ(list(answer, "experiments"), Ids{});
  EXPECT_NE(kept(answer).find("'0/" + needed + "' is needed"), std::string::npos) << kept(answer);
  EmptyRequest named;
  named.run_ids = Ids{needed};
  const auto refused = trash_->ask(named, "me");
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().tag, "held");
  named.force = {needed};
  EXPECT_EQ(list(ask(named), "runs"), Ids{needed}) << "by its name";
}

TEST_P(TrashTest, ARunThatIsRestoredMeanwhileIsKeptAndToldSo) {
  const std::string gone = run(), restored = run();
  drop({gone, restored});
  clock_.let(2, [&] { ASSERT_TRUE(tracking_->set_runs_deleted({restored}, false, {}).ok()); });
  const wire::Json answer = ask();
  EXPECT_EQ(list(answer, "runs"), Ids{gone});
  EXPECT_EQ(kept(answer),
            R"([{"run_id":")" + restored + R"(","why":"it was restored meanwhile"}])");
  work();
  EXPECT_FALSE(is_there(gone));
  EXPECT_TRUE(is_there(restored));
}

TEST_P(TrashTest, AnExperimentThatIsRestoredMeanwhileKeepsItsRunsAndModels) {
  const std::int64_t id = experiment("e");
  const std::string own = run(id), logged = model(id);
  change(id, true);
  clock_.let(2, [&] { change(id, false); });
  const wire::Json answer = ask();
  for (const char* kind : {"runs", "models", "experiments"})
    EXPECT_EQ(list(answer, kind), Ids{}) << kind;
  EXPECT_EQ(answer.find("kept")->as_array().size(), 3u) << kept(answer);
  work();
  EXPECT_TRUE(is_there(own));
  EXPECT_TRUE(registry::LoggedModels(*pool_, clock_).find(logged).ok());
}

TEST_P(TrashTest, AnExperimentOfWhichARunIsRestoredMeanwhileIsKept) {
  const std::int64_t id = experiment("e");
  const std::string restored = run(id), other = run(id), logged = model(id);
  change(id, true);
  clock_.let(2, [&] { ASSERT_TRUE(tracking_->set_runs_deleted({restored}, false, {}).ok()); });
  const wire::Json answer = ask();
  EXPECT_EQ(list(answer, "runs"), Ids{other});
  EXPECT_EQ(list(answer, "experiments"), Ids{});
  work();
  EXPECT_TRUE(is_there(restored));
  EXPECT_TRUE(registry::LoggedModels(*pool_, clock_).find(logged).ok());
}

TEST_P(TrashTest, OneThatCannotGoDoesNotKeepTheOthers) {
  Ids runs;
  for (int i = 0; i < 5; ++i) runs.push_back(run());
  drop(runs);
  ask();
  // The removal of an experiment that still has a run.
  const std::int64_t id = experiment("e");
  run(id);
  const tracking::Removal wrong{
      0, tracking::Removed::kExperiment, std::to_string(id), "", "me", false};
  ASSERT_TRUE(
      pool_->write([&](db::Tx& tx) { return tracking::ask_removal(tx, wrong, 1); }).ok());
  EXPECT_EQ(trash_->work(std::chrono::minutes(1)).error().tag, "foreign_key");
  for (const std::string& one : runs) EXPECT_FALSE(is_there(one));
  const auto left =
      pool_->read([](db::Tx& tx) { return tracking::count_removals(tx); });
  EXPECT_EQ(*left, 1);
}

TEST_P(TrashTest, WhatIsDeletedForLongerThanToldGoesByItself) {
  TrashPart part(*trash_, *pool_, "30d"), keeps(*trash_, *pool_, "");
  const std::string old = run(), fresh = run(), held = run();
  constexpr std::chrono::hours kDay{24};
  drop({old, held});
  clock_.advance(kDay * 29);
  ASSERT_TRUE(part.turn(clock_.now_ms()).ok());
  EXPECT_TRUE(is_there(old));
  drop({fresh});
  ASSERT_TRUE(tracking_->set_runs_deleted({held}, false, {}).ok());
  clock_.advance(kDay);
  ASSERT_TRUE(keeps.turn(clock_.now_ms()).ok());
  EXPECT_TRUE(is_there(old));
  ASSERT_TRUE(part.turn(clock_.now_ms()).ok());
  EXPECT_FALSE(is_there(old));
  EXPECT_TRUE(is_there(fresh));
  EXPECT_TRUE(is_there(held));
}

TEST_P(TrashTest, LooksForOldOnesNowAndThen) {
  TrashPart part(*trash_, *pool_, "1h");
  ASSERT_TRUE(part.turn(clock_.now_ms()).ok());
  const std::string gone = run();
  drop({gone});
  clock_.advance(std::chrono::hours(1));
  const UnixMs due = clock_.now_ms();
  ASSERT_TRUE(part.turn(due - 3'600'000 + 599'999).ok());
  EXPECT_TRUE(is_there(gone));
  ASSERT_TRUE(part.turn(due).ok());
  EXPECT_FALSE(is_there(gone));
}

}  // namespace
}  // namespace slipway::app
