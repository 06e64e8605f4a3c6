#include "domain/engine/model.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "domain/engine/document.h"
#include "domain/engine/xgboost.h"

namespace slipway::engine {
namespace {

/// The mean of a few milliseconds of scoring rows of zeros.
std::int64_t measure(const Model& model) {
  using Timer = std::chrono::steady_clock;
  const std::vector<float> cells(model.traits().features, 0.0f);
  std::vector<float> out(model.traits().width);
  const auto began = Timer::now();
  std::int64_t rows = 0;
  std::chrono::nanoseconds took{0};
  while (rows < 1000 && took < std::chrono::milliseconds(2)) {
    model.values(cells, 1, out);
    ++rows;
    took = Timer::now() - began;
  }
  return std::max<std::int64_t>(took.count() / rows, 1);
}

class XgboostEngine final : public Model {
 public:
  XgboostEngine(XgboostPredictor predictor, Traits traits) : predictor_(std::move(predictor)) {
    traits_ = std::move(traits);
    traits_.margins = predictor_.groups();
    traits_.nanoseconds_per_row = measure(*this);
  }

  void values(std::span<const float> cells, std::size_t rows, std::span<float> out) const override {
    predictor_.values(cells, rows, out);
  }

  void margins(std::span<const float> cells, std::size_t rows,
               std::span<float> out) const override {
    predictor_.margins(cells, rows, out);
  }

  void labels(std::span<const float> values, std::size_t rows,
              std::span<std::int64_t> out) const override {
    const std::size_t width = traits_.width;
    for (std::size_t row = 0; row < rows; ++row) {
      const float* first = values.data() + row * width;
      if (width > 1)
        out[row] = std::max_element(first, first + width) - first;
      else if (predictor_.answers_labels())
        out[row] = static_cast<std::int64_t>(*first);
      else
        out[row] = *first > 0.5f ? 1 : 0;
    }
  }

  void probabilities(std::span<const float> values, std::size_t rows,
                     std::span<float> out) const override {
    if (traits_.width > 1) {
      std::copy(values.begin(), values.end(), out.begin());
      return;
    }
    for (std::size_t row = 0; row < rows; ++row) {
      out[2 * row] = 1.0f - values[row];
      out[2 * row + 1] = values[row];
    }
  }

 private:
  XgboostPredictor predictor_;
};

std::string text_or(const yaml::Node& members, std::string_view key, std::string fallback) {
  const yaml::Node* value = members.find(key);
  return value && value->is_string() ? value->text : std::move(fallback);
}

/// Class names end a dotted path: "xgboost.sklearn.XGBClassifier".
std::string last_name(const std::string& dotted) {
  return dotted.substr(dotted.rfind('.') + 1);
}

Result<std::unique_ptr<Model>> load_xgboost(const yaml::Node& flavor, const ReadFile& read_file) {
  const std::string kind = last_name(text_or(flavor, "model_class", "xgboost.core.Booster"));
  const bool classifier = kind == "XGBClassifier" || kind == "XGBRFClassifier";
  const std::string bytes = TRY(read_file(text_or(flavor, "data", "model.xgb")));
  XgboostModel model = TRY(read_xgboost(bytes));
  Model::Traits traits;
  traits.platform = looks_like_ubjson(bytes) ? "xgboost_ubj" : "xgboost_json";
  traits.feature_names = std::move(model.feature_names);
  traits.classifier = classifier;
  const bool one_of_many =
      model.transform == Transform::kSoftmax || model.transform == Transform::kArgmax;
  if (classifier && model.forest.base_margins.size() > 1 && !one_of_many) {
    return with_tag(invalid("a classifier that gives several labels to a row is not supported yet"),
                    "not_servable");
  }
  XgboostPredictor predictor =
      TRY(XgboostPredictor::compile(std::move(model), /*until_best=*/kind != "Booster"));
  traits.features = predictor.features();
  traits.width = predictor.width();
  if (classifier && !predictor.answers_labels())
    traits.classes = std::max<std::size_t>(traits.width, 2);
  traits.bytes = predictor.forest().bytes();
  return std::unique_ptr<Model>(
      std::make_unique<XgboostEngine>(std::move(predictor), std::move(traits)));
}

struct Flavor {
  std::string_view name;
  Result<std::unique_ptr<Model>> (*load)(const yaml::Node& flavor, const ReadFile& read_file);
};
constexpr Flavor kFlavors[] = {{"xgboost", &load_xgboost}};

}  // namespace

Result<std::unique_ptr<Model>> load_model(const MlModel& mlmodel, const ReadFile& read_file) {
  for (const Flavor& flavor : kFlavors) {
    if (const yaml::Node* members = mlmodel.flavor(flavor.name))
      return flavor.load(*members, read_file);
  }
  const std::string name = mlmodel.main_flavor();
  if (name.empty())
    return Error{Code::kConflict, "not servable: MLmodel names no flavour", "not_servable"};
  return Error{Code::kConflict, "not servable yet: flavour " + name, "not_servable"};
}

}  // namespace slipway::engine
