#include "dialects/mlflow/people.h"

#include "base/text.h"
#include "dialects/mlflow/api.h"
#include "dialects/mlflow/errors.h"
#include "dialects/mlflow/request.h"

namespace slipway::mlflow {
namespace {

using access::By;
using access::Grant;
using access::Kind;
using access::Level;
using access::People;
using http::Method;
using http::Request;
using http::Response;
using wire::Json;

constexpr http::Permission kReads = http::reads("people");
constexpr http::Permission kManages = http::manages("people");
constexpr char kWorkspace[] = "default";  // this server has no other

std::string word_of(Level level) {
  if (level == Level::kNone) return "NO_PERMISSIONS";
  return to_upper(to_string(level));
}

Result<Level> to_level(const std::string& word) {
  if (word == "NO_PERMISSIONS") return Level::kNone;
  const std::optional<Level> level = access::level_named(to_lower(word));
  if (level && *level != Level::kNone && word == to_upper(word)) return *level;
  return invalid("Invalid permission '" + word +
                 "'. Valid permissions are: ('READ', 'USE', 'EDIT', 'MANAGE', 'NO_PERMISSIONS', "
                 "'DENY')");
}

const char* word_of(Kind kind) {
  return kind == Kind::kExperiment ? "experiment" : "registered_model";
}

struct Call {
  std::string username, password, current_password, permission, experiment_id, name;
  std::string resource_type, resource_id, resource_pattern, workspace;
  std::optional<std::string> description, role_id, role_permission_id;
  std::optional<bool> is_admin;
};
WIRE(Call, username, password, current_password, permission, experiment_id, name, resource_type,
     resource_id, resource_pattern, workspace, description, role_id, role_permission_id, is_admin)

/// Ids come as numbers in bodies and as texts in queries.
Json with_ids_as_text(Json arguments) {
  for (const char* name : {"role_id", "role_permission_id"}) {
    const Json* id = arguments.find(name);
    if (id != nullptr && id->is_integer()) arguments.set(name, Json(wire::dump(*id)));
  }
  return arguments;
}

Result<Call> read_call(const Request& request, Parameters parameters) {
  const Json arguments = with_ids_as_text(TRY(read_arguments(request, parameters)));
  return read_arguments_into<Call>(arguments, parameters);
}

Result<std::int64_t> to_id(const char* name, const std::optional<std::string>& text) {
  const std::optional<std::int64_t> id = to_int64(text.value_or(""));
  if (id) return *id;
  return invalid("Parameter '" + std::string(name) +
                 "' must be an integer. Got: " + python_repr(text.value_or("")));
}

// ---- messages

Json to_json(const access::PersonRow& person) {
  Json json;
  json.set("id", person.id);
  json.set("username", person.name);
  json.set("is_admin", person.admin);
  return json;
}

Json of_thing(const access::PersonRow& person, Kind kind, const std::string& of, Level level);

/// Clients of 2.x read what a user was given with the user.
Result<Json> with_grants(db::Tx& tx, const access::PersonRow& person) {
  Json::Array experiments, models;
  for (const access::GrantRow& row : TRY(access::own_grants(tx, person.name))) {
    const Grant grant = access::to_grant(row);
    (grant.kind == Kind::kExperiment ? experiments : models)
        .push_back(of_thing(person, grant.kind, grant.of, grant.level));
  }
  Json user = to_json(person);
  user.set("experiment_permissions", std::move(experiments));
  user.set("registered_model_permissions", std::move(models));
  return user;
}

Json to_json(const access::GrantRow& row) {
  const Grant grant = access::to_grant(row);
  Json json;
  json.set("id", row.id);
  json.set("role_id", row.role);
  json.set("resource_type", word_of(grant.kind));
  json.set("resource_pattern", grant.of);
  json.set("permission", word_of(grant.level));
  return json;
}

Json to_json(const access::MemberRow& row) {
  Json json;
  json.set("id", row.id);
  json.set("user_id", row.person);
  json.set("role_id", row.role);
  return json;
}

std::string name_of(const access::RoleRow& role) {
  return role.own == 0 ? role.name : "__user_" + std::to_string(role.own) + "__";
}

Result<Json> to_json(db::Tx& tx, const access::RoleRow& role) {
  Json::Array permissions;
  for (const access::GrantRow& row : TRY(access::grants(tx, role.id))) {
    permissions.push_back(to_json(row));
  }
  Json json;
  json.set("id", role.id);
  json.set("name", name_of(role));
  json.set("workspace", kWorkspace);
  json.set("description", role.description.empty() ? Json() : Json(role.description));
  json.set("permissions", std::move(permissions));
  return json;
}

Json of_thing(const access::PersonRow& person, Kind kind, const std::string& of, Level level) {
  Json json;
  if (kind == Kind::kModel) json.set("workspace", kWorkspace);
  json.set(kind == Kind::kExperiment ? "experiment_id" : "name", of);
  json.set("user_id", person.id);
  json.set("permission", word_of(level));
  return json;
}

Response answered(const char* name, Json json) {
  Json answer;
  answer.set(name, std::move(json));
  return Response::json(wire::dump(answer, {.ascii = true}));
}

template <class Rows>
Json list_of(const Rows& rows) {
  Json::Array list;
  for (const auto& row : rows) list.push_back(to_json(row));
  return Json(std::move(list));
}

// ---- users

constexpr Parameter kUser[] = {{"username", Type::kText, kRequired}};
constexpr Parameter kNewUser[] = {{"username", Type::kText, kRequired},
                                  {"password", Type::kText, kRequired}};
constexpr Parameter kPassword[] = {{"username", Type::kText, kRequired},
                                   {"password", Type::kText, kRequired},
                                   {"current_password"}};
constexpr Parameter kAdmin[] = {{"username", Type::kText, kRequired},
                                {"is_admin", Type::kFlag, kRequired}};

Result<Response> create_user(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kNewUser));
  const access::PersonRow person = TRY(
      people.create(request.principal.name, call.username, call.password, /*admin=*/false));
  return answered("user",
                  TRY(people.look([&](db::Tx& tx) { return with_grants(tx, person); })));
}

