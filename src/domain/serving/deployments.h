#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/function.h"
#include "base/guarded.h"
#include "base/lazy_queue.h"
#include "base/metrics.h"
#include "base/result.h"
#include "domain/delivery/counters.h"
#include "domain/delivery/routing.h"
#include "domain/features/service.h"
#include "domain/serving/prediction_log.h"
#include "domain/serving/serving.h"
#include "domain/serving/translation.h"

// The data plane of deployments: which version answers a request, what is counted and kept of the
// answer, and the candidate's score in the shadow of it.
namespace slipway::serving {

/// Counts of one step of one rollout in this process. Any thread.
class StepCounter {
 public:
  StepCounter(std::string rollout, int step) : rollout_(std::move(rollout)), step_(step) {}
  const std::string& rollout() const { return rollout_; }
  int step() const { return step_; }
  delivery::StepCounts counts() const {
    return counts_.with([](const auto& counts) { return counts; });
  }
  void add(const delivery::StepCounts& counts) {
    counts_.with([&](auto& known) { known.merge(counts); });
  }
  /// One answer to a caller of that cluster.
  void add(const delivery::AnswerCounts& answer, std::size_t cluster) {
    counts_.with([&](auto& known) { known.add(answer, cluster); });
  }

 private:
  const std::string rollout_;
  const int step_;
  Guarded<delivery::StepCounts> counts_;
};

/// A deployment as requests see it: immutable, swapped as a whole; a request ends on the one it
/// began with.
struct Deployed {
  delivery::DeploymentRoute route;
  Loaded stable, candidate;  // candidate: null without one
  Translation to_candidate, to_stable;  // from the cells of the other; impossible without one
  std::shared_ptr<const Layout> stable_layout, candidate_layout;
  std::shared_ptr<PredictionLog::Stream> stream;
  std::shared_ptr<StepCounter> counter;  // null without a rollout
  // Who answered, for callers: "bikes; version=3; role=candidate; step=ID", names percent-encoded.
  std::string stable_text, candidate_text;

  /// The version when the route has it: the only ones that may serve.
  Loaded find(std::string_view version) const;
};
using Deployment = std::shared_ptr<const Deployed>;

/// Who answers one request.
struct Assignment {
  Deployment deployment;
  PredictionId id;
  delivery::Role role = delivery::Role::kStable;
  Loaded version;
  bool shadowed = false;
  /// The caller named the version: the answer is kept, but no trial is drawn from it, and no other
  /// version stands in for it.
  bool chosen = false;
  /// The cells are those of the stable version: a candidate is asked for the same rows, in its own
  /// columns.
  bool as_stable = false;
  std::uint64_t key_hash = 0;
  std::size_t cluster = 0;  // of callers, while a candidate is tried
};

/// What a caller said beside the inputs.
struct RequestFacts {
  std::string key;           // sticky; "" for none
  std::string client_id;     // "" for none
  std::optional<UnixMs> event_time_ms = {};  // nothing: now
  /// Which columns were looked up, in the order of the cells, when any was.
  std::vector<bool> looked_up = {};
  std::shared_ptr<const LookedUp> entity = {};  // whose, and by which view; null: nothing was
};
/// A time as callers write it: ISO 8601 with a zone, or milliseconds since 1970; years 1970 to
/// 9999.
Result<UnixMs> read_event_time(std::string_view text);

/// An answer: values row by row as the engine gave them, and the version that gave them.
struct Scored {
  Loaded version;
  std::vector<float> values;
  bool fell_back = false;  // the candidate's were not finite, and the stable version answered
};

struct DeploymentsOptions {
  features::Service* features = nullptr;  // of deployments that look them up; outlives everything
  int shadow_jobs_max = 1024;
  std::size_t shadow_cells_max = 1u << 20;  // waiting; beyond either a sampled request is dropped
};

/// Any thread.
class Deployments {
 public:
  /// All must outlive it.
  Deployments(Serving& serving, PredictionLog& log, const Clock& clock, Metrics& metrics,
              DeploymentsOptions options = {});
  ~Deployments();
  void start();
  /// Scores what waits in the shadow, then ends its thread.
  void stop();

  /// Loads the versions that the route names and makes it hold, at once for every request that
  /// begins later; an older revision than the present one changes nothing. `done` is called on the
  /// loader thread: with the error of the version that can't be loaded, tag "stable" when it is
  /// the stable one, and then nothing has changed. A stable version that answers is kept in memory
  /// when it can't be loaded again.
  void apply(delivery::DeploymentRoute route, LogRules rules, Done<> done);
  /// The name answers no more.
  void remove(const std::string& deployment);
  /// Whether `revision` holds and no request is being answered by an older one.
  bool is_settled(const std::string& deployment, std::int64_t revision) const;

