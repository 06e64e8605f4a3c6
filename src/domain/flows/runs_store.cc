#include "domain/flows/runs_store.h"

#include "base/check.h"
#include "base/ids.h"
#include "domain/flows/trigger_store.h"
#include "graph/kinds.h"

namespace slipway::flows {
namespace {

using graph::NodeRef;
using wire::Json;
namespace kind = graph::kind;
namespace relation = graph::relation;

constexpr char kTables[] = R"sql(
create table trigger_events (
  seq integer primary key,
  dedup_key text not null unique,
  cause_kind text not null,
  cause_id text not null,
  ident text not null,
  type text not null,
  source text not null,
  subject text not null,
  time_ms bigint not null,
  received_ms bigint not null,
  commit_id text not null,
  cause_seq bigint not null,
  data text not null);
create table trigger_states (
  name text not null primary key,
  watched text not null,
  last_fired_ms bigint not null,
  fired text not null,
  waiting_event bigint not null,
  waiting_since_ms bigint not null,
  waiting_due_ms bigint not null,
  waiting_rule text not null,
  buffered_event bigint not null,
  last_decision bigint not null) without rowid;
create table trigger_decisions (
  id integer primary key,
  trigger_name text not null,
  event bigint not null,
  act text not null,
  rule text not null,
  reason text not null,
  run text not null,
  decided bigint not null,
  told bigint not null,
  first_ms bigint not null,
  last_ms bigint not null,
  log_seq bigint not null);
create index trigger_decisions_by_trigger on trigger_decisions (trigger_name, id);
create index trigger_decisions_untold on trigger_decisions (told, last_ms);
create table pipeline_runs (
  id text not null primary key,
  pipeline text not null,
  trigger_name text not null,
  firing text not null,
  plan text not null,
  state text not null,
  is_open bigint not null,
  reason text not null,
  attempts bigint not null,
  lost bigint not null,
  failures text not null,
  due_ms bigint not null,
  spent_ms bigint not null,
  cancel_asked text not null,
  ref text not null,
  cause_seq bigint not null,
  last_seq bigint not null,
  revision bigint not null,
  created_ms bigint not null,
  started_ms bigint not null,
  ended_ms bigint not null) without rowid;
create index pipeline_runs_open on pipeline_runs (is_open, trigger_name, id);
create table pipeline_run_attempts (
  run text not null references pipeline_runs (id),
  number bigint not null,
  state text not null,
  reason text not null,
  started_ms bigint not null,
  ended_ms bigint not null,
  spent_ms bigint not null,
  primary key (run, number)) without rowid;
)sql";

constexpr char kServer[] = "alter table pipeline_runs add column server text not null default ''";

constexpr char kSelect[] =
    "select id, trigger_name, firing, plan, state, reason, attempts, lost, failures, due_ms, "
    "spent_ms, cancel_asked, ref, cause_seq, last_seq, revision, created_ms, started_ms, ended_ms, "
    "server from pipeline_runs";

struct RunRow {
  std::string id, trigger, firing, plan, state, reason;
  std::int64_t attempts = 0, lost = 0;
  std::string failures;
  std::int64_t due_ms = 0, spent_ms = 0;
  std::string cancel_asked, ref;
  std::int64_t cause_seq = 0, last_seq = 0, revision = 0;
  std::int64_t created_ms = 0, started_ms = 0, ended_ms = 0;
  std::string server;
};
WIRE(RunRow, id, trigger, firing, plan, state, reason, attempts, lost, failures, due_ms, spent_ms,
     cancel_asked, ref, cause_seq, last_seq, revision, created_ms, started_ms, ended_ms, server)

Json json_of(const std::map<std::string, int>& failures) {
  Json::Object members;
  for (const auto& [stage, count] : failures) members.emplace_back(stage, count);
  return Json(std::move(members));
}

Result<PipelineRun> value_of(RunRow row) {
  PipelineRun run;
  run.plan = TRY(run_plan_from(TRY(wire::parse(row.plan))));
  run.state = TRY(run_state_from(row.state));
  const Json failures = TRY(wire::parse(row.failures));
  if (failures.is_object()) {
    for (const auto& [stage, count] : failures.as_object())
      if (count.is_integer()) run.failures[stage] = static_cast<int>(count.as_int64());
  }
  run.id = std::move(row.id);
  run.trigger = std::move(row.trigger);
  run.firing = std::move(row.firing);
  run.reason = std::move(row.reason);
  run.attempts = static_cast<int>(row.attempts);
  run.lost = static_cast<int>(row.lost);
  run.due_ms = row.due_ms;
  run.spent_ms = row.spent_ms;
  run.cancel_asked = std::move(row.cancel_asked);
  run.ref = std::move(row.ref);
  run.cause_seq = row.cause_seq;
  run.last_seq = row.last_seq;
  run.revision = row.revision;
  run.created_ms = row.created_ms;
  run.started_ms = row.started_ms;
  run.ended_ms = row.ended_ms;
  run.server = std::move(row.server);
  return run;
}

Result<std::vector<PipelineRun>> values_of(std::vector<RunRow> rows) {
  std::vector<PipelineRun> runs;
  runs.reserve(rows.size());
  for (RunRow& row : rows) runs.push_back(TRY(value_of(std::move(row))));
  return runs;
}

NodeRef ref_of(const PipelineRun& run) {
  return {kind::kPipelineRun, run.id};
}

/// The run under its next revision, if nobody else changed it meanwhile.
Result<> save(db::Tx& tx, PipelineRun& run) {
  run.revision += 1;
  const std::int64_t changed = TRY(tx.run(
      "update pipeline_runs set plan = ?, state = ?, is_open = ?, reason = ?, attempts = ?, "
      "lost = ?, failures = ?, due_ms = ?, spent_ms = ?, cancel_asked = ?, ref = ?, last_seq = ?, "
      "revision = ?, started_ms = ?, ended_ms = ?, server = ? where id = ? and revision = ?",
      wire::dump(to_json(run.plan)), to_string(run.state), !is_over(run.state), run.reason,
      run.attempts, run.lost, wire::dump(json_of(run.failures)), run.due_ms, run.spent_ms,
      run.cancel_asked, run.ref, run.last_seq, run.revision, run.started_ms, run.ended_ms,
      run.server, run.id, run.revision - 1));
  if (changed == 1) return {};
  return Error{Code::kConflict, "run " + run.id + " has changed meanwhile", "stale"};
}

Result<> tell(db::Tx& tx, PipelineRun& run, const std::string& what, const std::string& actor,
              Json data, UnixMs now_ms) {
  data.set("pipeline", run.plan.pipeline);
  if (!run.trigger.empty()) data.set("trigger", run.trigger);
  if (!run.reason.empty()) data.set("reason", run.reason);
  const std::int64_t cause = run.last_seq != 0 ? run.last_seq : run.cause_seq;
  run.last_seq = TRY(graph::append_event(
      tx, {"pipeline_run." + what, ref_of(run), actor, cause, std::move(data)}, now_ms));
  return {};
}

Result<> describe(db::Tx& tx, const PipelineRun& run, UnixMs now_ms) {
  Json attributes;
  attributes.set("state", to_string(run.state));
  attributes.set("reason", run.reason);
  if (!run.plan.commit.empty()) attributes.set("commit", run.plan.commit);
  if (!run.ref.empty()) attributes.set("ref", run.ref);
  if (run.ended_ms != 0) attributes.set("ended_ms", run.ended_ms);
  return graph::put_node(tx, ref_of(run), attributes, now_ms);
}

Json json_of(const RunPlan::Data& data) {
  Json json;
  json.set("md5", data.md5);
  json.set("path", data.to);
  json.set("from", data.from);
  json.set("size", data.size);
  return json;
}

/// The data version, what it was drawn from, and that the run uses it.
Result<> link_drawn(db::Tx& tx, const PipelineRun& run, const RunPlan::Data& data, UnixMs now_ms) {
  constexpr std::string_view kDeployments = "deployments/";
  const NodeRef version{kind::kData, data.md5};
  Json attributes, use;
  attributes.set("size", data.size);
  if (data.nfiles >= 0) attributes.set("nfiles", data.nfiles);
  TRY(graph::put_node(tx, version, attributes, now_ms));
  use.set("path", data.to);
  TRY(graph::put_edge(tx, {ref_of(run), relation::kUsed, version, use}, now_ms));
  if (!data.from.starts_with(kDeployments)) return {};
  Json how = use;
  how.set("labelled", data.labelled);
  const NodeRef deployment{kind::kDeployment, data.from.substr(kDeployments.size())};
  return graph::put_edge(tx, {version, relation::kDrawnFrom, deployment, how}, now_ms);
}

/// A run that had nothing to do starts no cool-down of its trigger, and counts for no rate.
Result<> forget_firing_of(db::Tx& tx, const PipelineRun& skipped) {
  if (skipped.trigger.empty()) return {};
  const auto before = TRY(tx.one<std::int64_t>(
      "select created_ms from pipeline_runs where is_open in (0, 1) and trigger_name = ? and "
      "state <> ? and id < ? order by id desc limit 1",
      skipped.trigger, to_string(RunState::kSkipped), skipped.id));
  return take_back_firing(tx, skipped.trigger, skipped.created_ms, before.value_or(0));
}

Error stale_state(const PipelineRun& run) {
  return {Code::kConflict, "run " + run.id + " is " + to_string(run.state) + " already", "stale"};
}

const char* word_of(RunOutcome::Kind kind) {
  static constexpr const char* kWords[] = {"done",      "nothing_new", "failed",
                                           "cancelled", "timed_out",   "lost"};
  return kWords[static_cast<std::size_t>(kind)];
}

}  // namespace

