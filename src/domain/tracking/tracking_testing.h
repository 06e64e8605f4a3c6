#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/function_testing.h"
#include "domain/tracking/tracking.h"
#include "graph/graph.h"
#include "io/db/db_testing.h"

// For tests of tracking: an open Tracking on a fresh database of either engine, and calls that
// wait.
namespace slipway::tracking {

class TrackingTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    db::OnEachEngine::SetUp();
    if (HasFatalFailure()) return;
    pool_ = open(db::joined({graph::migrations(), migrations()}));
    Result<std::unique_ptr<Tracking>> opened =
        Tracking::open(*pool_, clock_, {.artifact_root = "store:/root"});
    ASSERT_TRUE(opened.ok()) << opened.error().message;
    tracking_ = std::move(*opened);
  }
  void TearDown() override {
    pool_.reset();  // finishes what was queued
    tracking_.reset();
  }

  void tick() { clock_.advance(std::chrono::milliseconds(1)); }

  Result<Experiment> create(const std::string& name, std::vector<Tag> tags = {}) {
    tick();
    return wait_for<Experiment>([&](Done<Experiment> done) {
      tracking_->create_experiment({name, "", std::move(tags)}, {}, std::move(done));
    });
  }
  Result<tracking::Run> start(NewRun run, Actor actor = {}) {
    tick();
    return wait_for<tracking::Run>([&](Done<tracking::Run> done) {
      tracking_->create_run(std::move(run), std::move(actor), std::move(done));
    });
  }
  /// A run of the default experiment that must come to be.
  std::string run(NewRun run = {}) {
    Result<tracking::Run> made = start(std::move(run));
    EXPECT_TRUE(made.ok()) << made.error().message;
    return made.ok() ? made->info.id : "";
  }
  Result<> log(const std::string& run_id, Batch batch) {
    return wait_for(
        [&](Done<> done) { tracking_->log(run_id, std::move(batch), std::move(done)); });
  }
  Result<> log(const std::string& run_id, std::vector<Metric> metrics) {
    Batch batch;
    batch.metrics = std::move(metrics);
    return log(run_id, std::move(batch));
  }
  Result<> param(const std::string& run_id, Param param) {
    return wait_for(
        [&](Done<> done) { tracking_->log_param(run_id, std::move(param), std::move(done)); });
  }
  Result<RunInfo> change(const std::string& run_id, RunChange change) {
    return wait_for<RunInfo>([&](Done<RunInfo> done) {
      tracking_->change_run(run_id, std::move(change), {}, std::move(done));
    });
  }
  tracking::Run read(const std::string& run_id) {
    Result<tracking::Run> found = tracking_->run(run_id);
    EXPECT_TRUE(found.ok()) << found.error().message;
    return found.ok() ? std::move(*found) : tracking::Run{};
  }
  std::vector<Point> history(const std::string& run_id, const std::string& key) {
    Result<HistoryPage> page = tracking_->history(run_id, key, std::nullopt, 1'000'000);
    EXPECT_TRUE(page.ok()) << page.error().message;
    return page.ok() ? std::move(page->points) : std::vector<Point>{};
  }
  /// As a write sees them that comes after those that were asked for so far.
  std::int64_t heads_kept() {
    Result<std::int64_t> count = pool_->write([](db::Tx& tx) -> Result<std::int64_t> {
      return *TRY(tx.one<std::int64_t>("select count(*) from metric_heads"));
    });
    EXPECT_TRUE(count.ok()) << count.error().message;
    return count.ok() ? *count : -1;
  }
  std::vector<std::string> events_of(const char* kind, const std::string& id) {
    auto events = pool_->read([&](db::Tx& tx) { return graph::events_about(tx, {kind, id}, 100); });
    EXPECT_TRUE(events.ok());
    std::vector<std::string> types;
    for (const graph::LoggedEvent& event : *events) types.push_back(event.event.type);
    return types;
  }
  std::vector<graph::Edge> causes_of(const graph::NodeRef& node) {
    auto edges = pool_->read([&](db::Tx& tx) { return graph::causes_of(tx, node); });
    EXPECT_TRUE(edges.ok());
    return *edges;
  }

  FakeClock clock_;
  std::unique_ptr<Tracking> tracking_;
  std::unique_ptr<db::Pool> pool_;
};

/// Code and tag: "conflict/inactive"; "ok".
template <class T>
std::string outcome(const Result<T>& result) {
  if (result.ok()) return "ok";
  const Error& error = result.error();
  return std::string(to_string(error.code)) + (error.tag.empty() ? "" : "/" + error.tag);
}

}  // namespace slipway::tracking
