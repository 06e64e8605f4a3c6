#include "dialects/oip/oip.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <optional>

#include "base/file.h"
#include "base/ids.h"
#include "dialects/oip/infer.h"
#include "domain/serving/serving_testing.h"
#include "domain/serving/table.h"
#include "io/http/compress.h"
#include "io/wire/json.h"

namespace slipway::oip {
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

std::string floats(std::initializer_list<float> values) {
  std::string bytes;
  for (const float value : values)
    bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
  return bytes;
}

class OipTest : public testing::Test {
 protected:
  OipTest()
      : router_(&http::render_plain_error),
        serving_(source_, clock_, metrics_),
        deployed_(serving_, clock_, metrics_) {
    for (const char* name : {"regressor", "binary", "three", "unsigned", "booster"}) {
      source_.add(name, serving::scoring_models() / name);
    }
    source_.alias("regressor", "champion",
                  source_.add("regressor", serving::scoring_models() / "regressor"));
    mount(router_, serving_, *deployed_);
    serving_.start();
  }
  ~OipTest() override { serving_.stop(); }

  Response call(Method method, const std::string& path, std::string body = "",
                const http::Headers& headers = {}) {
    const auto match = router_.match(method, path);
    http::Request request;
    request.method = method;
    request.path = path;
    request.body = std::move(body);
    request.headers = headers;
    if (!match.entry) return router_.no_match(request, match.wrong_method);
    request.captures = match.captures;
    auto caught = std::make_shared<Caught>();
    match.entry->run(std::move(request), http::Reply(caught, match.entry->errors));
    return caught->wait();
  }
  Response get(const std::string& path) { return call(Method::kGet, path); }
  Response infer(const std::string& model, std::string body) {
    return call(Method::kPost, "/v2/models/" + model + "/infer", std::move(body));
  }
  Response infer_binary(const std::string& model, const std::string& json,
                        const std::string& tensors, const std::string& header_length = "") {
    http::Headers headers;
    headers.add("inference-header-content-length",
                header_length.empty() ? std::to_string(json.size()) : header_length);
    return call(Method::kPost, "/v2/models/" + model + "/infer", json + tensors, headers);
  }
  /// Waits until the loader has looked into every version: it does so between its other jobs.
  void wait_for_checks() {
    while (!serving::waiting(*serving_.table(), 1).empty() || !serving_.started())
      (void)serving::find_now(serving_, "nobody", "");
  }
  /// "400 the message"
  static std::string error_of(const Response& response) {
    auto json = wire::parse(response.body);
    const wire::Json* error = json.ok() ? json->find("error") : nullptr;
    return std::to_string(response.status) + " " +
           (error && error->is_string() ? error->as_string() : "no error: " + response.body);
  }

  serving::FolderSource source_;
  SystemClock clock_;
  Metrics metrics_;
  http::Router router_;
  serving::Serving serving_;
  serving::DeployedForTest deployed_;
};

constexpr char kRow[] =
    R"({"inputs":[{"name":"input-0","shape":[1,3],"datatype":"FP32","data":[0.5,1.5,7]}]})";

TEST_F(OipTest, HealthIsToldWithABody) {
  EXPECT_EQ(get("/v2/health/live").body, "{\"live\":true}");
  ASSERT_TRUE(serving::find_now(serving_, "regressor", "").ok());
  EXPECT_EQ(get("/v2/health/ready").body, "{\"ready\":true}");
  delivery::DeploymentRoute down;  // its version should serve, and can't be loaded
  down.deployment = "live";
  down.model = "regressor";
  down.is_down = true;
  down.revision = 1;
  ASSERT_TRUE(deployed_.apply(down).ok());
  EXPECT_EQ(get("/v2/health/ready").body, "{\"ready\":false}");
  EXPECT_EQ(get("/v2/health/ready").status, 400);
}

TEST_F(OipTest, ServerMetadataNamesWhatIsImplemented) {
  const Response response = get("/v2");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body.find("{\"name\":\"slipway\",\"version\":"), 0u) << response.body;
  EXPECT_NE(response.body.find("\"extensions\":[\"binary_tensor_data\",\"parameters\"]"),
            std::string::npos);
}

TEST_F(OipTest, UnknownPathsAndMethods) {
  EXPECT_EQ(error_of(get("/v2/nothing/here/at/all")), "404 Not Found");
  EXPECT_EQ(error_of(get("/v2/models/regressor/infer")), "405 Method Not Allowed");
  EXPECT_EQ(error_of(get("/v2/models/regressor/versions/abc/ready")), "404 Not Found");
}

TEST_F(OipTest, ModelMetadata) {
  EXPECT_EQ(
      get("/v2/models/regressor/versions/2").body,
      R"({"name":"regressor","versions":["2"],"platform":"xgboost_ubj","inputs":[{"name":"input-0","datatype":"FP32","shape":[-1,3]}],"outputs":[{"name":"predict","datatype":"FP32","shape":[-1,1]}],"parameters":{"default_version":"2","columns":[{"name":"temp","type":"double","required":true},{"name":"wind","type":"float","required":true},{"name":"hour","type":"long","required":true}]}})");
  EXPECT_EQ(
      get("/v2/models/three").body,
      R"({"name":"three","versions":["1"],"platform":"xgboost_ubj","inputs":[{"name":"input-0","datatype":"FP32","shape":[-1,3]}],"outputs":[{"name":"predict","datatype":"INT64","shape":[-1,1]},{"name":"predict_proba","datatype":"FP32","shape":[-1,3]}],"parameters":{"default_version":"1","columns":[{"name":"temp","type":"double","required":true},{"name":"wind","type":"float","required":true},{"name":"hour","type":"long","required":true}]}})");
}