std::vector<db::Migration> migrations() {
  return {db::portable("flows/0001_runs", kTables), db::portable("flows/0002_servers", kServer)};
}

Result<PipelineRun> request_run(db::Tx& tx, const WishedRun& wish, UnixMs now_ms) {
  PipelineRun run;
  run.id = uuid7(now_ms);
  run.trigger = wish.trigger;
  run.firing = wish.firing;
  run.plan = wish.plan;
  run.cause_seq = wish.cause_seq;
  run.created_ms = now_ms;
  Json attributes;
  attributes.set("pipeline", run.plan.pipeline);
  attributes.set("trigger", run.trigger);
  attributes.set("created_ms", now_ms);
  attributes.set("state", to_string(run.state));
  TRY(graph::put_node(tx, ref_of(run), attributes, now_ms));
  if (!run.firing.empty()) {
    TRY(graph::put_edge(
        tx, {ref_of(run), relation::kStartedBy, {kind::kFiring, run.firing}, Json(Json::Object())},
        now_ms));
  }
  Json data;
  data.set("plan", to_json(run.plan));
  TRY(tell(tx, run, "requested", wish.actor, std::move(data), now_ms));
  TRY(tx.run(
      "insert into pipeline_runs (id, pipeline, trigger_name, firing, plan, state, is_open, "
      "reason, attempts, lost, failures, due_ms, spent_ms, cancel_asked, ref, cause_seq, last_seq, "
      "revision, created_ms, started_ms, ended_ms) "
      "values (?, ?, ?, ?, ?, ?, 1, '', 0, 0, '{}', 0, 0, '', '', ?, ?, 0, ?, 0, 0)",
      run.id, run.plan.pipeline, run.trigger, run.firing, wire::dump(to_json(run.plan)),
      to_string(run.state), run.cause_seq, run.last_seq, run.created_ms));
  return run;
}

