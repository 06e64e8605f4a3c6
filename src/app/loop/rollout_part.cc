#include "app/loop/rollout_part.h"

#include <algorithm>

#include "app/loop/alias.h"
#include "app/loop/intake_part.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "base/text.h"

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

/// A candidate that is live has the alias of its deployment; one that came to nothing gives it back
/// to the version that serves.
Result<bool> move_alias(db::Tx& tx, const delivery::Rollout& rollout, const std::string& alias,
                        const delivery::Transition& transition, UnixMs now) {
  if (alias.empty()) return false;
  if (transition.phase == Phase::kLive)
    return put_alias(tx, rollout.model, alias, rollout.version, transition.event_seq, now);
  if (transition.phase != Phase::kRolledBack && transition.phase != Phase::kStopped) return false;
  return give_alias_back(tx, rollout.deployment, rollout.model, alias, rollout.version,
                         transition.event_seq, now);
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
  closed_.clear();
  bool did = collect(now);
  // What a person asked for holds before anything else waits for the disk.
  did |= TRY(do_asked(now));
  did |= TRY(put_routes(now));
  Result<bool> decided = count_and_decide(now);
  if (!decided.ok()) hold_back_harmful(now);
  if (TRY(std::move(decided))) {
    TRY(put_routes(now));
    did = true;
  }
  return did;
}

Result<bool> RolloutPart::count_and_decide(UnixMs now) {
  // Counting is no work of its own: who answers requests all the time would never rest.
  TRY(save_counts(now));
  return decide_all(now);
}

Result<bool> RolloutPart::stand_by(UnixMs now, const std::string& why) {
  // A route that was asked for before, and opened a name since.
  if (collect(now)) closed_.clear();
  const Routes wanted = TRY(pool_.read([&](db::Tx& tx) { return wanted_routes(tx); }));
  remove_unwanted(wanted);
  close_elsewhere(wanted, why);
  put_.clear();
  refused_.clear();
  faults_.clear();
  return false;
}

bool RolloutPart::is_pending() const {
  return !asked_.empty() || deployments_.shadows_wait([wake = options_.wake] {
    if (wake) wake();
  });
}

// --- counters ------------------------------------------------------------------------------------

RolloutPart::Counts RolloutPart::fresh_counts() const {
  Counts fresh;
  for (const auto& counter : deployments_.counters()) {
    const std::pair key(counter->rollout(), counter->step());
    const delivery::StepCounts counts = counter->counts();
    auto known = saved_.find(key);
    if (known != saved_.end() ? known->second == counts : counts == delivery::StepCounts{})
      continue;
    fresh[key] = counts;
  }
  return fresh;
}

Result<> RolloutPart::put_counts(db::Tx& tx, const Counts& counts, UnixMs now) const {
  for (const auto& [key, counted] : counts) {
    Result<> saved =
        delivery::save_counts(tx, key.first, key.second, options_.source, counted, now);
    if (!saved.ok() && saved.error().code != Code::kMissing) return saved.error();
  }
  return {};
}

void RolloutPart::keep_saved(Counts&& counts) {
  for (auto& [key, counted] : counts) saved_[key] = counted;
}

