#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "domain/access/password.h"
#include "domain/access/people.h"
#include "graph/graph.h"

// What a request costs to be let in.

namespace slipway::access {
namespace {

struct World {
  World() {
    std::string pattern = (std::filesystem::temp_directory_path() / "access-bench-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    folder = pattern;
    pool = std::move(db::Pool::open("sqlite://" + pattern + "/catalog.db",
                                    db::joined({graph::migrations(), migrations()}), metrics))
               .value();
    people = std::move(People::open(*pool, clock, clock, metrics)).value();
    if (!people->create("owner", "ann", "a long password", true).ok()) std::abort();
    if (!people->create("ann", "ben", "a long password", false).ok()) std::abort();
    token = people->create_token("ben", {"ben", "t", Scope::kAll, 0, "", false})->secret;
    const bool known = people->by_password("ben", "a long password", "192.0.2.1").ok();
    const Result<> granted = people->change("ann", [](db::Tx& tx, const By& by) -> Result<> {
      for (int i = 0; i < 1000; ++i) {
        TRY(grant_to(tx, by, "ben", {Kind::kExperiment, std::to_string(i), Level::kEdit}));
      }
      return {};
    });
    if (!known || !granted.ok()) std::abort();
  }
  ~World() {
    people.reset();
    pool.reset();
    std::filesystem::remove_all(folder);
  }

  std::filesystem::path folder;
  Metrics metrics;
  SystemClock clock;
  std::unique_ptr<db::Pool> pool;
  std::unique_ptr<People> people;
  std::string token;
};

World& world() {
  static World made;
  return made;
}

void token(benchmark::State& state) {
  world();  // made before it is measured
  for (auto _ : state) benchmark::DoNotOptimize(world().people->by_token(world().token));
}
BENCHMARK(token);

void known_password(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(world().people->by_known_password("ben", "a long password"));
  }
}
BENCHMARK(known_password);

void level_of_an_experiment(benchmark::State& state) {
  for (auto _ : state) {
    benchmark::DoNotOptimize(world().people->level("ben", Kind::kExperiment, "500"));
  }
}
BENCHMARK(level_of_an_experiment);

void password_for_the_first_time(benchmark::State& state) {
  const std::string stored = hash_password("a long password");
  for (auto _ : state) benchmark::DoNotOptimize(is_password("a long password", stored));
}
BENCHMARK(password_for_the_first_time)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace slipway::access
