#include "dialects/mlflow/scoring.h"

#include <gtest/gtest.h>

#include <fstream>
#include <future>
#include <map>

#include "base/file.h"
#include "base/ids.h"
#include "domain/serving/serving_testing.h"
#include "io/wire/codec.h"
#include "io/wire/json.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Response;

class Caught final : public http::Reply::Sink {
 public:
  void send(Response response) override { promise_.set_value(std::move(response)); }
  Response wait() { return promise_.get_future().get(); }

 private:
  std::promise<Response> promise_;
};

/// What MLflow's own server answered; told in tests/data/scoring/make.py.
struct Case {
  std::string model, name, content_type, body, kind;
  int status = 0;
  wire::Json answer;
};
WIRE(Case, model, name, content_type, body, kind, status, answer)

class ScoringTest : public testing::Test {
 protected:
  ScoringTest()
      : router_(&http::render_plain_error),
        serving_(source_, clock_, metrics_),
        deployed_(serving_, clock_, metrics_) {}
  ~ScoringTest() override {
    serving_.stop();
    std::filesystem::remove_all(folder_);
  }

  void add(const std::string& name) { source_.add(name, serving::scoring_models() / name); }
  void add_folder(const std::string& name, const std::string& mlmodel) {
    const auto folder = folder_ / name;
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "MLmodel") << mlmodel;
    source_.add(name, folder);
  }
  void start(ScoringOptions options = {}) {
    mount_scoring(router_, serving_, *deployed_, std::move(options));
    serving_.start();
  }

  Response call(Method method, const std::string& path, std::string body = "",
                const std::string& content_type = "") {
    const auto match = router_.match(method, path);
    http::Request request;
    request.method = method;
    request.path = path;
    request.body = std::move(body);
    request.captures = match.captures;
    if (!content_type.empty()) request.headers.add("content-type", content_type);
    EXPECT_NE(match.entry, nullptr) << path;
    auto caught = std::make_shared<Caught>();
    match.entry->run(std::move(request), http::Reply(caught, match.entry->errors));
    return caught->wait();
  }
  Response invoke(const std::string& path, const std::string& body = kBody) {
    return call(Method::kPost, path, body, "application/json");
  }

  static constexpr char kBody[] =
      R"({"dataframe_split": {"columns": ["temp", "wind", "hour"], "data": [[0.5, 1.5, 7], [-1.25, 0.1, 23]]}})";
  static constexpr char kAnswer[] = R"({"predictions": [0.9882943630218506, -1.6385862827301025]})";

  serving::FolderSource source_;
  SystemClock clock_;
  Metrics metrics_;
  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("scoring-" + random_hex32());
  http::Router router_;
  serving::Serving serving_;
  serving::DeployedForTest deployed_;
};

/// Where we answer otherwise, knowingly: pandas' object columns make MLflow refuse missing cells
/// and empty tables when there is no signature, and CSV for a tensor signature fails there for want
/// of a conversion. An index before the columns of a CSV shifts the types that it reads for a
/// signature without names.
const std::map<std::string, int> kOtherwise = {
    {"unsigned/split_null", 200},
    {"unsigned/split_null_long", 200},
    {"unsigned/split_empty", 200},
    {"unsigned/flags_split_null", 200},
    {"unsigned/flags_split_mixed_null", 200},
    {"unsigned/csv_only_head", 200},
    {"unnamed/csv_long_rows", 200},
    {"tensor/csv", 200},
    {"tensor/csv_reordered", 200},
    {"tensor/csv_missing_value", 200},
    {"tensor/csv_quoted", 200},
    {"tensor/split_empty", 200},
};

