#include "domain/access/store.h"

#include "base/ids.h"
#include "base/text.h"
#include "graph/graph.h"
#include "graph/kinds.h"

namespace slipway::access {
namespace {

using wire::Json;

// A subject of events only.
constexpr char kRole[] = "role";

constexpr char kTables[] = R"sql(
create table people (
  id integer primary key autoincrement,
  name text not null unique,
  admin bigint not null,
  password text not null,
  stamp bigint not null,
  created_ms bigint not null);
create table access_tokens (
  id text primary key,
  person bigint not null references people (id),
  name text not null,
  hash text not null unique,
  scope text not null,
  session bigint not null,
  created_ms bigint not null,
  expires_ms bigint not null) without rowid;
create index access_tokens_by_person on access_tokens (person);
create table roles (
  id integer primary key autoincrement,
  name text not null,
  description text not null,
  own bigint not null);
create unique index roles_by_name on roles (name, own);
create table role_members (
  id integer primary key autoincrement,
  role bigint not null references roles (id),
  person bigint not null references people (id),
  unique (role, person));
create index role_members_by_person on role_members (person);
create table role_grants (
  id integer primary key autoincrement,
  role bigint not null references roles (id),
  kind text not null,
  thing text not null,
  level text not null,
  unique (role, kind, thing));
create index role_grants_by_thing on role_grants (kind, thing);
create table access_settings (
  key text primary key,
  value text not null) without rowid;
create table access_version (
  one bigint primary key,
  version bigint not null);
insert into access_version (one, version) values (1, 1);
)sql";

constexpr char kPersonColumns[] = "select id, name, admin, password, stamp, created_ms from people";
constexpr char kTokenColumns[] =
    "select id, person, name, hash, scope, session, created_ms, expires_ms from access_tokens";
constexpr char kRoleColumns[] = "select id, name, description, own from roles";
constexpr char kGrantColumns[] = "select id, role, kind, thing, level from role_grants";

std::string after(const char* columns, const char* rest) {
  return std::string(columns) + rest;
}

Result<> changed(db::Tx& tx, const By& by, const char* type, const graph::NodeRef& subject,
                 Json data) {
  TRY(tx.run("update access_version set version = version + 1 where one = 1"));
  TRY(graph::append_event(tx, {type, subject, by.actor, 0, std::move(data)}, by.now_ms));
  return {};
}

graph::NodeRef person_node(const std::string& name) {
  return {graph::kind::kPerson, name};
}

Error no_person(const std::string& name) {
  return missing("User with username=" + name + " not found");
}
Error no_role(std::int64_t id) {
  return missing("Role with id=" + std::to_string(id) + " not found");
}

Json about(std::initializer_list<std::pair<const char*, Json>> fields) {
  Json json{Json::Object{}};
  for (const auto& [key, value] : fields) json.set(key, value);
  return json;
}

Json about(const Grant& grant) {
  return about(
      {{"kind", to_string(grant.kind)}, {"of", grant.of}, {"level", to_string(grant.level)}});
}

/// Somebody has to be able to let others in.
Result<> check_last_admin(db::Tx& tx, const PersonRow& person) {
  if (!person.admin) return {};
  const auto admins = TRY(tx.one<std::int64_t>("select count(*) from people where admin = 1"));
  if (admins.value_or(0) > 1) return {};
  return denied("'" + person.name +
                "' is the last administrator: make another one first, else nobody could let "
                "anybody in");
}

/// As everybody else writes an experiment's id: else it would be compared with nothing.
bool is_plain_number(const std::string& text) {
  const auto number = to_int64(text);
  return number && *number >= 0 && std::to_string(*number) == text;
}

Result<> check_grant(const Grant& grant) {
  constexpr std::size_t kBytesMax = 1000;
  if (grant.of.empty() || grant.of.size() > kBytesMax) {
    return invalid("a permission is on an experiment's id, a model's name, or '*' for every one");
  }
  if (grant.kind == Kind::kExperiment && grant.of != kEvery && !is_plain_number(grant.of)) {
    return invalid("found the experiment id '" + grant.of +
                   "', expected a whole number without sign or zeros before it, or '*'");
  }
  return {};
}

/// The role that is a person's own, made on first need.
Result<std::int64_t> own_role(db::Tx& tx, std::int64_t person) {
  if (const auto known = TRY(tx.one<std::int64_t>("select id from roles where own = ?", person))) {
    return *known;
  }
  const auto made = TRY(tx.one<std::int64_t>(
      "insert into roles (name, description, own) values ('', '', ?) returning id", person));
  if (!made) return internal("a role that was made has no id");
  TRY(tx.run("insert into role_members (role, person) values (?, ?)", *made, person));
  return *made;
}

Result<> put_grant(db::Tx& tx, std::int64_t role, const Grant& grant) {
  TRY(
      tx.run("insert into role_grants (role, kind, thing, level) values (?, ?, ?, ?) "
             "on conflict (role, kind, thing) do update set level = excluded.level",
             role, to_string(grant.kind), grant.of, to_string(grant.level)));
  return {};
}

Result<std::optional<PersonRow>> person_named(db::Tx& tx, const std::string& name) {
  static const std::string kSql = after(kPersonColumns, " where name = ?");
  return tx.one<PersonRow>(kSql, name);
}

Result<graph::NodeRef> node_of_role(db::Tx& tx, const RoleRow& role) {
  if (role.own == 0) return graph::NodeRef{kRole, role.name};
  const auto name = TRY(tx.one<std::string>("select name from people where id = ?", role.own));
  return person_node(name.value_or(""));
}

Result<> remove_role(db::Tx& tx, std::int64_t id) {
  TRY(tx.run("delete from role_grants where role = ?", id));
  TRY(tx.run("delete from role_members where role = ?", id));
  TRY(tx.run("delete from roles where id = ?", id));
  return {};
}

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("access/0001_people", kTables)};
}

