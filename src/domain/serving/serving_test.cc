#include "domain/serving/serving.h"

#include <gtest/gtest.h>

#include <fstream>

#include "base/file.h"
#include "domain/serving/serving_testing.h"
#include "domain/serving/table.h"

namespace slipway::serving {
namespace {

class ServingTest : public testing::Test {
 protected:
  void start(Options options = {}) {
    serving_ = std::make_unique<Serving>(source_, clock_, metrics_, options);
    serving_->start();
  }
  std::string add(const std::string& model, const std::string& folder = "regressor",
                  bool production = false) {
    return source_.add(model, scoring_models() / folder, production);
  }
  std::string error_of(const std::string& model, const std::string& version) {
    auto found = find_now(*serving_, model, version);
    return found.ok() ? "found" : found.error().tag + ": " + found.error().message;
  }
  std::string version_of(const std::string& model, const std::string& version) {
    auto found = find_now(*serving_, model, version);
    return found.ok() ? (*found)->version : found.error().message;
  }

  const VersionEntry& entry_of(const std::string& model, const std::string& version) {
    seen_ = serving_->table();
    return *seen_->models.at(model)->find(version);
  }
  /// Waits until the loader has looked into every version: it does so between its other jobs.
  void wait_for_checks() {
    while (!waiting(*serving_->table(), 1).empty() || !serving_->started())
      (void)find_now(*serving_, "nobody", "");
  }

  static std::string file_of(const std::string& path) {
    auto content = read_file(path);
    EXPECT_TRUE(content.ok()) << path;
    return content.ok() ? *content : "";
  }
  /// A version of `model` whose only file is this.
  void write_model(const std::string& model, const std::string& content) {
    const auto folder = std::filesystem::path(testing::TempDir()) / ("serving_test_" + model);
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "MLmodel")
        << "flavors:\n  xgboost:\n    data: model\n    model_class: xgboost.core.Booster\n";
    std::ofstream(folder / "model", std::ios::binary) << content;
    source_.add(model, folder);
  }

  FolderSource source_;
  std::shared_ptr<const Table> seen_;
  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<Serving> serving_;
};

TEST_F(ServingTest, ABareNameMeansTheLatestVersion) {
  add("bikes");
  add("bikes");
  start();
  EXPECT_EQ(version_of("bikes", ""), "2");
}

TEST_F(ServingTest, ABareNameMeansProductionBeforeTheLatest) {
  add("bikes", "regressor", /*production=*/true);
  add("bikes");
  start();
  EXPECT_EQ(version_of("bikes", ""), "1");
}

TEST_F(ServingTest, ABareNameMeansTheChampionBeforeProduction) {
  add("bikes");
  add("bikes", "regressor", /*production=*/true);
  source_.alias("bikes", "champion", "1");
  start();
  EXPECT_EQ(version_of("bikes", ""), "1");
}

TEST_F(ServingTest, AnAliasIsAskedForWithAnAtSign) {
  add("bikes");
  add("bikes");
  source_.alias("bikes", "old", "1");
  start();
  EXPECT_EQ(version_of("bikes", "@old"), "1");
  EXPECT_EQ(error_of("bikes", "@new"), "unknown_version: model 'bikes' has no version @new");
}

TEST_F(ServingTest, WhatABareNameMeansIsReadyWithoutAsking) {
  add("bikes");
  start();
  ASSERT_TRUE(find_now(*serving_, "bikes", "").ok());
  EXPECT_NE(serving_->ready("bikes", ""), nullptr);
  EXPECT_NE(serving_->ready("bikes", "1"), nullptr);
}

TEST_F(ServingTest, AnOlderVersionIsLoadedWhenFirstAskedFor) {
  add("bikes");
  add("bikes");
  start();
  ASSERT_TRUE(find_now(*serving_, "bikes", "").ok());
  EXPECT_EQ(serving_->ready("bikes", "1"), nullptr);
  ASSERT_TRUE(find_now(*serving_, "bikes", "1").ok());
  EXPECT_NE(serving_->ready("bikes", "1"), nullptr);
}

TEST_F(ServingTest, AModelMadeAfterTheStartIsFound) {
  start();
  EXPECT_EQ(error_of("bikes", ""), "unknown_model: no model 'bikes'");
  add("bikes");
  EXPECT_EQ(version_of("bikes", ""), "1");
}

TEST_F(ServingTest, AMovedAliasIsSeenAfterARefresh) {
  add("bikes");
  add("bikes");
  source_.alias("bikes", "champion", "1");
  start();
  EXPECT_EQ(version_of("bikes", ""), "1");
  source_.alias("bikes", "champion", "2");
  serving_->refresh();
  EXPECT_EQ(version_of("bikes", ""), "2");
}

TEST_F(ServingTest, AVersionMadeAnewUnderTheSameNumberIsNotTheOldOne) {
  add("bikes", "regressor");
  start();
  auto old = find_now(*serving_, "bikes", "1");
  ASSERT_TRUE(old.ok());
  EXPECT_FALSE((*old)->engine->traits().classifier);
  source_.remove("bikes");
  add("bikes", "binary");
  serving_->refresh();
  auto fresh = find_now(*serving_, "bikes", "1");
  ASSERT_TRUE(fresh.ok());
  EXPECT_TRUE((*fresh)->engine->traits().classifier);
}

TEST_F(ServingTest, SaysWhichFlavourNoEngineLoads) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "serving_test_sklearn";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "MLmodel")
      << "flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n  sklearn:\n    "
         "pickled_model: model.pkl\n";
  source_.add("bikes", folder);
  start();
  EXPECT_EQ(error_of("bikes", "1"), "not_servable: not servable yet: flavour sklearn");
  const auto table = serving_->table();
  EXPECT_EQ(table->models.at("bikes")->versions[0].state, State::kNotServable);
  EXPECT_EQ(table->models.at("bikes")->versions[0].reason, "not servable yet: flavour sklearn");
}

