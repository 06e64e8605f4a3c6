#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/result.h"

// Decision forests: trees as read, and the same trees laid out for speed.
namespace slipway::engine {

/// A binary tree as parallel arrays over nodes; node 0 is the root.
struct Tree {
  std::vector<std::int32_t> left, right;  // children; -1 in a leaf
  std::vector<std::int32_t> feature;      // which cell an inner node looks at
  std::vector<float> threshold;           // inner node: cell < threshold goes left; leaf: its value
  std::vector<std::int32_t> missing_left;  // not 0: a missing cell (NaN) goes left
  std::int32_t group = 0;                  // which sum of the row its leaf is added to
};

struct ForestSpec {
  std::int32_t features = 0;  // cells per row
  std::vector<float>
      base_margins;  // where each group's sum starts; its size is the number of groups
  std::vector<Tree> trees;
};

/// Immutable after compile; any thread.
///
/// Trees are kept in blocks of eight, which are walked together so that their memory accesses
/// overlap. A block is padded to perfect trees (no child pointers, no tests for leaves) unless that
/// would cost more than four times the nodes there are, or more than 10 levels; such a block is
/// kept as compact nodes. Sums are float32 and in the order of the trees, as XGBoost's own
/// predictor adds them up.
class Forest {
 public:
  /// kInvalid when the trees are no trees: arrays of different sizes, children or features out of
  /// range, cycles, a node with two parents or one child. Nodes that no path reaches are dropped.
  static Result<Forest> compile(const ForestSpec& spec);

  std::size_t features() const { return features_; }
  std::size_t groups() const { return base_margins_.size(); }
  /// Memory in use.
  std::size_t bytes() const;

  /// Preconditions: cells.size() == rows * features(), margins.size() == rows * groups().
  void score(std::span<const float> cells, std::size_t rows, std::span<float> margins) const;

  /// How many blocks are padded and how many compact.
  struct Layout {
    std::size_t padded = 0, compact = 0;
  };
  Layout layout() const;

 private:
  static constexpr std::size_t kTreesPerBlock = 8;

  /// Cells and thresholds are compared as keys: unsigned integers in the order of the floats they
  /// stand for, which costs two instructions less a step. The left child is the higher one, so that
  /// a comparison is what is added.
  struct PaddedNode {
    std::uint32_t threshold;
    std::uint32_t slot;
  };
  struct CompactNode {
    std::uint32_t threshold;  // 0 in a leaf: nothing is below it, and `right` is the leaf itself
    std::uint32_t slot;
    std::uint32_t right;  // the left child follows it
  };
  struct Block {
    bool padded = false;
    std::uint32_t depth = 0;
    std::size_t nodes = 0, leaves = 0;  // where it begins in the arrays below
    std::uint32_t roots[kTreesPerBlock] = {};
    std::uint32_t trees = 0;  // at most kTreesPerBlock; the rest is filling
  };
  /// A prepared row has a slot per feature and side that missing goes to; as parallel lists, read
  /// without branches.
  struct Slots {
    std::vector<std::uint32_t> features;
    std::vector<std::uint32_t> missing;  // the key of a missing cell
    std::size_t size() const { return features.size(); }
  };
  class Compiler;

  void prepare(const float* row, std::uint32_t* slots) const;
  void add_row(const std::uint32_t* slots, float* margins) const;
  void add_rows(const std::uint32_t* slots, std::size_t rows, float* margins) const;

  std::size_t features_ = 0;
  std::vector<float> base_margins_;
  Slots slots_;
  std::vector<Block> blocks_;
  std::vector<std::uint32_t> groups_of_trees_;
  std::vector<PaddedNode> padded_;
  std::vector<float> padded_leaves_;
  std::vector<CompactNode> compact_;
  std::vector<float> compact_values_;
};

}  // namespace slipway::engine
