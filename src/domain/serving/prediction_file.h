#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "base/result.h"
#include "domain/serving/prediction_record.h"
#include "io/blob/damages.h"

namespace slipway::serving {

/// Ends the reading by returning false.
using VisitPrediction = std::function<bool(const Prediction&, const Layout&)>;

struct PredictionFileEnd {
  bool ended_early = false;  // by the visitor
  bool torn = false;         // it ends in the middle of something: after a crash
  blob::Loss loss;           // told already
};
/// Every prediction of one file that can be read, in order. A file that is none is one whose loss
/// nobody knows. `damages` may be null. Any thread; waits for the disk.
Result<PredictionFileEnd> read_prediction_file(const std::filesystem::path& path,
                                               const std::string& deployment,
                                               const VisitPrediction& visit,
                                               blob::Damages* damages);

/// What its last frame says of a whole file that was closed in order.
Result<std::optional<FileSummary>> summary_of(const std::filesystem::path& path);

}  // namespace slipway::serving
