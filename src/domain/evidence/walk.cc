#include "domain/evidence/walk.h"

#include <algorithm>
#include <deque>
#include <limits>
#include <map>
#include <set>
#include <tuple>

#include "domain/evidence/makers.h"
#include "graph/kinds.h"

namespace slipway::evidence {
namespace {

using graph::Edge;
using graph::Node;
using graph::NodeRef;
namespace kind = graph::kind;
namespace relation = graph::relation;

constexpr UnixMs kEver = std::numeric_limits<UnixMs>::max();
constexpr std::size_t kSameBytesMax = 5;  // others that are named for one content

bool is_production(const Edge& edge) {
  return edge.effect.kind == kind::kData && edge.relation == relation::kProducedBy &&
         edge.cause.kind == kind::kAttempt;
}

bool is_empty_file(const Node& data) {
  const wire::Json* size = data.attributes.find("size");
  return size != nullptr && size->is_integer() && size->as_int64() == 0;
}

/// What was judged or watched, as its judge names it: where that comes from is a story of its own,
/// of the version before this one, and of the one before that.
bool is_subject(const Edge& edge) {
  return edge.relation == relation::kAbout || edge.relation == relation::kObserved;
}

/// What both walks share: nodes read once, and the closure that grows.
class Walk {
 public:
  Walk(db::Tx& tx, int nodes_max)
      : tx_(tx), nodes_max_(static_cast<std::size_t>(std::max(nodes_max, 1))) {}

 protected:
  /// A node whose end of an edge is known is there; otherwise it is bare.
  Result<const Node*> node_of(const NodeRef& ref) {
    auto found = nodes_.find(ref);
    if (found != nodes_.end()) return &found->second;
    std::optional<Node> node = TRY(graph::find_node(tx_, ref));
    if (!node) node = Node{ref, wire::Json(wire::Json::Object()), 0};
    return &nodes_.emplace(ref, std::move(*node)).first->second;
  }

  /// False when there is no room for more.
  Result<bool> add_node(const NodeRef& ref) {
    if (added_.contains(ref)) return true;
    if (closure_.nodes.size() >= nodes_max_) {
      closure_.truncated = true;
      return false;
    }
    closure_.nodes.push_back(*TRY(node_of(ref)));
    added_.insert(ref);
    return true;
  }

  void add_edge(const Edge& edge) {
    auto key = std::tuple(edge.effect, edge.relation, edge.cause, wire::dump(edge.attributes));
    if (edges_.insert(std::move(key)).second) closure_.edges.push_back(edge);
  }

  Result<const std::vector<Maker>*> makers_of(const NodeRef& data) {
    auto found = makers_.find(data);
    if (found != makers_.end()) return &found->second;
    std::vector<Maker> makers;
    for (Edge& edge : TRY(graph::causes_of(tx_, data))) {
      if (!is_production(edge)) continue;
      UnixMs when = made_ms(*TRY(node_of(edge.cause)));
      makers.push_back({std::move(edge), when});
    }
    return &makers_.emplace(data, std::move(makers)).first->second;
  }

  db::Tx& tx_;
  graph::Closure closure_;

 private:
  std::size_t nodes_max_;
  std::map<NodeRef, Node> nodes_;
  std::map<NodeRef, std::vector<Maker>> makers_;
  std::set<NodeRef> added_;
  std::set<std::tuple<NodeRef, std::string, NodeRef, std::string>> edges_;
};

class CauseWalk : private Walk {
 public:
  using Walk::Walk;

  Result<graph::Closure> from(const NodeRef& start) {
    TRY(go({start, "", kEver}));
    for (std::size_t i = 0; i < queue_.size(); ++i) TRY(follow(Stop(queue_[i])));
    TRY(name_others());
    return std::move(closure_);
  }

 private:
  /// A thing as some effect used it.
  struct Stop {
    NodeRef ref;
    std::string path;  // of data; "" when it is not known
    UnixMs before_ms;  // a cause was there by then
    auto operator<=>(const Stop&) const = default;
  };

  Result<> go(Stop stop) {
    if (!TRY(add_node(stop.ref))) return {};
    // The time of an attempt or a version is its own, whoever leads there.
    if (stop.ref.kind == kind::kAttempt) stop.before_ms = begun_ms(*TRY(node_of(stop.ref)));
    if (stop.ref.kind == kind::kModelVersion) stop.before_ms = TRY(created_ms(stop.ref));
    if (seen_.insert(stop).second) queue_.push_back(std::move(stop));
    return {};
  }

  Result<UnixMs> created_ms(const NodeRef& version) {
    const wire::Json* value = TRY(node_of(version))->attributes.find("created_ms");
    return value != nullptr && value->is_integer() ? value->as_int64() : kEver;
  }

  Result<> follow(const Stop& stop) {
    if (stop.ref.kind == kind::kData) TRY(follow_makers(stop));
    std::vector<Edge> edges = TRY(graph::causes_of(tx_, stop.ref));
    if (stop.ref.kind == kind::kRun) TRY(drop_later_attempts(edges, stop.before_ms));
    for (const Edge& edge : edges) {
      if (is_production(edge)) continue;
      if (!is_of_version(edge, *TRY(node_of(edge.effect)))) continue;
      if (is_subject(edge) && stop.ref != closure_.nodes.front().ref) {
        TRY(add_node(edge.cause));
      } else {
        TRY(go({edge.cause, edge.cause.kind == kind::kData ? path_of(edge) : "", stop.before_ms}));
      }
      add_edge(edge);
    }
    return {};
  }

