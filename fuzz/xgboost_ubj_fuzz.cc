#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "domain/engine/document.h"
#include "domain/engine/xgboost.h"

// Whatever bytes come after an opening that says UBJSON, reading ends with an error, or with a
// model that scores.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (bytes.size() < 2) return 0;
  bytes[0] = '{';
  if (!slipway::engine::looks_like_ubjson(bytes)) bytes[1] = 'L';
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
