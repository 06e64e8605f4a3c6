#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <utility>

#include "domain/delivery/rollout.h"

// Whole rollouts on random answers through next_action itself, with a fixed seed each: shared by
// the test (few) and the benchmark (many). Not for the program.
namespace slipway::delivery::simulation {

/// How one version answers.
struct Behaviour {
  double error_rate = 0.01, slow_rate = 0.01;
  double score_mean = 0, score_deviation = 1;
};

struct Scenario {
  RolloutPlan plan;
  Behaviour stable, candidate;
  double pair_deviation = 0.1;  // of the difference of two scores of one request
  double flip_rate = 0.02;
  /// Callers who stay: each comes in bursts, always gets the same version, and is one for whom all
  /// goes well or much goes wrong. 0: every request is a caller of its own.
  std::int64_t callers = 0;
  double burst_requests = 10;  // of one caller, on average
  bool with_clusters = true;   // false: as if it were unknown who asked
  std::int64_t requests_max = 100'000;
  std::int64_t look_every = 50;  // requests
};

struct Outcome {
  Action::Kind last = Action::Kind::kWait;
  std::string reason;
  std::int64_t requests = 0;  // until the last action
};

class Rollout {
 public:
  Rollout(const Scenario& scenario, std::uint64_t seed)
      : scenario_(scenario), seed_(seed), random_(seed) {
    snapshot_.plan = scenario.plan;
    snapshot_.phase = phase_of(0);
    snapshot_.counts.resize(scenario.plan.steps.size());
  }

  Outcome run() {
    for (std::int64_t request = 1; request <= scenario_.requests_max; ++request) {
      answer();
      snapshot_.now_ms = request * 10;  // a hundred a second
      if (request % scenario_.look_every != 0) continue;
      const Action action = next_action(snapshot_);
      if (action.kind == Action::Kind::kAdvance)
        enter(action.step);
      else if (action.kind != Action::Kind::kWait)
        return {action.kind, action.reason, request};
    }
    return {Action::Kind::kWait, "no decision", scenario_.requests_max};
  }

 private:
  Phase phase_of(int step) const {
    const auto kind = scenario_.plan.steps[static_cast<std::size_t>(step)].kind;
    return kind == project::StepKind::kShadow ? Phase::kShadowing : Phase::kCanarying;
  }
  void enter(int step) {
    snapshot_.step = step;
    snapshot_.phase = phase_of(step);
    snapshot_.step_started_ms = snapshot_.waiting_since_ms = snapshot_.now_ms;
  }
  bool happens(double probability) { return uniform_(random_) < probability; }

  void answer() {
    const auto step = static_cast<std::size_t>(snapshot_.step);
    const double share = scenario_.plan.steps[step].percent / 100;
    AnswerCounts answered;
    if (scenario_.callers > 0) {
      next_caller();
      answer_caller(answered, share);
    } else {
      ++caller_;
      answer_anybody(answered, share);
    }
    const auto cluster = static_cast<std::size_t>(trait(5) * static_cast<double>(kClusters));
    if (scenario_.with_clusters)
      snapshot_.counts[step].add(answered, cluster);
    else
      snapshot_.counts[step].AnswerCounts::merge(answered);
  }

  void answer_anybody(AnswerCounts& counts, double share) {
    const bool chosen = happens(share);
    if (snapshot_.phase == Phase::kShadowing) {
      if (chosen) answer_both(counts);
    } else {
      const Behaviour& b = chosen ? scenario_.candidate : scenario_.stable;
      count(chosen ? counts.candidate : counts.stable, happens(b.error_rate), happens(b.slow_rate),
            b.score_mean + b.score_deviation * normal_(random_));
    }
  }

  /// A number from 0 to 1 of this caller in this rollout, always the same; another for each `what`.
  double trait(std::uint64_t what) const {
    std::uint64_t x = (seed_ * 1'000'003 + static_cast<std::uint64_t>(caller_)) * 8 + what;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return static_cast<double>((x ^ (x >> 31)) >> 11) * 0x1p-53;
  }

  /// The caller whose burst goes on, or another one's that begins.
  void next_caller() {
    if (!happens(1 / scenario_.burst_requests)) return;
    caller_ = static_cast<std::int64_t>(uniform_(random_) * static_cast<double>(scenario_.callers));
  }

  /// Half of what callers ask goes wrong for those of whom any does, by the same draw for both
  /// versions: such a request is wrong for whichever version is asked, if it is wrong for that.
  struct Answers {
    bool stable_error = false, candidate_error = false, stable_slow = false, candidate_slow = false;
    double score = 0;
  };
  Answers ask_both() {
    constexpr double kOften = 0.5;
    const Behaviour& s = scenario_.stable;
    const Behaviour& c = scenario_.candidate;
    const bool wrong = happens(kOften), slow = happens(kOften);
    Answers a;
    a.stable_error = wrong && trait(1) < s.error_rate / kOften;
    a.candidate_error = wrong && trait(1) < c.error_rate / kOften;
    a.stable_slow = slow && trait(2) < s.slow_rate / kOften;
    a.candidate_slow = slow && trait(2) < c.slow_rate / kOften;
    const double own = 2 * std::sqrt(3.0) * (trait(3) - 0.5);  // of this caller: deviation 1
    a.score = std::sqrt(0.5) * (own + normal_(random_));
    return a;
  }

