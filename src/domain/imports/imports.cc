#include "domain/imports/imports.h"

#include "domain/imports/follow.h"

namespace slipway::imports {
namespace {

constexpr char kTables[] = R"sql(
create table imports (
  id integer primary key autoincrement,
  source text not null unique,
  began_ms bigint not null,
  ended_ms bigint,
  report text not null);
create table import_items (
  import bigint not null references imports (id),
  kind text not null,
  ident text not null,
  whole bigint not null,
  place_key text not null,
  place_number bigint not null,
  primary key (import, kind, ident)) without rowid;
)sql";

constexpr char kPrints[] = R"sql(
alter table import_items add column print text not null default '';
)sql";

#define IMPORT_COLUMNS "select id, source, began_ms, ended_ms, report from imports "

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("imports/0001_imports", kTables), follow_migration(),
          db::portable("imports/0003_prints", kPrints)};
}

Result<Import> begin(db::Tx& tx, const std::string& source, UnixMs now_ms) {
  TRY(
      tx.run("insert into imports (source, began_ms, report) values (?, ?, '') "
             "on conflict (source) do nothing",
             source, now_ms));
  std::optional<Import> import = TRY(tx.one<Import>(IMPORT_COLUMNS "where source = ?", source));
  if (!import) return internal("an import is there and is not");
  return std::move(*import);
}

Result<> end(db::Tx& tx, std::int64_t import, const std::string& report, UnixMs now_ms) {
  TRY(tx.run("update imports set ended_ms = ?, report = ? where id = ?", now_ms, report, import));
  return {};
}

Result<std::vector<Import>> all(db::Tx& tx) {
  return tx.all<Import>(IMPORT_COLUMNS "order by id");
}

Result<> put_item(db::Tx& tx, std::int64_t import, const char* kind, const std::string& ident,
                  const Item& item) {
  TRY(
      tx.run("insert into import_items (import, kind, ident, whole, place_key, place_number, "
             "print) values (?, ?, ?, ?, ?, ?, ?) on conflict (import, kind, ident) do update set "
             "whole = excluded.whole, place_key = excluded.place_key, "
             "place_number = excluded.place_number, print = excluded.print",
             import, kind, ident, item.whole, item.key, item.number, item.print));
  return {};
}

Result<Items> items(db::Tx& tx, std::int64_t import, const char* kind) {
  Items found;
  TRY(
      tx.query("select ident, whole, place_key, place_number, print from import_items "
               "where import = ? and kind = ?",
               {db::Value(import), db::Value(kind)}, [&](const db::Columns& row) -> Result<> {
                 found[std::string(row.text(0))] = {row.int64(1) != 0, std::string(row.text(2)),
                                                    row.int64(3), std::string(row.text(4))};
                 return {};
               }));
  return found;
}

}  // namespace slipway::imports
