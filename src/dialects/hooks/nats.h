#pragma once

#include "domain/flows/trigger.h"
#include "io/nats/consumer.h"

// Messages of NATS as occasions: CloudEvents in their NATS binding (1.0.2 and later), and plain
// JSON. Pure; any thread.
namespace slipway::hooks {

/// What a message tells the trigger of that name. Structured mode where Content-Type begins with
/// application/cloudevents, or, without headers, where the JSON has a specversion; binary mode
/// where headers have ce-specversion. Anything else is the JSON of somebody who knows no
/// CloudEvents: its `type` is empty then, and its id is Nats-Msg-Id, or its number in the stream.
/// The key is the trigger's own, as each trigger is told by itself.
///   kInvalid: neither of them, or one that breaks the specification, or too long.
Result<flows::Occasion> read_message(const nats::Message& message, const std::string& trigger);

}  // namespace slipway::hooks
