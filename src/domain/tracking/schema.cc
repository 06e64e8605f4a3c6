#include "domain/tracking/tracking.h"

namespace slipway::tracking {
namespace {

// `runs.id` is a small number, so that the rows below it are short; `run_id` is what the world
// knows. Tables of pairs are indices themselves (without rowid).
constexpr char kTables[] = R"sql(
create table experiments (
  id integer primary key autoincrement,
  name text not null unique,
  artifact_location text not null,
  deleted integer not null,
  created_ms bigint not null,
  updated_ms bigint not null);
create table experiment_tags (
  experiment bigint not null references experiments (id),
  key text not null,
  value text not null,
  primary key (experiment, key)) without rowid;

create table runs (
  id integer primary key,
  run_id text not null unique,
  experiment bigint not null references experiments (id),
  name text not null,
  user_id text not null,
  status text not null,
  start_ms bigint not null,
  end_ms bigint,
  artifact_uri text not null,
  deleted integer not null,
  deleted_ms bigint);
create index runs_by_experiment on runs (experiment, start_ms);
create table run_params (
  run bigint not null references runs (id),
  key text not null,
  value text not null,
  primary key (run, key)) without rowid;
create table run_tags (
  run bigint not null references runs (id),
  key text not null,
  value text not null,
  primary key (run, key)) without rowid;

create table metric_series (
  id integer primary key,
  run bigint not null references runs (id),
  key text not null,
  points bigint not null,
  value double precision not null,
  is_nan integer not null,
  timestamp_ms bigint not null,
  step bigint not null,
  min_value double precision,
  max_value double precision,
  first_step bigint not null,
  last_step bigint not null,
  unique (run, key));
create table metric_batches (
  id integer primary key autoincrement,
  run bigint not null,
  points bigint not null,
  data blob not null);
create index metric_batches_by_run on metric_batches (run, id);
create table metric_chunks (
  series bigint not null,
  chunk bigint not null,
  points bigint not null,
  first_ms bigint not null,
  last_ms bigint not null,
  data blob not null,
  primary key (series, chunk));
create index metric_chunks_by_time on metric_chunks (series, first_ms, last_ms, chunk);

create table datasets (
  id integer primary key,
  experiment bigint not null references experiments (id),
  name text not null,
  digest text not null,
  source_type text not null,
  source text not null,
  schema_text text not null,
  profile text not null,
  unique (experiment, name, digest));
create table run_datasets (
  id integer primary key,
  run bigint not null references runs (id),
  dataset bigint not null references datasets (id),
  unique (run, dataset));
create table run_dataset_tags (
  input bigint not null references run_datasets (id),
  key text not null,
  value text not null,
  primary key (input, key)) without rowid;
create table run_models (
  id integer primary key,
  run bigint not null references runs (id),
  made integer not null,
  model_id text not null,
  step bigint not null,
  unique (run, made, model_id));
create index run_models_by_model on run_models (model_id);
)sql";

// Which runs changed, for columns of them in memory; what charts read instead of points; how far a
// run's batches are moved.
constexpr char kChanges[] = R"sql(
create table run_changes (
  seq integer primary key autoincrement,
  run bigint,
  experiment bigint);
create table metric_heads (
  series bigint not null,
  chunk bigint not null,
  points bigint not null,
  first_step bigint not null,
  last_step bigint not null,
  data blob not null,
  primary key (series, chunk)) without rowid;
create table metric_moves (
  run bigint not null primary key,
  last_batch bigint not null,
  last_series bigint not null);
)sql";

// What goes for good, until its files are gone too.
constexpr char kRemovals[] = R"sql(
create table removals (
  id integer primary key autoincrement,
  what text not null,
  thing text not null,
  location text not null,
  actor text not null,
  asked_ms bigint not null,
  rows_gone integer not null,
  unique (what, thing));
create index runs_deleted on runs (deleted_ms) where deleted <> 0;
)sql";

// Numbers of changes that go up as the newest row always stays: what autoincrement keeps besides, a
// page of every commit, is not needed. PostgreSQL numbers rows in its own way.
constexpr char kPlainChanges[] = R"sql(
create table plain_changes (
  seq integer primary key,
  run bigint,
  experiment bigint);
insert into plain_changes (seq, run, experiment) select seq, run, experiment from run_changes;
drop table run_changes;
alter table plain_changes rename to run_changes;
)sql";

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("tracking/0001_runs", kTables),
          db::portable("tracking/0002_changes", kChanges),
          db::portable("tracking/0003_removals", kRemovals),
          {"tracking/0004_plain_changes", kPlainChanges, "select 1"}};
}

}  // namespace slipway::tracking