TEST_F(OipTest, MetadataOfAModelThatNamesNoColumnsListsNone) {
  const std::string body = get("/v2/models/unsigned").body;
  EXPECT_NE(body.find(R"("parameters":{"default_version":"1","columns":[]})"), std::string::npos)
      << body;
}

TEST_F(OipTest, MetadataListsTheVersionsThatAnswer) {
  ASSERT_EQ(get("/v2/models/regressor").status, 200);
  wait_for_checks();
  EXPECT_NE(get("/v2/models/regressor").body.find(R"("versions":["1","2"])"), std::string::npos);
}

TEST_F(OipTest, ModelReadiness) {
  EXPECT_EQ(get("/v2/models/regressor/ready").body, "{\"name\":\"regressor\",\"ready\":true}");
  EXPECT_EQ(error_of(get("/v2/models/regressor/versions/9/ready")), "400 Model version not ready");
}

TEST_F(OipTest, OneRowOfJson) {
  const Response response = infer("regressor", kRow);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("Content-Type"), "application/json");
  EXPECT_EQ(
      response.body,
      R"({"model_name":"regressor","model_version":"2","outputs":[{"name":"predict","datatype":"FP32","shape":[1,1],"data":[0.98829436]}]})");
}

TEST_F(OipTest, AnAliasAndAVersionInThePath) {
  for (const char* version : {"1", "2", "@champion"}) {
    const auto response = call(
        Method::kPost, std::string("/v2/models/regressor/versions/") + version + "/infer", kRow);
    EXPECT_EQ(response.status, 200) << response.body;
  }
}

TEST_F(OipTest, TheIdComesBack) {
  const Response response = infer(
      "regressor",
      R"({"id":"a\"b","inputs":[{"name":"input-0","shape":[1,3],"datatype":"FP32","data":[[0.5,1.5,7]]}]})");
  EXPECT_EQ(response.body.find("{\"id\":\"a\\\"b\",\"model_name\""), 0u) << response.body;
}

TEST_F(OipTest, DataMayComeBeforeShapeAndDatatype) {
  const Response response = infer(
      "regressor",
      R"({"inputs":[{"data":[[0.5,1.5],[7]],"datatype":"FP32","shape":[1,3],"name":"input-0"}]})");
  EXPECT_NE(response.body.find("[0.98829436]"), std::string::npos) << response.body;
}

TEST_F(OipTest, AClassifierAnswersLabelAndProbabilities) {
  const Response response = infer("three", kRow);
  EXPECT_NE(
      response.body.find(
          R"({"name":"predict","datatype":"INT64","shape":[1,1],"data":[2]},{"name":"predict_proba","datatype":"FP32","shape":[1,3],"data":[)"),
      std::string::npos)
      << response.body;
}

TEST_F(OipTest, OnlyTheOutputsAskedFor) {
  const Response response = infer(
      "binary",
      R"({"inputs":[{"name":"input-0","shape":[1,3],"datatype":"FP32","data":[0.5,1.5,7]}],"outputs":[{"name":"predict_proba"}]})");
  EXPECT_EQ(response.body.find("INT64"), std::string::npos);
  EXPECT_NE(response.body.find("predict_proba"), std::string::npos);
}

TEST_F(OipTest, MissingCellsAreNan) {
  const Response response = infer(
      "regressor",
      R"({"inputs":[{"name":"input-0","shape":[1,3],"datatype":"FP32","data":[NaN,1.5,7]}]})");
  EXPECT_NE(response.body.find("[1.7368779]"), std::string::npos) << response.body;
  EXPECT_EQ(
      infer(
          "regressor",
          R"({"inputs":[{"name":"input-0","shape":[1,3],"datatype":"FP32","data":[Infinity,-Infinity,7]}]})")
          .status,
      200);
}

TEST_F(OipTest, BinaryInAndOut) {
  const std::string json =
      R"({"inputs":[{"name":"input-0","shape":[1,3],"datatype":"FP32","parameters":{"binary_data_size":12}}],"parameters":{"binary_data_output":true}})";
  const Response response = infer_binary("regressor", json, floats({0.5f, 1.5f, 7.0f}));
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.headers.get("Content-Type"), "application/octet-stream");
  const std::size_t length =
      std::stoul(std::string(response.headers.get("Inference-Header-Content-Length")));
  ASSERT_EQ(response.body.size(), length + 4);
  EXPECT_EQ(
      response.body.substr(0, length),
      R"({"model_name":"regressor","model_version":"2","outputs":[{"name":"predict","datatype":"FP32","shape":[1,1],"parameters":{"binary_data_size":4}}]})");
  float value = 0;
  std::memcpy(&value, response.body.data() + length, 4);
  EXPECT_EQ(value, 0.98829436f);
}

TEST_F(OipTest, AListedOutputSaysItselfWhetherItIsBinary) {
  const std::string json =
      R"({"inputs":[{"name":"input-0","shape":[1,3],"datatype":"FP32","data":[0.5,1.5,7]}],"parameters":{"binary_data_output":true},"outputs":[{"name":"predict"}]})";
  EXPECT_NE(infer("regressor", json).body.find("\"data\":[0.98829436]"), std::string::npos);
}

TEST_F(OipTest, ARawBodyIsTheOnlyInput) {
  const Response response =
      infer_binary("regressor", "", floats({0.5f, 1.5f, 7.0f, -1.25f, 0.1f, 23.0f}), "0");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_NE(response.body.find("\"shape\":[2,1]"), std::string::npos);
}

