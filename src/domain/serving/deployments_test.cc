#include "domain/serving/deployments.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <thread>

#include "base/ids.h"
#include "domain/serving/request_facts.h"
#include "domain/serving/serving_testing.h"

namespace slipway::serving {
namespace {

constexpr UnixMs kMay1 = 1'304'208'000'000;

class DeploymentsTest : public testing::Test {
 protected:
  void SetUp() override { serving_.start(); }
  void TearDown() override {
    deployed_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::int64_t add(const std::string& low, const std::string& high,
                   const std::vector<std::string>& columns = {"x", "y"}) {
    const auto folder = folder_ / ("model" + std::to_string(++models_));
    write_stump(folder, low, high, columns);
    return std::stoll(source_.add("bikes", folder));
  }
  delivery::DeploymentRoute route(std::int64_t stable, std::int64_t candidate = 0,
                                  delivery::Mode mode = delivery::Mode::kStableOnly,
                                  double percent = 0) {
    delivery::DeploymentRoute r;
    r.deployment = "bikes-live";
    r.model = "bikes";
    r.stable = stable;
    r.candidate = candidate;
    r.mode = mode;
    r.percent = percent;
    r.salt = "salt";
    r.rollout = candidate == 0 ? "" : "rollout-1";
    r.revision = ++revision_;
    return r;
  }
  Result<> apply(delivery::DeploymentRoute r) { return deployed_->apply(std::move(r)); }
  Assignment assign(const std::string& key = "") {
    const Deployment deployment = deployments_->find("bikes-live");
    EXPECT_TRUE(deployment);
    Result<Assignment> assigned = deployments_->assign(deployment, key);
    EXPECT_TRUE(assigned.ok()) << assigned.error().message;
    return *assigned;
  }
  Result<Scored> ask(const Assignment& assignment, float x) {
    return deployments_->answer(assignment, {x, 0}, 1, {"", "mine"}, clock_.now_ms());
  }
  delivery::StepCounts counts() {
    deployments_->drain_shadow();
    return deployments_->counters().at(0)->counts();
  }
  std::vector<Answer> logged(const PredictionId& id) { return deployed_->logged(id); }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("deployments_test_" + random_hex32());
  FakeClock clock_{kMay1};  // of answers
  SystemClock real_;        // of the loader, which looks again only when time has passed
  Metrics metrics_;
  FolderSource source_;
  int models_ = 0;
  std::int64_t revision_ = 0;
  Serving serving_{source_, real_, metrics_};
  std::optional<DeployedForTest> deployed_{std::in_place, serving_, clock_, metrics_};
  Deployments* const deployments_ = &**deployed_;
};

TEST_F(DeploymentsTest, TheStableVersionAnswersAndTheAnswerIsKept) {
  ASSERT_TRUE(apply(route(add("1", "2"))).ok());
  const Assignment assignment = assign("user 7");
  const Result<Scored> scored = ask(assignment, 20);
  ASSERT_TRUE(scored.ok()) << scored.error().message;
  EXPECT_EQ(scored->values, std::vector<float>{2});
  EXPECT_EQ(scored->version->version, "1");
  const std::vector<Answer> kept = logged(assignment.id);
  ASSERT_EQ(kept.size(), 1u);
  EXPECT_EQ(kept[0].prediction.id.time_ms(), kMay1);
  EXPECT_EQ(kept[0].prediction.event_time_ms, kMay1);
  EXPECT_EQ(kept[0].prediction.client_id, "mine");
  EXPECT_EQ(kept[0].prediction.cells, (std::vector<float>{20, 0}));
  EXPECT_EQ(kept[0].prediction.outputs, std::vector<float>{2});
  EXPECT_NE(kept[0].prediction.key_hash, 0u);
  EXPECT_EQ(kept[0].layout.columns[0].name, "x");
  EXPECT_EQ(kept[0].layout.version, "1");
}

TEST_F(DeploymentsTest, IsFoundByItsNameAndByThatOfItsModel) {
  EXPECT_FALSE(deployments_->find("bikes"));
  ASSERT_TRUE(apply(route(add("1", "2"))).ok());
  EXPECT_TRUE(deployments_->find("bikes-live"));
  EXPECT_EQ(deployments_->find("bikes"), deployments_->find("bikes-live"));
  delivery::DeploymentRoute second = route(1);
  second.deployment = "other";
  ASSERT_TRUE(apply(second).ok());
  EXPECT_FALSE(deployments_->find("bikes"));  // which of them?
  deployments_->remove("other");
  EXPECT_TRUE(deployments_->find("bikes"));
}

TEST_F(DeploymentsTest, OnlyVersionsOfTheRouteServe) {
  const std::int64_t one = add("1", "2"), two = add("3", "4");
  add("5", "6");
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kShadow, 100)).ok());
  const Deployment deployment = deployments_->find("bikes-live");
  EXPECT_TRUE(deployment->find("1"));
  EXPECT_TRUE(deployment->find("2"));
  EXPECT_FALSE(deployment->find("3"));
}

