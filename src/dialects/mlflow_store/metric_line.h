#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "domain/tracking/types.h"

// A line of a file of metrics. Pure; foreign bytes.
namespace slipway::mlflow_store {

struct MetricLine {
  tracking::Metric point;  // without its key
  std::string run_id, dataset_name, dataset_digest;
};

/// "TIME VALUE", "TIME VALUE STEP", "TIME VALUE STEP DATASET DIGEST".
std::optional<MetricLine> parse_run_metric(std::string_view line);
/// "TIME VALUE STEP RUN", "TIME VALUE STEP RUN DATASET DIGEST".
std::optional<MetricLine> parse_model_metric(std::string_view line);

}  // namespace slipway::mlflow_store
