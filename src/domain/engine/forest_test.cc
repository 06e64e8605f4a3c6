#include "domain/engine/forest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

namespace slipway::engine {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

/// The plain way to score, against which the layouts are compared.
void walk(const ForestSpec& spec, std::span<const float> row, std::span<float> sums) {
  std::copy(spec.base_margins.begin(), spec.base_margins.end(), sums.begin());
  for (const Tree& tree : spec.trees) {
    std::int32_t node = 0;
    while (tree.left[node] != -1) {
      const float cell = row[tree.feature[node]];
      const bool left =
          std::isnan(cell) ? tree.missing_left[node] != 0 : cell < tree.threshold[node];
      node = left ? tree.left[node] : tree.right[node];
    }
    sums[tree.group] += tree.threshold[node];
  }
}

class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) {}

  float cell() {
    static constexpr float kOdd[] = {kMissing, kInfinity, -kInfinity, 0.0f,
                                     -0.0f,    1e-45f,    3e38f,      -3e38f};
    if (draw(4) == 0) return kOdd[draw(8)];
    return static_cast<float>(draw(9)) - 4;
  }
  Tree tree(std::int32_t features, std::int32_t groups, std::size_t inner, bool chain) {
    Tree tree;
    tree.group = static_cast<std::int32_t>(draw(groups));
    add_leaf(tree);
    std::vector<std::int32_t> leaves{0};
    for (std::size_t i = 0; i < inner; ++i) {
      const std::size_t pick = chain ? leaves.size() - 1 : draw(leaves.size());
      const std::int32_t node = leaves[pick];
      leaves.erase(leaves.begin() + static_cast<std::ptrdiff_t>(pick));
      tree.left[node] = add_leaf(tree);
      tree.right[node] = add_leaf(tree);
      tree.feature[node] = static_cast<std::int32_t>(draw(features));
      tree.threshold[node] = cell();
      tree.missing_left[node] = static_cast<std::int32_t>(draw(2));
      leaves.push_back(tree.left[node]);
      leaves.push_back(tree.right[node]);
    }
    return tree;
  }
  std::size_t draw(std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_);
  }

 private:
  std::int32_t add_leaf(Tree& tree) {
    tree.left.push_back(-1);
    tree.right.push_back(-1);
    tree.feature.push_back(0);
    tree.threshold.push_back(std::normal_distribution<float>(0, 1)(random_));
    tree.missing_left.push_back(0);
    return static_cast<std::int32_t>(tree.left.size()) - 1;
  }
  std::mt19937 random_;
};

void expect_agreement(const ForestSpec& spec, Maker& maker, std::size_t rows) {
  auto forest = Forest::compile(spec);
  ASSERT_TRUE(forest.ok()) << forest.error().message;
  const std::size_t features = forest->features(), groups = forest->groups();
  std::vector<float> cells(rows * features), sums(rows * groups), expected(rows * groups);
  for (float& cell : cells) cell = maker.cell();
  forest->score(cells, rows, sums);
  for (std::size_t row = 0; row < rows; ++row) {
    walk(spec, std::span<const float>(cells).subspan(row * features, features),
         std::span<float>(expected).subspan(row * groups, groups));
  }
  ASSERT_EQ(std::memcmp(sums.data(), expected.data(), sums.size() * sizeof(float)), 0);
}

TEST(Forest, AgreesWithThePlainWalkOnRandomForests) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    Maker maker(seed);
    ForestSpec spec;
    spec.features = static_cast<std::int32_t>(1 + maker.draw(9));
    spec.base_margins.resize(1 + maker.draw(3), 0.25f);
    const std::size_t trees = maker.draw(40), inner_max = 1 + maker.draw(90);
    for (std::size_t i = 0; i < trees; ++i) {
      spec.trees.push_back(maker.tree(spec.features,
                                      static_cast<std::int32_t>(spec.base_margins.size()),
                                      maker.draw(inner_max), /*chain=*/false));
    }
    for (const std::size_t rows : {1, 7, 8, 65, 150}) expect_agreement(spec, maker, rows);
  }
}

TEST(Forest, KeepsDeepIrregularTreesCompact) {
  Maker maker(1);
  ForestSpec spec{3, {0.0f}, {}};
  for (int i = 0; i < 9; ++i) spec.trees.push_back(maker.tree(3, 1, 5000, /*chain=*/true));
  auto forest = Forest::compile(spec);
  ASSERT_TRUE(forest.ok());
  EXPECT_EQ(forest->layout().compact, 2u);
  EXPECT_LT(forest->bytes(), 9u * 10'001 * 20);
  expect_agreement(spec, maker, 21);
}

TEST(Forest, PadsShallowTrees) {
  Maker maker(2);
  ForestSpec spec{3, {0.0f}, {}};
  for (int i = 0; i < 17; ++i) spec.trees.push_back(maker.tree(3, 1, 3, /*chain=*/false));
  auto forest = Forest::compile(spec);
  ASSERT_TRUE(forest.ok());
  EXPECT_EQ(forest->layout().padded, 3u);
}

TEST(Forest, WithoutTreesAnswersItsBaseMargins) {
  auto forest = Forest::compile(ForestSpec{2, {0.5f, -1.0f}, {}});
  ASSERT_TRUE(forest.ok());
  const float cells[] = {1, 2};
  float sums[2];
  forest->score(cells, 1, sums);
  EXPECT_EQ(sums[0], 0.5f);
  EXPECT_EQ(sums[1], -1.0f);
}

/// A tree of one split and two leaves, to be spoiled.
Tree split() {
  return {{1, -1, -1}, {2, -1, -1}, {0, 0, 0}, {0.5f, 1.0f, 2.0f}, {0, 0, 0}, 0};
}

std::string refusal(Tree tree) {
  auto forest = Forest::compile(ForestSpec{1, {0.0f}, {std::move(tree)}});
  return forest.ok() ? "accepted" : forest.error().message;
}

TEST(Forest, RefusesAChildOutOfRange) {
  Tree tree = split();
  tree.right[0] = 3;
  EXPECT_EQ(refusal(tree), "tree 0: node 0 has a child 3 of 3");
}

TEST(Forest, RefusesANodeWithOneChild) {
  Tree tree = split();
  tree.left[0] = -1;
  EXPECT_EQ(refusal(tree), "tree 0: node 0 has a child -1 of 3");
}

TEST(Forest, RefusesACycle) {
  Tree tree = split();
  tree.left[1] = 0;
  tree.right[1] = 2;
  EXPECT_NE(refusal(tree).find("is reached twice"), std::string::npos);
}

TEST(Forest, RefusesTwoParents) {
  Tree tree = split();
  tree.right[0] = 1;
  EXPECT_EQ(refusal(tree), "tree 0: node 1 is reached twice");
}

TEST(Forest, RefusesAFeatureOutOfRange) {
  Tree tree = split();
  tree.feature[0] = 1;
  EXPECT_EQ(refusal(tree), "tree 0: node 0 splits on feature 1 of 1");
}

TEST(Forest, RefusesAGroupOutOfRange) {
  Tree tree = split();
  tree.group = 1;
  EXPECT_EQ(refusal(tree), "tree 0: group 1 of 1");
}

TEST(Forest, RefusesListsOfDifferentLengths) {
  Tree tree = split();
  tree.threshold.pop_back();
  EXPECT_EQ(refusal(tree), "tree 0: its lists of node properties differ in length");
}

TEST(Forest, RefusesATreeWithoutNodes) {
  EXPECT_EQ(refusal(Tree{}), "tree 0: it has no nodes");
}

}  // namespace
}  // namespace slipway::engine