TEST_F(ScoringTest, AnswersAsMlflowsServerDoes) {
  auto text = read_file("tests/data/scoring/cases.json");
  ASSERT_TRUE(text.ok());
  auto cases = wire::decode<std::vector<Case>>(std::string_view(*text));
  ASSERT_TRUE(cases.ok()) << cases.error().message;
  ASSERT_GT(cases->size(), 1000u);
  for (const char* name : {"regressor", "binary", "three", "booster", "unsigned", "unnamed",
                           "tensor", "optional", "flags", "reals"})
    add(name);
  start();
  std::size_t otherwise = 0;
  for (const Case& one : *cases) {
    const std::string label = one.model + "/" + one.name;
    const Response response = call(Method::kPost, "/deployments/" + one.model + "/invocations",
                                   one.body, one.content_type);
    if (const auto known = kOtherwise.find(label); known != kOtherwise.end()) {
      EXPECT_EQ(response.status, known->second) << label << "\n" << response.body;
      EXPECT_NE(response.status, one.status) << label << " agrees now";
      ++otherwise;
      continue;
    }
    EXPECT_EQ(response.status, one.status)
        << label << "\n"
        << response.body << "\nMLflow: " << wire::dump(one.answer);
    if (one.kind != "application/json" || response.status != one.status) continue;
    auto answer = wire::parse(response.body);
    ASSERT_TRUE(answer.ok()) << label << " " << response.body;
    if (one.status == 200)
      EXPECT_EQ(response.body, wire::dump(one.answer, {.spaces = true})) << label;
    else
      EXPECT_EQ(answer->find("error_code")->as_string(), one.answer.find("error_code")->as_string())
          << label << "\n"
          << response.body << "\nMLflow: " << wire::dump(one.answer);
  }
  EXPECT_EQ(otherwise, kOtherwise.size());
}

TEST_F(ScoringTest, NamesTheFieldsThatAreThereWhereNoneIsKnown) {
  add("regressor");
  start();
  const Response bare = invoke("/invocations", R"({"temp": 1, "wind": 2, "hour": 7})");
  EXPECT_EQ(bare.status, 400);
  // MLflow's words first, for whoever looks for them.
  EXPECT_NE(bare.body.find("Received dictionary with input fields: []. It has the fields "
                           "['temp', 'wind', 'hour'] instead: rows go into one of the above"),
            std::string::npos)
      << bare.body;
  EXPECT_NE(invoke("/invocations", "{}").body.find("[]. The dictionary is empty."),
            std::string::npos);
  std::string many = R"({"f0": 1)";
  for (int i = 1; i < 5000; ++i) many += ", \"f" + std::to_string(i) + "\": 1";
  const Response wide = invoke("/invocations", many + "}");
  EXPECT_NE(wide.body.find("'f9'] and 4990 more instead"), std::string::npos) << wide.body;
  EXPECT_LT(wide.body.size(), 1000u);
  const Response two = invoke("/invocations", R"({"inputs": [[1]], "instances": [[1]]})");
  EXPECT_NE(two.body.find("input fields: ['instances', 'inputs']."), std::string::npos) << two.body;
}

TEST_F(ScoringTest, NamesTheInputsThatAreMissing) {
  add("regressor");
  start();
  const Response response = invoke(
      "/invocations", R"({"dataframe_split": {"columns": ["temp", "x"], "data": [[1, 2]]}})");
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("Error: Model is missing inputs ['wind', 'hour']. Note that there "
                               "were extra inputs: ['x']."),
            std::string::npos)
      << response.body;
}

TEST_F(ScoringTest, TheByteOrderMarkOfASpreadsheetIsNoPartOfAName) {
  add("regressor");
  start();
  const std::string rows = "temp,wind,hour\n0.5,1.5,7\n";
  const auto score = [&](const std::string& csv) {
    return call(Method::kPost, "/deployments/regressor/invocations", csv, "text/csv");
  };
  const Response plain = score(rows);
  EXPECT_EQ(plain.status, 200) << plain.body;
  EXPECT_EQ(score("\xef\xbb\xbf" + rows).body, plain.body);
  EXPECT_EQ(score("\xef\xbb\xbf\"temp\",wind,hour\n0.5,1.5,7\n").body, plain.body);
  for (const char* none : {"\xef\xbb\xbf", "\xef\xbb\xbf\n", "\xef\xbb"}) {
    EXPECT_EQ(score(none).status, 400) << none;
  }
}

TEST_F(ScoringTest, TheOnlyModelAnswersTheBareAddress) {
  add("regressor");
  start();
  ASSERT_TRUE(serving::find_now(serving_, "regressor", "").ok());
  EXPECT_EQ(invoke("/invocations").body, kAnswer);
  const Response ping = call(Method::kGet, "/ping");
  EXPECT_EQ(ping.status, 200);
  EXPECT_EQ(ping.body, "\n");
}

