#include "app/loop/log_part.h"

#include <gtest/gtest.h>

#include "app/app.h"
#include "app/loop/rollout_part.h"
#include "domain/serving/predictions.h"
#include "graph/graph.h"
#include "io/db/db_testing.h"

namespace slipway::app {
namespace {

constexpr UnixMs kMay8 = 1'304'812'800'000;
constexpr UnixMs kDay = 86'400'000;

/// Takes nothing while it is full.
class FullDisk final : public blob::Disk {
 public:
  Result<> write(int file, std::string_view data) override {
    if (full) return unavailable("no space left on device");
    return Disk::write(file, data);
  }
  bool full = false;
};

class LogPartTest : public testing::Test {
 protected:
  void SetUp() override {
    auto pool = db::Pool::open("sqlite://" + (folder_.path() / "catalog.db").string(),
                               db::joined({graph::migrations(), project::migrations()}), metrics_);
    ASSERT_TRUE(pool.ok()) << pool.error().message;
    pool_ = std::move(*pool);
    serving::PredictionLogOptions options;
    options.root = predictions_folder(folder_.path());
    log_ = std::make_unique<serving::PredictionLog>(disk_, metrics_, options);
    part_ = std::make_unique<LogPart>(*pool_, project_, *log_, folder_.path());
  }
  /// A server that remembers nothing.
  void restart() { part_ = std::make_unique<LogPart>(*pool_, project_, *log_, folder_.path()); }
  void apply(const std::string& retention) {
    auto declared = project::declare(
        "version: 1\nproject: bikes\ndeployments: {live: {model: bikes, log: {retention: " +
            retention + "}}}\n",
        {});
    ASSERT_TRUE(declared.ok()) << declared.error().message;
    ASSERT_TRUE(
        pool_->write([&](db::Tx& tx) { return project::apply(tx, *declared, "ann", kMay8); }).ok());
  }
  serving::PredictionId log(UnixMs ms) {
    serving::Prediction p;
    p.id = serving::make_prediction_id("live", ms);
    p.rows = 1;
    p.cells = p.outputs = {1};
    auto layout = std::make_shared<serving::Layout>();
    layout->columns = {{"x", serving::Keep::kValue, false}};
    layout->outputs = {"predict"};
    const serving::PredictionId id = p.id;
    log_->stream("live")->log(std::move(p), std::move(layout));
    (void)log_->flush();
    return id;
  }
  bool is_there(const serving::PredictionId& id) {
    const serving::Predictions predictions(predictions_folder(folder_.path()),
                                           labels_folder(folder_.path()));
    return !predictions.find(id)->empty();
  }
  bool turn(UnixMs now) {
    const Result<bool> did = part_->turn(now);
    EXPECT_TRUE(did.ok()) << did.error().message;
    return did.ok() && *did;
  }
  std::vector<graph::Event> events(const std::string& type) {
    std::vector<graph::Event> found;
    const auto all = pool_->read([](db::Tx& tx) { return graph::events_after(tx, 0, 1000); });
    EXPECT_TRUE(all.ok());
    for (const graph::LoggedEvent& logged : *all) {
      if (logged.event.type == type) found.push_back(logged.event);
    }
    return found;
  }

