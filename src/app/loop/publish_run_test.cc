#include "app/loop/publish_run.h"

#include <gtest/gtest.h>

#include <future>

#include "app/app.h"
#include "base/metrics.h"
#include "domain/data/data_testing.h"
#include "domain/registry/logged_models.h"
#include "domain/registry/rows.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

namespace kind = graph::kind;
namespace relation = graph::relation;
using registry::LoggedModelStatus;

class PublishRunTest : public data::ProjectTest {
 protected:
  PublishRunTest() {
    pool_ = std::move(
                db::Pool::open("sqlite://" + at("catalog.db").string(), all_migrations(), metrics_))
                .value();
    registry_ = std::make_unique<registry::Registry>(*pool_, clock_, [] {});
    models_ = std::make_unique<registry::LoggedModels>(*pool_, clock_);
    clock_.turn_to(1000);
    run_.id = "p";
    run_.plan.register_model = "tiny";
    const auto linked = pool_->write([](db::Tx& tx) -> Result<> {
      const wire::Json none(wire::Json::Object{});
      TRY(graph::put_edge(
          tx, {{kind::kAttempt, "a"}, relation::kPartOf, {kind::kPipelineRun, "p"}, none}, 1000));
      return graph::put_edge(
          tx, {{kind::kRun, "r"}, relation::kProducedBy, {kind::kAttempt, "a"}, none}, 1000);
    });
    EXPECT_TRUE(linked.ok());
  }
  ~PublishRunTest() override { pool_.reset(); }

  /// A model that the run logged.
  std::string log(LoggedModelStatus status) {
    registry::NewLoggedModel wanted;
    wanted.experiment_id = "0";
    wanted.name = "model";
    wanted.run_id = "r";
    const std::string id = wait([&](auto done) { models_->create("t", wanted, done); }).id;
    if (status != LoggedModelStatus::kPending)
      wait([&](auto done) { models_->finalize("t", id, status, done); });
    return id;
  }

  /// Of version 1; "" when there is none.
  std::string source() {
    const auto found =
        pool_->read([](db::Tx& tx) { return registry::rows::find_version(tx, "tiny", 1); });
    return found.ok() ? found->source : "";
  }

  template <class F>
  registry::LoggedModel wait(F call) {
    auto promise = std::make_shared<std::promise<Result<registry::LoggedModel>>>();
    call([promise](Result<registry::LoggedModel> made) { promise->set_value(std::move(made)); });
    return promise->get_future().get().value();
  }

  Metrics metrics_;
  ReplayClock clock_;
  std::unique_ptr<db::Pool> pool_;
  std::unique_ptr<registry::Registry> registry_;
  std::unique_ptr<registry::LoggedModels> models_;
  flows::PipelineRun run_;
};

TEST_F(PublishRunTest, RegistersTheNewestModelOnce) {
  log(LoggedModelStatus::kReady);
  clock_.turn_to(2000);
  const std::string newest = log(LoggedModelStatus::kReady);
  ASSERT_TRUE(publish_run(*pool_, *registry_, run_).ok());
  ASSERT_TRUE(publish_run(*pool_, *registry_, run_).ok());
  EXPECT_EQ(source(), "models:/" + newest);
}

TEST_F(PublishRunTest, TakesNoModelThatItsClientLeftBehindWhenItGotNoAnswer) {
  const std::string whole = log(LoggedModelStatus::kReady);
  log(LoggedModelStatus::kPending);
  log(LoggedModelStatus::kFailed);
  clock_.turn_to(2000);
  log(LoggedModelStatus::kPending);
  ASSERT_TRUE(publish_run(*pool_, *registry_, run_).ok());
  EXPECT_EQ(source(), "models:/" + whole);
}

TEST_F(PublishRunTest, RegistersNothingOfARunWhoseUploadFailed) {
  log(LoggedModelStatus::kFailed);
  ASSERT_TRUE(publish_run(*pool_, *registry_, run_).ok());
  EXPECT_EQ(source(), "");
}

TEST_F(PublishRunTest, SaysThatAModelGotNoVersion) {
  const std::vector<std::string> wanted = {"tiny"};
  log(LoggedModelStatus::kFailed);
  const auto none = publish_run(*pool_, *registry_, run_, wanted);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none,
            "no version of model tiny was registered by this run: its stages logged no model");
  run_.plan.register_model = "";
  log(LoggedModelStatus::kReady);
  const auto silent = publish_run(*pool_, *registry_, run_, wanted);
  ASSERT_TRUE(silent.ok());
  EXPECT_EQ(*silent,
            "no version of model tiny was registered by this run: its script logs a model with "
            "registered_model_name, or its pipeline has \"register: {model: tiny}\"");
  EXPECT_EQ(*publish_run(*pool_, *registry_, run_, {}), "") << "a pipeline may make no model";
  run_.plan.register_model = "tiny";
  EXPECT_EQ(*publish_run(*pool_, *registry_, run_, wanted), "");
  EXPECT_EQ(*publish_run(*pool_, *registry_, run_, wanted), "") << "again";
}

TEST(ModelsWanted, AreThoseOfTheDeploymentsThatARunIsFor) {
  const auto file = project::parse_project(
      "version: 1\nproject: rides\n"
      "pipelines: {train: , package: }\n"
      "triggers:\n"
      "  any: {pipeline: train, incident: {}}\n"
      "  drift: {pipeline: train, incident: {monitor: inputs}}\n"
      "  nightly: {pipeline: package, cron: \"0 3 * * *\"}\n"
      "deployments:\n"
      "  a: {model: rides, monitors: {inputs: {window: 7d}}}\n"
      "  b: {model: fares}\n");
  ASSERT_TRUE(file.ok()) << file.error().message;
  using Names = std::vector<std::string>;
  flows::PipelineRun run;
  const auto wanted = [&](const char* trigger) {
    run.trigger = trigger;
    return models_wanted(run, &*file);
  };
  EXPECT_EQ(wanted("any"), (Names{"rides", "fares"}));
  EXPECT_EQ(wanted("drift"), Names{"rides"});
  EXPECT_EQ(wanted("nightly"), Names());
  run.plan.data.push_back({"deployments/b", true, "data/live.csv"});
  EXPECT_EQ(wanted("nightly"), Names{"fares"});
  run.plan.register_model = "tiny";
  EXPECT_EQ(models_wanted(run, nullptr), Names{"tiny"});
}

}  // namespace
}  // namespace slipway::app
