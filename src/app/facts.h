#pragma once

#include <chrono>
#include <string>

#include "app/outbox.h"
#include "base/clock.h"
#include "domain/flows/facts.h"
#include "io/db/db.h"

// Where facts of attempts end: in a catalogue, this process's or that of whoever owns it.
namespace slipway::app {

/// Writes facts in one durable transaction, each outbox's in order and once, however often they are
/// given. One that the catalogue refuses does not keep the others out. With an attempt that is over
/// end the runs that it left running. Any thread.
Result<TakenFacts> take_facts(db::Pool& pool, const Clock& clock, const std::string& outbox,
                              std::int64_t first, const wire::Json::Array& facts);

/// The same for the process that owns the state folder, over its HTTP face.
struct FactsReceiver {
  std::string url;
  std::string secret;  // the state folder's: proves that we may speak for its attempts
  std::chrono::milliseconds timeout{3000};
};
Result<TakenFacts> send_facts(const FactsReceiver& receiver, const std::string& outbox,
                              std::int64_t first, const wire::Json::Array& facts);

}  // namespace slipway::app
