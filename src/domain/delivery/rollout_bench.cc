#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "domain/delivery/simulation.h"

// rollout_bench [ROLLOUTS]: whole rollouts through the real decision, a fixed seed each (1, 2,
// ...). Prints one JSON object: how many of the failing canaries were rolled back within 2,000
// and within 20,000 requests, and what became of the healthy ones.
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

/// The guard that rolled most of them back, with how many: "score_mean: 12"; "" when none did.
std::string main_guard(const std::vector<Outcome>& outcomes) {
  std::map<std::string, int> guards;
  for (const Outcome& outcome : outcomes)
    if (outcome.last == Action::Kind::kRollBack)
      ++guards[outcome.reason.substr(0, outcome.reason.find(':'))];
  const auto most =
      std::max_element(guards.begin(), guards.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == guards.end() ? "" : most->first + ": " + std::to_string(most->second);
}

/// `name` begins the keys: "" of answers that are drawn independently, "callers_" of those of
/// callers who stay.
void report(const char* name, const Scenario& harmful, const Scenario& harmless, int rollouts) {
  const auto failing = run_all(harmful, rollouts);
  const auto healthy = run_all(harmless, rollouts);
  constexpr std::int64_t kAny = INT64_MAX;
  std::printf(
      "\"%sfailing_back_within_2000\": %d, \"%sfailing_back_within_20000\": %d, "
      "\"%sfailing_middle_requests\": %lld, \"%shealthy_back\": %d, \"%shealthy_promoted\": %d, "
      "\"%shealthy_middle_requests\": %lld, \"%shealthy_back_by\": \"%s\"",
      name, count(failing, Action::Kind::kRollBack, 2000), name,
      count(failing, Action::Kind::kRollBack, 20'000), name,
      static_cast<long long>(middle_requests(failing)), name,
      count(healthy, Action::Kind::kRollBack, kAny), name,
      count(healthy, Action::Kind::kPromote, kAny), name,
      static_cast<long long>(middle_requests(healthy)), name, main_guard(healthy).c_str());
}

}  // namespace
}  // namespace slipway::delivery::simulation

int main(int argc, char** argv) {
  const int rollouts = argc > 1 ? std::atoi(argv[1]) : 1000;
  if (rollouts < 1) {
    std::fprintf(stderr, "usage: rollout_bench [ROLLOUTS]\n");
    return 2;
  }
  using namespace slipway::delivery::simulation;
  std::printf("{\"rollouts\": %d, ", rollouts);
  report("", failing_canary(), healthy_rollout(), rollouts);
  std::printf(", ");
  report("callers_", of_callers(failing_canary()), of_callers(healthy_rollout()), rollouts);
  std::printf("}\n");
  return 0;
}