TEST_F(ServingTest, AVersionWithoutFilesIsBrokenAndTheOthersServe) {
  source_.add("broken", "/nonexistent");
  add("bikes");
  start();
  auto found = find_now(*serving_, "broken", "");
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, Code::kInternal);
  EXPECT_EQ(found.error().tag, "broken");
  EXPECT_EQ(version_of("bikes", ""), "1");
}

TEST_F(ServingTest, ADamagedFileIsBroken) {
  write_model("damaged", "{\"learner\": ");
  start();
  EXPECT_EQ(error_of("damaged", "").substr(0, 7), "broken:") << error_of("damaged", "");
  EXPECT_EQ(entry_of("damaged", "1").state, State::kBroken);
}

TEST_F(ServingTest, WhatTheEngineDoesNotScoreIsNotServable) {
  for (const char* kind : {"dart", "linear", "vector_leaf"}) {
    write_model(kind, file_of("tests/data/xgboost/refused_" + std::string(kind) + ".v3.ubj"));
  }
  write_model("categorical", file_of("tests/data/xgboost/refused_categorical.v3.json"));
  start();
  for (const char* model : {"dart", "linear", "vector_leaf", "categorical"}) {
    EXPECT_EQ(error_of(model, "").substr(0, 13), "not_servable:") << error_of(model, "");
    EXPECT_EQ(entry_of(model, "1").state, State::kNotServable);
  }
}

TEST_F(ServingTest, ATemporaryFailureIsNotHeldAgainstTheFiles) {
  add("bikes");
  add("bikes");
  start();
  ASSERT_TRUE(find_now(*serving_, "bikes", "").ok());
  wait_for_checks();
  source_.break_down(true);
  EXPECT_EQ(error_of("bikes", "1"), "not_ready: the disk is gone");
  EXPECT_EQ(entry_of("bikes", "1").state, State::kFailed);
}

TEST_F(ServingTest, AVersionThatNobodyAskedForIsKnownToAnswer) {
  add("bikes");
  add("bikes");
  start();
  wait_for_checks();
  EXPECT_EQ(entry_of("bikes", "1").state, State::kIdle);
  EXPECT_TRUE(entry_of("bikes", "1").answers());
  EXPECT_EQ(serving_->ready("bikes", "1"), nullptr);
  EXPECT_EQ(version_of("bikes", "1"), "1");
  EXPECT_EQ(entry_of("bikes", "1").state, State::kReady);
}

TEST_F(ServingTest, AVersionThatNobodyAskedForIsKnownNotToAnswer) {
  write_model("bikes", file_of("tests/data/xgboost/refused_dart.v3.ubj"));
  add("bikes");
  start();
  wait_for_checks();
  EXPECT_EQ(entry_of("bikes", "1").state, State::kNotServable);
  EXPECT_FALSE(entry_of("bikes", "1").answers());
}

