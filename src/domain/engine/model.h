#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/engine/mlmodel.h"

// A model that can score rows of numbers, whatever made it.
namespace slipway::engine {

/// Immutable; any thread.
class Model {
 public:
  struct Traits {
    std::string platform;                    // "xgboost_ubj"
    std::size_t features = 0;                // cells per row
    std::size_t width = 1;                   // values per row
    std::vector<std::string> feature_names;  // as trained; empty when it was trained without
    bool classifier = false;                 // answers class labels
    std::size_t classes =
        0;  // probabilities per row, of a classifier whose values are such; else 0
    std::size_t margins = 0;  // per row, before they are turned into values; 0: it has none
    std::size_t bytes = 0;    // memory in use
    std::int64_t nanoseconds_per_row = 0;  // measured when it was loaded
  };

  virtual ~Model() = default;
  const Traits& traits() const { return traits_; }

  /// Missing cells are NaN. Preconditions: cells.size() == rows * features, out.size() == rows *
  /// width.
  virtual void values(std::span<const float> cells, std::size_t rows,
                      std::span<float> out) const = 0;
  /// What the values are made from: sums of leaves. Preconditions: traits().margins > 0,
  /// out.size() == rows * margins.
  virtual void margins(std::span<const float> /*cells*/, std::size_t /*rows*/,
                       std::span<float> /*out*/) const {}
  /// The class of each row, from its values. Preconditions: classifier; values as values() gave
  /// them.
  virtual void labels(std::span<const float> values, std::size_t rows,
                      std::span<std::int64_t> out) const = 0;
  /// One probability per class and row. Preconditions: classes > 0; values as above, out.size() ==
  /// rows * classes.
  virtual void probabilities(std::span<const float> values, std::size_t rows,
                             std::span<float> out) const = 0;

 protected:
  Traits traits_;
};

/// Reads one file of the model's folder: "model.ubj".
using ReadFile = std::function<Result<std::string>(const std::string& path)>;

/// Tag "not_servable" when no engine scores it: kConflict and "not servable yet: flavour sklearn"
/// for its flavours, kInvalid and the reason for what is in its files. kInvalid without that tag
/// when the files are broken. May take seconds.
Result<std::unique_ptr<Model>> load_model(const MlModel& mlmodel, const ReadFile& read_file);

}  // namespace slipway::engine