Result<std::optional<PipelineRun>> find_run(db::Tx& tx, const std::string& id) {
  static const std::string kSql = std::string(kSelect) + " where id = ?";
  auto row = TRY(tx.one<RunRow>(kSql, id));
  if (!row) return std::optional<PipelineRun>();
  return std::optional<PipelineRun>(TRY(value_of(std::move(*row))));
}

Result<PipelineRun> run_by_prefix(db::Tx& tx, const std::string& prefix) {
  static const std::string kSql =
      std::string(kSelect) + " where id >= ? and id < ? order by id limit 2";
  constexpr std::size_t kIdBytes = 36;
  if (prefix.empty() || prefix.size() > kIdBytes) return invalid("\"" + prefix + "\" is no run");
  auto rows = TRY(tx.all<RunRow>(kSql, prefix, prefix + "~"));
  if (rows.empty()) return missing("there is no run " + prefix + "; `slipway runs` lists them");
  if (rows.size() > 1) return invalid("several runs begin with " + prefix + "; say more of the id");
  return value_of(std::move(rows.front()));
}

Result<std::vector<PipelineRun>> recent_runs(db::Tx& tx, int limit) {
  static const std::string kSql = std::string(kSelect) + " order by id desc limit ?";
  return values_of(TRY(tx.all<RunRow>(kSql, limit)));
}

