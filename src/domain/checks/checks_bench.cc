#include <benchmark/benchmark.h>

#include <cmath>
#include <random>

#include "domain/checks/stable_hash.h"
#include "domain/checks/suite.h"

// The kernels, per value; and a window's verdicts, per check. bench/checks.py has the whole way
// from a file.
namespace slipway::checks {
namespace {

std::vector<double> normals(std::size_t n) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal;
  std::vector<double> values(n);
  for (double& value : values) value = normal(random);
  return values;
}

constexpr std::size_t kChunk = 2048;

void count(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kChunk));
}

void of_moments(benchmark::State& state) {
  const std::vector<double> values = normals(kChunk);
  Moments moments;
  for (auto _ : state) moments.add(values);
  benchmark::DoNotOptimize(moments);
  count(state);
}
BENCHMARK(of_moments);

void of_bins(benchmark::State& state) {
  const std::vector<double> values = normals(kChunk);
  std::vector<double> edges;
  for (int i = 0; i <= 64; ++i) edges.push_back(i / 16.0 - 2);
  Bins bins(edges);
  for (auto _ : state) bins.add(values);
  benchmark::DoNotOptimize(bins.total());
  count(state);
}
BENCHMARK(of_bins);

void of_quantiles(benchmark::State& state) {
  const std::vector<double> values = normals(kChunk);
  QuantileSketch sketch;
  for (int i = 0; i < 100; ++i) sketch.add(values);
  for (auto _ : state) sketch.add(values);
  benchmark::DoNotOptimize(sketch.n());
  count(state);
}
BENCHMARK(of_quantiles);

void of_first_quantiles(benchmark::State& state) {
  const std::vector<double> values = normals(kChunk);
  for (auto _ : state) {
    QuantileSketch sketch;
    for (int i = 0; i < 10; ++i) sketch.add(values);
    benchmark::DoNotOptimize(sketch.n());
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(kChunk) * 10);
}
BENCHMARK(of_first_quantiles);

void of_distinct(benchmark::State& state) {
  const std::vector<double> values = normals(kChunk);
  DistinctSketch sketch;
  for (auto _ : state) {
    for (double value : values) sketch.add(hash_of(value));
  }
  benchmark::DoNotOptimize(sketch.estimate());
  count(state);
}
BENCHMARK(of_distinct);

void verdicts_of_a_window(benchmark::State& state) {
  std::string text =
      "apiVersion: v3.1.0\nkind: DataContract\nid: t\nschema:\n  - name: t\n    properties:\n";
  std::vector<table::Field> fields;
  for (int i = 0; i < 100; ++i) {
    const std::string name = "x" + std::to_string(i);
    text += "      - name: " + name +
            "\n        logicalTypeOptions: {minimum: -9}\n        quality: "
            "[{type: custom, engine: slipway, implementation: {drift: {stat: js}, finite: {}}}]\n";
    fields.push_back({name, table::Type::kReal});
  }
  const std::vector<double> values = normals(kChunk);
  table::ColumnView view;
  view.type = table::Type::kReal;
  view.reals = values.data();
  table::Chunk chunk;
  chunk.rows = kChunk;
  chunk.columns.assign(fields.size(), view);
  Plan full = full_plan(fields);
  Profiler first(full, fields);
  first.add(chunk);
  Profiler second(with_bins(full, first.profile()), fields);
  second.add(chunk);
  const Profile reference = second.profile();
  Circumstances where;
  where.references["training"] = &reference;
  const Suite suite = compile(*parse_contract(text, "bench"), where.references);
  Profiler profiler(suite.plan, fields);
  profiler.add(chunk);
  const Profile profile = profiler.profile();
  for (auto _ : state) benchmark::DoNotOptimize(evaluate(suite, profile, where));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(suite.checks.size()));
}
BENCHMARK(verdicts_of_a_window);

}  // namespace
}  // namespace slipway::checks

BENCHMARK_MAIN();