TEST_F(DeploymentsTest, WithoutAnyVersionNothingIsAnswered) {
  ASSERT_TRUE(apply(route(0)).ok());
  EXPECT_EQ(deployments_->assign(deployments_->find("bikes-live"), "").error().tag, "not_ready");
  delivery::DeploymentRoute stopped = route(0);
  stopped.unserved = "version 1 of model bikes was stopped at its gates, parity: two rows differ";
  ASSERT_TRUE(apply(stopped).ok());
  EXPECT_EQ(deployments_->assign(deployments_->find("bikes-live"), "").error().message,
            "deployment bikes-live serves no version: version 1 of model bikes was stopped at its "
            "gates, parity: two rows differ");
}

TEST_F(DeploymentsTest, AVersionThatCannotBeLoadedChangesNothing) {
  ASSERT_TRUE(apply(route(add("1", "2"))).ok());
  EXPECT_FALSE(apply(route(1, 77, delivery::Mode::kCanary, 50)).ok());
  EXPECT_EQ(ask(assign(), 0)->version->version, "1");
  EXPECT_EQ(deployments_->find("bikes-live")->route.candidate, 0);
}

TEST_F(DeploymentsTest, ACanaryAnswersItsShareAndKeysStick) {
  const std::int64_t one = add("1", "1"), two = add("2", "2");
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kCanary, 30)).ok());
  std::map<int, std::string> first;
  int candidate = 0;
  for (int user = 0; user < 1000; ++user) {
    const Assignment assignment = assign("user " + std::to_string(user));
    ASSERT_TRUE(ask(assignment, 0).ok());
    first[user] = assignment.version->version;
    candidate += assignment.role == delivery::Role::kCandidate ? 1 : 0;
  }
  EXPECT_NEAR(candidate, 300, 60);
  for (int user = 0; user < 1000; ++user) {
    ASSERT_EQ(assign("user " + std::to_string(user)).version->version, first[user]);
  }
  const delivery::StepCounts counted = counts();
  EXPECT_EQ(counted.candidate.requests, candidate);
  EXPECT_EQ(counted.stable.requests, 1000 - candidate);
  EXPECT_EQ(counted.candidate.scores.mean, 2);
  EXPECT_EQ(counted.stable.scores.count, 1000 - candidate);
}

TEST_F(DeploymentsTest, AShadowScoresTheSameRequestsAndNobodySeesIt) {
  const std::int64_t one = add("1", "5"), two = add("2", "5");
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kShadow, 100)).ok());
  std::vector<PredictionId> ids;
  for (float x : {0.0f, 0.0f, 20.0f}) {
    const Assignment assignment = assign();
    const Result<Scored> scored = ask(assignment, x);
    ASSERT_TRUE(scored.ok());
    EXPECT_EQ(scored->version->version, "1");
    ids.push_back(assignment.id);
  }
  const delivery::StepCounts counted = counts();
  EXPECT_EQ(counted.pairs.pairs, 3);
  EXPECT_EQ(counted.pairs.differences.count, 3);
  EXPECT_NEAR(counted.pairs.differences.mean, 2.0 / 3, 1e-12);
  EXPECT_EQ(counted.candidate.requests, 3);
  EXPECT_EQ(counted.stable.requests, 3);
  const std::vector<Answer> kept = logged(ids[0]);
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].prediction.role, Role::kLive);
  EXPECT_EQ(kept[0].prediction.outputs, std::vector<float>{1});
  EXPECT_EQ(kept[1].prediction.role, Role::kShadow);
  EXPECT_EQ(kept[1].prediction.outputs, std::vector<float>{2});
}

