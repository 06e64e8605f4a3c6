#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/db/db.h"
#include "io/wire/json.h"

// The spine: the append-only event log and the asset graph. Every module writes facts here in its own transaction, so
// a state and its history are durable together. kinds.h lists every kind of node, edge and event.
namespace slipway::graph {

std::vector<db::Migration> migrations();

/// A thing with an identity. `id` is unique within its kind; data is identified by its content hash, so that edges
/// join across projects and machines.
struct NodeRef {
  std::string kind;  // "commit", "data", "attempt", "run", ... (kinds.h)
  std::string id;
  bool operator==(const NodeRef&) const = default;
  auto operator<=>(const NodeRef&) const = default;
};

struct Node {
  NodeRef ref;
  wire::Json attributes;  // an object
  UnixMs created_ms = 0;
};

struct Edge {
  NodeRef effect;
  std::string relation;  // "used", "produced_by", ...
  NodeRef cause;
  wire::Json attributes;  // an object: the path an input had, say
};

/// Makes the node, or merges `attributes` into those of the one that is there (new keys are added, known keys replaced).
Result<> put_node(db::Tx& tx, const NodeRef& ref, const wire::Json& attributes, UnixMs now_ms);
/// Idempotent. Makes bare nodes for ends that are not known yet. The same ends with other attributes (two paths that had
/// one content) are another edge.
Result<> put_edge(db::Tx& tx, const Edge& edge, UnixMs now_ms);

struct Event {
  std::string type;          // "model_version.created"
  NodeRef subject;
  std::string actor;         // who: a user, "attempt:ID", "slipway"
  std::int64_t cause_seq = 0;  // the event that caused this one; 0 for none
  wire::Json data;           // an object
};
struct LoggedEvent {
  std::int64_t seq = 0;
  std::string id;  // UUIDv7
  UnixMs time_ms = 0;
  Event event;
};
/// The new event's seq. A reader that goes by seq never passes an event that commits late.
Result<std::int64_t> append_event(db::Tx& tx, const Event& event, UnixMs now_ms);
/// Events after `seq`, oldest first.
Result<std::vector<LoggedEvent>> events_after(db::Tx& tx, std::int64_t seq, int limit);
/// A look back into the log, for people: the newest events of some kinds.
struct LookBack {
  std::int64_t before = 0;          // only what is older than this number; 0: from the end of the log
  std::vector<std::string> kinds;   // beginnings of types, "rollout." or "incident.opened"; none: all
  int limit = 100;
  int looked_at_max = 20'000;       // events, wanted or not
};
struct EventsBack {
  std::vector<LoggedEvent> events;  // oldest first
  std::int64_t before = 0;          // where the next look goes on; 0: the log begins here
};
Result<EventsBack> events_back(db::Tx& tx, const LookBack& look);
/// The seq of the newest event; 0 for an empty log.
Result<std::int64_t> newest_seq(db::Tx& tx);
/// The newest `limit` events about `subject`, oldest first.
Result<std::vector<LoggedEvent>> events_about(db::Tx& tx, const NodeRef& subject, int limit);

Result<std::optional<Node>> find_node(db::Tx& tx, const NodeRef& ref);
/// Those of this kind whose id begins like `prefix`'s, in order.
Result<std::vector<NodeRef>> find_by_prefix(db::Tx& tx, const NodeRef& prefix, int limit);
/// Those of this kind, in the order of their ids.
Result<std::vector<NodeRef>> all_of_kind(db::Tx& tx, const std::string& kind, int limit);
/// Edges from this effect to its causes; and from this cause to its effects. Ordered by relation, kind and id.
Result<std::vector<Edge>> causes_of(db::Tx& tx, const NodeRef& effect, int limit = 10'000);
Result<std::vector<Edge>> effects_of(db::Tx& tx, const NodeRef& cause, int limit = 10'000);

struct Closure {
  std::vector<Node> nodes;  // breadth first, the start first
  std::vector<Edge> edges;
  bool truncated = false;  // nodes_max was reached
};
enum class Direction { kToCauses, kToEffects };
/// Everything reachable; cycles end. kMissing when the start is unknown.
Result<Closure> closure(db::Tx& tx, const NodeRef& start, Direction direction, int nodes_max = 10'000);

/// A durable cursor of a reader of the log: 0 before its first use.
Result<std::int64_t> read_cursor(db::Tx& tx, const std::string& reader);
Result<> move_cursor(db::Tx& tx, const std::string& reader, std::int64_t seq);

}  // namespace slipway::graph
