#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "dialects/mlflow_store/metric_line.h"
#include "dialects/mlflow_store/places.h"
#include "dialects/mlflow_store/words.h"

// A line of a file of metrics, or a place of files, that somebody else wrote.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace slipway::mlflow_store;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const auto& line : {parse_run_metric(text), parse_model_metric(text)}) {
    if (!line) continue;
    CHECK(is_storable(line->run_id, kKeyBytesMax));
    CHECK(is_storable(line->dataset_name, kKeyBytesMax));
  }
  const PlaceOptions places{"/here", "/served"};
  if (const auto folder = local_folder(text, places)) {
    for (const auto& part : *folder) CHECK(part != "..");
  }
  if (const auto key = key_of(text))
    CHECK(key->find("..") == std::string::npos || key->find("/../") == std::string::npos);
  return 0;
}
