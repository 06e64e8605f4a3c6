#include <benchmark/benchmark.h>

#include "base/file.h"
#include "dialects/oip/infer.h"

namespace slipway::oip {
namespace {

/// 100 trees of depth 6 over 7 features.
const serving::LoadedVersion& hundred_trees() {
  static const serving::LoadedVersion* const version = [] {
    auto* loaded = new serving::LoadedVersion;
    loaded->model = "bikes";
    loaded->version = "1";
    loaded->mlmodel = engine::read_mlmodel("flavors:\n  xgboost:\n    data: big.v3.ubj\n").value();
    loaded->engine = engine::load_model(loaded->mlmodel, [](const std::string& path) {
                       return read_file("tests/data/xgboost/" + path);
                     }).value();
    return loaded;
  }();
  return *version;
}

constexpr char kRow[] =
    R"({"inputs":[{"name":"input-0","shape":[1,7],"datatype":"FP32","data":[0.5123,-12345.678,0.000001234,3,0.25,-1.75,0.33333]}]})";

void read_one_row(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(read_infer_request(kRow, sizeof(kRow) - 1, "bikes").ok());
}
void answer_one_row(benchmark::State& state) {
  for (auto _ : state) {
    InferRequest request = read_infer_request(kRow, sizeof(kRow) - 1, "bikes").value();
    const Batch batch = make_batch(hundred_trees(), "bikes", request).value();
    benchmark::DoNotOptimize(answer(hundred_trees(), "bikes", request, batch).body.data());
  }
}
BENCHMARK(read_one_row);
BENCHMARK(answer_one_row);

}  // namespace
}  // namespace slipway::oip

BENCHMARK_MAIN();
