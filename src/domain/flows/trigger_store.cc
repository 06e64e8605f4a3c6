#include "domain/flows/trigger_store.h"

#include <algorithm>

#include "base/ids.h"
#include "base/text.h"
#include "domain/flows/runs_store.h"
#include "graph/kinds.h"

namespace slipway::flows {
namespace {

using graph::NodeRef;
using project::ProjectFile;
using project::TriggerSpec;
using wire::Json;
namespace kind = graph::kind;

constexpr int kDueMax = 100;  // decisions of one transaction

// --- rows ---

struct StateRow {
  std::string name, watched;
  std::int64_t last_fired_ms = 0;
  std::string fired = "[]";
  std::int64_t waiting_event = 0, waiting_since_ms = 0, waiting_due_ms = 0;
  std::string waiting_rule;
  std::int64_t buffered_event = 0, last_decision = 0;
};
WIRE(StateRow, name, watched, last_fired_ms, fired, waiting_event, waiting_since_ms, waiting_due_ms,
     waiting_rule, buffered_event, last_decision)

constexpr char kStates[] =
    "select name, watched, last_fired_ms, fired, waiting_event, waiting_since_ms, waiting_due_ms, "
    "waiting_rule, buffered_event, last_decision from trigger_states";

struct EventRow {
  std::int64_t seq = 0;
  std::string key, cause_kind, cause_id, ident, type, source, subject;
  std::int64_t time_ms = 0, received_ms = 0;
  std::string commit;
  std::int64_t cause_seq = 0;
  std::string data;
};
WIRE(EventRow, seq, key, cause_kind, cause_id, ident, type, source, subject, time_ms, received_ms,
     commit, cause_seq, data)

constexpr char kDecisions[] =
    "select id, trigger_name, event, act, rule, reason, run, decided, first_ms, last_ms, log_seq "
    "from trigger_decisions";

Result<TriggerState> state_of(const StateRow& row) {
  TriggerState state;
  state.last_fired_ms = row.last_fired_ms;
  const Json fired = TRY(wire::parse(row.fired));
  if (fired.is_array()) {
    for (const Json& at : fired.as_array())
      if (at.is_integer()) state.fired.push_back(at.as_int64());
  }
  if (row.waiting_event != 0) {
    state.waiting = TriggerState::Waiting{row.waiting_event, row.waiting_since_ms,
                                          row.waiting_due_ms, row.waiting_rule};
  }
  state.buffered = row.buffered_event;
  return state;
}

void put_state(const TriggerState& state, StateRow& row) {
  row.last_fired_ms = state.last_fired_ms;
  Json::Array fired;
  for (UnixMs at : state.fired) fired.emplace_back(at);
  row.fired = wire::dump(Json(std::move(fired)));
  const TriggerState::Waiting waiting = state.waiting.value_or(TriggerState::Waiting());
  row.waiting_event = waiting.event;
  row.waiting_since_ms = waiting.since_ms;
  row.waiting_due_ms = waiting.due_ms;
  row.waiting_rule = waiting.rule;
  row.buffered_event = state.buffered;
}

Result<StateRow> load(db::Tx& tx, const std::string& name) {
  static const std::string kSql = std::string(kStates) + " where name = ?";
  auto found = TRY(tx.one<StateRow>(kSql, name));
  if (found) return std::move(*found);
  TRY(
      tx.run("insert into trigger_states (name, watched, last_fired_ms, fired, waiting_event, "
             "waiting_since_ms, waiting_due_ms, waiting_rule, buffered_event, last_decision) "
             "values (?, '', 0, '[]', 0, 0, 0, '', 0, 0)",
             name));
  StateRow row;
  row.name = name;
  return row;
}

Result<> save(db::Tx& tx, const StateRow& row) {
  TRY(tx.run(
      "update trigger_states set last_fired_ms = ?, fired = ?, waiting_event = ?, "
      "waiting_since_ms = ?, waiting_due_ms = ?, waiting_rule = ?, buffered_event = ?, "
      "last_decision = ? where name = ?",
      row.last_fired_ms, row.fired, row.waiting_event, row.waiting_since_ms, row.waiting_due_ms,
      row.waiting_rule, row.buffered_event, row.last_decision, row.name));
  return {};
}

/// Its number; nothing when it was told before.
Result<std::optional<std::int64_t>> keep_event(db::Tx& tx, const Occasion& o, UnixMs now_ms) {
  return tx.one<std::int64_t>(
      "insert into trigger_events (dedup_key, cause_kind, cause_id, ident, type, source, subject, "
      "time_ms, received_ms, commit_id, cause_seq, data) "
      "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (dedup_key) do nothing "
      "returning seq",
      o.key, o.cause.kind, o.cause.id, o.id, o.type, o.source, o.subject, o.time_ms, now_ms,
      o.commit, o.cause_seq, wire::dump(o.data));
}

Result<Occasion> event_of(db::Tx& tx, std::int64_t seq) {
  auto row = TRY(tx.one<EventRow>(
      "select seq, dedup_key, cause_kind, cause_id, ident, type, source, subject, time_ms, "
      "received_ms, commit_id, cause_seq, data from trigger_events where seq = ?",
      seq));
  if (!row) return internal("event " + std::to_string(seq) + " of a trigger is gone");
  Occasion occasion;
  occasion.key = std::move(row->key);
  occasion.cause = {std::move(row->cause_kind), std::move(row->cause_id)};
  occasion.id = std::move(row->ident);
  occasion.type = std::move(row->type);
  occasion.source = std::move(row->source);
  occasion.subject = std::move(row->subject);
  occasion.time_ms = row->time_ms;
  occasion.commit = std::move(row->commit);
  occasion.cause_seq = row->cause_seq;
  occasion.data = TRY(wire::parse(row->data));
  return occasion;
}

// --- the log ---

Json about(const Occasion& occasion) {
  Json json;
  json.set("kind", occasion.cause.kind);
  json.set("id", occasion.cause.id);
  json.set("type", occasion.type);
  if (!occasion.source.empty()) json.set("source", occasion.source);
  if (!occasion.subject.empty()) json.set("subject", occasion.subject);
  json.set("time_ms", occasion.time_ms);
  return json;
}

Result<std::int64_t> tell(db::Tx& tx, const std::string& trigger, const std::string& type,
                          std::int64_t cause_seq, Json data, UnixMs now_ms) {
  return graph::append_event(
      tx, {"trigger." + type, {kind::kTrigger, trigger}, "slipway", cause_seq, std::move(data)},
      now_ms);
}

/// Others that heard it as well fire because of the same.
Result<> keep_root(db::Tx& tx, std::int64_t event, std::int64_t root) {
  TRY(tx.run("update trigger_events set cause_seq = ? where seq = ?", root, event));
  return {};
}

/// What nobody has an event of yet: a tick, a message, a commit.
Result<std::int64_t> root_event(db::Tx& tx, const Occasion& occasion, const std::string& actor,
                                UnixMs now_ms) {
  if (occasion.cause_seq != 0) return occasion.cause_seq;
  Json data = about(occasion);
  if (occasion.data.is_object() && !occasion.data.as_object().empty())
    data.set("data", occasion.data);
  return graph::append_event(
      tx, {occasion.cause.kind + ".received", occasion.cause, actor, 0, std::move(data)}, now_ms);
}

/// Several decisions that were counted as one: how many they were, once that is known.
Result<> close(db::Tx& tx, const TriggerDecision& last, UnixMs now_ms) {
  if (last.decided <= 1) return {};
  Json data;
  data.set("act", last.act);
  data.set("rule", last.rule);
  data.set("times", last.decided);
  data.set("first_ms", last.first_ms);
  data.set("last_ms", last.last_ms);
  TRY(tell(tx, last.trigger, "counted", last.log_seq, std::move(data), now_ms));
  TRY(tx.run("update trigger_decisions set told = 1 where id = ?", last.id));
  return {};
}

Result<std::optional<TriggerDecision>> last_decision(db::Tx& tx, const StateRow& row) {
  static const std::string kSql = std::string(kDecisions) + " where id = ? and told = 0";
  return tx.one<TriggerDecision>(kSql, row.last_decision);
}

bool is_same_storm(const TriggerDecision& last, const TriggerDecision& now) {
  const std::int64_t since = now.last_ms - last.last_ms;
  return last.act == now.act && last.rule == now.rule && since >= 0 && since <= kStormMs;
}

/// Keeps a decision, with its event unless it continues a storm.
Result<> keep_decision(db::Tx& tx, StateRow& row, TriggerDecision decision, std::int64_t cause_seq,
                       Json data, UnixMs now_ms) {
  const bool fired = decision.act == to_string(Act::kFire);
  if (auto last = TRY(last_decision(tx, row))) {
    if (!fired && is_same_storm(*last, decision)) {
      TRY(
          tx.run("update trigger_decisions set decided = decided + ?, last_ms = ?, event = ?, "
                 "reason = ? where id = ?",
                 decision.decided, decision.last_ms, decision.event, decision.reason, last->id));
      return {};
    }
    TRY(close(tx, *last, now_ms));
  }
  data.set("rule", decision.rule);
  data.set("reason", decision.reason);
  if (decision.log_seq == 0)
    decision.log_seq = TRY(tell(tx, row.name, decision.act, cause_seq, std::move(data), now_ms));
  auto id = TRY(tx.one<std::int64_t>(
      "insert into trigger_decisions (trigger_name, event, act, rule, reason, run, decided, told, "
      "first_ms, last_ms, log_seq) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) returning id",
      row.name, decision.event, decision.act, decision.rule, decision.reason, decision.run,
      decision.decided, fired, decision.first_ms, decision.last_ms, decision.log_seq));
  row.last_decision = id.value_or(0);
  return {};
}

TriggerDecision made(const StateRow& row, const Decision& decision, std::int64_t event,
                     UnixMs now_ms) {
  TriggerDecision out;
  out.trigger = row.name;
  out.event = event;
  out.act = to_string(decision.act);
  out.rule = decision.rule;
  out.reason = decision.reason;
  out.decided = 1;
  out.first_ms = out.last_ms = now_ms;
  return out;
}

// --- firing ---

/// The branch whose tip a run is at when its event names no commit: that of the pipeline's own
/// trigger on code.
std::string branch_of(const ProjectFile& file, const std::string& pipeline) {
  for (const TriggerSpec& trigger : file.triggers) {
    const auto* git = std::get_if<project::GitSource>(&trigger.source);
    if (git != nullptr && trigger.pipeline == pipeline) return git->branch;
  }
  return "";
}

RunPlan plan_for(const ProjectFile& file, const project::PipelineSpec& pipeline,
                 const Occasion& occasion) {
  RunPlan plan;
  plan.pipeline = pipeline.name;
  plan.stages = pipeline.stages;
  plan.register_model = pipeline.register_model;
  plan.attempts_max = pipeline.attempts_max;
  plan.timeout_ms = pipeline.timeout.count();
  plan.commit = occasion.commit;
  if (plan.commit.empty()) plan.branch = branch_of(file, pipeline.name);
  plan.event_time = to_iso8601(occasion.time_ms);
  return plan;
}

struct Fired {
  std::string firing, run;
  std::int64_t seq = 0;   // of the firing
  std::int64_t root = 0;  // of what caused it
};
/// Its node, what caused it, and the run it asks for. `trigger`: "" for a person's wish.
Result<Fired> fire(db::Tx& tx, const Occasion& occasion, const std::string& trigger,
                   const std::string& actor, RunPlan plan, Json data, UnixMs now_ms) {
  Fired fired;
  fired.firing = uuid7(now_ms);
  const std::int64_t root = TRY(root_event(tx, occasion, actor, now_ms));
  TRY(graph::put_node(tx, occasion.cause,
                      occasion.cause_seq != 0 ? Json(Json::Object()) : about(occasion), now_ms));
  Json attributes;
  attributes.set("trigger", trigger);
  attributes.set("pipeline", plan.pipeline);
  attributes.set("time_ms", now_ms);
  const NodeRef node{kind::kFiring, fired.firing};
  TRY(graph::put_node(tx, node, attributes, now_ms));
  TRY(graph::put_edge(tx, {node, graph::relation::kCausedBy, occasion.cause, Json(Json::Object())},
                      now_ms));
  fired.seq = fired.root = root;
  if (!trigger.empty()) {
    data.set("firing", fired.firing);
    data.set("pipeline", plan.pipeline);
    data.set("event", about(occasion));
    fired.seq = TRY(tell(tx, trigger, to_string(Act::kFire), root, std::move(data), now_ms));
  }
  const PipelineRun run =
      TRY(request_run(tx, {std::move(plan), trigger, fired.firing, fired.seq, actor}, now_ms));
  fired.run = run.id;
  return fired;
}

/// One occasion and one trigger.
class Deciding {
 public:
  Deciding(db::Tx& tx, const ProjectFile& file, const TriggerSpec& trigger, StateRow row,
           UnixMs now_ms)
      : tx_(tx), file_(file), trigger_(trigger), row_(std::move(row)), now_ms_(now_ms) {}

