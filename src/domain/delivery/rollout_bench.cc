#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "domain/delivery/simulation.h"

// rollout_bench [ROLLOUTS]: whole rollouts through the real decision, a fixed seed each (1, 2,
// ...). Prints one JSON object: how many of the failing canaries were rolled back within 2,000
// requests, and what became of the healthy ones.
namespace slipway::delivery::simulation {
namespace {

std::vector<Outcome> run_all(const Scenario& scenario, int rollouts) {
  std::vector<Outcome> outcomes(static_cast<std::size_t>(rollouts));
  const unsigned threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> workers;
  for (unsigned first = 0; first < threads; ++first) {
    workers.emplace_back([&, first] {
      for (std::size_t i = first; i < outcomes.size(); i += threads)
        outcomes[i] = Rollout(scenario, i + 1).run();
    });
  }
  for (std::thread& worker : workers) worker.join();
  return outcomes;
}

int count(const std::vector<Outcome>& outcomes, Action::Kind kind, std::int64_t requests_max) {
  int n = 0;
  for (const Outcome& outcome : outcomes)
    n += outcome.last == kind && outcome.requests <= requests_max;
  return n;
}

std::int64_t middle_requests(std::vector<Outcome> outcomes) {
  const auto middle = outcomes.begin() + static_cast<std::ptrdiff_t>(outcomes.size() / 2);
  std::nth_element(outcomes.begin(), middle, outcomes.end(),
                   [](const Outcome& a, const Outcome& b) { return a.requests < b.requests; });
  return middle->requests;
}

void report(int rollouts) {
  const auto failing = run_all(failing_canary(), rollouts);
  const auto healthy = run_all(healthy_rollout(), rollouts);
  constexpr std::int64_t kAny = INT64_MAX;
  std::printf(
      "{\"rollouts\": %d, \"failing_back_within_2000\": %d, \"failing_back\": %d, "
      "\"failing_middle_requests\": %lld, \"healthy_back\": %d, \"healthy_promoted\": %d, "
      "\"healthy_middle_requests\": %lld}\n",
      rollouts, count(failing, Action::Kind::kRollBack, 2000),
      count(failing, Action::Kind::kRollBack, kAny),
      static_cast<long long>(middle_requests(failing)),
      count(healthy, Action::Kind::kRollBack, kAny), count(healthy, Action::Kind::kPromote, kAny),
      static_cast<long long>(middle_requests(healthy)));
}

}  // namespace
}  // namespace slipway::delivery::simulation

int main(int argc, char** argv) {
  const int rollouts = argc > 1 ? std::atoi(argv[1]) : 1000;
  if (rollouts < 1) {
    std::fprintf(stderr, "usage: rollout_bench [ROLLOUTS]\n");
    return 2;
  }
  slipway::delivery::simulation::report(rollouts);
  return 0;
}
