#include "io/db/migrate.h"

#include <algorithm>
#include <map>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/text.h"

namespace slipway::db {
namespace {

constexpr char kTableCountSqlite[] =
    "select count(*), coalesce(sum(name = 'migrations'), 0) from sqlite_master where type = "
    "'table'";
constexpr char kTableCountPostgres[] =
    "select count(*), count(*) filter (where tablename = 'migrations') from pg_tables "
    "where schemaname = current_schema()";
constexpr char kCreate[] =
    "create table migrations (name text primary key, applied_ms bigint not null, "
    "checksum text not null)";

struct Applied {
  std::string name, checksum;
};
BOOST_DESCRIBE_STRUCT(Applied, (), (name, checksum))
struct Tables {
  std::int64_t count = 0, migrations = 0;
};
BOOST_DESCRIBE_STRUCT(Tables, (), (count, migrations))

using Checksums = std::map<std::string, std::string>;  // by name

const std::string& text_for(Engine engine, const Migration& migration) {
  bool own = engine == Engine::kPostgres && !migration.postgres.empty();
  return own ? migration.postgres : migration.sqlite;
}

/// Inside a transaction.
Result<Checksums> read_applied(Tx& tx) {
  Tables tables = *TRY(
      tx.one<Tables>(tx.engine() == Engine::kSqlite ? kTableCountSqlite : kTableCountPostgres));
  if (tables.migrations == 0 && tables.count > 0 && tx.engine() == Engine::kSqlite) {
    return conflict("the database holds tables, but none of them is Slipway's; name another file");
  }
  Checksums applied;
  if (tables.migrations == 0) return applied;
  for (Applied& row : TRY(tx.all<Applied>("select name, checksum from migrations"))) {
    applied.emplace(std::move(row.name), std::move(row.checksum));
  }
  return applied;
}

Result<Checksums> read_applied_now(Connection& connection) {
  TRY(connection.begin(Connection::Access::kRead));
  Result<Checksums> applied = read_applied(connection);
  connection.rollback();
  return applied;
}

Result<> check_known(const Checksums& applied, Engine engine,
                     const std::vector<Migration>& migrations) {
  Checksums known;
  for (const Migration& migration : migrations) {
    if (!known.emplace(migration.name, sha256_hex(text_for(engine, migration))).second) {
      return internal("two migrations are named " + migration.name);
    }
  }
  for (const auto& [name, checksum] : applied) {
    auto mine = known.find(name);
    if (mine == known.end()) {
      return Error{Code::kConflict,
                   "the database was made by a newer slipway: it holds the migration " + name +
                       ", which this program does not know; use the newer program",
                   "newer"};
    }
    if (mine->second != checksum) {
      return internal("the migration " + name +
                      " was changed after it had been applied to this database");
    }
  }
  return {};
}

const Migration* first_pending(const Checksums& applied, const std::vector<Migration>& migrations) {
  auto pending = std::find_if(migrations.begin(), migrations.end(),
                              [&](const Migration& m) { return !applied.contains(m.name); });
  return pending == migrations.end() ? nullptr : &*pending;
}

Result<> apply_in_transaction(Connection& connection, const Migration& migration) {
  // Another server may have been here since we looked.
  Checksums applied = TRY(read_applied(connection));
  if (applied.contains(migration.name)) return {};
  if (applied.empty()) {
    Tables tables = *TRY(connection.one<Tables>(
        connection.engine() == Engine::kSqlite ? kTableCountSqlite : kTableCountPostgres));
    if (tables.migrations == 0) TRY(connection.script(kCreate));
  }
  const std::string& text = text_for(connection.engine(), migration);
  TRY(connection.script(text));
  TRY(connection.run("insert into migrations (name, applied_ms, checksum) values (?, ?, ?)",
                     migration.name, SystemClock().now_ms(), sha256_hex(text)));
  return {};
}

Result<> apply(Connection& connection, const Migration& migration) {
  TRY(connection.begin(Connection::Access::kWrite));
  Result<> applied = apply_in_transaction(connection, migration);
  if (applied.ok())
    applied = connection.commit();
  else
    connection.rollback();
  if (!applied.ok()) return with_context("migration " + migration.name, applied.error());
  return {};
}

Result<> apply_pending(Connection& connection, const Checksums& applied,
                       const std::vector<Migration>& migrations) {
  for (const Migration& migration : migrations) {
    if (applied.contains(migration.name)) continue;
    TRY(apply(connection, migration));
    if (!applied.empty()) log_info("migration applied", {{"name", migration.name}});
  }
  return {};
}

std::string in_mib(std::uint64_t bytes) {
  return std::to_string((bytes + (1u << 20) - 1) >> 20) + " MiB";
}

}  // namespace

Result<> check_room_for_copy(const std::string& path, const std::string& migration,
                             std::uint64_t bytes, std::uint64_t free) {
  constexpr std::uint64_t kMore = 1u << 20;
  const std::uint64_t needed = bytes + std::max(kMore, bytes / 16);
  if (free >= needed) return {};
  return Error{Code::kUnavailable,
               "the migration " + migration + " keeps a copy of " + path +
                   " beside it first, which needs " + in_mib(needed) + "; its disk has " +
                   in_mib(free) + " free. Nothing was changed: make room there, or move the "
                   "catalogue to a larger disk, and start again",
               "disk_full"};
}

Migration portable(std::string name, std::string sqlite) {
  constexpr std::pair<const char*, const char*> kWords[] = {
      {" integer primary key autoincrement", " integer primary key"},
      {" integer primary key", " bigint generated by default as identity primary key"},
      {" blob ", " bytea "},
      {" text ", " text collate \"C\" "},
      {" text,", " text collate \"C\","},
      {" without rowid", ""},
  };
  std::string postgres = sqlite;
  for (const auto& [word, other] : kWords) postgres = replace_all(std::move(postgres), word, other);
  return {std::move(name), std::move(sqlite), std::move(postgres)};
}

std::vector<Migration> joined(std::initializer_list<std::vector<Migration>> modules) {
  std::vector<Migration> all;
  for (const std::vector<Migration>& module : modules) {
    all.insert(all.end(), module.begin(), module.end());
  }
  return all;
}

Result<> migrate(Source& source, Connection& connection, const std::vector<Migration>& migrations) {
  Checksums applied = TRY(read_applied_now(connection));
  TRY(check_known(applied, connection.engine(), migrations));
  const Migration* pending = first_pending(applied, migrations);
  if (!pending) return {};
  if (applied.empty()) return apply_pending(connection, applied, migrations);
  Fd lock = TRY(source.lock_migrations());
  applied = TRY(read_applied_now(connection));
  pending = first_pending(applied, migrations);
  if (!pending) return {};
  TRY(source.keep_copy(connection, pending->name));
  return apply_pending(connection, applied, migrations);
}

Result<> check_migrated(Connection& connection, const std::vector<Migration>& migrations) {
  Checksums applied = TRY(read_applied_now(connection));
  if (applied.empty()) return missing("the database is empty");
  TRY(check_known(applied, connection.engine(), migrations));
  const Migration* pending = first_pending(applied, migrations);
  if (!pending) return {};
  return Error{Code::kConflict,
               "the database is older than this program (it lacks " + pending->name +
                   "); `slipway up` brings it up to date",
               "pending_migrations"};
}

}  // namespace slipway::db
