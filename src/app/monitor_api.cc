#include "app/monitor_api.h"

#include <algorithm>

#include "app/api.h"
#include "base/text.h"
#include "domain/delivery/store.h"
#include "domain/flows/trigger_store.h"
#include "domain/monitor/store.h"
#include "domain/monitor/window.h"
#include "domain/project/applied.h"
#include "graph/kinds.h"

namespace slipway::app {
namespace {

using wire::Json;

constexpr int kListMax = 1000;
constexpr std::uint64_t kBodyBytesMax = 64u << 10;

std::string dumped(const Json& json) {
  wire::DumpStyle style;
  style.non_finite_as_string = true;
  return wire::dump(json, style);
}

Result<int> limit_of(std::int64_t limit) {
  if (limit >= 1 && limit <= kListMax) return static_cast<int>(limit);
  return invalid("limit must be a whole number from 1 to " + std::to_string(kListMax));
}

Json list_of(const std::vector<std::string>& texts) {
  return Json(Json::Array(texts.begin(), texts.end()));
}

/// How far a check has come towards its threshold, as a share of it.
std::optional<double> share_of_threshold(const Json& check) {
  const Json* observed = check.find("observed");
  const Json* threshold = check.find("threshold");
  if (observed == nullptr || threshold == nullptr) return std::nullopt;
  if (!observed->is_number() || !threshold->is_number() || threshold->as_double() == 0)
    return std::nullopt;
  return observed->as_double() / threshold->as_double();
}

std::string text_at(const Json& check, const char* key) {
  const Json* text = check.find(key);
  return text != nullptr && text->is_string() ? text->as_string() : "";
}

/// The check that stands for a window, to draw many of them: that of the monitor's requirement,
/// else the drift that is largest against its threshold; null where neither was measured.
Json measured_of(const Json& verdicts) {
  const Json* deciding = verdicts.find("deciding");
  if (deciding == nullptr || !deciding->is_array()) return Json();
  const Json* worst = nullptr;
  double worst_share = 0;
  for (const Json& check : deciding->as_array()) {
    const std::string name = text_at(check, "check");
    const bool is_requirement = name.starts_with("requirement ");
    if (!is_requirement && name.find("/drift.") == std::string::npos) continue;
    const std::optional<double> share = share_of_threshold(check);
    if (!share || (worst != nullptr && *share <= worst_share)) continue;
    worst = &check;
    worst_share = *share;
    if (is_requirement) break;
  }
  return worst == nullptr ? Json() : *worst;
}

Result<Json> json_of(const monitor::WindowRow& row, const WindowsRequest& wanted) {
  Json json(Json::Object{{"id", row.id},
                         {"deployment", row.deployment},
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
                         {"columns", TRY(wire::parse(row.columns))},
                         {"facts", TRY(wire::parse(row.facts))},
                         {"profile", row.profile},
                         {"reference", row.reference},
                         {"contract", row.contract},
                         {"event_seq", row.event_seq},
                         {"judged_ms", row.judged_ms}});
  if (!wanted.verdicts && !wanted.measured) return json;
  Json verdicts = TRY(wire::parse(row.verdicts));
  if (wanted.measured) json.set("measured", measured_of(verdicts));
  if (wanted.verdicts) json.set("verdicts", std::move(verdicts));
  return json;
}

/// Triggers that the incident fires, which hold still after a firing: {"trigger", "fired_ms",
/// "until_ms"}.
Result<Json::Array> cooling_of(db::Tx& tx, const project::ProjectFile& file,
                               const monitor::Incident& incident) {
  Json::Array all;
  for (const project::TriggerSpec& trigger : file.triggers) {
    const auto* source = std::get_if<project::IncidentSource>(&trigger.source);
    const auto means = [](const std::string& wanted, const std::string& found) {
      return wanted.empty() || wanted == found;
    };
    if (!source || trigger.cooldown.count() == 0 || !means(source->monitor, incident.monitor) ||
        !means(source->deployment, incident.deployment))
      continue;
    const UnixMs fired_ms = TRY(flows::last_fired(tx, trigger.name));
    if (fired_ms == 0) continue;
    all.push_back(Json(Json::Object{{"trigger", trigger.name},
                                    {"fired_ms", fired_ms},
                                    {"until_ms", fired_ms + trigger.cooldown.count()}}));
  }
  return all;
}

Json json_of(const monitor::Incident& i) {
  return Json(Json::Object{{"id", i.id},
                           {"deployment", i.deployment},
                           {"monitor", i.monitor},
                           {"requirement", i.requirement},
                           {"model", i.model},
                           {"version", i.state.version},
                           {"open", i.open},
                           {"columns", list_of(i.columns)},
                           {"words", i.words},
                           {"remedy_under_way", i.state.remedy_under_way},
                           {"remedy_version", i.state.remedy_version},
                           {"failed_remedies", i.state.failed_remedies},
                           {"remedy", i.remedy},
                           {"reason", i.reason},
                           {"closed_by", i.closed_by},
                           {"opened_ms", i.opened_ms},
                           {"closed_ms", i.closed_ms},
                           {"opened_seq", i.opened_seq},
                           {"last_seq", i.last_seq}});
}

/// An open one with what holds its remedy back.
Result<Json> json_with_triggers(db::Tx& tx, const std::optional<project::Applied>& applied,
                                const monitor::Incident& incident) {
  Json json = json_of(incident);
  json.set("remedy_candidate", TRY(monitor::remedy_on_its_way(tx, incident)));
  json.set("remedy_undecided", TRY(monitor::undecided_remedy(tx, incident)));
  if (!incident.open || !applied) return json;
  Json::Array cooling = TRY(cooling_of(tx, applied->declared.file, incident));
  if (!cooling.empty()) json.set("cooling", std::move(cooling));
  return json;
}

/// The version that serves now, which is not always the one that did when it was judged last; ""
/// for none.
Result<std::string> live_of(db::Tx& tx, const std::string& deployment) {
  const auto found = TRY(delivery::find_deployment(tx, deployment));
  return found && found->stable != 0 ? std::to_string(found->stable) : std::string();
}

Result<Json> json_of(db::Tx& tx, const project::DeploymentSpec& deployment,
                     const project::MonitorSpec& spec) {
  Json json(Json::Object{{"deployment", deployment.name},
                         {"monitor", spec.name},
                         {"requirement", spec.requirement},
                         {"against", spec.against},
                         {"labels", spec.delayed_labels ? "delayed" : ""},
                         {"window", project::to_text(monitor::span_of(spec))},
                         {"waits", project::to_text(monitor::grace_of(spec))},
                         {"min_rows", spec.min_rows},
                         {"persist", spec.persist}});
  const auto state = TRY(monitor::find_monitor(tx, deployment.name, spec.name));
  json.set("begun", state.has_value());
  if (!state) return json;
  const monitor::Window next = monitor::window_from(state->next_ms, monitor::span_of(spec));
  json.set("windows", state->windows);
  const std::string live = TRY(live_of(tx, deployment.name));
  json.set("live", live);
  json.set("next_start_ms", next.start_ms);
  json.set("next_due_ms", monitor::due_ms(spec, next));
  monitor::WindowQuery query;
  query.deployment = deployment.name;
  query.monitor = spec.name;
  query.limit = 1;
  WindowsRequest wanted;
  wanted.measured = true;
  for (const monitor::WindowRow& row : TRY(monitor::windows(tx, query)))
    json.set("last", TRY(json_of(row, wanted)));
  // The last one may be about a candidate that few have asked, or about one that went.
  if (!live.empty()) {
    query.version = live;
    for (const monitor::WindowRow& row : TRY(monitor::windows(tx, query)))
      json.set("last_of_live", TRY(json_of(row, wanted)));
  }
  const auto open = TRY(monitor::open_incident(tx, deployment.name, spec.name));
  if (open) json.set("incident", open->id);
  return json;
}

bool is_true(const http::Request& request, std::string_view name) {
  const auto value = request.query_value(name);
  return value && (*value == "true" || *value == "1");
}

Result<std::int64_t> number_of(const http::Request& request, std::string_view name,
                               const char* otherwise) {
  const std::string text(request.query_value(name).value_or(otherwise));
  const auto number = to_int64(text);
  if (number) return *number;
  return invalid(std::string(name) + " must be a whole number, found '" + text + "'");
}

std::string text_of(const http::Request& request, std::string_view name) {
  return std::string(request.query_value(name).value_or(""));
}

Result<Json> answer_windows(const http::Request& request, db::Pool& pool) {
  WindowsRequest wanted;
  wanted.deployment = text_of(request, "deployment");
  wanted.monitor = text_of(request, "monitor");
  wanted.version = text_of(request, "version");
  wanted.before_ms = TRY(number_of(request, "before_ms", "0"));
  wanted.limit = TRY(number_of(request, "limit", "100"));
  wanted.verdicts = is_true(request, "verdicts");
  wanted.measured = is_true(request, "measured");
  return pool.read([&](db::Tx& tx) { return list_windows(tx, wanted); });
}

Result<Json> answer_incidents(const http::Request& request, db::Pool& pool) {
  IncidentsRequest wanted;
  wanted.deployment = text_of(request, "deployment");
  wanted.open = is_true(request, "open");
  wanted.limit = TRY(number_of(request, "limit", "100"));
  return pool.read([&](db::Tx& tx) { return list_incidents(tx, wanted); });
}

Result<Json> answer_close(const http::Request& request, db::Pool& pool, const Clock& clock) {
  CloseRequest body = TRY(wire::decode<CloseRequest>(request.body));
  body.actor = actor_of(request, body.actor);
  const UnixMs now = clock.now_ms();
  return pool.write(
      [&](db::Tx& tx) { return close_incident_by_hand(tx, request.capture("id"), body, now); });
}

/// By its id, or the beginning of it.
Result<monitor::Incident> incident_named(db::Tx& tx, const std::string& id) {
  constexpr std::size_t kIdBytes = 36;
  const auto unknown = [&] {
    return missing("there is no incident " + id.substr(0, 80) + "; `slipway incidents` lists them");
  };
  if (id.empty() || id.size() > kIdBytes) return unknown();
  const auto found = TRY(graph::find_by_prefix(tx, {graph::kind::kIncident, id}, 2));
  if (found.empty()) return unknown();
  if (found.size() > 1) return invalid("several incidents begin with " + id + "; say more of it");
  auto incident = TRY(monitor::find_incident(tx, found.front().id));
  if (!incident) return unknown();
  return std::move(*incident);
}

}  // namespace

Result<Json> list_monitors(db::Tx& tx) {
  Json::Array all;
  const auto applied = TRY(project::current(tx));
  if (applied) {
    for (const project::DeploymentSpec& deployment : applied->declared.file.deployments)
      for (const project::MonitorSpec& spec : deployment.monitors)
        all.push_back(TRY(json_of(tx, deployment, spec)));
  }
  return Json(Json::Object{{"monitors", std::move(all)}});
}

Result<> find_monitors(const Json& monitors, const std::string& subject) {
  std::vector<std::string> known;
  for (const Json& one : monitors.find("monitors")->as_array()) {
    const std::string& deployment = one.find("deployment")->as_string();
    if (known.empty() || !known.back().starts_with(deployment + "/")) known.push_back(deployment);
    known.push_back(deployment + "/" + one.find("monitor")->as_string());
  }
  if (std::find(known.begin(), known.end(), subject) != known.end()) return {};
  const auto near = nearest(subject, known);
  return missing("there is no monitor '" + subject + "'" +
                 (near ? "; did you mean '" + *near + "'?" : "; `slipway monitors` lists them"));
}

Result<Json> list_windows(db::Tx& tx, const WindowsRequest& request) {
  monitor::WindowQuery query;
  query.deployment = request.deployment;
  query.monitor = request.monitor;
  query.version = request.version;
  query.before_ms = request.before_ms;
  query.limit = TRY(limit_of(request.limit));
  Json::Array all;
  for (const monitor::WindowRow& row : TRY(monitor::windows(tx, query)))
    all.push_back(TRY(json_of(row, request)));
  return Json(Json::Object{{"windows", std::move(all)}});
}

Result<Json> list_incidents(db::Tx& tx, const IncidentsRequest& request) {
  const int limit = TRY(limit_of(request.limit));
  const auto applied = TRY(project::current(tx));
  Json::Array all;
  for (const monitor::Incident& incident :
       TRY(monitor::incidents(tx, request.deployment, request.open, limit)))
    all.push_back(TRY(json_with_triggers(tx, applied, incident)));
  return Json(Json::Object{{"incidents", std::move(all)}});
}

Result<Json> show_incident(db::Tx& tx, const std::string& id) {
  const monitor::Incident incident = TRY(incident_named(tx, id));
  Json json = TRY(json_with_triggers(tx, TRY(project::current(tx)), incident));
  Json::Array history;
  for (const monitor::IncidentChange& change : TRY(monitor::changes_of(tx, incident.id)))
    history.push_back(Json(Json::Object{{"number", change.number},
                                        {"action", change.action},
                                        {"reason", change.reason},
                                        {"actor", change.actor},
                                        {"evidence", TRY(wire::parse(change.evidence))},
                                        {"event_seq", change.event_seq},
                                        {"time_ms", change.time_ms}}));
  json.set("history", std::move(history));
  return json;
}

Result<Json> close_incident_by_hand(db::Tx& tx, const std::string& id, const CloseRequest& request,
                                    UnixMs now_ms) {
  const monitor::Incident incident = TRY(incident_named(tx, id));
  TRY(monitor::close_incident(tx, incident.id, request.actor, request.reason, now_ms));
  return show_incident(tx, incident.id);
}

void mount_monitors(http::Router& router, db::Pool& pool, const Clock& clock,
                    std::function<void()> wake) {
  http::Router::Group group = router.group("/api/slipway/v1", http::render_plain_error);
  const auto get = [&](const char* path, auto answer) {
    group.add({http::Method::kGet, path, http::reads("monitors"), http::Place::kBlocking},
              [&pool, answer](http::Request& request) -> Result<http::Response> {
                return http::Response::json(dumped(TRY(answer(request, pool))));
              });
  };
  get("/monitors", [](const http::Request&, db::Pool& p) {
    return p.read([](db::Tx& tx) { return list_monitors(tx); });
  });
  get("/windows", answer_windows);
  get("/incidents", answer_incidents);
  get("/incidents/{id}", [](const http::Request& request, db::Pool& p) {
    return p.read([&](db::Tx& tx) { return show_incident(tx, request.capture("id")); });
  });
  group.add(
      {http::Method::kPost, "/incidents/{id}/close", http::manages("monitors"),
       http::Place::kBlocking, kBodyBytesMax},
      [&pool, &clock, wake = std::move(wake)](http::Request& request) -> Result<http::Response> {
        const Json closed = TRY(answer_close(request, pool, clock));
        if (wake) wake();
        return http::Response::json(dumped(closed));
      });
}

}  // namespace slipway::app
