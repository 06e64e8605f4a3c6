#include "domain/evidence/delivery_report.h"

#include <gtest/gtest.h>

#include "graph/kinds.h"
#include "io/db/db_testing.h"

namespace slipway::evidence {
namespace {

using wire::Json;
constexpr UnixMs kDay = 24 * 3600 * 1000;

Release release(std::int64_t version, Origin origin, UnixMs caused, UnixMs live) {
  Release one;
  one.rollout = "r" + std::to_string(version);
  one.deployment = one.model = "bikes";
  one.version = version;
  one.origin = origin;
  one.caused_ms = caused;
  one.made_ms = one.requested_ms = caused + kDay;
  one.traffic_ms = caused + 2 * kDay;
  one.live_ms = one.ended_ms = live;
  one.end = live != 0 ? "live" : "";
  return one;
}

TEST(DeliveryReport, SaysARateOnlyOfADayAndMore) {
  DeliveryFacts facts;
  facts.releases = {release(1, Origin::kByHand, 10 * kDay, 40 * kDay),
                    release(2, Origin::kIncident, 20 * kDay, 40 * kDay)};
  const std::string minutes = to_text(summarize(facts, 40 * kDay - 1000, 40 * kDay + 1000, kDay));
  EXPECT_NE(minutes.find("deployment frequency  2 promotions (1 of versions made by hand, 1 for "
                         "incident)\n"),
            std::string::npos)
      << minutes;
  const std::string days = to_text(summarize(facts, 35 * kDay, 65 * kDay, kDay));
  EXPECT_NE(days.find("2 promotions, 2.00 in 30 days ("), std::string::npos) << days;
}

TEST(DeliveryReport, CountsPromotionsOfTheSpan) {
  DeliveryFacts facts;
  facts.releases = {release(1, Origin::kByHand, 1, 10 * kDay),
                    release(2, Origin::kIncident, 20 * kDay, 40 * kDay),
                    release(3, Origin::kIncident, 50 * kDay, 60 * kDay),
                    release(4, Origin::kData, 100 * kDay, 120 * kDay)};
  const DeliveryReport report = summarize(facts, 30 * kDay, 90 * kDay, kDay);
  EXPECT_EQ(report.promotions, 2);
  EXPECT_DOUBLE_EQ(report.per_30_days, 1);
  EXPECT_EQ(report.promotions_by_origin.at("incident"), 2);
  EXPECT_EQ(report.lead.count, 2);
  EXPECT_DOUBLE_EQ(report.lead.median_ms, 10 * kDay);
  EXPECT_DOUBLE_EQ(report.lead.p90_ms, 20 * kDay);
  EXPECT_DOUBLE_EQ(report.training.median_ms, kDay);
  EXPECT_DOUBLE_EQ(report.rollout.median_ms, 8 * kDay);
  EXPECT_EQ(report.change_failure_rate, 0.0);
}

TEST(DeliveryReport, AChangeFailsByRollbackOrIncidentWithinTheObservation) {
  DeliveryFacts facts;
  facts.releases = {
      release(1, Origin::kCode, 1, 10 * kDay), release(2, Origin::kData, 1, 20 * kDay),
      release(3, Origin::kData, 1, 30 * kDay), release(4, Origin::kData, 1, 39 * kDay)};
  facts.releases[0].failed_ms = 11 * kDay;
  facts.releases[2].failed_ms = 38 * kDay;  // too late to count
  facts.repairs = {{"i1", "bikes", "bikes", "2", 22 * kDay, 0, ""}};
  const DeliveryReport report = summarize(facts, 0, 40 * kDay, 7 * kDay);
  EXPECT_EQ(report.changes_failed, 2);
  EXPECT_DOUBLE_EQ(report.change_failure_rate.value_or(0), 0.5);
  EXPECT_EQ(report.failed_by_origin.at("code"), 1);
  EXPECT_EQ(report.failed_by_origin.at("data"), 1);
  EXPECT_EQ(report.provisional, 1);
  EXPECT_EQ(report.incidents_open, 1);
}

TEST(DeliveryReport, CandidatesThatNeverWentLiveAreCountedApart) {
  DeliveryFacts facts;
  facts.releases = {release(1, Origin::kData, 1, 0), release(2, Origin::kData, 1, 0)};
  facts.releases[0].end = "stopped";
  facts.releases[1].end = "rolled_back";
  facts.releases[0].ended_ms = facts.releases[1].ended_ms = 5 * kDay;
  const DeliveryReport report = summarize(facts, 0, 10 * kDay, kDay);
  EXPECT_EQ(report.promotions, 0);
  EXPECT_EQ(report.stopped, 1);
  EXPECT_EQ(report.rolled_back, 1);
  EXPECT_EQ(report.change_failure_rate, std::nullopt);
  EXPECT_NE(to_text(report).find("nothing was promoted"), std::string::npos);
}

TEST(DeliveryReport, RepairsAreMeasuredByTheirRemedy) {
  DeliveryFacts facts;
  facts.repairs = {{"a", "bikes", "bikes", "1", kDay, 3 * kDay, "promotion"},
                   {"b", "bikes", "bikes", "1", 5 * kDay, 6 * kDay, "none"},
                   {"c", "bikes", "bikes", "1", 7 * kDay, 17 * kDay, "promotion"},
                   {"d", "bikes", "bikes", "1", 8 * kDay, 90 * kDay, "none"}};
  const DeliveryReport report = summarize(facts, 0, 30 * kDay, kDay);
  EXPECT_EQ(report.restore.count, 3);
  EXPECT_DOUBLE_EQ(report.restore_by_remedy.at("promotion").median_ms, 2 * kDay);
  EXPECT_DOUBLE_EQ(report.restore_by_remedy.at("none").p90_ms, kDay);
}

TEST(DeliveryReport, NobodyKnowsHowLongAVersionTookThatNoRunMade) {
  DeliveryFacts facts;
  facts.releases = {release(1, Origin::kByHand, 0, 10 * kDay)};
  const DeliveryReport report = summarize(facts, 0, 30 * kDay, kDay);
  EXPECT_EQ(report.training.count, 0);
  EXPECT_EQ(report.lead.count, 1) << "from its registration";
  EXPECT_DOUBLE_EQ(report.lead.median_ms, 9 * kDay);
  EXPECT_NE(to_text(report).find("until registered    not known"), std::string::npos)
      << to_text(report);
}

TEST(DeliveryReport, LevelsNeedTheirEvidence) {
  DeliveryFacts facts;
  facts.releases = {release(1, Origin::kPerson, 1, kDay)};
  facts.gates["bikes"] = {"contract", "quality"};
  EXPECT_EQ(level_of("bikes", facts).level, 1);
  facts.releases.push_back(release(2, Origin::kCalendar, 1, 0));
  EXPECT_EQ(level_of("bikes", facts).level, 2);
  facts.gates["bikes"] = {"quality"};
  EXPECT_EQ(level_of("bikes", facts).level, 1);
  facts.gates["bikes"] = {"contract", "parity"};
  facts.releases.push_back(release(3, Origin::kCode, 1, kDay));
  EXPECT_EQ(level_of("bikes", facts).level, 3);
  facts.releases.back().by_hand = true;
  EXPECT_EQ(level_of("bikes", facts).level, 2);
  for (int i = 0; i < 10; ++i) facts.releases.push_back(release(10 + i, Origin::kByHand, 1, 0));
  EXPECT_EQ(level_of("bikes", facts).level, 1) << "only the last ten count";
}

class DeliveryFactsTest : public db::OnEachEngine {
 protected:
  void SetUp() override {
    OnEachEngine::SetUp();
    pool_ = open(graph::migrations());
  }
  void edge(const graph::NodeRef& effect, const char* relation, const graph::NodeRef& cause) {
    write([&](db::Tx& tx) {
      return graph::put_edge(tx, {effect, relation, cause, Json(Json::Object{})}, 1);
    });
  }
  void node(const graph::NodeRef& ref, const Json& attributes, UnixMs now) {
    write([&](db::Tx& tx) { return graph::put_node(tx, ref, attributes, now); });
  }
  void event(const std::string& type, std::int64_t version, UnixMs now) {
    Json data;
    data.set("rollout", "r" + std::to_string(version));
    data.set("model", "bikes");
    data.set("version", version);
    data.set("reason", "because");
    write([&](db::Tx& tx) -> Result<> {
      TRY(graph::append_event(tx, {type, {"deployment", "bikes"}, "slipway", 0, data}, now));
      return {};
    });
  }
  template <class F>
  void write(F f) {
    auto written = pool_->write(f);
    ASSERT_TRUE(written.ok()) << written.error().message;
  }
  DeliveryFacts facts() {
    auto found = pool_->read([](db::Tx& tx) { return delivery_facts(tx); });
    EXPECT_TRUE(found.ok()) << found.error().message;
    return *found;
  }
  std::unique_ptr<db::Pool> pool_;
};
INSTANTIATE_TEST_SUITE_P(Engines, DeliveryFactsTest, db::every_engine(), db::engine_name);

TEST_P(DeliveryFactsTest, AnEmptyCatalogueHasNone) {
  EXPECT_TRUE(facts().releases.empty());
}

TEST_P(DeliveryFactsTest, AReleaseIsFollowedBackToItsIncident) {
  edge({"rollout_step", "r2/1"}, "of", {"deployment", "bikes"});
  node({"model_version", "bikes/2"}, Json(Json::Object{{"created_ms", 500}}), 500);
  edge({"model_version", "bikes/2"}, "produced_by", {"run", "abc"});
  edge({"run", "abc"}, "produced_by", {"attempt", "at"});
  edge({"attempt", "at"}, "part_of", {"pipeline_run", "p1"});
  edge({"pipeline_run", "p1"}, "started_by", {"firing", "f1"});
  edge({"firing", "f1"}, "caused_by", {"incident", "i1"});
  node({"incident", "i1"}, Json(Json::Object{{"opened_ms", 100}, {"deployment", "bikes"}}), 100);
  node({"verdict", "r2/parity"}, Json(Json::Object{}), 600);
  node({"verdict", "r2/3/error_rate"}, Json(Json::Object{}), 600);
  event("rollout.requested", 2, 600);
  event("rollout.advanced", 2, 700);
  event("rollout.advanced", 2, 800);
  event("rollout.promoted", 2, 900);
  event("rollout.requested", 3, 1000);
  event("rollout.stopped", 3, 1100);
  event("deployment.rolled_back", 2, 1200);

  const DeliveryFacts found = facts();
  ASSERT_EQ(found.releases.size(), 2u);
  const Release& two = found.releases[0];
  EXPECT_EQ(two.origin, Origin::kIncident);
  EXPECT_EQ(two.caused_ms, 100);
  EXPECT_EQ(two.made_ms, 500);
  EXPECT_EQ(two.requested_ms, 600);
  EXPECT_EQ(two.traffic_ms, 700);
  EXPECT_EQ(two.live_ms, 900);
  EXPECT_EQ(two.end, "live");
  EXPECT_EQ(two.failed_ms, 1200);
  EXPECT_EQ(two.failure, "because");
  EXPECT_EQ(found.releases[1].origin, Origin::kByHand);
  EXPECT_EQ(found.releases[1].end, "stopped");
  EXPECT_EQ(found.releases[1].reason, "because");
  EXPECT_EQ(found.gates.at("bikes"), std::vector<std::string>{"parity"});
  ASSERT_EQ(found.repairs.size(), 1u);
  EXPECT_EQ(found.repairs[0].opened_ms, 100);
}

TEST_P(DeliveryFactsTest, APromotedVersionThatNeverCouldServeIsNoPromotion) {
  edge({"rollout_step", "r2/1"}, "of", {"deployment", "bikes"});
  event("rollout.requested", 2, 600);
  event("rollout.promoted", 2, 900);
  event("rollout.rolled_back", 2, 910);
  event("rollout.settled", 2, 920);
  const DeliveryFacts found = facts();
  ASSERT_EQ(found.releases.size(), 1u);
  EXPECT_EQ(found.releases[0].end, "rolled_back");
  EXPECT_EQ(found.releases[0].live_ms, 0);
  const DeliveryReport report = summarize(found, 0, 1000, 100);
  EXPECT_EQ(report.promotions, 0);
  EXPECT_EQ(report.changes_failed, 0);
  EXPECT_EQ(report.rolled_back, 1);
}

TEST_P(DeliveryFactsTest, AVersionOfAScriptBeginsWithItsAttemptOrRun) {
  edge({"rollout_step", "r2/1"}, "of", {"deployment", "bikes"});
  node({"attempt", "at"}, Json(Json::Object{}), 100);
  node({"run", "abc"}, Json(Json::Object{}), 200);
  node({"model_version", "bikes/2"}, Json(Json::Object{{"created_ms", 500}}), 500);
  edge({"model_version", "bikes/2"}, "produced_by", {"run", "abc"});
  event("rollout.requested", 2, 600);
  EXPECT_EQ(facts().releases.at(0).caused_ms, 200);
  edge({"run", "abc"}, "produced_by", {"attempt", "at"});
  EXPECT_EQ(facts().releases.at(0).caused_ms, 100);
  EXPECT_EQ(facts().releases.at(0).origin, Origin::kByHand);
}

}  // namespace
}  // namespace slipway::evidence
