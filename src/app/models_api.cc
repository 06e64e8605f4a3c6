#include "app/models_api.h"

#include <algorithm>

#include "base/text.h"
#include "domain/registry/history.h"

namespace slipway::app {
namespace {

using registry::PastChange;
using wire::Json;

constexpr std::int64_t kDayMs = 24 * 3600 * 1000;
constexpr int kLimitMax = registry::kChangesMax;

Json json_of(const PastChange& change) {
  Json json;
  json.set("seq", change.seq);
  json.set("time_ms", change.time_ms);
  json.set("time", to_iso8601(change.time_ms));
  json.set("change", change.type);
  if (change.version) json.set("version", *change.version);
  json.set("who", change.who);
  if (!change.key.empty()) json.set("key", change.key);
  if (change.from) json.set("from", *change.from);
  if (change.to) json.set("to", *change.to);
  if (!change.why.empty()) json.set("why", change.why);
  if (change.cause_seq != 0) json.set("cause_seq", change.cause_seq);
  return json;
}

Json json_of(const registry::AsOf& held, UnixMs at) {
  Json json;
  json.set("time_ms", at);
  json.set("time", to_iso8601(at));
  json.set("existed", held.existed);
  Json aliases{Json::Object{}}, stages{Json::Object{}};
  for (const auto& [alias, version] : held.aliases) aliases.set(alias, version);
  for (const auto& [version, stage] : held.stages) stages.set(std::to_string(version), stage);
  json.set("aliases", std::move(aliases));
  json.set("stages", std::move(stages));
  return json;
}

bool is_wanted(const PastChange& change, const HistoryQuery& query) {
  if (query.at && change.time_ms > *query.at) return false;
  if (query.alias.empty()) return true;
  return change.type.starts_with("alias.") && change.key == query.alias;
}

Result<HistoryQuery> query_of(const http::Request& request) {
  HistoryQuery query;
  query.model = request.capture("model");
  query.alias = request.query_value("alias").value_or("");
  if (const auto at = request.query_value("at")) query.at = TRY(time_of(*at));
  if (const auto limit = request.query_value("limit")) {
    const auto number = to_int64(*limit);
    if (!number || *number < 1 || *number > kLimitMax)
      return invalid("found limit " + std::string(*limit) + ", expected a number from 1 to " +
                     std::to_string(kLimitMax));
    query.limit = static_cast<int>(*number);
  }
  return query;
}

}  // namespace

Result<UnixMs> time_of(std::string_view text) {
  constexpr std::size_t kDayLength = 10;
  const bool is_day = text.size() == kDayLength;
  const auto time = parse_iso8601(is_day ? std::string(text) + "T00:00:00Z" : std::string(text));
  if (time) return is_day ? *time + kDayMs - 1 : *time;
  return invalid("found the time '" + std::string(text) +
                 "', expected a day, 2026-05-03, or a time, 2026-05-03T12:00:00Z");
}

Result<Json> model_history(db::Tx& tx, const HistoryQuery& query) {
  registry::History history = TRY(registry::history_of(tx, query.model));
  if (!query.with_predecessors) registry::forget_predecessors(history);
  Json::Array changes;
  for (const PastChange& change : history.changes)
    if (is_wanted(change, query)) changes.push_back(json_of(change));
  const auto limit = static_cast<std::size_t>(query.limit);
  const bool cut = changes.size() > limit;
  if (cut) changes.erase(changes.begin(), changes.end() - static_cast<std::ptrdiff_t>(limit));
  Json json;
  json.set("model", query.model);
  json.set("changes", std::move(changes));
  json.set("more", cut || history.more);
  if (query.at) json.set("as_of", json_of(registry::as_of(history.changes, *query.at), *query.at));
  return json;
}

void mount_models(http::Router& router, db::Pool& pool, SeesAll sees_all) {
  http::Router::Group group = router.group("/api/slipway/v1", http::render_plain_error);
  group.add({http::Method::kGet, "/models/{model}/history", http::reads("registry"),
             http::Place::kBlocking},
            [&pool, sees_all = std::move(sees_all)](
                http::Request& request) -> Result<http::Response> {
              HistoryQuery query = TRY(query_of(request));
              query.with_predecessors = sees_all(request.principal);
              const Json json =
                  TRY(pool.read([&](db::Tx& tx) { return model_history(tx, query); }));
              return http::Response::json(wire::dump(json));
            });
}

}  // namespace slipway::app
