#include "domain/registry/history.h"

#include <gtest/gtest.h>

#include "base/function_testing.h"
#include "domain/registry/adopt.h"
#include "domain/registry/registry.h"
#include "graph/graph.h"
#include "io/db/db_testing.h"

namespace slipway::registry {
namespace {

class HistoryTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    db::OnEachEngine::SetUp();
    if (HasFatalFailure()) return;
    pool_ = open(db::joined({graph::migrations(), migrations()}));
    registry_ = std::make_unique<Registry>(*pool_, clock_);
  }
  void TearDown() override {
    pool_.reset();
    registry_.reset();
  }
  UnixMs tick() {
    clock_.advance(std::chrono::milliseconds(10));
    return clock_.now_ms();
  }
  void make(const std::string& name) {
    tick();
    ASSERT_TRUE(wait_for<Model>([&](Done<Model> done) {
                  registry_->create_model("ann", {name, "", {}}, std::move(done));
                }).ok());
  }
  void publish(const std::string& name) {
    tick();
    ASSERT_TRUE(wait_for<Version>([&](Done<Version> done) {
                  registry_->create_version("ann", {.model = name, .source = "s3://b"},
                                            std::move(done));
                }).ok());
  }
  UnixMs champion(const std::string& name, std::int64_t number) {
    const UnixMs now = tick();
    EXPECT_TRUE(wait_for([&](Done<> done) {
                  registry_->set_alias("bob", name, "champion", number, std::move(done));
                }).ok());
    return now;
  }
  void rename(const std::string& from, const std::string& to) {
    tick();
    ASSERT_TRUE(wait_for<Model>([&](Done<Model> done) {
                  registry_->rename_model("ann", from, to, std::move(done));
                }).ok());
  }
  History history(const std::string& name) {
    auto found = pool_->read([&](db::Tx& tx) { return history_of(tx, name); });
    EXPECT_TRUE(found.ok());
    return found.ok() ? *found : History();
  }
  std::vector<std::string> types(const std::string& name) {
    std::vector<std::string> all;
    for (const PastChange& change : history(name).changes) all.push_back(change.type);
    return all;
  }

  FakeClock clock_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<db::Pool> pool_;
};
INSTANTIATE_TEST_SUITE_P(Engines, HistoryTest, db::every_engine(), db::engine_name);

TEST_P(HistoryTest, SaysWhichVersionAnAliasMeantAtAnyTime) {
  make("rides");
  publish("rides");
  publish("rides");
  const UnixMs first = champion("rides", 1);
  const UnixMs second = champion("rides", 2);
  const UnixMs gone = tick();
  ASSERT_TRUE(wait_for([&](Done<> done) {
                registry_->delete_alias("bob", "rides", "champion", std::move(done));
              }).ok());
  const auto changes = history("rides").changes;
  EXPECT_TRUE(as_of(changes, first - 1).aliases.empty());
  EXPECT_EQ(as_of(changes, first).aliases.at("champion"), 1);
  EXPECT_EQ(as_of(changes, second - 1).aliases.at("champion"), 1);
  EXPECT_EQ(as_of(changes, second).aliases.at("champion"), 2);
  EXPECT_TRUE(as_of(changes, gone).aliases.empty());
  EXPECT_FALSE(as_of(changes, 0).existed);
}

TEST_P(HistoryTest, SaysWhoMovedAnAliasAndFromWhichVersion) {
  make("rides");
  publish("rides");
  publish("rides");
  champion("rides", 1);
  champion("rides", 2);
  const PastChange last = history("rides").changes.back();
  EXPECT_EQ(last.who, "bob");
  EXPECT_EQ(last.key, "champion");
  EXPECT_EQ(last.version, 2);
  EXPECT_EQ(last.from, "1");
}

TEST_P(HistoryTest, FollowsAModelThroughItsNames) {
  make("rides");
  publish("rides");
  champion("rides", 1);
  rename("rides", "trips");
  make("rides");  // another one, under the free name
  publish("rides");
  EXPECT_EQ(types("trips"),
            (std::vector<std::string>{"registered_model.created", "model_version.created",
                                      "alias.set", "registered_model.renamed"}));
  EXPECT_EQ(as_of(history("trips").changes, clock_.now_ms()).aliases.at("champion"), 1);
}

TEST_P(HistoryTest, OfAModelThatIsGoneStaysAndOfNoneIsMissing) {
  make("rides");
  publish("rides");
  tick();
  ASSERT_TRUE(wait_for([&](Done<> done) {
                registry_->delete_model("ann", "rides", std::move(done));
              }).ok());
  EXPECT_EQ(types("rides").back(), "registered_model.deleted");
  EXPECT_FALSE(as_of(history("rides").changes, clock_.now_ms()).existed);
  auto none = pool_->read([](db::Tx& tx) { return history_of(tx, "none"); });
  EXPECT_EQ(none.error().code, Code::kMissing);
}

TEST_P(HistoryTest, IsNotThatOfAModelWhoseNameBeginsAlike) {
  make("rides");
  make("rides2");
  publish("rides2");
  EXPECT_EQ(types("rides"), (std::vector<std::string>{"registered_model.created"}));
}

TEST_P(HistoryTest, OfAModelThatWasTakenOverBeginsWithWhatWasFound) {
  Model model;
  model.name = "old";
  model.aliases = {{"champion", 3}};
  AdoptedVersion third;
  third.version.model = "old";
  third.version.number = 3;
  third.version.stage = Stage::kProduction;
  const UnixMs now = tick();
  ASSERT_TRUE(
      *pool_->write([&](db::Tx& tx) { return adopt_model(tx, "ann", model, {third}, now); }));
  const AsOf held = as_of(history("old").changes, now);
  EXPECT_EQ(held.aliases.at("champion"), 3);
  EXPECT_EQ(held.stages.at(3), "production");
  publish("old");
  EXPECT_EQ(registry_->version("old", 4)->number, 4);
}

}  // namespace
}  // namespace slipway::registry
