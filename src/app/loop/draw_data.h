#pragma once

#include <filesystem>
#include <string>

#include "base/clock.h"
#include "domain/flows/facts.h"
#include "domain/flows/runs.h"
#include "domain/project/declared.h"
#include "io/blob/damages.h"

namespace slipway::app {

/// Where data of a run is taken from.
struct DrawSource {
  std::filesystem::path project;              // the person's folder
  std::filesystem::path predictions, labels;  // roots of the logs
  UnixMs until_ms = 0;                        // what happened before, and labels received by then
  std::string label = "label";                // the column of labels
  blob::Damages* damages = nullptr;           // told what the logs have lost: not in the data
};

/// Writes data that a run asks for to `to`, which is not there yet: a copy of a file or folder of
/// the project, or the answers of a deployment (not of shadows), one row each: prediction_id,
/// event_time, version, the columns whose values are logged, prediction, and the label. Whole numbers
/// are written as such. As Parquet where data.to ends so, else as CSV. kMissing when there is
/// nothing to draw, kInvalid when two columns would have one name.
Result<> draw_data(const DrawSource& source, const flows::RunPlan::Data& data,
                   const std::filesystem::path& to);

/// The same into the project's data cache, durable: which version that is. `scratch`: a folder that
/// may be used. kMissing where the project has no data cache.
Result<flows::DataFact> draw_version(const DrawSource& source, const flows::RunPlan::Data& data,
                                     const std::filesystem::path& scratch);

/// What the contract of the table at `path` calls its target; "label" without one.
std::string label_column(const project::Declared& declared, const std::string& path);

}  // namespace slipway::app
