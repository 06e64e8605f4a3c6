#include "app/loop/trigger_part.h"

#include <gtest/gtest.h>

#include "app/app.h"
#include "app/runs_api.h"
#include "domain/flows/runs_store.h"
#include "graph/kinds.h"
#include "io/db/db_testing.h"

namespace slipway::app {
namespace {

constexpr UnixMs kStart = 1'300'000'000'000, kDay = 24 * 3'600'000;

constexpr char kProject[] = R"(version: 1
project: bikes
use_case:
  problem: p
  user: u
  owner: o
  requirements: [{id: quality, metric: mae_relative, at_most: 0.35, on: holdout}]
deployments:
  bikes:
    model: bikes
    gates: [quality]
    monitors: {quality: {requirement: quality, labels: delayed, window: 7d, min_rows: 10}}
pipelines: {train: {}}
triggers:
  decay:
    pipeline: train
    incident: {monitor: quality}
    with: {params: {as_of: "${event.time}"}}
    cooldown: 21d
  nightly: {pipeline: train, cron: "30 2 * * *", catchup: none}
)";

class TriggerPartTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = db::TestDatabase::make(db::Engine::kSqlite);
    ASSERT_TRUE(made.ok());
    database_ = std::move(*made);
    auto opened = db::Pool::open(database_->uri(), all_migrations(), metrics_);
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    pool_ = std::move(*opened);
    begin_server();
  }
  void begin_server() { part_ = std::make_unique<TriggerPart>(*pool_); }
  void apply() {
    auto declared = project::declare(kProject, {});
    ASSERT_TRUE(declared.ok()) << declared.error().message;
    ASSERT_TRUE(
        pool_->write([&](db::Tx& tx) { return project::apply(tx, *declared, "ann", now_); }).ok());
  }
  /// Whether anything was to do.
  void turn() {
    for (int i = 0; i < 10; ++i) {
      Result<bool> did = part_->turn(now_);
      ASSERT_TRUE(did.ok()) << did.error().message;
      if (!*did) return;
    }
    FAIL() << "it does not come to rest";
  }
  std::int64_t incident(const std::string& type, const std::string& id,
                        const std::string& monitor = "quality") {
    return *pool_->write([&](db::Tx& tx) -> Result<std::int64_t> {
      wire::Json data;
      data.set("deployment", "bikes");
      data.set("monitor", monitor);
      return graph::append_event(tx, {type, {graph::kind::kIncident, id}, "slipway", 0, data},
                                 now_);
    });
  }
  std::vector<flows::PipelineRun> runs() {
    return *pool_->read([](db::Tx& tx) { return flows::recent_runs(tx, 100); });
  }
  void end_runs() {
    for (const flows::PipelineRun& run : runs()) {
      if (flows::is_over(run.state)) continue;
      ASSERT_TRUE(pool_
                      ->write([&](db::Tx& tx) -> Result<flows::PipelineRun> {
                        flows::RunOutcome done;
                        done.kind = flows::RunOutcome::Kind::kDone;
                        return flows::end_attempt(tx, TRY(flows::begin_attempt(tx, run, now_)),
                                                  done, now_);
                      })
                      .ok());
    }
  }

  UnixMs now_ = kStart;
  Metrics metrics_;
  std::unique_ptr<db::TestDatabase> database_;
  std::unique_ptr<db::Pool> pool_;
  std::unique_ptr<TriggerPart> part_;
};

TEST_F(TriggerPartTest, AnIncidentAsksForARunOnceAndItIsSaidWhy) {
  apply();
  const std::int64_t opened = incident("incident.opened", "i");
  turn();
  ASSERT_EQ(runs().size(), 1u);
  EXPECT_EQ(runs()[0].trigger, "decay");
  EXPECT_EQ(runs()[0].plan.params[0].value, to_iso8601(now_));
  turn();
  begin_server();  // it forgot what it has seen
  turn();
  ASSERT_EQ(runs().size(), 1u);
  const auto why =
      *pool_->read([&](db::Tx& tx) { return why_run(tx, runs()[0].id.substr(0, 13)); });
  const wire::Json::Array& chain = why.find("events")->as_array();
  ASSERT_EQ(chain.size(), 3u);
  EXPECT_EQ(chain[0].find("seq")->as_int64(), opened);
  EXPECT_EQ(chain[1].find("type")->as_string(), "trigger.fired");
  EXPECT_EQ(chain[2].find("type")->as_string(), "pipeline_run.requested");
}

TEST_F(TriggerPartTest, OfOtherMonitorsItHearsNothing) {
  apply();
  incident("incident.opened", "i", "drift");
  incident("incident.closed", "i");
  turn();
  EXPECT_TRUE(runs().empty());
}

TEST_F(TriggerPartTest, OneThatIsNotResolvedFiresAgainAfterTheCoolDown) {
  apply();
  incident("incident.opened", "i");
  turn();
  end_runs();
  for (int week = 1; week <= 3; ++week) {
    now_ = kStart + week * 7 * kDay;
    incident("incident.unresolved", "i");
    turn();
    std::int64_t decays = 0;
    for (const auto& run : runs()) decays += run.trigger == "decay" ? 1 : 0;
    EXPECT_EQ(decays, week < 3 ? 1 : 2) << week;
    end_runs();
  }
}

TEST_F(TriggerPartTest, WhatHappenedBeforeAProjectWasAppliedIsNothingToIt) {
  incident("incident.opened", "i");
  turn();
  apply();
  turn();
  EXPECT_TRUE(runs().empty());
}

TEST_F(TriggerPartTest, TicksThatPassedWithoutAServerAreMissed) {
  apply();
  turn();
  now_ += 3 * kDay;
  begin_server();
  turn();
  EXPECT_TRUE(runs().empty());
  now_ += kDay;
  turn();
  ASSERT_EQ(runs().size(), 1u);
  EXPECT_EQ(runs()[0].trigger, "nightly");
  const auto kept = *pool_->read([](db::Tx& tx) { return flows::decisions(tx, "nightly", 10); });
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[1].rule, "missed");
  EXPECT_EQ(kept[1].decided, 3);
}

TEST_F(TriggerPartTest, TheCalendarGoesOnAfterAClockThatRanAhead) {
  apply();
  turn();
  now_ += 300 * kDay;
  turn();
  EXPECT_EQ(runs().size(), 1u);
  end_runs();
  now_ -= 299 * kDay;
  turn();
  EXPECT_EQ(runs().size(), 1u);
  for (std::size_t night = 2; night <= 4; ++night) {
    now_ += kDay;
    turn();
    EXPECT_EQ(runs().size(), night);
    end_runs();
  }
  // Put back by a night, which is not lived through twice.
  now_ -= kDay;
  turn();
  now_ += kDay;
  turn();
  EXPECT_EQ(runs().size(), 4u);
}

TEST_F(TriggerPartTest, AMessageIsDecidedWhenItComes) {
  apply();
  int woken = 0;
  TriggerPost post(*pool_, [&] { ++woken; });
  flows::Occasion nobody_listens;
  nobody_listens.cause = {graph::kind::kMessage, "m/1"};
  nobody_listens.key = "m";
  nobody_listens.data = wire::Json(wire::Json::Object());
  auto told = post.tell({nobody_listens}, now_);
  ASSERT_TRUE(told.ok());
  EXPECT_EQ((*told)[0].listeners, 0);
  EXPECT_EQ(woken, 0);
}

}  // namespace
}  // namespace slipway::app