TEST_F(OipTest, CompressedBothWays) {
  std::string rows = "[0.5,1.5,7]";
  for (int i = 1; i < 300; ++i) rows += ",[0.5,1.5,7]";
  const std::string body =
      R"({"inputs":[{"name":"input-0","shape":[300,3],"datatype":"FP32","data":[)" + rows + "]}]}";
  http::Headers headers;
  headers.add("Content-Encoding", "gzip");
  headers.add("Accept-Encoding", "deflate");
  const Response response = call(Method::kPost, "/v2/models/regressor/infer",
                                 http::compress(http::Coding::kGzip, body), headers);
  ASSERT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.get("Content-Encoding"), "deflate");
  auto plain = http::decompress(http::Coding::kDeflate, response.body, 10'000);
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(*plain, infer("regressor", body).body);
}

TEST_F(OipTest, OtherCodingsAreRefused) {
  http::Headers headers;
  headers.add("Content-Encoding", "br");
  const Response response = call(Method::kPost, "/v2/models/regressor/infer", kRow, headers);
  EXPECT_EQ(response.status, 501);
  EXPECT_EQ(response.headers.get("Accept-Encoding"), "gzip, deflate");
}

TEST_F(OipTest, NoRowsGiveNoValues) {
  const std::string json =
      R"({"inputs":[{"name":"input-0","shape":[0,3],"datatype":"FP32","data":[]}],"parameters":{"binary_data_output":true}})";
  const Response response = infer("regressor", json);
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.headers.has("Inference-Header-Content-Length"));
  EXPECT_NE(response.body.find("\"binary_data_size\":0"), std::string::npos) << response.body;
}

TEST_F(OipTest, EachColumnMayBeATensorOfItsOwn) {
  const Response response = infer(
      "regressor",
      R"({"inputs":[{"name":"hour","shape":[1],"datatype":"INT64","data":[7]},{"name":"temp","shape":[1,1],"datatype":"FP64","data":[0.5]},{"name":"wind","shape":[1,1],"datatype":"FP32","data":[1.5]}]})");
  EXPECT_NE(response.body.find("[0.98829436]"), std::string::npos) << response.body;
}

TEST_F(OipTest, ManyRowsGoToAScorerAndAgree) {
  std::string rows;
  for (int i = 0; i < 20'000; ++i) rows += i ? ",[0.5,1.5,7]" : "[0.5,1.5,7]";
  const Response response = infer(
      "regressor", R"({"inputs":[{"name":"input-0","shape":[20000,3],"datatype":"FP32","data":[)" +
                       rows + "]}]}");
  ASSERT_EQ(response.status, 200) << response.body.substr(0, 200);
  std::size_t found = 0;
  for (std::size_t at = response.body.find("0.98829436"); at != std::string::npos;
       at = response.body.find("0.98829436", at + 1)) {
    ++found;
  }
  EXPECT_EQ(found, 20'000u);
}

TEST_F(OipTest, TheIndexTellsWhatServesAndWhyNot) {
  source_.add("broken", "/nonexistent");
  serving_.refresh();
  EXPECT_FALSE(serving::find_now(serving_, "broken", "1").ok());
  wait_for_checks();
  const Response response = call(Method::kPost, "/v2/repository/index");
  for (
      const char* entry :
      {R"({"name":"regressor","version":"2","state":"READY","reason":"","parameters":{"is_default":true,"loaded":true}})",
       R"({"name":"regressor","version":"1","state":"READY","reason":"loads when first asked","parameters":{"is_default":false,"loaded":false}})"}) {
    EXPECT_NE(response.body.find(entry), std::string::npos) << entry << "\n" << response.body;
  }
  EXPECT_NE(
      response.body.find(R"({"name":"broken","version":"1","state":"UNAVAILABLE","reason":")"),
      std::string::npos);
  const Response ready = call(Method::kPost, "/v2/repository/index", "{\"ready\":true}");
  EXPECT_EQ(ready.body.find("broken"), std::string::npos);
}

TEST_F(OipTest, WhatNeverServesIsNotCalledTemporary) {
  source_.add("broken", "/nonexistent");
  const Response broken = infer("broken", kRow);
  EXPECT_EQ(error_of(broken).substr(0, 20), "500 model 'broken': ") << broken.body;
  const auto folder = std::filesystem::path(testing::TempDir()) / "oip_test_dart";
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "MLmodel") << "flavors:\n  xgboost:\n    data: model.ubj\n";
  std::filesystem::copy_file("tests/data/xgboost/refused_dart.v3.ubj", folder / "model.ubj",
                             std::filesystem::copy_options::overwrite_existing);
  source_.add("dart", folder);
  EXPECT_EQ(error_of(infer("dart", kRow)),
            "501 model 'dart': XGBoost model: booster 'dart' is not supported, only gbtree");
}

TEST_F(OipTest, ListsModels) {
  ASSERT_TRUE(serving::find_now(serving_, "regressor", "").ok());
  EXPECT_EQ(get("/v2/models").body,
            R"({"models":["binary","booster","regressor","three","unsigned"]})");
}

/// A model "bikes" of columns x and y: version N says N, but 2 is not finite from 10 on.
class DeployedTest : public OipTest {
 protected:
  DeployedTest() {
    for (const char* high : {"1", "NaN", "3"}) {
      const auto number = std::to_string(++versions_);
      serving::write_stump(folder_ / number, number, high);
      source_.add("bikes", folder_ / number);
    }
    source_.alias("bikes", "next", "2");
    serving_.refresh();
  }
  ~DeployedTest() override { std::filesystem::remove_all(folder_); }

  void deploy(std::int64_t stable, std::int64_t candidate = 0,
              delivery::Mode mode = delivery::Mode::kStableOnly, double percent = 0,
              const std::string& name = "bikes-live") {
    delivery::DeploymentRoute route;
    route.deployment = name;
    route.model = "bikes";
    route.stable = stable;
    route.candidate = candidate;
    route.mode = mode;
    route.percent = percent;
    route.salt = "salt";
    route.rollout = candidate == 0 ? "" : "rollout-1";
    route.step_id = "step-1";
    route.revision = ++revision_;
    const Result<> applied = deployed_.apply(std::move(route));
    ASSERT_TRUE(applied.ok()) << applied.error().message;
  }
  static std::string body(const std::string& x, const std::string& parameters = "") {
    const std::string extra = parameters.empty() ? "" : R"("parameters":{)" + parameters + "},";
    return R"({"id":"mine",)" + extra +
           R"("inputs":[{"name":"input-0","shape":[1,2],"datatype":"FP32","data":[)" + x + ",0]}]}";
  }
  static serving::PredictionId id_of(const Response& response) {
    auto id = serving::read_prediction_id(response.headers.get("X-Slipway-Prediction-Id"));
    EXPECT_TRUE(id) << response.status << " " << response.body;
    return id.value_or(serving::PredictionId());
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("oip_deployed_" + random_hex32());
  int versions_ = 0;
  std::int64_t revision_ = 0;
};

TEST_F(DeployedTest, ColumnsWithoutASignatureHaveNoType) {
  const std::string body = get("/v2/models/bikes/versions/1").body;
  EXPECT_NE(body.find(R"("columns":[{"name":"x","required":true},{"name":"y","required":true}])"),
            std::string::npos)
      << body;
}

TEST_F(DeployedTest, TheAnswerSaysWhichPredictionItIsAndTheLogKnowsIt) {
  deploy(1);
  const Response response =
      infer("bikes-live", body("0", R"("event_time":"2011-05-01T00:00:00Z")"));
  ASSERT_EQ(response.status, 200) << response.body;
  const serving::PredictionId id = id_of(response);
  EXPECT_EQ(
      response.body,
      R"({"id":"mine","model_name":"bikes-live","model_version":"1","parameters":{"prediction_id":")" +
          id.text() +
          R"("},"outputs":[{"name":"predict","datatype":"FP32","shape":[1,1],"data":[1.0]}]})");
  EXPECT_EQ(response.headers.get("X-Slipway-Route"),
            "bikes-live; version=1; role=stable; step=step-1");
  const std::vector<serving::Answer> logged = deployed_.logged(id);
  ASSERT_EQ(logged.size(), 1u);
  EXPECT_EQ(logged[0].prediction.event_time_ms, 1'304'208'000'000);
  EXPECT_EQ(logged[0].prediction.client_id, "mine");
  EXPECT_EQ(logged[0].prediction.cells, (std::vector<float>{0, 0}));
  EXPECT_EQ(logged[0].prediction.outputs, std::vector<float>{1});
}

