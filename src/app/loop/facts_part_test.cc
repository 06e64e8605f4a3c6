#include "app/loop/facts_part.h"

#include <gtest/gtest.h>

#include "app/app.h"
#include "app/outbox.h"
#include "base/metrics.h"
#include "domain/data/data_testing.h"

namespace slipway::app {
namespace {

class FactsPartTest : public data::ProjectTest {
 protected:
  FactsPartTest() {
    pool_ = std::move(
                db::Pool::open("sqlite://" + at("catalog.db").string(), all_migrations(), metrics_))
                .value();
    left_ = std::make_unique<LeftFacts>(*pool_, clock_, at(".slipway"));
  }
  ~FactsPartTest() override {
    left_.reset();
    pool_.reset();
  }
  Outbox process_with_a_fact() {
    Outbox outbox = std::move(Outbox::create(*StateFolder::open(at(".slipway")))).value();
    EXPECT_TRUE(outbox.put(wire::Json(wire::Json::Object{{"number", 1}})).ok());
    return outbox;
  }

  Metrics metrics_;
  ReplayClock clock_;
  std::unique_ptr<db::Pool> pool_;
  std::unique_ptr<LeftFacts> left_;
};

TEST_F(FactsPartTest, WhatAProcessLeftWhileTheServerWasUpIsTaken) {
  FactsPart part(*left_);
  EXPECT_EQ(*part.turn(0), false);
  {
    const Outbox lives = process_with_a_fact();
    EXPECT_EQ(*part.turn(0), false);
  }
  EXPECT_TRUE(has_outboxes(at(".slipway")));
  EXPECT_EQ(*part.turn(0), true);
  EXPECT_FALSE(has_outboxes(at(".slipway")));
  EXPECT_EQ(*part.turn(0), false);
}

}  // namespace
}  // namespace slipway::app
