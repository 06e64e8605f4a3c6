#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <limits>
#include <map>
#include <optional>
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
  /// The other server serves the deployments and decides of them: every name of one is closed here.
  Result<bool> stand_by(UnixMs now, const std::string& why) override;
  bool is_pending() const override;
  /// A person has asked for something: the next turn does that first. Any thread. A hint only, for
  /// every turn looks at all that is open.
  void note_wish() { has_wish_ = true; }

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
  /// What became of a decision.
  struct Done {
    delivery::Action::Kind kind = delivery::Action::Kind::kWait;
    bool changed = false;
    bool alias_moved = false;
  };
  using Routes = std::map<std::string, Wanted>;  // by deployment
  /// What became of people's wishes, and the routes that are wanted then.
  struct Asked {
    std::vector<Done> done;
    Routes wanted;
  };
  using VersionKey = std::pair<std::string, std::int64_t>;  // deployment and version
  using Counts = std::map<std::pair<std::string, int>, delivery::StepCounts>;  // rollout and step

  Counts fresh_counts() const;
  Result<> put_counts(db::Tx& tx, const Counts& counts, UnixMs now) const;
  void keep_saved(Counts&& counts);
  Result<> save_counts(UnixMs now);

  Result<std::optional<Decision>> decide(db::Tx& tx, const delivery::Rollout& rollout,
                                         const delivery::Deployment& deployment,
                                         UnixMs now) const;
  Result<std::vector<Decision>> decide_open(db::Tx& tx, UnixMs now);
  Result<bool> count_and_decide(UnixMs now);
  Result<std::vector<Wanted>> harmful_routes(db::Tx& tx, UnixMs now);
  void hold_back_harmful(UnixMs now);
  bool goes_on_answering(const std::string& deployment) const;
  void forget_all_but(const std::set<std::string>& rollouts, const std::set<VersionKey>& versions);
  Result<Done> carry_out(db::Tx& tx, const Decision& decision, UnixMs now) const;
  void tell(const Done& done) const;
  Result<std::optional<Decision>> decide_asked(db::Tx& tx, const std::string& id,
                                               UnixMs now) const;
  Result<Asked> carry_out_asked(db::Tx& tx, UnixMs now);
  Result<bool> do_asked(UnixMs now);
  Result<bool> decide_all(UnixMs now);

  Result<Routes> wanted_routes(db::Tx& tx);
  bool collect(UnixMs now);
  void take_failure(const Outcome& outcome, const Error& error, UnixMs now);
  Result<bool> put_routes(UnixMs now);
  bool put_routes(const Routes& wanted, UnixMs now);
  bool remove_unwanted(const Routes& wanted);
  Result<> close_names();
  void close_elsewhere(const Routes& wanted, const std::string& why);
  void ask(const Wanted& wanted, bool without_candidate);

  db::Pool& pool_;
  project::CurrentProject& project_;
  serving::Deployments& deployments_;
  const RolloutPartOptions options_;
  Counts saved_;
  std::atomic<bool> has_wish_ = false;  // a person asked for something since the last turn
  Routes put_;                          // what the data plane holds
  Routes asked_;                        // and what it was given meanwhile
  Routes closed_;                       // and what is closed while another server acts
  std::map<std::string, std::pair<Wanted, UnixMs>> refused_;  // and what it can't do, since when
  std::map<VersionKey, std::string> faults_;                  // versions that can't be loaded
  Guarded<std::vector<Outcome>> outcomes_;
  std::counting_semaphore<> arrived_{0};                      // one for each outcome
  UnixMs last_turn_ms_ = std::numeric_limits<UnixMs>::max();  // the first one looks at the clock
};

}  // namespace slipway::app
