#include "domain/engine/xgboost.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>

#include "base/text.h"
#include "domain/engine/document.h"

namespace slipway::engine {
namespace {

constexpr std::int64_t kFeaturesMax = 1'000'000;
constexpr std::int64_t kGroupsMax = 10'000;
constexpr std::size_t kTreesMax = 1'000'000;

/// How an objective maps margins to values, and base_score (a value) to the margin where sums
/// start.
enum class Link { kIdentity, kLogit, kLog };
struct Objective {
  std::string_view name;
  Transform transform;
  Link link;
};
constexpr Objective kObjectives[] = {
    {"reg:squarederror", Transform::kIdentity, Link::kIdentity},
    {"reg:linear", Transform::kIdentity, Link::kIdentity},
    {"reg:squaredlogerror", Transform::kIdentity, Link::kIdentity},
    {"reg:absoluteerror", Transform::kIdentity, Link::kIdentity},
    {"reg:pseudohubererror", Transform::kIdentity, Link::kIdentity},
    {"reg:quantileerror", Transform::kIdentity, Link::kIdentity},
    {"reg:logistic", Transform::kSigmoid, Link::kLogit},
    {"reg:gamma", Transform::kExp, Link::kLog},
    {"reg:tweedie", Transform::kExp, Link::kLog},
    {"count:poisson", Transform::kExp, Link::kLog},
    {"survival:cox", Transform::kExp, Link::kLog},
    {"binary:logistic", Transform::kSigmoid, Link::kLogit},
    {"binary:logitraw", Transform::kIdentity, Link::kIdentity},
    {"binary:hinge", Transform::kStep, Link::kIdentity},
    {"multi:softprob", Transform::kSoftmax, Link::kIdentity},
    {"multi:softmax", Transform::kArgmax, Link::kIdentity},
    {"rank:ndcg", Transform::kIdentity, Link::kIdentity},
    {"rank:pairwise", Transform::kIdentity, Link::kIdentity},
    {"rank:map", Transform::kIdentity, Link::kIdentity},
};

/// A model as it should be, of a kind that this engine does not score.
Error unsupported(std::string what) {
  return with_tag(invalid(std::move(what)), "not_servable");
}

Result<Objective> find_objective(std::string_view name) {
  for (const Objective& objective : kObjectives) {
    if (objective.name == name) return objective;
  }
  return unsupported("objective '" + std::string(name.substr(0, 60)) + "' is not supported");
}

float to_margin(Link link, float score) {
  switch (link) {
    case Link::kIdentity:
      return score;
    case Link::kLogit:
      return -std::log(1.0f / score - 1.0f);
    case Link::kLog:
      return std::log(score);
  }
  return score;
}

/// "5E-1" or, since 3.1, "[5E-1]" and "[1E-1,2E-1]".
Result<std::vector<float>> read_base_scores(std::string_view text) {
  std::string_view rest = trim(text);
  if (rest.size() >= 2 && rest.front() == '[' && rest.back() == ']')
    rest = rest.substr(1, rest.size() - 2);
  std::vector<float> scores;
  for (std::string_view piece : split(rest, ',')) {
    piece = trim(piece);
    float score = 0;
    const auto [stop, error] = std::from_chars(piece.data(), piece.data() + piece.size(), score);
    if (error != std::errc() || stop != piece.data() + piece.size()) {
      return invalid("base_score '" + std::string(text.substr(0, 60)) + "' is no number");
    }
    scores.push_back(score);
  }
  return scores;
}

/// Reads the members that matter; everything else is skipped.
class ModelReader {
 public:
  explicit ModelReader(DocumentReader& in) : in_(in) {}

  Result<XgboostModel> run() {
    bool learner = false;
    TRY(in_.object([&](std::string_view key) -> Result<> {
      if (key != "learner") return in_.skip();
      learner = true;
      return read_learner();
    }));
    TRY(in_.end());
    if (!learner) return invalid("it holds no learner: is it an XGBoost model?");
    return finish();
  }

 private:
  Result<> read_learner() {
    return in_.object([&](std::string_view key) -> Result<> {
      if (key == "learner_model_param") return read_parameters();
      if (key == "objective") return read_objective();
      if (key == "attributes") return read_attributes();
      if (key == "feature_names") return read_names();
      if (key == "gradient_booster") return read_booster();
      return in_.skip();
    });
  }

  Result<> read_parameters() {
    return in_.object([&](std::string_view key) -> Result<> {
      if (key == "base_score") return read_base_score();
      if (key == "num_class")
        classes_ = TRY(in_.integer());
      else if (key == "num_target")
        targets_ = TRY(in_.integer());
      else if (key == "num_feature")
        features_ = TRY(in_.integer());
      else
        return in_.skip();
      return {};
    });
  }

  Result<> read_base_score() {
    const std::string text = TRY(in_.text());
    base_scores_ = TRY(read_base_scores(text));
    return {};
  }

  Result<> read_objective() {
    return in_.object([&](std::string_view key) -> Result<> {
      if (key != "name") return in_.skip();
      model_.objective = TRY(in_.text());
      return {};
    });
  }

