#include "domain/access/people.h"

#include <array>
#include <mutex>

#include "base/hash.h"
#include "base/ids.h"
#include "domain/access/password.h"

namespace slipway::access {
namespace {

// Each holds a worker for a while, and 32 MiB.
constexpr int kChecksAtOnceMax = 3;

std::string new_secret(const char* prefix) {
  std::array<std::byte, 32> random;
  random_bytes(random);
  return prefix + to_hex(random);
}

/// Counts itself while it lives.
class Place {
 public:
  explicit Place(std::atomic<int>& count) : count_(count), number_(count.fetch_add(1) + 1) {}
  ~Place() { count_.fetch_sub(1); }
  Place(const Place&) = delete;
  int number() const { return number_; }

 private:
  std::atomic<int>& count_;
  const int number_;
};

}  // namespace

People::People(db::Pool& pool, const Clock& clock, const Clock& real, Metrics& metrics,
               PeopleOptions options)
    : pool_(pool),
      clock_(clock),
      real_(real),
      options_(options),
      failed_passwords_(metrics.counter("slipway_login_failures_total",
                                        "Requests with credentials that were refused",
                                        {{"credential", "password"}})),
      failed_tokens_(metrics.counter("slipway_login_failures_total",
                                     "Requests with credentials that were refused",
                                     {{"credential", "token"}})),
      throttled_(
          metrics.counter("slipway_login_throttled_total",
                          "Requests with a password that was not looked at: too many tries")),
      logins_(metrics.counter("slipway_password_checks_total",
                              "Passwords that were checked by deriving a key")),
      is_shared_(pool.engine() == db::Engine::kPostgres) {}

bool People::is_stale() const {
  constexpr std::int64_t kTrustNs = 1'000'000'000;
  if (stale_.load(std::memory_order_relaxed)) return true;
  return is_shared_ &&
         real_.monotonic().count() - looked_ns_.load(std::memory_order_relaxed) > kTrustNs;
}

Result<std::unique_ptr<People>> People::open(db::Pool& pool, const Clock& clock, const Clock& real,
                                             Metrics& metrics, PeopleOptions options) {
  std::unique_ptr<People> people(new People(pool, clock, real, metrics, options));
  TRY(people->refresh());
  return people;
}

People::Directory People::directory_of(const All& all) {
  Directory directory;
  directory.version = all.version;
  directory.fallback = all.fallback;
  std::unordered_map<std::int64_t, std::vector<Grant>> by_role;
  for (const GrantRow& row : all.grants) by_role[row.role].push_back(to_grant(row));
  std::unordered_map<std::int64_t, const std::string*> names;
  for (const PersonRow& row : all.people) {
    names[row.id] = &row.name;
    directory.people[row.name] = {row.id, row.stamp, row.admin, row.password, {}};
  }
  for (const MemberRow& row : all.members) {
    const auto name = names.find(row.person);
    const auto granted = by_role.find(row.role);
    if (name == names.end() || granted == by_role.end()) continue;
    Rights& rights = directory.people[*name->second].rights;
    for (const Grant& grant : granted->second) rights.add(grant);
  }
  for (const TokenRow& row : all.tokens) {
    const auto name = names.find(row.person);
    const std::optional<Scope> scope = scope_named(row.scope);
    if (name == names.end() || !scope) continue;
    directory.tokens[row.hash] = {row.id, *name->second, *scope, row.expires_ms};
  }
  return directory;
}

Result<> People::refresh() {
  const std::int64_t began_ns = real_.monotonic().count();
  stale_ = false;  // before the look: what changes meanwhile is looked for once more
  Result<> taken = take_in_changes();
  if (!taken.ok()) stale_ = true;
  if (taken.ok()) looked_ns_ = began_ns;
  return taken;
}

Result<> People::take_in_changes() {
  const std::int64_t now = TRY(pool_.read([](db::Tx& tx) { return version(tx); }));
  {
    std::shared_lock lock(mutex_);
    if (directory_.version == now) return {};
  }
  Directory fresh = directory_of(TRY(pool_.read([](db::Tx& tx) { return read_all(tx); })));
  std::unique_lock lock(mutex_);
  // Of two that read at once, the later reading stays.
  if (fresh.version < directory_.version) return {};
  std::swap(directory_, fresh);
  people_count_ = directory_.people.size();
  return {};
}

const People::Person* People::find(const std::string& name) const {
  const auto found = directory_.people.find(name);
  return found == directory_.people.end() ? nullptr : &found->second;
}

std::optional<Known> People::by_token(std::string_view token) {
  if (!token.starts_with(kTokenPrefix) && !token.starts_with(kSessionPrefix)) return std::nullopt;
  // The hash of 256 random bits is looked up, so the time of the look-up tells nothing of them.
  const std::string hash = sha256_hex(token);
  const UnixMs now = real_.now_ms();
  std::shared_lock lock(mutex_);
  const auto found = directory_.tokens.find(hash);
  if (found == directory_.tokens.end()) return std::nullopt;
  const Token& known = found->second;
  if (known.expires_ms != 0 && known.expires_ms <= now) return std::nullopt;
  const Person* person = find(known.person);
  if (person == nullptr) return std::nullopt;
  return Known{known.person, person->admin, known.scope, known.id};
}

std::optional<Known> People::by_known_password(const std::string& name,
                                               const std::string& password) {
  std::int64_t stamp = 0;
  bool admin = false;
  {
    std::shared_lock lock(mutex_);
    const Person* person = find(name);
    if (person == nullptr) return std::nullopt;
    stamp = person->stamp;
    admin = person->admin;
  }
  if (!known_.knows(name, password, stamp, real_.now_ms())) return std::nullopt;
  return Known{name, admin, Scope::kAll, ""};
}

Level People::level(const std::string& name, Kind kind, const std::string& of) const {
  std::shared_lock lock(mutex_);
  const Person* person = find(name);
  if (person == nullptr) return Level::kNone;
  return person->admin ? Level::kManage : person->rights.level(kind, of, directory_.fallback);
}

bool People::has_everywhere(const std::string& name, Kind kind, Level needed) const {
  std::shared_lock lock(mutex_);
  const Person* person = find(name);
  if (person == nullptr) return false;
  return person->admin || person->rights.has_everywhere(kind, needed, directory_.fallback);
}

Rights::Reach People::reach(const std::string& name, Kind kind, Level needed) const {
  std::shared_lock lock(mutex_);
  const Person* person = find(name);
  if (person == nullptr) return {false, {}};
  if (person->admin) return {true, {}};
  return person->rights.reach(kind, needed, directory_.fallback);
}

std::optional<bool> People::is_admin(const std::string& name) const {
  std::shared_lock lock(mutex_);
  const Person* person = find(name);
  if (person == nullptr) return std::nullopt;
  return person->admin;
}

void People::note_maker(const std::string& name, Kind kind, const std::string& of) {
  std::unique_lock lock(mutex_);
  const auto found = directory_.people.find(name);
  if (found != directory_.people.end()) found->second.rights.add({kind, of, Level::kManage});
}

Error People::refused(std::string why) {
  return {Code::kDenied, std::move(why), "unauthenticated"};
}

Result<Known> People::by_password(const std::string& name, const std::string& password,
                                  const std::string& address) {
  if (!throttle_.may_try(name, address, real_.now_ms())) {
    throttled_.add();
    return busy("too many failed logins of this user or from this address; wait a minute");
  }
  const Place place(checks_);
  if (place.number() > kChecksAtOnceMax) {
    throttled_.add();
    return busy("too many passwords are being checked; try again in a moment");
  }
  TRY(refresh());
  std::optional<Person> person;
  {
    std::shared_lock lock(mutex_);
    if (const Person* found = find(name))
      person = Person{found->id, found->stamp, found->admin, found->password, {}};
  }
  logins_.add();
  std::call_once(nobody_made_, [this] {
    nobodys_password_ = hash_password(random_hex32(), options_.cost);
  });
  const bool right = is_password(password, person ? person->password : nobodys_password_);
  if (!person || !right) {
    failed_passwords_.add();
    throttle_.failed(name, address, real_.now_ms());
    return refused("the user name or the password is wrong");
  }
  known_.learn(name, password, person->stamp, real_.now_ms());
  return Known{name, person->admin, Scope::kAll, ""};
}

Result<Known> People::by_token_surely(std::string_view token) {
  TRY(refresh());
  if (std::optional<Known> known = by_token(token)) return std::move(*known);
  failed_tokens_.add();
  return refused("the token is unknown, expired or revoked");
}

Result<PersonRow> People::create(const std::string& actor, const std::string& name,
                                 const std::string& password, bool admin) {
  TRY(check_person_name(name));
  TRY(access::check_password(password));
  const std::string hash = hash_password(password, options_.cost);
  return change(actor,
                [&](db::Tx& tx, const By& by) { return create_person(tx, by, name, hash, admin); });
}

Result<> People::set_password(const std::string& actor, const std::string& name,
                              const std::string& password) {
  TRY(access::check_password(password));
  const std::string hash = hash_password(password, options_.cost);
  return change(actor,
                [&](db::Tx& tx, const By& by) { return access::set_password(tx, by, name, hash); });
}

Result<> People::check_own_password(const std::string& name, const std::string& password) {
  Result<Known> known = by_password(name, password, "");
  if (known.ok()) return {};
  if (known.error().code == Code::kDenied) return invalid("Current password does not match.");
  return known.error();
}

Result<MadeToken> People::create_token(const std::string& actor, NewToken token) {
  const std::string secret = new_secret(token.session ? kSessionPrefix : kTokenPrefix);
  token.hash = sha256_hex(secret);
  TokenRow row = TRY(change(actor, [&](db::Tx& tx, const By& by) {
    return access::create_token(tx, by, token, real_.now_ms());
  }));
  return MadeToken{std::move(row), secret};
}

Result<MadeToken> People::log_in(const std::string& name, const std::string& password,
                                 const std::string& address) {
  TRY(by_password(name, password, address));
  return create_token(name, {name, "", Scope::kAll, real_.now_ms() + kSessionMs, "", true});
}

}  // namespace slipway::access
