#include "app/loop/draw_data.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "base/file.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "domain/serving/labels.h"
#include "domain/serving/prediction_log.h"
#include "io/table/table.h"

namespace slipway::app {
namespace {

constexpr UnixMs kMay1 = 1'304'208'000'000, kHour = 3'600'000;

class DrawData : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(folder_ / "project"); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// Three answers of an hour each and a shadow; labels for the first and the third.
  void answer() {
    serving::PredictionLogOptions options;
    options.root = folder_ / "predictions";
    serving::PredictionLog log(disk_, metrics_, options);
    auto layout = std::make_shared<serving::Layout>(
        serving::Layout{"bikes", "1", {{"hr", {}, false}, {"temp", {}, false}}, {"predict"}});
    auto stream = log.stream("bikes", {});
    std::vector<serving::Label> labels;
    for (int hour = 0; hour < 3; ++hour) {
      serving::Prediction one;
      one.event_time_ms = kMay1 + hour * kHour;
      one.id = serving::make_prediction_id("bikes", one.event_time_ms);
      one.rows = 1;
      one.cells = {static_cast<float>(hour), std::nanf("")};
      one.outputs = {0.5F};
      stream->log(one, layout);
      if (hour != 1) labels.push_back({one.id, 10.0 * hour, one.event_time_ms, kMay1, "test"});
      one.role = serving::Role::kShadow;
      stream->log(one, layout);
    }
    ASSERT_TRUE(log.flush().ok());
    log.stop();
    serving::LabelLog label_log(disk_, folder_ / "labels");
    ASSERT_TRUE(label_log.add(labels).ok());
  }

  Result<> draw(const flows::RunPlan::Data& data) {
    const DrawSource source{folder_ / "project", folder_ / "predictions", folder_ / "labels",
                            kMay1 + 24 * kHour, "cnt"};
    return draw_data(source, data, folder_ / "drawn");
  }
  std::string drawn() {
    Result<std::string> text = read_file(folder_ / "drawn");
    return text.ok() ? *text : text.error().message;
  }

  std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("slipway-" + random_hex32());
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