TEST_F(DeploymentsTest, RequestsWithoutRowsSayNothingOfAVersion) {
  const std::int64_t one = add("1", "1"), two = add("NaN", "NaN");
  const auto ask_for_nothing = [&] {
    EXPECT_TRUE(deployments_->answer(assign(), {}, 0, {"", "mine", 0}, clock_.now_ms()).ok());
  };
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kShadow, 100)).ok());
  for (int i = 0; i < 20; ++i) ask_for_nothing();
  EXPECT_EQ(counts().pairs.pairs, 0);
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kCanary, 50)).ok());
  for (int i = 0; i < 20; ++i) ask_for_nothing();
  EXPECT_EQ(counts().candidate.requests, 0);
  EXPECT_EQ(counts().stable.requests, 0);
}

TEST_F(DeploymentsTest, AShadowThatIsNotFiniteIsItsErrorAlone) {
  const std::int64_t one = add("1", "5"), two = add("NaN", "5");
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kShadow, 100)).ok());
  ASSERT_TRUE(ask(assign(), 0).ok());
  ASSERT_TRUE(ask(assign(), 20).ok());
  const delivery::StepCounts counted = counts();
  EXPECT_EQ(counted.pairs.pairs, 2);
  EXPECT_EQ(counted.pairs.errors_candidate_only, 1);
  EXPECT_EQ(counted.stable.errors, 0);
}

TEST_F(DeploymentsTest, ACanaryThatIsNotFiniteIsReplacedByTheStableVersionAndCounted) {
  const std::int64_t one = add("1", "5"), two = add("NaN", "7");
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kCanary, 100)).ok());
  const Assignment assignment = assign();
  ASSERT_EQ(assignment.role, delivery::Role::kCandidate);
  const Result<Scored> scored = ask(assignment, 0);
  ASSERT_TRUE(scored.ok());
  EXPECT_TRUE(scored->fell_back);
  EXPECT_EQ(scored->version->version, "1");
  EXPECT_EQ(scored->values, std::vector<float>{1});
  EXPECT_EQ(ask(assign(), 20)->values, std::vector<float>{7});
  const delivery::StepCounts counted = counts();
  EXPECT_EQ(counted.candidate.requests, 2);
  EXPECT_EQ(counted.candidate.errors, 1);
  EXPECT_EQ(counted.stable.requests, 0);
  const std::vector<Answer> kept = logged(assignment.id);
  ASSERT_EQ(kept.size(), 2u);
  EXPECT_EQ(kept[0].prediction.role, Role::kCanary);
  EXPECT_EQ(kept[0].prediction.status, 500);
  EXPECT_TRUE(kept[0].prediction.outputs.empty());
  EXPECT_EQ(kept[1].prediction.role, Role::kLive);
  EXPECT_EQ(kept[1].prediction.outputs, std::vector<float>{1});
}

// The candidate splits by x too, which is its second column: by places it would take y for it.
TEST_F(DeploymentsTest, AShadowWithOtherColumnsScoresTheSameRowsByTheirNames) {
  for (const std::vector<std::string>& columns :
       {std::vector<std::string>{"y", "x"}, std::vector<std::string>{"x"}}) {
    const std::int64_t one = add("1", "2"), two = add("1", "2", columns);
    delivery::DeploymentRoute trial = route(one, two, delivery::Mode::kShadow, 100);
    trial.rollout = "rollout-" + std::to_string(two);
    ASSERT_TRUE(apply(trial).ok());
    const Assignment assignment = assign();
    ASSERT_TRUE(ask(assignment, 20).ok());
    const delivery::StepCounts counted = counts();
    EXPECT_EQ(counted.pairs.pairs, 1);
    EXPECT_EQ(counted.pairs.differences.mean, 0);
    EXPECT_EQ(counted.dropped, 0);
    const std::vector<Answer> kept = logged(assignment.id);
    ASSERT_EQ(kept.size(), 2u);
    EXPECT_EQ(kept[1].prediction.role, Role::kShadow);
    EXPECT_EQ(kept[1].prediction.outputs, std::vector<float>{2});
    const auto in_order = columns.size() == 2 ? std::vector<float>{0, 20} : std::vector<float>{20};
    EXPECT_EQ(kept[1].prediction.cells, in_order);
    EXPECT_EQ(kept[1].layout.columns.size(), columns.size());
  }
}

