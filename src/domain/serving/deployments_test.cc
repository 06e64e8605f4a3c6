#include "domain/serving/deployments.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <future>

#include "base/ids.h"
#include "domain/serving/predictions.h"
#include "domain/serving/serving_testing.h"

namespace slipway::serving {
namespace {

constexpr UnixMs kMay1 = 1'304'208'000'000;

/// One split: `low` below 10 in the first of two columns, else `high`.
std::string stump(const std::string& low, const std::string& high) {
  return R"({"version":[2,1,0],"learner":{"attributes":{},"feature_names":["x","y"],"feature_types":["float","float"],)"
         R"("gradient_booster":{"name":"gbtree","model":{"gbtree_model_param":{"num_parallel_tree":"1","num_trees":"1"},)"
         R"("tree_info":[0],"iteration_indptr":[0,1],"trees":[{"tree_param":{"num_deleted":"0","num_feature":"2","num_nodes":"3","size_leaf_vector":"1"},)"
         R"("id":0,"left_children":[1,-1,-1],"right_children":[2,-1,-1],"parents":[2147483647,0,0],"split_indices":[0,0,0],)"
         R"("split_type":[0,0,0],"default_left":[0,0,0],"loss_changes":[0,0,0],"sum_hessian":[1,1,1],"categories":[],)"
         R"("categories_nodes":[],"categories_segments":[],"categories_sizes":[],"base_weights":[0,0,0],)"
         R"("split_conditions":[10,)" +
         low + "," + high +
         R"(]}]}},"learner_model_param":{"base_score":"0","boost_from_average":"0","num_class":"0","num_feature":"2","num_target":"1"},)"
         R"("objective":{"name":"reg:squarederror","reg_loss_param":{"scale_pos_weight":"1"}}}})";
}

class DeploymentsTest : public testing::Test {
 protected:
  void SetUp() override {
    PredictionLogOptions options;
    options.root = folder_ / "predictions";
    log_ = std::make_unique<PredictionLog>(disk_, metrics_, options);
    serving_ = std::make_unique<Serving>(source_, real_, metrics_);
    serving_->start();
    deployments_ = std::make_unique<Deployments>(*serving_, *log_, clock_, metrics_, limits_);
    deployments_->start();
  }
  void TearDown() override {
    deployments_.reset();
    serving_.reset();
    log_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::int64_t add(const std::string& low, const std::string& high) {
    const auto folder = folder_ / ("model" + std::to_string(++models_));
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "MLmodel") << "flavors:\n  xgboost:\n    data: model.json\n"
                                         "    model_class: xgboost.core.Booster\n";
    std::ofstream(folder / "model.json") << stump(low, high);
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
  Result<> apply(delivery::DeploymentRoute r) {
    std::promise<Result<>> done;
    deployments_->apply(std::move(r), {},
                        [&](Result<> result) { done.set_value(std::move(result)); });
    return done.get_future().get();
  }
  Assignment assign(const std::string& key = "") {
    const Deployment deployment = deployments_->find("bikes-live");
    EXPECT_TRUE(deployment);
    Result<Assignment> assigned = deployments_->assign(deployment, key);
    EXPECT_TRUE(assigned.ok()) << assigned.error().message;
    return *assigned;
  }
  Result<Scored> ask(const Assignment& assignment, float x) {
    return deployments_->answer(assignment, {x, 0}, 1, {"", "mine", 0}, clock_.now_ms());
  }
  delivery::StepCounts counts() {
    deployments_->drain_shadow();
    return deployments_->counters().at(0)->counts();
  }
  std::vector<Answer> logged(const PredictionId& id) {
    deployments_->drain_shadow();
    EXPECT_TRUE(log_->flush().ok());
    return *Predictions(folder_ / "predictions", folder_ / "labels").find(id);
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("deployments_test_" + random_hex32());
  FakeClock clock_{kMay1};  // of answers
  SystemClock real_;        // of the loader, which looks again only when time has passed
  Metrics metrics_;
  blob::Disk disk_;
  FolderSource source_;
  DeploymentsOptions limits_;
  int models_ = 0;
  std::int64_t revision_ = 0;
  std::unique_ptr<PredictionLog> log_;
  std::unique_ptr<Serving> serving_;
  std::unique_ptr<Deployments> deployments_;
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
