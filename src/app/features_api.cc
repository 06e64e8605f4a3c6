#include "app/features_api.h"

#include <algorithm>
#include <chrono>
#include <functional>

#include "app/api.h"
#include "app/app.h"
#include "app/catalogue.h"
#include "app/owner.h"
#include "domain/features/calendar.h"

namespace slipway::app {
namespace {

using features::Input;
using features::Value;
using wire::Json;

constexpr char kBase[] = "/api/slipway/v1/features";

Json json_of(const Value& value) {
  if (features::is_null(value)) return nullptr;
  switch (features::type_of(value)) {
    case features::Type::kBool:
      return std::get<bool>(value);
    case features::Type::kInt64:
      return std::get<std::int64_t>(value);
    case features::Type::kFloat64:
      return std::get<double>(value);
    case features::Type::kString:
      return std::get<std::string>(value);
    case features::Type::kTimestamp:
      return features::to_text(value);
  }
  return nullptr;
}

Json json_of(const features::Faults& faults) {
  Json json;
  json.set("overflows", faults.overflows);
  json.set("domain_errors", faults.domain_errors);
  json.set("failed_casts", faults.failed_casts);
  return json;
}

Result<std::int64_t> time_or_now(const std::string& text, const Clock& clock) {
  if (text.empty()) return clock.now_ms() * 1000;
  if (std::optional<std::int64_t> us = features::parse_timestamp(text)) return *us;
  return invalid("found '" + text + "', expected a time such as 2026-01-31T10:30:00Z");
}

Result<Value> value_of(const Input& input, const std::string& text) {
  std::optional<Value> value = features::parse_value(input.type, text);
  if (value) return *value;
  return invalid("found '" + text + "' for '" + input.name + "', expected " +
                 features::to_string(input.type));
}

Json view_json(const features::Lookup& lookup) {
  const features::View& view = lookup.plan().view();
  Json json;
  json.set("name", view.name);
  json.set("version", lookup.plan().id());
  const auto columns = [](const std::vector<Input>& inputs) {
    Json::Object all;
    for (const Input& input : inputs) all.emplace_back(input.name, features::to_string(input.type));
    return Json(std::move(all));
  };
  json.set("entity", columns(view.entity));
  json.set("request", columns(view.request));
  json.set("features", columns(view.outputs()));
  return json;
}

Result<> require_owner(const http::Request& request) {
  if (request.principal.name == kOwnerName) return {};
  return denied("this is taken only from a command that can read this server's state folder");
}

http::Response answer(const Json& json) {
  wire::DumpStyle style;
  style.non_finite_as_string = true;
  return http::Response::json(wire::dump(json, style));
}

Result<Json> views_json(features::Service& service) {
  Json::Array all;
  for (const auto& lookup : TRY(service.all())) all.push_back(view_json(*lookup));
  Json json;
  json.set("views", std::move(all));
  return json;
}

// ---- for commands

Error error_of(const std::string& url, const http::Response& response) {
  const std::string message = message_of(response);
  if (response.status == 400) return invalid(message);
  if (response.status == 404) return missing(message);
  if (response.status == 409) return conflict(message);
  return unavailable("the server at " + url + " answered with status " +
                     std::to_string(response.status) + ": " + message);
}

Result<Json> post(const std::string& url, const std::string& secret, const std::string& body) {
  http::Response response = TRY(post_to_owner(url, secret, body, std::chrono::minutes(30)));
  if (response.status != 200) return error_of(url, response);
  return wire::parse(response.body);
}

/// What `here` does, as the owner of the state folder, or what the owner answers.
Result<Json> at_owner_of(const std::filesystem::path& folder, const std::string& path,
                         const std::string& body, const std::function<Result<Json>()>& here) {
  return at_owner(folder, here, [&](const std::string& url, const std::string& secret) {
    return post(url + kBase + path, secret, body);
  });
}

Result<graph::NodeRef> ref_from(const Json* json) {
  const Json* kind = json == nullptr ? nullptr : json->find("kind");
  const Json* id = json == nullptr ? nullptr : json->find("id");
  if (kind == nullptr || id == nullptr || !kind->is_string() || !id->is_string()) {
    return invalid("found no kind and id of a node");
  }
  return graph::NodeRef{kind->as_string(), id->as_string()};
}

Json ref_json(const graph::NodeRef& ref) {
  Json json;
  json.set("kind", ref.kind);
  json.set("id", ref.id);
  return json;
}

Json member_or_object(const Json& json, const char* name) {
  const Json* member = json.find(name);
  return member != nullptr && member->is_object() ? *member : Json(Json::Object());
}

Result<std::string> text_member(const Json& json, const char* name) {
  const Json* member = json.find(name);
  if (member == nullptr || !member->is_string()) return invalid(std::string("found no ") + name);
  return member->as_string();
}

const Json::Array& list_member(const Json& json, const char* name) {
  static const Json::Array kNone;
  const Json* member = json.find(name);
  return member != nullptr && member->is_array() ? member->as_array() : kNone;
}

}  // namespace

std::filesystem::path features_folder(const std::filesystem::path& state) {
  return state / "features";
}

Result<Json> materialize_view(features::Service& service, const Clock& clock,
                              const MaterializeRequest& request) {
  const std::int64_t until_us = TRY(time_or_now(request.until, clock));
  const features::Materialized report =
      TRY(service.materialize(request.root, request.view, until_us));
  Json json;
  json.set("rows", static_cast<std::int64_t>(report.rows));
  json.set("written", static_cast<std::int64_t>(report.written));
  json.set("entities", static_cast<std::int64_t>(report.entities));
  json.set("skipped", static_cast<std::int64_t>(report.skipped));
  json.set("newest",
           report.entities == 0 ? Json() : Json(features::format_timestamp(report.newest_us)));
  json.set("faults", json_of(report.faults));
  return json;
}

Result<Json> look_up(features::Service& service, const Clock& clock, const LookupRequest& request) {
  const std::shared_ptr<const features::Lookup> lookup = TRY(service.find(request.view));
  const features::View& view = lookup->plan().view();
  if (request.key.size() != view.entity.size()) {
    return invalid("found " + std::to_string(request.key.size()) + " key values for " + view.name +
                   ", expected " + std::to_string(view.entity.size()));
  }
  std::vector<Value> key, with_request;
  for (std::size_t i = 0; i < request.key.size(); ++i) {
    key.push_back(TRY(value_of(view.entity[i], request.key[i])));
  }
  for (const auto& [name, text] : request.request) {
    const bool known = std::any_of(view.request.begin(), view.request.end(),
                                   [&, n = name](const Input& input) { return input.name == n; });
    if (!known) return invalid("'" + name + "' is no request column of " + view.name);
  }
  for (const Input& input : view.request) {
    const auto given = request.request.find(input.name);
    with_request.push_back(given == request.request.end() ? Value()
                                                          : TRY(value_of(input, given->second)));
  }
  const std::int64_t at_us = TRY(time_or_now(request.at, clock));
  const features::Answer found = TRY(lookup->get(key, with_request, at_us));
  Json json;
  json.set("view", lookup->plan().id());
  json.set("presence", features::to_string(found.presence));
  const bool dated = found.presence != features::Presence::kMissing;
  json.set("event_time", dated ? Json(features::format_timestamp(found.event_us)) : Json());
  json.set("at", features::format_timestamp(at_us));
  const std::vector<Input> outputs = view.outputs();
  Json values{Json::Object()};
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    values.set(outputs[i].name, json_of(found.values[i]));
  }
  json.set("features", std::move(values));
  json.set("faults", json_of(found.faults));
  json.set("too_late", found.too_late);
  // The store keeps one row: of before it, nothing is known here.
  const bool comes_later = found.event_us > at_us;
  json.set("newest", comes_later ? Json(features::format_timestamp(found.event_us)) : Json());
  return json;
}