TEST_F(DeploymentsTest, AShadowThatNeedsAColumnThatNobodySentIsCountedAsDropped) {
  const std::int64_t one = add("1", "2"), two = add("1", "2", {"x", "y", "z"});
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kShadow, 100)).ok());
  ASSERT_TRUE(ask(assign(), 20).ok());
  EXPECT_EQ(counts().dropped, 1);
  EXPECT_EQ(counts().pairs.pairs, 0);
}

TEST_F(DeploymentsTest, TheStableVersionStandsInForACandidateWithOtherColumns) {
  for (const std::vector<std::string>& columns :
       {std::vector<std::string>{"y", "x"}, std::vector<std::string>{"x"}}) {
    const std::int64_t one = add("1", "2"), two = add("NaN", "NaN", columns);
    ASSERT_TRUE(apply(route(one, two, delivery::Mode::kCanary, 100)).ok());
    Assignment assignment = assign();
    ASSERT_TRUE(reads_as_stable(assignment));
    assignment.as_stable = true;
    const Result<Scored> scored = ask(assignment, 20);
    ASSERT_TRUE(scored.ok()) << scored.error().message;
    EXPECT_TRUE(scored->fell_back);
    EXPECT_EQ(scored->values, std::vector<float>{2}) << "of x, not of y";
    const std::vector<Answer> kept = logged(assignment.id);
    ASSERT_EQ(kept.size(), 2u);
    const auto in_order = columns.size() == 2 ? std::vector<float>{0, 20} : std::vector<float>{20};
    EXPECT_EQ(kept[0].prediction.cells, in_order) << "as the candidate was asked";
    EXPECT_EQ(kept[1].prediction.cells, (std::vector<float>{20, 0})) << "as the stable version was";
    EXPECT_EQ(kept[1].layout.columns[0].name, "x");
  }
}

// Read for the candidate itself, which has all columns of the stable version and more.
TEST_F(DeploymentsTest, TheStableVersionStandsInForACandidateThatReadMore) {
  const std::int64_t one = add("1", "2"), two = add("NaN", "NaN", {"z", "y", "x"});
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kCanary, 100)).ok());
  const Assignment assignment = assign();
  EXPECT_FALSE(reads_as_stable(assignment));
  const Result<Scored> scored =
      deployments_->answer(assignment, {7, 0, 20}, 1, {"", "mine"}, clock_.now_ms());
  ASSERT_TRUE(scored.ok()) << scored.error().message;
  EXPECT_TRUE(scored->fell_back);
  EXPECT_EQ(scored->values, std::vector<float>{2});
}

TEST_F(DeploymentsTest, WhatNeitherVersionCanAnswerCountsForNeither) {
  const std::int64_t one = add("NaN", "5"), two = add("NaN", "7"), three = add("1", "NaN");
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kCanary, 50)).ok());
  for (int i = 0; i < 40; ++i) EXPECT_FALSE(ask(assign("key" + std::to_string(i)), 5).ok());
  EXPECT_EQ(deployments_->counters()[0]->counts(), delivery::StepCounts());
  // One that the other version can answer stands against the one that has drawn it.
  ASSERT_TRUE(apply(route(one, three, delivery::Mode::kCanary, 50)).ok());
  const auto before = deployments_->counters()[0]->counts();
  for (int i = 0; i < 40; ++i) {
    const Assignment drawn = assign("key" + std::to_string(i));
    const bool candidate = drawn.role == delivery::Role::kCandidate;
    EXPECT_EQ(ask(drawn, 5).ok(), candidate);
    EXPECT_TRUE(ask(drawn, 15).ok()) << "the stable version stands in";
  }
  const auto counts = deployments_->counters()[0]->counts();
  const auto of_candidate = counts.candidate.requests - before.candidate.requests;
  const auto of_stable = counts.stable.requests - before.stable.requests;
  EXPECT_EQ(of_candidate + of_stable, 80);
  EXPECT_EQ(counts.candidate.errors - before.candidate.errors, of_candidate / 2);
  EXPECT_EQ(counts.stable.errors - before.stable.errors, of_stable / 2);
}