  void answer_caller(AnswerCounts& counts, double share) {
    const Answers a = ask_both();
    const Behaviour& s = scenario_.stable;
    const Behaviour& c = scenario_.candidate;
    const double stable_score = s.score_mean + s.score_deviation * a.score;
    const double candidate_score = c.score_mean + c.score_deviation * a.score;
    if (snapshot_.phase == Phase::kShadowing) {  // a sample of requests, not of callers
      if (!happens(share)) return;
      const double difference =
          candidate_score - stable_score + scenario_.pair_deviation * normal_(random_);
      count(counts.stable, a.stable_error, a.stable_slow, stable_score);
      count(counts.candidate, a.candidate_error, a.candidate_slow, stable_score + difference);
      return count_pair(counts.pairs, a, difference);
    }
    const bool chosen = trait(0) < share;
    // What neither can answer counts for neither.
    if (a.stable_error && a.candidate_error) return;
    count(chosen ? counts.candidate : counts.stable, chosen ? a.candidate_error : a.stable_error,
          chosen ? a.candidate_slow : a.stable_slow, chosen ? candidate_score : stable_score);
  }

  void count_pair(PairCounts& pairs, const Answers& a, double difference) {
    ++pairs.pairs;
    pairs.errors_candidate_only += a.candidate_error && !a.stable_error;
    pairs.errors_stable_only += a.stable_error && !a.candidate_error;
    pairs.slow_candidate_only += a.candidate_slow && !a.stable_slow;
    pairs.slow_stable_only += a.stable_slow && !a.candidate_slow;
    // Labels flip for those callers who are near the border.
    pairs.flips += trait(4) < 2 * scenario_.flip_rate && happens(0.5);
    if (!a.stable_error && !a.candidate_error) pairs.differences.add(difference);
  }

  static void count(ArmCounts& arm, bool error, bool slow, double score) {
    ++arm.requests;
    arm.errors += error;
    arm.slow += slow;
    if (!error) arm.scores.add(score);
  }

  void answer_both(AnswerCounts& counts) {
    const Behaviour& s = scenario_.stable;
    const Behaviour& c = scenario_.candidate;
    const bool errors[] = {happens(s.error_rate), happens(c.error_rate)};
    const bool slows[] = {happens(s.slow_rate), happens(c.slow_rate)};
    const double score = s.score_mean + s.score_deviation * normal_(random_);
    const double difference =
        c.score_mean - s.score_mean + scenario_.pair_deviation * normal_(random_);
    count(counts.stable, errors[0], slows[0], score);
    count(counts.candidate, errors[1], slows[1], score + difference);
    PairCounts& pairs = counts.pairs;
    ++pairs.pairs;
    pairs.errors_candidate_only += errors[1] && !errors[0];
    pairs.errors_stable_only += errors[0] && !errors[1];
    pairs.slow_candidate_only += slows[1] && !slows[0];
    pairs.slow_stable_only += slows[0] && !slows[1];
    pairs.flips += happens(scenario_.flip_rate);
    if (!errors[0] && !errors[1]) pairs.differences.add(difference);
  }

  const Scenario& scenario_;
  const std::uint64_t seed_;
  std::mt19937_64 random_;
  std::int64_t caller_ = 0;
  std::uniform_real_distribution<double> uniform_;
  std::normal_distribution<double> normal_;
  RolloutSnapshot snapshot_;
};

inline project::RolloutStep step(project::StepKind kind, double percent,
                                 std::int64_t min_requests) {
  project::RolloutStep result;
  result.kind = kind;
  result.percent = percent;
  result.min_requests = min_requests;
  return result;
}

/// Errors go from 1 % to 5 % at a share of 20 %; four guards in one step, so that each has an alpha
/// of 0.0125.
inline Scenario failing_canary() {
  Scenario scenario;
  scenario.plan.steps = {step(project::StepKind::kCanary, 20, 100'000)};
  scenario.plan.guards = {{"error_rate", Measure::kErrors, {}, true, 0},
                          {"latency", Measure::kSlow, {}, false, 5},
                          {"score_mean", Measure::kScoreMean, {}, false, 0},
                          {"label_flips", Measure::kLabelFlips, 0.1, false, 0}};
  scenario.candidate.error_rate = 0.05;
  scenario.requests_max = 20'000;
  scenario.look_every = 10;
  return scenario;
}

/// Two versions that are equally good, through shadow and three canary steps with every guard, all
/// of them critical: about 100,000 requests.
inline Scenario healthy_rollout() {
  Scenario scenario;
  scenario.plan.steps = {
      step(project::StepKind::kShadow, 20, 3'000), step(project::StepKind::kCanary, 5, 2'000),
      step(project::StepKind::kCanary, 20, 4'000), step(project::StepKind::kCanary, 50, 12'500)};
  scenario.plan.guards = {{"error_rate", Measure::kErrors, 0.02, true, 0},
                          {"latency", Measure::kSlow, {}, true, 5},
                          {"score_mean", Measure::kScoreMean, {}, true, 0},
                          {"label_flips", Measure::kLabelFlips, 0.05, true, 0}};
  scenario.requests_max = 200'000;
  return scenario;
}

/// The same of ten thousand callers, who come in bursts and stay with their version.
inline Scenario of_callers(Scenario scenario) {
  scenario.callers = 10'000;
  return scenario;
}

}  // namespace slipway::delivery::simulation
