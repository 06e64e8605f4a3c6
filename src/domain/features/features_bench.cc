#include <benchmark/benchmark.h>

#include <filesystem>
#include <random>

#include "base/ids.h"
#include "domain/features/lookup.h"
#include "domain/features/point_in_time.h"

// Figures of one core: look-ups, the join kernel, expressions on rows and columns, and windows.
namespace slipway::features {
namespace {

constexpr std::int64_t kStart = 1'767'225'600'000'000;

Plan plan_of(const std::string& text) { return *Plan::make(*parse_view(text, "v")); }

/// A store with `entities` rows of 50 float64 columns.
struct Filled {
  std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("slipway-bench-" + random_hex32());
  Metrics metrics;
  std::unique_ptr<OnlineStore> store;
  std::unique_ptr<Lookup> lookup;

  explicit Filled(std::int64_t entities) {
    std::string text =
        "kind: feature_view\nname: v\nentity: {id: int64}\nsource: {file: a.csv, event_time: ts}\nfeatures:\n";
    for (int i = 0; i < 50; ++i) text += "  f" + std::to_string(i) + ": float64\n";
    store = OnlineStore::open(folder, metrics).value();
    lookup = Lookup::open(*store, plan_of(text)).value();
    for (std::int64_t first = 0; first < entities; first += 5000) {
      std::vector<Put> puts;
      for (std::int64_t id = first; id < std::min(entities, first + 5000); ++id) {
        Put put;
        put.key = pack_key(std::vector<Value>{id});
        put.event_us = kStart;
        put.values.assign(50, Value(static_cast<double>(id)));
        puts.push_back(std::move(put));
      }
      (void)store->put(lookup->number(), std::move(puts)).ok();
    }
  }
  ~Filled() {
    lookup.reset();
    store.reset();
    std::filesystem::remove_all(folder);
  }
};

/// The store alone: a key to its 50 values, at random among 100,000 entities.
void StoreGet(benchmark::State& state) {
  static Filled filled(100'000);
  std::mt19937_64 random(1);
  for (auto _ : state) {
    const std::string key =
        pack_key(std::vector<Value>{static_cast<std::int64_t>(random() % 100'000)});
    benchmark::DoNotOptimize(filled.store->get(filled.lookup->number(), key));
  }
}
BENCHMARK(StoreGet)->ThreadRange(1, 2);

/// A view's answer: look-up, ttl and 50 expressions that are columns.
void LookupFifty(benchmark::State& state) {
  static Filled filled(20'000);
  std::mt19937_64 random(1);
  for (auto _ : state) {
    const std::vector<Value> key = {static_cast<std::int64_t>(random() % 20'000)};
    benchmark::DoNotOptimize(filled.lookup->get(key, {}, kStart + 1));
  }
}
BENCHMARK(LookupFifty);

void PointInTimeJoin(benchmark::State& state) {
  const auto rows = static_cast<std::size_t>(state.range(0));
  std::mt19937_64 random(2);
  Column key(Type::kInt64), ts(Type::kTimestamp), asked_key(Type::kInt64), at(Type::kTimestamp);
  for (std::size_t i = 0; i < rows; ++i) {
    key.push(static_cast<std::int64_t>(random() % 10'000));
    ts.push(Timestamp{kStart + static_cast<std::int64_t>(random() % kDayUs)});
  }
  for (std::size_t i = 0; i < rows / 10; ++i) {
    asked_key.push(static_cast<std::int64_t>(random() % 10'000));
    at.push(Timestamp{kStart + static_cast<std::int64_t>(random() % kDayUs)});
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(join({{&key}, &ts, nullptr}, {{&asked_key}, &at}, {kHourUs, false}));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(rows) * state.iterations());
}
BENCHMARK(PointInTimeJoin)->Arg(1'000'000)->Unit(benchmark::kMillisecond);

const std::vector<Input> kInputs = {{"a", Type::kFloat64}, {"b", Type::kInt64}};
constexpr char kExpression[] = "case when b > 3 then coalesce(a / nullif(b, 0), 0) else a * 2 end";

void ExpressionRow(benchmark::State& state) {
  Evaluator evaluator(*compile(kExpression, kInputs));
  const std::vector<Value> row = {2.5, std::int64_t{7}};
  Faults faults;
  for (auto _ : state) benchmark::DoNotOptimize(evaluator.row(row, faults));
}
BENCHMARK(ExpressionRow);

void ExpressionColumns(benchmark::State& state) {
  Evaluator evaluator(*compile(kExpression, kInputs));
  Column a(Type::kFloat64), b(Type::kInt64);
  for (std::int64_t i = 0; i < 100'000; ++i) {
    a.push(static_cast<double>(i));
    b.push(i % 10);
  }
  const std::vector<const Column*> columns = {&a, &b};
  Faults faults;
  for (auto _ : state) benchmark::DoNotOptimize(evaluator.columns(columns, a.size(), faults));
  state.SetItemsProcessed(100'000 * state.iterations());
}
BENCHMARK(ExpressionColumns);

/// 30 days of events every ten minutes, one window.
void WindowOf30Days(benchmark::State& state) {
  History history({Type::kFloat64});
  for (std::int64_t i = 0; i < 31 * 144; ++i) {
    history.add({kStart + i * 10 * kMinuteUs, kNoCreated, static_cast<std::uint64_t>(i) + 1},
                std::vector<Value>{1.5});
  }
  const Window window{30 * kDayUs, kDayUs, false};
  const std::int64_t at = kStart + 30 * kDayUs + 17 * kHourUs + 43 * kMinuteUs;
  for (auto _ : state) benchmark::DoNotOptimize(history.summary(0, window, at));
}
BENCHMARK(WindowOf30Days);

}  // namespace
}  // namespace slipway::features

BENCHMARK_MAIN();
