#include "domain/flows/plan.h"

#include <algorithm>
#include <map>
#include <optional>

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using Neighbours = std::vector<std::vector<std::size_t>>;

struct Owner {
  std::size_t node = 0;
  std::size_t out = 0;
};
/// Every output by its path. No path in it lies below another.
using Outputs = std::map<std::string, Owner, std::less<>>;

/// The output at `path` or the nearest one above it.
const Owner* at_or_above(const Outputs& outputs, const std::string& path) {
  std::string_view part = path;
  while (!part.empty()) {
    auto found = outputs.find(part);
    if (found != outputs.end()) return &found->second;
    std::size_t slash = part.rfind('/');
    part = part.substr(0, slash == std::string_view::npos ? 0 : slash);
  }
  return nullptr;
}

/// The outputs below `path`.
std::vector<Owner> below(const Outputs& outputs, const std::string& path) {
  std::string prefix = path + "/";
  std::vector<Owner> found;
  for (auto at = outputs.lower_bound(prefix); at != outputs.end(); ++at) {
    if (!at->first.starts_with(prefix)) break;
    found.push_back(at->second);
  }
  return found;
}

Error duplicate(const std::string& out, const PlanNode& a, const PlanNode& b) {
  if (&a == &b) {
    return with_tag(
        conflict("output '" + out + "' is already specified in stage: '" + a.name +
                 "'.\nUse `dvc remove " + a.name + "` to stop tracking the overlapping output."),
        "duplicate_output");
  }
  return with_tag(
      conflict("output '" + out + "' is specified in:\n\t- " + a.name + "\n\t- " + b.name +
               "\nUse `dvc remove` with any of the above targets to stop tracking the "
               "overlapping output."),
      "duplicate_output");
}

Error overlapping(const std::vector<PlanNode>& nodes, Owner outer, Owner inner) {
  auto shown = [&](Owner owner) {
    const PlanNode& node = nodes[owner.node];
    return "'" + node.out_names[owner.out] + "'('" + node.name + "')\n";
  };
  return with_tag(
      conflict("The output paths:\n" + shown(outer) + shown(inner) +
               "overlap and are thus in the same tracked directory.\nTo keep reproducibility, "
               "outputs should be in separate tracked directories or tracked individually."),
      "overlapping_outputs");
}

Result<Outputs> collect_outputs(const std::vector<PlanNode>& nodes) {
  Outputs outputs;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (std::size_t k = 0; k < nodes[i].outs.size(); ++k) {
      const std::string& path = nodes[i].outs[k].native();
      Owner self{i, k};
      if (auto same = outputs.find(path); same != outputs.end()) {
        return duplicate(nodes[i].out_names[k], nodes[same->second.node], nodes[i]);
      }
      if (std::vector<Owner> inner = below(outputs, path); !inner.empty()) {
        return overlapping(nodes, self, inner.front());
      }
      if (const Owner* outer = at_or_above(outputs, path)) return overlapping(nodes, *outer, self);
      outputs.emplace(path, self);
    }
  }
  return outputs;
}

Result<> check_files(const std::vector<PlanNode>& nodes, const Outputs& outputs) {
  for (const PlanNode& node : nodes) {
    const Owner* outer = at_or_above(outputs, node.file.native());
    if (outer == nullptr) continue;
    return with_tag(conflict("stage: '" + node.name + "' is within an output '" +
                             nodes[outer->node].out_names[outer->out] + "' of another stage"),
                    "file_in_output");
  }
  return {};
}

void connect(const std::vector<PlanNode>& nodes, const Outputs& outputs, Neighbours& upstream,
             Neighbours& downstream) {
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    auto add = [&](std::size_t cause) {
      std::vector<std::size_t>& list = upstream[i];
      if (std::find(list.begin(), list.end(), cause) != list.end()) return;
      list.push_back(cause);
      downstream[cause].push_back(i);
    };
    for (const fs::path& dep : nodes[i].deps) {
      if (const Owner* owner = at_or_above(outputs, dep.native())) add(owner->node);
      for (Owner owner : below(outputs, dep.native())) add(owner.node);
    }
  }
}

/// Depth-first walk over `next`; calls `leave(node)` after all that can be reached from it. Without
/// recursion: a chain may be as long as the project has stages.
class Walk {
 public:
  explicit Walk(const Neighbours& next) : next_(next), state_(next.size(), State::kNew) {}

