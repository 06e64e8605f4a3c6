#include "graph/graph.h"

#include <algorithm>
#include <limits>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/failpoint.h"
#include "base/hash.h"
#include "base/ids.h"
#include "graph/history.h"
#include "graph/schema.h"

namespace slipway::graph {
namespace {

// What indices of both engines can hold, and what a fact may weigh.
constexpr std::size_t kKindBytesMax = 64;
constexpr std::size_t kIdBytesMax = 2048;  // a model name of 256 characters of 4 bytes, and more
constexpr std::size_t kJsonBytesMax = 1u << 20;
constexpr int kJsonDepthMax = 64;  // below what reading back allows

constexpr wire::DumpStyle kCanonical{.sort_keys = true};

Result<> check_ref(const NodeRef& ref) {
  if (ref.kind.empty() || ref.kind.size() > kKindBytesMax) {
    return internal("a node has the kind '" + ref.kind.substr(0, kKindBytesMax) + "'");
  }
  if (ref.id.empty()) return invalid("a " + ref.kind + " has an empty id");
  if (ref.id.size() > kIdBytesMax) {
    return invalid("the id of a " + ref.kind + " is longer than " + std::to_string(kIdBytesMax) +
                   " bytes");
  }
  return {};
}

bool is_deeper_than(const wire::Json& value, int levels) {
  if (!value.is_array() && !value.is_object()) return false;
  if (levels == 0) return true;
  auto too_deep = [&](const wire::Json& inner) { return is_deeper_than(inner, levels - 1); };
  if (value.is_array()) {
    return std::any_of(value.as_array().begin(), value.as_array().end(), too_deep);
  }
  return std::any_of(value.as_object().begin(), value.as_object().end(),
                     [&](const wire::Json::Member& member) { return too_deep(member.second); });
}

/// The canonical text of an object; null counts as the empty one.
Result<std::string> object_text(const wire::Json& object, const char* what) {
  if (object.is_null()) return std::string("{}");
  if (!object.is_object()) return internal(std::string(what) + " must be a JSON object");
  if (is_deeper_than(object, kJsonDepthMax)) {
    return invalid(std::string(what) + " are nested more than " + std::to_string(kJsonDepthMax) +
                   " levels deep");
  }
  std::string text = wire::dump(object, kCanonical);
  if (text.size() > kJsonBytesMax) {
    return invalid(std::string(what) + " take " + std::to_string(text.size()) + " bytes, at most " +
                   std::to_string(kJsonBytesMax) + " are kept");
  }
  return text;
}

/// An effect may be tied to one cause several times, told apart by the attributes (two paths with
/// one content).
std::int64_t attributes_key(const std::string& text) {
  if (text == "{}") return 0;
  return static_cast<std::int64_t>(std::stoull(sha256_hex(text).substr(0, 16), nullptr, 16));
}

void merge(wire::Json& into, const wire::Json& attributes) {
  if (!attributes.is_object()) return;
  for (const auto& [key, value] : attributes.as_object()) into.set(key, value);
}

struct StoredNode {
  std::int64_t id = 0;
  std::string kind, ident, attributes;
  UnixMs created_ms = 0;
};
BOOST_DESCRIBE_STRUCT(StoredNode, (), (id, kind, ident, attributes, created_ms))
struct StoredEdge {
  std::int64_t effect = 0;
  std::string relation;
  std::int64_t cause = 0;
  std::string attributes;
};
BOOST_DESCRIBE_STRUCT(StoredEdge, (), (effect, relation, cause, attributes))
struct StoredEvent {
  std::int64_t seq = 0;
  std::string id;
  UnixMs time_ms = 0;
  std::string type, subject_kind, subject_id, actor;
  std::int64_t cause_seq = 0;
  std::string data;
};
BOOST_DESCRIBE_STRUCT(StoredEvent, (),
                      (seq, id, time_ms, type, subject_kind, subject_id, actor, cause_seq, data))
/// An edge as seen from one end.
struct FarEnd {
  std::string relation, kind, ident, attributes;
};
BOOST_DESCRIBE_STRUCT(FarEnd, (), (relation, kind, ident, attributes))

constexpr char kFindNode[] =
    "select id, kind, ident, attributes, created_ms from nodes where kind = ? and ident = ?";

Result<std::optional<StoredNode>> find_stored(db::Tx& tx, const NodeRef& ref) {
  return tx.one<StoredNode>(kFindNode, ref.kind, ref.id);
}

/// The new node's key, or nothing when there is one already.
Result<std::optional<std::int64_t>> insert_node(db::Tx& tx, const NodeRef& ref,
                                                const std::string& attributes, UnixMs now_ms) {
  return tx.one<std::int64_t>(
      "insert into nodes (kind, ident, attributes, created_ms) values (?, ?, ?, ?) "
      "on conflict (kind, ident) do nothing returning id",
      ref.kind, ref.id, attributes, now_ms);
}

Result<std::int64_t> key_of(db::Tx& tx, const NodeRef& ref, UnixMs now_ms) {
  TRY(check_ref(ref));
  std::optional<std::int64_t> known = TRY(
      tx.one<std::int64_t>("select id from nodes where kind = ? and ident = ?", ref.kind, ref.id));
  if (known) return *known;
  std::optional<std::int64_t> made = TRY(insert_node(tx, ref, "{}", now_ms));
  if (!made) return internal("a node appeared beside its own transaction");
  return *made;
}

Result<Node> to_node(const StoredNode& stored) {
  wire::Json attributes = TRY(wire::parse(stored.attributes));
  return Node{{stored.kind, stored.ident}, std::move(attributes), stored.created_ms};
}

Result<std::vector<LoggedEvent>> to_events(const std::vector<StoredEvent>& rows) {
  std::vector<LoggedEvent> events;
  events.reserve(rows.size());
  for (const StoredEvent& row : rows) {
    wire::Json data = TRY(wire::parse(row.data));
    Event event{
        row.type, {row.subject_kind, row.subject_id}, row.actor, row.cause_seq, std::move(data)};
    events.push_back({row.seq, row.id, row.time_ms, std::move(event)});
  }
  return events;
}

Result<std::vector<Edge>> edges_at(db::Tx& tx, const NodeRef& near, Direction direction,
                                   int limit) {
  const bool to_causes = direction == Direction::kToCauses;
  std::vector<FarEnd> ends = TRY(tx.all<FarEnd>(to_causes ? schema::kCausesOf : schema::kEffectsOf,
                                                near.kind, near.id, limit));
  std::vector<Edge> edges;
  edges.reserve(ends.size());
  for (FarEnd& end : ends) {
    wire::Json attributes = TRY(wire::parse(end.attributes));
    NodeRef far{std::move(end.kind), std::move(end.ident)};
    edges.push_back({to_causes ? near : far, std::move(end.relation), to_causes ? far : near,
                     std::move(attributes)});
  }
  return edges;
}

/// Reached nodes with the edges between them, as they are stored.
struct Reached {
  std::unordered_map<std::int64_t, StoredNode> nodes;
  std::unordered_map<std::int64_t, std::vector<StoredEdge>> edges;  // by the end nearer the start
};

/// Calls `read` with `ids` in lists that one statement takes: "[1,2]" or "{1,2}".
template <class Read>
Result<> in_lists(db::Engine engine, const std::vector<std::int64_t>& ids, Read read) {
  constexpr std::size_t kListMax = 2000;
  const bool sqlite = engine == db::Engine::kSqlite;
  for (std::size_t from = 0; from < ids.size(); from += kListMax) {
    std::string list(1, sqlite ? '[' : '{');
    for (std::size_t i = from; i < std::min(ids.size(), from + kListMax); ++i) {
      if (i > from) list += ',';
      list += std::to_string(ids[i]);
    }
    list += sqlite ? ']' : '}';
    TRY(read(list));
  }
  return {};
}

Result<Reached> read_reached(db::Tx& tx, const std::vector<std::int64_t>& ids,
                             Direction direction) {
  const bool to_causes = direction == Direction::kToCauses;
  const schema::Walk& walk = schema::walk(tx.engine());
  Reached reached;
  reached.nodes.reserve(ids.size());
  auto read_nodes = [&](const std::string& list) -> Result<> {
    for (StoredNode& node : TRY(tx.all<StoredNode>(walk.nodes, list))) {
      reached.nodes.emplace(node.id, std::move(node));
    }
    return {};
  };
  // A row at a time: of a node with very many edges most lead beyond nodes_max.
  auto keep_edge = [&](const db::Columns& row) -> Result<> {
    if (!reached.nodes.contains(row.int64(to_causes ? 2 : 0))) return {};
    StoredEdge edge;
    TRY(db::read_row(row, edge));
    reached.edges[to_causes ? edge.effect : edge.cause].push_back(std::move(edge));
    return {};
  };
  auto read_edges = [&](const std::string& list) {
    return tx.query(to_causes ? walk.edges_of_effects : walk.edges_of_causes,
                    std::vector<db::Value>{db::Value(list)}, keep_edge);
  };
  TRY(in_lists(tx.engine(), ids, read_nodes));
  TRY(in_lists(tx.engine(), ids, read_edges));
  return reached;
}

/// Pure: orders what was reached breadth first from `start`.
Result<Closure> order(const Reached& reached, std::int64_t start, Direction direction) {
  Closure closure;
  closure.nodes.reserve(reached.nodes.size());
  std::vector<std::int64_t> queue{start};
  std::unordered_set<std::int64_t> seen{start};
  for (std::size_t at = 0; at < queue.size(); ++at) {
    const StoredNode& near = reached.nodes.at(queue[at]);
    closure.nodes.push_back(TRY(to_node(near)));
    auto found = reached.edges.find(near.id);
    if (found == reached.edges.end()) continue;
    for (const StoredEdge& edge : found->second) {
      std::int64_t far = direction == Direction::kToCauses ? edge.cause : edge.effect;
      const StoredNode& effect = reached.nodes.at(edge.effect);
      const StoredNode& cause = reached.nodes.at(edge.cause);
      wire::Json attributes = TRY(wire::parse(edge.attributes));
      closure.edges.push_back({{effect.kind, effect.ident},
                               edge.relation,
                               {cause.kind, cause.ident},
                               std::move(attributes)});
      if (seen.insert(far).second) queue.push_back(far);
    }
  }
  return closure;
}

}  // namespace

std::vector<db::Migration> migrations() {
  return schema::migrations();
}

Result<> put_node(db::Tx& tx, const NodeRef& ref, const wire::Json& attributes, UnixMs now_ms) {
  TRY(check_ref(ref));
  std::string text = TRY(object_text(attributes, "attributes of a node"));
  if (TRY(insert_node(tx, ref, text, now_ms))) return {};
  if (text == "{}") return {};
  std::optional<StoredNode> stored = TRY(find_stored(tx, ref));
  if (!stored) return internal("a node is there and is not");
  wire::Json merged = TRY(wire::parse(stored->attributes));
  merge(merged, attributes);
  std::string merged_text = TRY(object_text(merged, "attributes of a node"));
  if (merged_text == stored->attributes) return {};
  TRY(tx.run("update nodes set attributes = ? where id = ?", merged_text, stored->id));
  return {};
}

Result<> put_edge(db::Tx& tx, const Edge& edge, UnixMs now_ms) {
  if (edge.relation.empty() || edge.relation.size() > kKindBytesMax) {
    return internal("an edge has the relation '" + edge.relation.substr(0, kKindBytesMax) + "'");
  }
  std::string text = TRY(object_text(edge.attributes, "attributes of an edge"));
  std::int64_t effect = TRY(key_of(tx, edge.effect, now_ms));
  std::int64_t cause = TRY(key_of(tx, edge.cause, now_ms));
  TRY(
      tx.run("insert into edges (effect, relation, cause, attributes_key, attributes, created_ms) "
             "values (?, ?, ?, ?, ?, ?) on conflict do nothing",
             effect, edge.relation, cause, attributes_key(text), text, now_ms));
  return {};
}

Result<std::int64_t> append_event(db::Tx& tx, const Event& event, UnixMs now_ms) {
  TRY(check_ref(event.subject));
  if (event.type.empty() || event.type.size() > kKindBytesMax) {
    return internal("an event has the type '" + event.type.substr(0, kKindBytesMax) + "'");
  }
  std::string data = TRY(object_text(event.data, "data of an event"));
  // Write transactions are serial on both engines (Tx), so this number is given after every number
  // that is committed, and is committed before any later one is given.
  std::optional<std::int64_t> seq = TRY(tx.one<std::int64_t>(
      "insert into events (id, time_ms, type, subject_kind, subject_id, actor, cause_seq, data) "
      "values (?, ?, ?, ?, ?, ?, ?, ?) returning seq",
      uuid7(now_ms), now_ms, event.type, event.subject.kind, event.subject.id, event.actor,
      event.cause_seq, data));
  if (!seq) return internal("an event was stored without a number");
  failpoint("event", event.type);  // not durable yet
  return *seq;
}

Result<std::vector<LoggedEvent>> events_after(db::Tx& tx, std::int64_t seq, int limit) {
  return to_events(TRY(tx.all<StoredEvent>(schema::kEventsAfter, seq, limit)));
}

Result<EventsBack> events_back(db::Tx& tx, const LookBack& look) {
  constexpr int kRowsRead = 1'000;
  const auto is_wanted = [&look](const StoredEvent& row) {
    return look.kinds.empty() ||
           std::any_of(look.kinds.begin(), look.kinds.end(),
                       [&row](const std::string& kind) { return row.type.starts_with(kind); });
  };
  const auto limit = static_cast<std::size_t>(std::max(0, look.limit));
  std::vector<StoredEvent> found;  // newest first
  std::int64_t before = look.before > 0 ? look.before : std::numeric_limits<std::int64_t>::max();
  for (int left = look.looked_at_max; left > 0 && before > 0 && found.size() < limit;) {
    const int asked = std::min(kRowsRead, left);
    left -= asked;
    std::vector<StoredEvent> rows = TRY(tx.all<StoredEvent>(schema::kEventsBefore, before, asked));
    const bool is_last = rows.size() < static_cast<std::size_t>(asked);
    for (StoredEvent& row : rows) {
      if (found.size() == limit) break;
      before = row.seq;
      if (is_wanted(row)) found.push_back(std::move(row));
    }
    if (is_last && found.size() < limit) before = 0;
  }
  std::reverse(found.begin(), found.end());
  return EventsBack{TRY(to_events(found)), before};
}

Result<std::int64_t> newest_seq(db::Tx& tx) {
  return TRY(tx.one<std::int64_t>("select coalesce(max(seq), 0) from events")).value_or(0);
}

Result<std::vector<LoggedEvent>> events_about(db::Tx& tx, const NodeRef& subject, int limit) {
  std::vector<StoredEvent> newest_first =
      TRY(tx.all<StoredEvent>(schema::kEventsAbout, subject.kind, subject.id, limit));
  std::reverse(newest_first.begin(), newest_first.end());
  return to_events(newest_first);
}

Result<std::vector<LoggedEvent>> events_of_family(db::Tx& tx, const NodeRef& prefix,
                                                  std::int64_t before, int limit) {
  TRY(check_ref(prefix));
  std::string end = prefix.id;  // the next text of that length
  if (static_cast<unsigned char>(end.back()) >= 0x7f) return invalid("a prefix ends in ASCII");
  ++end.back();
  if (before == 0) before = std::numeric_limits<std::int64_t>::max();
  std::vector<StoredEvent> newest_first =
      TRY(tx.all<StoredEvent>(schema::kEventsOfFamily, prefix.kind, prefix.id, end, before, limit));
  std::reverse(newest_first.begin(), newest_first.end());
  return to_events(newest_first);
}

Result<std::optional<Node>> find_node(db::Tx& tx, const NodeRef& ref) {
  std::optional<StoredNode> stored = TRY(find_stored(tx, ref));
  if (!stored) return std::optional<Node>();
  return std::optional<Node>(TRY(to_node(*stored)));
}

Result<std::vector<NodeRef>> find_by_prefix(db::Tx& tx, const NodeRef& prefix, int limit) {
  TRY(check_ref(prefix));
  // The next text of that length: what begins like `prefix` lies between them.
  std::string end = prefix.id;
  if (static_cast<unsigned char>(end.back()) >= 0x7f) return std::vector<NodeRef>();
  ++end.back();
  std::vector<NodeRef> found;
  for (std::string& id :
       TRY(tx.all<std::string>(schema::kIdsFrom, prefix.kind, prefix.id, end, limit))) {
    found.push_back({prefix.kind, std::move(id)});
  }
  return found;
}

Result<std::vector<NodeRef>> all_of_kind(db::Tx& tx, const std::string& kind, int limit) {
  std::vector<NodeRef> found;
  for (std::string& id : TRY(tx.all<std::string>(schema::kIdsOfKind, kind, limit))) {
    found.push_back({kind, std::move(id)});
  }
  return found;
}

Result<std::vector<Edge>> causes_of(db::Tx& tx, const NodeRef& effect, int limit) {
  return edges_at(tx, effect, Direction::kToCauses, limit);
}

Result<std::vector<Edge>> effects_of(db::Tx& tx, const NodeRef& cause, int limit) {
  return edges_at(tx, cause, Direction::kToEffects, limit);
}

Result<Closure> closure(db::Tx& tx, const NodeRef& start, Direction direction, int nodes_max) {
  std::optional<StoredNode> first = TRY(find_stored(tx, start));
  if (!first) return missing("the graph holds no " + start.kind + " " + start.id);
  const bool to_causes = direction == Direction::kToCauses;
  const schema::Walk& walk = schema::walk(tx.engine());
  const std::size_t max = static_cast<std::size_t>(std::max(nodes_max, 1));
  std::vector<std::int64_t> ids =
      TRY(tx.all<std::int64_t>(to_causes ? walk.reach_causes : walk.reach_effects, first->id,
                               static_cast<std::int64_t>(max) + 1));
  const bool truncated = ids.size() > max;
  if (truncated) ids.resize(max);
  Reached reached = TRY(read_reached(tx, ids, direction));
  Closure closure = TRY(order(reached, first->id, direction));
  closure.truncated = truncated;
  return closure;
}

Result<std::int64_t> read_cursor(db::Tx& tx, const std::string& reader) {
  return TRY(tx.one<std::int64_t>("select seq from cursors where reader = ?", reader)).value_or(0);
}

Result<> move_cursor(db::Tx& tx, const std::string& reader, std::int64_t seq) {
  TRY(
      tx.run("insert into cursors (reader, seq) values (?, ?) "
             "on conflict (reader) do update set seq = excluded.seq",
             reader, seq));
  return {};
}

}  // namespace slipway::graph
