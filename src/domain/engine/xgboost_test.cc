#include "domain/engine/xgboost.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/file.h"

namespace slipway::engine {
namespace {

namespace fs = std::filesystem;
const fs::path kData = fs::path(SLIPWAY_SOURCE_DIR) / "tests/data/xgboost";

std::string bytes_of(const fs::path& path) {
  auto bytes = read_file(path);
  EXPECT_TRUE(bytes.ok()) << path;
  return bytes.ok() ? *bytes : std::string();
}

/// What XGBoost itself answered; the format is told in tests/data/xgboost/make.py.
struct Expected {
  std::size_t rows, features, margins_per_row, values_per_row;
  std::vector<float> cells, margins, values;
};

Expected read_expected(const fs::path& path) {
  const std::string bytes = bytes_of(path);
  std::int32_t header[4];
  std::memcpy(header, bytes.data(), sizeof(header));
  Expected e{static_cast<std::size_t>(header[0]),
             static_cast<std::size_t>(header[1]),
             static_cast<std::size_t>(header[2]),
             static_cast<std::size_t>(header[3]),
             {},
             {},
             {}};
  const char* at = bytes.data() + sizeof(header);
  const auto take = [&](std::vector<float>& out, std::size_t count) {
    out.resize(count);
    std::memcpy(out.data(), at, count * sizeof(float));
    at += count * sizeof(float);
  };
  take(e.cells, e.rows * e.features);
  take(e.margins, e.rows * e.margins_per_row);
  take(e.values, e.rows * e.values_per_row);
  EXPECT_EQ(at, bytes.data() + bytes.size());
  return e;
}

std::vector<std::string> models_with_expectations() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kData)) {
    if (entry.path().extension() == ".expected") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string model_bytes(const std::string& name) {
  const fs::path text = kData / (name + ".json");
  return bytes_of(fs::exists(text) ? text : kData / (name + ".ubj"));
}

std::size_t different_bits(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  std::size_t different = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    different += std::memcmp(&a[i], &b[i], 4) != 0;
  return different;
}

class XgboostAgrees : public testing::TestWithParam<std::string> {};

TEST_P(XgboostAgrees, ToTheBitWithWhatXgboostPredicted) {
  auto model = read_xgboost(model_bytes(GetParam()));
  ASSERT_TRUE(model.ok()) << model.error().message;
  const Expected expected = read_expected(kData / (GetParam() + ".expected"));
  auto predictor = XgboostPredictor::compile(*model, /*until_best=*/true);
  ASSERT_TRUE(predictor.ok()) << predictor.error().message;
  ASSERT_EQ(predictor->features(), expected.features);
  ASSERT_EQ(predictor->groups(), expected.margins_per_row);
  ASSERT_EQ(predictor->width(), expected.values_per_row);

  std::vector<float> margins(expected.margins.size()), values(expected.values.size());
  predictor->margins(expected.cells, expected.rows, margins);
  predictor->values(expected.cells, expected.rows, values);
  EXPECT_EQ(different_bits(margins, expected.margins), 0u);
  EXPECT_EQ(different_bits(values, expected.values), 0u);

  // One row at a time goes through the other kernel.
  std::vector<float> single(expected.values.size());
  for (std::size_t row = 0; row < expected.rows; ++row) {
    predictor->values(
        std::span<const float>(expected.cells).subspan(row * expected.features, expected.features),
        1, std::span<float>(single).subspan(row * predictor->width(), predictor->width()));
  }
  EXPECT_EQ(different_bits(single, expected.values), 0u);
}

std::string test_name(const testing::TestParamInfo<std::string>& tested) {
  std::string name = tested.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Recorded, XgboostAgrees, testing::ValuesIn(models_with_expectations()),
                         test_name);

struct Refusal {
  const char* file;
  const char* words;
};
class XgboostRefuses : public testing::TestWithParam<Refusal> {};

TEST_P(XgboostRefuses, WithAMessageThatNamesTheReason) {
  auto model = read_xgboost(bytes_of(kData / GetParam().file));
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, Code::kInvalid);
  EXPECT_EQ(model.error().tag, "not_servable");
  EXPECT_NE(model.error().message.find(GetParam().words), std::string::npos)
      << model.error().message;
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, XgboostRefuses,
    testing::Values(Refusal{"refused_dart.v2.ubj", "booster 'dart'"},
                    Refusal{"refused_dart.v3.ubj", "booster 'dart'"},
                    Refusal{"refused_linear.v2.ubj", "booster 'gblinear'"},
                    Refusal{"refused_linear.v3.ubj", "booster 'gblinear'"},
                    Refusal{"refused_vector_leaf.v2.ubj", "multi_output_tree"},
                    Refusal{"refused_vector_leaf.v3.ubj", "multi_output_tree"},
                    Refusal{"refused_categorical.v2.json", "categorical splits"},
                    Refusal{"refused_categorical.v3.json", "categorical splits"}));

TEST(XgboostModel, KeepsTheNamesOfItsFeatures) {
  for (const char* file : {"named.v2.json", "named.v3.json"}) {
    auto model = read_xgboost(bytes_of(kData / file));
    ASSERT_TRUE(model.ok()) << model.error().message;
    ASSERT_EQ(model->feature_names.size(), 7u);
    EXPECT_EQ(model->feature_names[6], "column 6");
  }
}

TEST(XgboostModel, StopsAtTheBestIterationOnlyWhenAsked) {
  auto model = read_xgboost(model_bytes("early_stopped.v3"));
  ASSERT_TRUE(model.ok() && model->best_iteration);
  const Expected expected = read_expected(kData / "early_stopped.v3.expected");
  auto whole = XgboostPredictor::compile(*model, /*until_best=*/false);
  ASSERT_TRUE(whole.ok());
  std::vector<float> values(expected.values.size());
  whole->values(expected.cells, expected.rows, values);
  EXPECT_NE(different_bits(values, expected.values), 0u);
}

TEST(XgboostModel, EveryTruncationIsAnErrorAndNoMore) {
  for (const char* file : {"named.v3.json", "stump.v3.ubj", "stump.v2.ubj"}) {
    const std::string bytes = bytes_of(kData / file);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      auto model = read_xgboost(std::string_view(bytes).substr(0, size));
      ASSERT_FALSE(model.ok()) << file << " cut at " << size;
      ASSERT_EQ(model.error().code, Code::kInvalid);
    }
  }
}

TEST(XgboostModel, AbsurdSizesCostNoMemory) {
  const char head[] =
      "{L\0\0\0\0\0\0\0\x07learner{L\0\0\0\0\0\0\0\rfeature_names[$l#"
      "L\x7f\xff\xff\xff\xff\xff\xff\xff";
  auto model = read_xgboost(std::string_view(head, sizeof(head) - 1));
  ASSERT_FALSE(model.ok());
  EXPECT_NE(model.error().message.find("items are announced"), std::string::npos)
      << model.error().message;
}

TEST(XgboostModel, ValuesWithoutBytesCannotBeCounted) {
  const char head[] = "{U\x01x[$Z#L\x7f\xff\xff\xff\xff\xff\xff\xff}";
  EXPECT_FALSE(read_xgboost(std::string_view(head, sizeof(head) - 1)).ok());
}

TEST(XgboostModel, DeepNestingIsRefused) {
  EXPECT_FALSE(read_xgboost("{\"x\":" + std::string(1'000'000, '[')).ok());
  EXPECT_FALSE(read_xgboost("{U\x01x" + std::string(1'000'000, '[')).ok());
}

}  // namespace
}  // namespace slipway::engine
