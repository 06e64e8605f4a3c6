#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"
#include "base/scrypt.h"
#include "domain/access/rights.h"
#include "domain/access/store.h"
#include "domain/access/throttle.h"
#include "io/db/db.h"

// Who is known, and what they may: everything a request is judged by, in memory.
namespace slipway::access {

/// Somebody who proved who he is.
struct Known {
  std::string name;
  bool admin = false;
  Scope scope = Scope::kAll;
  std::string session;  // id of the token or session that was shown; empty for a password
};

struct MadeToken {
  TokenRow row;
  std::string secret;  // shown once, stored nowhere
};

struct PeopleOptions {
  ScryptCost cost;  // of new passwords
};

/// Any thread. What is said to be in memory takes no lock for long and waits for no disk; the rest
/// may wait for the database or derive a key, so it is for threads that may. `pool` and the clocks
/// must outlive it.
class People {
 public:
  static constexpr char kTokenPrefix[] = "slipway-token-";
  static constexpr char kSessionPrefix[] = "slipway-session-";
  static constexpr UnixMs kSessionMs = 12 * 60 * 60 * 1000;

  /// `clock` dates events; tokens and lockouts go by the real time, `real`.
  static Result<std::unique_ptr<People>> open(db::Pool& pool, const Clock& clock, const Clock& real,
                                              Metrics& metrics, PeopleOptions options = {});

  // In memory.
  /// Whether anybody is known at all.
  bool empty() const { return people_count_.load(std::memory_order_relaxed) == 0; }
  /// Of a token or of a session's cookie. Nothing for one that is unknown or expired, as far as is
  /// known here.
  std::optional<Known> by_token(std::string_view token);
  /// Nothing for a password that was not found right lately.
  std::optional<Known> by_known_password(const std::string& name, const std::string& password);
  /// Nobody by that name: kNone.
  Level level(const std::string& name, Kind kind, const std::string& of) const;
  bool has_everywhere(const std::string& name, Kind kind, Level needed) const;
  Rights::Reach reach(const std::string& name, Kind kind, Level needed) const;
  std::optional<bool> is_admin(const std::string& name) const;
  /// Something was changed by a write of somebody else's: is_stale() until the next refresh().
  void note_change() { stale_ = true; }
  /// Also a second after the last look, where other servers may share the catalogue.
  bool is_stale() const;
  /// After the commit of a write in which grant_to_maker() ran: known before the next refresh().
  void note_maker(const std::string& name, Kind kind, const std::string& of);

  // These wait.
  /// Takes in what other servers on the same catalogue changed; costs one look where they did not.
  Result<> refresh();
  /// kDenied, tag "unauthenticated", for a wrong name or password, which takes as long as a right
  /// one; kBusy for too many tries, by name and `address`, or too many at once. Counted.
  Result<Known> by_password(const std::string& name, const std::string& password,
                            const std::string& address);
  /// After refresh(). kDenied, tag "unauthenticated". Counted.
  Result<Known> by_token_surely(std::string_view token);

  Result<PersonRow> create(const std::string& actor, const std::string& name,
                           const std::string& password, bool admin);
  Result<> set_password(const std::string& actor, const std::string& name,
                        const std::string& password);
  /// Whether it is that person's password; counts as a try, from no address.
  Result<> check_own_password(const std::string& name, const std::string& password);
  /// `scope` and `expires_ms` (0: never) of the token; its name is for people.
  Result<MadeToken> create_token(const std::string& actor, NewToken token);
  Result<MadeToken> log_in(const std::string& name, const std::string& password,
                           const std::string& address);

  /// Any other change of the store, and what it gives: f(tx, by).
  template <class F>
  auto change(const std::string& actor, F f) -> std::invoke_result_t<F, db::Tx&, const By&> {
    auto result = pool_.write([&](db::Tx& tx) { return f(tx, By{actor, clock_.now_ms()}); });
    if (result.ok()) TRY(refresh());
    return result;
  }
  template <class F>
  auto look(F f) {
    return pool_.read([&](db::Tx& tx) { return f(tx); });
  }
  UnixMs real_now_ms() const { return real_.now_ms(); }

 private:
  struct Person {
    std::int64_t id = 0, stamp = 0;
    bool admin = false;
    std::string password;
    Rights rights;
  };
  struct Token {
    std::string id, person;
    Scope scope = Scope::kRead;
    UnixMs expires_ms = 0;
  };
  /// What requests are judged by.
  struct Directory {
    std::int64_t version = 0;
    Level fallback = Level::kNone;
    std::unordered_map<std::string, Person> people;
    std::unordered_map<std::string, Token> tokens;  // by hash
  };
  static Directory directory_of(const All& all);

  People(db::Pool& pool, const Clock& clock, const Clock& real, Metrics& metrics,
         PeopleOptions options);
  Result<> take_in_changes();
  Error refused(std::string why);
  const Person* find(const std::string& name) const;

  db::Pool& pool_;
  const Clock& clock_;
  const Clock& real_;
  const PeopleOptions options_;
  Counter& failed_passwords_;
  Counter& failed_tokens_;
  Counter& throttled_;
  Counter& logins_;
  /// What an unknown name is checked against. It takes as long as a check: made before the first
  /// one of anybody, not by every start.
  std::once_flag nobody_made_;
  std::string nobodys_password_;
  Throttle throttle_;
  KnownPasswords known_;
  const bool is_shared_;
  std::atomic<bool> stale_{false};
  std::atomic<std::int64_t> looked_ns_{0};
  std::atomic<int> checks_{0};  // passwords being checked
  std::atomic<std::size_t> people_count_{0};
  mutable std::shared_mutex mutex_;
  Directory directory_;  // guarded by mutex_
};

}  // namespace slipway::access
