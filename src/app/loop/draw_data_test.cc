#include "app/loop/draw_data.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "app/loop/cached_data.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "domain/data/repository.h"
#include "domain/serving/labels.h"
#include "domain/serving/prediction_log.h"
#include "io/table/table.h"

namespace slipway::app {
namespace {

constexpr UnixMs kMay1 = 1'304'208'000'000, kHour = 3'600'000, kUntil = kMay1 + 24 * kHour;

class DrawData : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_ / "project"); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// An answer for each label, an hour each, and its shadow; NaN is no label.
  void answer(const std::vector<double>& truths = {0, std::nan(""), 20},
              const serving::Layout::Column& second = {"temp", {}, false}) {
    serving::PredictionLogOptions options;
    options.root = folder_ / "predictions";
    serving::PredictionLog log(disk_, metrics_, options);
    auto layout = std::make_shared<serving::Layout>(
        serving::Layout{"bikes", "1", {{"hr", {}, false}, second}, {"predict"}});
    auto stream = log.stream("bikes", {});
    std::vector<serving::Label> labels;
    for (std::size_t hour = 0; hour < truths.size(); ++hour) {
      serving::Prediction one;
      one.event_time_ms = kMay1 + static_cast<UnixMs>(hour) * kHour;
      one.id = serving::make_prediction_id("bikes", one.event_time_ms);
      one.rows = 1;
      one.cells = {static_cast<float>(hour), std::nanf("")};
      one.outputs = {0.5F};
      stream->log(one, layout);
      if (!std::isnan(truths[hour]))
        labels.push_back({one.id, truths[hour], one.event_time_ms, kMay1, "test"});
      if (hour == 0) first_ = one;
      one.role = serving::Role::kShadow;
      stream->log(one, layout);
    }
    ASSERT_TRUE(log.flush().ok());
    log.stop();
    serving::LabelLog label_log(disk_, folder_ / "labels");
    ASSERT_TRUE(label_log.add(labels).ok());
  }

  DrawSource source() const {
    return {folder_ / "project", folder_ / "predictions", folder_ / "labels", kUntil, "cnt"};
  }
  Result<> draw(const flows::RunPlan::Data& data) {
    return draw_data(source(), data, folder_ / "drawn");
  }
  std::string drawn() {
    Result<std::string> text = read_file(folder_ / "drawn");
    return text.ok() ? *text : text.error().message;
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("slipway-" + random_hex32());
  serving::Prediction first_;
  Metrics metrics_;
  blob::Disk disk_;
};

TEST_F(DrawData, RowsThatALabelCameFor) {
  answer();
  ASSERT_TRUE(draw({"deployments/bikes", true, "data/live.csv"}).ok());
  const std::string text = drawn();
  EXPECT_TRUE(text.starts_with("prediction_id,event_time,version,hr,temp,prediction,cnt\n"))
      << text;
  EXPECT_NE(text.find(",2011-05-01T00:00:00.000Z,1,0,,0.5,0\n"), std::string::npos) << text;
  EXPECT_NE(text.find(",2011-05-01T02:00:00.000Z,1,2,,0.5,20\n"), std::string::npos) << text;
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << "no shadow, nothing without a label";
}

TEST_F(DrawData, AllAnswersWhereLabelsAreNotAskedFor) {
  answer();
  ASSERT_TRUE(draw({"deployments/bikes", false, "data/live.csv"}).ok());
  const std::string text = drawn();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4);
}

TEST_F(DrawData, ParquetByItsName) {
  answer();
  Result<> done = draw({"deployments/bikes", true, "data/live.parquet"});
  ASSERT_TRUE(done.ok()) << done.error().message;
  std::filesystem::rename(folder_ / "drawn", folder_ / "drawn.parquet");
  auto scan = table::Scan::open(folder_ / "drawn.parquet");
  ASSERT_TRUE(scan.ok()) << scan.error().message;
  ASSERT_EQ((*scan)->fields().size(), 7u);
  EXPECT_EQ((*scan)->fields()[6].name, "cnt");
  EXPECT_EQ((*(*scan)->next())->rows, 2u);
}