TEST_F(DeploymentsTest, AStableVersionThatIsNotFiniteIsAnError) {
  ASSERT_TRUE(apply(route(add("NaN", "5"))).ok());
  const Assignment assignment = assign();
  EXPECT_EQ(ask(assignment, 0).error().tag, "not_finite");
  EXPECT_EQ(logged(assignment.id).at(0).prediction.status, 500);
}

TEST_F(DeploymentsTest, ARouteIsSettledWhenNoRequestIsOnAnOlderOne) {
  const std::int64_t one = add("1", "1"), two = add("2", "2");
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kCanary, 100)).ok());
  std::optional<Assignment> in_flight = assign();
  const delivery::DeploymentRoute promoted = route(two);
  EXPECT_FALSE(deployments_->is_settled("bikes-live", promoted.revision));
  ASSERT_TRUE(apply(promoted).ok());
  EXPECT_FALSE(deployments_->is_settled("bikes-live", promoted.revision));
  EXPECT_EQ(ask(*in_flight, 0)->version->version, "2");  // it ends on the one it began with
  in_flight.reset();
  EXPECT_TRUE(deployments_->is_settled("bikes-live", promoted.revision));
}

TEST_F(DeploymentsTest, AnOlderRouteDoesNotReplaceANewerOne) {
  const std::int64_t one = add("1", "1"), two = add("2", "2");
  const delivery::DeploymentRoute older = route(one);
  ASSERT_TRUE(apply(route(two)).ok());
  ASSERT_TRUE(apply(older).ok());
  EXPECT_EQ(ask(assign(), 0)->version->version, "2");
}

TEST_F(DeploymentsTest, CountsStayWithTheirStepAcrossRoutes) {
  const std::int64_t one = add("1", "1"), two = add("2", "2");
  delivery::DeploymentRoute shadow = route(one, two, delivery::Mode::kShadow, 100);
  ASSERT_TRUE(apply(shadow).ok());
  ASSERT_TRUE(ask(assign(), 0).ok());
  shadow.revision = ++revision_;  // frozen and thawed, say: another route of the same step
  ASSERT_TRUE(apply(shadow).ok());
  ASSERT_TRUE(ask(assign(), 0).ok());
  EXPECT_EQ(deployments_->counters().size(), 1u);
  EXPECT_EQ(counts().pairs.pairs, 2);
  delivery::DeploymentRoute canary = route(one, two, delivery::Mode::kCanary, 100);
  canary.step = 1;
  ASSERT_TRUE(apply(canary).ok());
  EXPECT_EQ(deployments_->counters().size(), 2u);
  deployments_->forget("rollout-1");
  EXPECT_TRUE(deployments_->counters().empty());
}

TEST_F(DeploymentsTest, ARequestThatFailedBeforeItWasScoredCountsToo) {
  const std::int64_t one = add("1", "1"), two = add("2", "2");
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kCanary, 100)).ok());
  const Assignment assignment = assign();
  deployments_->fail(assignment, {}, kMay1, {Code::kInternal, "the engine broke"});
  EXPECT_EQ(counts().candidate.errors, 1);
  EXPECT_EQ(logged(assignment.id).at(0).prediction.error, "the engine broke");
}

