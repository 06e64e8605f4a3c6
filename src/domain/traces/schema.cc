#include "domain/traces/traces.h"

namespace slipway::traces {
namespace {

constexpr char kTables[] = R"sql(
create table traces (
  seq integer primary key autoincrement,
  id text not null unique,
  experiment bigint not null,
  client_request_id text,
  request_ms bigint not null,
  execution_ms bigint,
  state text not null,
  request_preview text,
  response_preview text,
  finalized bigint not null);
create index traces_by_time on traces (experiment, request_ms, id);
create table trace_tags (
  trace bigint not null references traces (seq),
  key text not null,
  value text not null,
  primary key (trace, key)) without rowid;
create index trace_tags_by_key on trace_tags (key, trace);
create table trace_metadata (
  trace bigint not null references traces (seq),
  key text not null,
  value text not null,
  primary key (trace, key)) without rowid;
create index trace_metadata_by_key on trace_metadata (key, trace);
create table trace_runs (
  run_id text not null,
  trace bigint not null references traces (seq),
  primary key (run_id, trace)) without rowid;
create index trace_runs_by_trace on trace_runs (trace);
create table trace_spans (
  trace bigint not null references traces (seq),
  id text not null,
  parent_id text not null,
  name text not null,
  type text not null,
  status text not null,
  start_ns bigint not null,
  content text not null,
  primary key (trace, id));
create table trace_assessments (
  seq integer primary key autoincrement,
  trace bigint not null references traces (seq),
  id text not null,
  kind text not null,
  name text not null,
  value text not null,
  number double precision,
  content text not null,
  valid bigint not null,
  overrides text not null,
  created_ms bigint not null,
  updated_ms bigint not null,
  unique (trace, id));
create index trace_assessments_by_name on trace_assessments (name, kind, trace);
)sql";

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("traces/0001_tables", kTables)};
}

}  // namespace slipway::traces
