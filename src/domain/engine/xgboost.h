#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/engine/forest.h"

// XGBoost's model files, JSON and UBJSON, as versions 1.6 to 3.x write them.
namespace slipway::engine {

/// What turns a row's margins into its values.
enum class Transform { kIdentity, kSigmoid, kExp, kStep, kSoftmax, kArgmax };

/// A model as read, still in XGBoost's terms.
struct XgboostModel {
  ForestSpec forest;
  std::string objective;  // "binary:logistic"
  Transform transform = Transform::kIdentity;
  std::vector<std::string> feature_names;      // empty when it was trained without names
  std::int64_t trees_per_iteration = 1;        // groups x num_parallel_tree
  std::optional<std::int64_t> best_iteration;  // set by early stopping
  std::vector<std::size_t>
      iteration_starts;  // first tree of each boosting round, and one past the last
};

/// kInvalid names the place of what is broken, or (with tag "not_servable") the feature that is not
/// supported: other boosters than gbtree, categorical splits, leaves that hold vectors, an unknown
/// objective, the old binary format. Memory is bounded by the size of `bytes`.
Result<XgboostModel> read_xgboost(std::string_view bytes);

/// Scores rows to the bit as XGBoost's CPU predictor does. Immutable; any thread.
class XgboostPredictor {
 public:
  /// `until_best`: stop after best_iteration where there is one, as the scikit-learn classes do.
  static Result<XgboostPredictor> compile(XgboostModel model, bool until_best);

  std::size_t features() const { return forest_.features(); }
  std::size_t groups() const { return forest_.groups(); }
  /// Values per row: one, or one per group.
  std::size_t width() const { return transform_ == Transform::kArgmax ? 1 : forest_.groups(); }
  /// Values are class numbers already (multi:softmax).
  bool answers_labels() const { return transform_ == Transform::kArgmax; }
  const Forest& forest() const { return forest_; }

  /// Preconditions: cells.size() == rows * features(), out.size() == rows * groups() or rows *
  /// width().
  void margins(std::span<const float> cells, std::size_t rows, std::span<float> out) const;
  void values(std::span<const float> cells, std::size_t rows, std::span<float> out) const;

 private:
  XgboostPredictor(Forest forest, Transform transform)
      : forest_(std::move(forest)), transform_(transform) {}
  Forest forest_;
  Transform transform_;
};

}  // namespace slipway::engine
