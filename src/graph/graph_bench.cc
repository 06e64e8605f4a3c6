#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>

#include "base/ids.h"
#include "graph/graph.h"

// The closure of 10^5 nodes, as a chain and as a layered graph where every node has three causes.
// On SQLite; on PostgreSQL too when SLIPWAY_BENCH_POSTGRES names an empty database.
namespace slipway::graph {
namespace {

constexpr int kNodes = 100'000;
constexpr int kLayer = 100;

NodeRef node(int index) {
  return {"data", "0123456789abcdef0123456789" + std::to_string(index)};
}

Result<> put_chain(db::Tx& tx) {
  for (int i = 0; i + 1 < kNodes; ++i) {
    TRY(put_edge(tx, {node(i), "produced_by", node(i + 1), {}}, 0));
  }
  return {};
}

Result<> put_layers(db::Tx& tx) {
  for (int i = 0; i < kLayer; ++i) TRY(put_edge(tx, {node(-1), "used", node(i), {}}, 0));
  for (int i = 0; i + kLayer < kNodes; ++i) {
    int next = (i / kLayer + 1) * kLayer;
    for (int step : {0, 1, 7}) {
      TRY(put_edge(tx, {node(i), "used", node(next + (i + step) % kLayer), {}}, 0));
    }
  }
  return {};
}

void closure_of(benchmark::State& state, const NodeRef& start, Result<> (*put)(db::Tx&),
                const std::string& uri) {
  Metrics metrics;
  auto pool = db::Pool::open(uri, migrations(), metrics);
  if (!pool.ok()) return state.SkipWithError(pool.error().message.c_str());
  if (Result<> made = (*pool)->write(put); !made.ok()) {
    return state.SkipWithError(made.error().message.c_str());
  }
  std::size_t nodes = 0, edges = 0;
  for (auto _ : state) {
    auto found = (*pool)->read(
        [&](db::Tx& tx) { return closure(tx, start, Direction::kToCauses, 2 * kNodes); });
    if (!found.ok()) return state.SkipWithError(found.error().message.c_str());
    nodes = found->nodes.size();
    edges = found->edges.size();
  }
  state.counters["nodes"] = static_cast<double>(nodes);
  state.counters["edges"] = static_cast<double>(edges);
}

void on_sqlite(benchmark::State& state, const NodeRef& start, Result<> (*put)(db::Tx&)) {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("slipway-bench-" + random_hex32());
  std::filesystem::create_directories(folder);
  closure_of(state, start, put, "sqlite://" + (folder / "catalog.db").string());
  std::filesystem::remove_all(folder);
}

void chain(benchmark::State& state) {
  on_sqlite(state, node(0), put_chain);
}
void layers(benchmark::State& state) {
  on_sqlite(state, node(-1), put_layers);
}
BENCHMARK(chain)->Unit(benchmark::kMillisecond);
BENCHMARK(layers)->Unit(benchmark::kMillisecond);

void layers_on_postgres(benchmark::State& state) {
  const char* uri = std::getenv("SLIPWAY_BENCH_POSTGRES");
  if (!uri) return state.SkipWithError("SLIPWAY_BENCH_POSTGRES is not set");
  closure_of(state, node(-1), put_layers, uri);
}
BENCHMARK(layers_on_postgres)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace slipway::graph

BENCHMARK_MAIN();
