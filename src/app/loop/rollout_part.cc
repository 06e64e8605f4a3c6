#include "app/loop/rollout_part.h"

#include <algorithm>

#include "app/loop/intake_part.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "domain/registry/registry.h"

namespace slipway::app {
namespace {

using delivery::Action;
using delivery::Phase;

constexpr UnixMs kRetryMs = 10'000;  // what can't be loaded may be repaired meanwhile

bool may_pass(const Error& error) {
  return error.code == Code::kUnavailable || error.code == Code::kBusy;
}

bool is_declared(const std::shared_ptr<const project::Applied>& project,
                 const std::string& deployment, const std::string& model) {
  const project::DeploymentSpec* spec =
      project ? project->declared.file.find_deployment(deployment) : nullptr;
  return spec != nullptr && spec->model == model;
}

/// The version whose absence made a route fail.
std::int64_t culprit_of(const delivery::DeploymentRoute& route, const Error& error) {
  return error.tag == "stable" ? route.stable : route.candidate;
}

/// A candidate that is live has the alias that the model is meant by; one that came to nothing
/// gives it back to the version that serves.
Result<bool> move_alias(db::Tx& tx, const delivery::Rollout& rollout,
                        const delivery::Transition& transition, UnixMs now) {
  std::int64_t version = 0;
  if (transition.phase == Phase::kLive) version = rollout.version;
  if (transition.phase == Phase::kRolledBack || transition.phase == Phase::kStopped) {
    auto meant = registry::meant_version(tx, rollout.model);
    const auto deployment = TRY(delivery::find_deployment(tx, rollout.deployment));
    const bool has_it = meant.ok() && *meant == rollout.version;
    if (has_it && deployment) version = deployment->stable;
  }
  if (version == 0) return false;
  Result<> moved = registry::put_alias(tx, kLoopActor, rollout.model, registry::kMeantAlias,
                                       version, transition.event_seq, now);
  if (moved.ok()) return true;
  // Deleted by somebody: there is nothing to name.
  if (moved.error().code == Code::kMissing) return false;
  return moved.error();
}

delivery::DeploymentRoute closed_route(const std::string& deployment, const std::string& model) {
  delivery::DeploymentRoute closed;
  closed.deployment = deployment;
  closed.model = model;
  return closed;
}

}  // namespace

serving::LogRules log_rules_of(const project::LogPolicy& policy, const std::string& hash_key) {
  serving::LogRules rules;
  rules.sample = policy.sample;
  for (const auto& [column, what] : policy.columns) {
    if (what == project::ColumnPolicy::kDrop) rules.dropped.push_back(column);
    if (what == project::ColumnPolicy::kHash) rules.hashed.push_back(column);
  }
  if (!rules.hashed.empty()) rules.hash_key = hash_key;
  return rules;
}

void close_new_names(serving::Deployments& deployments, const project::ProjectFile& file,
                     const std::string& hash_key) {
  const std::vector<std::string> known = deployments.names();
  for (const project::DeploymentSpec& spec : file.deployments) {
    if (std::find(known.begin(), known.end(), spec.name) != known.end()) continue;
    deployments.apply(closed_route(spec.name, spec.model), log_rules_of(spec.log, hash_key),
                      [](Result<>) {});
  }
}

RolloutPart::RolloutPart(db::Pool& pool, project::CurrentProject& project,
                         serving::Deployments& deployments, RolloutPartOptions options)
    : pool_(pool), project_(project), deployments_(deployments), options_(std::move(options)) {}

Result<bool> RolloutPart::turn(UnixMs now) {
  bool did = collect(now);
  // What a person asked for holds before anything else waits for the disk: no count bears on it.
  did |= TRY(decide_all(Which::kAsked, now));
  did |= TRY(put_routes(now));
  // Counting is no work of its own: who answers requests all the time would never rest.
  TRY(save_counts(now));
  if (TRY(decide_all(Which::kAll, now))) {
    TRY(put_routes(now));
    did = true;
  }
  return did;
}

bool RolloutPart::is_pending() const {
  return !asked_.empty() || deployments_.shadows_wait([wake = options_.wake] {
    if (wake) wake();
  });
}

// --- counters ------------------------------------------------------------------------------------

Result<> RolloutPart::save_counts(UnixMs now) {
  std::map<std::pair<std::string, int>, delivery::StepCounts> fresh;
  for (const auto& counter : deployments_.counters()) {
    const std::pair key(counter->rollout(), counter->step());
    const delivery::StepCounts counts = counter->counts();
    auto known = saved_.find(key);
    if (known != saved_.end() ? known->second == counts : counts == delivery::StepCounts{})
      continue;
    fresh[key] = counts;
  }
  if (fresh.empty()) return {};
  TRY(pool_.write([&](db::Tx& tx) -> Result<> {
    for (const auto& [key, counts] : fresh) {
      Result<> saved =
          delivery::save_counts(tx, key.first, key.second, options_.source, counts, now);
      if (!saved.ok() && saved.error().code != Code::kMissing) return saved.error();
    }
    return {};
  }));
  for (auto& [key, counts] : fresh) saved_[key] = counts;
  return {};
}

// --- decisions -----------------------------------------------------------------------------------

namespace {

/// A person asked for its end, and it is not on its way there.
bool is_asked_for(const delivery::Rollout& rollout) {
  if (rollout.phase == Phase::kPromoting || rollout.phase == Phase::kAborting) return false;
  return !rollout.promote_asked.empty() || !rollout.abort_asked.empty();
}

Action action_for(const delivery::Decidable& found, bool declared) {
  const Phase phase = found.rollout.phase;
  if (declared || phase == Phase::kPromoting || phase == Phase::kAborting)
    return delivery::next_action(found.snapshot);
  // Nobody wants it any more; that is no fault of the candidate's.
  Action back;
  back.kind = Action::Kind::kRollBack;
  back.reason = "slipway.yaml declares the deployment no more";
  return back;
}

}  // namespace

Result<std::vector<RolloutPart::Decision>> RolloutPart::decide(db::Tx& tx, Which which,
                                                               UnixMs now) {
  const auto project = TRY(project_.get(tx));
  std::vector<Decision> decisions;
  std::set<VersionKey> open;
  std::set<std::string> ids;
  for (const std::string& id : TRY(delivery::open_rollouts(tx))) {
    auto rollout = TRY(delivery::find_rollout(tx, id));
    if (!rollout || (which == Which::kAsked && !is_asked_for(*rollout))) continue;
    const auto deployment = TRY(delivery::find_deployment(tx, rollout->deployment));
    if (!deployment) continue;
    const bool declared = is_declared(project, deployment->name, deployment->model);
    const VersionKey key(rollout->deployment, rollout->version);
    open.insert(key);
    ids.insert(id);
    delivery::Observed observed;
    observed.now_ms = now;
    // Without a declaration it has no route, so nothing is answered by an old one.
    observed.route_settled =
        !declared || deployments_.is_settled(deployment->name, deployment->revision);
    if (auto fault = faults_.find(key); fault != faults_.end())
      observed.candidate_fault = fault->second;
    const VersionKey stable(rollout->deployment, deployment->stable);
    open.insert(stable);
    if (auto fault = faults_.find(stable); fault != faults_.end())
      observed.stable_fault = fault->second;
    delivery::Decidable decidable = TRY(delivery::load_snapshot(tx, id, observed));
    Action action = action_for(decidable, declared);
    if (action.kind == Action::Kind::kWait) continue;
    decisions.push_back({std::move(decidable.rollout), std::move(action)});
  }
  if (which == Which::kAll) forget_all_but(ids, open);
  return decisions;
}

void RolloutPart::forget_all_but(const std::set<std::string>& rollouts,
                                 const std::set<VersionKey>& open) {
  std::erase_if(faults_, [&](const auto& fault) { return !open.contains(fault.first); });
  std::erase_if(saved_, [&](const auto& saved) { return !rollouts.contains(saved.first.first); });
  for (const auto& counter : deployments_.counters())
    if (!rollouts.contains(counter->rollout())) deployments_.forget(counter->rollout());
}

Result<bool> RolloutPart::carry_out(const Decision& decision, UnixMs now) {
  bool alias_moved = false;
  Result<delivery::Transition> done = pool_.write([&](db::Tx& tx) -> Result<delivery::Transition> {
    const delivery::Rollout& rollout = decision.rollout;
    delivery::Transition transition =
        TRY(delivery::apply(tx, rollout.id, rollout.revision, decision.action, kLoopActor, now));
    if (transition.changed) alias_moved = TRY(move_alias(tx, rollout, transition, now));
    return transition;
  });
  // Somebody else was faster; what holds now is decided at the next turn.
  if (!done.ok() && done.error().tag == "stale") return true;
  if (!done.ok()) return done.error();
  failpoint("rollout", to_string(decision.action.kind));
  if (alias_moved && options_.registry_changed) options_.registry_changed();
  return done->changed;
}

Result<bool> RolloutPart::decide_all(Which which, UnixMs now) {
  if (now < last_turn_ms_)
    TRY(pool_.write([&](db::Tx& tx) { return delivery::heed_clock(tx, now); }));
  last_turn_ms_ = now;
  const std::vector<Decision> decisions =
      TRY(pool_.read([&](db::Tx& tx) { return decide(tx, which, now); }));
  bool did = false;
  for (const Decision& decision : decisions) did |= TRY(carry_out(decision, now));
  return did;
}

// --- routes --------------------------------------------------------------------------------------

Result<std::map<std::string, RolloutPart::Wanted>> RolloutPart::wanted_routes(db::Tx& tx) {
  std::map<std::string, Wanted> wanted;
  const auto project = TRY(project_.get(tx));
  for (delivery::DeploymentRoute& route : TRY(delivery::routes(tx))) {
    if (!is_declared(project, route.deployment, route.model)) continue;
    const project::DeploymentSpec* spec = project->declared.file.find_deployment(route.deployment);
    const std::string name = route.deployment;
    route.features = spec->features;
    wanted[name] = {std::move(route), log_rules_of(spec->log, options_.hash_key)};
  }
  if (!project) return wanted;
  for (const project::DeploymentSpec& spec : project->declared.file.deployments) {
    wanted.try_emplace(spec.name, Wanted{closed_route(spec.name, spec.model),
                                         log_rules_of(spec.log, options_.hash_key)});
  }
  return wanted;
}

void RolloutPart::ask(const Wanted& wanted, bool without_candidate) {
  asked_[wanted.route.deployment] = wanted;
  delivery::DeploymentRoute route = wanted.route;
  if (without_candidate) {
    route.candidate = 0;
    route.mode = delivery::Mode::kStableOnly;
    route.rollout.clear();
  }
  deployments_.apply(std::move(route), wanted.rules,
                     [this, wanted, without_candidate](Result<> result) {
                       outcomes_.with([&](auto& outcomes) {
                         outcomes.push_back({wanted, without_candidate, std::move(result)});
                       });
                       arrived_.release();
                       if (options_.wake) options_.wake();
                     });
}

bool RolloutPart::collect(UnixMs now) {
  std::vector<Outcome> outcomes =
      outcomes_.with([](auto& kept) { return std::exchange(kept, {}); });
  for (const Outcome& outcome : outcomes) {
    const std::string& name = outcome.wanted.route.deployment;
    asked_.erase(name);
    if (!outcome.result.ok()) {
      take_failure(outcome, outcome.result.error(), now);
    } else if (outcome.without_candidate) {
      // It was the candidate: this route can't be, and its rollout will go back.
      refused_[name] = {outcome.wanted, now};
    } else {
      put_[name] = outcome.wanted;
      failpoint("rollout.route_put");
      refused_.erase(name);
      faults_.erase({name, outcome.wanted.route.stable});
      faults_.erase({name, outcome.wanted.route.candidate});
    }
  }
  return !outcomes.empty();
}

void RolloutPart::take_failure(const Outcome& outcome, const Error& error, UnixMs now) {
  const delivery::DeploymentRoute& route = outcome.wanted.route;
  const bool known = refused_.contains(route.deployment);
  refused_[route.deployment] = {outcome.wanted, now};
  if (!known)
    log_error("a route can't be put in place",
              {{"deployment", route.deployment}, {"why", error.message}});
  if (may_pass(error)) return;
  const std::int64_t culprit = culprit_of(route, error);
  faults_[{route.deployment, culprit}] = error.message;
  if (culprit == route.stable) {
    const serving::Deployment held = deployments_.find(route.deployment);
    if (held && held->stable) return;
    // Nothing answers, so neither does an older route, whatever waits for its end.
    delivery::DeploymentRoute closed = closed_route(route.deployment, route.model);
    closed.salt = route.salt;
    closed.revision = route.revision;
    deployments_.apply(std::move(closed), outcome.wanted.rules, [](Result<>) {});
  } else if (route.stable != 0) {
    // The stable version goes on answering meanwhile.
    ask(outcome.wanted, /*without_candidate=*/true);
  }
}

Result<bool> RolloutPart::put_routes(UnixMs now) {
  const std::map<std::string, Wanted> wanted =
      TRY(pool_.read([&](db::Tx& tx) { return wanted_routes(tx); }));
  bool did = remove_unwanted(wanted);
  for (const auto& [name, route] : wanted) {
    if (asked_.contains(name)) continue;
    if (auto put = put_.find(name); put != put_.end() && put->second == route) continue;
    const auto refused = refused_.find(name);
    const bool is_refused = refused != refused_.end() && refused->second.first == route;
    const UnixMs since_ms = is_refused ? now - refused->second.second : 0;
    if (is_refused && since_ms >= 0 && since_ms < kRetryMs) continue;
    ask(route, /*without_candidate=*/false);
    did = true;
  }
  return did;
}

/// A name that is declared no more, or for another model now.
bool RolloutPart::remove_unwanted(const std::map<std::string, Wanted>& wanted) {
  bool did = false;
  for (const serving::Deployment& deployed : deployments_.all()) {
    const std::string& name = deployed->route.deployment;
    const auto known = wanted.find(name);
    const bool is_wanted =
        known != wanted.end() && known->second.route.model == deployed->route.model;
    if (is_wanted || asked_.contains(name)) continue;
    deployments_.remove(name);
    put_.erase(name);
    refused_.erase(name);
    did = true;
  }
  return did;
}

Result<> RolloutPart::close_names() {
  const std::map<std::string, Wanted> wanted =
      TRY(pool_.read([&](db::Tx& tx) { return wanted_routes(tx); }));
  for (const auto& [name, known] : wanted) {
    delivery::DeploymentRoute closed = closed_route(name, known.route.model);
    closed.salt = known.route.salt;
    deployments_.apply(std::move(closed), known.rules, [](Result<>) {});
  }
  return {};
}

Result<> RolloutPart::restore(UnixMs now, std::chrono::milliseconds patience) {
  TRY(close_names());
  TRY(put_routes(now));
  const auto end = std::chrono::steady_clock::now() + patience;
  for (std::size_t left = asked_.size(); left > 0; --left)
    if (!arrived_.try_acquire_until(end)) break;
  return {};
}

}  // namespace slipway::app
