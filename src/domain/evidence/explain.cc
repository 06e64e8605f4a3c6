#include "domain/evidence/explain.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/text.h"
#include "domain/evidence/lines.h"
#include "domain/evidence/makers.h"
#include "domain/evidence/walk.h"
#include "graph/kinds.h"

namespace slipway::evidence {
namespace {

using graph::NodeRef;
using wire::Json;
namespace kind = graph::kind;

constexpr std::string_view kForms =
    "models:/NAME/VERSION, models:/NAME@ALIAS, run:ID, data:MD5, the path of data in the project, "
    "the id of a prediction, "
    "model:ID, attempt:ID, commit:ID, environment:DIGEST, params:DIGEST, "
    "file:SHA256, or KIND:ID as explain prints them: pipeline_run, firing, incident, window, verdict, "
    "rollout_step";

constexpr const char* kExplained[] = {kind::kRun,
                                      kind::kData,
                                      kind::kModel,
                                      kind::kAttempt,
                                      kind::kCommit,
                                      kind::kEnvironment,
                                      kind::kParams,
                                      kind::kModelVersion,
                                      kind::kPipelineRun,
                                      kind::kFiring,
                                      kind::kIncident,
                                      kind::kWindow,
                                      kind::kVerdict,
                                      kind::kRolloutStep,
                                      kind::kContractVersion,
                                      kind::kFeatureViewVersion,
                                      kind::kMessage,
                                      kind::kAlert,
                                      kind::kTick,
                                      kind::kProfile,
                                      kind::kFile};

/// A control character in a stored name must not move the reader's cursor.
std::string harmless(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

/// What is short and says most comes first; the long branches after it.
std::size_t rank_of(const std::string& kind_name) {
  const char* order[] = {kind::kCommit, kind::kEnvironment, kind::kParams, kind::kDataset,
                         kind::kData};
  auto found = std::find(std::begin(order), std::end(order), kind_name);
  return static_cast<std::size_t>(found - std::begin(order));
}

/// What an edge says when it is read from its cause to its effect.
std::string word_of(const graph::Edge& edge, graph::Direction direction) {
  if (is_same_bytes(edge)) return "the same bytes were also produced by";
  if (direction == graph::Direction::kToCauses) return replace_all(edge.relation, "_", " ");
  static const std::map<std::string, std::string, std::less<>> backwards = {
      {graph::relation::kUsed, "used by"},        {graph::relation::kProducedBy, "produced"},
      {graph::relation::kDrawnFrom, "made into"}, {graph::relation::kDecidedBy, "decided"},
      {graph::relation::kAbout, "judged by"},     {graph::relation::kBy, "applied in"},
      {graph::relation::kOf, "served in"}};
  auto found = backwards.find(edge.relation);
  return found == backwards.end() ? edge.relation + " of" : found->second;
}

class Tree {
 public:
  Tree(const graph::Closure& closure, graph::Direction direction) : direction_(direction) {
    for (const graph::Node& node : closure.nodes) nodes_[node.ref] = &node;
    for (const graph::Edge& edge : closure.edges) {
      (is_to_causes() ? far_[edge.effect] : far_[edge.cause]).push_back(&edge);
    }
    for (auto& [parent, edges] : far_) {
      std::stable_sort(edges.begin(), edges.end(), [&](const auto* a, const auto* b) {
        return std::pair(is_same_bytes(*a), rank_of(far_end(*a).kind)) <
               std::pair(is_same_bytes(*b), rank_of(far_end(*b).kind));
      });
    }
  }

  std::string draw(const NodeRef& root) {
    add_line("", root, "");
    add_children({root, nullptr, false}, children_of({root, nullptr, false}), "");
    return std::move(text_);
  }

 private:
  /// A thing where it is drawn; data by whom of its makers, when it is known who made it there.
  struct Place {
    NodeRef ref;
    const graph::Edge* made = nullptr;
    bool is_use = false;  // by an attempt: who else made the bytes is not their maker
    auto operator<=>(const Place&) const = default;
  };
  using Edges = std::vector<const graph::Edge*>;

  bool is_to_causes() const { return direction_ == graph::Direction::kToCauses; }

  const NodeRef& far_end(const graph::Edge& edge) const {
    return is_to_causes() ? edge.cause : edge.effect;
  }

  Place place_behind(const graph::Edge& edge) const {
    Place place{far_end(edge), nullptr};
    auto user = nodes_.find(edge.effect);
    bool is_use = edge.effect.kind == kind::kAttempt && edge.cause.kind == kind::kData;
    if (!is_to_causes() || !is_use || user == nodes_.end()) return place;
    auto makers = makers_at(place.ref);
    place.is_use = true;
    const Maker* maker = maker_of(makers, path_of(edge), begun_ms(*user->second));
    if (maker == nullptr) return place;
    for (const graph::Edge* one : far_.at(place.ref)) {
      if (one->cause == maker->edge.cause && path_of(*one) == path_of(edge) && !is_same_bytes(*one))
        place.made = one;
    }
    return place;
  }

  std::vector<Maker> makers_at(const NodeRef& data) const {
    std::vector<Maker> makers;
    auto found = far_.find(data);
    if (found == far_.end()) return makers;
    for (const graph::Edge* edge : found->second) {
      auto attempt = nodes_.find(edge->cause);
      if (edge->cause.kind != kind::kAttempt || is_same_bytes(*edge) || attempt == nodes_.end())
        continue;
      makers.push_back({*edge, made_ms(*attempt->second)});
    }
    return makers;
  }

  Edges children_of(const Place& place) const {
    Edges children;
    auto found = far_.find(place.ref);
    if (found == far_.end()) return children;
    for (const graph::Edge* edge : found->second) {
      bool is_other_maker = place.is_use && edge != place.made &&
                            edge->relation == graph::relation::kProducedBy && !is_same_bytes(*edge);
      if (!is_other_maker && !is_said_deeper(*edge)) children.push_back(edge);
    }
    return children;
  }

  /// A version of a model of a run comes from both; below the run it stands once, at the model.
  bool is_said_deeper(const graph::Edge& edge) const {
    if (is_to_causes() || edge.effect.kind != kind::kModelVersion || edge.cause.kind != kind::kRun)
      return false;
    for (const graph::Edge* sibling : far_.at(edge.cause)) {
      if (sibling->effect.kind != kind::kModel) continue;
      auto made = far_.find(sibling->effect);
      if (made == far_.end()) continue;
      for (const graph::Edge* next : made->second) {
        if (next->effect == edge.effect) return true;
      }
    }
    return false;
  }

  void add_line(const std::string& lead, const NodeRef& ref, const std::string& extra) {
    auto it = nodes_.find(ref);
    std::string line = it == nodes_.end() ? line_of(ref) : line_of(*it->second);
    text_ += lead + harmless(line + extra) + "\n";
  }

  void add_children(const Place& parent, const Edges& edges, const std::string& indent) {
    seen_.insert(parent);
    for (std::size_t i = 0; i < edges.size(); ++i) {
      bool last = i + 1 == edges.size();
      const graph::Edge& edge = *edges[i];
      Place child = place_behind(edge);
      Edges next = is_same_bytes(edge) ? Edges() : children_of(child);
      bool known = seen_.contains(child) && !next.empty();
      std::string lead = indent + (last ? "└─ " : "├─ ") + word_of(edge, direction_) + " ";
      add_line(lead, child.ref, addition_of(edge) + (known ? "  (see above)" : ""));
      if (!known) add_children(child, next, indent + (last ? "   " : "│  "));
    }
  }

  graph::Direction direction_;
  std::map<NodeRef, const graph::Node*> nodes_;
  std::map<NodeRef, Edges> far_;
  std::set<Place> seen_;
  std::string text_;
};

std::string joined(const NodeRef& ref) {
  return ref.kind + ":" + ref.id;
}

/// The thing itself, or the only one whose id begins so.
Result<NodeRef> completed(db::Tx& tx, const NodeRef& subject) {
  constexpr std::size_t kPrefixMin = 6, kListedMax = 10;
  if (TRY(graph::find_node(tx, subject))) return subject;
  auto unknown = [&] {
    return missing("nothing is known of " + replace_all(subject.kind, "_", " ") + " '" +
                   subject.id + "' here");
  };
  if (subject.id.size() < kPrefixMin) return unknown();
  std::vector<NodeRef> found = TRY(graph::find_by_prefix(tx, subject, kListedMax + 1));
  if (found.empty()) return unknown();
  if (found.size() == 1) return found.front();
  std::vector<std::string> ids;
  for (const NodeRef& one : found) ids.push_back(one.id);
  bool is_more = ids.size() > kListedMax;
  if (is_more) ids.back() = "...";
  return conflict("'" + subject.id + "' begins the id of more than one " +
                  replace_all(subject.kind, "_", " ") + ": " + join(ids, ", "));
}

}  // namespace

Result<NodeRef> parse_subject(std::string_view text) {
  auto wrong = [&] {
    return invalid("'" + std::string(text) + "' names nothing that can be explained; say one of " +
                   std::string(kForms));
  };
  if (text.starts_with("models:/")) {
    std::string_view rest = text.substr(8);
    std::size_t slash = rest.rfind('/');
    if (slash == std::string_view::npos || slash == 0) return wrong();
    if (!to_int64(rest.substr(slash + 1))) return wrong();
    return NodeRef{kind::kModelVersion, std::string(rest)};
  }
  if (text.starts_with("runs:/"))
    return NodeRef{kind::kRun, std::string(split(text.substr(6), '/').front())};
  std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon + 1 == text.size()) return wrong();
  std::string_view name = text.substr(0, colon);
  for (const char* known : kExplained) {
    if (name == known) return NodeRef{known, std::string(text.substr(colon + 1))};
  }
  return wrong();
}

Result<graph::Closure> explain(db::Tx& tx, const NodeRef& subject, graph::Direction direction) {
  constexpr int kNodesMax = 10'000;
  NodeRef whole = TRY(completed(tx, subject));
  return direction == graph::Direction::kToCauses ? walk_to_causes(tx, whole, kNodesMax)
                                                  : walk_to_effects(tx, whole, kNodesMax);
}

std::string to_tree(const graph::Closure& closure, graph::Direction direction) {
  if (closure.nodes.empty()) return "";
  std::string text = Tree(closure, direction).draw(closure.nodes.front().ref);
  if (closure.truncated)
    text += "(more than " + std::to_string(closure.nodes.size()) + " nodes: cut here)\n";
  return text;
}

Json to_json(const graph::Closure& closure) {
  Json result;
  if (!closure.nodes.empty()) result.set("subject", joined(closure.nodes.front().ref));
  result.set("truncated", closure.truncated);
  Json::Array nodes, edges;
  for (const graph::Node& node : closure.nodes) {
    Json item;
    item.set("kind", node.ref.kind);
    item.set("id", node.ref.id);
    item.set("created_ms", node.created_ms);
    item.set("attributes", node.attributes);
    nodes.push_back(std::move(item));
  }
  for (const graph::Edge& edge : closure.edges) {
    Json item;
    item.set("effect", joined(edge.effect));
    item.set("relation", edge.relation);
    item.set("cause", joined(edge.cause));
    item.set("attributes", edge.attributes);
    edges.push_back(std::move(item));
  }
  result.set("nodes", std::move(nodes));
  result.set("edges", std::move(edges));
  return result;
}

}  // namespace slipway::evidence
