#include "domain/evidence/explain.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "base/text.h"
#include "domain/evidence/lines.h"
#include "graph/kinds.h"

namespace slipway::evidence {
namespace {

using graph::NodeRef;
using wire::Json;
namespace kind = graph::kind;

constexpr std::string_view kForms =
    "models:/NAME/VERSION, models:/NAME@ALIAS, run:ID, data:MD5, model:ID, attempt:ID, commit:ID, "
    "environment:DIGEST, "
    "params:DIGEST";

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

class Tree {
 public:
  Tree(const graph::Closure& closure, graph::Direction direction) : direction_(direction) {
    for (const graph::Node& node : closure.nodes) nodes_[node.ref] = &node;
    for (const graph::Edge& edge : closure.edges) {
      children_[direction == graph::Direction::kToCauses ? edge.effect : edge.cause].push_back(
          &edge);
    }
    for (auto& [parent, edges] : children_) {
      std::stable_sort(edges.begin(), edges.end(), [&](const auto* a, const auto* b) {
        return rank_of(far_end(*a).kind) < rank_of(far_end(*b).kind);
      });
    }
  }

  std::string draw(const NodeRef& root) {
    add_line("", root, "");
    add_children(root, "");
    return std::move(text_);
  }

 private:
  const NodeRef& far_end(const graph::Edge& edge) const {
    return direction_ == graph::Direction::kToCauses ? edge.cause : edge.effect;
  }

  void add_line(const std::string& lead, const NodeRef& ref, const std::string& extra) {
    auto it = nodes_.find(ref);
    std::string line = it == nodes_.end() ? line_of(ref) : line_of(*it->second);
    text_ += lead + harmless(line + extra) + "\n";
  }

  void add_children(const NodeRef& parent, const std::string& indent) {
    seen_.insert(parent);
    const std::vector<const graph::Edge*>& edges = children_[parent];
    for (std::size_t i = 0; i < edges.size(); ++i) {
      bool last = i + 1 == edges.size();
      const graph::Edge& edge = *edges[i];
      const NodeRef& child = far_end(edge);
      bool known = seen_.count(child) > 0 && !children_[child].empty();
      std::string relation = replace_all(edge.relation, "_", " ");
      std::string lead = indent + (last ? "└─ " : "├─ ") + relation + " ";
      add_line(lead, child, addition_of(edge) + (known ? "  (see above)" : ""));
      if (!known) add_children(child, indent + (last ? "   " : "│  "));
    }
  }

  graph::Direction direction_;
  std::map<NodeRef, const graph::Node*> nodes_;
  std::map<NodeRef, std::vector<const graph::Edge*>> children_;
  std::set<NodeRef> seen_;
  std::string text_;
};

std::string joined(const NodeRef& ref) {
  return ref.kind + ":" + ref.id;
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
  for (const char* known : {kind::kRun, kind::kData, kind::kModel, kind::kAttempt, kind::kCommit,
                            kind::kEnvironment, kind::kParams, kind::kModelVersion}) {
    if (name == known) return NodeRef{known, std::string(text.substr(colon + 1))};
  }
  return wrong();
}

Result<graph::Closure> explain(db::Tx& tx, const NodeRef& subject, graph::Direction direction) {
  Result<graph::Closure> found = graph::closure(tx, subject, direction);
  if (!found.ok() && found.error().code == Code::kMissing) {
    return missing("nothing is known of " + replace_all(subject.kind, "_", " ") + " '" +
                   subject.id + "' here");
  }
  return found;
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