TEST_F(DrawData, LabelsKeepTheirType) {
  answer({7, 1'000'000, 16'777'217, -3});
  ASSERT_TRUE(draw({"deployments/bikes", true, "data/live.csv"}).ok());
  const std::string whole = drawn();
  for (const char* label : {",0.5,7\n", ",0.5,1000000\n", ",0.5,16777217\n", ",0.5,-3\n"})
    EXPECT_NE(whole.find(label), std::string::npos) << whole;
}

TEST_F(DrawData, AFractionIsOne) {
  answer({0.1, 1e300});
  ASSERT_TRUE(draw({"deployments/bikes", true, "data/live.csv"}).ok());
  EXPECT_NE(drawn().find(",0.5,0.1\n"), std::string::npos) << drawn();
  EXPECT_NE(drawn().find(",0.5,1e+300\n"), std::string::npos) << drawn();
}

TEST_F(DrawData, WhatCameLaterIsNotDrawn) {
  answer();
  const serving::Prediction first = first_;
  serving::LabelLog late(disk_, folder_ / "labels");
  const std::vector<serving::Label> labels = {{first.id, 99, kMay1, kUntil + 1, "test"}};
  ASSERT_TRUE(late.add(labels).ok());
  ASSERT_TRUE(draw({"deployments/bikes", true, "data/live.csv"}).ok());
  EXPECT_NE(drawn().find(",2011-05-01T00:00:00.000Z,1,0,,0.5,0\n"), std::string::npos) << drawn();
}

TEST_F(DrawData, AVersionIsTheSameWhenItIsDrawnAgain) {
  ASSERT_TRUE(data::Repository::init(folder_ / "project", /*no_scm=*/true, false).ok());
  answer();
  const flows::RunPlan::Data data{"deployments/bikes", true, "data/live.csv"};
  const Result<flows::DataFact> first = draw_version(source(), data, folder_ / "scratch");
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_EQ(first->path, "data/live.csv");
  const auto object = cached_data(folder_ / "project", first->md5);
  ASSERT_TRUE(object);
  EXPECT_EQ(static_cast<std::int64_t>(std::filesystem::file_size(*object)), first->size);
  std::filesystem::remove_all(folder_ / "scratch");
  const Result<flows::DataFact> again = draw_version(source(), data, folder_ / "scratch");
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again->md5, first->md5);
}

TEST_F(DrawData, HashesAreNoNumbers) {
  answer({0, 20}, {"temp", serving::Keep::kHash, false});
  ASSERT_TRUE(draw({"deployments/bikes", true, "data/live.csv"}).ok());
  EXPECT_TRUE(drawn().starts_with("prediction_id,event_time,version,hr,prediction,cnt\n")) << drawn();
}

TEST_F(DrawData, TwoColumnsOfOneNameAreRefused) {
  for (const char* name : {"version", "prediction", "cnt"}) {
    std::filesystem::remove_all(folder_ / "predictions");
    answer({0, 20}, {name, {}, false});
    const Result<> refused = draw({"deployments/bikes", true, "data/live.csv"});
    ASSERT_FALSE(refused.ok()) << name;
    EXPECT_NE(refused.error().message.find("two columns '" + std::string(name) + "'"),
              std::string::npos)
        << refused.error().message;
  }
}

TEST_F(DrawData, NothingToDrawIsSaid) {
  EXPECT_EQ(draw({"deployments/bikes", true, "data/live.csv"}).error().code, Code::kMissing);
  EXPECT_EQ(draw({"elsewhere", true, "data/live.csv"}).error().code, Code::kInvalid);
}

TEST_F(DrawData, AFileOfTheProject) {
  std::ofstream(folder_ / "project" / "in.txt") << "2\n";
  ASSERT_TRUE(draw({flows::kFromProject, false, "in.txt"}).ok());
  EXPECT_EQ(drawn(), "2\n");
}

}  // namespace
}  // namespace slipway::app
