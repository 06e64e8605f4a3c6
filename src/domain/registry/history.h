#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "domain/registry/types.h"
#include "graph/graph.h"
#include "io/db/db.h"

// What was changed about a model, when and by whom, and what held at any time: read from the log,
// which keeps each change with the change itself. Nothing is kept twice.
namespace slipway::registry {

/// One change, in words of ours.
struct PastChange {
  std::int64_t seq = 0;  // of its event
  UnixMs time_ms = 0;
  std::string type;                     // "alias.set", "model_version.stage_changed", ...
  std::optional<std::int64_t> version;  // nothing: of the model itself
  std::string who;
  std::string key;                      // of a tag; an alias
  std::optional<std::string> from, to;  // a stage, a value, a description, a name, a version
  std::string why = {};                 // in a person's words; ""
  std::int64_t cause_seq = 0;           // the event that led to it; 0: somebody asked
};

struct History {
  std::vector<PastChange> changes;  // oldest first
  bool more = false;            // there were older ones
};
inline constexpr int kChangesMax = 10'000;
/// Of the model that has that name now, also under its names of before; of one that is gone, of the
/// last that had it. kMissing when nobody ever did.
Result<History> history_of(db::Tx& tx, const std::string& model, int limit = kChangesMax);
/// Only what is of the present model, or of the last one: without those that had the name before it.
void forget_predecessors(History& history);

/// What held at a time.
struct AsOf {
  bool existed = false;
  std::map<std::string, std::int64_t> aliases;
  std::map<std::int64_t, std::string> stages;  // of the versions that were there
};
/// From all changes of a model. Pure.
AsOf as_of(const std::vector<PastChange>& changes, UnixMs time_ms);

}  // namespace slipway::registry