TEST_F(DeployedTest, TheModelsNameMeansItsDeployment) {
  deploy(1);
  EXPECT_EQ(id_of(infer("bikes", body("0"))).deployment, "bikes-live");
  EXPECT_EQ(infer("regressor", kRow).headers.has("X-Slipway-Prediction-Id"), false);
}

TEST_F(DeployedTest, TheKeySticksWhereverItStands) {
  deploy(1, 3, delivery::Mode::kCanary, 50);
  bool both[2] = {false, false};
  for (int user = 0; user < 40; ++user) {
    const std::string key = "user " + std::to_string(user);
    const Response first = infer("bikes-live", body("0", R"("slipway_key":")" + key + "\""));
    http::Headers headers;
    headers.add("x-slipway-key", key);
    const Response second = call(Method::kPost, "/v2/models/bikes-live/infer", body("0"), headers);
    EXPECT_EQ(first.headers.get("X-Slipway-Route"), second.headers.get("X-Slipway-Route"));
    both[first.body.find(R"("model_version":"3")") != std::string::npos] = true;
    EXPECT_EQ(deployed_.logged(id_of(first)).at(0).prediction.key_hash,
              deployed_.logged(id_of(second)).at(0).prediction.key_hash);
  }
  EXPECT_TRUE(both[0] && both[1]);
}

TEST_F(DeployedTest, ATimeThatIsNoneIsTheCallersMistake) {
  deploy(1);
  EXPECT_EQ(error_of(infer("bikes-live", body("0", R"("event_time":"noon")"))),
            "400 found 'noon' as event_time, expected a time such as 2026-01-31T10:30:00Z or "
            "milliseconds since 1970, of the years 1970 to 9999");
  EXPECT_EQ(infer("bikes-live", body("0", R"("event_time":1304208000000)")).status, 200);
  // Where nobody deployed anything it is a parameter like any other.
  EXPECT_EQ(infer("three", R"({"parameters":{"event_time":"noon"},)" + std::string(kRow).substr(1))
                .status,
            200);
}

TEST_F(DeployedTest, OnlyVersionsThatTheRolloutHasLoadedServe) {
  deploy(1, 3, delivery::Mode::kShadow, 100);
  for (const char* name : {"bikes", "bikes-live"}) {
    const std::string base = std::string("/v2/models/") + name + "/versions/";
    EXPECT_EQ(call(Method::kPost, base + "1/infer", body("0")).status, 200);
    EXPECT_EQ(call(Method::kPost, base + "3/infer", body("0")).status, 200);
    const std::string told = std::string(
        " is not at ready state: the rollout of deployment bikes-live has not loaded "
        "version 2 of model bikes: version 1 serves, 3 is tried");
    EXPECT_EQ(error_of(call(Method::kPost, base + "2/infer", body("0"))),
              "409 Request for unknown model: '" + std::string(name) + "' version 2" + told);
    EXPECT_EQ(error_of(call(Method::kPost, base + "@next/infer", body("0"))),
              "409 Request for unknown model: '" + std::string(name) + "' version @next" + told);
    EXPECT_EQ(call(Method::kGet, base + "2").status, 409);
    EXPECT_EQ(call(Method::kGet, base + "3").status, 200);
    EXPECT_EQ(error_of(call(Method::kGet, base + "2/ready")), "400 Model version not ready");
    EXPECT_EQ(call(Method::kGet, base + "1/ready").status, 200);
  }
}