Result<Response> get_user(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kUser));
  return answered("user", TRY(people.look([&](db::Tx& tx) -> Result<Json> {
                    return with_grants(tx, TRY(access::find_person(tx, call.username)));
                  })));
}

Result<Response> list_users(People& people, const Request&) {
  return answered("users", TRY(people.look([](db::Tx& tx) -> Result<Json> {
                    Json::Array users;
                    for (const access::PersonRow& person : TRY(access::people(tx))) {
                      Json::Array roles;
                      for (const access::RoleRow& role : TRY(access::roles_of(tx, person.id))) {
                        roles.push_back(TRY(to_json(tx, role)));
                      }
                      Json user = TRY(with_grants(tx, person));
                      user.set("roles", std::move(roles));
                      users.push_back(std::move(user));
                    }
                    return Json(std::move(users));
                  })));
}

Result<access::PersonRow> caller(People& people, const Request& request) {
  return people.look([&](db::Tx& tx) { return access::find_person(tx, request.principal.name); });
}

Result<Response> current_user(People& people, const Request& request) {
  Json answer;
  answer.set("user", to_json(TRY(caller(people, request))));
  answer.set("is_basic_auth", true);
  return Response::json(wire::dump(answer, {.ascii = true}));
}

Result<Response> update_password(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kPassword));
  const std::string& actor = request.principal.name;
  if (actor == call.username) {
    if (call.current_password.empty()) {
      return invalid("Current password is required when changing your own password.");
    }
    TRY(people.check_own_password(actor, call.current_password));
    if (call.password == call.current_password) {
      return invalid("New password must differ from the current password.");
    }
  }
  TRY(people.set_password(actor, call.username, call.password));
  return empty_response();
}

Result<Response> update_admin(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kAdmin));
  TRY(people.change(request.principal.name, [&](db::Tx& tx, const By& by) {
    return access::set_admin(tx, by, call.username, call.is_admin.value_or(false));
  }));
  return empty_response();
}

Result<Response> delete_user(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kUser));
  if (call.username == request.principal.name) {
    return Error{Code::kInvalid,
                 "Users cannot delete their own account. Ask another admin to delete this user "
                 "instead.",
                 "bad_request"};
  }
  TRY(people.change(request.principal.name, [&](db::Tx& tx, const By& by) {
    return access::delete_person(tx, by, call.username);
  }));
  return empty_response();
}

