#include "app/people_api.h"

#include <map>

#include "app/api.h"
#include "base/text.h"
#include "domain/tracking/store.h"
#include "io/http/authorization.h"
#include "io/http/forwarded.h"
#include "io/http/guard.h"
#include "io/wire/json.h"

namespace slipway::app {
namespace {

using access::By;
using access::Grant;
using access::Kind;
using access::Level;
using access::People;
using wire::Json;

constexpr std::uint64_t kBodyBytesMax = 64u << 10;
constexpr std::int64_t kDayMs = 24 * 60 * 60 * 1000, kDaysDefault = 90, kDaysMax = 36'500;

Json object(std::initializer_list<std::pair<const char*, Json>> fields) {
  Json json{Json::Object{}};
  for (const auto& [key, value] : fields) json.set(key, value);
  return json;
}

Json to_json(const access::PersonRow& person) {
  return object(
      {{"user", person.name}, {"admin", person.admin}, {"created_ms", person.created_ms}});
}

Json to_json(const access::TokenRow& token, const std::string& user) {
  return object({{"id", token.id},
                 {"user", user},
                 {"name", token.name},
                 {"scope", token.scope},
                 {"created_ms", token.created_ms},
                 {"expires_ms", token.expires_ms}});
}

Error not_allowed(const std::string& what) {
  return denied("Permission denied: " + what + " is for administrators");
}

Result<std::string> whose(const PeopleCaller& caller, const PeopleRequest& request) {
  if (request.user.empty() && caller.is_owner) return invalid("\"user\" says whose it is");
  if (request.user.empty() || request.user == caller.name) return caller.name;
  if (caller.may_all) return request.user;
  return denied("Permission denied: this is another user's");
}

/// By its id, or by its name: for who may see all names.
Result<std::string> experiment_of(const PeopleCaller& caller, People& people,
                                  const std::string& named) {
  if (named == access::kEvery || to_int64(named)) return named;
  if (!caller.may_all)
    return invalid("an experiment is named by its id, a number; found '" + named + "'");
  const auto found =
      TRY(people.look([&](db::Tx& tx) { return tracking::read_experiment_named(tx, named); }));
  if (!found) return missing("there is no experiment of the id or name '" + named + "'");
  return std::to_string(found->id);
}

/// A grant on one that is not there yet would be found by whoever makes it. But "Default", which the
/// first server makes.
Result<> require_experiment(db::Tx& tx, const Grant& wanted) {
  const bool is_there = wanted.of == access::kEvery || wanted.of == "0";
  if (wanted.kind != Kind::kExperiment || is_there) return {};
  TRY(tracking::read_experiment(tx, *to_int64(wanted.of)));
  return {};
}

Result<Grant> grant_of(const PeopleCaller& caller, People& people, const PeopleRequest& request,
                       Level level) {
  if (request.user.empty()) return invalid("\"user\" says whose permission it is");
  if (request.experiment.empty() == request.model.empty()) {
    return invalid(
        "a permission is on one experiment (its id), one model (its name), or '*' of "
        "either");
  }
  const bool experiment = !request.experiment.empty();
  Grant grant{experiment ? Kind::kExperiment : Kind::kModel, request.model, level};
  if (experiment) grant.of = TRY(experiment_of(caller, people, request.experiment));
  const bool one = grant.of != access::kEvery;
  if (caller.may_all) return grant;
  if (one && access::suffices(people.level(caller.name, grant.kind, grant.of), Level::kManage)) {
    return grant;
  }
  return denied("Permission denied: that takes the level 'manage' on it");
}

Result<Level> level_of(const std::string& word) {
  if (const std::optional<Level> level = access::level_named(word)) return *level;
  return invalid("a level is deny, none, read, use, edit or manage; found '" + word + "'");
}

// ---- verbs

using Verb = Result<Json> (*)(People&, const PeopleCaller&, const PeopleRequest&);

Result<Json> create_user(People& people, const PeopleCaller& caller, const PeopleRequest& request) {
  if (!caller.may_all) return not_allowed("making users");
  return to_json(TRY(
      people.create(caller.name, request.user, request.password, request.admin.value_or(false))));
}

Result<Json> list_users(People& people, const PeopleCaller& caller, const PeopleRequest&) {
  if (!caller.may_all) return not_allowed("the list of users");
  Json::Array users;
  for (const access::PersonRow& person :
       TRY(people.look([](db::Tx& tx) { return access::people(tx); }))) {
    users.push_back(to_json(person));
  }
  return object({{"users", std::move(users)}});
}

Result<Json> set_password(People& people, const PeopleCaller& caller,
                          const PeopleRequest& request) {
  const std::string user = TRY(whose(caller, request));
  if (user == caller.name) TRY(people.check_own_password(user, request.current_password));
  TRY(people.set_password(caller.name, user, request.password));
  return object({{"user", user}});
}

Result<Json> set_admin(People& people, const PeopleCaller& caller, const PeopleRequest& request) {
  if (!caller.may_all) return not_allowed("making administrators");
  TRY(people.change(caller.name, [&](db::Tx& tx, const By& by) {
    return access::set_admin(tx, by, request.user, request.admin.value_or(false));
  }));
  return object({{"user", request.user}, {"admin", request.admin.value_or(false)}});
}

Result<Json> delete_user(People& people, const PeopleCaller& caller, const PeopleRequest& request) {
  if (!caller.may_all) return not_allowed("deleting users");
  TRY(people.change(caller.name, [&](db::Tx& tx, const By& by) {
    return access::delete_person(tx, by, request.user);
  }));
  return object({{"user", request.user}});
}

Result<Json> create_token(People& people, const PeopleCaller& caller,
                          const PeopleRequest& request) {
  const std::string user = TRY(whose(caller, request));
  const std::string word = request.scope.empty() ? "all" : request.scope;
  const std::optional<access::Scope> scope = access::scope_named(word);
  if (!scope) return invalid("a token's scope is all, read or predict; found '" + word + "'");
  const std::int64_t days = request.days.value_or(kDaysDefault);
  if (days < 0 || days > kDaysMax) {
    return invalid("a token is good for 1 to 36500 days, or for ever (0); found " +
                   std::to_string(days));
  }
  access::NewToken wanted{
      user, request.name, *scope, days == 0 ? 0 : people.real_now_ms() + days * kDayMs, "", false};
  const access::MadeToken made = TRY(people.create_token(caller.name, std::move(wanted)));
  Json json = to_json(made.row, user);
  json.set("token", made.secret);
  return json;
}

Result<Json> list_tokens(People& people, const PeopleCaller& caller, const PeopleRequest& request) {
  std::optional<std::string> user;
  if (!caller.may_all || !request.user.empty()) user = TRY(whose(caller, request));
  return people.look([&](db::Tx& tx) -> Result<Json> {
    std::map<std::int64_t, std::string> names;
    for (const access::PersonRow& person : TRY(access::people(tx))) names[person.id] = person.name;
    Json::Array tokens;
    for (const access::TokenRow& token : TRY(access::tokens(tx, user))) {
      tokens.push_back(to_json(token, names[token.person]));
    }
    return object({{"tokens", std::move(tokens)}});
  });
}

Result<Json> revoke_token(People& people, const PeopleCaller& caller,
                          const PeopleRequest& request) {
  TRY(people.change(caller.name, [&](db::Tx& tx, const By& by) {
    return access::revoke_token(tx, by, request.id, caller.may_all ? "" : caller.name);
  }));
  return object({{"id", request.id}});
}

Result<Json> grant(People& people, const PeopleCaller& caller, const PeopleRequest& request) {
  const Grant wanted = TRY(grant_of(caller, people, request, TRY(level_of(request.level))));
  TRY(people.change(caller.name, [&](db::Tx& tx, const By& by) -> Result<> {
    TRY(require_experiment(tx, wanted));
    return access::grant_to(tx, by, request.user, wanted);
  }));
  return object({{"user", request.user},
                 {"on", access::to_string(wanted.kind)},
                 {"of", wanted.of},
                 {"level", access::to_string(wanted.level)}});
}

Result<Json> revoke(People& people, const PeopleCaller& caller, const PeopleRequest& request) {
  const Grant wanted = TRY(grant_of(caller, people, request, Level::kNone));
  TRY(people.change(caller.name, [&](db::Tx& tx, const By& by) {
    return access::revoke_from(tx, by, request.user, wanted.kind, wanted.of);
  }));
  return object(
      {{"user", request.user}, {"on", access::to_string(wanted.kind)}, {"of", wanted.of}});
}

Result<Json> list_permissions(People& people, const PeopleCaller& caller,
                              const PeopleRequest& request) {
  const std::string user = TRY(whose(caller, request));
  return people.look([&](db::Tx& tx) -> Result<Json> {
    const access::PersonRow person = TRY(access::find_person(tx, user));
    Json::Array all;
    for (const access::RoleRow& role : TRY(access::roles_of(tx, person.id))) {
      for (const access::GrantRow& row : TRY(access::grants(tx, role.id))) {
        all.push_back(
            object({{"on", row.kind}, {"of", row.of}, {"level", row.level}, {"role", role.name}}));
      }
    }
    return object({{"user", user},
                   {"admin", person.admin},
                   {"default", access::to_string(TRY(access::default_level(tx)))},
                   {"permissions", std::move(all)}});
  });
}

Result<Json> set_default(People& people, const PeopleCaller& caller, const PeopleRequest& request) {
  if (!caller.may_all) return not_allowed("the default level");
  const Level level = TRY(level_of(request.level));
  TRY(people.change(caller.name, [&](db::Tx& tx, const By& by) {
    return access::set_default_level(tx, by, level);
  }));
  return object({{"default", access::to_string(level)}});
}

const std::map<std::string, Verb>& verbs() {
  static const std::map<std::string, Verb> all = {
      {"create-user", &create_user},
      {"list-users", &list_users},
      {"set-password", &set_password},
      {"set-admin", &set_admin},
      {"delete-user", &delete_user},
      {"create-token", &create_token},
      {"list-tokens", &list_tokens},
      {"revoke-token", &revoke_token},
      {"grant", &grant},
      {"revoke", &revoke},
      {"list-permissions", &list_permissions},
      {"set-default", &set_default},
  };
  return all;
}

// ---- over HTTP

Result<> check_json(const http::Request& request) {
  std::string_view type = request.headers.get("Content-Type");
  type = trim(type.substr(0, type.find(';')));
  if (to_lower(type) == "application/json") return {};
  return invalid("the body has to be application/json");
}

Result<PeopleCaller> caller_of(const http::Request& request, const People& people) {
  const http::Principal& who = request.principal;
  if (who.name == kOwnerName) return PeopleCaller{kOwnerName, true, true};
  const std::optional<bool> admin = people.is_admin(who.name);
  if (!admin || !who.attempt.empty()) {
    return denied(
        "Permission denied: this is for users, and for whoever can read this server's "
        "state folder");
  }
  return PeopleCaller{who.name, *admin, false};
}

std::string cookie_of(const std::string& value, std::int64_t seconds,
                      const http::Request& request) {
  std::string cookie = std::string(kSessionCookie) + "=" + value +
                       "; Path=/; HttpOnly; SameSite=Strict; Max-Age=" + std::to_string(seconds);
  if (to_lower(request.headers.get("X-Forwarded-Proto")) == "https") cookie += "; Secure";
  return cookie;
}

Json who_is(const http::Request& request, const People& people, const Gate& gate) {
  const bool admin = request.principal.name == kOwnerName ||
                     people.is_admin(request.principal.name).value_or(false);
  return object({{"access", gate.is_on()}, {"user", request.principal.name}, {"admin", admin}});
}

struct Login {
  std::string user, password;
};
WIRE(Login, user, password)

/// Whose session a browser has is no matter of other pages; who is no browser says nothing of it.
Result<> check_page(const http::Request& request, const Gate& gate) {
  const bool is_browser =
      request.headers.has("Origin") || request.headers.has("Sec-Fetch-Site");
  if (!is_browser || http::comes_from_own_page(request.headers, gate.allowed_origins())) return {};
  return denied("Cross-origin request blocked");
}

Result<http::Response> log_in(const http::Request& request, People& people, const Gate& gate) {
  TRY(check_json(request));
  TRY(check_page(request, gate));
  const Login login = TRY(wire::decode<Login>(request.body));
  const access::MadeToken made =
      TRY(people.log_in(login.user, login.password, http::counted_as(request.peer)));
  http::Response response = http::Response::json(
      wire::dump(object({{"access", true},
                         {"user", login.user},
                         {"admin", people.is_admin(login.user).value_or(false)}})));
  response.headers.add("Set-Cookie", cookie_of(made.secret, People::kSessionMs / 1000, request));
  response.headers.add("Cache-Control", "no-store");
  return response;
}

Result<http::Response> log_out(const http::Request& request, People& people) {
  const std::string& session = request.principal.session;
  const auto cookie = http::cookie_value(request.headers.get("Cookie"), kSessionCookie);
  if (cookie && !session.empty()) {
    Result<> gone = people.change(request.principal.name, [&](db::Tx& tx, const By& by) {
      return access::revoke_token(tx, by, session, request.principal.name);
    });
    if (!gone.ok() && gone.error().code != Code::kMissing) return gone.error();
  }
  http::Response response = http::Response::json("{}");
  response.headers.add("Set-Cookie", cookie_of("", 0, request));
  return response;
}

/// 401 for a name and a password that are wrong, as for any request with them.
http::Response render_login_error(const Error& error) {
  http::Response response = http::render_plain_error(error);
  if (error.tag == http::kUnauthenticated) response.status = 401;
  return response;
}

}  // namespace

Result<Json> act_on_people(People& people, const PeopleCaller& caller, const std::string& verb,
                           const PeopleRequest& request) {
  const auto found = verbs().find(verb);
  if (found == verbs().end()) return missing("there is no '" + verb + "' for people");
  return found->second(people, caller, request);
}

void mount_people_api(http::Router& router, People& people, const Gate& gate) {
  http::Router::Group group = router.group("/api/slipway/v1", http::render_plain_error);
  group.add({http::Method::kPost, "/people/{verb}", http::manages("people"), http::Place::kBlocking,
             kBodyBytesMax},
            [&people](http::Request& request) -> Result<http::Response> {
              TRY(check_json(request));
              const PeopleCaller caller = TRY(caller_of(request, people));
              const auto body = TRY(wire::decode<PeopleRequest>(request.body));
              http::Response response = http::Response::json(
                  wire::dump(TRY(act_on_people(people, caller, request.capture("verb"), body))));
              response.headers.add("Cache-Control", "no-store");
              return response;
            });
  group.add({http::Method::kGet, "/me", http::reads("people"), http::Place::kInline},
            [&people, &gate](http::Request& request) -> Result<http::Response> {
              return http::Response::json(wire::dump(who_is(request, people, gate)));
            });
  group.add({http::Method::kPost, "/logout", http::reads("people"), http::Place::kBlocking,
             kBodyBytesMax},
            [&people](http::Request& request) { return log_out(request, people); });
  router.group("/api/slipway/v1", render_login_error)
      .add({.method = http::Method::kPost,
            .pattern = "/login",
            .permission = http::kPublic,
            .place = http::Place::kBlocking,
            .body_bytes_max = kBodyBytesMax,
            .tells_peer = true},
           [&people, &gate](http::Request& request) { return log_in(request, people, gate); });
}

}  // namespace slipway::app
