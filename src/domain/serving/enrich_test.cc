#include "domain/serving/enrich.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "base/ids.h"
#include "domain/features/service.h"
#include "domain/serving/serving_testing.h"

namespace slipway::serving {
namespace {

constexpr UnixMs kMay1 = 1'304'208'000'000;

/// A model of the columns x and y, and a view "stations" that knows x by station.
class EnrichTest : public testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(folder_);
    write("view.yaml",
          "kind: feature_view\nname: stations\nentity: {station: string}\n"
          "source: {file: rows.csv, event_time: ts}\nrequest: {surge: float64}\n"
          "features: {x: float64, z: {expr: \"x * surge\", type: float64}}\n");
    write("rows.csv",
          "station,ts,x\nnorth,2011-04-30T00:00:00Z,1.5\nsouth,2011-04-30T00:00:00Z,2.5\n"
          "north,2011-05-02T00:00:00Z,9\n");
    ASSERT_TRUE(service_.materialize(folder_, "view.yaml", kMay1 * 1000).ok());
    lookup_ = *service_.find("stations");
    write_stump(folder_ / "model", "1", "2");
    source_.add("bikes", folder_ / "model");
    serving_.start();
    version_ = *find_now(serving_, "bikes", "1");
  }
  void TearDown() override {
    serving_.stop();
    std::filesystem::remove_all(folder_);
  }
  void write(const std::string& name, const std::string& text) {
    ASSERT_TRUE(write_file_quick(folder_ / name, text).ok());
  }
  Result<Enriched> fill(const std::vector<SentColumn>& sent) {
    return enrich(*lookup_, *version_, sent, sent.at(0).texts.size(), kMay1);
  }
  std::string refusal(const std::vector<SentColumn>& sent) {
    const Result<Enriched> filled = fill(sent);
    return filled.ok() ? "taken" : filled.error().message;
  }
  bool asks(std::vector<std::string_view> names) {
    return asks_for_features(lookup_->plan().view(), *version_, names);
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("enrich_test_" + random_hex32());
  Metrics metrics_;
  SystemClock clock_;
  FolderSource source_;
  Serving serving_{source_, clock_, metrics_};
  features::Service service_{folder_ / "features", metrics_};
  std::shared_ptr<const features::Lookup> lookup_;
  Loaded version_;
};

TEST_F(EnrichTest, KeysAskForFeaturesAndWholeRowsDoNot) {
  EXPECT_TRUE(asks({"station", "y"}));
  EXPECT_TRUE(asks({"station", "y", "surge"}));
  EXPECT_FALSE(asks({"x", "y"}));
  EXPECT_FALSE(asks({"x", "y", "station"}));
  EXPECT_FALSE(asks({"y"}));
}

TEST_F(EnrichTest, WhatIsKnownOfTheEntityFillsTheRows) {
  const Result<Enriched> filled =
      fill({{"station", {"south", "north", "nowhere", ""}}, {"y", {"1", "2.25", "", "true"}}});
  ASSERT_TRUE(filled.ok()) << filled.error().message;
  ASSERT_EQ(filled->cells.size(), 8u);
  EXPECT_EQ(filled->cells[0], 2.5f);
  EXPECT_EQ(filled->cells[1], 1.0f);
  EXPECT_EQ(filled->cells[2], 1.5f);  // not what comes to be known on May 2
  EXPECT_EQ(filled->cells[3], 2.25f);
  EXPECT_TRUE(std::isnan(filled->cells[4]));
  EXPECT_TRUE(std::isnan(filled->cells[5]));
  EXPECT_TRUE(std::isnan(filled->cells[6]));
  EXPECT_EQ(filled->cells[7], 1.0f);
  EXPECT_EQ(filled->looked_up, (std::vector<bool>{true, false}));
  EXPECT_EQ(*filled->entity, (LookedUp{"stations",
                                       lookup_->plan().view().digest(),
                                       {{"station", Keep::kValue}},
                                       {"south", "north", "nowhere", ""}}));
}

TEST_F(EnrichTest, EveryColumnComesFromOnePlace) {
  EXPECT_EQ(refusal({{"station", {"south"}}}),
            "column 'y' is neither sent nor a feature of stations");
  EXPECT_EQ(refusal({{"station", {"south"}}, {"x", {"1"}}, {"y", {"1"}}}),
            "'x' is looked up by the keys of stations: it can't be sent with them");
  EXPECT_EQ(refusal({{"station", {"south"}}, {"y", {"1"}}, {"w", {"1"}}}),
            "'w' is neither a key nor a request column of stations, nor a column of the model");
  EXPECT_EQ(refusal({{"station", {"south"}}, {"y", {"much"}}}),
            "row 0: found 'much' for 'y', expected a number");
  EXPECT_EQ(refusal({{"station", {"south"}}, {"y", {"1"}}, {"surge", {"high"}}}),
            "row 0: found 'high' for 'surge', expected float64");
}

TEST_F(EnrichTest, WhatWasLookedUpIsMarkedInTheLog) {
  DeploymentsOptions options;
  options.features = &service_;
  DeployedForTest deployed(serving_, clock_, metrics_, options);
  delivery::DeploymentRoute route;
  route.deployment = "live";
  route.model = "bikes";
  route.stable = 1;
  route.features = "stations";
  ASSERT_TRUE(deployed.apply(route).ok());
  const Deployment live = deployed->find("live");
  ASSERT_TRUE(*deployed->lookup(*live));
  Assignment assignment = *deployed->assign(live, "");
  RequestFacts facts;
  facts.looked_up = {true, false};
  facts.entity = std::make_shared<const LookedUp>(
      LookedUp{"stations", "0123", {{"station", Keep::kValue}}, {"south"}});
  ASSERT_TRUE(deployed->answer(assignment, {2.5f, 1}, 1, facts, clock_.now_ms()).ok());
  const Answer logged = deployed.logged(assignment.id).at(0);
  const Layout& layout = logged.layout;
  EXPECT_EQ(logged.prediction.looked_up, *facts.entity);
  EXPECT_TRUE(layout.columns.at(0).looked_up);
  EXPECT_FALSE(layout.columns.at(1).looked_up);
}

TEST_F(EnrichTest, AViewThatNobodyMaterializedIsSaid) {
  DeploymentsOptions options;
  options.features = &service_;
  DeployedForTest deployed(serving_, clock_, metrics_, options);
  Deployed nothing;
  EXPECT_EQ(*deployed->lookup(nothing), nullptr);
  nothing.route.deployment = "live";
  nothing.route.features = "trams";
  const Error error = deployed->lookup(nothing).error();
  EXPECT_EQ(error.tag, "not_ready");
  EXPECT_EQ(error.message,
            "feature view trams of deployment live was never materialized: slipway features "
            "materialize --view trams");
}

}  // namespace
}  // namespace slipway::serving