Json to_json(const features::TrainingFacts& facts) {
  Json::Array nodes, edges, events;
  for (const auto& [ref, attributes] : facts.nodes) {
    Json node = ref_json(ref);
    node.set("attributes", attributes);
    nodes.push_back(std::move(node));
  }
  for (const graph::Edge& edge : facts.edges) {
    Json json;
    json.set("effect", ref_json(edge.effect));
    json.set("relation", edge.relation);
    json.set("cause", ref_json(edge.cause));
    json.set("attributes", edge.attributes);
    edges.push_back(std::move(json));
  }
  for (const graph::Event& event : facts.events) {
    Json json;
    json.set("type", event.type);
    json.set("subject", ref_json(event.subject));
    json.set("actor", event.actor);
    json.set("data", event.data);
    events.push_back(std::move(json));
  }
  Json json;
  json.set("nodes", std::move(nodes));
  json.set("edges", std::move(edges));
  json.set("events", std::move(events));
  return json;
}

Result<features::TrainingFacts> training_facts_from(const Json& json) {
  features::TrainingFacts facts;
  for (const Json& node : list_member(json, "nodes")) {
    facts.nodes.emplace_back(TRY(ref_from(&node)), member_or_object(node, "attributes"));
  }
  for (const Json& edge : list_member(json, "edges")) {
    facts.edges.push_back({TRY(ref_from(edge.find("effect"))), TRY(text_member(edge, "relation")),
                           TRY(ref_from(edge.find("cause"))),
                           member_or_object(edge, "attributes")});
  }
  for (const Json& event : list_member(json, "events")) {
    facts.events.push_back({TRY(text_member(event, "type")), TRY(ref_from(event.find("subject"))),
                            TRY(text_member(event, "actor")), 0, member_or_object(event, "data")});
  }
  return facts;
}

