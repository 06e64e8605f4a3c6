#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "domain/registry/adopt.h"
#include "domain/tracking/adopt.h"

// What MLflow keeps, in its own database or in its folder of files, read in our words. Reads only.
// One thread. Whoever wrote the store is not trusted: every size is bounded, no link is followed,
// and what can't be understood is told and left out, so that the rest can be read.
namespace slipway::mlflow_store {

/// Something that can't be carried over, or not as it is.
struct Trouble {
  std::string kind;  // "experiment", "run", "model", "version", "logged_model", "file", ...
  std::string id;
  std::string why;
};
using Tell = std::function<void(Trouble)>;

/// Things of one kind that have no place here.
struct LeftBehind {
  std::string what;  // "traces", "webhooks", ...
  std::int64_t count = 0;
};

/// Where reading goes on in a run: `number` points of `key` were read, and all of the keys before
/// it in the store's order.
struct PointPlace {
  std::string key;
  std::int64_t number = 0;
};
using TakePoint =
    std::function<Result<>(const std::string& key, const tracking::Metric& point, PointPlace next)>;

class Store {
 public:
  virtual ~Store() = default;
  /// The same for the same store, without secrets: "sqlite:///old/mlflow.db".
  virtual std::string name() const = 0;
  /// "an MLflow database, revision 0584bdc529eb".
  virtual std::string format() const = 0;
  virtual Result<std::vector<LeftBehind>> left_behind() = 0;

  virtual Result<std::vector<tracking::Experiment>> experiments(const Tell& tell) = 0;
  /// Of runs; of all experiments together when none is named.
  virtual Result<std::vector<std::string>> run_ids(std::int64_t experiment) = 0;
  /// Nothing when it can't be read, which is told.
  virtual Result<std::optional<tracking::AdoptedRun>> run(std::int64_t experiment,
                                                          const std::string& id,
                                                          const Tell& tell) = 0;
  /// By key. An error of `take` ends it and is returned.
  virtual Result<> points(std::int64_t experiment, const std::string& run, const PointPlace& from,
                          const TakePoint& take, const Tell& tell) = 0;
  virtual Result<std::vector<std::string>> logged_model_ids(std::int64_t experiment) = 0;
  virtual Result<std::optional<registry::LoggedModel>> logged_model(std::int64_t experiment,
                                                                    const std::string& id,
                                                                    const Tell& tell) = 0;
  /// Names of registered models.
  virtual Result<std::vector<std::string>> model_names(const Tell& tell) = 0;
  struct RegisteredModel {
    registry::Model model;
    std::vector<registry::AdoptedVersion> versions;  // by number
  };
  virtual Result<std::optional<RegisteredModel>> model(const std::string& name,
                                                       const Tell& tell) = 0;
};

/// Opens what `source` names and hands it to `use`, which sees one state of it, whatever is written
/// meanwhile: sqlite:///abs/mlflow.db, postgresql://..., a file of SQLite, or a folder (mlruns).
/// kInvalid for anything else, and for a database of a revision that is not known.
Result<> with_store(const std::string& source, const std::filesystem::path& here,
                    const std::function<Result<>(Store&)>& use);

/// The same, each of its kind.
Result<> with_database(const std::string& uri, const std::function<Result<>(Store&)>& use);
Result<> with_folder(const std::filesystem::path& root, const std::function<Result<>(Store&)>& use);

}  // namespace slipway::mlflow_store
