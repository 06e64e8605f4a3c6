#include "domain/monitor/store.h"
#include "io/wire/json.h"

namespace slipway::monitor {
namespace {

// An incident's slot is "open", or its id once it is closed: so there is one open at most.
constexpr char kTables[] = R"sql(
create table monitors (
  deployment text not null,
  monitor text not null,
  next_ms bigint not null,
  live text not null,
  empty bigint not null,
  windows bigint not null,
  updated_ms bigint not null,
  primary key (deployment, monitor)) without rowid;
create table monitor_windows (
  id text not null primary key,
  deployment text not null,
  monitor text not null,
  model text not null,
  version text not null,
  start_ms bigint not null,
  end_ms bigint not null,
  status text not null,
  requests bigint not null,
  rows bigint not null,
  labelled bigint not null,
  words text not null,
  columns text not null,
  verdicts text not null,
  facts text not null,
  profile text not null,
  reference text not null,
  contract text not null,
  event_seq bigint not null,
  judged_ms bigint not null,
  unique (deployment, monitor, version, start_ms)) without rowid;
create index monitor_windows_by_start on monitor_windows (deployment, monitor, start_ms);
create table incidents (
  id text not null primary key,
  deployment text not null,
  monitor text not null,
  slot text not null,
  requirement text not null,
  model text not null,
  version text not null,
  window_end_ms bigint not null,
  columns text not null,
  words text not null,
  remedy_under_way bigint not null,
  remedy_version text not null,
  promoted_ms bigint not null,
  failed_remedies bigint not null,
  remedy text not null,
  reason text not null,
  closed_by text not null,
  opened_seq bigint not null,
  last_seq bigint not null,
  revision bigint not null,
  opened_ms bigint not null,
  closed_ms bigint not null,
  unique (deployment, monitor, slot)) without rowid;
create table incident_changes (
  incident text not null references incidents (id),
  number bigint not null,
  action text not null,
  reason text not null,
  actor text not null,
  evidence text not null,
  cause_seq bigint not null,
  event_seq bigint not null,
  time_ms bigint not null,
  primary key (incident, number)) without rowid;
)sql";

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("monitor/0001_monitors", kTables)};
}

}  // namespace slipway::monitor
