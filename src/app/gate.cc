#include "app/gate.h"

#include <algorithm>
#include <utility>

#include "app/api.h"
#include "app/state.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "dialects/mlflow/artifact_path.h"
#include "domain/traces/traces.h"
#include "graph/graph.h"
#include "graph/kinds.h"
#include "io/http/authorization.h"
#include "io/http/forwarded.h"
#include "io/http/guard.h"

namespace slipway::app {
namespace {

using access::Kind;
using access::Level;
using access::Scope;
using http::Principal;
using http::Request;
using On = access::Rule::On;
using What = access::Thing::What;

Error who_are_you(std::string why) {
  return {Code::kDenied, std::move(why), http::kUnauthenticated};
}

Error not_allowed() {
  return denied("Permission denied");
}

Principal to_principal(access::Known known) {
  Principal principal;
  principal.name = std::move(known.name);
  if (known.scope != Scope::kAll) principal.scope = to_string(known.scope);
  principal.session = std::move(known.session);
  return principal;
}

Principal of_attempt(std::string attempt) {
  Principal principal;
  principal.name = "attempt:" + attempt;
  principal.attempt = std::move(attempt);
  return principal;
}

/// An experiment's id as grants have it: "007" is the experiment 7.
std::string plain_id(const std::string& text) {
  const std::optional<std::int64_t> id = to_int64(trim(text));
  return id ? std::to_string(*id) : text;
}

bool is_owner(const Principal& who) {
  return who.name == kOwnerName && who.attempt.empty();
}

std::string route_of(const http::Router::Entry& entry) {
  constexpr std::string_view kAjax = "/ajax-api/", kAjaxTypo = "/ajax-api";
  std::string_view pattern = entry.route.pattern;
  std::string path(pattern);
  if (pattern.starts_with(kAjax)) path = "/api" + std::string(pattern.substr(kAjaxTypo.size()));
  return std::string(to_string(entry.route.method)) + " " + path;
}

/// A token of this kind is good for that kind of route.
bool is_in_scope(const std::string& scope, const access::Rule& rule) {
  if (scope.empty() || rule.on == On::kNobody) return true;
  if (scope == to_string(Scope::kPredict)) return rule.on == On::kAsk;
  return rule.on != On::kAsk && access::suffices(Level::kRead, rule.level);
}

std::optional<std::string> first_number(const std::string& path) {
  const std::string first = path.substr(0, path.find('/'));
  if (first.empty() || !std::all_of(first.begin(), first.end(), is_digit)) return std::nullopt;
  return first;
}

bool lies_below(const std::string& path, const std::string& folder) {
  return !folder.empty() && path.starts_with(folder) &&
         (path.size() == folder.size() || path[folder.size()] == '/');
}

}  // namespace

// ---- ExperimentOf

std::optional<std::string> ExperimentOf::find(const std::string& id) const {
  std::lock_guard lock(mutex_);
  const auto found = known_.find(id);
  if (found == known_.end()) return std::nullopt;
  return found->second;
}

void ExperimentOf::learn(const std::string& id, const std::string& experiment) {
  std::lock_guard lock(mutex_);
  if (known_.size() >= kEntriesMax) known_.clear();
  known_.emplace(id, experiment);
}

// ---- LivingAttempts

bool LivingAttempts::has(const std::string& attempt, UnixMs now_ms) const {
  std::lock_guard lock(mutex_);
  const auto found = until_.find(attempt);
  return found != until_.end() && now_ms < found->second && now_ms >= found->second - kTrustMs;
}

void LivingAttempts::learn(const std::string& attempt, UnixMs now_ms) {
  std::lock_guard lock(mutex_);
  if (until_.size() >= kEntriesMax) until_.clear();
  until_[attempt] = now_ms + kTrustMs;
}

// ---- Gate

/// The gate as one listener sees it: its routes with their rules.
class Gate::Door final : public http::Doorkeeper, public http::Router::Guard {
 public:
  Door(Gate& gate, const http::Router& router) : gate_(gate) {
    for (const http::Router::Entry* entry : router.entries())
      rules_.push_back(gate.rule_of(*entry));
  }

