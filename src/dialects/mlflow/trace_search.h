#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "domain/traces/traces.h"

namespace slipway::mlflow {

inline constexpr char kTraceNameTag[] = "mlflow.traceName";
inline constexpr char kSourceRunKey[] = "mlflow.sourceRun";

/// What a search of traces asks for. Errors in MLflow's words, with where in the filter they are.
Result<traces::Query> to_trace_query(const std::string& filter,
                                     const std::vector<std::string>& order_by);

}  // namespace slipway::mlflow