Grant to_grant(const GrantRow& row) {
  return {kind_named(row.kind).value_or(Kind::kExperiment), row.of,
          level_named(row.level).value_or(Level::kDeny)};
}

// ---- people

Result<PersonRow> create_person(db::Tx& tx, const By& by, const std::string& name,
                                const std::string& password_hash, bool admin) {
  TRY(check_person_name(name));
  const auto count = TRY(tx.one<std::int64_t>("select count(*) from people"));
  if (count.value_or(0) == 0 && !admin) {
    return invalid("the first user has to be an administrator, who lets others in");
  }
  const auto id = TRY(tx.one<std::int64_t>(
      "insert into people (name, admin, password, stamp, created_ms) values (?, ?, ?, 1, ?) "
      "on conflict do nothing returning id",
      name, admin, password_hash, by.now_ms));
  if (!id) {
    return Error{Code::kConflict, "User (username=" + name + ") already exists.", "already_exists"};
  }
  TRY(changed(tx, by, "user.created", person_node(name), about({{"admin", admin}})));
  return PersonRow{*id, name, admin, password_hash, 1, by.now_ms};
}

Result<PersonRow> find_person(db::Tx& tx, const std::string& name) {
  std::optional<PersonRow> found = TRY(person_named(tx, name));
  if (!found) return no_person(name);
  return std::move(*found);
}

Result<std::vector<PersonRow>> people(db::Tx& tx) {
  static const std::string kSql = after(kPersonColumns, " order by id");
  return tx.all<PersonRow>(kSql);
}

Result<> set_password(db::Tx& tx, const By& by, const std::string& name,
                      const std::string& password_hash) {
  const PersonRow person = TRY(find_person(tx, name));
  TRY(tx.run("update people set password = ?, stamp = stamp + 1 where id = ?", password_hash,
             person.id));
  TRY(tx.run("delete from access_tokens where person = ? and session = 1", person.id));
  return changed(tx, by, "user.password_changed", person_node(name), about({}));
}