  std::optional<Result<Principal>> recognise(const Request& head,
                                             const http::Router::Entry& entry) override {
    return gate_.recognise(head, rules_[entry.index]);
  }
  Result<Principal> prove(const Request& head, const http::Router::Entry&) override {
    return gate_.prove(head);
  }
  bool may_wait(const http::Router::Entry& entry, Request& request) override {
    const access::Rule* rule = rules_[entry.index];
    if (needs_news(rule)) return true;
    const std::optional<Result<>> judged = gate_.judge(rule, request, /*may_wait=*/false);
    // A refusal is looked at again where it may wait: what was granted since counts at once.
    request.cleared = judged && judged->ok();
    return !request.cleared;
  }
  Result<> permit(const http::Router::Entry& entry, Request& request) override {
    if (std::exchange(request.cleared, false)) return {};
    const access::Rule* rule = rules_[entry.index];
    if (needs_news(rule)) {
      // While nobody is known and the catalogue is away, the handler says so in its own words.
      Result<> read = gate_.world_.people.refresh();
      if (!read.ok() && gate_.is_on()) return read;
    }
    std::optional<Result<>> judged = gate_.judge(rule, request, /*may_wait=*/true);
    if (judged->ok() || judged->error().code != Code::kDenied) return std::move(*judged);
    TRY(gate_.world_.people.refresh());
    judged = gate_.judge(rule, request, /*may_wait=*/true);
    return std::move(*judged);
  }

 private:
  /// Who may what has to be read anew first. What is open to everybody needs none of it, and an
  /// answer of a model waits for no database: it goes by what is known (others' changes are told).
  bool needs_news(const access::Rule* rule) const {
    const bool can_do_without = rule != nullptr && (rule->on == On::kNobody || rule->on == On::kAsk);
    return !can_do_without && gate_.world_.mode != AccessMode::kOff &&
           gate_.world_.people.is_stale();
  }

