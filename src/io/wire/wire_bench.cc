#include <benchmark/benchmark.h>

#include "io/wire/codec.h"

// The body of an MLflow log-batch with 1,000 metrics and 100 params, 84 KB.
namespace {

struct Metric {
  std::string key;
  double value = 0;
  std::int64_t timestamp = 0, step = 0;
};
WIRE(Metric, key, value, timestamp, step)
struct Param {
  std::string key, value;
};
WIRE(Param, key, value)
struct LogBatch {
  std::string run_id;
  std::vector<Metric> metrics;
  std::vector<Param> params;
};
WIRE(LogBatch, run_id, metrics, params)

LogBatch batch() {
  LogBatch b{.run_id = "0123456789abcdef0123456789abcdef", .metrics = {}, .params = {}};
  for (int i = 0; i < 1000; ++i) {
    b.metrics.push_back({"loss" + std::to_string(i % 10), 1.0 / (i + 3), 1'700'000'000'000 + i, i});
  }
  for (int i = 0; i < 100; ++i)
    b.params.push_back({"param" + std::to_string(i), "value " + std::to_string(i)});
  return b;
}

void Decode(benchmark::State& state) {
  std::string text = slipway::wire::encode(batch());
  for (auto _ : state) benchmark::DoNotOptimize(slipway::wire::decode<LogBatch>(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
void DecodeWithABareNaN(benchmark::State& state) {
  std::string text = slipway::wire::encode(batch());
  text.insert(1, "\"x\":NaN,");
  for (auto _ : state) benchmark::DoNotOptimize(slipway::wire::decode<LogBatch>(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
void Encode(benchmark::State& state) {
  LogBatch b = batch();
  std::size_t bytes = 0;
  for (auto _ : state) bytes += slipway::wire::encode(b).size();
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes));
}
BENCHMARK(Decode)->Unit(benchmark::kMicrosecond);
BENCHMARK(DecodeWithABareNaN)->Unit(benchmark::kMicrosecond);
BENCHMARK(Encode)->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