Result<Response> permissions_of(People& people, const std::string& username) {
  return people.look([&](db::Tx& tx) -> Result<Response> {
    const access::PersonRow person = TRY(access::find_person(tx, username));
    Json::Array rows;
    for (const access::RoleRow& role : TRY(access::roles_of(tx, person.id))) {
      for (const access::GrantRow& row : TRY(access::grants(tx, role.id))) {
        const Json grant = to_json(row);
        Json one;
        one.set("role_id", role.id);
        one.set("role_name", name_of(role));
        one.set("workspace", kWorkspace);
        for (const char* name : {"resource_type", "resource_pattern", "permission"}) {
          one.set(name, *grant.find(name));
        }
        rows.push_back(std::move(one));
      }
    }
    Json answer;
    answer.set("is_admin", person.admin);
    answer.set("permissions", std::move(rows));
    return Response::json(wire::dump(answer, {.ascii = true}));
  });
}

Result<Response> list_permissions(People& people, const Request& request) {
  return permissions_of(people, TRY(read_call(request, kUser)).username);
}

Result<Response> current_permissions(People& people, const Request& request) {
  return permissions_of(people, request.principal.name);
}

// ---- what one user may do with one thing, as clients of 3.x ask

constexpr Parameter kGrant[] = {{"username", Type::kText, kRequired},
                                {"resource_type", Type::kText, kRequired},
                                {"resource_id", Type::kText, kRequired},
                                {"permission", Type::kText, kRequired}};
constexpr Parameter kThing[] = {{"username", Type::kText, kRequired},
                                {"resource_type", Type::kText, kRequired},
                                {"resource_id", Type::kText, kRequired}};

Result<Level> to_grantable(const std::string& word) {
  const Level level = TRY(to_level(word));
  if (level != Level::kNone) return level;
  return invalid(
      "Invalid permission 'NO_PERMISSIONS': no permission on a resource is granted, but "
      "is what the lack of a grant leaves; 'DENY' denies.");
}

Result<Response> grant(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kGrant));
  const Grant wanted{TRY(resource_kind(call.resource_type)), call.resource_id,
                     TRY(to_grantable(call.permission))};
  TRY(people.change(request.principal.name, [&](db::Tx& tx, const By& by) {
    return access::grant_to(tx, by, call.username, wanted, /*only_new=*/true);
  }));
  return empty_response();
}

Result<Response> revoke(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kThing));
  const Kind kind = TRY(resource_kind(call.resource_type));
  TRY(people.change(request.principal.name, [&](db::Tx& tx, const By& by) {
    return access::revoke_from(tx, by, call.username, kind, call.resource_id);
  }));
  return empty_response();
}

Result<Response> get_permission(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kThing));
  const Kind kind = TRY(resource_kind(call.resource_type));
  TRY(people.look([&](db::Tx& tx) { return access::find_person(tx, call.username); }));
  TRY(people.refresh());
  const Level level = people.level(call.username, kind, call.resource_id);
  Json answer;
  answer.set("allowed", access::suffices(level, Level::kUse));
  answer.set("permission", word_of(level));
  return Response::json(wire::dump(answer, {.ascii = true}));
}

// ---- the same as clients of 2.x ask

constexpr Parameter kOfExperiment[] = {{"experiment_id", Type::kText, kRequired},
                                       {"username", Type::kText, kRequired},
                                       {"permission"}};
constexpr Parameter kOfModel[] = {
    {"name", Type::kText, kRequired}, {"username", Type::kText, kRequired}, {"permission"}};

/// The four calls on one kind of thing.
template <Kind kind>
struct Permissions {
  static constexpr const char* kAnswer =
      kind == Kind::kExperiment ? "experiment_permission" : "registered_model_permission";

  static Result<Call> read(const Request& request, bool with_level) {
    Call call = TRY(kind == Kind::kExperiment ? read_call(request, kOfExperiment)
                                              : read_call(request, kOfModel));
    if (with_level && call.permission.empty()) return missing_parameter("permission");
    return call;
  }
  static const std::string& of(const Call& call) {
    return kind == Kind::kExperiment ? call.experiment_id : call.name;
  }