  db::TemporaryFolder folder_;
  Metrics metrics_;
  FullDisk disk_;
  project::CurrentProject project_;
  std::unique_ptr<db::Pool> pool_;
  std::unique_ptr<serving::PredictionLog> log_;
  std::unique_ptr<LogPart> part_;
};

TEST(FirstKeptDay, IsThatOfTheRetention) {
  EXPECT_EQ(first_kept_day(project::Span(0), kMay8), "");
  EXPECT_EQ(first_kept_day(project::Span(7 * kDay), kMay8), "2011-05-01");
  EXPECT_EQ(first_kept_day(project::Span(1), kMay8), "2011-05-07");
}

TEST(LogRules, AreWhatTheProjectSays) {
  project::LogPolicy policy;
  EXPECT_EQ(log_rules_of(policy, "secret"), serving::LogRules());
  policy.sample = 0.25;
  policy.columns = {{"ssn", project::ColumnPolicy::kDrop},
                    {"zip", project::ColumnPolicy::kHash},
                    {"hour", project::ColumnPolicy::kKeep}};
  const serving::LogRules rules = log_rules_of(policy, "secret");
  EXPECT_EQ(rules.sample, 0.25);
  EXPECT_EQ(rules.dropped, std::vector<std::string>{"ssn"});
  EXPECT_EQ(rules.hashed, std::vector<std::string>{"zip"});
  EXPECT_EQ(rules.hash_key, "secret");
}

TEST_F(LogPartTest, DaysGoOnceTheirRetentionIsOver) {
  apply("7d");
  const auto old = log(kMay8 - 8 * kDay), young = log(kMay8 - 7 * kDay);
  EXPECT_TRUE(turn(kMay8));
  EXPECT_FALSE(is_there(old));
  EXPECT_TRUE(is_there(young));
  ASSERT_EQ(events("prediction_log.expired").size(), 1u);
  EXPECT_EQ(events("prediction_log.expired")[0].subject.id, "live");
  EXPECT_FALSE(turn(kMay8 + 1));
  EXPECT_TRUE(turn(kMay8 + kDay));
  EXPECT_FALSE(is_there(young));
}

TEST_F(LogPartTest, WhatWasToldToGoGoesAfterARestartAndIsToldOnce) {
  apply("7d");
  log(kMay8 - 9 * kDay);
  EXPECT_TRUE(turn(kMay8));
  ASSERT_EQ(events("prediction_log.expired").size(), 1u);
  EXPECT_EQ(events("prediction_log.expired")[0].data.find("before")->as_string(), "2011-05-01");
  // As whoever died between the event and the removal left it.
  const auto left = log(kMay8 - 8 * kDay);
  restart();
  EXPECT_FALSE(turn(kMay8 + 1));
  EXPECT_FALSE(is_there(left));
  EXPECT_EQ(events("prediction_log.expired").size(), 1u);
  // What was not told yet is, though some was left over.
  const auto other = log(kMay8 - 8 * kDay), young = log(kMay8 - 7 * kDay);
  restart();
  EXPECT_TRUE(turn(kMay8 + kDay));
  EXPECT_FALSE(is_there(other) || is_there(young));
  ASSERT_EQ(events("prediction_log.expired").size(), 2u);
  EXPECT_EQ(events("prediction_log.expired")[1].data.find("days")->as_int64(), 1);
}

TEST_F(LogPartTest, AnOldDayThatComesLaterIsToldAnew) {
  apply("7d");
  log(kMay8 - 9 * kDay);
  EXPECT_TRUE(turn(kMay8));
  const auto again = log(kMay8 - 10 * kDay);  // the clock was put back meanwhile
  EXPECT_TRUE(turn(kMay8 + kDay));
  EXPECT_FALSE(is_there(again));
  EXPECT_EQ(events("prediction_log.expired").size(), 2u);
}

TEST_F(LogPartTest, WithoutRetentionEverythingStays) {
  apply("0s");
  const auto old = log(0);
  EXPECT_FALSE(turn(kMay8));
  EXPECT_TRUE(is_there(old));
}

TEST_F(LogPartTest, WhatWasLostIsSaidOnceAMinute) {
  disk_.full = true;
  log(kMay8);
  log(kMay8);
  EXPECT_TRUE(turn(kMay8));
  log(kMay8);
  EXPECT_FALSE(turn(kMay8 + 1000));
  EXPECT_TRUE(turn(kMay8 + LogPart::kToldEveryMs));
  EXPECT_FALSE(turn(kMay8 + 2 * LogPart::kToldEveryMs));
  const std::vector<graph::Event> told = events("prediction_log.lost");
  ASSERT_EQ(told.size(), 2u);
  EXPECT_EQ(told[0].data.find("lost")->as_int64(), 2);
  EXPECT_EQ(told[1].data.find("lost")->as_int64(), 1);
  EXPECT_EQ(told[1].data.find("lost_since_start")->as_int64(), 3);
}

}  // namespace
}  // namespace slipway::app
