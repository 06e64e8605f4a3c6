#include "domain/evidence/explain.h"

#include <map>
#include <set>
#include <vector>

#include "base/text.h"
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

std::string title_of(const std::string& kind_name) {
  return kind_name == kind::kModelVersion ? "model version" : kind_name;
}

std::string short_id(const NodeRef& ref) {
  bool digest =
      ref.kind == kind::kCommit || ref.kind == kind::kParams || ref.kind == kind::kEnvironment;
  return digest && ref.id.size() > 12 ? ref.id.substr(0, 12) : ref.id;
}

/// Attributes worth a place on the line, in the order found; long values are cut.
std::string attributes_text(const Json& attributes) {
  if (!attributes.is_object()) return "";
  std::string text;
  for (const auto& [key, value] : attributes.as_object()) {
    if (value.is_null()) continue;
    std::string shown = value.is_string() ? value.as_string() : wire::dump(value, {.spaces = true});
    if (shown.empty()) continue;
    if (count_code_points(shown) > 60) shown = std::string(take_code_points(shown, 57)) + "...";
    text += "  " + key + "=" + shown;
  }
  return text;
}

/// A control character in a stored name must not move the reader's cursor.
std::string harmless(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  return text;
}

class Tree {
 public:
  Tree(const graph::Closure& closure, graph::Direction direction) : direction_(direction) {
    for (const graph::Node& node : closure.nodes) nodes_[node.ref] = &node;
    for (const graph::Edge& edge : closure.edges) {
      children_[direction == graph::Direction::kToCauses ? edge.effect : edge.cause].push_back(
          &edge);
    }
  }

  std::string draw(const NodeRef& root) {
    add_line("", root, "");
    add_children(root, "");
    return std::move(text_);
  }

 private:
  void add_line(const std::string& lead, const NodeRef& ref, const std::string& extra) {
    text_ += lead + title_of(ref.kind) + " " + harmless(short_id(ref));
    auto it = nodes_.find(ref);
    if (it != nodes_.end()) text_ += harmless(attributes_text(it->second->attributes));
    text_ += harmless(extra) + "\n";
  }

  void add_children(const NodeRef& parent, const std::string& indent) {
    seen_.insert(parent);
    const std::vector<const graph::Edge*>& edges = children_[parent];
    for (std::size_t i = 0; i < edges.size(); ++i) {
      bool last = i + 1 == edges.size();
      const graph::Edge& edge = *edges[i];
      const NodeRef& child = direction_ == graph::Direction::kToCauses ? edge.cause : edge.effect;
      bool known = seen_.count(child) > 0 && !children_[child].empty();
      std::string relation = replace_all(edge.relation, "_", " ");
      std::string lead = indent + (last ? "└─ " : "├─ ") + relation + " ";
      add_line(lead, child, attributes_text(edge.attributes) + (known ? "  (see above)" : ""));
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
    return missing("nothing is known of " + title_of(subject.kind) + " '" + subject.id + "' here");
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
