#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/result.h"
#include "io/wire/json.h"

// Which events there are for webhooks, by MLflow's names, and the body that tells of one. Pure.
namespace slipway::mlflow {

struct WebhookEventKind {
  const char* name;     // "model_version_tag.set"
  const char* entity;   // as a call names it: "MODEL_VERSION_TAG"
  const char* action;   // "SET"
  const char* example;  // the data that a test sends, as JSON
};
std::span<const WebhookEventKind> webhook_events();
const WebhookEventKind* find_webhook_event(std::string_view name);

/// The event of {"entity": "PROMPT", "action": "CREATED"}, each a name or its number. kInvalid in
/// MLflow's words.
Result<const WebhookEventKind*> to_webhook_event(const wire::Json& entity,
                                                 const wire::Json& action);

/// {"entity": "prompt", "action": "created", "timestamp": "...", "data": {...}}, to the byte as
/// Python writes it.
std::string webhook_body(std::string_view event, const wire::Json& data, UnixMs now_ms);

}  // namespace slipway::mlflow