  Gate& gate_;
  std::vector<const access::Rule*> rules_;  // by index of the entry
};

Gate::Gate(GateWorldOfAccess world, access::Rules rules) : world_(std::move(world)) {
  for (access::Rule& rule : rules) {
    std::string route = rule.route;
    rules_.emplace(std::move(route), std::move(rule));
  }
}

bool Gate::is_on() const {
  if (world_.mode == AccessMode::kAuto) return !world_.people.empty();
  return world_.mode == AccessMode::kOn;
}

const access::Rule* Gate::rule_of(const http::Router::Entry& entry) const {
  const auto found = rules_.find(route_of(entry));
  return found == rules_.end() ? nullptr : &found->second;
}

std::vector<std::string> Gate::unruled(const http::Router& router) const {
  std::vector<std::string> routes;
  for (const http::Router::Entry* entry : router.entries()) {
    if (rule_of(*entry) == nullptr) routes.push_back(route_of(*entry));
  }
  return routes;
}

std::shared_ptr<http::Doorkeeper> Gate::watch(http::Router& router) {
  for (const std::string& route : unruled(router)) {
    log_warning("a route has no rule of access, and is for administrators", {{"route", route}});
  }
  auto door = std::make_shared<Door>(*this, router);
  router.set_guard(door);
  return door;
}

// ---- who asks

std::optional<Result<Principal>> Gate::recognise(const Request& head, const Rule* rule) {
  const bool open = rule != nullptr &&
                    (rule->on == On::kNobody || (rule->on == On::kAsk && world_.open_predictions));
  const std::string_view header = head.headers.get("Authorization");
  const std::string_view cookies = head.headers.get("Cookie");
  const http::Credentials shown = http::parse_authorization(header);
  if (shown.scheme == http::Credentials::Scheme::kBearer) {
    // Of the state folder: good with and without people.
    if (equal_secrets(shown.secret, world_.secret)) {
      Principal owner;
      owner.name = kOwnerName;
      return owner;
    }
    if (std::optional<std::string> attempt = attempt_of_token(world_.secret, shown.secret)) {
      const bool asks = is_on() && !(rule != nullptr && rule->on == On::kNobody);
      if (asks && !attempts_.has(*attempt, world_.people.real_now_ms())) return std::nullopt;
      return of_attempt(std::move(*attempt));
    }
  }
  if (!is_on() || (rule != nullptr && rule->on == On::kNobody)) return Principal{};
  switch (shown.scheme) {
    case http::Credentials::Scheme::kBearer:
      return recognise_token(shown.secret);
    case http::Credentials::Scheme::kBasic: {
      if (world_.people.is_stale()) return std::nullopt;
      std::optional<access::Known> known =
          world_.people.by_known_password(shown.user, shown.secret);
      if (!known) return std::nullopt;
      return to_principal(std::move(*known));
    }
    case http::Credentials::Scheme::kUnknown:
      return who_are_you("the Authorization header is neither a well-formed Basic nor Bearer one");
    case http::Credentials::Scheme::kNone:
      break;
  }
  if (const auto cookie = http::cookie_value(cookies, kSessionCookie)) {
    return recognise_session(head, *cookie);
  }
  if (open) return Principal{};
  return who_are_you(
      "this server asks who you are: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or "
      "MLFLOW_TRACKING_TOKEN (SLIPWAY_TOKEN for `slipway`); administrators make users with "
      "`slipway users create`");
}

/// What others took away meanwhile is looked for first, by prove().
std::optional<Result<Principal>> Gate::recognise_token(std::string_view token) {
  if (world_.people.is_stale()) return std::nullopt;
  std::optional<access::Known> known = world_.people.by_token(token);
  if (!known) return std::nullopt;
  return to_principal(std::move(*known));
}

std::optional<Result<Principal>> Gate::recognise_session(const Request& head,
                                                         std::string_view cookie) {
  // Another site's page cannot send this cookie (SameSite=Strict), but one of another port of this
  // machine can: that a request which changes something was made by our own page, or by one that
  // was allowed by name, is asked for besides.
  if (http::changes_state(head.method) &&
      !http::comes_from_own_page(head.headers, world_.allowed_origins)) {
    return denied("Cross-origin request blocked");
  }
  if (!cookie.starts_with(access::People::kSessionPrefix)) {
    return who_are_you("the session is unknown or over; log in");
  }
  return recognise_token(cookie);
}

Result<Principal> Gate::prove(const Request& head) {
  const http::Credentials shown = http::parse_authorization(head.headers.get("Authorization"));
  if (world_.people.is_stale()) TRY(world_.people.refresh());
  if (shown.scheme == http::Credentials::Scheme::kBasic) {
    if (auto known = world_.people.by_known_password(shown.user, shown.secret)) {
      return to_principal(std::move(*known));
    }
    // Clients that know names and passwords only send a token as the password.
    if (std::string_view(shown.secret).starts_with(access::People::kTokenPrefix)) {
      access::Known known = TRY(world_.people.by_token_surely(shown.secret));
      if (known.name == shown.user) return to_principal(std::move(known));
      return who_are_you("the token is not that user's");
    }
    const std::string address = http::counted_as(head.peer);
    return to_principal(TRY(world_.people.by_password(shown.user, shown.secret, address)));
  }
  if (shown.scheme == http::Credentials::Scheme::kBearer) {
    if (const auto attempt = attempt_of_token(world_.secret, shown.secret)) {
      return prove_attempt(*attempt);
    }
    return to_principal(TRY(world_.people.by_token_surely(shown.secret)));
  }
  const auto cookie = http::cookie_value(head.headers.get("Cookie"), kSessionCookie);
  return to_principal(TRY(world_.people.by_token_surely(cookie.value_or(""))));
}

/// One that nobody has told of yet is as good as one that runs: its token cannot be made up.
Result<Principal> Gate::prove_attempt(const std::string& attempt) {
  const auto state = TRY(world_.people.look([&](db::Tx& tx) -> Result<std::string> {
    const auto node = TRY(graph::find_node(tx, {graph::kind::kAttempt, attempt}));
    const wire::Json* word = node ? node->attributes.find("state") : nullptr;
    return std::string(word != nullptr && word->is_string() ? word->as_string() : "");
  }));
  if (!state.empty() && state != "running") {
    return who_are_you("the attempt that this token is of is over");
  }
  attempts_.learn(attempt, world_.people.real_now_ms());
  return of_attempt(attempt);
}

// ---- what they may

bool Gate::has_everywhere(const Principal& who, Level level) const {
  return world_.people.has_everywhere(who.name, Kind::kExperiment, level) &&
         world_.people.has_everywhere(who.name, Kind::kModel, level);
}

bool Gate::may(const Principal& who, Kind kind, const std::string& of, Level level) const {
  return access::suffices(world_.people.level(who.name, kind, of), level);
}

std::optional<Result<>> Gate::judge(const Rule* rule, Request& request, bool may_wait) {
  Principal& who = request.principal;
  if (is_owner(who)) return Result<>();
  if (!is_on()) {
    // Nobody is asked who he is, so nobody may let others in or out.
    const bool of_people = rule != nullptr && rule->on == On::kAdmin &&
                           (rule->route.find("/users/") != std::string::npos ||
                            rule->route.find("/roles/") != std::string::npos);
    if (!of_people) return Result<>();
    return denied(
        "there are no users on this server yet: its owner makes the first one with "
        "`slipway users create NAME --admin`");
  }
  if (rule == nullptr) {
    if (who.scope.empty() && world_.people.is_admin(who.name).value_or(false)) return Result<>();
    return not_allowed();
  }
  if (rule->on == On::kNobody) return Result<>();
  // What a run of the server's own does is as if its owner did it, but for letting others in.
  if (!who.attempt.empty()) {
    if (rule->on != On::kAdmin) return Result<>();
    return not_allowed();
  }
  if (rule->on == On::kAsk && world_.open_predictions && who.name.empty()) return Result<>();
  if (who.name.empty() || !is_in_scope(who.scope, *rule)) return not_allowed();
  const std::optional<bool> admin = world_.people.is_admin(who.name);
  if (!admin) return not_allowed();  // deleted meanwhile
  if (*admin) return Result<>();
  switch (rule->on) {
    case On::kNobody:
    case On::kSomebody:
      return Result<>();
    case On::kAdmin:
      return not_allowed();
    case On::kEverything:
      if (has_everywhere(who, rule->level)) return Result<>();
      return not_allowed();
    case On::kSearch: {
      limit_sight(who);
      if (rule->narrow == nullptr || who.experiments == nullptr) return Result<>();
      return rule->narrow(request, [&](const std::string& id) {
        return may(who, Kind::kExperiment, plain_id(id), Level::kRead);
      });
    }
    case On::kAsk:
    case On::kThings:
      break;
  }
  if (rule->things == nullptr) return Result<>();
  Result<access::Things> things = rule->things(request, rule->level);
  if (!things.ok()) return things.error();
  for (const Thing& thing : *things) {
    std::optional<Result<>> judged = judge_thing(who, thing, may_wait);
    if (!judged || !judged->ok()) return judged;
  }
  if (rule->tells_changes) who.experiments = sight_of(who, Kind::kExperiment, rule->level);
  return Result<>();
}

std::optional<Result<>> Gate::judge_thing(const Principal& who, const Thing& thing, bool may_wait) {
  const auto judged = [](bool allowed) -> std::optional<Result<>> {
    if (allowed) return Result<>();
    return not_allowed();
  };
  switch (thing.what) {
    case What::kAdmin:
      return not_allowed();
    case What::kPerson:
      return judged(thing.id == who.name);
    case What::kEverything:
      return judged(has_everywhere(who, thing.level));
    case What::kModel:
      return judged(may(who, Kind::kModel, thing.id, thing.level));
    case What::kDeployment: {
      const std::string model = model_of(thing.id);
      return judged(model.empty() || may(who, Kind::kModel, model, thing.level));
    }
    default:
      break;
  }
  // Whoever may do it with every experiment need not be told which one it is.
  if (world_.people.has_everywhere(who.name, Kind::kExperiment, thing.level)) return Result<>();
  Result<std::optional<std::string>> experiment = experiment_of(thing, may_wait);
  if (!experiment.ok()) return experiment.error();
  if (!*experiment && !may_wait) return std::nullopt;
  return judged(*experiment && may(who, Kind::kExperiment, **experiment, thing.level));
}

/// Nothing: not known in memory; or, where it may wait, files of no experiment.
Result<std::optional<std::string>> Gate::experiment_of(const Thing& thing, bool may_wait) {
  using Found = std::optional<std::string>;
  switch (thing.what) {
    case What::kExperiment:
      return Found(plain_id(thing.id));
    case What::kRun: {
      if (Found known = runs_.find(thing.id)) return known;
      if (!may_wait) return Found();
      const std::string experiment =
          std::to_string(TRY(world_.tracking.run_info(thing.id)).experiment_id);
      runs_.learn(thing.id, experiment);
      return Found(experiment);
    }
    case What::kLoggedModel: {
      if (Found known = logged_models_.find(thing.id)) return known;
      if (!may_wait) return Found();
      std::string experiment = TRY(world_.logged_models.find(thing.id)).experiment_id;
      logged_models_.learn(thing.id, experiment);
      return Found(std::move(experiment));
    }
    case What::kTrace: {
      // Not remembered: one that was deleted may be made again elsewhere.
      if (!may_wait) return Found();
      const traces::Trace trace =
          TRY(world_.pool.read([&](db::Tx& tx) { return traces::find_trace(tx, thing.id); }));
      return Found(std::to_string(trace.experiment_id));
    }
    case What::kExperimentName: {
      if (!may_wait) return Found();
      const auto found = TRY(world_.tracking.experiment_named(thing.id));
      if (!found) return missing("Could not find experiment with name '" + thing.id + "'");
      return Found(std::to_string(found->id));
    }
    case What::kPath:
      return experiment_of_path(thing.id, may_wait);
    default:
      return internal("a thing that is of no experiment");
  }
}

Result<std::optional<std::string>> Gate::experiment_of_path(const std::string& path,
                                                            bool may_wait) {
  using Found = std::optional<std::string>;
  // Every experiment has a folder by its number, whatever else lies where.
  if (Found number = first_number(path)) return number;
  if (!may_wait) return Found();
  Found best;
  std::size_t longest = 0;
  for (const tracking::OwnPlace& place : TRY(world_.tracking.own_places())) {
    const Result<std::string> key = mlflow::artifact_key(place.location);
    if (!key.ok() || key->size() < longest || !lies_below(path, *key)) continue;
    longest = key->size();
    best = std::to_string(place.experiment);
  }
  return best;
}

std::string Gate::model_of(const std::string& name) const {
  std::string asked = name.empty() ? world_.default_deployment : name;
  if (asked.empty()) {
    const std::vector<std::string> names = world_.deployments.names();
    if (names.size() != 1) return "";  // the answer says what there is to choose
    asked = names.front();
  }
  const serving::Deployment deployment = world_.deployments.find(asked);
  return deployment == nullptr ? asked : deployment->route.model;
}

/// Null: all of the kind.
std::shared_ptr<const http::Sight> Gate::sight_of(const Principal& who, Kind kind,
                                                  Level level) const {
  access::Rights::Reach reach = world_.people.reach(who.name, kind, level);
  if (reach.all_but && reach.names.empty()) return nullptr;
  return std::make_shared<const http::Sight>(http::Sight{reach.all_but, std::move(reach.names)});
}

void Gate::limit_sight(Principal& who) const {
  who.experiments = sight_of(who, Kind::kExperiment, Level::kRead);
  who.models = sight_of(who, Kind::kModel, Level::kRead);
}

}  // namespace slipway::app