  /// `is_due`: it waited, and need not any more.
  Result<Decided> run(const Occasion& occasion, std::int64_t event, bool is_due) {
    TriggerState state = TRY(state_of(row_));
    const bool active = TRY(has_open_run(tx_, trigger_.name));
    Decision decision = is_due ? decide_now(trigger_, state, active, now_ms_)
                               : decide(trigger_, state, active, now_ms_);
    if (decision.act == Act::kFire) return firing(std::move(state), occasion, event);
    // One that could start nothing takes nobody's place.
    const bool would_wait = decision.act == Act::kWait || decision.act == Act::kBuffer;
    const auto inputs = would_wait && !is_due ? inputs_of(trigger_, occasion)
                                              : std::vector<ParamInput>();
    if (!inputs.ok())
      return told({Act::kDrop, 0, "mapping", inputs.error().message}, occasion, event);
    return held(std::move(state), std::move(decision), occasion, event);
  }

 private:
  Result<Decided> firing(TriggerState state, const Occasion& occasion, std::int64_t event) {
    const project::PipelineSpec* pipeline = file_.find_pipeline(trigger_.pipeline);
    Result<std::vector<ParamInput>> inputs = inputs_of(trigger_, occasion);
    if (pipeline == nullptr || !inputs.ok()) {
      const std::string why = pipeline == nullptr ? "there is no pipeline " + trigger_.pipeline
                                                  : inputs.error().message;
      return held(std::move(state), {Act::kDrop, 0, "mapping", why}, occasion, event);
    }
    RunPlan plan = plan_for(file_, *pipeline, occasion);
    plan.params = std::move(*inputs);
    // New data lies in the person's folder, and in no commit yet.
    if (const wire::Json* file = occasion.data.find("file");
        occasion.cause.kind == kind::kData && file != nullptr && file->is_string())
      plan.data.push_back({kFromProject, false, file->as_string()});
    if (trigger_.data)
      plan.data.push_back({trigger_.data->from, trigger_.data->labelled, trigger_.data->to});
    Json data;
    if (state.waiting) {
      data.set("waited_since_ms", state.waiting->since_ms);
      data.set("waited_for", state.waiting->rule);
    }
    const Fired fired = TRY(
        fire(tx_, occasion, trigger_.name, "slipway", std::move(plan), std::move(data), now_ms_));
    if (occasion.cause_seq == 0) TRY(keep_root(tx_, event, fired.root));
    put_state(after_firing(trigger_, std::move(state), now_ms_), row_);
    TriggerDecision kept = made(row_, {Act::kFire, 0, "", ""}, event, now_ms_);
    kept.run = fired.run;
    kept.log_seq = fired.seq;
    TRY(keep_decision(tx_, row_, kept, 0, Json(Json::Object()), now_ms_));
    TRY(save(tx_, row_));
    return Decided{trigger_.name, {Act::kFire, 0, "", ""}, fired.firing, fired.run};
  }

