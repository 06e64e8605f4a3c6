#include "domain/monitor/store.h"

#include <algorithm>

#include "base/hash.h"
#include "domain/checks/facts.h"
#include "domain/monitor/rows.h"
#include "graph/kinds.h"
#include "io/wire/codec.h"

namespace slipway::monitor {

std::string window_id(const JudgedSpan& judged, const std::string& version) {
  return judged.deployment + "/" + judged.spec->name + "/" + (version.empty() ? "-" : version) +
         "/" + std::to_string(judged.window.start_ms);
}

namespace {

using graph::NodeRef;
using wire::Json;
namespace kind = graph::kind;
namespace relation = graph::relation;

constexpr char kActor[] = "slipway";
constexpr std::size_t kVerdictsMax = 500;  // of a window; beyond, those that passed are left out
constexpr std::size_t kIdMax = 900;        // of a node, with room for what is added

struct StateRow {
  std::string deployment, monitor;
  std::int64_t next_ms = 0;
  std::string live;
  bool empty = false;
  std::int64_t windows = 0, updated_ms = 0;
};
WIRE(StateRow, deployment, monitor, next_ms, live, empty, windows, updated_ms)

constexpr char kState[] =
    "select deployment, monitor, next_ms, live, empty, windows, updated_ms from monitors";

MonitorState value_of(StateRow row) {
  return {std::move(row.deployment),
          std::move(row.monitor),
          row.next_ms,
          std::move(row.live),
          row.empty,
          row.windows,
          row.updated_ms};
}

Json none() {
  return Json(Json::Object{});
}

NodeRef check_node(const std::string& window, const std::string& check) {
  const std::string id = window + "/" + check;
  return {kind::kVerdict, id.size() <= kIdMax ? id : window + "/" + sha256_hex(check)};
}

bool passed(const checks::Verdict& verdict) {
  return verdict.status == checks::Status::kPass;
}

bool is_worth_a_node(const checks::Verdict& verdict) {
  return verdict.status == checks::Status::kWarn || verdict.status == checks::Status::kFail ||
         verdict.status == checks::Status::kError;
}

/// {"deciding": [...], "told": [...], "passed": N}
Json json_of(const WindowVerdict& verdict) {
  const bool all = verdict.deciding.size() <= kVerdictsMax;
  Json::Array deciding, told;
  for (const checks::Verdict& one : verdict.deciding) {
    if (deciding.size() < kVerdictsMax && (all || !passed(one)))
      deciding.push_back(checks::to_json(one));
  }
  for (const checks::Verdict& one : verdict.told) told.push_back(checks::to_json(one));
  return Json(Json::Object{
      {"deciding", std::move(deciding)},
      {"told", std::move(told)},
      {"passed", std::count_if(verdict.deciding.begin(), verdict.deciding.end(), passed)}});
}

std::string dumped(const Json& json) {
  wire::DumpStyle style;
  style.non_finite_as_string = true;
  return wire::dump(json, style);
}

WindowRow row_of(const JudgedSpan& judged, const VersionVerdict& found, UnixMs now_ms) {
  WindowRow row;
  row.id = window_id(judged, found.facts.version);
  row.deployment = judged.deployment;
  row.monitor = judged.spec->name;
  row.model = found.facts.model;
  row.version = found.facts.version;
  row.start_ms = judged.window.start_ms;
  row.end_ms = judged.window.end_ms;
  row.status = to_string(found.verdict.status);
  row.requests = found.facts.answers.requests;
  row.rows = found.facts.answers.rows;
  row.labelled = found.facts.outcomes.labelled;
  row.words = found.verdict.words;
  row.columns = json_list(found.verdict.columns);
  row.verdicts = dumped(json_of(found.verdict));
  row.facts = dumped(to_json(found.facts));
  row.reference = found.reference;
  row.contract = found.contract;
  row.judged_ms = now_ms;
  return row;
}

Json event_data(const WindowRow& row, const std::vector<std::string>& columns) {
  return Json(Json::Object{{"deployment", row.deployment},
                           {"monitor", row.monitor},
                           {"model", row.model},
                           {"version", row.version},
                           {"start_ms", row.start_ms},
                           {"end_ms", row.end_ms},
                           {"status", row.status},
                           {"requests", row.requests},
                           {"rows", row.rows},
                           {"labelled", row.labelled},
                           {"words", row.words},
                           {"columns", Json::Array(columns.begin(), columns.end())}});
}

/// Where a verdict hangs: what it is about, whose demand it judges, what it looked at.
Result<> put_verdict_edges(db::Tx& tx, const JudgedSpan& judged, const WindowRow& row,
                           const NodeRef& verdict, UnixMs now_ms) {
  const auto edge = [&](const char* what, NodeRef cause) {
    return graph::put_edge(tx, {verdict, what, std::move(cause), none()}, now_ms);
  };
  TRY(edge(relation::kAbout, {kind::kWindow, row.id}));
  TRY(edge(relation::kBy, {kind::kMonitor, row.deployment + "/" + row.monitor}));
  if (!judged.spec->requirement.empty())
    TRY(edge(relation::kBy, {kind::kRequirement, judged.spec->requirement}));
  if (!row.contract.empty()) TRY(edge(relation::kBy, {kind::kContractVersion, row.contract}));
  for (const std::string* profile : {&row.profile, &row.reference}) {
    if (!profile->empty()) TRY(edge(relation::kUsed, {kind::kProfile, *profile}));
  }
  return {};
}

Result<> put_window_nodes(db::Tx& tx, const JudgedSpan& judged, const WindowRow& row,
                          const WindowVerdict& verdict, UnixMs now_ms) {
  const NodeRef window{kind::kWindow, row.id}, whole{kind::kVerdict, row.id};
  TRY(graph::put_node(tx, window,
                      Json(Json::Object{{"status", row.status},
                                        {"start_ms", row.start_ms},
                                        {"end_ms", row.end_ms},
                                        {"requests", row.requests},
                                        {"rows", row.rows},
                                        {"labelled", row.labelled},
                                        {"words", row.words}}),
                      now_ms));
  TRY(graph::put_edge(
      tx, {window, relation::kObserved, {kind::kDeployment, row.deployment}, none()}, now_ms));
  if (!row.version.empty())
    TRY(graph::put_edge(
        tx,
        {window, relation::kObserved, {kind::kModelVersion, row.model + "/" + row.version}, none()},
        now_ms));
  TRY(graph::put_node(
      tx, whole,
      Json(Json::Object{
          {"check", "monitor " + row.monitor}, {"status", row.status}, {"words", row.words}}),
      now_ms));
  TRY(put_verdict_edges(tx, judged, row, whole, now_ms));
  std::size_t nodes = 0;
  for (const checks::Verdict& one : verdict.deciding) {
    if (!is_worth_a_node(one) || ++nodes > kVerdictsMax) continue;
    const NodeRef node = check_node(row.id, one.check);
    TRY(graph::put_node(tx, node, TRY(wire::parse(dumped(checks::to_json(one)))), now_ms));
    TRY(put_verdict_edges(tx, judged, row, node, now_ms));
  }
  return {};
}

/// False when it is there already.
Result<bool> insert_window(db::Tx& tx, const WindowRow& r) {
  return TRY(tx.run("insert into monitor_windows (id, deployment, monitor, model, version, "
                    "start_ms, end_ms, status, requests, rows, labelled, words, columns, verdicts, "
                    "facts, profile, reference, contract, event_seq, judged_ms) "
                    "values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
                    "on conflict do nothing",
                    r.id, r.deployment, r.monitor, r.model, r.version, r.start_ms, r.end_ms,
                    r.status, r.requests, r.rows, r.labelled, r.words, r.columns, r.verdicts,
                    r.facts, r.profile, r.reference, r.contract, r.event_seq, r.judged_ms)) == 1;
}

/// One version's part of a window; nothing when it was judged before.
Result<std::optional<WindowRow>> put_window(db::Tx& tx, const JudgedSpan& judged,
                                            const VersionVerdict& found, UnixMs now_ms) {
  WindowRow row = row_of(judged, found, now_ms);
  if (TRY(find_window(tx, row.id))) return std::optional<WindowRow>();
  if (found.facts.profile)
    row.profile =
        TRY(checks::put_profile(tx, *found.facts.profile, {kind::kWindow, row.id}, now_ms));
  row.event_seq = TRY(graph::append_event(
      tx,
      {"window.judged", {kind::kWindow, row.id}, kActor, 0, event_data(row, found.verdict.columns)},
      now_ms));
  if (!TRY(insert_window(tx, row))) return conflict("window " + row.id + " was judged meanwhile");
  TRY(put_window_nodes(tx, judged, row, found.verdict, now_ms));
  return std::optional<WindowRow>(std::move(row));
}

/// Whose answers decide: the version that is live, or as far as can be told was.
std::string live_version(const JudgedSpan& judged, const MonitorState& state) {
  if (!judged.live.empty()) return judged.live;
  const VersionVerdict* last = nullptr;
  for (const VersionVerdict& one : judged.versions) {
    if (one.facts.answers.live == 0) continue;
    if (last == nullptr || one.facts.answers.last_live_ms > last->facts.answers.last_live_ms)
      last = &one;
  }
  return last != nullptr ? last->facts.version : state.live;
}

/// A window that nobody was answered in, as the part of no version.
VersionVerdict nobody(const JudgedSpan& judged) {
  VersionVerdict found;
  found.facts.model = judged.model;
  found.verdict.words = "nobody was answered";
  return found;
}

}  // namespace

std::string json_list(const std::vector<std::string>& texts) {
  return wire::dump(Json(Json::Array(texts.begin(), texts.end())));
}

Result<std::vector<std::string>> read_list(const std::string& json) {
  const Json list = TRY(wire::parse(json));
  std::vector<std::string> texts;
  if (!list.is_array()) return internal("a list of the catalogue is damaged");
  for (const Json& item : list.as_array())
    if (item.is_string()) texts.push_back(item.as_string());
  return texts;
}

Result<std::optional<MonitorState>> find_monitor(db::Tx& tx, const std::string& deployment,
                                                 const std::string& monitor) {
  static const std::string kSql = std::string(kState) + " where deployment = ? and monitor = ?";
  auto row = TRY(tx.one<StateRow>(kSql, deployment, monitor));
  if (!row) return std::optional<MonitorState>();
  return std::optional<MonitorState>(value_of(std::move(*row)));
}

Result<std::vector<MonitorState>> monitors(db::Tx& tx) {
  static const std::string kSql = std::string(kState) + " order by deployment, monitor";
  std::vector<MonitorState> all;
  for (StateRow& row : TRY(tx.all<StateRow>(kSql))) all.push_back(value_of(std::move(row)));
  return all;
}

Result<> begin_monitor(db::Tx& tx, const std::string& deployment, const std::string& monitor,
                       UnixMs next_ms, UnixMs now_ms) {
  TRY(tx.run(
      "insert into monitors (deployment, monitor, next_ms, live, empty, windows, updated_ms) "
      "values (?, ?, ?, '', 0, 0, ?) on conflict do nothing",
      deployment, monitor, next_ms, now_ms));
  return {};
}

Result<> move_monitor(db::Tx& tx, const std::string& deployment, const std::string& monitor,
                      UnixMs next_ms, UnixMs now_ms) {
  TRY(tx.run("update monitors set next_ms = ?, updated_ms = ? where deployment = ? and monitor = ?",
             next_ms, now_ms, deployment, monitor));
  return {};
}

Result<Recorded> record(db::Tx& tx, const JudgedSpan& judged, UnixMs now_ms) {
  const std::string& name = judged.spec->name;
  const auto state = TRY(find_monitor(tx, judged.deployment, name));
  if (!state) return missing("monitor " + name + " of " + judged.deployment + " has not begun");
  Recorded recorded;
  if (state->next_ms != judged.window.start_ms) return recorded;
  recorded.changed = true;

  const std::string live = live_version(judged, *state);
  const bool empty = judged.versions.empty();
  std::vector<VersionVerdict> nobodies;
  if (empty && !state->empty) nobodies.push_back(nobody(judged));
  std::optional<WindowRow> of_live;
  std::int64_t last_seq = 0;
  for (const VersionVerdict& found : empty ? nobodies : judged.versions) {
    auto row = TRY(put_window(tx, judged, found, now_ms));
    if (!row) continue;
    recorded.windows.push_back(row->id);
    last_seq = row->event_seq;
    if (row->version == live && !live.empty()) of_live = std::move(row);
  }
  TRY(
      tx.run("update monitors set next_ms = ?, live = ?, empty = ?, windows = windows + 1, "
             "updated_ms = ? where deployment = ? and monitor = ?",
             judged.window.end_ms, live, empty, now_ms, judged.deployment, name));
  if (recorded.windows.empty()) return recorded;
  TRY(decide_incident(tx, judged, live, of_live ? &*of_live : nullptr,
                      of_live ? of_live->event_seq : last_seq, recorded, now_ms));
  return recorded;
}

namespace {

Result<> update_window(db::Tx& tx, const WindowRow& r) {
  TRY(tx.run(
      "update monitor_windows set status = ?, requests = ?, rows = ?, labelled = ?, "
      "words = ?, columns = ?, verdicts = ?, facts = ?, profile = ? where id = ?",
      r.status, r.requests, r.rows, r.labelled, r.words, r.columns, r.verdicts, r.facts, r.profile,
      r.id));
  return {};
}

/// One version's part of a window with more labels or answers than before. Returns the event.
Result<std::int64_t> restate_window(db::Tx& tx, const JudgedSpan& judged,
                                    const VersionVerdict& found, const WindowRow& before,
                                    UnixMs now_ms) {
  WindowRow row = row_of(judged, found, now_ms);
  row.profile = before.profile;
  if (found.facts.profile)
    row.profile =
        TRY(checks::put_profile(tx, *found.facts.profile, {kind::kWindow, row.id}, now_ms));
  Json data = event_data(row, found.verdict.columns);
  data.set("was", before.status);
  data.set("labelled_before", before.labelled);
  data.set("requests_before", before.requests);
  const std::int64_t seq = TRY(graph::append_event(
      tx, {"window.restated", {kind::kWindow, row.id}, kActor, before.event_seq, std::move(data)},
      now_ms));
  TRY(update_window(tx, row));
  TRY(put_window_nodes(tx, judged, row, found.verdict, now_ms));
  return seq;
}

/// More answers or labels, or as many labels that say something else: of several for a row the last
/// one counts.
bool is_news(const WindowRow& now, const WindowRow& before) {
  if (now.requests > before.requests) return true;
  if (now.labelled != before.labelled) return now.labelled > before.labelled;
  return now.labelled > 0 && now.facts != before.facts;
}

/// Whether it is about a version that an incident which is open has asked for.
Result<bool> is_remedy(db::Tx& tx, const WindowRow& window) {
  const auto open = TRY(open_incident(tx, window.deployment, window.monitor));
  return open && open->state.remedy_version == window.version;
}

/// Whether a later window has something to say of this version.
Result<bool> is_outdone(db::Tx& tx, const WindowRow& window) {
  return TRY(tx.one<std::int64_t>(
                 "select 1 from monitor_windows where deployment = ? and monitor = ? and "
                 "version = ? and start_ms > ? and status <> 'undecided' limit 1",
                 window.deployment, window.monitor, window.version, window.start_ms))
      .has_value();
}

}  // namespace

namespace {

/// The part of a window that nobody was answered in, once answers of it have come.
Result<> tell_of_late_answers(db::Tx& tx, const JudgedSpan& judged) {
  std::int64_t requests = 0;
  for (const VersionVerdict& found : judged.versions) requests += found.facts.answers.requests;
  TRY(tx.run("update monitor_windows set words = ? where id = ?",
             "nobody was answered when it was judged; " + std::to_string(requests) +
                 " answers came later, and are judged by version",
             window_id(judged, "")));
  return {};
}

}  // namespace

Result<Recorded> restate(db::Tx& tx, const JudgedSpan& judged, UnixMs now_ms) {
  Recorded recorded;
  const auto state = TRY(find_monitor(tx, judged.deployment, judged.spec->name));
  if (!state) return recorded;
  const std::string live = live_version(judged, *state);
  for (const VersionVerdict& found : judged.versions) {
    const auto before = TRY(find_window(tx, window_id(judged, found.facts.version)));
    if (before && !is_news(row_of(judged, found, now_ms), *before)) continue;
    std::int64_t seq = 0;
    if (before) {
      seq = TRY(restate_window(tx, judged, found, *before, now_ms));
    } else {
      seq = TRY(put_window(tx, judged, found, now_ms)).value().event_seq;
      TRY(tell_of_late_answers(tx, judged));
    }
    recorded.changed = true;
    recorded.windows.push_back(window_id(judged, found.facts.version));
    const WindowRow now = TRY(find_window(tx, recorded.windows.back())).value();
    const bool is_live = now.version == live;
    const bool is_changed = !before || now.status != before->status;
    const bool is_asked = is_live || TRY(is_remedy(tx, now));
    if (!is_asked || !is_changed || TRY(is_outdone(tx, now))) continue;
    TRY(decide_incident(tx, judged, live, is_live ? &now : nullptr, seq, recorded, now_ms));
  }
  return recorded;
}

// --- reading -------------------------------------------------------------------------------------

namespace {

struct WindowRecord {
  std::string id, deployment, monitor, model, version;
  std::int64_t start_ms = 0, end_ms = 0;
  std::string status;
  std::int64_t requests = 0, rows = 0, labelled = 0;
  std::string words, columns, verdicts, facts, profile, reference, contract;
  std::int64_t event_seq = 0, judged_ms = 0;
};
WIRE(WindowRecord, id, deployment, monitor, model, version, start_ms, end_ms, status, requests,
     rows, labelled, words, columns, verdicts, facts, profile, reference, contract, event_seq,
     judged_ms)

constexpr char kWindow[] =
    "select id, deployment, monitor, model, version, start_ms, end_ms, status, requests, rows, "
    "labelled, words, columns, verdicts, facts, profile, reference, contract, event_seq, judged_ms "
    "from monitor_windows";

WindowRow value_of(WindowRecord r) {
  return {std::move(r.id),
          std::move(r.deployment),
          std::move(r.monitor),
          std::move(r.model),
          std::move(r.version),
          r.start_ms,
          r.end_ms,
          std::move(r.status),
          r.requests,
          r.rows,
          r.labelled,
          std::move(r.words),
          std::move(r.columns),
          std::move(r.verdicts),
          std::move(r.facts),
          std::move(r.profile),
          std::move(r.reference),
          std::move(r.contract),
          r.event_seq,
          r.judged_ms};
}

}  // namespace

Result<std::optional<WindowRow>> find_window(db::Tx& tx, const std::string& id) {
  static const std::string kSql = std::string(kWindow) + " where id = ?";
  auto row = TRY(tx.one<WindowRecord>(kSql, id));
  if (!row) return std::optional<WindowRow>();
  return std::optional<WindowRow>(value_of(std::move(*row)));
}

Result<std::vector<WindowRow>> windows(db::Tx& tx, const WindowQuery& query) {
  std::string sql = std::string(kWindow) + " where 1 = 1";
  std::vector<db::Value> values;
  const auto narrow = [&](const char* condition, db::Value value) {
    sql += condition;
    values.push_back(std::move(value));
  };
  if (!query.deployment.empty()) narrow(" and deployment = ?", query.deployment);
  if (!query.monitor.empty()) narrow(" and monitor = ?", query.monitor);
  if (!query.version.empty()) narrow(" and version = ?", query.version);
  if (query.before_ms != 0) narrow(" and start_ms < ?", query.before_ms);
  narrow(" order by start_ms desc, id desc limit ?", query.limit);
  std::vector<WindowRow> all;
  TRY(tx.query(sql, values, [&](const db::Columns& columns) -> Result<> {
    WindowRecord record;
    TRY(db::read_row(columns, record));
    all.push_back(value_of(std::move(record)));
    return {};
  }));
  return all;
}

Result<std::string> previous_profile(db::Tx& tx, const std::string& deployment,
                                     const std::string& monitor, const std::string& version,
                                     UnixMs before_ms) {
  auto own = TRY(tx.one<std::string>(
      "select profile from monitor_windows where deployment = ? and monitor = ? and version = ? "
      "and start_ms < ? and profile <> '' order by start_ms desc limit 1",
      deployment, monitor, version, before_ms));
  if (own) return *own;
  return TRY(tx.one<std::string>(
                 "select profile from monitor_windows where deployment = ? and monitor = ? and "
                 "start_ms < ? and profile <> '' order by start_ms desc limit 1",
                 deployment, monitor, before_ms))
      .value_or("");
}

}  // namespace slipway::monitor
