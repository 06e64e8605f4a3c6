#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "domain/engine/xgboost.h"

// Whatever bytes come as an XGBoost model, reading ends with an error, or with a model that scores.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  auto model = slipway::engine::read_xgboost(bytes);
  if (!model.ok() || model->forest.features > 1000 || model->forest.base_margins.size() > 100)
    return 0;
  auto predictor =
      slipway::engine::XgboostPredictor::compile(std::move(*model), /*until_best=*/true);
  if (!predictor.ok()) return 0;
  const std::vector<float> cells(9 * predictor->features(), 0.5f);
  std::vector<float> values(9 * predictor->width());
  predictor->values(cells, 9, values);
  return 0;
}
