#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"

// Which stages there are to look at, and in which order: decided from paths alone. Values only.
namespace slipway::flows {

/// What the plan needs to know of a stage or a .dvc file.
struct PlanNode {
  std::string name;                               // for messages
  std::filesystem::path file;                     // that it stands in
  std::vector<std::filesystem::path> deps, outs;  // absolute, normalized
  std::vector<std::string> out_names;             // of outs, for messages
  bool frozen = false;                            // what it depends on is not looked at
};

enum class Selection {
  kWithUpstream,  // the targets and all they depend on
  kOnly,          // the targets alone
  kPipelines,     // everything connected with a target, in whatever direction
  kDownstream,    // the targets and all that depends on them
};

/// Stages with an edge from each to those whose outputs it depends on. Immutable. Any thread.
class Graph {
 public:
  /// kConflict with tag "duplicate_output", "overlapping_outputs", "file_in_output" or "cycle".
  static Result<Graph> build(std::vector<PlanNode> nodes);

  std::size_t size() const { return nodes_.size(); }
  const PlanNode& node(std::size_t i) const { return nodes_[i]; }
  /// Direct neighbours; upstream in the order of the dependencies. A frozen node has no upstream.
  const std::vector<std::size_t>& upstream(std::size_t i) const { return upstream_[i]; }
  const std::vector<std::size_t>& downstream(std::size_t i) const { return downstream_[i]; }
  /// Those that write what node i reads, or read what it writes, frozen or not: they and node i are
  /// not to work at the same time.
  const std::vector<std::size_t>& touching(std::size_t i) const { return touching_[i]; }

  /// The selected nodes, each after those that it depends on: depth first, in the order of the
  /// nodes and of their dependencies, as DVC runs them. No targets: everything (kOnly: nothing).
  std::vector<std::size_t> order(const std::vector<std::size_t>& targets,
                                 Selection selection) const;
  /// Everything that depends on node i, directly or not; without itself.
  std::vector<std::size_t> dependents(std::size_t i) const;

 private:
  std::vector<PlanNode> nodes_;
  std::vector<std::vector<std::size_t>> upstream_, downstream_, touching_;
};

}  // namespace slipway::flows
