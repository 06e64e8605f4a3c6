#include "app/loop/narrator_part.h"

#include <gtest/gtest.h>

#include "app/app.h"
#include "app/event_words.h"
#include "base/metrics.h"
#include "domain/data/data_testing.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

class NarratorPartTest : public data::ProjectTest {
 protected:
  NarratorPartTest() {
    pool_ = std::move(
                db::Pool::open("sqlite://" + at("catalog.db").string(), all_migrations(), metrics_))
                .value();
  }
  void happen(const std::string& type, const char* data) {
    const auto wrote = pool_->write([&](db::Tx& tx) {
      return graph::append_event(
          tx, {type, {graph::kind::kDeployment, "bikes"}, "ann", 0, *wire::parse(data)}, 1);
    });
    ASSERT_TRUE(wrote.ok());
  }
  NarratorPart::Tell keep() {
    return [this](const graph::LoggedEvent& one) {
      told_.push_back(one.event.type + ": " + words_of_event(one.event.type, one.event.data));
    };
  }

  Metrics metrics_;
  std::unique_ptr<db::Pool> pool_;
  std::vector<std::string> told_;
};

TEST_F(NarratorPartTest, EachVerdictAndEachChangeIsALineOnce) {
  happen("rollout.asked", R"({"version": 1, "to": "pending"})");
  auto part = NarratorPart::begin(*pool_, keep());
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(*(*part)->turn(0), false) << "what was before it was told by who was there";
  happen("gate.judged", R"({"gate": "parity", "status": "no_data", "words": "no rows"})");
  happen("run.created", "{}");
  happen("rollout.stopped", R"({"version": 1, "from": "gating", "to": "stopped", "reason": "r"})");
  happen("deployment.rolled_back", R"({"from": 2, "to": 1, "reason": "wrong data"})");
  EXPECT_EQ(*(*part)->turn(0), true);
  EXPECT_EQ(*(*part)->turn(0), false);
  EXPECT_EQ(told_,
            (std::vector<std::string>{"gate.judged: parity no_data, no rows",
                                      "rollout.stopped: version 1, gating to stopped, r",
                                      "deployment.rolled_back: from version 2 to 1, wrong data"}));
}

}  // namespace
}  // namespace slipway::app