TEST_F(ServingTest, AVersionThatMadeRoomStillAnswers) {
  for (int i = 0; i < 2; ++i) add("bikes");
  start();
  auto meant = find_now(*serving_, "bikes", "");
  ASSERT_TRUE(meant.ok());
  Options options;
  options.bytes_max = (*meant)->bytes + (*meant)->bytes / 2;
  serving_.reset();
  start(options);
  wait_for_checks();
  EXPECT_EQ(error_of("bikes", "1").substr(0, 10), "no_memory:");
  EXPECT_EQ(entry_of("bikes", "1").state, State::kIdle);
}

TEST_F(ServingTest, ARegistryThatIsAwayLeavesWhatIsLoaded) {
  add("bikes");
  start();
  ASSERT_TRUE(find_now(*serving_, "bikes", "").ok());
  source_.break_down(true);
  serving_->refresh();
  EXPECT_EQ(error_of("other", ""), "not_ready: the disk is gone");
  EXPECT_NE(serving_->ready("bikes", ""), nullptr);
}

TEST_F(ServingTest, TheLeastRecentlyUsedVersionMakesRoom) {
  for (int i = 0; i < 3; ++i) add("bikes");
  start();
  auto meant = find_now(*serving_, "bikes", "");
  ASSERT_TRUE(meant.ok());
  const std::uint64_t each = (*meant)->bytes;
  serving_.reset();
  Options options;
  options.bytes_max = 2 * each + each / 2;
  start(options);
  ASSERT_TRUE(find_now(*serving_, "bikes", "").ok());
  ASSERT_TRUE(find_now(*serving_, "bikes", "1").ok());
  ASSERT_TRUE(find_now(*serving_, "bikes", "2").ok());
  EXPECT_EQ(serving_->ready("bikes", "1"), nullptr);
  EXPECT_NE(serving_->ready("bikes", "2"), nullptr);
  EXPECT_NE(serving_->ready("bikes", ""), nullptr);
}

TEST_F(ServingTest, AModelLargerThanTheLimitIsRefused) {
  add("bikes");
  Options options;
  options.bytes_max = 10;
  start(options);
  EXPECT_EQ(error_of("bikes", "").substr(0, 10), "no_memory:");
}

TEST_F(ServingTest, ManyWhoAskAtOnceCauseOneLoad) {
  for (int i = 0; i < 2; ++i) add("bikes");
  start();
  ASSERT_TRUE(find_now(*serving_, "bikes", "").ok());
  wait_for_checks();
  const int before = source_.reads();
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] { EXPECT_TRUE(find_now(*serving_, "bikes", "1").ok()); });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(source_.reads() - before, 2);  // MLmodel and model.ubj
}

TEST(Candidates, AreModelsWhoseBareNameMayAnswer) {
  Table table;
  const auto add = [&](const std::string& name, State state) {
    auto model = std::make_shared<ModelEntry>();
    VersionEntry& version = model->versions.emplace_back();
    version.version = model->meant = "1";
    version.state = state;
    table.models[name] = std::move(model);
  };
  add("broken", State::kBroken);
  add("idle", State::kIdle);
  add("failed", State::kFailed);
  add("ready", State::kReady);
  add("sklearn", State::kNotServable);
  table.models["empty"] = std::make_shared<ModelEntry>();
  EXPECT_EQ(candidates(table).names, (std::vector<std::string>{"failed", "idle", "ready"}));
  EXPECT_FALSE(candidates(table).untried);
  add("new", State::kWaiting);
  EXPECT_TRUE(candidates(table).untried);
}

TEST(MeantVersion, IsEmptyWithoutVersions) {
  EXPECT_EQ(meant_version(KnownModel{"bikes", {}, {}}), "");
}

TEST(MeantVersion, CountsNumbersAndNotLetters) {
  EXPECT_EQ(meant_version(KnownModel{"bikes", {{"9", false, ""}, {"10", false, ""}}, {}}), "10");
}

TEST(MeantVersion, IgnoresAChampionThatIsGone) {
  EXPECT_EQ(meant_version(KnownModel{"bikes", {{"1", false, ""}}, {{"champion", "7"}}}), "1");
}

}  // namespace
}  // namespace slipway::serving
