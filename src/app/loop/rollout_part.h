#pragma once

#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <semaphore>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/circle.h"
#include "base/guarded.h"
#include "domain/delivery/store.h"
#include "domain/project/applied.h"
#include "domain/serving/deployments.h"
#include "io/db/db.h"

namespace slipway::app {

/// What of a deployment's answers is kept, as declared.
serving::LogRules log_rules_of(const project::LogPolicy& policy, const std::string& hash_key);

/// Before the first rollout of a deployment: its name answers that nothing serves yet, and nobody
/// reaches a version past its gates. For names that the data plane does not know; any thread.
void close_new_names(serving::Deployments& deployments, const project::ProjectFile& file,
                     const std::string& hash_key);

struct RolloutPartOptions {
  std::string source;          // names this process's counters: another one after every start
  std::string hash_key;        // of hashed columns in the prediction log
  std::function<void()> wake;  // the circle
  std::function<void()> registry_changed;  // an alias was moved
};

/// Takes every open rollout one step at a time: saves what was counted, decides, makes the decision
/// durable with its event, and makes the data plane's routes what the catalogue says. Whatever it
/// did before a crash it finds again, and goes on.
class RolloutPart final : public Part {
 public:
  /// All must outlive it.
  RolloutPart(db::Pool& pool, project::CurrentProject& project, serving::Deployments& deployments,
              RolloutPartOptions options);

  static constexpr const char* kName = "rollouts";
  std::string name() const override { return kName; }
  Result<bool> turn(UnixMs now) override;
  bool is_pending() const override;

  /// Before the first request and the first turn: every deployment is known by its name, so that
  /// nothing is answered by what the registry says, and answers as it did before; at most
  /// `patience` is spent on loading, what takes longer comes later.
  Result<> restore(UnixMs now, std::chrono::milliseconds patience);

 private:
  /// A route with what is kept of its answers.
  struct Wanted {
    delivery::DeploymentRoute route;
    serving::LogRules rules;
    bool operator==(const Wanted&) const = default;
  };
  /// What became of one that was given to the data plane.
  struct Outcome {
    Wanted wanted;
    bool without_candidate = false;
    Result<> result;
  };
  struct Decision {
    delivery::Rollout rollout;
    delivery::Action action;
  };
  using VersionKey = std::pair<std::string, std::int64_t>;  // deployment and version

  Result<> save_counts(UnixMs now);
  /// What waits for a decision: all open rollouts, or those that a person asked to end.
  enum class Which { kAll, kAsked };
  Result<std::vector<Decision>> decide(db::Tx& tx, Which which, UnixMs now);
  void forget_all_but(const std::set<std::string>& rollouts, const std::set<VersionKey>& open);
  Result<bool> carry_out(const Decision& decision, UnixMs now);
  Result<bool> decide_all(Which which, UnixMs now);

  Result<std::map<std::string, Wanted>> wanted_routes(db::Tx& tx);
  bool collect(UnixMs now);
  void take_failure(const Outcome& outcome, const Error& error, UnixMs now);
  Result<bool> put_routes(UnixMs now);
  bool remove_unwanted(const std::map<std::string, Wanted>& wanted);
  Result<> close_names();
  void ask(const Wanted& wanted, bool without_candidate);

  db::Pool& pool_;
  project::CurrentProject& project_;
  serving::Deployments& deployments_;
  const RolloutPartOptions options_;
  std::map<std::pair<std::string, int>, delivery::StepCounts> saved_;  // by rollout and step
  std::map<std::string, Wanted> put_;    // what the data plane holds, by deployment
  std::map<std::string, Wanted> asked_;  // and what it was given meanwhile
  std::map<std::string, std::pair<Wanted, UnixMs>> refused_;  // and what it can't do, since when
  std::map<VersionKey, std::string> faults_;                  // versions that can't be loaded
  Guarded<std::vector<Outcome>> outcomes_;
  std::counting_semaphore<> arrived_{0};                      // one for each outcome
  UnixMs last_turn_ms_ = std::numeric_limits<UnixMs>::max();  // the first one looks at the clock
};

}  // namespace slipway::app