Result<> RolloutPart::save_counts(UnixMs now) {
  Counts fresh = fresh_counts();
  if (fresh.empty()) return {};
  TRY(pool_.write([&](db::Tx& tx) { return put_counts(tx, fresh, now); }));
  keep_saved(std::move(fresh));
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

Result<std::optional<RolloutPart::Decision>> RolloutPart::decide(
    db::Tx& tx, const delivery::Rollout& rollout, const delivery::Deployment& deployment,
    UnixMs now) const {
  const auto project = TRY(project_.get(tx));
  const bool declared = is_declared(project, deployment.name, deployment.model);
  delivery::Observed observed;
  observed.now_ms = now;
  // Without a declaration it has no route, so nothing is answered by an old one.
  observed.route_settled =
      !declared || deployments_.is_settled(deployment.name, deployment.revision);
  const auto fault_of = [&](std::int64_t version) {
    auto fault = faults_.find({deployment.name, version});
    return fault == faults_.end() ? std::string() : fault->second;
  };
  observed.candidate_fault = fault_of(rollout.version);
  observed.stable_fault = fault_of(deployment.stable);
  delivery::Decidable decidable = TRY(delivery::load_snapshot(tx, rollout.id, observed));
  Action action = action_for(decidable, declared);
  if (action.kind == Action::Kind::kWait) return std::nullopt;
  return Decision{std::move(decidable.rollout), std::move(action)};
}

Result<std::vector<RolloutPart::Decision>> RolloutPart::decide_open(db::Tx& tx, UnixMs now) {
  std::vector<Decision> decisions;
  std::set<VersionKey> versions;
  std::set<std::string> ids;
  for (const std::string& id : TRY(delivery::open_rollouts(tx))) {
    const auto rollout = TRY(delivery::find_rollout(tx, id));
    if (!rollout) continue;
    const auto deployment = TRY(delivery::find_deployment(tx, rollout->deployment));
    if (!deployment) continue;
    ids.insert(id);
    versions.insert({deployment->name, rollout->version});
    versions.insert({deployment->name, deployment->stable});
    auto decision = TRY(decide(tx, *rollout, *deployment, now));
    if (decision) decisions.push_back(std::move(*decision));
  }
  forget_all_but(ids, versions);
  return decisions;
}

void RolloutPart::forget_all_but(const std::set<std::string>& rollouts,
                                 const std::set<VersionKey>& versions) {
  std::erase_if(faults_, [&](const auto& fault) { return !versions.contains(fault.first); });
  std::erase_if(saved_, [&](const auto& saved) { return !rollouts.contains(saved.first.first); });
  for (const auto& counter : deployments_.counters())
    if (!rollouts.contains(counter->rollout())) deployments_.forget(counter->rollout());
}

Result<RolloutPart::Done> RolloutPart::carry_out(db::Tx& tx, const Decision& decision,
                                                 UnixMs now) const {
  const delivery::Rollout& rollout = decision.rollout;
  const delivery::Transition transition =
      TRY(delivery::apply(tx, rollout.id, rollout.revision, decision.action, kLoopActor, now));
  Done done;
  done.kind = decision.action.kind;
  done.changed = transition.changed;
  if (!transition.changed) return done;
  const std::string alias = alias_of(TRY(project_.get(tx)).get(), rollout.deployment);
  done.alias_moved = TRY(move_alias(tx, rollout, alias, transition, now));
  return done;
}

/// Once it is durable.
void RolloutPart::tell(const Done& done) const {
  failpoint("rollout", to_string(done.kind));
  if (done.alias_moved && options_.registry_changed) options_.registry_changed();
}

Result<std::optional<RolloutPart::Decision>> RolloutPart::decide_asked(db::Tx& tx,
                                                                       const std::string& id,
                                                                       UnixMs now) const {
  const auto rollout = TRY(delivery::find_rollout(tx, id));
  if (!rollout || !is_asked_for(*rollout)) return std::nullopt;
  const auto deployment = TRY(delivery::find_deployment(tx, rollout->deployment));
  if (!deployment) return std::nullopt;
  return decide(tx, *rollout, *deployment, now);
}

Result<RolloutPart::Asked> RolloutPart::carry_out_asked(db::Tx& tx, UnixMs now) {
  Asked asked;
  for (const std::string& id : TRY(delivery::open_rollouts(tx))) {
    const auto decision = TRY(decide_asked(tx, id, now));
    if (decision) asked.done.push_back(TRY(carry_out(tx, *decision, now)));
  }
  if (!asked.done.empty()) asked.wanted = TRY(wanted_routes(tx));
  return asked;
}

/// Together with what was counted until now, and with a look at the routes: the disk is waited for
/// once. What fails here is decided with the others, one by one.
Result<bool> RolloutPart::do_asked(UnixMs now) {
  if (!has_wish_.exchange(false)) return false;
  // Decided when the disk is free for what makes it durable, on what was counted until then.
  deployments_.pause_log();
  Counts fresh = fresh_counts();
  Asked asked = TRY(pool_.write([&](db::Tx& tx) -> Result<Asked> {
    now = std::max(now, deployments_.now_ms());
    TRY(put_counts(tx, fresh, now));
    now = std::max(now, deployments_.now_ms());
    return carry_out_asked(tx, now);
  }));
  keep_saved(std::move(fresh));
  for (const Done& done : asked.done) tell(done);
  if (!asked.done.empty()) put_routes(asked.wanted, now);
  return !asked.done.empty();
}

Result<bool> RolloutPart::decide_all(UnixMs now) {
  if (now < last_turn_ms_)
    TRY(pool_.write([&](db::Tx& tx) { return delivery::heed_clock(tx, now); }));
  last_turn_ms_ = now;
  const std::vector<Decision> decisions =
      TRY(pool_.read([&](db::Tx& tx) { return decide_open(tx, now); }));
  if (!decisions.empty()) deployments_.pause_log();
  bool did = false;
  for (const Decision& decision : decisions) {
    const Result<Done> done =
        pool_.write([&](db::Tx& tx) { return carry_out(tx, decision, now); });
    // Somebody else was faster; what holds now is decided at the next turn.
    const bool is_stale = !done.ok() && done.error().tag == "stale";
    if (!done.ok() && !is_stale) return done.error();
    if (!is_stale) tell(*done);
    did |= is_stale || done->changed;
  }
  return did;
}

// --- while nothing can be made durable -----------------------------------------------------------

Result<std::vector<RolloutPart::Wanted>> RolloutPart::harmful_routes(db::Tx& tx, UnixMs now) {
  std::vector<Wanted> harmful;
  const Counts fresh = fresh_counts();
  for (const auto& [name, wanted] : TRY(wanted_routes(tx))) {
    const std::string& id = wanted.route.rollout;
    if (wanted.route.candidate == 0 || id.empty()) continue;
    delivery::Observed observed;
    observed.now_ms = now;
    delivery::Decidable found = TRY(delivery::load_snapshot(tx, id, observed));
    std::vector<delivery::StepCounts>& counts = found.snapshot.counts;
    for (const auto& [key, counted] : fresh) {
      const auto step = static_cast<std::size_t>(key.second);
      if (key.first == id && step < counts.size()) counts[step] = counted;
    }
    const Action action = delivery::next_action(found.snapshot);
    if (action.kind == Action::Kind::kRollBack && action.quarantine) harmful.push_back(wanted);
  }
  return harmful;
}

/// A candidate that is to go back, as far as can be seen, answers nobody until that can be written
/// down. What is held back comes again, and is held back again, with each new try of its route.
void RolloutPart::hold_back_harmful(UnixMs now) {
  const auto harmful = pool_.read([&](db::Tx& tx) { return harmful_routes(tx, now); });
  if (!harmful.ok()) return;
  for (const Wanted& wanted : *harmful) {
    const std::string& name = wanted.route.deployment;
    const serving::Deployment held = deployments_.find(name);
    if (asked_.contains(name) || !held || !held->candidate) continue;
    log_error("a candidate does harm, and that can't be written down: it answers nobody meanwhile",
              {{"deployment", name}, {"version", std::to_string(wanted.route.candidate)}});
    ask(wanted, /*without_candidate=*/true);
  }
}

// --- routes --------------------------------------------------------------------------------------

Result<RolloutPart::Routes> RolloutPart::wanted_routes(db::Tx& tx) {
  Routes wanted;
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

/// With the version that it has: one that was taken back never does.
bool RolloutPart::goes_on_answering(const std::string& deployment) const {
  const serving::Deployment held = deployments_.find(deployment);
  if (!held || !held->stable) return false;
  const auto version = to_int64(held->stable->version);
  if (!version) return true;
  const Result<bool> taken_back = pool_.read(
      [&](db::Tx& tx) { return delivery::is_quarantined(tx, deployment, *version); });
  return !taken_back.ok() || !*taken_back;
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
    if (goes_on_answering(route.deployment)) return;
    // Nothing answers, so neither does an older route, whatever waits for its end.
    delivery::DeploymentRoute closed = closed_route(route.deployment, route.model);
    closed.salt = route.salt;
    closed.revision = route.revision;
    closed.is_down = true;
    closed.unserved = "version " + std::to_string(route.stable) + " of model " + route.model +
                      " can't be loaded: " + error.message + "; `slipway deploy " +
                      route.deployment + " --version N` brings another one";
    deployments_.apply(std::move(closed), outcome.wanted.rules, [](Result<>) {});
  } else if (route.stable != 0) {
    // The stable version goes on answering meanwhile.
    ask(outcome.wanted, /*without_candidate=*/true);
  }
}

Result<bool> RolloutPart::put_routes(UnixMs now) {
  return put_routes(TRY(pool_.read([&](db::Tx& tx) { return wanted_routes(tx); })), now);
}

bool RolloutPart::put_routes(const Routes& wanted, UnixMs now) {
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
bool RolloutPart::remove_unwanted(const Routes& wanted) {
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
  const Routes wanted =
      TRY(pool_.read([&](db::Tx& tx) { return wanted_routes(tx); }));
  for (const auto& [name, known] : wanted) {
    delivery::DeploymentRoute closed = closed_route(name, known.route.model);
    closed.salt = known.route.salt;
    deployments_.apply(std::move(closed), known.rules, [](Result<>) {});
  }
  return {};
}

void RolloutPart::close_elsewhere(const Routes& wanted, const std::string& why) {
  for (const auto& [name, known] : wanted) {
    delivery::DeploymentRoute closed = closed_route(name, known.route.model);
    closed.salt = known.route.salt;
    closed.revision = known.route.revision;
    closed.elsewhere = why;
    const Wanted now{closed, known.rules};
    if (auto before = closed_.find(name); before != closed_.end() && before->second == now)
      continue;
    closed_[name] = now;
    deployments_.apply(std::move(closed), known.rules, [](Result<>) {});
  }
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