TEST_F(DeployedTest, ADeploymentWithoutAVersionIsNotReady) {
  deploy(0);
  EXPECT_EQ(error_of(infer("bikes-live", body("0"))),
            "503 Request for unknown model: 'bikes-live' is not at ready state: deployment "
            "bikes-live serves no version yet; register a version of model bikes, and it will once "
            "it has passed its gates; `slipway gates show bikes-live` says what they found");
  EXPECT_EQ(get("/v2/models/bikes-live/ready").status, 400);
  EXPECT_EQ(get("/v2/models/bikes/ready").status, 400);  // the model has a deployment
}

TEST_F(DeployedTest, MetadataAndIndexSayWhatTheDeploymentServes) {
  deploy(1, 3, delivery::Mode::kShadow, 100);
  const std::string described = get("/v2/models/bikes-live").body;
  EXPECT_NE(described.find(R"("name":"bikes-live","versions":["1","3"])"), std::string::npos)
      << described;
  EXPECT_NE(described.find(R"("parameters":{"default_version":"1","deployment":"bikes-live")"),
            std::string::npos)
      << described;
  wait_for_checks();
  const std::string index = call(Method::kPost, "/v2/repository/index").body;
  for (
      const char* entry :
      {R"({"name":"bikes-live","version":"1","state":"READY","reason":"","parameters":{"is_default":true,"loaded":true}})",
       R"({"name":"bikes","version":"2","state":"UNAVAILABLE","reason":"not loaded by the rollout of deployment bikes-live","parameters":{"is_default":false,"loaded":false}})",
       R"({"name":"bikes","version":"3","state":"READY","reason":"candidate of a rollout","parameters":{"is_default":false,"loaded":true}})"}) {
    EXPECT_NE(index.find(entry), std::string::npos) << entry << "\n" << index;
  }
  EXPECT_NE(get("/v2/models").body.find(R"("bikes","bikes-live","binary")"), std::string::npos);
}

TEST_F(DeployedTest, TheIndexSaysOfAVersionThatNoRolloutCouldLoadWhy) {
  std::filesystem::create_directories(folder_ / "4");
  std::ofstream(folder_ / "4" / "MLmodel") << "flavors:\n  sklearn:\n    pickled_model: m\n";
  source_.add("bikes", folder_ / "4");
  serving_.refresh();
  deploy(1);
  wait_for_checks();
  const std::string index = call(Method::kPost, "/v2/repository/index").body;
  EXPECT_NE(
      index.find(
          R"({"name":"bikes","version":"4","state":"UNAVAILABLE","reason":"not servable yet: flavour sklearn",)"),
      std::string::npos)
      << index;
}

TEST_F(DeployedTest, AnAnswerThatIsNotFiniteIsAnErrorAndKept) {
  deploy(2);
  const Response response = infer("bikes-live", body("20"));
  EXPECT_EQ(error_of(response), "500 the model's answer is not finite");
  EXPECT_EQ(deployed_.logged(id_of(response)).at(0).prediction.status, 500);
}

TEST_F(DeployedTest, ACanaryThatIsNotFiniteIsReplacedByTheStableVersion) {
  deploy(1, 2, delivery::Mode::kCanary, 100);
  const Response response = infer("bikes-live", body("20"));
  EXPECT_EQ(response.status, 200);
  EXPECT_NE(response.body.find(R"("model_version":"1")"), std::string::npos) << response.body;
  EXPECT_EQ(response.headers.get("X-Slipway-Route"),
            "bikes-live; version=1; role=stable; step=step-1");
  EXPECT_EQ(deployed_->counters().at(0)->counts().candidate.errors, 1);
}

TEST_F(DeployedTest, ACandidateThatTakesOtherInputsFailsTheTrialAndNotTheCaller) {
  const std::string other = source_.add("bikes", serving::scoring_models() / "regressor");
  serving_.refresh();
  deploy(1, std::stoll(other), delivery::Mode::kCanary, 100);
  const Response response = infer("bikes-live", body("0"));
  EXPECT_EQ(response.status, 200) << response.body;
  const delivery::StepCounts counts = deployed_->counters().at(0)->counts();
  EXPECT_EQ(counts.candidate.errors, 1);
  EXPECT_EQ(counts.stable.requests, 0);
  // What no version can read is the caller's mistake, and nobody's error.
  EXPECT_EQ(infer("bikes-live", R"({"inputs":[]})").status, 400);
  EXPECT_EQ(deployed_->counters().at(0)->counts().candidate.requests, 1);
}

TEST_F(DeployedTest, ABatchOnAScorerThreadIsOnePredictionWithRows) {
  deploy(1);
  std::string rows = "0,0";
  for (int i = 1; i < 20'000; ++i) rows += ",0,0";
  const Response response = infer(
      "bikes-live", R"({"inputs":[{"name":"input-0","shape":[20000,2],"datatype":"FP32","data":[)" +
                        rows + "]}]}");
  ASSERT_EQ(response.status, 200);
  const std::vector<serving::Answer> logged = deployed_.logged(id_of(response));
  ASSERT_EQ(logged.size(), 1u);
  EXPECT_EQ(logged[0].prediction.rows, 20'000u);
  EXPECT_EQ(logged[0].prediction.cells.size(), 40'000u);
}

TEST_F(DeployedTest, BinaryAnswersCarryTheIdToo) {
  deploy(1);
  const std::string json =
      R"({"inputs":[{"name":"input-0","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}}],"parameters":{"binary_data_output":true}})";
  const Response response = infer_binary("bikes-live", json, floats({0.0f, 0.0f}));
  EXPECT_NE(response.body.find(R"("parameters":{"prediction_id":"bikes-live.)"), std::string::npos);
  const std::string raw(infer_binary("bikes-live", "", floats({0.0f, 0.0f}), "0").body);
  EXPECT_NE(raw.find("prediction_id"), std::string::npos);
}