Result<> set_admin(db::Tx& tx, const By& by, const std::string& name, bool admin) {
  const PersonRow person = TRY(find_person(tx, name));
  if (person.admin == admin) return {};
  if (!admin) TRY(check_last_admin(tx, person));
  TRY(tx.run("update people set admin = ? where id = ?", admin, person.id));
  return changed(tx, by, "user.admin_changed", person_node(name), about({{"admin", admin}}));
}

Result<> delete_person(db::Tx& tx, const By& by, const std::string& name) {
  const PersonRow person = TRY(find_person(tx, name));
  TRY(check_last_admin(tx, person));
  TRY(tx.run("delete from access_tokens where person = ?", person.id));
  TRY(tx.run("delete from role_members where person = ?", person.id));
  if (const auto own = TRY(tx.one<std::int64_t>("select id from roles where own = ?", person.id))) {
    TRY(remove_role(tx, *own));
  }
  TRY(tx.run("delete from people where id = ?", person.id));
  return changed(tx, by, "user.deleted", person_node(name), about({}));
}

// ---- tokens

Result<TokenRow> create_token(db::Tx& tx, const By& by, const NewToken& token, UnixMs real_now_ms) {
  if (!token.session) TRY(check_label("token", token.name));
  const PersonRow person = TRY(find_person(tx, token.person));
  TRY(tx.run("delete from access_tokens where expires_ms > 0 and expires_ms <= ?", real_now_ms));
  constexpr std::int64_t kPerPersonMax = 1000;
  const auto count =
      TRY(tx.one<std::int64_t>("select count(*) from access_tokens where person = ?", person.id));
  if (count.value_or(0) >= kPerPersonMax) {
    return conflict("'" + person.name + "' has 1000 tokens and sessions; revoke some first");
  }
  TokenRow row{random_hex32().substr(0, 12), person.id,     token.name,  token.hash,
               to_string(token.scope),       token.session, real_now_ms, token.expires_ms};
  TRY(
      tx.run("insert into access_tokens (id, person, name, hash, scope, session, created_ms, "
             "expires_ms) values (?, ?, ?, ?, ?, ?, ?, ?)",
             row.id, row.person, row.name, row.hash, row.scope, row.session, row.created_ms,
             row.expires_ms));
  TRY(changed(tx, by, token.session ? "user.logged_in" : "token.created", person_node(person.name),
              token.session ? about({{"session", row.id}})
                            : about({{"token", row.id},
                                     {"name", row.name},
                                     {"scope", row.scope},
                                     {"expires_ms", row.expires_ms}})));
  return row;
}

Result<std::vector<TokenRow>> tokens(db::Tx& tx, const std::optional<std::string>& person) {
  static const std::string kAll =
      after(kTokenColumns, " where session = 0 order by created_ms, id");
  static const std::string kOne =
      after(kTokenColumns, " where session = 0 and person = ? order by created_ms, id");
  if (!person) return tx.all<TokenRow>(kAll);
  return tx.all<TokenRow>(kOne, TRY(find_person(tx, *person)).id);
}

Result<> revoke_token(db::Tx& tx, const By& by, const std::string& id, const std::string& person) {
  static const std::string kSql = after(kTokenColumns, " where id = ?");
  const std::optional<TokenRow> row = TRY(tx.one<TokenRow>(kSql, id));
  std::string owner;
  if (row) {
    owner =
        TRY(tx.one<std::string>("select name from people where id = ?", row->person)).value_or("");
  }
  if (!row || (!person.empty() && owner != person))
    return missing("there is no token '" + id + "'");
  TRY(tx.run("delete from access_tokens where id = ?", id));
  return changed(tx, by, row->session ? "user.logged_out" : "token.revoked", person_node(owner),
                 about({{row->session ? "session" : "token", id}, {"name", row->name}}));
}

