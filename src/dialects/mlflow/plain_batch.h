#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "domain/tracking/tracking.h"

namespace slipway::mlflow {

/// A batch of metrics, params and tags for one run.
struct BatchOfRun {
  std::string run_id;
  tracking::Batch batch;
};

/// The body of a log-batch as MLflow's clients write it, in one pass: reading it is most of what a
/// log-batch costs. Nothing where it is written in any other way, be it right or wrong: with an
/// escape, a byte beyond ASCII, a number as text, a member that is unknown, twice there, empty or
/// absent. The general reader has the words for what is wrong, and reads all that this one reads
/// to the same. Any thread.
std::optional<BatchOfRun> read_plain_batch(std::string_view body);

}  // namespace slipway::mlflow