/// The same models, with x looked up by station.
class LookedUpTest : public OipTest {
 protected:
  LookedUpTest() {
    serving::write_stump(folder_ / "model", "1", "2");
    source_.add("bikes", folder_ / "model");
    serving_.refresh();
    write("view.yaml",
          "kind: feature_view\nname: stations\nentity: {station: int64, kind: string}\n"
          "source: {file: rows.csv, event_time: ts}\nfeatures: {x: float64}\n");
    write("rows.csv", "station,kind,ts,x\n9007199254740993,dock,2011-04-30T00:00:00Z,5\n");
    EXPECT_TRUE(features_.materialize(folder_, "view.yaml", 1'304'208'000'000'000).ok());
    serving::DeploymentsOptions options;
    options.features = &features_;
    looking_.emplace(serving_, clock_, metrics_, options);
    mount(looking_router_, serving_, **looking_);
    delivery::DeploymentRoute route;
    route.deployment = "live";
    route.model = "bikes";
    route.stable = 1;
    route.features = "stations";
    EXPECT_TRUE(looking_->apply(route).ok());
  }
  ~LookedUpTest() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) {
    EXPECT_TRUE(write_file_quick(folder_ / name, text).ok());
  }
  Response ask(std::string body, const std::string& json_bytes = "") {
    const auto match = looking_router_.match(Method::kPost, "/v2/models/live/infer");
    http::Request request;
    request.method = Method::kPost;
    request.body = std::move(body);
    request.captures = match.captures;
    if (!json_bytes.empty()) request.headers.add("Inference-Header-Content-Length", json_bytes);
    auto caught = std::make_shared<Caught>();
    match.entry->run(std::move(request), http::Reply(caught, match.entry->errors));
    return caught->wait();
  }

  const std::filesystem::path folder_ =
      std::filesystem::path(testing::TempDir()) / ("oip_features_" + random_hex32());
  features::Service features_{folder_ / "features", metrics_};
  http::Router looking_router_{&http::render_plain_error};
  std::optional<serving::DeployedForTest> looking_;
};

TEST_F(LookedUpTest, KeysAreEnough) {
  const Response response = ask(
      R"({"inputs":[{"name":"station","shape":[2],"datatype":"INT64","data":[9007199254740993,7]},)"
      R"({"name":"kind","shape":[2,1],"datatype":"BYTES","data":["dock","dock"]},)"
      R"({"name":"y","shape":[2],"datatype":"FP32","data":[0.5,0.5]}]})");
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_NE(response.body.find(R"("data":[1.0,2.0])"), std::string::npos) << response.body;
  const auto id = serving::read_prediction_id(response.headers.get("X-Slipway-Prediction-Id"));
  const auto logged = looking_->logged(id.value());
  ASSERT_EQ(logged.size(), 1u);
  EXPECT_EQ(logged[0].prediction.cells.at(0), 5);  // the value that was used
  EXPECT_EQ(logged[0].prediction.cells.at(1), 0.5f);
  EXPECT_TRUE(std::isnan(logged[0].prediction.cells.at(2)));
  EXPECT_TRUE(logged[0].layout.columns.at(0).looked_up);
}

TEST_F(LookedUpTest, BinaryKeysAreEnoughToo) {
  const std::string json =
      R"({"inputs":[{"name":"station","shape":[1],"datatype":"INT64","parameters":{"binary_data_size":8}},)"
      R"({"name":"kind","shape":[1],"datatype":"BYTES","parameters":{"binary_data_size":8}},)"
      R"({"name":"y","shape":[1],"datatype":"FP32","parameters":{"binary_data_size":4}}]})";
  const std::int64_t station = 9'007'199'254'740'993;
  const std::string tensors = std::string(reinterpret_cast<const char*>(&station), 8) +
                              std::string("\4\0\0\0dock", 8) + floats({0.5f});
  const Response response = ask(json + tensors, std::to_string(json.size()));
  EXPECT_NE(response.body.find(R"("data":[1.0])"), std::string::npos) << response.body;
}

TEST_F(LookedUpTest, WholeRowsAreTakenAsTheyAre) {
  const Response response =
      ask(R"({"inputs":[{"name":"input-0","shape":[1,2],"datatype":"FP32","data":[20,0]}]})");
  EXPECT_NE(response.body.find(R"("data":[2.0])"), std::string::npos) << response.body;
}

TEST_F(LookedUpTest, MistakesAreTold) {
  EXPECT_EQ(
      error_of(
          ask(R"({"id":"7","inputs":[{"name":"station","shape":[1],"datatype":"INT64","data":[7]},)"
              R"({"name":"kind","shape":[1],"datatype":"BYTES","data":["dock"]}]})")),
      "400 [request id: 7] column 'y' is neither sent nor a feature of stations");
  EXPECT_EQ(
      error_of(ask(R"({"inputs":[{"name":"station","shape":[1],"datatype":"FP64","data":[1.5]},)"
                   R"({"name":"kind","shape":[1],"datatype":"BYTES","data":["dock"]},)"
                   R"({"name":"y","shape":[1],"datatype":"FP32","data":[0]}]})")),
      "400 [request id: <id_unknown>] row 0: found '1.5' for 'station', expected int64");
}

struct Mistake {
  const char* name;
  const char* body;
  const char* answer;
};
void PrintTo(const Mistake& mistake, std::ostream* out) {
  *out << mistake.name;
}
class OipRefuses : public OipTest, public testing::WithParamInterface<Mistake> {};

TEST_P(OipRefuses, InTheWordsOfTheReference) {
  EXPECT_EQ(error_of(infer("regressor", GetParam().body)), GetParam().answer);
}

#define INPUT(rest) "{\"inputs\":[{\"name\":\"input-0\"," rest "}]}"
INSTANTIATE_TEST_SUITE_P(
    Mistakes, OipRefuses,
    testing::Values(
        Mistake{"NoField", INPUT(R"("shape":[1,3],"datatype":"FP32")"),
                "400 Input must set only one of the following fields: 'data', 'binary_data_size' "
                "in 'parameters', "
                "'shared_memory_region' in 'parameters'. But no field is set for input 'input-0'"},
        Mistake{"NegativeShape", INPUT(R"("shape":[-1,3],"datatype":"FP32","data":[1,2,3])"),
                "400 Unable to parse 'shape': attempt to access JSON non-unsigned-integer as "
                "unsigned-integer"},
        Mistake{"TooManyElements",
                INPUT(R"("shape":[4294967296,4294967296],"datatype":"FP32","data":[1])"),
                "400 shape of input 'input-0' causes total element count to exceed maximum size of "
                "9223372036854775807"},
        Mistake{"TooManyBytes",
                INPUT(R"("shape":[4611686018427387904,1],"datatype":"FP32","data":[1])"),
                "400 byte size overflow for input 'input-0'"},
        Mistake{
            "SameInputTwice",
            R"({"id":"7","inputs":[{"name":"x","shape":[1],"datatype":"FP32","data":[1]},{"name":"x","shape":[1],"datatype":"FP32","data":[1]}]})",
            "400 [request id: 7] input 'x' already exists in request"},
        Mistake{
            "SameOutputTwice",
            R"({"inputs":[{"name":"input-0","shape":[1,3],"datatype":"FP32","data":[1,2,3]}],"outputs":[{"name":"predict"},{"name":"predict"}]})",
            "400 [request id: <id_unknown>] output 'predict' already exists in request"},
        Mistake{
            "UnknownOutput",
            R"({"inputs":[{"name":"input-0","shape":[1,3],"datatype":"FP32","data":[1,2,3]}],"outputs":[{"name":"y"}]})",
            "400 [request id: <id_unknown>] unexpected inference output 'y' for model 'regressor'"},
        Mistake{"NoInputs", R"({"inputs":[]})",
                "400 [request id: <id_unknown>] expected 1 inputs but got 0 inputs for model "
                "'regressor'. Got input(s) [], but "
                "missing required input(s) ['input-0']. Please provide all required input(s)."},
        Mistake{
            "UnknownInput",
            R"({"inputs":[{"name":"x","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]})",
            "400 [request id: <id_unknown>] unexpected inference input 'x' for model 'regressor'"},
        Mistake{"LackingColumn",
                R"({"inputs":[{"name":"temp","shape":[1],"datatype":"FP32","data":[1]}]})",
                "400 [request id: <id_unknown>] expected 3 inputs but got 1 inputs for model "
                "'regressor'. Got input(s) "
                "['temp'], but missing required input(s) ['wind','hour']. Please provide all "
                "required input(s)."},
        Mistake{
            "DifferentBatchSizes",
            R"({"inputs":[{"name":"temp","shape":[1],"datatype":"FP32","data":[1]},{"name":"wind","shape":[2],"datatype":"FP32","data":[1,2]},{"name":"hour","shape":[1],"datatype":"FP32","data":[1]}]})",
            "400 [request id: <id_unknown>] input 'wind' batch size does not match other inputs "
            "for 'regressor'"},
        Mistake{"Datatype", INPUT(R"("shape":[1,3],"datatype":"FP64","data":[1,2,3])"),
                "400 [request id: <id_unknown>] inference input 'input-0' data-type is 'FP64', but "
                "model 'regressor' expects "
                "'FP32'"},
        Mistake{"Text", INPUT(R"("shape":[1,3],"datatype":"BYTES","data":["a","b","c"])"),
                "400 [request id: <id_unknown>] inference input 'input-0' data-type is 'BYTES', "
                "but model 'regressor' expects "
                "'FP32'"},
        Mistake{"Shape", INPUT(R"("shape":[1,2],"datatype":"FP32","data":[1,2])"),
                "400 [request id: <id_unknown>] unexpected shape for input 'input-0' for model "
                "'regressor'. Expected [-1,3], "
                "got [1,2]."},
        Mistake{"TooFewElements", INPUT(R"("shape":[1,3],"datatype":"FP32","data":[1,2])"),
                "400 Unable to parse 'data': Shape does not match true shape of 'data' field"},
        Mistake{"HalfPrecision", INPUT(R"("shape":[1,3],"datatype":"FP16","data":[1,2,3])"),
                "400 receiving FP16 data via JSON is not supported. Please use the binary data "
                "format for input input-0"},
        Mistake{"SmallInteger", INPUT(R"("shape":[1],"datatype":"UINT8","data":[300])"),
                "400 Unable to parse 'data': 300 is no UINT8 (element 0 of input 'input-0', "
                "counted from 0)"},
        Mistake{"TextAmongNumbers", INPUT(R"("shape":[1,3],"datatype":"FP32","data":[1,"x",3])"),
                "400 Unable to parse 'data': found a text, expected FP32 (element 1 of input "
                "'input-0', counted from 0)"},
        Mistake{
            "TextAmongNumbersOfANamelessInput",
            R"({"inputs":[{"shape":[1,3],"datatype":"INT32","data":["x",2,3],"name":"input-0"}]})",
            "400 Unable to parse 'data': found a text, expected INT32 (element 0 of input number "
            "1, counted from 0)"},
        Mistake{
            "ReservedParameter",
            R"({"parameters":{"triton_x":1},"inputs":[{"name":"input-0","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]})",
            "400 parameter keys starting with 'triton_' are reserved for Triton usage and should "
            "not be specified."},
        Mistake{"OddParameter", R"({"parameters":{"x":[1]},"inputs":[]})",
                "400 parameter 'x' has invalid type. It should be either 'int', 'bool', 'string', "
                "or 'double'."},
        Mistake{"Syntax", R"({"inputs":[)",
                "400 failed to parse the request JSON buffer: unexpected end at 11"},
        Mistake{"NoObject", "[]", "400 failed to parse the request JSON buffer: expected '{' at 0"},
        Mistake{"Empty", "", "400 failed to parse the request JSON buffer: unexpected end at 0"},
        Mistake{"HugeNumber", INPUT(R"("shape":[1,3],"datatype":"FP32","data":[1e999999,1,1])"),
                "400 failed to parse the request JSON buffer: number too big to be stored in "
                "double at 77"},
        Mistake{
            "SharedMemory",
            INPUT(R"("shape":[1,3],"datatype":"FP32","parameters":{"shared_memory_region":"r"})"),
            "400 shared memory is not supported: input 'input-0'"}),
    [](const testing::TestParamInfo<Mistake>& tested) { return std::string(tested.param.name); });

