#include "app/runs_api.h"

#include <algorithm>
#include <iterator>
#include <variant>

#include "app/api.h"
#include "app/loop/nats_part.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/text.h"
#include "domain/flows/run_folders.h"
#include "domain/flows/runs_store.h"
#include "domain/flows/runs_work.h"
#include "graph/kinds.h"
#include "io/git/git.h"
#include "io/wire/codec.h"

namespace slipway::app {
namespace {

using wire::Json;

constexpr int kListMax = 1000;
constexpr int kChainMax = 1000;  // events from a run back to its first cause

Json json_of(const graph::LoggedEvent& event) {
  Json json;
  json.set("seq", event.seq);
  json.set("id", event.id);
  json.set("time", to_iso8601(event.time_ms));
  json.set("time_ms", event.time_ms);
  json.set("type", event.event.type);
  json.set("subject", event.event.subject.kind + ":" + event.event.subject.id);
  json.set("actor", event.event.actor);
  json.set("cause_seq", event.event.cause_seq);
  json.set("data", event.event.data);
  return json;
}

Json json_of(const flows::TriggerDecision& decision) {
  Json json;
  json.set("trigger", decision.trigger);
  json.set("act", decision.act);
  json.set("rule", decision.rule);
  json.set("reason", decision.reason);
  json.set("times", decision.decided);
  json.set("run", decision.run);
  json.set("first_ms", decision.first_ms);
  json.set("last_ms", decision.last_ms);
  json.set("event_seq", decision.log_seq);
  return json;
}

template <class List>
Json list_of(const char* name, const List& list) {
  Json::Array items;
  for (const auto& item : list) items.push_back(json_of(item));
  Json json;
  json.set(name, std::move(items));
  return json;
}

Result<std::optional<graph::LoggedEvent>> event_at(db::Tx& tx, std::int64_t seq) {
  auto events = TRY(graph::events_after(tx, seq - 1, 1));
  if (events.empty() || events.front().seq != seq) return std::optional<graph::LoggedEvent>();
  return std::optional<graph::LoggedEvent>(std::move(events.front()));
}

Result<int> limit_of(const http::Request& request) {
  const auto limit = to_int64(request.query_value("limit").value_or("100"));
  if (!limit || *limit < 1 || *limit > kListMax)
    return invalid("limit must be a whole number from 1 to " + std::to_string(kListMax));
  return static_cast<int>(*limit);
}

// --- asking ---

struct Wish {
  std::string pipeline, commit, actor;
  std::map<std::string, std::string> params;
};
WIRE(Wish, pipeline, commit, actor, params)

Result<flows::ByHand> by_hand(const http::Request& request) {
  constexpr std::size_t kWordMax = 1024;
  Wish wish = TRY(wire::decode<Wish>(request.body));
  if (wish.pipeline.empty()) return invalid("\"pipeline\" says which one to run");
  if (std::max({wish.pipeline.size(), wish.commit.size(), wish.actor.size()}) > kWordMax)
    return invalid("pipeline, commit and actor are at most 1024 bytes long");
  flows::ByHand asked{
      std::move(wish.pipeline), actor_of(request, wish.actor), std::move(wish.commit), {}};
  for (auto& [key, value] : wish.params) {
    flows::ParamInput input;
    const std::size_t colon = key.rfind(':');
    if (colon != std::string::npos) input.file = key.substr(0, colon);
    input.key = colon == std::string::npos ? key : key.substr(colon + 1);
    input.value = std::move(value);
    asked.params.push_back(std::move(input));
  }
  return asked;
}

/// A run of what is not there would begin, and fail.
Result<> check_commit(const std::filesystem::path& project, const std::string& name) {
  if (name.empty() || !git::WorkTree::find(project)) return {};  // the run says it
  const git::Outcome outcome = TRY(git::run(
      project, {"rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"}));
  if (outcome.status == 0) return {};
  return missing("there is no commit, branch or tag " + name + " in " + project.string());
}

Result<http::Response> ask(const http::Request& request, const RunsWorld& world) {
  constexpr int kCreated = 201;
  const flows::ByHand asked = TRY(by_hand(request));
  TRY(check_commit(world.project, asked.commit));
  auto applied = TRY(world.triggers.project());
  if (applied == nullptr) return missing("no project was applied yet; `slipway apply` does it");
  const UnixMs now = world.clock.now_ms();
  const Json json = TRY(world.pool.write([&](db::Tx& tx) -> Result<Json> {
    return show_run(tx, TRY(flows::ask_run(tx, applied->declared.file, asked, now)));
  }));
  failpoint("run.asked_for");
  world.wake();
  return http::Response::json(wire::dump(json), kCreated);
}

Result<http::Response> cancel(const http::Request& request, const RunsWorld& world) {
  std::string actor = request.principal.name;
  if (!request.body.empty()) {
    const Json body = TRY(wire::parse(request.body));
    const Json* said = body.find("actor");
    if (said != nullptr && said->is_string())
      actor = actor_of(request, said->as_string().substr(0, 256));
  }
  const UnixMs now = world.clock.now_ms();
  const Json json = TRY(world.pool.write([&](db::Tx& tx) -> Result<Json> {
    const flows::PipelineRun run = TRY(flows::run_by_prefix(tx, request.capture("id")));
    return flows::to_json(TRY(flows::cancel_run(tx, run.id, actor, now)));
  }));
  world.wake();
  return http::Response::json(wire::dump(json));
}

/// What it printed, from an offset on.
Result<http::Response> answer_log(const http::Request& request, const RunsWorld& world) {
  const auto offset = to_int64(request.query_value("offset").value_or("0"));
  if (!offset || *offset < 0) return invalid("offset must be a whole number from 0");
  const flows::PipelineRun run = TRY(
      world.pool.read([&](db::Tx& tx) { return flows::run_by_prefix(tx, request.capture("id")); }));
  Result<std::string> text = read_file(flows::RunFolder::of(world.state, run.id).log());
  if (!text.ok() && text.error().code != Code::kMissing) return text.error();
  if (!text.ok() && run.ended_ms != 0 && run.started_ms != 0)
    return flows::log_is_gone(run.id, run.ended_ms);
  std::string shown = text.ok() ? std::move(*text) : std::string();
  shown.erase(0, std::min<std::size_t>(shown.size(), static_cast<std::size_t>(*offset)));
  return http::Response::text(std::move(shown));
}

Result<std::int64_t> seq_of(const http::Request& request, const char* name, const char* otherwise) {
  const auto seq = to_int64(request.query_value(name).value_or(otherwise));
  if (seq) return *seq;
  return invalid(std::string(name) + " must be the number of an event");
}

Result<graph::LookBack> look_back_of(const http::Request& request) {
  constexpr std::size_t kKindsMax = 32;
  graph::LookBack look;
  look.before = TRY(seq_of(request, "before", "0"));
  if (look.before < 0) return invalid("before must be the number of an event, or 0 for the newest");
  look.limit = TRY(limit_of(request));
  const std::string types = request.query_value("types").value_or("");
  for (const std::string_view kind : split(types, ','))
    if (!kind.empty()) look.kinds.emplace_back(kind);
  if (look.kinds.size() > kKindsMax)
    return invalid("types names at most " + std::to_string(kKindsMax) + " kinds of events");
  return look;
}

Result<Json> events_about(db::Tx& tx, const std::string& subject, int limit) {
  const std::size_t colon = subject.find(':');
  if (colon == 0 || colon == std::string::npos || colon + 1 == subject.size())
    return invalid("subject must be KIND:ID, found '" + subject.substr(0, 80) + "'");
  const graph::NodeRef ref{subject.substr(0, colon), subject.substr(colon + 1)};
  return list_of("events", TRY(graph::events_about(tx, ref, limit)));
}

/// All after a number, those about one thing, or a look back at some kinds.
Result<Json> answer_events(db::Tx& tx, const http::Request& request) {
  const auto subject = request.query_value("subject");
  if (subject) return events_about(tx, *subject, TRY(limit_of(request)));
  if (request.query_value("types") || request.query_value("before"))
    return look_back(tx, TRY(look_back_of(request)));
  return show_events(tx, TRY(seq_of(request, "after", "-1")), TRY(limit_of(request)));
}

http::Response json_response(const Json& json) {
  return http::Response::json(wire::dump(json));
}

Result<http::Response> answer_triggers(const RunsWorld& world) {
  static const project::ProjectFile kNothing;
  const auto applied = TRY(world.triggers.project());
  const project::ProjectFile& file = applied ? applied->declared.file : kNothing;
  return json_response(TRY(
      world.pool.read([&](db::Tx& tx) { return show_triggers(tx, file, world.clock.now_ms()); })));
}

}  // namespace

Result<Json> show_runs(db::Tx& tx, const std::string& pipeline, int limit) {
  Json::Array list;
  for (const flows::PipelineRun& run : TRY(flows::recent_runs(tx, limit))) {
    if (!pipeline.empty() && run.plan.pipeline != pipeline) continue;
    list.push_back(flows::to_json(run));
  }
  Json json;
  json.set("runs", std::move(list));
  return json;
}

Result<Json> show_run(db::Tx& tx, const std::string& id) {
  const flows::PipelineRun run = TRY(flows::run_by_prefix(tx, id));
  Json json = flows::to_json(run);
  Json::Array attempts;
  for (const flows::RunAttempt& attempt : TRY(flows::attempts_of(tx, run.id)))
    attempts.push_back(flows::to_json(attempt));
  json.set("attempts_made", std::move(attempts));
  return json;
}

Result<Json> show_events(db::Tx& tx, std::int64_t after, int limit) {
  if (after < 0) after = std::max<std::int64_t>(0, TRY(graph::newest_seq(tx)) - limit);
  return list_of("events", TRY(graph::events_after(tx, after, limit)));
}

Result<Json> look_back(db::Tx& tx, const graph::LookBack& look) {
  const graph::EventsBack found = TRY(graph::events_back(tx, look));
  Json json = list_of("events", found.events);
  json.set("before", found.before);
  return json;
}

Result<Json> why_run(db::Tx& tx, const std::string& id) {
  const flows::PipelineRun run = TRY(flows::run_by_prefix(tx, id));
  std::vector<graph::LoggedEvent> chain;
  for (std::int64_t seq = run.last_seq; seq != 0 && chain.size() < kChainMax;) {
    auto event = TRY(event_at(tx, seq));
    if (!event) break;
    const std::int64_t cause = event->event.cause_seq;
    chain.push_back(std::move(*event));
    if (cause >= seq) break;  // no cause comes after what it caused
    seq = cause;
  }
  std::reverse(chain.begin(), chain.end());
  Json json;
  json.set("run", flows::to_json(run));
  json.set("events", *list_of("events", chain).find("events"));
  return json;
}

Result<Json> show_decisions(db::Tx& tx, const std::string& trigger, int limit) {
  return list_of("decisions", TRY(flows::decisions(tx, trigger, limit)));
}

Result<Json> show_triggers(db::Tx& tx, const project::ProjectFile& file, UnixMs now_ms) {
  // In the order of project::TriggerSource.
  static constexpr const char* kSources[] = {"cron",       "data",  "git",
                                             "cloudevent", "alert", "incident"};
  static_assert(std::size(kSources) == std::variant_size_v<project::TriggerSource>);
  Json::Array list;
  for (const project::TriggerSpec& trigger : file.triggers) {
    const UnixMs fired = TRY(flows::last_fired(tx, trigger.name));
    const UnixMs firing = std::max(fired, TRY(flows::last_firing(tx, trigger.name)));
    const UnixMs rests = fired == 0 ? 0 : fired + trigger.cooldown.count();
    list.push_back(Json(Json::Object{
        {"trigger", trigger.name},
        {"pipeline", trigger.pipeline},
        {"on", kSources[trigger.source.index()]},
        {"cooldown_ms", static_cast<std::int64_t>(trigger.cooldown.count())},
        {"at_most", trigger.at_most ? Json(project::to_text(*trigger.at_most)) : Json()},
        {"overlap", trigger.overlap},
        {"last_fired_ms", firing},
        {"was_skipped", firing > fired},
        {"rests_until_ms", rests > now_ms ? rests : 0}}));
  }
  return Json(Json::Object{{"triggers", Json(std::move(list))}});
}

void mount_runs(http::Router& router, RunsWorld given) {
  const auto world = std::make_shared<const RunsWorld>(std::move(given));
  http::Router::Group group = router.group("/api/slipway/v1", http::render_plain_error);
  auto get = [&](const char* pattern, auto show) {
    group.add({http::Method::kGet, pattern, http::reads("flows"), http::Place::kBlocking},
              [world, show](http::Request& request) -> Result<http::Response> {
                return json_response(TRY(world->pool.read(
                    [&](db::Tx& tx) -> Result<Json> { return show(tx, request); })));
              });
  };
  get("/runs", [](db::Tx& tx, const http::Request& request) -> Result<Json> {
    return show_runs(tx, request.query_value("pipeline").value_or(""), TRY(limit_of(request)));
  });
  get("/runs/{id}",
      [](db::Tx& tx, const http::Request& request) { return show_run(tx, request.capture("id")); });
  get("/runs/{id}/why",
      [](db::Tx& tx, const http::Request& request) { return why_run(tx, request.capture("id")); });
  get("/events",
      [](db::Tx& tx, const http::Request& request) { return answer_events(tx, request); });
  group.add({http::Method::kGet, "/triggers", http::reads("flows"), http::Place::kBlocking},
            [world](http::Request&) { return answer_triggers(*world); });
  get("/triggers/decisions", [](db::Tx& tx, const http::Request& request) -> Result<Json> {
    return show_decisions(tx, request.query_value("trigger").value_or(""), TRY(limit_of(request)));
  });
  get("/triggers/sources",
      [](db::Tx& tx, const http::Request&) -> Result<Json> { return show_nats_sources(tx); });
  // Somebody knows that there is something new to see; looking again does no harm.
  group.add({http::Method::kPost, "/triggers/look", http::writes("flows"), http::Place::kInline},
            [world](http::Request&) -> Result<http::Response> {
              world->wake();
              return http::Response::json("{}");
            });
  group.add({http::Method::kGet, "/runs/{id}/log", http::reads("flows"), http::Place::kBlocking},
            [world](http::Request& request) { return answer_log(request, *world); });
  group.add({http::Method::kPost, "/runs", http::writes("flows"), http::Place::kBlocking},
            [world](http::Request& request) { return ask(request, *world); });
  group.add(
      {http::Method::kPost, "/runs/{id}/cancel", http::writes("flows"), http::Place::kBlocking},
      [world](http::Request& request) { return cancel(request, *world); });
}

}  // namespace slipway::app
