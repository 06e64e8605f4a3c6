#include "app/loop/draw_data.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/file.h"
#include "base/metrics.h"
#include "base/text.h"
#include "domain/serving/prediction_log.h"
#include "io/db/db_testing.h"

namespace slipway::app {
namespace {

using serving::Label;
using serving::Layout;
using serving::Prediction;

constexpr UnixMs kMay1 = 1'304'208'000'000;  // 2011-05-01T00:00:00Z
constexpr UnixMs kDay = 24 * 3'600'000;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

class DrawDataTest : public testing::Test {
 protected:
  DrawDataTest() {
    serving::PredictionLogOptions options;
    options.root = folder_.path() / "predictions";
    log_ = std::make_unique<serving::PredictionLog>(disk_, metrics_, options);
    labels_ = std::make_unique<serving::LabelLog>(disk_, folder_.path() / "labels");
  }
  /// Two columns, one output; returns the id of the request.
  serving::PredictionId answer(UnixMs time, std::vector<float> cells, std::vector<float> outputs,
                               serving::Role role = serving::Role::kLive,
                               const std::string& version = "1", std::uint16_t status = 200) {
    auto layout = std::make_shared<Layout>();
    layout->model = "bikes";
    layout->version = version;
    layout->columns = {{"hr", {}, false}, {"temp", {}, false}};
    layout->outputs = {"prediction"};
    Prediction one;
    one.id = serving::make_prediction_id("bikes", time);
    one.event_time_ms = time;
    one.role = role;
    one.status = status;
    one.rows = static_cast<std::uint32_t>(cells.size() / 2);
    one.cells = std::move(cells);
    one.outputs = std::move(outputs);
    log_->stream("bikes", rules_)->log(one, layout);
    return one.id;
  }
  void label(serving::PredictionId id, std::uint32_t row, double value, UnixMs received) {
    id.row = row;
    const Label one{id, value, received, received, "test"};
    ASSERT_TRUE(labels_->add({&one, 1}).ok());
  }
  std::vector<std::string> draw(Drawing drawing) {
    EXPECT_TRUE(log_->flush().ok());
    const serving::Predictions predictions(folder_.path() / "predictions",
                                           folder_.path() / "labels");
    drawing.deployment = "bikes";
    const auto to = folder_.path() / "drawn.csv";
    const Result<> drawn = draw_data(predictions, drawing, to);
    EXPECT_TRUE(drawn.ok()) << drawn.error().message;
    std::vector<std::string> lines;
    for (std::string_view line : split(*read_file(to), '\n')) {
      if (!line.empty()) lines.emplace_back(line);
    }
    return lines;
  }

  db::TemporaryFolder folder_;
  blob::Disk disk_;
  Metrics metrics_;
  serving::LogRules rules_;
  std::unique_ptr<serving::PredictionLog> log_;
  std::unique_ptr<serving::LabelLog> labels_;
};

TEST_F(DrawDataTest, ATableWithoutAnswersHasItsHead) {
  EXPECT_EQ(draw({.until_ms = kMay1}),
            (std::vector<std::string>{"prediction_id,event_time,model_version,prediction,label"}));
}

TEST_F(DrawDataTest, RowsComeWithTheirLabels) {
  const auto id = answer(kMay1, {7, 0.24f, 8, kNaN}, {31.5f, 40});
  answer(kMay1 + 1, {9, 1}, {50}, serving::Role::kCanary, "2");
  label(id, 1, 42, kMay1 + kDay);
  const auto lines = draw({.until_ms = kMay1 + 2 * kDay, .label = "cnt"});
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[0], "prediction_id,event_time,model_version,hr,temp,prediction,cnt");
  EXPECT_EQ(lines[1], id.text() + "/0,2011-05-01T00:00:00.000Z,1,7,0.24,31.5,");
  EXPECT_EQ(lines[2], id.text() + "/1,2011-05-01T00:00:00.000Z,1,8,,40,42");
  EXPECT_NE(lines[3].find(",2,9,1,50,"), std::string::npos) << lines[3];

  const auto labelled = draw({.labelled = true, .until_ms = kMay1 + 2 * kDay, .label = "cnt"});
  ASSERT_EQ(labelled.size(), 2u);
  EXPECT_EQ(labelled[1], lines[2]);
}

TEST_F(DrawDataTest, WhatCameLaterAndWhatWasNotServedIsLeftOut) {
  const auto id = answer(kMay1, {1, 1}, {1});
  answer(kMay1, {2, 1}, {1}, serving::Role::kShadow, "2");
  answer(kMay1, {3, 1}, {}, serving::Role::kLive, "1", 500);
  answer(kMay1 + kDay, {4, 1}, {1});
  label(id, 0, 5, kMay1 + kDay);
  EXPECT_EQ(draw({.until_ms = kMay1 + kDay}).size(), 2u);
  EXPECT_EQ(draw({.labelled = true, .until_ms = kMay1 + kDay}).size(), 1u);
  EXPECT_EQ(draw({.labelled = true, .until_ms = kMay1 + kDay + 1}).size(), 2u);
}

TEST_F(DrawDataTest, HashedColumnsAreNotDrawn) {
  rules_.hashed = {"hr"};
  rules_.hash_key = "k";
  answer(kMay1, {1, 1}, {1});
  EXPECT_EQ(draw({.until_ms = kMay1 + 1})[0],
            "prediction_id,event_time,model_version,temp,prediction,label");
}

TEST_F(DrawDataTest, ASecondDrawingIsTheSame) {
  for (int i = 0; i < 50; ++i) {
    const auto id = answer(kMay1 + i * kDay / 10, {1, static_cast<float>(i)}, {1});
    label(id, 0, i, kMay1 + 10 * kDay);
  }
  const Drawing drawing{.labelled = true, .until_ms = kMay1 + 20 * kDay};
  EXPECT_EQ(draw(drawing), draw(drawing));
  EXPECT_EQ(draw(drawing).size(), 51u);
}

TEST(LabelName, IsTheTargetOfTheContract) {
  const std::string yaml =
      "version: 1\nproject: bikes\ncontracts: {data/live.csv: c.yaml, data/none.csv: d.yaml}\n";
  const std::string contract =
      "apiVersion: v3.1.0\nkind: DataContract\nid: c\nversion: 1.0.0\nstatus: active\n"
      "schema:\n  - name: t\n    properties:\n      - {name: hr, logicalType: integer}\n";
  const std::string target =
      contract +
      "      - name: cnt\n        logicalType: integer\n"
      "        customProperties: [{property: slipway.role, value: target}]\n";
  auto declared = project::declare(yaml, {{"c.yaml", target}, {"d.yaml", contract}});
  ASSERT_TRUE(declared.ok()) << declared.error().message;
  EXPECT_EQ(label_name(*declared, "data/live.csv"), "cnt");
  EXPECT_EQ(label_name(*declared, "data/none.csv"), "label");
  EXPECT_EQ(label_name(*declared, "data/other.csv"), "label");
}

}  // namespace
}  // namespace slipway::app