TEST_F(OipTest, UnknownModelsAndVersions) {
  EXPECT_EQ(error_of(infer("nobody", kRow)),
            "404 Request for unknown model: 'nobody' is not found");
  EXPECT_EQ(error_of(call(Method::kPost, "/v2/models/regressor/versions/9/infer", kRow)),
            "404 Request for unknown model: 'regressor' version 9 is not found");
  EXPECT_EQ(error_of(call(Method::kPost, "/v2/models/regressor/versions/@none/infer", kRow)),
            "404 Request for unknown model: 'regressor' version @none is not found");
}

TEST_F(OipTest, BinarySizesThatLie) {
  const auto json = [](int bytes) {
    return R"({"inputs":[{"name":"input-0","shape":[1,3],"datatype":"FP32","parameters":{"binary_data_size":)" +
           std::to_string(bytes) + "}}]}";
  };
  const std::string tensor = floats({1, 2, 3});
  EXPECT_EQ(error_of(infer_binary("regressor", json(16), tensor)),
            "400 unexpected size for input 'input-0', expecting 4 additional bytes for model "
            "'regressor'");
  EXPECT_EQ(error_of(infer_binary("regressor", json(8), tensor)),
            "400 unexpected additional input data for model 'regressor'");
  EXPECT_EQ(error_of(infer_binary("regressor", json(8), tensor.substr(4))),
            "400 [request id: <id_unknown>] input byte size mismatch for input 'input-0' for model "
            "'regressor'. Expected 12, got 8");
  EXPECT_EQ(error_of(infer_binary("regressor", json(12), tensor, "-1")).substr(0, 54),
            "400 inference header size should be in range (0, 112),");
  EXPECT_EQ(error_of(infer_binary("regressor", json(12), tensor, "999")).substr(0, 51),
            "400 inference header size should be in range (0, 11");
  EXPECT_EQ(error_of(infer_binary("regressor", json(12), tensor, "12x")),
            "400 Unable to parse Inference-Header-Content-Length, got: 12x");
  EXPECT_EQ(infer_binary("regressor", "", "12345", "0").status, 400);
}

