#include "domain/engine/model.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"

namespace slipway::engine {
namespace {

namespace fs = std::filesystem;
const fs::path kModels = fs::path(SLIPWAY_SOURCE_DIR) / "tests/data/scoring";

MlModel mlmodel_of(const std::string& name) {
  auto text = read_file(kModels / name / "MLmodel");
  EXPECT_TRUE(text.ok());
  auto model = read_mlmodel(*text);
  EXPECT_TRUE(model.ok()) << model.error().message;
  return std::move(*model);
}

Result<std::unique_ptr<Model>> load(const std::string& name) {
  return load_model(mlmodel_of(name),
                    [&](const std::string& path) { return read_file(kModels / name / path); });
}

MlModel parsed(const std::string& text) {
  auto model = read_mlmodel(text);
  EXPECT_TRUE(model.ok()) << (model.ok() ? "" : model.error().message);
  return model.ok() ? std::move(*model) : MlModel{};
}

TEST(MlModel, KnowsColumnsWithTypesAndWhatIsOptional) {
  const MlModel model = mlmodel_of("optional");
  ASSERT_TRUE(model.inputs);
  ASSERT_EQ(model.inputs->columns.size(), 3u);
  EXPECT_EQ(model.inputs->columns[0].name, "temp");
  EXPECT_EQ(model.inputs->columns[0].type, ColumnType::kDouble);
  EXPECT_TRUE(model.inputs->columns[0].required);
  EXPECT_FALSE(model.inputs->columns[1].required);
  EXPECT_EQ(model.inputs->columns[2].type, ColumnType::kLong);
  EXPECT_TRUE(model.inputs->named());
}

TEST(MlModel, KnowsTensors) {
  const MlModel model = mlmodel_of("tensor");
  ASSERT_TRUE(model.inputs);
  ASSERT_EQ(model.inputs->tensors.size(), 1u);
  EXPECT_EQ(model.inputs->tensors[0].dtype, "float32");
  EXPECT_EQ(model.inputs->tensors[0].shape, (std::vector<std::int64_t>{-1, 3}));
}

TEST(MlModel, WithoutASignatureHasNoInputs) {
  EXPECT_FALSE(mlmodel_of("unsigned").inputs);
}

TEST(MlModel, KeepsUnknownKeys) {
  const MlModel model = parsed("flavors:\n  xgboost:\n    data: m.ubj\nnew_key:\n  inner: '7'\n");
  ASSERT_NE(model.document.find("new_key"), nullptr);
  EXPECT_EQ(model.document.find("new_key")->find("inner")->text, "7");
}

TEST(MlModel, RefusesASignatureThatIsNoList) {
  auto model = read_mlmodel("signature:\n  inputs: '{\"a\": 1}'\n");
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().message, "signature.inputs: a schema is a list of columns or tensors");
}

TEST(MlModel, RefusesWhatIsNoMapping) {
  EXPECT_FALSE(read_mlmodel("- 1\n- 2\n").ok());
}

TEST(LoadModel, AnXgbRegressorAnswersValues) {
  auto model = load("regressor");
  ASSERT_TRUE(model.ok()) << model.error().message;
  const Model::Traits& traits = (*model)->traits();
  EXPECT_FALSE(traits.classifier);
  EXPECT_EQ(traits.platform, "xgboost_ubj");
  EXPECT_EQ(traits.features, 3u);
  EXPECT_EQ(traits.feature_names, (std::vector<std::string>{"temp", "wind", "hour"}));
  EXPECT_GT(traits.nanoseconds_per_row, 0);
}

TEST(LoadModel, AClassifierOfTwoAnswersLabelsAndBothProbabilities) {
  auto model = load("binary");
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_TRUE((*model)->traits().classifier);
  EXPECT_EQ((*model)->traits().classes, 2u);
  const float values[] = {0.5f, 0.75f};
  std::int64_t labels[2];
  float probabilities[4];
  (*model)->labels(values, 2, labels);
  (*model)->probabilities(values, 2, probabilities);
  EXPECT_EQ(labels[0], 0);
  EXPECT_EQ(labels[1], 1);
  EXPECT_EQ(probabilities[2], 0.25f);
}

TEST(LoadModel, AClassifierOfThreeAnswersTheLikeliest) {
  auto model = load("three");
  ASSERT_TRUE(model.ok()) << model.error().message;
  EXPECT_EQ((*model)->traits().classes, 3u);
  const float values[] = {0.2f, 0.3f, 0.5f};
  std::int64_t label = 0;
  (*model)->labels(values, 1, {&label, 1});
  EXPECT_EQ(label, 2);
}

TEST(LoadModel, NamesTheFlavourThatNoEngineLoads) {
  auto model = load_model(parsed("flavors:\n  python_function: {}\n  sklearn: {}\n"), {});
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().message, "not servable yet: flavour sklearn");
  EXPECT_EQ(model.error().tag, "not_servable");
}

TEST(LoadModel, NamesPythonFunctionWhenItIsAlone) {
  auto model = load_model(parsed("flavors:\n  python_function: {}\n"), {});
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().message, "not servable yet: flavour python_function");
}

TEST(LoadModel, ABrokenModelFileIsTheModelsFault) {
  auto model =
      load_model(parsed("flavors:\n  xgboost:\n    data: m.ubj\n"),
                 [](const std::string&) -> Result<std::string> { return std::string("{"); });
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().code, Code::kInvalid);
}

}  // namespace
}  // namespace slipway::engine