  template <class Leave>
  void from(std::size_t start, Leave leave) {
    if (state_[start] != State::kNew) return;
    push(start);
    while (!stack_.empty()) {
      auto& [node, at] = stack_.back();
      if (at == next_[node].size()) {
        state_[node] = State::kLeft;
        leave(node);
        stack_.pop_back();
        continue;
      }
      std::size_t to = next_[node][at++];
      if (state_[to] == State::kOpen && cycle_.empty()) note_cycle(to);
      if (state_[to] == State::kNew) push(to);
    }
  }
  /// The nodes of the first cycle met, if any.
  const std::vector<std::size_t>& cycle() const { return cycle_; }

 private:
  enum class State { kNew, kOpen, kLeft };
  void push(std::size_t node) {
    state_[node] = State::kOpen;
    stack_.emplace_back(node, 0);
  }
  void note_cycle(std::size_t to) {
    bool inside = false;
    for (const auto& [node, at] : stack_) {
      inside = inside || node == to;
      if (inside) cycle_.push_back(node);
    }
  }

  const Neighbours& next_;
  std::vector<State> state_;
  std::vector<std::pair<std::size_t, std::size_t>> stack_;
  std::vector<std::size_t> cycle_;
};

Result<> check_acyclic(const std::vector<PlanNode>& nodes, const Neighbours& upstream) {
  Walk walk(upstream);
  for (std::size_t i = 0; i < nodes.size(); ++i) walk.from(i, [](std::size_t) {});
  if (walk.cycle().empty()) return {};
  std::string names;
  for (std::size_t node : walk.cycle()) names += (names.empty() ? "" : ", ") + nodes[node].name;
  return with_tag(
      conflict("Same item(s) are defined as both a dependency and an output in " +
               std::string(walk.cycle().size() == 1 ? "stage" : "stages") + ": " + names + "."),
      "cycle");
}

std::vector<bool> reachable(const Neighbours& next, const std::vector<std::size_t>& starts) {
  std::vector<bool> seen(next.size(), false);
  Walk walk(next);
  for (std::size_t start : starts) walk.from(start, [&](std::size_t node) { seen[node] = true; });
  return seen;
}

Neighbours joined(const Neighbours& a, const Neighbours& b) {
  Neighbours both = a;
  for (std::size_t i = 0; i < b.size(); ++i)
    both[i].insert(both[i].end(), b[i].begin(), b[i].end());
  return both;
}

}  // namespace

Result<Graph> Graph::build(std::vector<PlanNode> nodes) {
  Graph graph;
  Outputs outputs = TRY(collect_outputs(nodes));
  TRY(check_files(nodes, outputs));
  graph.upstream_.resize(nodes.size());
  graph.downstream_.resize(nodes.size());
  connect(nodes, outputs, graph.upstream_, graph.downstream_);
  TRY(check_acyclic(nodes, graph.upstream_));
  graph.touching_ = joined(graph.upstream_, graph.downstream_);
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    if (!nodes[i].frozen) continue;
    for (std::size_t cause : graph.upstream_[i]) std::erase(graph.downstream_[cause], i);
    graph.upstream_[i].clear();
  }
  graph.nodes_ = std::move(nodes);
  return graph;
}

std::vector<std::size_t> Graph::order(const std::vector<std::size_t>& targets,
                                      Selection selection) const {
  if (selection == Selection::kOnly) return targets;
  std::vector<bool> chosen(size(), true);
  if (!targets.empty()) {
    if (selection == Selection::kWithUpstream) chosen = reachable(upstream_, targets);
    if (selection == Selection::kDownstream) chosen = reachable(downstream_, targets);
    if (selection == Selection::kPipelines)
      chosen = reachable(joined(upstream_, downstream_), targets);
  }
  Neighbours within(size());
  for (std::size_t i = 0; i < size(); ++i) {
    for (std::size_t cause : upstream_[i]) {
      if (chosen[i] && chosen[cause]) within[i].push_back(cause);
    }
  }
  std::vector<std::size_t> result;
  Walk walk(within);
  for (std::size_t i = 0; i < size(); ++i) {
    if (chosen[i]) walk.from(i, [&](std::size_t node) { result.push_back(node); });
  }
  return result;
}

std::vector<std::size_t> Graph::dependents(std::size_t i) const {
  std::vector<std::size_t> result;
  Walk walk(downstream_);
  walk.from(i, [&](std::size_t node) {
    if (node != i) result.push_back(node);
  });
  return result;
}

}  // namespace slipway::flows