void mount_features(http::Router& router, features::Service& service, db::Pool& pool,
                    const Clock& clock) {
  http::Router::Group group = router.group(kBase, http::render_plain_error);
  group.add({http::Method::kGet, "/views", http::reads("features"), http::Place::kBlocking},
            [&service](http::Request&) -> Result<http::Response> {
              return answer(TRY(views_json(service)));
            });
  group.add(
      {http::Method::kPost, "/lookup", http::reads("features"), http::Place::kBlocking},
      [&service, &clock](http::Request& request) -> Result<http::Response> {
        return answer(TRY(look_up(service, clock, TRY(wire::decode<LookupRequest>(request.body)))));
      });
  group.add(
      {http::Method::kPost, "/materialize", http::manages("features"), http::Place::kBlocking},
      [&service, &clock](http::Request& request) -> Result<http::Response> {
        TRY(require_owner(request));
        return answer(TRY(
            materialize_view(service, clock, TRY(wire::decode<MaterializeRequest>(request.body)))));
      });
  group.add({http::Method::kPost, "/training-sets", http::manages("graph"), http::Place::kBlocking},
            [&pool, &clock](http::Request& request) -> Result<http::Response> {
              TRY(require_owner(request));
              const features::TrainingFacts facts =
                  TRY(training_facts_from(TRY(wire::parse(request.body))));
              TRY(pool.write([&](db::Tx& tx) -> Result<> {
                return features::record(tx, facts, clock.now_ms());
              }));
              return http::Response::json("{}");
            });
}

Result<Json> materialize_at(const std::filesystem::path& state, const MaterializeRequest& request) {
  return at_owner_of(state, "/materialize", wire::encode(request), [&]() -> Result<Json> {
    Metrics metrics;
    SystemClock clock;
    features::Service service(features_folder(state), metrics);
    return materialize_view(service, clock, request);
  });
}

Result<Json> look_up_at(const std::filesystem::path& state, const LookupRequest& request) {
  // Looking makes nothing, and where nothing is there is nothing to look up.
  if (!has_state(state)) {
    return missing("no feature view '" + request.view +
                   "' was materialized: there is no state at " + state.string() +
                   "; run this in its project, or name the folder with --state");
  }
  return at_owner_of(state, "/lookup", wire::encode(request), [&]() -> Result<Json> {
    Metrics metrics;
    SystemClock clock;
    features::Service service(features_folder(state), metrics);
    return look_up(service, clock, request);
  });
}

Result<> record_at(const std::filesystem::path& state, const features::TrainingFacts& facts) {
  TRY(at_owner_of(state, "/training-sets", wire::dump(to_json(facts)), [&]() -> Result<Json> {
    Metrics metrics;
    SystemClock clock;
    auto pool = TRY(db::Pool::open(TRY(catalogue_of(state)), all_migrations(), metrics));
    TRY(pool->write(
        [&](db::Tx& tx) -> Result<> { return features::record(tx, facts, clock.now_ms()); }));
    return Json();
  }));
  return {};
}

}  // namespace slipway::app