Result<std::vector<PipelineRun>> open_runs(db::Tx& tx) {
  static const std::string kSql = std::string(kSelect) + " where is_open = 1 order by id";
  return values_of(TRY(tx.all<RunRow>(kSql)));
}

Result<bool> has_open_run(db::Tx& tx, const std::string& trigger) {
  auto found = TRY(tx.one<std::int64_t>(
      "select 1 from pipeline_runs where is_open = 1 and trigger_name = ? limit 1", trigger));
  return found.has_value();
}

Result<std::vector<RunAttempt>> attempts_of(db::Tx& tx, const std::string& run) {
  return tx.all<RunAttempt>(
      "select run, number, state, reason, started_ms, ended_ms, spent_ms "
      "from pipeline_run_attempts where run = ? order by number",
      run);
}

Result<PipelineRun> keep_drawn(db::Tx& tx, const PipelineRun& from,
                               const std::vector<DataFact>& drawn, UnixMs now_ms) {
  if (from.state != RunState::kQueued && from.state != RunState::kRetryWait)
    return stale_state(from);
  CHECK(drawn.size() == from.plan.data.size());
  if (drawn.empty()) return from;
  PipelineRun run = from;
  Json::Array list;
  for (std::size_t i = 0; i < drawn.size(); ++i) {
    RunPlan::Data& data = run.plan.data[i];
    data.md5 = drawn[i].md5;
    data.size = drawn[i].size;
    data.nfiles = drawn[i].nfiles;
    TRY(link_drawn(tx, run, data, now_ms));
    list.push_back(json_of(data));
  }
  Json about;
  about.set("run", run.id);
  about.set("pipeline", run.plan.pipeline);
  about.set("as_of", to_iso8601(run.created_ms));
  about.set("data", std::move(list));
  const std::int64_t cause = run.last_seq != 0 ? run.last_seq : run.cause_seq;
  const NodeRef first{kind::kData, run.plan.data.front().md5};
  run.last_seq = TRY(
      graph::append_event(tx, {"data.drawn", first, "slipway", cause, std::move(about)}, now_ms));
  TRY(save(tx, run));
  return run;
}

Result<PipelineRun> begin_attempt(db::Tx& tx, const PipelineRun& from, UnixMs now_ms,
                                  const std::string& server) {
  if (from.state != RunState::kQueued && from.state != RunState::kRetryWait)
    return stale_state(from);
  PipelineRun run = from;
  run.state = RunState::kRunning;
  run.server = server;
  run.reason.clear();
  run.attempts += 1;
  if (run.started_ms == 0) run.started_ms = now_ms;
  Json data;
  data.set("attempt", run.attempts);
  TRY(tell(tx, run, "attempt_started", "slipway", std::move(data), now_ms));
  TRY(save(tx, run));
  TRY(
      tx.run("insert into pipeline_run_attempts (run, number, state, reason, started_ms, ended_ms, "
             "spent_ms) values (?, ?, 'running', '', ?, 0, 0)",
             run.id, run.attempts, now_ms));
  TRY(describe(tx, run, now_ms));
  return run;
}