  Result<> read_attributes() {
    return in_.object([&](std::string_view key) -> Result<> {
      if (key != "best_iteration") return in_.skip();
      model_.best_iteration = TRY(in_.integer());
      return {};
    });
  }

  Result<> read_names() {
    model_.feature_names.clear();
    return in_.array([&]() -> Result<> {
      model_.feature_names.push_back(TRY(in_.text()));
      return {};
    });
  }

  Result<> read_booster() {
    return in_.object([&](std::string_view key) -> Result<> {
      if (key == "name") {
        const std::string name = TRY(in_.text());
        if (name != "gbtree")
          return unsupported("booster '" + name.substr(0, 60) + "' is not supported, only gbtree");
        booster_named_ = true;
        return {};
      }
      if (key == "weight_drop") return unsupported("booster 'dart' is not supported, only gbtree");
      if (key == "model") return read_trees();
      return in_.skip();
    });
  }

  Result<> read_trees() {
    return in_.object([&](std::string_view key) -> Result<> {
      if (key == "trees") return in_.array([&] { return read_tree(); });
      if (key == "tree_info") return in_.ints(tree_groups_);
      if (key == "iteration_indptr") return in_.ints(iteration_starts_);
      if (key == "gbtree_model_param") return read_forest_parameters();
      return in_.skip();
    });
  }

  Result<> read_forest_parameters() {
    return in_.object([&](std::string_view key) -> Result<> {
      if (key != "num_parallel_tree") return in_.skip();
      parallel_trees_ = TRY(in_.integer());
      return {};
    });
  }

  Result<> read_tree() {
    const std::size_t index = model_.forest.trees.size();
    if (index >= kTreesMax) return invalid("more than " + std::to_string(kTreesMax) + " trees");
    Tree& tree = model_.forest.trees.emplace_back();
    std::vector<std::int32_t> split_types;
    const auto member = [&](std::string_view key) -> Result<> {
      if (key == "left_children") return in_.ints(tree.left);
      if (key == "right_children") return in_.ints(tree.right);
      if (key == "split_indices") return in_.ints(tree.feature);
      if (key == "split_conditions") return in_.floats(tree.threshold);
      if (key == "default_left") return in_.ints(tree.missing_left);
      if (key == "split_type") return in_.ints(split_types);
      if (key == "tree_param") return read_tree_parameters();
      return in_.skip();
    };
    if (auto read = in_.object(member); !read.ok()) {
      return with_context("tree " + std::to_string(index), std::move(read.error()));
    }
    if (std::any_of(split_types.begin(), split_types.end(),
                    [](std::int32_t type) { return type != 0; })) {
      return unsupported("tree " + std::to_string(index) +
                         " splits on a category: categorical splits are not supported yet; encode "
                         "categories as numbers");
    }
    return {};
  }

  Result<> read_tree_parameters() {
    return in_.object([&](std::string_view key) -> Result<> {
      if (key != "size_leaf_vector") return in_.skip();
      if (TRY(in_.integer()) > 1) {
        return unsupported(
            "trees whose leaves hold vectors (multi_strategy=multi_output_tree) are not supported");
      }
      return {};
    });
  }

  Result<XgboostModel> finish() {
    if (!booster_named_) return invalid("it holds no gradient booster");
    const Objective objective = TRY(find_objective(model_.objective));
    model_.transform = objective.transform;
    ForestSpec& forest = model_.forest;
    if (features_ < 0 || features_ > kFeaturesMax) {
      return invalid("num_feature " + std::to_string(features_) + " is not within 0 and " +
                     std::to_string(kFeaturesMax));
    }
    forest.features = static_cast<std::int32_t>(features_);
    const std::int64_t groups = std::max({classes_, targets_, std::int64_t{1}});
    if (groups > kGroupsMax)
      return invalid(std::to_string(groups) + " outputs are more than " +
                     std::to_string(kGroupsMax));
    TRY(set_base_margins(objective.link, static_cast<std::size_t>(groups)));
    TRY(set_groups());
    return std::move(model_);
  }

  Result<> set_base_margins(Link link, std::size_t groups) {
    if (base_scores_.empty()) return invalid("learner_model_param holds no base_score");
    if (base_scores_.size() != 1 && base_scores_.size() != groups) {
      return invalid(std::to_string(base_scores_.size()) + " base scores for " +
                     std::to_string(groups) + " outputs");
    }
    if (base_scores_.size() == 1) base_scores_.resize(groups, base_scores_[0]);
    for (const float score : base_scores_)
      model_.forest.base_margins.push_back(to_margin(link, score));
    return {};
  }

  Result<> set_groups() {
    auto& trees = model_.forest.trees;
    if (tree_groups_.size() != trees.size()) {
      return invalid("tree_info has " + std::to_string(tree_groups_.size()) + " entries for " +
                     std::to_string(trees.size()) + " trees");
    }
    for (std::size_t i = 0; i < trees.size(); ++i) trees[i].group = tree_groups_[i];
    if (!model_.feature_names.empty() &&
        model_.feature_names.size() != static_cast<std::size_t>(features_)) {
      return invalid(std::to_string(model_.feature_names.size()) + " feature names for " +
                     std::to_string(features_) + " features");
    }
    return set_iterations();
  }