  /// A run that was taken up again later owes what it had given before to the earlier attempts. One
  /// remains in any case: clocks of two machines differ.
  Result<> drop_later_attempts(std::vector<Edge>& edges, UnixMs before_ms) {
    std::vector<Edge> kept;
    const Edge* earliest = nullptr;
    UnixMs earliest_ms = kEver;
    bool has_attempt = false;
    for (const Edge& edge : edges) {
      UnixMs begun = edge.cause.kind == kind::kAttempt ? begun_ms(*TRY(node_of(edge.cause))) : 0;
      if (edge.cause.kind == kind::kAttempt && (earliest == nullptr || begun < earliest_ms)) {
        earliest = &edge;
        earliest_ms = begun;
      }
      if (begun > before_ms) continue;
      has_attempt = has_attempt || edge.cause.kind == kind::kAttempt;
      kept.push_back(edge);
    }
    if (!has_attempt && earliest != nullptr) kept.push_back(*earliest);
    edges = std::move(kept);
    return {};
  }

  Result<> follow_makers(const Stop& stop) {
    const std::vector<Maker>& makers = *TRY(makers_of(stop.ref));
    bool is_empty = is_empty_file(*TRY(node_of(stop.ref)));
    const Maker* chosen = maker_of(makers, stop.path, stop.before_ms);
    for (const Maker& maker : makers) {
      if (maker.made_ms > stop.before_ms) continue;
      bool is_cause = stop.path.empty() ? !is_empty : &maker == chosen;
      if (is_cause) {
        TRY(go({maker.edge.cause, "", stop.before_ms}));
        add_edge(maker.edge);
        chosen_.insert({stop.ref, maker.edge.cause});
      } else if (!is_empty || stop.path.empty()) {
        others_[stop.ref].insert({-maker.made_ms, &maker});
      }
    }
    return {};
  }

  Result<> name_others() {
    for (const auto& [data, others] : others_) {
      std::size_t named = 0;
      for (const auto& [time, maker] : others) {
        if (named == kSameBytesMax) break;
        if (chosen_.contains({data, maker->edge.cause})) continue;
        if (!TRY(add_node(maker->edge.cause))) return {};
        Edge edge = maker->edge;
        edge.attributes.set("same_bytes", true);
        add_edge(edge);
        ++named;
      }
    }
    return {};
  }

  std::deque<Stop> queue_;
  std::set<Stop> seen_;
  std::set<std::pair<NodeRef, NodeRef>> chosen_;                         // data, attempt
  std::map<NodeRef, std::set<std::pair<UnixMs, const Maker*>>> others_;  // latest first
};

class EffectWalk : private Walk {
 public:
  using Walk::Walk;

  Result<graph::Closure> from(const NodeRef& start) {
    TRY(go({start, {}}));
    for (std::size_t i = 0; i < queue_.size(); ++i) TRY(follow(Stop(queue_[i])));
    return std::move(closure_);
  }

 private:
  struct Stop {
    NodeRef ref;
    NodeRef maker;  // of data: the attempt that leads there; else empty
    auto operator<=>(const Stop&) const = default;
  };

  Result<> go(Stop stop) {
    if (!TRY(add_node(stop.ref))) return {};
    if (seen_.insert(stop).second) queue_.push_back(std::move(stop));
    return {};
  }

  Result<> follow(const Stop& stop) {
    for (const Edge& edge : TRY(graph::effects_of(tx_, stop.ref))) {
      if (!is_of_version(edge, *TRY(node_of(edge.effect)))) continue;
      if (!TRY(used_what_was_made(edge, stop))) continue;
      TRY(go({edge.effect, is_production(edge) ? edge.cause : NodeRef()}));
      add_edge(edge);
    }
    return {};
  }

  Result<bool> used_what_was_made(const Edge& edge, const Stop& stop) {
    bool is_use = edge.effect.kind == kind::kAttempt && edge.cause.kind == kind::kData;
    if (!is_use || stop.maker.kind.empty()) return true;
    UnixMs before = begun_ms(*TRY(node_of(edge.effect)));
    const Maker* maker = maker_of(*TRY(makers_of(stop.ref)), path_of(edge), before);
    return maker != nullptr && maker->edge.cause == stop.maker;
  }

  std::deque<Stop> queue_;
  std::set<Stop> seen_;
};

Result<> check_known(db::Tx& tx, const NodeRef& ref) {
  if (TRY(graph::find_node(tx, ref))) return {};
  return missing("the graph holds no " + ref.kind + " " + ref.id);
}

}  // namespace

Result<graph::Closure> walk_to_causes(db::Tx& tx, const NodeRef& start, int nodes_max) {
  TRY(check_known(tx, start));
  return CauseWalk(tx, nodes_max).from(start);
}

Result<graph::Closure> walk_to_effects(db::Tx& tx, const NodeRef& start, int nodes_max) {
  TRY(check_known(tx, start));
  return EffectWalk(tx, nodes_max).from(start);
}

}  // namespace slipway::evidence