TEST_F(DeploymentsTest, AVersionThatTheCallerNamesAnswersOutsideTheTrial) {
  const std::int64_t one = add("1", "5"), two = add("NaN", "7");
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kCanary, 0)).ok());
  const Deployment deployment = deployments_->find("bikes-live");
  const Result<Assignment> chosen = deployments_->assign_version(deployment, "2", "user");
  ASSERT_TRUE(chosen.ok());
  EXPECT_EQ(ask(*chosen, 20)->values, std::vector<float>{7});
  EXPECT_EQ(ask(*chosen, 0).error().tag, "not_finite");  // nobody stands in for it
  EXPECT_EQ(counts(), delivery::StepCounts());
  EXPECT_EQ(logged(chosen->id).size(), 2u);
  const Error error = deployments_->assign_version(deployment, "3", "").error();
  EXPECT_EQ(error.tag, "not_deployed");
  EXPECT_EQ(error.message,
            "the rollout of deployment bikes-live has not loaded version 3 of model bikes: version "
            "1 serves, 2 is tried");
}

TEST_F(DeploymentsTest, WhichOfSeveralDeploymentsOfAModelHasToBeSaid) {
  ASSERT_TRUE(apply(route(add("1", "2"))).ok());
  EXPECT_EQ(*deployments_->find_one("bikes"), deployments_->find("bikes-live"));
  EXPECT_EQ(*deployments_->find_one("trams"), nullptr);
  delivery::DeploymentRoute second = route(1);
  second.deployment = "other";
  ASSERT_TRUE(apply(second).ok());
  EXPECT_EQ(deployments_->find_one("bikes").error().message,
            "several deployments serve model 'bikes': bikes-live, other; ask one of them by its "
            "name");
  EXPECT_TRUE(*deployments_->find_one("other"));
}

TEST(EventTime, IsWrittenAsATextOrInMilliseconds) {
  EXPECT_EQ(*read_event_time("2011-05-01T00:00:00Z"), kMay1);
  EXPECT_EQ(*read_event_time("2011-05-01T02:00:00.000+02:00"), kMay1);
  EXPECT_EQ(*read_event_time(" 1304208000000 "), kMay1);
  EXPECT_EQ(*read_event_time("0"), 0);
  EXPECT_EQ(*read_event_time("1970-01-01T00:00:00Z"), 0);
  EXPECT_NE(read_event_time("-5").error().message.find("of the years 1970 to 9999"),
            std::string::npos);
  EXPECT_EQ(read_event_time("1304208000").error().message,
            "found 1304208000 as event_time, which is 1970-01-16T02:16:48.000Z in milliseconds "
            "since 1970; expected milliseconds (1304208000000 for 2011-05-01T00:00:00.000Z), or a "
            "time as text");
  for (const char* wrong : {"", "yesterday", "-1", "-5", "2011-05-01T00:00:00", "1e12",
                            "99999999999999999", "9999999999999999999999"}) {
    EXPECT_EQ(read_event_time(wrong).error().tag, "bad_request") << wrong;
  }
}

// Threads ask while routes change: every request is answered by a version of a route that was in
// force, and nothing is lost from the counts.
TEST_F(DeploymentsTest, RoutesChangeUnderLoad) {
  const std::int64_t one = add("1", "1"), two = add("2", "2");
  ASSERT_TRUE(apply(route(one, two, delivery::Mode::kCanary, 50)).ok());
  std::atomic<bool> stop{false};
  std::atomic<int> asked{0}, wrong{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back([&] {
      while (!stop) {
        const Result<Scored> scored = ask(assign(), 0);
        ++asked;
        const bool right =
            scored.ok() &&
            scored->values.at(0) == static_cast<float>(std::stoi(scored->version->version));
        if (!right) ++wrong;
      }
    });
  }
  for (int i = 0; i < 50 || asked < 200; ++i) {
    ASSERT_TRUE(
        apply(route(one, two, i % 2 == 0 ? delivery::Mode::kShadow : delivery::Mode::kCanary, 50))
            .ok());
  }
  stop = true;
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
  const delivery::StepCounts counted = counts();
  EXPECT_EQ(counted.stable.requests + counted.candidate.requests - counted.pairs.pairs, asked);
}

}  // namespace
}  // namespace slipway::serving