TEST_F(ScoringTest, OfSeveralModelsTheDefaultOneAnswersTheBareAddress) {
  add("regressor");
  add("binary");
  start({"binary"});
  EXPECT_EQ(invoke("/invocations").body, R"({"predictions": [1, 0]})");
}

TEST_F(ScoringTest, OfSeveralModelsWithoutADefaultNoneAnswersTheBareAddress) {
  add("regressor");
  add("binary");
  start();
  ASSERT_TRUE(serving::find_now(serving_, "binary", "").ok());
  for (const Response& response : {invoke("/invocations"), call(Method::kGet, "/ping")}) {
    EXPECT_EQ(response.status, 400);
    EXPECT_NE(response.body.find("there are several models: binary, regressor"), std::string::npos)
        << response.body;
  }
}

TEST_F(ScoringTest, OnlyServableModelsCountForTheBareAddress) {
  add("regressor");
  start();
  EXPECT_EQ(invoke("/invocations").status, 200);
  add_folder("skm", "flavors:\n  sklearn:\n    pickled_model: model.pkl\n");
  add_folder("damaged", "flavors:\n  xgboost:\n    data: absent\n");
  serving_.refresh();
  EXPECT_EQ(invoke("/invocations").body, kAnswer);
  EXPECT_EQ(call(Method::kGet, "/ping").status, 200);
}

TEST_F(ScoringTest, WithoutAServableModelNoneAnswersTheBareAddress) {
  add_folder("skm", "flavors:\n  sklearn:\n    pickled_model: model.pkl\n");
  start();
  const Response response = invoke("/invocations");
  EXPECT_EQ(response.status, 400);
  EXPECT_NE(response.body.find("no registered model is servable"), std::string::npos)
      << response.body;
}

TEST_F(ScoringTest, WhatNeverServesIsNotCalledTemporary) {
  add_folder("skm", "flavors:\n  sklearn:\n    pickled_model: model.pkl\n");
  add_folder("damaged", "flavors:\n  xgboost:\n    data: absent\n");
  start();
  const Response skm = invoke("/deployments/skm/invocations");
  EXPECT_EQ(skm.status, 501);
  EXPECT_EQ(skm.body,
            R"({"error_code": "NOT_IMPLEMENTED", "message": "not servable yet: flavour sklearn"})");
  const Response damaged = invoke("/deployments/damaged/invocations");
  EXPECT_EQ(damaged.status, 500);
  EXPECT_EQ(damaged.body.find(R"({"error_code": "INTERNAL_ERROR")"), 0u) << damaged.body;
}

TEST_F(ScoringTest, AnUnknownModelIsNotFound) {
  start();
  const Response response = invoke("/deployments/nobody/invocations");
  EXPECT_EQ(response.status, 404);
  EXPECT_EQ(response.body,
            R"({"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no model 'nobody'"})");
}

