#include "domain/registry/history.h"

#include <algorithm>

#include "base/text.h"
#include "graph/history.h"
#include "graph/kinds.h"

namespace slipway::registry {
namespace {

using graph::LoggedEvent;
using wire::Json;

std::optional<std::string> text_at(const Json& data, const char* key) {
  const Json* found = data.find(key);
  if (found == nullptr) return std::nullopt;
  if (found->is_string()) return found->as_string();
  if (found->is_integer()) return std::to_string(found->as_int64());
  return std::nullopt;
}

std::optional<std::int64_t> version_of(const graph::NodeRef& subject) {
  if (subject.kind != graph::kind::kModelVersion) return std::nullopt;
  return to_int64(std::string_view(subject.id).substr(subject.id.rfind('/') + 1));
}

PastChange to_change(const LoggedEvent& logged) {
  const graph::Event& event = logged.event;
  PastChange change;
  change.seq = logged.seq;
  change.time_ms = logged.time_ms;
  change.type = event.type;
  change.version = version_of(event.subject);
  change.who = event.actor.empty() ? "anonymous" : event.actor;
  change.cause_seq = event.cause_seq;
  change.key = text_at(event.data, "alias").value_or(text_at(event.data, "key").value_or(""));
  change.from = text_at(event.data, "from");
  if (!change.from) change.from = text_at(event.data, "previous");
  change.to = text_at(event.data, "to");
  change.why = text_at(event.data, "reason").value_or("");
  if (event.type == "model_version.imported") change.to = text_at(event.data, "stage");
  if (event.type == "registered_model.renamed") change.to = event.subject.id;
  return change;
}

/// A name that the model had, and which of the events about it are its own.
struct Name {
  std::string text;
  std::int64_t before = 0;  // 0: until now
};

bool begins_model(const PastChange& change) {
  return change.type == "registered_model.created" || change.type == "registered_model.imported";
}

bool is_registry_event(const std::string& type) {
  return type.starts_with("registered_model.") || type.starts_with("model_version.") ||
         type.starts_with("alias.");
}

/// The events of one name, and the name that it had before.
Result<std::optional<Name>> add_events(db::Tx& tx, const Name& name, int limit,
                                       std::vector<LoggedEvent>& all, bool& more) {
  const auto room = static_cast<std::size_t>(limit);
  std::vector<LoggedEvent> events = TRY(graph::events_of_family(
      tx, {graph::kind::kModelVersion, name.text + "/"}, name.before, limit));
  more |= events.size() >= room;
  std::optional<Name> earlier;
  for (LoggedEvent& event :
       TRY(graph::events_about(tx, {graph::kind::kRegisteredModel, name.text}, limit))) {
    if (name.before != 0 && event.seq >= name.before) continue;
    if (event.event.type == "registered_model.renamed") {
      if (const auto from = text_at(event.event.data, "from")) earlier = Name{*from, event.seq};
    }
    events.push_back(std::move(event));
  }
  // Of names that another model had before, only what came after the rename to it.
  if (earlier) {
    std::erase_if(events, [&](const LoggedEvent& event) { return event.seq < earlier->before; });
  }
  for (LoggedEvent& event : events)
    if (is_registry_event(event.event.type)) all.push_back(std::move(event));
  return earlier;
}

}  // namespace

Result<History> history_of(db::Tx& tx, const std::string& model, int limit) {
  constexpr int kNamesMax = 100;
  std::vector<LoggedEvent> events;
  History history;
  std::optional<Name> name = Name{model, 0};
  for (int i = 0; name && i < kNamesMax; ++i)
    name = TRY(add_events(tx, *name, limit, events, history.more));
  if (events.empty()) return missing("no model was ever named '" + model + "'");
  std::sort(events.begin(), events.end(),
            [](const LoggedEvent& a, const LoggedEvent& b) { return a.seq < b.seq; });
  const auto most = static_cast<std::size_t>(limit);
  const std::size_t first = events.size() > most ? events.size() - most : 0;
  history.more |= first > 0;
  for (std::size_t i = first; i < events.size(); ++i)
    history.changes.push_back(to_change(events[i]));
  return history;
}

void forget_predecessors(History& history) {
  auto& changes = history.changes;
  const auto last = std::find_if(changes.rbegin(), changes.rend(), begins_model);
  if (last == changes.rend()) return;
  changes.erase(changes.begin(), std::prev(last.base()));
  history.more = false;
}

AsOf as_of(const std::vector<PastChange>& changes, UnixMs time_ms) {
  AsOf held;
  for (const PastChange& change : changes) {
    if (change.time_ms > time_ms) continue;
    const std::string& type = change.type;
    if (begins_model(change)) {
      held = {.existed = true, .aliases = {}, .stages = {}};
    } else if (type == "registered_model.deleted") {
      held = {};
    }
    if (!change.version) continue;
    if (type == "model_version.created") held.stages[*change.version] = to_string(Stage::kNone);
    if (type == "model_version.imported" || type == "model_version.stage_changed")
      held.stages[*change.version] = change.to.value_or("");
    if (type == "model_version.deleted") held.stages.erase(*change.version);
    if (type == "alias.set" || type == "alias.imported") held.aliases[change.key] = *change.version;
    if (type == "alias.deleted") held.aliases.erase(change.key);
  }
  return held;
}

}  // namespace slipway::registry
