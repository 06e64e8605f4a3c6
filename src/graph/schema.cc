#include "graph/schema.h"

namespace slipway::graph::schema {
namespace {

// Edges as their own index (without rowid) and once more by cause: two B-trees, nothing else.
constexpr char kSpine[] = R"sql(
create table nodes (
  id integer primary key,
  kind text not null,
  ident text not null,
  attributes text not null,
  created_ms bigint not null,
  unique (kind, ident));
create table edges (
  effect bigint not null references nodes (id),
  relation text not null,
  cause bigint not null references nodes (id),
  attributes_key bigint not null,
  attributes text not null,
  created_ms bigint not null,
  primary key (effect, relation, cause, attributes_key)) without rowid;
create index edges_by_cause on edges (cause, effect);
create table events (
  seq integer primary key autoincrement,
  id text not null,
  time_ms bigint not null,
  type text not null,
  subject_kind text not null,
  subject_id text not null,
  actor text not null,
  cause_seq bigint not null,
  data text not null);
create index events_by_subject on events (subject_kind, subject_id, seq);
create table cursors (reader text primary key, seq bigint not null);
)sql";

constexpr Walk kWalkSqlite{
    "with recursive reach (id) as (select cast(? as bigint) union "
    "select edges.cause from reach join edges on edges.effect = reach.id) "
    "select id from reach limit ?",
    "with recursive reach (id) as (select cast(? as bigint) union "
    "select edges.effect from reach join edges on edges.cause = reach.id) "
    "select id from reach limit ?",
    "select id, kind, ident, attributes, created_ms from nodes "
    "where id in (select value from json_each(?))",
    "select effect, relation, cause, attributes from edges "
    "where effect in (select value from json_each(?)) "
    "order by effect, relation, cause, attributes",
    "select effect, relation, cause, attributes from edges "
    "where cause in (select value from json_each(?)) "
    "order by cause, relation, effect, attributes"};
// "offset 0" holds the planner to one look into the index per node: without statistics it scans all
// edges per level.
constexpr Walk kWalkPostgres{
    "with recursive reach (id) as (select cast(? as bigint) union "
    "select next.cause from reach cross join lateral "
    "(select cause from edges where effect = reach.id offset 0) next) "
    "select id from reach limit ?",
    "with recursive reach (id) as (select cast(? as bigint) union "
    "select next.effect from reach cross join lateral "
    "(select effect from edges where cause = reach.id offset 0) next) "
    "select id from reach limit ?",
    "select id, kind, ident, attributes, created_ms from nodes "
    "where id = any (cast(? as bigint[]))",
    "select effect, relation, cause, attributes from edges "
    "where effect = any (cast(? as bigint[])) "
    "order by effect, relation, cause, attributes",
    "select effect, relation, cause, attributes from edges "
    "where cause = any (cast(? as bigint[])) "
    "order by cause, relation, effect, attributes"};

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("graph/0001_spine", kSpine)};
}

const Walk& walk(db::Engine engine) {
  return engine == db::Engine::kSqlite ? kWalkSqlite : kWalkPostgres;
}

}  // namespace slipway::graph::schema
