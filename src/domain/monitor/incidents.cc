#include <algorithm>

#include "base/ids.h"
#include "base/text.h"
#include "domain/monitor/rows.h"
#include "domain/monitor/store.h"
#include "graph/kinds.h"
#include "io/wire/codec.h"

namespace slipway::monitor {
namespace {

using graph::NodeRef;
using wire::Json;
namespace kind = graph::kind;
namespace relation = graph::relation;

constexpr char kActor[] = "slipway";
constexpr int kHistory = 400;      // windows that a decision looks back on
constexpr int kCausesMax = 5'000;  // nodes behind a version, on the way to an incident
constexpr char kWaitsForPerson[] =
    ", which it asked for, is undecided and paused: a person decides";
constexpr std::size_t kWordMax = 256, kReasonMax = 4'096;

struct IncidentRow {
  std::string id, deployment, monitor, slot, requirement, model, version;
  std::int64_t window_end_ms = 0;
  std::string columns, words;
  bool remedy_under_way = false;
  std::string remedy_version;
  std::int64_t promoted_ms = 0, failed_remedies = 0;
  std::string remedy, reason, closed_by;
  std::int64_t opened_seq = 0, last_seq = 0, revision = 0, opened_ms = 0, closed_ms = 0;
};
WIRE(IncidentRow, id, deployment, monitor, slot, requirement, model, version, window_end_ms,
     columns, words, remedy_under_way, remedy_version, promoted_ms, failed_remedies, remedy, reason,
     closed_by, opened_seq, last_seq, revision, opened_ms, closed_ms)

constexpr char kIncident[] =
    "select id, deployment, monitor, slot, requirement, model, version, window_end_ms, columns, "
    "words, remedy_under_way, remedy_version, promoted_ms, failed_remedies, remedy, reason, "
    "closed_by, opened_seq, last_seq, revision, opened_ms, closed_ms from incidents";

Result<Incident> value_of(IncidentRow row) {
  Incident i;
  i.columns = TRY(read_list(row.columns));
  i.id = std::move(row.id);
  i.deployment = std::move(row.deployment);
  i.monitor = std::move(row.monitor);
  i.requirement = std::move(row.requirement);
  i.model = std::move(row.model);
  i.state = {std::move(row.version), row.window_end_ms,
             row.remedy_under_way,   std::move(row.remedy_version),
             row.promoted_ms,        static_cast<int>(row.failed_remedies)};
  i.words = std::move(row.words);
  i.open = row.slot == "open";
  i.remedy = std::move(row.remedy);
  i.reason = std::move(row.reason);
  i.closed_by = std::move(row.closed_by);
  i.opened_seq = row.opened_seq;
  i.last_seq = row.last_seq;
  i.revision = row.revision;
  i.opened_ms = row.opened_ms;
  i.closed_ms = row.closed_ms;
  return i;
}

Result<std::optional<Incident>> one_incident(db::Tx& tx, const std::string& condition,
                                             std::vector<db::Value> values) {
  std::optional<IncidentRow> row;
  TRY(tx.query(std::string(kIncident) + condition, values,
               [&](const db::Columns& columns) -> Result<> {
                 if (row) return {};
                 return db::read_row(columns, row.emplace());
               }));
  if (!row) return std::optional<Incident>();
  return std::optional<Incident>(TRY(value_of(std::move(*row))));
}

std::string slot_of(const Incident& incident) {
  return incident.open ? "open" : incident.id;
}

Result<> insert_incident(db::Tx& tx, const Incident& i) {
  TRY(tx.run(
      "insert into incidents (id, deployment, monitor, slot, requirement, model, version, "
      "window_end_ms, columns, words, remedy_under_way, remedy_version, promoted_ms, "
      "failed_remedies, remedy, reason, closed_by, opened_seq, last_seq, revision, "
      "opened_ms, closed_ms) "
      "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
      i.id, i.deployment, i.monitor, slot_of(i), i.requirement, i.model, i.state.version,
      i.state.window_end_ms, json_list(i.columns), i.words, i.state.remedy_under_way,
      i.state.remedy_version, i.state.promoted_ms, i.state.failed_remedies, i.remedy, i.reason,
      i.closed_by, i.opened_seq, i.last_seq, i.revision, i.opened_ms, i.closed_ms));
  return {};
}

Result<> update_incident(db::Tx& tx, const Incident& i) {
  const std::int64_t changed =
      TRY(tx.run("update incidents set slot = ?, remedy_under_way = ?, remedy_version = ?, "
                 "promoted_ms = ?, failed_remedies = ?, remedy = ?, reason = ?, closed_by = ?, "
                 "last_seq = ?, revision = ?, closed_ms = ? where id = ? and revision = ?",
                 slot_of(i), i.state.remedy_under_way, i.state.remedy_version, i.state.promoted_ms,
                 i.state.failed_remedies, i.remedy, i.reason, i.closed_by, i.last_seq, i.revision,
                 i.closed_ms, i.id, i.revision - 1));
  if (changed == 1) return {};
  return Error{Code::kConflict, "incident " + i.id + " has changed meanwhile", "stale"};
}

Json event_data(const Incident& i, const IncidentNews& news) {
  Json data = news.data.is_object() ? news.data : Json(Json::Object{});
  data.set("incident", i.id);
  data.set("deployment", i.deployment);
  data.set("monitor", i.monitor);
  data.set("requirement", i.requirement);
  data.set("model", i.model);
  data.set("version", i.state.version);
  data.set("columns", Json::Array(i.columns.begin(), i.columns.end()));
  data.set("words", i.words);
  data.set("reason", news.reason);
  data.set("evidence", Json::Array(news.evidence.begin(), news.evidence.end()));
  return data;
}

Result<> put_incident_node(db::Tx& tx, const Incident& i, const IncidentNews& news, UnixMs now_ms) {
  const NodeRef node{kind::kIncident, i.id};
  Json attributes(Json::Object{{"status", i.open ? "open" : "closed"}});
  if (i.revision == 1) {
    attributes.set("deployment", i.deployment);
    attributes.set("monitor", i.monitor);
    attributes.set("requirement", i.requirement);
    attributes.set("model", i.model);
    attributes.set("version", i.state.version);
    attributes.set("columns", Json::Array(i.columns.begin(), i.columns.end()));
    attributes.set("words", i.words);
    attributes.set("opened_ms", i.opened_ms);
  }
  if (!i.open) {
    attributes.set("remedy", i.remedy);
    attributes.set("closed_ms", i.closed_ms);
  }
  TRY(graph::put_node(tx, node, attributes, now_ms));
  const Json none(Json::Object{});
  for (const std::string& verdict : news.evidence)
    TRY(graph::put_edge(tx, {node, relation::kRaisedBy, {kind::kVerdict, verdict}, none}, now_ms));
  if (i.revision == 1) {
    TRY(graph::put_edge(tx, {node, relation::kAbout, {kind::kDeployment, i.deployment}, none},
                        now_ms));
    TRY(graph::put_edge(
        tx, {node, relation::kAbout, {kind::kModelVersion, i.model + "/" + i.state.version}, none},
        now_ms));
  }
  return {};
}

// --- what a window leads to ----------------------------------------------------------------------

struct HistoryRow {
  std::string id, version;
  std::int64_t start_ms = 0, end_ms = 0;
  std::string status;
};
WIRE(HistoryRow, id, version, start_ms, end_ms, status)

/// The windows up to the judged one that were judged since the last incident of this monitor was
/// closed, oldest first.
Result<std::vector<HistoryRow>> history_of(db::Tx& tx, const JudgedSpan& judged) {
  const auto closed =
      TRY(tx.one<std::int64_t>("select max(last_seq) from incidents where deployment = ? and "
                               "monitor = ? and slot <> 'open'",
                               judged.deployment, judged.spec->name));
  auto rows = TRY(tx.all<HistoryRow>(
      "select id, version, start_ms, end_ms, status from monitor_windows where deployment = ? and "
      "monitor = ? and event_seq > ? and start_ms <= ? "
      "order by start_ms desc, event_seq desc limit ?",
      judged.deployment, judged.spec->name, closed.value_or(0), judged.window.start_ms, kHistory));
  std::reverse(rows.begin(), rows.end());
  return rows;
}

Situation situation_of(const JudgedSpan& judged, const std::string& live,
                       const std::vector<HistoryRow>& history,
                       const std::optional<Incident>& open) {
  Situation s;
  s.persist = judged.spec->persist;
  s.live = live;
  for (const HistoryRow& row : history)
    s.windows.push_back({row.start_ms, row.end_ms, row.version,
                         status_from(row.status).value_or(Status::kUndecided)});
  if (open) s.open = open->state;
  return s;
}

/// The windows that made it an incident: so many bad ones at the end of the history.
std::vector<std::string> evidence_of(const std::vector<HistoryRow>& history,
                                     const std::string& live, int bad_windows) {
  std::vector<std::string> ids;
  for (auto row = history.rbegin(); row != history.rend(); ++row) {
    if (static_cast<int>(ids.size()) == bad_windows) break;
    if (row->version != live || row->status != "bad") continue;
    ids.push_back(row->id);
  }
  std::reverse(ids.begin(), ids.end());
  return ids;
}

/// Columns that may be the cause: of the window itself, else of the newest window of each other
/// monitor of the deployment that touches it or is later.
Result<std::vector<std::string>> causes_of_window(db::Tx& tx, const WindowRow& row) {
  std::vector<std::string> columns = TRY(read_list(row.columns));
  if (!columns.empty()) return columns;
  struct Other {
    std::string monitor, columns;
  };
  std::vector<Other> others;
  TRY(
      tx.query("select monitor, columns from monitor_windows where deployment = ? and "
               "version = ? and monitor <> ? and end_ms >= ? order by start_ms desc limit 20",
               {db::Value(row.deployment), db::Value(row.version), db::Value(row.monitor),
                db::Value(row.start_ms)},
               [&](const db::Columns& found) -> Result<> {
                 others.push_back({std::string(found.text(0)), std::string(found.text(1))});
                 return {};
               }));
  std::vector<std::string> seen;
  for (const Other& other : others) {
    if (std::find(seen.begin(), seen.end(), other.monitor) != seen.end()) continue;
    seen.push_back(other.monitor);
    for (std::string& column : TRY(read_list(other.columns))) {
      if (std::find(columns.begin(), columns.end(), column) == columns.end())
        columns.push_back(std::move(column));
    }
  }
  return columns;
}

Json window_data(const WindowRow& row) {
  return Json(Json::Object{{"window", row.id}, {"start_ms", row.start_ms}, {"end_ms", row.end_ms}});
}

Result<Incident> opened(db::Tx& tx, const JudgedSpan& judged, const WindowRow& row, UnixMs now_ms) {
  Incident i;
  i.id = uuid7(now_ms);
  i.deployment = judged.deployment;
  i.monitor = judged.spec->name;
  i.requirement = judged.spec->requirement;
  i.model = row.model;
  i.state.version = row.version;
  i.state.window_end_ms = row.end_ms;
  i.columns = TRY(causes_of_window(tx, row));
  i.words = row.words;
  i.opened_ms = now_ms;
  return i;
}

Result<> close_with(db::Tx& tx, Incident& i, const Step& step, const WindowRow& row,
                    std::int64_t cause_seq, UnixMs now_ms) {
  i.open = false;
  i.remedy = step.remedy;
  i.reason = step.reason;
  i.closed_by = kActor;
  i.closed_ms = now_ms;
  i.state.remedy_under_way = false;
  Json data = window_data(row);
  data.set("remedy", step.remedy);
  data.set("remedy_version", row.version);
  TRY(change_incident(tx, i, {"closed", step.reason, kActor, cause_seq, {}, std::move(data)},
                      now_ms));
  if (step.remedy == "none") return {};
  return graph::put_edge(tx,
                         {{kind::kIncident, i.id},
                          relation::kRemediedBy,
                          {kind::kModelVersion, row.model + "/" + row.version},
                          Json(Json::Object{{"remedy", step.remedy}})},
                         now_ms);
}

}  // namespace

Result<> change_incident(db::Tx& tx, Incident& i, const IncidentNews& news, UnixMs now_ms) {
  const bool is_new = i.revision == 0;
  // Its own history is one chain, which begins with the window that opened it.
  const std::int64_t cause = news.cause_seq > 0 ? news.cause_seq : i.last_seq;
  const std::int64_t seq = TRY(graph::append_event(
      tx,
      {"incident." + news.action, {kind::kIncident, i.id}, news.actor, cause, event_data(i, news)},
      now_ms));
  i.last_seq = seq;
  i.revision += 1;
  if (is_new) i.opened_seq = seq;
  if (is_new)
    TRY(insert_incident(tx, i));
  else
    TRY(update_incident(tx, i));
  TRY(
      tx.run("insert into incident_changes (incident, number, action, reason, actor, evidence, "
             "cause_seq, event_seq, time_ms) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
             i.id, i.revision, news.action, news.reason, news.actor, json_list(news.evidence),
             news.cause_seq, seq, now_ms));
  return put_incident_node(tx, i, news, now_ms);
}

Result<bool> was_taken(db::Tx& tx, const std::string& incident, std::int64_t cause_seq) {
  return TRY(tx.one<std::int64_t>(
                 "select 1 from incident_changes where incident = ? and cause_seq = ?", incident,
                 cause_seq))
      .has_value();
}

Result<> decide_incident(db::Tx& tx, const JudgedSpan& judged, const std::string& live,
                         const WindowRow* row, std::int64_t cause_seq, Recorded& recorded,
                         UnixMs now_ms) {
  const auto history = TRY(history_of(tx, judged));
  // One that was judged before the last incident was closed is part of that one's story.
  if (history.empty() || history.back().start_ms != judged.window.start_ms) return {};
  std::optional<Incident> open = TRY(open_incident(tx, judged.deployment, judged.spec->name));
  const Step step = next_step(situation_of(judged, live, history, open));
  std::optional<WindowRow> of_other;
  if (step.kind == Step::Kind::kClose && (row == nullptr || row->version != step.version)) {
    of_other = TRY(find_window(tx, window_id(judged, step.version)));
    if (of_other && row != nullptr) cause_seq = of_other->event_seq;
    row = of_other ? &*of_other : nullptr;
  }
  if (row == nullptr) return {};
  recorded.step = step.kind;
  if (open) recorded.incident = open->id;
  switch (step.kind) {
    case Step::Kind::kNone:
      return {};
    case Step::Kind::kOpen: {
      Incident made = TRY(opened(tx, judged, *row, now_ms));
      recorded.incident = made.id;
      return change_incident(
          tx, made,
          {"opened", step.reason, kActor, cause_seq, evidence_of(history, live, step.bad_windows),
           window_data(*row)},
          now_ms);
    }
    case Step::Kind::kUnresolved: {
      Json data = window_data(*row);
      data.set("failed_remedies", open->state.failed_remedies + (step.remedy_failed ? 1 : 0));
      if (step.remedy_failed)
        open->state = after(open->state, RemedyNews::kFailed, open->state.remedy_version, now_ms);
      std::vector<std::string> evidence;
      if (row->status == "bad") evidence.push_back(row->id);
      const std::string undecided = TRY(undecided_remedy(tx, *open));
      const std::string reason =
          step.reason + (undecided.empty() ? "" : "; version " + undecided + kWaitsForPerson);
      return change_incident(
          tx, *open,
          {"unresolved", reason, kActor, cause_seq, std::move(evidence), std::move(data)},
          now_ms);
    }
    case Step::Kind::kClose:
      return close_with(tx, *open, step, *row, cause_seq, now_ms);
  }
  return {};
}

// --- reading -------------------------------------------------------------------------------------

Result<std::optional<Incident>> find_incident(db::Tx& tx, const std::string& id) {
  return one_incident(tx, " where id = ?", {db::Value(id)});
}

Result<std::optional<Incident>> open_incident(db::Tx& tx, const std::string& deployment,
                                              const std::string& monitor) {
  return one_incident(tx, " where deployment = ? and monitor = ? and slot = 'open'",
                      {db::Value(deployment), db::Value(monitor)});
}

Result<std::vector<Incident>> incidents(db::Tx& tx, const std::string& deployment, bool open_only,
                                        int limit) {
  std::string sql = std::string(kIncident) + " where 1 = 1";
  std::vector<db::Value> values;
  if (!deployment.empty()) {
    sql += " and deployment = ?";
    values.push_back(deployment);
  }
  if (open_only) sql += " and slot = 'open'";
  sql += " order by opened_ms desc, id desc limit ?";
  values.push_back(limit);
  std::vector<Incident> all;
  TRY(tx.query(sql, values, [&](const db::Columns& columns) -> Result<> {
    IncidentRow row;
    TRY(db::read_row(columns, row));
    all.push_back(TRY(value_of(std::move(row))));
    return {};
  }));
  return all;
}

Result<std::vector<IncidentChange>> changes_of(db::Tx& tx, const std::string& incident) {
  std::vector<IncidentChange> all;
  TRY(
      tx.query("select incident, number, action, reason, actor, evidence, event_seq, time_ms "
               "from incident_changes where incident = ? order by number",
               {db::Value(incident)}, [&](const db::Columns& row) -> Result<> {
                 all.push_back({std::string(row.text(0)), row.int64(1), std::string(row.text(2)),
                                std::string(row.text(3)), std::string(row.text(4)),
                                std::string(row.text(5)), row.int64(6), row.int64(7)});
                 return {};
               }));
  return all;
}

// --- by hand -------------------------------------------------------------------------------------

Result<> close_incident(db::Tx& tx, const std::string& id, const std::string& actor,
                        const std::string& reason, UnixMs now_ms) {
  if (actor.empty() || actor.size() > kWordMax || trim(reason).empty() ||
      reason.size() > kReasonMax)
    return invalid("closing an incident needs who does it (up to 256 bytes) and why (up to 4,096)");
  auto incident = TRY(find_incident(tx, id));
  if (!incident) return missing("there is no incident " + id);
  if (!incident->open) return conflict("incident " + id + " is closed already");
  incident->open = false;
  incident->remedy = "person";
  incident->reason = reason;
  incident->closed_by = actor;
  incident->closed_ms = now_ms;
  return change_incident(tx, *incident,
                         {"closed", reason, actor, 0, {}, Json(Json::Object{{"remedy", "person"}})},
                         now_ms);
}

Result<int> close_undeclared(db::Tx& tx,
                             const std::set<std::pair<std::string, std::string>>& declared,
                             UnixMs now_ms) {
  constexpr int kOpenMax = 10'000;
  int closed = 0;
  for (Incident& incident : TRY(incidents(tx, "", /*open_only=*/true, kOpenMax))) {
    if (declared.contains({incident.deployment, incident.monitor})) continue;
    incident.open = false;
    incident.remedy = "none";
    incident.reason = "the monitor " + incident.monitor + " of " + incident.deployment +
                      " is not declared any more";
    incident.closed_by = kActor;
    incident.closed_ms = now_ms;
    incident.state.remedy_under_way = false;
    TRY(change_incident(
        tx, incident,
        {"closed", incident.reason, kActor, 0, {}, Json(Json::Object{{"remedy", "none"}})},
        now_ms));
    ++closed;
  }
  return closed;
}

// --- news ----------------------------------------------------------------------------------------

namespace {

struct KnownNews {
  const char* event;
  RemedyNews news;
};
constexpr KnownNews kKnownNews[] = {{"rollout.requested", RemedyNews::kStarted},
                                    {"rollout.resumed", RemedyNews::kStarted},
                                    {"rollout.promotion_asked", RemedyNews::kStarted},
                                    {"rollout.promoted", RemedyNews::kPromoted},
                                    {"rollout.paused", RemedyNews::kUndecided},
                                    {"rollout.rolled_back", RemedyNews::kFailed},
                                    {"rollout.stopped", RemedyNews::kFailed},
                                    {"rollout.superseded", RemedyNews::kFailed},
                                    {"rollout.refused", RemedyNews::kFailed},
                                    {"pipeline_run.failed", RemedyNews::kFailed},
                                    {"pipeline_run.timed_out", RemedyNews::kFailed},
                                    {"pipeline_run.cancelled", RemedyNews::kFailed},
                                    {"pipeline_run.skipped", RemedyNews::kFailed}};

std::optional<RemedyNews> news_of(const std::string& type) {
  for (const KnownNews& known : kKnownNews) {
    if (type == known.event) return known.news;
  }
  return std::nullopt;
}

std::string text_of(const Json& data, const char* key) {
  const Json* value = data.find(key);
  if (value == nullptr) return "";
  if (value->is_string()) return value->as_string();
  return value->is_integer() ? std::to_string(value->as_int64()) : "";
}

/// The open incidents that what is behind `node` was asked for by.
Result<std::vector<Incident>> that_asked_for(db::Tx& tx, const NodeRef& node) {
  std::vector<Incident> all;
  if (!TRY(graph::find_node(tx, node))) return all;
  const graph::Closure behind =
      TRY(graph::closure(tx, node, graph::Direction::kToCauses, kCausesMax));
  for (const graph::Node& cause : behind.nodes) {
    if (cause.ref.kind != kind::kIncident) continue;
    auto incident = TRY(find_incident(tx, cause.ref.id));
    if (incident && incident->open) all.push_back(std::move(*incident));
  }
  return all;
}

/// A pause by hand, and what a person lets go on that was under way all the while, change nothing.
bool is_no_change(const Incident& incident, const graph::Event& event, RemedyNews news) {
  const Json* undecided = event.data.find("undecided");
  if (news == RemedyNews::kUndecided)
    return undecided == nullptr || !undecided->is_bool() || !undecided->as_bool();
  return news == RemedyNews::kStarted && event.type != "rollout.requested" &&
         incident.state.remedy_under_way;
}

const char* action_of(RemedyNews news) {
  switch (news) {
    case RemedyNews::kStarted:
      return "remedy_started";
    case RemedyNews::kPromoted:
      return "remedy_promoted";
    case RemedyNews::kUndecided:
      return "remedy_undecided";
    case RemedyNews::kFailed:
      return "remedy_failed";
  }
  return "";
}

/// The version that one of the incident's own events is about.
Result<std::string> remedy_of_event(db::Tx& tx, std::int64_t seq) {
  const auto events = TRY(graph::events_after(tx, seq - 1, 1));
  const bool is_it = !events.empty() && events.front().seq == seq;
  return is_it ? text_of(events.front().event.data, "remedy_version") : std::string();
}

}  // namespace

bool is_news(const std::string& event_type) {
  return news_of(event_type).has_value();
}

Result<bool> take_news(db::Tx& tx, const graph::LoggedEvent& logged, UnixMs now_ms) {
  const auto news = news_of(logged.event.type);
  if (!news) return false;
  const Json& data = logged.event.data;
  const bool of_run = logged.event.subject.kind == kind::kPipelineRun;
  const std::string version = of_run ? "" : text_of(data, "version");
  const NodeRef node = of_run
                           ? logged.event.subject
                           : NodeRef{kind::kModelVersion, text_of(data, "model") + "/" + version};
  bool taken = false;
  for (Incident& incident : TRY(that_asked_for(tx, node))) {
    const bool elsewhere = !of_run && logged.event.subject.id != incident.deployment;
    if (elsewhere || is_no_change(incident, logged.event, *news) ||
        TRY(was_taken(tx, incident.id, logged.seq)))
      continue;
    // A newer one takes the place of one that is undecided.
    const std::string on_its_way = TRY(remedy_on_its_way(tx, incident));
    const bool is_another = *news == RemedyNews::kFailed && !version.empty() &&
                            !on_its_way.empty() && on_its_way != version;
    incident.state = after(incident.state, *news, version, logged.time_ms);
    if (is_another) incident.state.remedy_under_way = true;
    Json more(Json::Object{{"remedy_version", version}});
    if (of_run) more.set("run", logged.event.subject.id);
    if (!of_run) more.set("rollout", text_of(data, "rollout"));
    // Several may be on their way one after another: each line of the history names its own.
    const std::string reason =
        (version.empty() ? "" : "version " + version + ": ") + text_of(data, "reason");
    TRY(change_incident(
        tx, incident, {action_of(*news), reason, kActor, logged.seq, {}, std::move(more)}, now_ms));
    taken = true;
  }
  return taken;
}

Result<std::string> remedy_on_its_way(db::Tx& tx, const Incident& incident) {
  if (!incident.open || !incident.state.remedy_under_way) return std::string();
  const auto started = TRY(tx.one<std::int64_t>(
      "select event_seq from incident_changes where incident = ? and action = ? order by number "
      "desc limit 1",
      incident.id, std::string(action_of(RemedyNews::kStarted))));
  return started ? TRY(remedy_of_event(tx, *started)) : std::string();
}

Result<std::string> undecided_remedy(db::Tx& tx, const Incident& incident) {
  if (!incident.open || incident.state.remedy_under_way) return std::string();
  const auto newest = TRY(tx.one<std::int64_t>(
      "select event_seq from incident_changes where incident = ? and number = (select max(number) "
      "from incident_changes where incident = ? and action like 'remedy%') and action = ?",
      incident.id, incident.id, std::string(action_of(RemedyNews::kUndecided))));
  return newest ? TRY(remedy_of_event(tx, *newest)) : std::string();
}

}  // namespace slipway::monitor
