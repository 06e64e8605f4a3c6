#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "domain/access/people.h"
#include "domain/access/rule.h"
#include "domain/registry/logged_models.h"
#include "domain/serving/deployments.h"
#include "domain/tracking/tracking.h"
#include "io/http/doorkeeper.h"
#include "io/http/router.h"

// Who comes in, and what they may: every request of every listener passes here.
namespace slipway::app {

enum class AccessMode {
  kAuto,  // once anybody is known
  kOn,
  kOff,
};

/// The cookie of a page's session.
inline constexpr char kSessionCookie[] = "slipway_session";

/// Ids of things of an experiment, and which. A run or logged model never moves to another one, so
/// what is known stays true. Any thread; bounded.
class ExperimentOf {
 public:
  static constexpr std::size_t kEntriesMax = 1u << 16;
  std::optional<std::string> find(const std::string& id) const;
  void learn(const std::string& id, const std::string& experiment);

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, std::string> known_;
};

/// Attempts that were alive a moment ago. Any thread; bounded.
class LivingAttempts {
 public:
  static constexpr UnixMs kTrustMs = 5'000;
  static constexpr std::size_t kEntriesMax = 4096;
  bool has(const std::string& attempt, UnixMs now_ms) const;
  void learn(const std::string& attempt, UnixMs now_ms);

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::string, UnixMs> until_;
};

struct GateWorldOfAccess {
  access::People& people;
  tracking::Tracking& tracking;
  registry::LoggedModels& logged_models;
  db::Pool& pool;  // for traces
  serving::Deployments& deployments;
  std::string secret;  // of the state folder
  AccessMode mode = AccessMode::kAuto;
  bool open_predictions = false;
  std::string default_deployment;
  std::vector<std::string> allowed_origins;  // of pages beside our own ("*" wildcards)
};

/// Shared by the listeners; each has a guard and a doorkeeper for its router. Any thread.
class Gate {
 public:
  Gate(GateWorldOfAccess world, access::Rules rules);

  bool is_on() const;
  const std::vector<std::string>& allowed_origins() const { return world_.allowed_origins; }
  /// Makes `router` ask this. After its last route was added; `router` and this must outlive the
  /// doorkeeper. Routes without a rule are for administrators, and are logged.
  std::shared_ptr<http::Doorkeeper> watch(http::Router& router);
  /// The routes of `router` that no rule names.
  std::vector<std::string> unruled(const http::Router& router) const;

 private:
  class Door;
  using Rule = access::Rule;
  using Thing = access::Thing;

  const Rule* rule_of(const http::Router::Entry& entry) const;
  std::optional<Result<http::Principal>> recognise(const http::Request& head, const Rule* rule);
  std::optional<Result<http::Principal>> recognise_token(std::string_view token);
  std::optional<Result<http::Principal>> recognise_session(const http::Request& head,
                                                           std::string_view cookie);
  Result<http::Principal> prove(const http::Request& head);
  Result<http::Principal> prove_attempt(const std::string& attempt);

  /// Nothing: only what waits can tell.
  std::optional<Result<>> judge(const Rule* rule, http::Request& request, bool may_wait);
  std::optional<Result<>> judge_thing(const http::Principal& who, const Thing& thing,
                                      bool may_wait);
  Result<std::optional<std::string>> experiment_of(const Thing& thing, bool may_wait);
  Result<std::optional<std::string>> experiment_of_path(const std::string& path, bool may_wait);
  std::string model_of(const std::string& deployment) const;
  bool has_everywhere(const http::Principal& who, access::Level level) const;
  bool may(const http::Principal& who, access::Kind kind, const std::string& of,
           access::Level level) const;
  std::shared_ptr<const http::Sight> sight_of(const http::Principal& who, access::Kind kind,
                                              access::Level level) const;
  void limit_sight(http::Principal& who) const;

  const GateWorldOfAccess world_;
  std::unordered_map<std::string, Rule> rules_;
  ExperimentOf runs_, logged_models_;
  LivingAttempts attempts_;
};

/// One table of all faces.
access::Rules all_access_rules();

}  // namespace slipway::app