TEST_F(OipTest, DeepNestingIsRefused) {
  const std::string deep(1'000'000, '[');
  EXPECT_EQ(infer("regressor", deep).status, 400);
  EXPECT_NE(
      error_of(infer("regressor", "{\"inputs\":[{\"data\":" + deep)).find("nesting is too deep"),
      std::string::npos);
  EXPECT_NE(error_of(infer("regressor", "{\"x\":" + deep)).find("nesting is too deep"),
            std::string::npos);
}

TEST(JsonNumbers, AreReadAsTheStandardLibraryReadsThem) {
  for (const char* text : {"0", "-0", "1", "-1.5", "0.1", "123456789012345678", "9007199254740993",
                           "0.3333333333333333", "1e22", "1e23", "1.7976931348623157e308", "5e-324",
                           "2.2250738585072011e-308", "1e-400", "3.4028235677973366e38",
                           "0.000000000000000000000001", "100000000000000000000.5"}) {
    const std::string body =
        std::string(R"({"inputs":[{"name":"a","shape":[1],"datatype":"FP64","data":[)") + text +
        "]}]}";
    auto request = read_infer_request(body, body.size(), "m");
    ASSERT_TRUE(request.ok()) << text << request.error().message;
    const auto expected = static_cast<float>(std::strtod(text, nullptr));
    EXPECT_EQ(std::memcmp(&request->numbers[0], &expected, sizeof(float)), 0) << text;
  }
}

TEST(JsonNumbers, OfOtherShapesAreRefused) {
  for (const char* text : {"01", "1.", ".5", "+1", "--1", "1e", "0x10", "nan", "-NaN", "1_0", "Inf",
                           "1 2", "\"1\"", "true", ""}) {
    const std::string body =
        std::string(R"({"inputs":[{"name":"a","shape":[1],"datatype":"FP32","data":[)") + text +
        ",1]}]}";
    EXPECT_FALSE(read_infer_request(body, body.size(), "m").ok()) << text;
  }
}

}  // namespace
}  // namespace slipway::oip