  static Result<Response> create(People& people, const Request& request) {
    const Call call = TRY(read(request, /*with_level=*/true));
    const Grant wanted{kind, of(call), TRY(to_level(call.permission))};
    const auto person = TRY(people.change(
        request.principal.name, [&](db::Tx& tx, const By& by) -> Result<access::PersonRow> {
          TRY(access::grant_to(tx, by, call.username, wanted, /*only_new=*/true));
          return access::find_person(tx, call.username);
        }));
    return answered(kAnswer, of_thing(person, kind, wanted.of, wanted.level));
  }

  static Result<std::optional<access::GrantRow>> find(db::Tx& tx, const Call& call) {
    for (access::GrantRow& row : TRY(access::own_grants(tx, call.username))) {
      if (row.kind == to_string(kind) && row.of == of(call)) return std::optional(std::move(row));
    }
    return std::optional<access::GrantRow>();
  }

  static Error none(const Call& call) {
    const char* what = kind == Kind::kExperiment ? "Experiment permission with experiment_id="
                                                 : "Registered model permission with name=";
    return missing(what + of(call) + " and username=" + call.username + " not found");
  }

  static Result<Response> get(People& people, const Request& request) {
    const Call call = TRY(read(request, /*with_level=*/false));
    return people.look([&](db::Tx& tx) -> Result<Response> {
      const std::optional<access::GrantRow> row = TRY(find(tx, call));
      if (!row) return none(call);
      return answered(kAnswer, of_thing(TRY(access::find_person(tx, call.username)), kind, of(call),
                                        access::to_grant(*row).level));
    });
  }

  static Result<Response> update(People& people, const Request& request) {
    const Call call = TRY(read(request, /*with_level=*/true));
    const Level level = TRY(to_level(call.permission));
    TRY(people.change(request.principal.name, [&](db::Tx& tx, const By& by) -> Result<> {
      if (!TRY(find(tx, call))) return none(call);
      return access::grant_to(tx, by, call.username, {kind, of(call), level});
    }));
    return empty_response();
  }

  static Result<Response> remove(People& people, const Request& request) {
    const Call call = TRY(read(request, /*with_level=*/false));
    TRY(people.change(request.principal.name, [&](db::Tx& tx, const By& by) -> Result<> {
      if (!TRY(find(tx, call))) return none(call);
      return access::revoke_from(tx, by, call.username, kind, of(call));
    }));
    return empty_response();
  }
};

// ---- roles

constexpr Parameter kNewRole[] = {
    {"name", Type::kText, kRequired}, {"workspace", Type::kText, kRequired}, {"description"}};
constexpr Parameter kRole[] = {{"role_id", Type::kText, kRequired}};
constexpr Parameter kRoles[] = {{"workspace"}};
constexpr Parameter kChangeRole[] = {
    {"role_id", Type::kText, kRequired}, {"name"}, {"description"}};
constexpr Parameter kNewGrant[] = {{"role_id", Type::kText, kRequired},
                                   {"resource_type", Type::kText, kRequired},
                                   {"resource_pattern", Type::kText, kRequired},
                                   {"permission", Type::kText, kRequired}};
constexpr Parameter kOneGrant[] = {{"role_permission_id", Type::kText, kRequired}, {"permission"}};
constexpr Parameter kMember[] = {{"username", Type::kText, kRequired},
                                 {"role_id", Type::kText, kRequired}};

Result<> check_workspace(const std::string& workspace) {
  if (workspace.empty() || workspace == kWorkspace) return {};
  return invalid("Workspace '" + workspace +
                 "' does not exist: this server has one workspace, 'default'.");
}

/// A role after what `f` did to it.
template <class F>
Result<Response> change_role(People& people, const Request& request, F f) {
  return answered("role", TRY(people.change(request.principal.name,
                                            [&](db::Tx& tx, const By& by) -> Result<Json> {
                                              return to_json(tx, TRY(f(tx, by)));
                                            })));
}