Result<PipelineRun> end_attempt(db::Tx& tx, const PipelineRun& from, const RunOutcome& outcome,
                                UnixMs now_ms) {
  if (from.state != RunState::kRunning) return stale_state(from);
  PipelineRun run = from;
  const RunStep step = after_attempt(run, outcome, now_ms);
  run.state = step.state;
  run.reason = step.reason;
  run.due_ms = step.due_ms;
  run.failures = step.failures;
  run.lost = step.lost;
  run.spent_ms += outcome.spent_ms;
  if (!outcome.ref.empty()) run.ref = outcome.ref;
  if (!outcome.commit.empty()) run.plan.commit = outcome.commit;
  if (is_over(run.state)) run.ended_ms = now_ms;
  Json data;
  data.set("attempt", run.attempts);
  data.set("outcome", word_of(outcome.kind));
  data.set("spent_ms", outcome.spent_ms);
  if (!run.plan.commit.empty()) data.set("commit", run.plan.commit);
  if (!run.ref.empty()) data.set("ref", run.ref);
  if (!outcome.failed_stages.empty()) {
    data.set("failed_stages",
             Json(Json::Array(outcome.failed_stages.begin(), outcome.failed_stages.end())));
  }
  if (run.state == RunState::kRetryWait) data.set("due_ms", run.due_ms);
  TRY(tell(tx, run, to_string(run.state), "slipway", std::move(data), now_ms));
  TRY(save(tx, run));
  TRY(tx.run(
      "update pipeline_run_attempts set state = ?, reason = ?, ended_ms = ?, spent_ms = ? "
      "where run = ? and number = ?",
      word_of(outcome.kind), outcome.reason, now_ms, outcome.spent_ms, run.id, run.attempts));
  if (run.state == RunState::kSkipped) TRY(forget_firing_of(tx, run));
  TRY(describe(tx, run, now_ms));
  return run;
}

Result<PipelineRun> cancel_run(db::Tx& tx, const std::string& id, const std::string& actor,
                               UnixMs now_ms) {
  std::optional<PipelineRun> found = TRY(find_run(tx, id));
  if (!found) return missing("there is no run " + id + "; `slipway runs` lists them");
  PipelineRun run = std::move(*found);
  if (is_over(run.state)) {
    return Error{Code::kConflict, "run " + run.id + " is over: " + to_string(run.state), "over"};
  }
  if (!run.cancel_asked.empty()) return run;
  run.cancel_asked = actor.empty() ? "somebody" : actor;
  if (run.state == RunState::kRunning) {
    TRY(tell(tx, run, "cancel_asked", actor, Json(Json::Object()), now_ms));
    TRY(save(tx, run));
    return run;
  }
  run.state = RunState::kCancelled;
  run.reason = "cancelled by " + run.cancel_asked;
  run.ended_ms = now_ms;
  TRY(tell(tx, run, to_string(run.state), actor, Json(Json::Object()), now_ms));
  TRY(save(tx, run));
  TRY(describe(tx, run, now_ms));
  return run;
}

Json to_json(const PipelineRun& run) {
  Json json;
  json.set("id", run.id);
  json.set("pipeline", run.plan.pipeline);
  json.set("trigger", run.trigger);
  json.set("firing", run.firing);
  json.set("state", to_string(run.state));
  json.set("reason", run.reason);
  json.set("commit", run.plan.commit);
  json.set("ref", run.ref);
  json.set("attempts", run.attempts);
  json.set("failures", json_of(run.failures));
  json.set("due_ms", run.due_ms);
  json.set("spent_ms", run.spent_ms);
  json.set("cancel_asked", run.cancel_asked);
  json.set("cause_seq", run.cause_seq);
  json.set("last_seq", run.last_seq);
  json.set("created_ms", run.created_ms);
  json.set("started_ms", run.started_ms);
  json.set("ended_ms", run.ended_ms);
  json.set("plan", to_json(run.plan));
  return json;
}

Json to_json(const RunAttempt& attempt) {
  Json json;
  json.set("number", attempt.number);
  json.set("state", attempt.state);
  json.set("reason", attempt.reason);
  json.set("started_ms", attempt.started_ms);
  json.set("ended_ms", attempt.ended_ms);
  json.set("spent_ms", attempt.spent_ms);
  return json;
}

}  // namespace slipway::flows
