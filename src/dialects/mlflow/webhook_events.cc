#include "dialects/mlflow/webhook_events.h"

#include <algorithm>
#include <vector>

#include "base/text.h"

namespace slipway::mlflow {
namespace {

#define SLIPWAY_TAGS R"("tags": {"example_key": "example_value"})"

constexpr WebhookEventKind kEvents[] = {
    {"registered_model.created", "REGISTERED_MODEL", "CREATED",
     R"({"name": "example_model", )" SLIPWAY_TAGS
     R"(, "description": "An example registered model"})"},
    {"model_version.created", "MODEL_VERSION", "CREATED",
     R"({"name": "example_model", "version": "1", "source": "models:/123", )"
     R"("run_id": "abcd1234abcd5678", )" SLIPWAY_TAGS
     R"(, "description": "An example model version"})"},
    {"model_version_tag.set", "MODEL_VERSION_TAG", "SET",
     R"({"name": "example_model", "version": "1", "key": "example_key", "value": "example_value"})"},
    {"model_version_tag.deleted", "MODEL_VERSION_TAG", "DELETED",
     R"({"name": "example_model", "version": "1", "key": "example_key"})"},
    {"model_version_alias.created", "MODEL_VERSION_ALIAS", "CREATED",
     R"({"name": "example_model", "alias": "example_alias", "version": "1"})"},
    {"model_version_alias.deleted", "MODEL_VERSION_ALIAS", "DELETED",
     R"({"name": "example_model", "alias": "example_alias"})"},
    {"prompt.created", "PROMPT", "CREATED",
     R"({"name": "example_prompt", )" SLIPWAY_TAGS R"(, "description": "An example prompt"})"},
    {"prompt_version.created", "PROMPT_VERSION", "CREATED",
     R"({"name": "example_prompt", "version": "1", "template": "Hello {{name}}!", )" SLIPWAY_TAGS
     R"(, "description": "An example prompt version"})"},
    {"prompt_tag.set", "PROMPT_TAG", "SET",
     R"({"name": "example_prompt", "key": "example_key", "value": "example_value"})"},
    {"prompt_tag.deleted", "PROMPT_TAG", "DELETED",
     R"({"name": "example_prompt", "key": "example_key"})"},
    {"prompt_version_tag.set", "PROMPT_VERSION_TAG", "SET",
     R"({"name": "example_prompt", "version": "1", "key": "example_key", "value": "example_value"})"},
    {"prompt_version_tag.deleted", "PROMPT_VERSION_TAG", "DELETED",
     R"({"name": "example_prompt", "version": "1", "key": "example_key"})"},
    {"prompt_alias.created", "PROMPT_ALIAS", "CREATED",
     R"({"name": "example_prompt", "alias": "example_alias", "version": "1"})"},
    {"prompt_alias.deleted", "PROMPT_ALIAS", "DELETED",
     R"({"name": "example_prompt", "alias": "example_alias"})"},
    // Nothing here ever exceeds a budget of MLflow's gateway; a webhook may wait for it all the
    // same.
    {"budget_policy.exceeded", "BUDGET_POLICY", "EXCEEDED",
     R"({"budget_policy_id": "bp-abc123", "budget_unit": "USD", "budget_amount": 100.0, )"
     R"("current_spend": 105.5, "duration_unit": "MONTHS", "duration_value": 1, )"
     R"("target_scope": "ENDPOINT", "workspace": "default", "target_value": "ep-abc123", )"
     R"("window_start": 1704067200000})"},
};

#undef SLIPWAY_TAGS

// In the order of their numbers, from 1.
constexpr std::string_view kEntities[] = {
    "REGISTERED_MODEL", "MODEL_VERSION",  "MODEL_VERSION_TAG", "MODEL_VERSION_ALIAS",
    "PROMPT",           "PROMPT_VERSION", "PROMPT_TAG",        "PROMPT_VERSION_TAG",
    "PROMPT_ALIAS",     "BUDGET_POLICY",
};
constexpr std::string_view kActions[] = {"CREATED", "UPDATED", "DELETED", "SET", "EXCEEDED"};

Result<std::string_view> word_of(const wire::Json& given, const char* what,
                                 std::span<const std::string_view> words) {
  if (given.is_integer()) {
    const std::int64_t number = given.as_int64();
    if (number >= 1 && number <= static_cast<std::int64_t>(words.size())) {
      return words[static_cast<std::size_t>(number - 1)];
    }
  }
  if (given.is_string()) {
    const auto found = std::find(words.begin(), words.end(), given.as_string());
    if (found != words.end()) return *found;
  }
  return invalid("Invalid " + std::string(what) + " of a webhook's event: " + wire::dump(given) +
                 ". It is one of " +
                 join(std::vector<std::string>(words.begin(), words.end()), ", ") + ".");
}

std::string valid_actions(std::string_view entity) {
  std::vector<std::string> names;
  for (const WebhookEventKind& one : kEvents) {
    if (one.entity == entity) names.push_back("'" + to_lower(one.action) + "'");
  }
  std::sort(names.begin(), names.end());
  return "[" + join(names, ", ") + "]";
}

/// As Python's isoformat: "2026-11-26T23:32:27.123000+00:00".
std::string python_time(UnixMs ms) {
  std::string text = to_iso8601(ms);
  text.pop_back();  // the Z
  return text + "000+00:00";
}

}  // namespace

std::span<const WebhookEventKind> webhook_events() {
  return kEvents;
}

const WebhookEventKind* find_webhook_event(std::string_view name) {
  const auto found = std::find_if(std::begin(kEvents), std::end(kEvents),
                                  [&](const WebhookEventKind& one) { return one.name == name; });
  return found == std::end(kEvents) ? nullptr : found;
}

Result<const WebhookEventKind*> to_webhook_event(const wire::Json& entity,
                                                 const wire::Json& action) {
  const std::string_view what = TRY(word_of(entity, "entity", kEntities));
  const std::string_view done = TRY(word_of(action, "action", kActions));
  for (const WebhookEventKind& one : kEvents) {
    if (one.entity == what && one.action == done) return &one;
  }
  return invalid("Invalid action '" + to_lower(done) + "' for entity '" + to_lower(what) +
                 "'. Valid actions are: " + valid_actions(what));
}

std::string webhook_body(std::string_view event, const wire::Json& data, UnixMs now_ms) {
  const std::size_t dot = event.find('.');
  wire::Json body;
  body.set("entity", event.substr(0, dot));
  body.set("action", event.substr(dot + 1));
  body.set("timestamp", python_time(now_ms));
  body.set("data", data);
  return wire::dump(body, {.ascii = true, .spaces = true});
}

}  // namespace slipway::mlflow