Result<Response> create_role(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kNewRole));
  TRY(check_workspace(call.workspace));
  return change_role(people, request, [&](db::Tx& tx, const By& by) {
    return access::create_role(tx, by, call.name, call.description.value_or(""));
  });
}

Result<Response> get_role(People& people, const Request& request) {
  const std::int64_t id = TRY(to_id("role_id", TRY(read_call(request, kRole)).role_id));
  return answered("role", TRY(people.look([&](db::Tx& tx) -> Result<Json> {
                    return to_json(tx, TRY(access::find_role(tx, id)));
                  })));
}

Result<Response> list_roles(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kRoles));
  return answered("roles", TRY(people.look([&](db::Tx& tx) -> Result<Json> {
                    Json::Array list;
                    if (!call.workspace.empty() && call.workspace != kWorkspace)
                      return Json(std::move(list));
                    for (const access::RoleRow& role : TRY(access::roles(tx))) {
                      list.push_back(TRY(to_json(tx, role)));
                    }
                    return Json(std::move(list));
                  })));
}

Result<Response> update_role(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kChangeRole));
  const std::int64_t id = TRY(to_id("role_id", call.role_id));
  std::optional<std::string> name;
  if (!call.name.empty()) name = call.name;
  if (!name && !call.description) {
    return invalid("At least one of 'name' or 'description' must be provided to update a role.");
  }
  return change_role(people, request, [&](db::Tx& tx, const By& by) {
    return access::change_role(tx, by, id, name, call.description);
  });
}

Result<Response> delete_role(People& people, const Request& request) {
  const std::int64_t id = TRY(to_id("role_id", TRY(read_call(request, kRole)).role_id));
  TRY(people.change(request.principal.name,
                    [&](db::Tx& tx, const By& by) { return access::delete_role(tx, by, id); }));
  return empty_response();
}

Result<Response> add_permission(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kNewGrant));
  const std::int64_t id = TRY(to_id("role_id", call.role_id));
  const Grant wanted{TRY(resource_kind(call.resource_type)), call.resource_pattern,
                     TRY(to_grantable(call.permission))};
  return answered("role_permission",
                  to_json(TRY(people.change(request.principal.name, [&](db::Tx& tx, const By& by) {
                    return access::add_grant(tx, by, id, wanted);
                  }))));
}

Result<Response> list_role_permissions(People& people, const Request& request) {
  const std::int64_t id = TRY(to_id("role_id", TRY(read_call(request, kRole)).role_id));
  return answered("role_permissions", TRY(people.look([&](db::Tx& tx) -> Result<Json> {
                    TRY(access::find_role(tx, id));
                    return list_of(TRY(access::grants(tx, id)));
                  })));
}

Result<Response> update_permission(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kOneGrant));
  const std::int64_t id = TRY(to_id("role_permission_id", call.role_permission_id));
  if (call.permission.empty()) return missing_parameter("permission");
  const Level level = TRY(to_grantable(call.permission));
  return answered("role_permission",
                  to_json(TRY(people.change(request.principal.name, [&](db::Tx& tx, const By& by) {
                    return access::change_grant(tx, by, id, level);
                  }))));
}

Result<Response> remove_permission(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kOneGrant));
  const std::int64_t id = TRY(to_id("role_permission_id", call.role_permission_id));
  TRY(people.change(request.principal.name,
                    [&](db::Tx& tx, const By& by) { return access::remove_grant(tx, by, id); }));
  return empty_response();
}

Result<Response> assign(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kMember));
  const std::int64_t id = TRY(to_id("role_id", call.role_id));
  return answered("assignment",
                  to_json(TRY(people.change(request.principal.name, [&](db::Tx& tx, const By& by) {
                    return access::assign_role(tx, by, id, call.username);
                  }))));
}

Result<Response> unassign(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kMember));
  const std::int64_t id = TRY(to_id("role_id", call.role_id));
  TRY(people.change(request.principal.name, [&](db::Tx& tx, const By& by) {
    return access::unassign_role(tx, by, id, call.username);
  }));
  return empty_response();
}

