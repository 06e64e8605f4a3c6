#include <benchmark/benchmark.h>

#include "base/check.h"
#include "base/file.h"
#include "base/function_testing.h"
#include "base/ids.h"
#include "base/log.h"
#include "domain/serving/request_facts.h"

// What a deployment adds to one row: everything that its answer costs beyond the score itself,
// with a log on the disk and, where it says so, a candidate in the shadow on another core.
namespace slipway::serving {
namespace {

/// Two versions of 100 trees of depth 6 over 7 features.
class TwoVersions final : public ModelSource {
 public:
  Result<std::vector<KnownModel>> models() override {
    return std::vector<KnownModel>{{"bikes", {{"1", false, "a"}, {"2", false, "b"}}, {}}};
  }
  Result<std::string> file(const std::string&, const std::string&, const std::string& path,
                           std::uint64_t bytes_max) override {
    if (path == "MLmodel") return std::string("flavors:\n  xgboost:\n    data: big.v3.ubj\n");
    return read_file("tests/data/xgboost/" + path, bytes_max);
  }
};

struct World {
  World() {
    set_log_level(LogLevel::kError);
    serving.start();
    log.start();
    deployments.start();
  }
  ~World() {
    deployments.stop();
    log.stop();
    std::filesystem::remove_all(log.root());
  }

  Loaded version() {
    return wait_for<Loaded>(
               [&](Done<Loaded> done) { serving.find_later("bikes", "1", std::move(done)); })
        .value();
  }
  Deployment deploy(delivery::Mode mode, double percent) {
    delivery::DeploymentRoute route;
    route.deployment = "live";
    route.model = "bikes";
    route.stable = 1;
    route.candidate = mode == delivery::Mode::kStableOnly ? 0 : 2;
    route.mode = mode;
    route.percent = percent;
    route.salt = "salt";
    route.rollout = route.candidate == 0 ? "" : "rollout";
    route.step_id = "01a216a1-4a1d-7bb8-93bd-12c80569713b/4";
    route.revision = ++revision;
    const Result<> applied =
        wait_for([&](Done<> done) { deployments.apply(std::move(route), {}, std::move(done)); });
    CHECK(applied.ok());
    return deployments.find("live");
  }
  PredictionLogOptions log_options() const {
    PredictionLogOptions options;
    options.root = std::filesystem::temp_directory_path() / ("deployments_bench_" + random_hex32());
    return options;
  }

  SystemClock clock;
  Metrics metrics;
  TwoVersions source;
  blob::Disk disk;
  Serving serving{source, clock, metrics};
  PredictionLog log{disk, metrics, log_options()};
  Deployments deployments{serving, log, clock, metrics};
  std::int64_t revision = 0;
};

World& world() {
  static World one;
  return one;
}

const std::vector<float> kRow = {0.5123f, -12345.678f, 0.000001234f, 3, 0.25f, -1.75f, 0.33333f};

void score_alone(benchmark::State& state) {
  const Loaded version = world().version();
  for (auto _ : state) {
    std::vector<float> cells = kRow, values(1);
    const auto began = world().clock.monotonic();
    version->engine->values(cells, 1, values);
    world().serving.count(*version, 1, (world().clock.monotonic() - began).count(), false);
    benchmark::DoNotOptimize(values.data());
  }
}

void answer(benchmark::State& state, delivery::Mode mode, double percent, const char* key) {
  const Deployment deployment = world().deploy(mode, percent);
  Deployments& deployments = world().deployments;
  for (auto _ : state) {
    const Deployment found = deployments.find_one("live").value();
    RequestFacts facts = request_facts({key, "2011-05-01T00:00:00Z", "17"}).value();
    Assignment assignment = deployments.assign(found, facts.key).value();
    std::string id = assignment.id.text();
    auto scored = deployments.answer(assignment, kRow, 1, facts, deployments.now_ms());
    benchmark::DoNotOptimize(scored->values.data());
    benchmark::DoNotOptimize(id.data());
  }
  state.counters["lost"] = static_cast<double>(world().log.lost());
}
void answer_logged(benchmark::State& state) {
  answer(state, delivery::Mode::kStableOnly, 0, "");
}
void answer_keyed(benchmark::State& state) {
  answer(state, delivery::Mode::kStableOnly, 0, "user 7");
}
void answer_canary(benchmark::State& state) {
  answer(state, delivery::Mode::kCanary, 20, "");
}
void answer_shadow(benchmark::State& state) {
  answer(state, delivery::Mode::kShadow, 20, "");
}
BENCHMARK(score_alone);
BENCHMARK(answer_logged);
BENCHMARK(answer_keyed);
BENCHMARK(answer_canary);
BENCHMARK(answer_shadow);

}  // namespace
}  // namespace slipway::serving

BENCHMARK_MAIN();