// ---- roles

Result<RoleRow> create_role(db::Tx& tx, const By& by, const std::string& name,
                            const std::string& description) {
  TRY(check_label("role", name));
  const auto id = TRY(tx.one<std::int64_t>(
      "insert into roles (name, description, own) values (?, ?, 0) on conflict do nothing "
      "returning id",
      name, description));
  if (!id) {
    return Error{Code::kConflict, "Role with name=" + name + " already exists.", "already_exists"};
  }
  TRY(changed(tx, by, "role.created", {kRole, name}, about({})));
  return RoleRow{*id, name, description, 0};
}

Result<RoleRow> find_role(db::Tx& tx, std::int64_t id) {
  static const std::string kSql = after(kRoleColumns, " where id = ?");
  std::optional<RoleRow> role = TRY(tx.one<RoleRow>(kSql, id));
  if (!role) return no_role(id);
  return std::move(*role);
}

Result<std::vector<RoleRow>> roles(db::Tx& tx) {
  static const std::string kSql = after(kRoleColumns, " where own = 0 order by id");
  return tx.all<RoleRow>(kSql);
}

Result<std::vector<RoleRow>> roles_of(db::Tx& tx, std::int64_t person) {
  return tx.all<RoleRow>(
      "select r.id, r.name, r.description, r.own from roles r "
      "join role_members m on m.role = r.id where m.person = ? order by r.id",
      person);
}

Result<RoleRow> change_role(db::Tx& tx, const By& by, std::int64_t id,
                            const std::optional<std::string>& name,
                            const std::optional<std::string>& description) {
  RoleRow role = TRY(find_role(tx, id));
  if (role.own != 0) return no_role(id);
  const std::string before = role.name;
  if (name) {
    TRY(check_label("role", *name));
    const auto other = TRY(tx.one<std::int64_t>(
        "select id from roles where name = ? and own = 0 and id <> ?", *name, id));
    if (other) {
      return Error{Code::kConflict, "Role with name=" + *name + " already exists.",
                   "already_exists"};
    }
    role.name = *name;
  }
  if (description) role.description = *description;
  TRY(tx.run("update roles set name = ?, description = ? where id = ?", role.name, role.description,
             id));
  TRY(changed(tx, by, "role.changed", {kRole, role.name}, about({{"before", before}})));
  return role;
}

Result<> delete_role(db::Tx& tx, const By& by, std::int64_t id) {
  const RoleRow role = TRY(find_role(tx, id));
  if (role.own != 0) return no_role(id);
  TRY(remove_role(tx, id));
  return changed(tx, by, "role.deleted", {kRole, role.name}, about({}));
}

Result<MemberRow> assign_role(db::Tx& tx, const By& by, std::int64_t role,
                              const std::string& person) {
  const PersonRow who = TRY(find_person(tx, person));
  const RoleRow what = TRY(find_role(tx, role));
  if (what.own != 0) return no_role(role);
  const auto id = TRY(tx.one<std::int64_t>(
      "insert into role_members (role, person) values (?, ?) on conflict do nothing returning id",
      role, who.id));
  if (!id) {
    return Error{Code::kConflict,
                 "User with username=" + person + " has the role '" + what.name + "' already.",
                 "already_exists"};
  }
  TRY(changed(tx, by, "role.assigned", person_node(person), about({{"role", what.name}})));
  return MemberRow{*id, role, who.id};
}

Result<> unassign_role(db::Tx& tx, const By& by, std::int64_t role, const std::string& person) {
  const PersonRow who = TRY(find_person(tx, person));
  const RoleRow what = TRY(find_role(tx, role));
  const std::int64_t gone =
      what.own != 0
          ? 0
          : TRY(tx.run("delete from role_members where role = ? and person = ?", role, who.id));
  if (gone == 0) {
    return missing("User with username=" + person + " has no role with id=" + std::to_string(role));
  }
  return changed(tx, by, "role.unassigned", person_node(person), about({{"role", what.name}}));
}

