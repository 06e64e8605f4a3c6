#include "dialects/mlflow/webhooks.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "base/base64.h"
#include "base/hash.h"
#include "base/ids.h"
#include "base/text.h"
#include "dialects/mlflow/api.h"
#include "dialects/mlflow/registry_messages.h"
#include "dialects/mlflow/request.h"
#include "dialects/mlflow/webhook_events.h"
#include "io/http/client.h"

namespace slipway::mlflow {
namespace {

using http::Method;
using http::Request;
using http::Response;
using notify::Webhook;
using wire::Json;

// --- what is owed -------------------------------------------------------------------------------

constexpr std::string_view kPromptTextTag = "mlflow.prompt.text";
constexpr std::string_view kPromptTypeTag = "_mlflow_prompt_type";

/// {"key": "value"}: of a key that comes twice the last value, where it came first.
Json tag_object(const registry::Tags& tags, std::initializer_list<std::string_view> without = {}) {
  Json object(Json::Object{});
  for (const registry::Tag& tag : tags) {
    const bool hidden = std::find(without.begin(), without.end(), tag.key) != without.end();
    if (!hidden) object.set(tag.key, tag.value);
  }
  return object;
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json of_new_model(const registry::NewModel& model, bool prompt) {
  Json data;
  data.set("name", model.name);
  data.set("tags", prompt ? tag_object(model.tags, {kIsPromptTag, kPromptTypeTag})
                          : tag_object(model.tags));
  data.set("description", model.description);
  return data;
}

Json of_new_version(const registry::NewVersion& version, std::int64_t number, bool prompt) {
  Json data;
  data.set("name", version.model);
  data.set("version", std::to_string(number));
  if (prompt) {
    Json text;
    for (const registry::Tag& tag : version.tags) {
      if (tag.key == kPromptTextTag) text = tag.value;
    }
    data.set("template", text);
    data.set("tags", tag_object(version.tags, {kPromptTextTag, kIsPromptTag, kPromptTypeTag}));
  } else {
    data.set("source", version.source);
    data.set("run_id", text_or_null(version.run_id));
    data.set("tags", tag_object(version.tags));
  }
  data.set("description", text_or_null(version.description));
  return data;
}

struct Happening {
  std::string event;
  Json data;
};

using Kind = registry::Change::Kind;

Happening of_tag(const registry::Change& change, const char* entity, bool of_version, bool set) {
  Json data;
  data.set("name", change.model);
  if (of_version) data.set("version", std::to_string(change.number));
  data.set("key", change.tag.key);
  if (set) data.set("value", change.tag.value);
  return {std::string(entity) + (set ? ".set" : ".deleted"), std::move(data)};
}

Happening of_alias(const registry::Change& change, bool prompt, bool set) {
  Json data;
  data.set("name", change.model);
  data.set("alias", change.alias);
  if (set) data.set("version", std::to_string(change.number));
  return {std::string(prompt ? "prompt_alias" : "model_version_alias") +
              (set ? ".created" : ".deleted"),
          std::move(data)};
}

/// What MLflow calls it; nothing where it tells nobody. `prompt`: whether the model is one now.
std::optional<Happening> happening_of(const registry::Change& change, bool prompt) {
  switch (change.kind) {
    case Kind::kModelCreated:
      return Happening{prompt ? "prompt.created" : "registered_model.created",
                       of_new_model(*change.new_model, prompt)};
    case Kind::kVersionCreated:
      return Happening{prompt ? "prompt_version.created" : "model_version.created",
                       of_new_version(*change.new_version, change.number, prompt)};
    case Kind::kModelTagSet:
    case Kind::kModelTagDeleted:
      if (!prompt) return std::nullopt;
      return of_tag(change, "prompt_tag", false, change.kind == Kind::kModelTagSet);
    case Kind::kVersionTagSet:
    case Kind::kVersionTagDeleted:
      return of_tag(change, prompt ? "prompt_version_tag" : "model_version_tag", true,
                    change.kind == Kind::kVersionTagSet);
    case Kind::kAliasSet:
    case Kind::kAliasDeleted:
      return of_alias(change, prompt, change.kind == Kind::kAliasSet);
  }
  return std::nullopt;
}

/// A new version is a prompt's by its own tags, anything else by its model's.
Result<bool> is_of_prompt(db::Tx& tx, const registry::Change& change) {
  if (change.new_model != nullptr) return is_prompt(change.new_model->tags);
  if (change.new_version != nullptr) return is_prompt(change.new_version->tags);
  return to_lower(TRY(registry::model_tag(tx, change.model, kIsPromptTag))) == "true";
}

Result<> note_change(db::Tx& tx, const registry::Change& change, UnixMs now_ms) {
  // Where nobody listens nothing is made up.
  if (!TRY(notify::any_webhook(tx))) return {};
  const auto happening = happening_of(change, TRY(is_of_prompt(tx, change)));
  if (!happening) return {};
  TRY(notify::owe(
      tx, happening->event,
      [&]() -> Result<std::string> {
        return webhook_body(happening->event, happening->data, now_ms);
      },
      now_ms));
  return {};
}

// --- what is sent -------------------------------------------------------------------------------

http::Headers headers_of(const std::string& id, const std::string& secret, const std::string& body,
                         UnixMs now_ms) {
  const std::string timestamp = std::to_string(now_ms / 1000);
  http::Headers headers;
  headers.add("Content-Type", "application/json");
  headers.add("X-MLflow-Delivery-Id", id);
  headers.add("X-MLflow-Timestamp", timestamp);
  if (secret.empty()) return headers;
  const std::string mac = hmac_sha256(secret, id + "." + timestamp + "." + body);
  headers.add("X-MLflow-Signature", "v1," + base64_encode(mac));
  return headers;
}

bool may_pass(int status) {
  return status == 408 || status == 429 || status >= 500;
}

// --- calls --------------------------------------------------------------------------------------

struct EventMessage {
  Json entity, action;
};
WIRE(EventMessage, entity, action)

struct WebhookCall {
  std::string name, url;
  std::vector<EventMessage> events;
  std::optional<std::string> description, secret;
  Json status;
};
WIRE(WebhookCall, name, url, events, description, secret, status)
constexpr Parameter kCreate[] = {{"name", Type::kText, kRequired},
                                 {"url", Type::kText, kRequired},
                                 {"events", Type::kList, kRequired},
                                 {"description"},
                                 {"secret"},
                                 {"status"}};
constexpr Parameter kUpdate[] = {{"name"},   {"description"}, {"url"}, {"events", Type::kList},
                                 {"secret"}, {"status"}};

struct ListCall {
  std::optional<std::int64_t> max_results;
  std::string page_token;
};
WIRE(ListCall, max_results, page_token)
constexpr Parameter kList[] = {{"max_results", Type::kInteger}, {"page_token"}};

struct TestCall {
  std::optional<EventMessage> event;
};
WIRE(TestCall, event)
constexpr Parameter kTest[] = {{"event", Type::kAny}};

struct EventAnswer {
  std::string entity, action;
};
WIRE(EventAnswer, entity, action)
struct WebhookMessage {
  std::string webhook_id, name;
  std::optional<std::string> description;
  std::string url;
  std::vector<EventAnswer> events;
  std::string status;
  std::int64_t creation_timestamp = 0, last_updated_timestamp = 0;
};
WIRE(WebhookMessage, webhook_id, name, description, url, events, status, creation_timestamp,
     last_updated_timestamp)
struct WebhookAnswer {
  WebhookMessage webhook;
};
WIRE(WebhookAnswer, webhook)
struct WebhooksAnswer {
  std::optional<std::vector<WebhookMessage>> webhooks;
  std::optional<std::string> next_page_token;
};
WIRE(WebhooksAnswer, webhooks, next_page_token)
struct TestResult {
  bool success = false;
  std::optional<std::int64_t> response_status;
  std::optional<std::string> response_body, error_message;
};
WIRE(TestResult, success, response_status, response_body, error_message)
struct TestAnswer {
  TestResult result;
};
WIRE(TestAnswer, result)

WebhookMessage to_message(const Webhook& webhook) {
  WebhookMessage message{webhook.id,
                         webhook.name,
                         std::nullopt,
                         webhook.url,
                         {},
                         webhook.active ? "ACTIVE" : "DISABLED",
                         webhook.created_ms,
                         webhook.updated_ms};
  if (!webhook.description.empty()) message.description = webhook.description;
  for (const std::string& name : webhook.events) {
    const WebhookEventKind* event = find_webhook_event(name);
    if (event != nullptr) message.events.push_back({event->entity, event->action});
  }
  return message;
}

Response answer(const Webhook& webhook) {
  return to_response(WebhookAnswer{to_message(webhook)});
}

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

Result<> check_webhook_name(const std::string& name) {
  const bool fits = !name.empty() && name.size() <= 63 && is_alnum(name.front()) &&
                    is_alnum(name.back()) && std::all_of(name.begin(), name.end(), [](char c) {
                      return is_alnum(c) || c == '.' || c == '_' || c == '-';
                    });
  if (fits) return {};
  return invalid("Webhook name '" + name +
                 "' is invalid. It must start and end with a letter or digit, be less than 63 "
                 "characters long, and contain only letters, digits, dots (.), underscores (_), "
                 "and hyphens (-).");
}

bool is_of_scheme(char c) {
  return is_alnum(c) || c == '+' || c == '-' || c == '.';
}

struct UrlParts {
  std::string scheme, host;
};
UrlParts parts_of(std::string_view url) {
  const std::size_t colon = url.find(':');
  if (colon == std::string_view::npos) return {};
  const std::string_view scheme = url.substr(0, colon);
  if (!std::all_of(scheme.begin(), scheme.end(), is_of_scheme)) return {};
  UrlParts parts{to_lower(std::string(scheme)), ""};
  std::string_view rest = url.substr(colon + 1);
  if (!rest.starts_with("//")) return parts;
  rest = rest.substr(2, rest.find_first_of("/?#", 2) - 2);
  if (const std::size_t user = rest.rfind('@'); user != std::string_view::npos) {
    rest.remove_prefix(user + 1);
  }
  if (rest.starts_with('[')) {
    const std::size_t close = rest.find(']');
    parts.host = std::string(close == std::string_view::npos ? "" : rest.substr(1, close - 1));
  } else {
    parts.host = to_lower(std::string(rest.substr(0, rest.find(':'))));
  }
  return parts;
}

Result<> check_webhook_url(const std::string& url, bool private_allowed) {
  constexpr std::size_t kUrlMax = 500;
  if (trim(url).empty()) {
    return invalid("Webhook URL cannot be empty or just whitespace: '" + url + "'");
  }
  const UrlParts parts = parts_of(url);
  if (parts.scheme != "https" && !(private_allowed && parts.scheme == "http")) {
    return invalid("Invalid webhook URL scheme: '" + parts.scheme +
                   "'. Allowed schemes are: " + (private_allowed ? "http, https." : "https."));
  }
  const bool plain = std::all_of(url.begin(), url.end(), [](char c) { return c > ' ' && c < 127; });
  if (url.size() > kUrlMax || !plain) {
    return invalid(
        "Invalid webhook URL: it must have at most 500 characters, all of ASCII and none "
        "blank");
  }
  if (parts.host.empty()) return invalid("Webhook URL must include a hostname: '" + url + "'");
  if (private_allowed) return {};
  const Result<std::string> inner = http::non_public_address(parts.host);
  if (!inner.ok()) {
    return invalid("Cannot resolve Webhook URL hostname '" + parts.host +
                   "': " + inner.error().message);
  }
  if (inner->empty()) return {};
  return invalid("Webhook URL must not resolve to a non-public IP address. '" + parts.host +
                 "' resolves to " + *inner + ".");
}

Result<std::vector<std::string>> event_names(const std::vector<EventMessage>& events) {
  std::vector<std::string> names;
  for (const EventMessage& one : events) {
    const std::string name = TRY(to_webhook_event(one.entity, one.action))->name;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  return names;
}

/// Nothing when the call does not say.
Result<std::optional<bool>> active_of(const Json& status) {
  if (status.is_null()) return std::optional<bool>();
  const bool by_name = status.is_string(), by_number = status.is_integer();
  if ((by_name && status.as_string() == "ACTIVE") || (by_number && status.as_int64() == 1)) {
    return std::optional(true);
  }
  if ((by_name && status.as_string() == "DISABLED") || (by_number && status.as_int64() == 2)) {
    return std::optional(false);
  }
  return invalid("Invalid status of a webhook: " + wire::dump(status) +
                 ". It is ACTIVE or DISABLED.");
}

class Webhooks {
 public:
  Webhooks(db::Pool& pool, const Clock& clock, WebhookOptions options)
      : pool_(pool), clock_(clock), options_(std::move(options)) {}

  Result<Response> create(const Request& request) {
    TRY(check_content_type(request));
    auto call = TRY(read_request<WebhookCall>(request, kCreate));
    const std::vector<std::string> events = TRY(event_names(call.events));
    TRY(check_webhook_name(call.name));
    const std::optional<bool> active = TRY(active_of(call.status));
    TRY(check_webhook_url(call.url, options_.private_allowed));
    if (events.empty()) return no_events();
    const UnixMs now = clock_.now_ms();
    const Webhook webhook{uuid7(now),
                          call.name,
                          call.description.value_or(""),
                          call.url,
                          call.secret.value_or(""),
                          active.value_or(true),
                          now,
                          now,
                          events};
    TRY(check_texts(webhook));
    TRY(pool_.write([&](db::Tx& tx) { return notify::add_webhook(tx, webhook); }));
    return answer(webhook);
  }

  Result<Response> get(const Request& request) { return answer(TRY(find(request))); }

  Result<Response> list(const Request& request) {
    auto call = TRY(read_request<ListCall>(request, kList));
    std::int64_t most = call.max_results.value_or(0);
    if (most == 0) most = kDefault;
    if (most < 1 || most > kMost) return invalid("max_results must be between 1 and 1000.");
    const std::int64_t offset = TRY(page_offset(call.page_token));
    std::vector<Webhook> found =
        TRY(pool_.read([&](db::Tx& tx) { return notify::list_webhooks(tx, offset, most + 1); }));
    WebhooksAnswer page;
    if (found.size() > static_cast<std::size_t>(most)) {
      found.pop_back();
      page.next_page_token = page_token(offset + most);
    }
    if (!found.empty()) page.webhooks.emplace();
    for (const Webhook& one : found) page.webhooks->push_back(to_message(one));
    return to_response(page);
  }

  Result<Response> update(const Request& request) {
    auto call = TRY(read_request<WebhookCall>(request, kUpdate));
    const std::string& id = request.capture("id");
    notify::WebhookChange change;
    if (!call.events.empty()) change.events = TRY(event_names(call.events));
    TRY(pool_.read([&](db::Tx& tx) { return notify::find_webhook(tx, id); }));
    if (!call.name.empty()) {
      TRY(check_webhook_name(call.name));
      change.name = call.name;
    }
    change.active = TRY(active_of(call.status));
    if (!call.url.empty()) {
      TRY(check_webhook_url(call.url, options_.private_allowed));
      change.url = call.url;
    }
    change.description = call.description;
    change.secret = call.secret;
    const Webhook changed = TRY(pool_.write([&](db::Tx& tx) -> Result<Webhook> {
      Webhook after = TRY(notify::change_webhook(tx, id, change, clock_.now_ms()));
      TRY(check_texts(after));
      return after;
    }));
    if (options_.changed) options_.changed();
    return answer(changed);
  }

  Result<Response> remove(const Request& request) {
    TRY(pool_.write([&](db::Tx& tx) { return notify::remove_webhook(tx, request.capture("id")); }));
    return empty_response();
  }

  Result<Response> test(const Request& request) {
    auto call = TRY(read_request<TestCall>(request, kTest));
    const WebhookEventKind* event = nullptr;
    if (call.event) event = TRY(to_webhook_event(call.event->entity, call.event->action));
    const Webhook webhook = TRY(find(request));
    if (event == nullptr) event = find_webhook_event(webhook.events.front());
    if (event == nullptr) return internal("webhook " + webhook.id + " waits for no known event");
    const UnixMs now = clock_.now_ms();
    const std::string body = webhook_body(event->name, TRY(wire::parse(event->example)), now);
    const Result<Response> answered =
        options_.post(webhook.url, body, headers_of(uuid7(now), webhook.secret, body, now));
    TestResult result;
    if (answered.ok()) {
      result.success = answered->status < 400;
      result.response_status = answered->status;
      // What is no text would make this answer none.
      result.response_body = is_valid_utf8(answered->body) ? answered->body : "(not UTF-8)";
    } else {
      result.error_message = "Failed to test webhook: " + answered.error().message;
    }
    return to_response(TestAnswer{std::move(result)});
  }

 private:
  static constexpr std::int64_t kDefault = 100, kMost = 1000;
  static constexpr std::size_t kDescriptionMax = 1000, kSecretMax = 1000;

  static Error no_events() {
    return invalid("Webhook events must be a non-empty list of WebhookEvent objects: [].");
  }
  static Result<> check_texts(const Webhook& webhook) {
    if (webhook.description.size() > kDescriptionMax) {
      return invalid("the description of a webhook may have 1000 bytes, got " +
                     std::to_string(webhook.description.size()));
    }
    if (webhook.secret.size() > kSecretMax) {
      return invalid("the secret of a webhook may have 1000 bytes, got " +
                     std::to_string(webhook.secret.size()));
    }
    return {};
  }
  Result<Webhook> find(const Request& request) {
    return pool_.read([&](db::Tx& tx) { return notify::find_webhook(tx, request.capture("id")); });
  }

  db::Pool& pool_;
  const Clock& clock_;
  const WebhookOptions options_;
};

}  // namespace

registry::Witness webhook_witness() {
  return note_change;
}

Result<> note_alias(db::Tx& tx, const std::string& model, const std::string& alias,
                    std::int64_t number, UnixMs now_ms) {
  return note_change(tx, {Kind::kAliasSet, model, number, {}, alias}, now_ms);
}

notify::Outcome send_webhook(const notify::OwedDelivery& delivery, const PostWebhook& post,
                             UnixMs now_ms) {
  const Result<Response> answered = post(
      delivery.url, delivery.body, headers_of(delivery.id, delivery.secret, delivery.body, now_ms));
  if (!answered.ok()) {
    // An address that is not public does not become so by waiting.
    const Code code = answered.error().code;
    return {answered.error().message, code != Code::kDenied && code != Code::kInvalid};
  }
  if (answered->status >= 200 && answered->status < 300) return {};
  return {"the receiver answered " + std::to_string(answered->status), may_pass(answered->status)};
}

void mount_webhooks(http::Router& router, db::Pool& pool, const Clock& clock,
                    WebhookOptions options) {
  constexpr http::Permission kReads = http::reads("registry");
  constexpr http::Permission kManages = http::manages("registry");
  const auto hooks = std::make_shared<Webhooks>(pool, clock, std::move(options));
  Api api(router, "2.0");
  // All may wait: for the database, for the name service, for a receiver.
  const auto add = [&](Method method, const char* path, http::Permission permission,
                       Result<Response> (Webhooks::*call)(const Request&)) {
    api.read(method, path, permission,
             [hooks, call](Request& request) { return ((*hooks).*call)(request); });
  };
  add(Method::kPost, "/webhooks", kManages, &Webhooks::create);
  add(Method::kGet, "/webhooks", kReads, &Webhooks::list);
  add(Method::kGet, "/webhooks/{id}", kReads, &Webhooks::get);
  add(Method::kPatch, "/webhooks/{id}", kManages, &Webhooks::update);
  add(Method::kDelete, "/webhooks/{id}", kManages, &Webhooks::remove);
  add(Method::kPost, "/webhooks/{id}/test", kManages, &Webhooks::test);
}

}  // namespace slipway::mlflow