Result<Response> roles_of_user(People& people, const Request& request) {
  const Call call = TRY(read_call(request, kUser));
  return answered("roles", TRY(people.look([&](db::Tx& tx) -> Result<Json> {
                    const access::PersonRow person = TRY(access::find_person(tx, call.username));
                    Json::Array list;
                    for (const access::RoleRow& role : TRY(access::roles_of(tx, person.id))) {
                      list.push_back(TRY(to_json(tx, role)));
                    }
                    return Json(std::move(list));
                  })));
}

Result<Response> users_of_role(People& people, const Request& request) {
  const std::int64_t id = TRY(to_id("role_id", TRY(read_call(request, kRole)).role_id));
  return answered("assignments", TRY(people.look([&](db::Tx& tx) -> Result<Json> {
                    TRY(access::find_role(tx, id));
                    return list_of(TRY(access::members(tx, id)));
                  })));
}

}  // namespace

Result<Kind> resource_kind(std::string_view word) {
  if (word == "experiment") return Kind::kExperiment;
  if (word == "registered_model" || word == "prompt") return Kind::kModel;
  return invalid("resource_type '" + std::string(word) +
                 "' is not supported by this server; 'experiment', 'registered_model' and "
                 "'prompt' are.");
}

void mount_people(http::Router& router, People& people) {
  Api api2(router, "2.0"), api3(router, "3.0");
  ServiceApi v2(api2, people), v3(api3, people);
  v2.read(Method::kPost, "/users/create", kManages, create_user);
  v2.read(Method::kGet, "/users/get", kReads, get_user);
  v2.read(Method::kGet, "/users/list", kManages, list_users);
  v2.read(Method::kGet, "/users/current", kReads, current_user);
  v2.read(Method::kPatch, "/users/update-password", kManages, update_password);
  v2.read(Method::kPatch, "/users/update-admin", kManages, update_admin);
  v2.read(Method::kDelete, "/users/delete", kManages, delete_user);

  using Experiments = Permissions<Kind::kExperiment>;
  v2.read(Method::kPost, "/experiments/permissions/create", kManages, Experiments::create);
  v2.read(Method::kGet, "/experiments/permissions/get", kReads, Experiments::get);
  v2.read(Method::kPatch, "/experiments/permissions/update", kManages, Experiments::update);
  v2.read(Method::kDelete, "/experiments/permissions/delete", kManages, Experiments::remove);
  using Models = Permissions<Kind::kModel>;
  v2.read(Method::kPost, "/registered-models/permissions/create", kManages, Models::create);
  v2.read(Method::kGet, "/registered-models/permissions/get", kReads, Models::get);
  v2.read(Method::kPatch, "/registered-models/permissions/update", kManages, Models::update);
  v2.read(Method::kDelete, "/registered-models/permissions/delete", kManages, Models::remove);

  v3.read(Method::kGet, "/users/current/permissions", kReads, current_permissions);
  v3.read(Method::kGet, "/users/permissions/list", kReads, list_permissions);
  v3.read(Method::kPost, "/users/permissions/grant", kManages, grant);
  v3.read(Method::kPost, "/users/permissions/revoke", kManages, revoke);
  v3.read(Method::kGet, "/users/permissions/get", kReads, get_permission);
  v3.read(Method::kGet, "/users/roles/list", kReads, roles_of_user);
  v3.read(Method::kPost, "/roles/create", kManages, create_role);
  v3.read(Method::kGet, "/roles/get", kManages, get_role);
  v3.read(Method::kGet, "/roles/list", kManages, list_roles);
  v3.read(Method::kPatch, "/roles/update", kManages, update_role);
  v3.read(Method::kDelete, "/roles/delete", kManages, delete_role);
  v3.read(Method::kPost, "/roles/permissions/add", kManages, add_permission);
  v3.read(Method::kDelete, "/roles/permissions/remove", kManages, remove_permission);
  v3.read(Method::kGet, "/roles/permissions/list", kManages, list_role_permissions);
  v3.read(Method::kPatch, "/roles/permissions/update", kManages, update_permission);
  v3.read(Method::kPost, "/roles/assign", kManages, assign);
  v3.read(Method::kDelete, "/roles/unassign", kManages, unassign);
  v3.read(Method::kGet, "/roles/users/list", kManages, users_of_role);
}

}  // namespace slipway::mlflow