  Result<Decided> held(TriggerState state, Decision decision, const Occasion& occasion,
                       std::int64_t event) {
    const bool was_waiting = state.waiting.has_value();
    const UnixMs since = was_waiting ? state.waiting->since_ms : now_ms_;
    state.waiting.reset();
    if (state.buffered == event) state.buffered = 0;
    if (decision.act == Act::kWait)
      state.waiting = TriggerState::Waiting{event, since, decision.until_ms, decision.rule};
    if (decision.act == Act::kBuffer) state.buffered = event;
    put_state(state, row_);
    return told(std::move(decision), occasion, event);
  }

  Result<Decided> told(Decision decision, const Occasion& occasion, std::int64_t event) {
    Json data;
    data.set("event", about(occasion));
    if (decision.act == Act::kWait) data.set("until_ms", decision.until_ms);
    TRY(keep_decision(tx_, row_, made(row_, decision, event, now_ms_), occasion.cause_seq,
                      std::move(data), now_ms_));
    TRY(save(tx_, row_));
    return Decided{trigger_.name, std::move(decision), "", ""};
  }

  db::Tx& tx_;
  const ProjectFile& file_;
  const TriggerSpec& trigger_;
  StateRow row_;
  UnixMs now_ms_;
};

const TriggerSpec* find_trigger(const ProjectFile& file, const std::string& name) {
  for (const TriggerSpec& trigger : file.triggers)
    if (trigger.name == name) return &trigger;
  return nullptr;
}

/// A wait that ends without a firing, for a reason of its own.
Result<> give_up(db::Tx& tx, StateRow row, const Decision& decision, UnixMs now_ms) {
  const std::int64_t event = row.waiting_event != 0 ? row.waiting_event : row.buffered_event;
  const Occasion occasion = TRY(event_of(tx, event));
  TriggerState state = TRY(state_of(row));
  state.waiting.reset();
  state.buffered = 0;
  put_state(state, row);
  Json data;
  data.set("event", about(occasion));
  TRY(keep_decision(tx, row, made(row, decision, event, now_ms), occasion.cause_seq,
                    std::move(data), now_ms));
  return save(tx, row);
}

Result<std::optional<Decided>> decide_waiting(db::Tx& tx, const ProjectFile& file, StateRow row,
                                              UnixMs now_ms) {
  const TriggerSpec* trigger = find_trigger(file, row.name);
  if (trigger == nullptr) {
    const Decision gone{Act::kDrop, 0, "removed", "the trigger is no longer declared"};
    const std::string name = row.name;
    TRY(give_up(tx, std::move(row), gone, now_ms));
    return std::optional<Decided>(Decided{name, gone, "", ""});
  }
  const bool is_due =
      row.waiting_event != 0 && (row.waiting_due_ms <= now_ms || row.waiting_since_ms > now_ms);
  const std::int64_t event = is_due ? row.waiting_event : row.buffered_event;
  if (!is_due && TRY(has_open_run(tx, row.name))) return std::optional<Decided>();
  const Occasion occasion = TRY(event_of(tx, event));
  return std::optional<Decided>(
      TRY(Deciding(tx, file, *trigger, std::move(row), now_ms).run(occasion, event, true)));
}

Result<> close_storms(db::Tx& tx, UnixMs now_ms) {
  static const std::string kSql =
      std::string(kDecisions) + " where told = 0 and decided > 1 and last_ms < ? limit 100";
  for (const TriggerDecision& last : TRY(tx.all<TriggerDecision>(kSql, now_ms - kStormMs)))
    TRY(close(tx, last, now_ms));
  return {};
}

}  // namespace

Result<Noticed> notice(db::Tx& tx, const ProjectFile& file, const Occasion& occasion, UnixMs now_ms,
                       const std::string& only) {
  Noticed noticed;
  std::vector<const TriggerSpec*> hearing;
  for (const TriggerSpec& trigger : file.triggers) {
    const bool hears = only.empty() ? listens(trigger, occasion) : trigger.name == only;
    if (hears) hearing.push_back(&trigger);
  }
  noticed.listeners = static_cast<int>(hearing.size());
  for (const TriggerSpec* trigger : hearing) noticed.heard_by.push_back(trigger->name);
  if (hearing.empty()) {
    noticed.unheard = why_unheard(file.triggers, occasion);
    return noticed;
  }
  const auto event = TRY(keep_event(tx, occasion, now_ms));
  if (!event) return noticed;
  noticed.is_new = true;
  for (const TriggerSpec* trigger : hearing) {
    StateRow row = TRY(load(tx, trigger->name));
    // One before may have made it known to the log.
    const bool is_first = noticed.decided.empty();
    const Occasion heard = is_first ? occasion : TRY(event_of(tx, *event));
    noticed.decided.push_back(
        TRY(Deciding(tx, file, *trigger, std::move(row), now_ms).run(heard, *event, false)));
  }
  return noticed;
}

Result<> note_missed(db::Tx& tx, const std::string& trigger, std::int64_t ticks, UnixMs now_ms) {
  StateRow row = TRY(load(tx, trigger));
  const Decision decision{Act::kDrop, 0, "missed",
                          std::to_string(ticks) + " ticks passed unseen or together"};
  TriggerDecision kept = made(row, decision, 0, now_ms);
  kept.decided = ticks;
  Json data;
  data.set("ticks", ticks);
  TRY(keep_decision(tx, row, std::move(kept), 0, std::move(data), now_ms));
  return save(tx, row);
}

Result<> note_refused(db::Tx& tx, const std::string& trigger, std::int64_t messages,
                      const std::string& message, const std::string& why, UnixMs now_ms) {
  StateRow row = TRY(load(tx, trigger));
  TriggerDecision kept = made(row, {Act::kDrop, 0, "refused", why}, 0, now_ms);
  kept.decided = messages;
  Json data;
  data.set("message", message);
  data.set("messages", messages);
  TRY(keep_decision(tx, row, std::move(kept), 0, std::move(data), now_ms));
  return save(tx, row);
}

Result<> note_source(db::Tx& tx, const std::string& trigger, bool is_there, Json data,
                     UnixMs now_ms) {
  TRY(tell(tx, trigger, is_there ? "listening" : "unreachable", 0, std::move(data), now_ms));
  return {};
}

Result<> note_closed(db::Tx& tx, const std::string& incident, UnixMs now_ms) {
  static const std::string kSql =
      std::string(kStates) +
      " where waiting_event in (select seq from trigger_events where cause_kind = ? and cause_id = "
      "?) or buffered_event in (select seq from trigger_events where cause_kind = ? and cause_id = "
      "?)";
  const Decision closed{Act::kDrop, 0, "closed", "the incident was closed meanwhile"};
  for (StateRow& row :
       TRY(tx.all<StateRow>(kSql, kind::kIncident, incident, kind::kIncident, incident)))
    TRY(give_up(tx, std::move(row), closed, now_ms));
  return {};
}

Result<> take_back_firing(db::Tx& tx, const std::string& trigger, UnixMs fired_ms,
                          UnixMs before_ms) {
  StateRow row = TRY(load(tx, trigger));
  put_state(without_firing(TRY(state_of(row)), fired_ms, before_ms), row);
  return save(tx, row);
}

Result<std::vector<Decided>> decide_due(db::Tx& tx, const ProjectFile& file, UnixMs now_ms) {
  static const std::string kSql =
      std::string(kStates) +
      " where (waiting_event <> 0 and (waiting_due_ms <= ? or waiting_since_ms > ?)) or "
      "buffered_event <> 0 order by name limit ?";
  std::vector<Decided> all;
  for (StateRow& row : TRY(tx.all<StateRow>(kSql, now_ms, now_ms, kDueMax))) {
    auto decided = TRY(decide_waiting(tx, file, std::move(row), now_ms));
    if (decided) all.push_back(std::move(*decided));
  }
  TRY(close_storms(tx, now_ms));
  return all;
}

Result<bool> has_due(db::Tx& tx, UnixMs now_ms) {
  auto waits = TRY(tx.one<std::int64_t>(
      "select 1 from trigger_states where (waiting_event <> 0 and (waiting_due_ms <= ? or "
      "waiting_since_ms > ?)) or (buffered_event <> 0 and not exists (select 1 from pipeline_runs "
      "where is_open = 1 and "
      "trigger_name = trigger_states.name)) limit 1",
      now_ms, now_ms));
  if (waits) return true;
  auto storms = TRY(tx.one<std::int64_t>(
      "select 1 from trigger_decisions where told = 0 and decided > 1 and last_ms < ? limit 1",
      now_ms - kStormMs));
  return storms.has_value();
}

Result<std::int64_t> forget_events(db::Tx& tx, UnixMs before_ms) {
  return tx.run(
      "delete from trigger_events where received_ms < ? and seq not in (select waiting_event from "
      "trigger_states) and seq not in (select buffered_event from trigger_states)",
      before_ms);
}

namespace {

Error no_pipeline(const ProjectFile& file, const std::string& name) {
  std::vector<std::string> names;
  for (const project::PipelineSpec& known : file.pipelines) names.push_back(known.name);
  const auto near = nearest(name, names);
  std::string hint = "; slipway.yaml declares none";
  if (near)
    hint = "; did you mean \"" + *near + "\"?";
  else if (!names.empty())
    hint = "; there is " + join(names, ", ");
  return missing("there is no pipeline \"" + name + "\"" + hint);
}

}  // namespace

Result<std::string> ask_run(db::Tx& tx, const ProjectFile& file, const ByHand& wish,
                            UnixMs now_ms) {
  const project::PipelineSpec* pipeline = file.find_pipeline(wish.pipeline);
  if (pipeline == nullptr) return no_pipeline(file, wish.pipeline);
  Occasion occasion;
  occasion.cause = {kind::kPerson, wish.actor.empty() ? "somebody" : wish.actor};
  occasion.type = "asked";
  occasion.time_ms = now_ms;
  occasion.commit = wish.commit;
  RunPlan plan = plan_for(file, *pipeline, occasion);
  plan.params = wish.params;
  const Fired fired =
      TRY(fire(tx, occasion, "", occasion.cause.id, std::move(plan), Json(Json::Object()), now_ms));
  return fired.run;
}

Result<std::string> watched(db::Tx& tx, const std::string& trigger) {
  return TRY(load(tx, trigger)).watched;
}

Result<std::string> peek_watched(db::Tx& tx, const std::string& trigger) {
  auto found =
      TRY(tx.one<std::string>("select watched from trigger_states where name = ?", trigger));
  return found.value_or("");
}

Result<UnixMs> last_fired(db::Tx& tx, const std::string& trigger) {
  return TRY(tx.one<std::int64_t>("select last_fired_ms from trigger_states where name = ?",
                                  trigger))
      .value_or(0);
}

Result<UnixMs> last_firing(db::Tx& tx, const std::string& trigger) {
  UnixMs newest = 0;
  for (const int is_open : {0, 1}) {
    const auto created = TRY(tx.one<std::int64_t>(
        "select created_ms from pipeline_runs where is_open = ? and trigger_name = ? "
        "order by id desc limit 1",
        is_open, trigger));
    newest = std::max<UnixMs>(newest, created.value_or(0));
  }
  return newest;
}

Result<> set_watched(db::Tx& tx, const std::string& trigger, const std::string& text) {
  TRY(load(tx, trigger));
  TRY(tx.run("update trigger_states set watched = ? where name = ?", text, trigger));
  return {};
}

Result<std::vector<Watching>> all_watched(db::Tx& tx) {
  return tx.all<Watching>(
      "select name, watched from trigger_states where watched <> '' order by name");
}

Result<std::vector<TriggerDecision>> decisions(db::Tx& tx, const std::string& trigger, int limit) {
  static const std::string kOfOne =
      std::string(kDecisions) + " where trigger_name = ? order by id desc limit ?";
  static const std::string kOfAll = std::string(kDecisions) + " order by id desc limit ?";
  if (trigger.empty()) return tx.all<TriggerDecision>(kOfAll, limit);
  return tx.all<TriggerDecision>(kOfOne, trigger, limit);
}

}  // namespace slipway::flows
