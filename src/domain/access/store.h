#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "domain/access/rights.h"
#include "io/db/db.h"
#include "io/wire/codec.h"

// People, tokens, roles and grants in the catalogue. Functions of a caller's Tx; no threads. Every
// change is an event with its actor, and moves the version that other servers look at.
// docs/formats/access.md describes the tables.
//
// Errors: kInvalid for names, passwords and levels that cannot be; kMissing, kConflict with tag
// "already_exists"; kDenied for what would lock everybody out.
namespace slipway::access {

std::vector<db::Migration> migrations();

struct PersonRow {
  std::int64_t id = 0;
  std::string name;
  bool admin = false;
  std::string password;    // hash_password()
  std::int64_t stamp = 0;  // another with every change of the password
  UnixMs created_ms = 0;
};
WIRE(PersonRow, id, name, admin, password, stamp, created_ms)

/// A token, or the session of a page (then without a name).
struct TokenRow {
  std::string id;
  std::int64_t person = 0;
  std::string name;
  std::string hash;  // SHA-256 of the token, in hex
  std::string scope;
  bool session = false;
  UnixMs created_ms = 0, expires_ms = 0;  // 0: never
};
WIRE(TokenRow, id, person, name, hash, scope, session, created_ms, expires_ms)

/// A set of grants with a name, that people are given. The grants of one person alone are those of
/// a role that is the person's own.
struct RoleRow {
  std::int64_t id = 0;
  std::string name;  // empty: somebody's own
  std::string description;
  std::int64_t own = 0;  // the person's; 0 for none
};
WIRE(RoleRow, id, name, description, own)
struct MemberRow {
  std::int64_t id = 0, role = 0, person = 0;
};
WIRE(MemberRow, id, role, person)
struct GrantRow {
  std::int64_t id = 0, role = 0;
  std::string kind, of, level;
};
WIRE(GrantRow, id, role, kind, of, level)
/// Precondition: a row of the table.
Grant to_grant(const GrantRow& row);

/// Who changes something, and when.
struct By {
  std::string actor;
  UnixMs now_ms = 0;
};

// People. `password` is hashed already: that takes longer than a transaction should.
Result<PersonRow> create_person(db::Tx& tx, const By& by, const std::string& name,
                                const std::string& password_hash, bool admin);
Result<PersonRow> find_person(db::Tx& tx, const std::string& name);
Result<std::vector<PersonRow>> people(db::Tx& tx);
/// Ends the person's sessions too.
Result<> set_password(db::Tx& tx, const By& by, const std::string& name,
                      const std::string& password_hash);
Result<> set_admin(db::Tx& tx, const By& by, const std::string& name, bool admin);
/// With tokens and grants.
Result<> delete_person(db::Tx& tx, const By& by, const std::string& name);

// Tokens.
struct NewToken {
  std::string person, name;
  Scope scope = Scope::kAll;
  UnixMs expires_ms = 0;
  std::string hash;
  bool session = false;
};
/// Forgets what is expired. `real_now_ms` is the time that tokens expire by.
Result<TokenRow> create_token(db::Tx& tx, const By& by, const NewToken& token, UnixMs real_now_ms);
/// Without sessions; of one person, or of all.
Result<std::vector<TokenRow>> tokens(db::Tx& tx, const std::optional<std::string>& person);
/// `person`: whose it has to be; empty for anybody's.
Result<> revoke_token(db::Tx& tx, const By& by, const std::string& id, const std::string& person);

// Roles and grants.
Result<RoleRow> create_role(db::Tx& tx, const By& by, const std::string& name,
                            const std::string& description);
Result<RoleRow> find_role(db::Tx& tx, std::int64_t id);
/// Those with a name, by id.
Result<std::vector<RoleRow>> roles(db::Tx& tx);
Result<std::vector<RoleRow>> roles_of(db::Tx& tx, std::int64_t person);
Result<RoleRow> change_role(db::Tx& tx, const By& by, std::int64_t id,
                            const std::optional<std::string>& name,
                            const std::optional<std::string>& description);
Result<> delete_role(db::Tx& tx, const By& by, std::int64_t id);
Result<MemberRow> assign_role(db::Tx& tx, const By& by, std::int64_t role,
                              const std::string& person);
Result<> unassign_role(db::Tx& tx, const By& by, std::int64_t role, const std::string& person);
Result<std::vector<MemberRow>> members(db::Tx& tx, std::int64_t role);
Result<std::vector<GrantRow>> grants(db::Tx& tx, std::int64_t role);
Result<std::optional<GrantRow>> find_grant(db::Tx& tx, std::int64_t id);
Result<GrantRow> add_grant(db::Tx& tx, const By& by, std::int64_t role, const Grant& grant);
Result<GrantRow> change_grant(db::Tx& tx, const By& by, std::int64_t id, Level level);
Result<> remove_grant(db::Tx& tx, const By& by, std::int64_t id);

/// Of the person alone, made or changed. `only_new`: kConflict where there is one already.
Result<> grant_to(db::Tx& tx, const By& by, const std::string& person, const Grant& grant,
                  bool only_new = false);
Result<> revoke_from(db::Tx& tx, const By& by, const std::string& person, Kind kind,
                     const std::string& of);
/// What the person was granted alone.
Result<std::vector<GrantRow>> own_grants(db::Tx& tx, const std::string& person);
/// Whoever makes a thing may manage it; nothing for a maker who is nobody known here.
Result<> grant_to_maker(db::Tx& tx, const By& by, Kind kind, const std::string& of);
/// Of a model that is gone, or has another name now: a later one of that name inherits nothing but
/// what denies the name.
Result<> forget_model(db::Tx& tx, const std::string& name);
Result<> rename_model(db::Tx& tx, const std::string& from, const std::string& to);

/// What people may do where no grant says anything: kRead until it is set.
Result<Level> default_level(db::Tx& tx);
Result<> set_default_level(db::Tx& tx, const By& by, Level level);

/// Grows with every change.
Result<std::int64_t> version(db::Tx& tx);

/// Everything that decisions need.
struct All {
  std::int64_t version = 0;
  Level fallback = Level::kRead;
  std::vector<PersonRow> people;
  std::vector<TokenRow> tokens;
  std::vector<MemberRow> members;
  std::vector<RoleRow> roles;
  std::vector<GrantRow> grants;
};
Result<All> read_all(db::Tx& tx);

}  // namespace slipway::access