  /// Files before 2.0 have no iteration_indptr: every round then has as many trees as groups x
  /// parallel trees.
  Result<> set_iterations() {
    const std::size_t trees = model_.forest.trees.size();
    if (iteration_starts_.empty()) {
      if (parallel_trees_ < 1 || parallel_trees_ > static_cast<std::int64_t>(kTreesMax)) {
        return invalid("num_parallel_tree " + std::to_string(parallel_trees_));
      }
      const std::size_t each =
          model_.forest.base_margins.size() * static_cast<std::size_t>(parallel_trees_);
      for (std::size_t start = 0; start < trees; start += each)
        model_.iteration_starts.push_back(start);
      model_.iteration_starts.push_back(trees);
      return {};
    }
    for (const std::int32_t start : iteration_starts_) {
      const bool rises =
          model_.iteration_starts.empty()
              ? start == 0
              : start >= 0 && static_cast<std::size_t>(start) >= model_.iteration_starts.back();
      if (!rises) return invalid("iteration_indptr does not rise from 0");
      model_.iteration_starts.push_back(static_cast<std::size_t>(start));
    }
    if (model_.iteration_starts.back() != trees)
      return invalid("iteration_indptr does not end at the number of trees");
    return {};
  }

  DocumentReader& in_;
  XgboostModel model_;
  std::vector<float> base_scores_;
  std::vector<std::int32_t> tree_groups_, iteration_starts_;
  std::int64_t classes_ = 0, targets_ = 1, features_ = 0, parallel_trees_ = 1;
  bool booster_named_ = false;
};

float sigmoid(float x) {
  // The bound and the small addend are XGBoost's: they decide the last bit at the far ends.
  const float denominator = std::exp(std::min(-x, 88.7f)) + 1.0f + 1e-16f;
  return 1.0f / denominator;
}

void softmax(std::span<float> row) {
  float highest = row[0];
  for (const float margin : row) highest = std::max(highest, margin);
  double sum = 0;
  for (float& value : row) {
    value = std::exp(value - highest);
    sum += value;
  }
  for (float& value : row) value /= static_cast<float>(sum);
}

float argmax(std::span<const float> row) {
  return static_cast<float>(std::max_element(row.begin(), row.end()) - row.begin());
}

void transform_row(Transform transform, std::span<float> row) {
  switch (transform) {
    case Transform::kIdentity:
    case Transform::kArgmax:
      return;
    case Transform::kSigmoid:
      for (float& v : row) v = sigmoid(v);
      return;
    case Transform::kExp:
      for (float& v : row) v = std::exp(v);
      return;
    case Transform::kStep:
      for (float& v : row) v = v > 0 ? 1.0f : 0.0f;
      return;
    case Transform::kSoftmax:
      softmax(row);
      return;
  }
}

}  // namespace

Result<XgboostModel> read_xgboost(std::string_view bytes) {
  if (bytes.substr(0, 4) == "binf" || bytes.substr(0, 4) == "bs64") {
    return unsupported("it is in XGBoost's old binary format: save it again as .ubj or .json");
  }
  const auto in = looks_like_ubjson(bytes) ? read_ubjson(bytes) : read_json(bytes);
  auto model = ModelReader(*in).run();
  if (!model.ok()) return with_context("XGBoost model", std::move(model.error()));
  return model;
}

Result<XgboostPredictor> XgboostPredictor::compile(XgboostModel model, bool until_best) {
  if (until_best && model.best_iteration) {
    const std::int64_t rounds = static_cast<std::int64_t>(model.iteration_starts.size()) - 1;
    if (*model.best_iteration < 0 || *model.best_iteration >= rounds) {
      return invalid("best_iteration " + std::to_string(*model.best_iteration) + " of " +
                     std::to_string(rounds) + " rounds");
    }
    model.forest.trees.resize(
        model.iteration_starts[static_cast<std::size_t>(*model.best_iteration) + 1]);
  }
  return XgboostPredictor(TRY(Forest::compile(model.forest)), model.transform);
}

void XgboostPredictor::margins(std::span<const float> cells, std::size_t rows,
                               std::span<float> out) const {
  forest_.score(cells, rows, out);
}

void XgboostPredictor::values(std::span<const float> cells, std::size_t rows,
                              std::span<float> out) const {
  if (transform_ != Transform::kArgmax) {
    forest_.score(cells, rows, out);
    if (transform_ == Transform::kIdentity) return;
    for (std::size_t row = 0; row < rows; ++row)
      transform_row(transform_, out.subspan(row * groups(), groups()));
    return;
  }
  std::vector<float> sums(rows * groups());
  forest_.score(cells, rows, sums);
  for (std::size_t row = 0; row < rows; ++row) {
    out[row] = argmax(std::span<const float>(sums).subspan(row * groups(), groups()));
  }
}

}  // namespace slipway::engine
