// What one transaction costs that moves batches into chunks: the longest that a write may have to
// wait behind one. Batches of one step of N keys, and of 500 steps of one key.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "domain/tracking/moves.h"
#include "domain/tracking/store.h"
#include "graph/graph.h"

namespace slipway::tracking {
namespace {

template <class T>
void must(const Result<T>& result) {
  if (result.ok()) return;
  std::fprintf(stderr, "tracking_bench: %s\n", result.error().message.c_str());
  std::exit(2);
}

class Catalogue {
 public:
  Catalogue() {
    folder_ = std::filesystem::temp_directory_path() / "slipway-tracking-bench";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
    pool = std::move(*db::Pool::open("sqlite://" + (folder_ / "catalog.db").string(),
                                     db::joined({graph::migrations(), migrations()}), metrics_));
    must(pool->write([&](db::Tx& tx) -> Result<> {
      TRY(make_default_experiment(tx, "artifacts:", 1));
      run_id = TRY(create_run(tx, {}, std::string(32, 'a'), {}, 1)).info.id;
      run = TRY(find_run(tx, run_id)).key;
      return {};
    }));
  }
  ~Catalogue() {
    pool.reset();
    std::filesystem::remove_all(folder_);
  }
  void log(int keys, int steps, int first_step) {
    std::vector<Metric> metrics;
    for (int key = 0; key < keys; ++key) {
      for (int step = first_step; step < first_step + steps; ++step) {
        const UnixMs now_ms = 1'700'000'000'000 + step;
        metrics.push_back({"key" + std::to_string(key), step / 7.0, now_ms, step});
      }
    }
    const std::vector<Addition> additions = to_additions(metrics);
    must(pool->write([&](db::Tx& tx) { return write_batch(tx, run_id, {}, additions, 1); }));
  }

  std::string run_id;
  std::int64_t run = 0;
  std::unique_ptr<db::Pool> pool;

 private:
  Metrics metrics_;
  std::filesystem::path folder_;
};

void move_batches(benchmark::State& state) {
  const int keys = static_cast<int>(state.range(0)), steps = static_cast<int>(state.range(1));
  const int batches = std::min(128, 128'000 / (keys * steps));
  Catalogue catalogue;
  int step = 0;
  double longest_ms = 0;
  for (auto _ : state) {
    state.PauseTiming();
    for (int i = 0; i < batches; ++i, step += steps) catalogue.log(keys, steps, step);
    state.ResumeTiming();
    MovePoints known;
    bool more = true;
    while (more) {
      const auto began = std::chrono::steady_clock::now();
      more = *catalogue.pool->write([&](db::Tx& tx) { return compact_run(tx, catalogue.run, known); });
      const std::chrono::duration<double, std::milli> took =
          std::chrono::steady_clock::now() - began;
      longest_ms = std::max(longest_ms, took.count());
    }
  }
  state.counters["longest_transaction_ms"] = longest_ms;
  state.counters["points"] = batches * keys * steps;
}
BENCHMARK(move_batches)->Args({1000, 1})->Args({1, 500})->Args({50, 1})->Iterations(10);

}  // namespace
}  // namespace slipway::tracking

BENCHMARK_MAIN();