TEST_F(ScoringTest, LargeBodiesAreScoredElsewhere) {
  add("regressor");
  start();
  std::string rows;
  for (int i = 0; i < 10'000; ++i) rows += i ? ", [0.5, 1.5, 7]" : "[0.5, 1.5, 7]";
  const Response response = invoke(
      "/deployments/regressor/invocations",
      R"({"dataframe_split": {"columns": ["temp", "wind", "hour"], "data": [)" + rows + "]}}");
  ASSERT_EQ(response.status, 200);
  auto answer = wire::parse(response.body);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->find("predictions")->as_array().size(), 10'000u);
}

class DeployedScoringTest : public ScoringTest {
 protected:
  /// `name` serves version 1 of "regressor"; "three" has no deployment.
  void deploy(const std::string& name) {
    delivery::DeploymentRoute route;
    route.deployment = name;
    route.model = "regressor";
    route.stable = 1;
    route.revision = ++revision_;
    ASSERT_TRUE(deployed_.apply(std::move(route)).ok());
  }
  void SetUp() override {
    add("regressor");
    add("three");
    start();
  }
  std::int64_t revision_ = 0;
};

TEST_F(DeployedScoringTest, ADeploymentAnswersAndKeepsItsAnswer) {
  deploy("live");
  for (const char* path :
       {"/deployments/live/invocations", "/deployments/regressor/invocations", "/invocations"}) {
    const Response response = invoke(path);
    EXPECT_EQ(response.body, kAnswer) << path;
    const auto id = serving::read_prediction_id(response.headers.get("X-Slipway-Prediction-Id"));
    ASSERT_TRUE(id) << path;
    const auto logged = deployed_.logged(*id);
    ASSERT_EQ(logged.size(), 1u);
    EXPECT_EQ(logged[0].prediction.rows, 2u);
    EXPECT_EQ(logged[0].layout.columns.at(0).name, "temp");
    EXPECT_EQ(logged[0].prediction.cells.at(0), 0.5f);
  }
  EXPECT_EQ(call(Method::kGet, "/ping").status, 200);
  EXPECT_FALSE(invoke("/deployments/three/invocations").headers.has("X-Slipway-Prediction-Id"));
}

TEST_F(DeployedScoringTest, SeveralDeploymentsHaveToBeNamed) {
  deploy("live");
  deploy("trial");
  EXPECT_EQ(invoke("/deployments/trial/invocations").body, kAnswer);
  const Response bare = invoke("/invocations");
  EXPECT_EQ(bare.status, 400);
  EXPECT_NE(bare.body.find("there are several deployments: live, trial"), std::string::npos)
      << bare.body;
  EXPECT_EQ(invoke("/deployments/regressor/invocations").status, 400);
}

TEST_F(ScoringTest, KeysAreEnoughWhereFeaturesAreLookedUp) {
  const auto& folder = folder_;
  serving::write_stump(folder / "model", "1", "2");
  source_.add("bikes", folder / "model");
  ASSERT_TRUE(write_file_quick(folder / "view.yaml",
                               "kind: feature_view\nname: stations\nentity: {station: string}\n"
                               "source: {file: rows.csv, event_time: ts}\n"
                               "features: {x: float64}\n")
                  .ok());
  ASSERT_TRUE(
      write_file_quick(folder / "rows.csv", "station,ts,x\nnorth,2011-04-30T00:00:00Z,5\n").ok());
  features::Service features(folder / "features", metrics_);
  ASSERT_TRUE(features.materialize(folder, "view.yaml", 1'304'208'000'000'000).ok());
  serving::DeploymentsOptions options;
  options.features = &features;
  serving::DeployedForTest looking(serving_, clock_, metrics_, options);
  mount_scoring(router_, serving_, *looking, {});
  serving_.start();
  delivery::DeploymentRoute route;
  route.deployment = "live";
  route.model = "bikes";
  route.stable = 1;
  route.features = "stations";
  ASSERT_TRUE(looking.apply(route).ok());
  const Response response = invoke(
      "/deployments/live/invocations",
      R"({"dataframe_records": [{"station": "north", "y": 1}, {"station": "south", "y": 1}]})");
  EXPECT_EQ(response.body, R"({"predictions": [1.0, 2.0]})");
  const auto id = serving::read_prediction_id(response.headers.get("X-Slipway-Prediction-Id"));
  EXPECT_EQ(looking.logged(id.value()).at(0).prediction.cells.at(0), 5);
  EXPECT_EQ(
      invoke("/deployments/live/invocations", R"({"dataframe_records": [{"station": "north"}]})")
          .status,
      400);
}

TEST_F(DeployedScoringTest, HeadersSayKeyAndTime) {
  deploy("live");
  const auto match = router_.match(Method::kPost, "/deployments/live/invocations");
  const auto ask = [&](const char* time) {
    http::Request request;
    request.method = Method::kPost;
    request.body = kBody;
    request.captures = match.captures;
    request.headers.add("Content-Type", "application/json");
    request.headers.add("X-Slipway-Event-Time", time);
    request.headers.add("X-Slipway-Key", "user 7");
    request.headers.add("X-Request-Id", "mine");
    auto caught = std::make_shared<Caught>();
    match.entry->run(std::move(request), http::Reply(caught, match.entry->errors));
    return caught->wait();
  };
  const Response response = ask("2011-05-01T00:00:00Z");
  const auto id = serving::read_prediction_id(response.headers.get("X-Slipway-Prediction-Id"));
  ASSERT_TRUE(id) << response.body;
  const serving::Prediction kept = deployed_.logged(*id).at(0).prediction;
  EXPECT_EQ(kept.event_time_ms, 1'304'208'000'000);
  EXPECT_NE(kept.key_hash, 0u);
  EXPECT_EQ(kept.client_id, "mine");
  EXPECT_EQ(ask("noon").status, 400);
}

}  // namespace
}  // namespace slipway::mlflow
