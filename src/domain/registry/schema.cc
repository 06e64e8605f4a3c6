#include "domain/registry/schema.h"

#include "io/wire/json.h"

namespace slipway::registry {
namespace {

constexpr char kTables[] = R"sql(
create table registered_models (
  id integer primary key autoincrement,
  name text not null unique,
  created_ms bigint not null,
  updated_ms bigint not null,
  description text not null);
create table registered_model_tags (
  model bigint not null references registered_models (id),
  key text not null,
  value text not null,
  primary key (model, key)) without rowid;
create table model_versions (
  id integer primary key autoincrement,
  model bigint not null references registered_models (id),
  number bigint not null,
  created_ms bigint not null,
  updated_ms bigint not null,
  deleted_ms bigint,
  description text not null,
  stage text not null,
  source text not null,
  location text not null,
  run_id text not null,
  run_link text not null,
  logged_model_id text not null,
  unique (model, number));
create index model_versions_by_run on model_versions (run_id);
create index model_versions_by_update on model_versions (updated_ms);
create table model_version_tags (
  version bigint not null references model_versions (id),
  key text not null,
  value text not null,
  primary key (version, key)) without rowid;
create table model_aliases (
  model bigint not null references registered_models (id),
  alias text not null,
  number bigint not null,
  primary key (model, alias)) without rowid;
create table logged_models (
  id text primary key,
  experiment_id text not null,
  name text not null,
  type text not null,
  created_ms bigint not null,
  updated_ms bigint not null,
  deleted_ms bigint,
  location text not null,
  status text not null,
  run_id text not null) without rowid;
create index logged_models_by_experiment on logged_models (experiment_id, created_ms);
create table logged_model_tags (
  model_id text not null references logged_models (id),
  key text not null,
  value text not null,
  primary key (model_id, key)) without rowid;
create table logged_model_params (
  model_id text not null references logged_models (id),
  key text not null,
  value text not null,
  primary key (model_id, key)) without rowid;
create table logged_model_metrics (
  model_id text not null references logged_models (id),
  key text not null,
  timestamp_ms bigint not null,
  step bigint not null,
  run_id text not null,
  dataset_name text not null,
  dataset_digest text not null,
  value double precision,
  primary key (model_id, key, timestamp_ms, step, run_id, dataset_name, dataset_digest)) without rowid;
)sql";

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("registry/0001_models", kTables)};
}

namespace schema {

std::string in_list(db::Engine engine, const char* column, bool texts) {
  if (engine == db::Engine::kSqlite) {
    return std::string(column) + " in (select value from json_each(?))";
  }
  // A JSON list on PostgreSQL too: an array literal would need escapes of its own for texts.
  return std::string(column) + " in (select cast(value as " + (texts ? "text" : "bigint") +
         ") from json_array_elements_text(cast(? as json)) as listed (value))";
}

namespace {

template <class T>
db::Value json_list(const std::vector<T>& items) {
  return db::Value(wire::dump(wire::Json(wire::Json::Array(items.begin(), items.end()))));
}

}  // namespace

db::Value list_value(const std::vector<std::int64_t>& numbers) {
  return json_list(numbers);
}

db::Value list_value(const std::vector<std::string>& texts) {
  return json_list(texts);
}

}  // namespace schema
}  // namespace slipway::registry
