#include "domain/engine/forest.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>

namespace slipway::engine {
namespace {

constexpr std::uint32_t kPaddedDepthMax = 10;
constexpr std::uint32_t kAlwaysPaddedDepth = 3;
constexpr std::size_t kPaddingFactorMax = 4;
constexpr std::size_t kRowsPerBlock = 64;
constexpr std::size_t kSlotsOnStack = 512;
// Below and above the key of every number, infinities included.
constexpr std::uint32_t kMissingLeft = 0, kMissingRight = 0xFFFF'FFFF;

/// Orders like the floats themselves; -0 and 0 are one. Not for NaN.
std::uint32_t key_of(float number) {
  const auto bits = std::bit_cast<std::int32_t>(number + 0.0f);
  return static_cast<std::uint32_t>(bits) ^ (static_cast<std::uint32_t>(bits >> 31) | 0x8000'0000u);
}

/// A tree that was checked: inner nodes with two children, reachable, depth known.
struct Shape {
  std::uint32_t depth = 0;
  std::size_t nodes = 0;
};

Error broken(std::size_t tree, const std::string& what) {
  return invalid("tree " + std::to_string(tree) + ": " + what);
}

Result<> check_sizes(const Tree& tree, std::size_t index) {
  const std::size_t n = tree.left.size();
  if (n == 0) return broken(index, "it has no nodes");
  if (tree.right.size() != n || tree.feature.size() != n || tree.threshold.size() != n ||
      tree.missing_left.size() != n) {
    return broken(index, "its lists of node properties differ in length");
  }
  return {};
}

Result<Shape> check_tree(const Tree& tree, std::size_t index, const ForestSpec& spec) {
  TRY(check_sizes(tree, index));
  if (tree.group < 0 || static_cast<std::size_t>(tree.group) >= spec.base_margins.size()) {
    return broken(index, "group " + std::to_string(tree.group) + " of " +
                             std::to_string(spec.base_margins.size()));
  }
  const auto n = static_cast<std::int32_t>(tree.left.size());
  std::vector<bool> seen(tree.left.size());
  std::vector<std::pair<std::int32_t, std::uint32_t>> open{{0, 0}};
  Shape shape;
  while (!open.empty()) {
    const auto [node, depth] = open.back();
    open.pop_back();
    const std::string name = "node " + std::to_string(node);
    if (seen[node]) return broken(index, name + " is reached twice");
    seen[node] = true;
    ++shape.nodes;
    shape.depth = std::max(shape.depth, depth);
    if (tree.left[node] == -1 && tree.right[node] == -1) continue;
    for (const std::int32_t child : {tree.left[node], tree.right[node]}) {
      if (child < 0 || child >= n)
        return broken(index,
                      name + " has a child " + std::to_string(child) + " of " + std::to_string(n));
      open.emplace_back(child, depth + 1);
    }
    if (tree.feature[node] < 0 || tree.feature[node] >= spec.features) {
      return broken(index, name + " splits on feature " + std::to_string(tree.feature[node]) +
                               " of " + std::to_string(spec.features));
    }
  }
  return shape;
}

/// 2 * at + (key < threshold). Compilers turn the comparison into a byte and widen it; the carry
/// does it in two instructions.
inline std::size_t descend(std::size_t at, std::uint32_t key, const std::uint32_t& threshold) {
#if defined(__x86_64__)
  __asm__("cmpl %[threshold], %[key]\n\tadcq %[at], %[at]"
          : [at] "+r"(at)
          : [key] "r"(key), [threshold] "m"(threshold)
          : "cc");
  return at;
#else
  return 2 * at + (key < threshold);
#endif
}

/// The leaves that eight lanes end in, counted from the first leaf of their tree. `Depth` is known
/// at compile time, so that every lane's tree lies at a constant distance.
template <std::uint32_t Depth, class Node>
void walk_trees(const Node* nodes, const std::uint32_t* slots, std::uint32_t* leaves) {
  constexpr std::size_t kStride = std::size_t{1} << Depth;
  std::size_t at[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  for (std::uint32_t level = 0; level < Depth; ++level) {
#pragma GCC unroll 8
    for (std::size_t lane = 0; lane < 8; ++lane) {
      const Node& node = nodes[lane * kStride + at[lane]];
      at[lane] = descend(at[lane], slots[node.slot], node.threshold);
    }
  }
  for (std::size_t lane = 0; lane < 8; ++lane)
    leaves[lane] = static_cast<std::uint32_t>(at[lane] - kStride);
}

/// One tree, eight rows.
template <std::uint32_t Depth, class Node>
void walk_rows(const Node* nodes, const std::uint32_t* slots, std::size_t row_stride,
               std::uint32_t* leaves) {
  std::size_t at[8] = {1, 1, 1, 1, 1, 1, 1, 1};
  for (std::uint32_t level = 0; level < Depth; ++level) {
#pragma GCC unroll 8
    for (std::size_t lane = 0; lane < 8; ++lane) {
      const Node& node = nodes[at[lane]];
      at[lane] = descend(at[lane], slots[lane * row_stride + node.slot], node.threshold);
    }
  }
  for (std::size_t lane = 0; lane < 8; ++lane)
    leaves[lane] = static_cast<std::uint32_t>(at[lane]) - (1u << Depth);
}

template <class Node>
struct Walkers {
  using Trees = void (*)(const Node*, const std::uint32_t*, std::uint32_t*);
  using Rows = void (*)(const Node*, const std::uint32_t*, std::size_t, std::uint32_t*);
  template <std::uint32_t... Depth>
  static constexpr std::array<Trees, sizeof...(Depth)> trees(
      std::integer_sequence<std::uint32_t, Depth...>) {
    return {&walk_trees<Depth, Node>...};
  }
  template <std::uint32_t... Depth>
  static constexpr std::array<Rows, sizeof...(Depth)> rows(
      std::integer_sequence<std::uint32_t, Depth...>) {
    return {&walk_rows<Depth, Node>...};
  }
  using Depths = std::make_integer_sequence<std::uint32_t, kPaddedDepthMax + 1>;
  static constexpr auto kTrees = trees(Depths{});
  static constexpr auto kRows = rows(Depths{});
};

/// Eight lanes through compact nodes; leaves lead to themselves, so a lane that is done waits for
/// the others.
template <class Node>
void walk_compact(const Node* nodes, const std::uint32_t* roots, const std::uint32_t* const* slots,
                  std::uint32_t depth, std::uint32_t* leaves) {
  std::uint32_t at[8];
  std::copy(roots, roots + 8, at);
  for (std::uint32_t level = 0; level < depth; ++level) {
    std::uint32_t moved = 0;
    for (std::size_t lane = 0; lane < 8; ++lane) {
      const Node& node = nodes[at[lane]];
      const std::uint32_t next = node.right + (slots[lane][node.slot] < node.threshold);
      moved |= next ^ at[lane];
      at[lane] = next;
    }
    if (moved == 0) break;
  }
  std::copy(at, at + 8, leaves);
}

}  // namespace

class Forest::Compiler {
 public:
  explicit Compiler(const ForestSpec& spec) : spec_(spec) {}

  Result<Forest> run() {
    forest_.features_ = static_cast<std::size_t>(spec_.features);
    forest_.base_margins_ = spec_.base_margins;
    for (std::size_t i = 0; i < spec_.trees.size(); ++i) {
      shapes_.push_back(TRY(check_tree(spec_.trees[i], i, spec_)));
      forest_.groups_of_trees_.push_back(static_cast<std::uint32_t>(spec_.trees[i].group));
    }
    for (std::size_t first = 0; first < spec_.trees.size(); first += kTreesPerBlock)
      add_block(first);
    return std::move(forest_);
  }

 private:
  void add_block(std::size_t first) {
    Block block;
    block.trees = static_cast<std::uint32_t>(std::min(kTreesPerBlock, spec_.trees.size() - first));
    std::size_t nodes = 0;
    for (std::size_t i = first; i < first + block.trees; ++i) {
      block.depth = std::max(block.depth, shapes_[i].depth);
      nodes += shapes_[i].nodes;
    }
    block.padded = worth_padding(block, nodes);
    if (block.padded)
      add_padded(block, first);
    else
      add_compact(block, first);
    forest_.blocks_.push_back(block);
  }

  static bool worth_padding(const Block& block, std::size_t nodes) {
    if (block.depth <= kAlwaysPaddedDepth) return true;
    if (block.depth > kPaddedDepthMax) return false;
    const std::size_t padded_nodes = block.trees * (std::size_t{2} << block.depth);
    return padded_nodes <= kPaddingFactorMax * nodes;
  }

  void add_padded(Block& block, std::size_t first) {
    const std::size_t stride = std::size_t{1} << block.depth;
    block.nodes = forest_.padded_.size();
    block.leaves = forest_.padded_leaves_.size();
    forest_.padded_.resize(block.nodes + kTreesPerBlock * stride, PaddedNode{0, 0});
    forest_.padded_leaves_.resize(block.leaves + kTreesPerBlock * stride, 0.0f);
    for (std::size_t i = 0; i < block.trees; ++i) {
      fill(spec_.trees[first + i], 0, &forest_.padded_[block.nodes + i * stride],
           &forest_.padded_leaves_[block.leaves + i * stride], 1, block.depth);
    }
  }

  /// Depth is at most kPaddedDepthMax: `levels` counts down to the leaves, a leaf above them stands
  /// for its whole subtree.
  void fill(const Tree& tree, std::int32_t node, PaddedNode* nodes, float* leaves, std::uint32_t at,
            std::uint32_t levels) {
    const bool leaf = tree.left[node] == -1;
    if (levels == 0) {
      leaves[at - (std::uint32_t{1} << (31 - __builtin_clz(at)))] = tree.threshold[node];
      return;
    }
    if (!leaf) nodes[at] = padded(tree, node);
    fill(tree, leaf ? node : tree.right[node], nodes, leaves, 2 * at, levels - 1);
    fill(tree, leaf ? node : tree.left[node], nodes, leaves, 2 * at + 1, levels - 1);
  }

  PaddedNode padded(const Tree& tree, std::int32_t node) {
    const float threshold = tree.threshold[node];
    // Nothing is below NaN, nor below -inf.
    const std::uint32_t key =
        key_of(std::isnan(threshold) ? -std::numeric_limits<float>::infinity() : threshold);
    return {key, slot(static_cast<std::uint32_t>(tree.feature[node]),
                      tree.missing_left[node] != 0 ? kMissingLeft : kMissingRight)};
  }

  std::uint32_t slot(std::uint32_t feature, std::uint32_t missing) {
    const auto [found, added] = slot_numbers_.try_emplace(
        {feature, missing}, static_cast<std::uint32_t>(forest_.slots_.size()));
    if (added) {
      forest_.slots_.features.push_back(feature);
      forest_.slots_.missing.push_back(missing);
    }
    return found->second;
  }

  void add_compact(Block& block, std::size_t first) {
    for (std::size_t i = 0; i < kTreesPerBlock; ++i) {
      block.roots[i] = i < block.trees ? add_compact_tree(spec_.trees[first + i]) : block.roots[0];
    }
  }

  std::uint32_t add_compact_tree(const Tree& tree) {
    auto& nodes = forest_.compact_;
    auto& values = forest_.compact_values_;
    const auto root = static_cast<std::uint32_t>(nodes.size());
    nodes.emplace_back();
    values.push_back(0);
    std::vector<std::pair<std::int32_t, std::uint32_t>> open{{0, root}};  // in breadth-first order
    for (std::size_t i = 0; i < open.size(); ++i) {
      const auto [node, at] = open[i];
      if (tree.left[node] == -1) {
        nodes[at] = {0, 0, at};
        values[at] = tree.threshold[node];
        continue;
      }
      const PaddedNode inner = padded(tree, node);
      const auto right = static_cast<std::uint32_t>(nodes.size());
      nodes[at] = {inner.threshold, inner.slot, right};
      nodes.resize(right + 2);
      values.resize(right + 2);
      open.emplace_back(tree.right[node], right);
      open.emplace_back(tree.left[node], right + 1);
    }
    return root;
  }

  const ForestSpec& spec_;
  std::vector<Shape> shapes_;
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> slot_numbers_;
  Forest forest_;
};

Result<Forest> Forest::compile(const ForestSpec& spec) {
  return Compiler(spec).run();
}

std::size_t Forest::bytes() const {
  return sizeof(*this) + base_margins_.size() * sizeof(float) +
         slots_.size() * 2 * sizeof(std::uint32_t) + blocks_.size() * sizeof(Block) +
         groups_of_trees_.size() * sizeof(std::uint32_t) + padded_.size() * sizeof(PaddedNode) +
         padded_leaves_.size() * sizeof(float) + compact_.size() * sizeof(CompactNode) +
         compact_values_.size() * sizeof(float);
}

Forest::Layout Forest::layout() const {
  Layout layout;
  for (const Block& block : blocks_) ++(block.padded ? layout.padded : layout.compact);
  return layout;
}

void Forest::prepare(const float* row, std::uint32_t* slots) const {
  const std::uint32_t* features = slots_.features.data();
  const std::uint32_t* missing = slots_.missing.data();
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const float cell = row[features[i]];
    const std::uint32_t key = key_of(cell);
    slots[i] = cell != cell ? missing[i] : key;
  }
}

void Forest::add_row(const std::uint32_t* slots, float* margins) const {
  const std::uint32_t* group = groups_of_trees_.data();
  for (const Block& block : blocks_) {
    std::uint32_t leaves[kTreesPerBlock];
    if (block.padded) {
      Walkers<PaddedNode>::kTrees[block.depth](&padded_[block.nodes], slots, leaves);
      const float* values = &padded_leaves_[block.leaves];
      for (std::uint32_t i = 0; i < block.trees; ++i) {
        margins[*group++] += values[(static_cast<std::size_t>(i) << block.depth) + leaves[i]];
      }
    } else {
      const std::uint32_t* const same[kTreesPerBlock] = {slots, slots, slots, slots,
                                                         slots, slots, slots, slots};
      walk_compact(compact_.data(), block.roots, same, block.depth, leaves);
      for (std::uint32_t i = 0; i < block.trees; ++i)
        margins[*group++] += compact_values_[leaves[i]];
    }
  }
}

/// Tree by tree over eight rows, so that a tree stays in the nearest cache.
void Forest::add_rows(const std::uint32_t* slots, std::size_t rows, float* margins) const {
  const std::size_t row_stride = std::max<std::size_t>(slots_.size(), 1),
                    groups = base_margins_.size();
  const std::uint32_t* group = groups_of_trees_.data();
  for (const Block& block : blocks_) {
    for (std::uint32_t i = 0; i < block.trees; ++i, ++group) {
      for (std::size_t row = 0; row < rows; row += 8) {
        const std::uint32_t* first = slots + row * row_stride;
        std::uint32_t leaves[8];
        const float* values = compact_values_.data();
        if (block.padded) {
          const std::size_t tree = static_cast<std::size_t>(i) << block.depth;
          Walkers<PaddedNode>::kRows[block.depth](&padded_[block.nodes + tree], first, row_stride,
                                                  leaves);
          values = &padded_leaves_[block.leaves + tree];
        } else {
          std::uint32_t roots[8];
          const std::uint32_t* lanes[8];
          for (std::size_t lane = 0; lane < 8; ++lane) {
            roots[lane] = block.roots[i];
            lanes[lane] = first + lane * row_stride;
          }
          walk_compact(compact_.data(), roots, lanes, block.depth, leaves);
        }
        for (std::size_t lane = 0; lane < 8; ++lane)
          margins[(row + lane) * groups + *group] += values[leaves[lane]];
      }
    }
  }
}

void Forest::score(std::span<const float> cells, std::size_t rows, std::span<float> margins) const {
  const std::size_t row_stride = std::max<std::size_t>(slots_.size(), 1),
                    groups = base_margins_.size();
  const std::size_t block_rows = std::min(rows, kRowsPerBlock);
  std::uint32_t stack[kSlotsOnStack];
  std::vector<std::uint32_t> heap;
  std::uint32_t* slots = stack;
  if (block_rows * row_stride > kSlotsOnStack) {
    heap.resize(block_rows * row_stride);
    slots = heap.data();
  }
  stack[0] = 0;  // read, and not used, by leaves of a forest without splits
  for (std::size_t row = 0; row < rows; row += kRowsPerBlock) {
    const std::size_t count = std::min(kRowsPerBlock, rows - row);
    float* sums = &margins[row * groups];
    for (std::size_t i = 0; i < count; ++i) {
      prepare(cells.data() + (row + i) * features_, slots + i * row_stride);
      std::copy(base_margins_.begin(), base_margins_.end(), sums + i * groups);
    }
    const std::size_t eights = count / 8 * 8;
    if (eights > 0) add_rows(slots, eights, sums);
    for (std::size_t i = eights; i < count; ++i) add_row(slots + i * row_stride, sums + i * groups);
  }
}

}  // namespace slipway::engine
