#include <benchmark/benchmark.h>

#include <random>

#include "base/file.h"
#include "domain/engine/forest.h"
#include "domain/engine/xgboost.h"

namespace slipway::engine {
namespace {

/// Perfect trees over 28 features, as boosting with max_depth grows them at most.
ForestSpec perfect(std::size_t trees, int depth) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  ForestSpec spec{28, {0.5f}, {}};
  for (std::size_t t = 0; t < trees; ++t) {
    Tree& tree = spec.trees.emplace_back();
    const std::int32_t inner = (1 << depth) - 1, nodes = 2 * inner + 1;
    for (std::int32_t i = 0; i < nodes; ++i) {
      tree.left.push_back(i < inner ? 2 * i + 1 : -1);
      tree.right.push_back(i < inner ? 2 * i + 2 : -1);
      tree.feature.push_back(static_cast<std::int32_t>(random() % 28));
      tree.threshold.push_back(normal(random));
      tree.missing_left.push_back(static_cast<std::int32_t>(random() % 2));
    }
  }
  return spec;
}

void score(benchmark::State& state, std::size_t trees, int depth) {
  const auto rows = static_cast<std::size_t>(state.range(0));
  const Forest forest = Forest::compile(perfect(trees, depth)).value();
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  constexpr std::size_t kBatches = 64;  // so that branches and caches can't learn one row by heart
  std::vector<float> cells(kBatches * rows * forest.features()), sums(rows);
  for (float& cell : cells) cell = normal(random);
  std::size_t batch = 0;
  for (auto _ : state) {
    batch = (batch + 1) % kBatches;
    const std::size_t size = rows * forest.features();
    forest.score(std::span<const float>(cells).subspan(batch * size, size), rows, sums);
    benchmark::DoNotOptimize(sums.data());
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(rows));
}

void hundred_trees_of_depth_6(benchmark::State& state) {
  score(state, 100, 6);
}
void five_hundred_trees_of_depth_8(benchmark::State& state) {
  score(state, 500, 8);
}
BENCHMARK(hundred_trees_of_depth_6)->Arg(1)->Arg(64)->Arg(4096);
BENCHMARK(five_hundred_trees_of_depth_8)->Arg(1)->Arg(64)->Arg(4096);

void load_a_ubjson_model(benchmark::State& state) {
  const std::string bytes = read_file("tests/data/xgboost/big.v3.ubj").value();
  for (auto _ : state)
    benchmark::DoNotOptimize(XgboostPredictor::compile(read_xgboost(bytes).value(), false).ok());
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations()) *
                          static_cast<std::int64_t>(bytes.size()));
}
BENCHMARK(load_a_ubjson_model);

}  // namespace
}  // namespace slipway::engine

BENCHMARK_MAIN();