Result<std::vector<MemberRow>> members(db::Tx& tx, std::int64_t role) {
  return tx.all<MemberRow>("select id, role, person from role_members where role = ? order by id",
                           role);
}

// ---- grants

Result<std::vector<GrantRow>> grants(db::Tx& tx, std::int64_t role) {
  static const std::string kSql = after(kGrantColumns, " where role = ? order by id");
  return tx.all<GrantRow>(kSql, role);
}

Result<std::optional<GrantRow>> find_grant(db::Tx& tx, std::int64_t id) {
  static const std::string kSql = after(kGrantColumns, " where id = ?");
  return tx.one<GrantRow>(kSql, id);
}

Result<GrantRow> add_grant(db::Tx& tx, const By& by, std::int64_t role, const Grant& grant) {
  TRY(check_grant(grant));
  const RoleRow to = TRY(find_role(tx, role));
  const auto id = TRY(
      tx.one<std::int64_t>("insert into role_grants (role, kind, thing, level) values (?, ?, ?, ?) "
                           "on conflict do nothing returning id",
                           role, to_string(grant.kind), grant.of, to_string(grant.level)));
  if (!id) {
    return Error{Code::kConflict,
                 "a permission on " + std::string(to_string(grant.kind)) + " '" + grant.of +
                     "' already exists in this role",
                 "already_exists"};
  }
  TRY(changed(tx, by, "permission.granted", TRY(node_of_role(tx, to)), about(grant)));
  return GrantRow{*id, role, to_string(grant.kind), grant.of, to_string(grant.level)};
}

Result<GrantRow> change_grant(db::Tx& tx, const By& by, std::int64_t id, Level level) {
  std::optional<GrantRow> row = TRY(find_grant(tx, id));
  if (!row) return missing("Role permission with id=" + std::to_string(id) + " not found");
  row->level = to_string(level);
  TRY(tx.run("update role_grants set level = ? where id = ?", row->level, id));
  TRY(changed(tx, by, "permission.granted", TRY(node_of_role(tx, TRY(find_role(tx, row->role)))),
              about(to_grant(*row))));
  return std::move(*row);
}

Result<> remove_grant(db::Tx& tx, const By& by, std::int64_t id) {
  const std::optional<GrantRow> row = TRY(find_grant(tx, id));
  if (!row) return missing("Role permission with id=" + std::to_string(id) + " not found");
  TRY(tx.run("delete from role_grants where id = ?", id));
  return changed(tx, by, "permission.revoked", TRY(node_of_role(tx, TRY(find_role(tx, row->role)))),
                 about(to_grant(*row)));
}

Result<> grant_to(db::Tx& tx, const By& by, const std::string& person, const Grant& grant,
                  bool only_new) {
  TRY(check_grant(grant));
  const PersonRow to = TRY(find_person(tx, person));
  const std::int64_t role = TRY(own_role(tx, to.id));
  if (only_new) {
    TRY(add_grant(tx, by, role, grant));
    return {};
  }
  TRY(put_grant(tx, role, grant));
  return changed(tx, by, "permission.granted", person_node(person), about(grant));
}

Result<> revoke_from(db::Tx& tx, const By& by, const std::string& person, Kind kind,
                     const std::string& of) {
  const PersonRow from = TRY(find_person(tx, person));
  const auto role = TRY(tx.one<std::int64_t>("select id from roles where own = ?", from.id));
  const std::int64_t gone =
      role ? TRY(tx.run("delete from role_grants where role = ? and kind = ? and thing = ?", *role,
                        to_string(kind), of))
           : 0;
  if (gone == 0) {
    return missing("Permission with username=" + person + ", " + to_string(kind) + " '" + of +
                   "' not found");
  }
  return changed(tx, by, "permission.revoked", person_node(person),
                 about({{"kind", to_string(kind)}, {"of", of}}));
}