  /// By the deployment's name, else by that of a model that exactly one deployment serves; null
  /// when there is none: then the registry decides, as it does without deployments.
  Deployment find(std::string_view name) const;
  /// The same for a request. kInvalid, tag "bad_request", for a model that several deployments
  /// serve: which one is meant?
  Result<Deployment> find_one(std::string_view name) const;
  std::vector<Deployment> all() const;
  /// Whether a version that should serve can't be loaded.
  bool is_any_down() const;
  /// In order of name; those that serve `model` when it is given.
  std::vector<std::string> names(std::string_view model = {}) const;

  /// The view whose features this deployment looks up; null when it does not. kUnavailable, tag
  /// "not_ready", when nothing was materialized yet.
  Result<std::shared_ptr<const features::Lookup>> lookup(const Deployed& deployed) const;

  /// Fails when nothing is served yet: kUnavailable, tag "not_ready".
  Result<Assignment> assign(const Deployment& deployment, const std::string& key) const;
  /// By a version that the caller names. kConflict, tag "not_deployed", when the route has not got
  /// it.
  Result<Assignment> assign_version(const Deployment& deployment, std::string_view version,
                                    const std::string& key) const;

  /// Scores, counts and logs one request; the shadow follows when the answer is on its way. An
  /// answer that is not finite is an error: a candidate's is replaced by the stable version's, for
  /// nobody should suffer from a trial; kInternal, tag "not_finite", when that is no better.
  Result<Scored> answer(const Assignment& assignment, std::vector<float> cells, std::size_t rows,
                        const RequestFacts& facts, UnixMs now_ms);
  /// A request that an assigned version could not answer though the caller did nothing wrong.
  void fail(const Assignment& assignment, const RequestFacts& facts, UnixMs now_ms,
            const Error& error);

  /// See PredictionLog::pause.
  void pause_log() { log_.pause(); }
  /// Of ids and answers.
  UnixMs now_ms() const { return clock_.now_ms(); }

  /// Everything counted since the start, per step; for delivery's store.
  std::vector<std::shared_ptr<StepCounter>> counters() const;
  /// Forgets the counter of a rollout that is over.
  void forget(const std::string& rollout);
  /// Returns once every request that was sampled before the call has been scored in the shadow.
  void drain_shadow();
  /// Whether sampled requests still wait for their shadow. Then `done` is called once, on the
  /// shadow's thread, when those have been scored (not if its queue is full: ask again).
  bool shadows_wait(std::function<void()> done);

 private:
  struct Shadow {
    Deployment deployment;
    PredictionId id;
    std::uint64_t key_hash = 0;
    std::size_t cluster = 0;
    UnixMs event_time_ms = 0;
    std::vector<float> cells, stable_values;
    std::size_t rows = 0;
    std::int64_t stable_ns = 0;
    std::vector<bool> looked_up;
    std::shared_ptr<const LookedUp> entity;
    UniqueFunction<void()> drained;  // a barrier, and nothing else
  };
  using Table = std::map<std::string, Deployment, std::less<>>;

  Loaded held_stable(const delivery::DeploymentRoute& route) const;
  void finish_apply(delivery::DeploymentRoute route, LogRules rules, Loaded stable,
                    Loaded candidate);
  std::shared_ptr<StepCounter> counter_for(const delivery::DeploymentRoute& route);
  Assignment begin(const Deployment& deployment, const std::string& key) const;
  void cast_shadow(const Assignment& assignment, std::vector<float> cells, std::size_t rows,
                   const Scored& scored, std::int64_t stable_ns, UnixMs event_time_ms,
                   const RequestFacts& facts);
  void run_shadow();
  void score_shadows(std::deque<Shadow> jobs);
  /// What it counted, nothing where it could not score.
  delivery::AnswerCounts score_shadow(Shadow& job);
  bool push_barrier(Shadow& barrier);

  Serving& serving_;
  PredictionLog& log_;
  const Clock& clock_;
  const DeploymentsOptions options_;
  Counter& answers_;
  Counter& errors_;
  Counter& shadow_dropped_;
  Guarded<std::shared_ptr<const Table>> table_;
  std::atomic<bool> any_{false};  // a deployment at all: without one requests pay nothing
  // Of each deployment the snapshots that a request may still hold.
  Guarded<std::map<std::string, std::vector<std::weak_ptr<const Deployed>>>> older_;
  Guarded<std::vector<std::shared_ptr<StepCounter>>> counters_;
  LazyQueue<Shadow> shadows_;
  std::atomic<std::size_t> shadow_cells_{0};
  std::atomic<int> shadow_jobs_{0};  // waiting, being scored, or not counted yet
  std::thread shadow_thread_;
};

}  // namespace slipway::serving
