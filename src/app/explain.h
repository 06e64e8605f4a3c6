#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "app/prediction_view.h"
#include "graph/graph.h"
#include "io/db/db.h"

namespace slipway::app {

struct Explained {
  graph::Closure closure;
  std::optional<PredictionView> prediction;  // when that is what was asked for
};

/// The tree; of a prediction, what was asked and answered stands under its line. Pure.
std::string to_text(const Explained& explained, graph::Direction direction);

/// evidence::explain for every form in which a person names a thing, "models:/NAME@ALIAS" and its
/// kin, and predictions in the log below `state`, included; `flush` as for find_prediction. Waits
/// for database and disk.
Result<Explained> explain(db::Pool& pool, const std::filesystem::path& state,
                          const std::string& subject, graph::Direction direction,
                          const FlushLog& flush = {});

}  // namespace slipway::app
