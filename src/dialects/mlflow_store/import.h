#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "dialects/mlflow_store/store.h"
#include "io/blob/blobs.h"
#include "io/db/db.h"
#include "io/wire/json.h"

// Brings a store of MLflow's into the catalogue. Ids, names, numbers and times stay as they are.
// What is here already is never changed: what clashes with it is left out and told. Each thing is
// noted as here in the transaction that makes it (domain/imports), so an import that was killed
// goes on where it was when it is asked for again. Asked again, it reads what is here from before
// too: what could not come, or was changed at the source since, is told each time.
namespace slipway::mlflow_store {

struct ImportOptions {
  std::string actor;
  /// Files are copied into this server's store and their places are told anew; else everything
  /// says where its files are as before.
  bool copy_files = false;
  /// Where mlflow-artifacts:/ leads at the old server (its --artifacts-destination); empty: not
  /// known.
  std::filesystem::path artifacts_from;
  /// What relative places are relative to: the folder that the old server ran in.
  std::filesystem::path here;
};

struct Counts {
  std::int64_t experiments = 0, runs = 0, params = 0, tags = 0, points = 0, datasets = 0;
  std::int64_t logged_models = 0, models = 0, versions = 0, aliases = 0;
  std::int64_t files = 0, bytes = 0;
};

struct Report {
  std::string source, format;
  bool resumed = false;           // it had begun before
  Counts made;                    // by this call
  std::int64_t known = 0;         // runs that an earlier call had brought
  std::vector<Trouble> troubles;  // the first kTroublesMax
  std::int64_t troubles_more = 0;
  std::vector<LeftBehind> left;
  std::vector<std::string> notes;
  std::chrono::milliseconds took{0};
  std::chrono::milliseconds points_took{0};  // of the runs and their points

  static constexpr std::size_t kTroublesMax = 10'000;
  /// All of the source is here, as it is there now.
  bool is_whole() const { return troubles.empty() && left.empty(); }
};
wire::Json to_json(const Report& report);
std::string to_text(const Report& report);

struct Progress {
  const Counts& made;
  std::int64_t runs_known = 0;  // brought before
  std::int64_t runs_in_all = 0;
};

/// `blobs` may be null when files are not copied. Waits.
Result<Report> import_store(Store& store, db::Pool& pool, blob::Blobs* blobs, const Clock& clock,
                            const ImportOptions& options,
                            const std::function<void(const Progress&)>& progress);

}  // namespace slipway::mlflow_store