Result<std::vector<GrantRow>> own_grants(db::Tx& tx, const std::string& person) {
  const PersonRow of = TRY(find_person(tx, person));
  return tx.all<GrantRow>(
      "select g.id, g.role, g.kind, g.thing, g.level from role_grants g "
      "join roles r on r.id = g.role where r.own = ? order by g.kind, g.thing",
      of.id);
}

Result<> grant_to_maker(db::Tx& tx, const By& by, Kind kind, const std::string& of) {
  const std::optional<PersonRow> maker = TRY(person_named(tx, by.actor));
  if (!maker || of == kEvery) return {};
  const std::int64_t role = TRY(own_role(tx, maker->id));
  // Who was denied a name stays so, whoever gives it to a thing.
  const auto denied = TRY(tx.one<std::int64_t>(
      "select id from role_grants where role = ? and kind = ? and thing = ? and level = ?", role,
      to_string(kind), of, to_string(Level::kDeny)));
  if (denied) return {};
  TRY(put_grant(tx, role, {kind, of, Level::kManage}));
  TRY(tx.run("update access_version set version = version + 1 where one = 1"));
  return {};
}

Result<> forget_model(db::Tx& tx, const std::string& name) {
  if (name == kEvery) return {};
  const std::int64_t gone =
      TRY(tx.run("delete from role_grants where kind = ? and thing = ? and level <> ?",
                 to_string(Kind::kModel), name, to_string(Level::kDeny)));
  if (gone > 0) TRY(tx.run("update access_version set version = version + 1 where one = 1"));
  return {};
}

Result<> rename_model(db::Tx& tx, const std::string& from, const std::string& to) {
  if (from == kEvery || to == kEvery) return {};
  const char* const kind = to_string(Kind::kModel);
  TRY(tx.run("delete from role_grants where kind = ? and thing = ? and level <> ?", kind, to,
             to_string(Level::kDeny)));
  // What is left of the new name denies it, and goes on doing so.
  TRY(tx.run("delete from role_grants where kind = ? and thing = ? and role in "
             "(select role from role_grants where kind = ? and thing = ?)",
             kind, from, kind, to));
  TRY(tx.run("update role_grants set thing = ? where kind = ? and thing = ?", to,
             to_string(Kind::kModel), from));
  TRY(tx.run("update access_version set version = version + 1 where one = 1"));
  return {};
}

// ---- settings

Result<Level> default_level(db::Tx& tx) {
  const auto word =
      TRY(tx.one<std::string>("select value from access_settings where key = 'default_level'"));
  if (!word) return Level::kRead;
  return level_named(*word).value_or(Level::kNone);
}

Result<> set_default_level(db::Tx& tx, const By& by, Level level) {
  if (level == Level::kDeny) return invalid("the default is none, read, use, edit or manage");
  TRY(
      tx.run("insert into access_settings (key, value) values ('default_level', ?) "
             "on conflict (key) do update set value = excluded.value",
             to_string(level)));
  return changed(tx, by, "permission.default_changed", {kRole, "default"},
                 about({{"level", to_string(level)}}));
}

Result<std::int64_t> version(db::Tx& tx) {
  return TRY(tx.one<std::int64_t>("select version from access_version where one = 1")).value_or(0);
}

Result<All> read_all(db::Tx& tx) {
  All all;
  all.version = TRY(version(tx));
  all.fallback = TRY(default_level(tx));
  all.people = TRY(people(tx));
  all.tokens = TRY(tx.all<TokenRow>(kTokenColumns));
  all.members = TRY(tx.all<MemberRow>("select id, role, person from role_members"));
  all.roles = TRY(tx.all<RoleRow>(kRoleColumns));
  all.grants = TRY(tx.all<GrantRow>(kGrantColumns));
  return all;
}

}  // namespace slipway::access
