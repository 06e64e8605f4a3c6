#pragma once

#include "dialects/mlflow/api.h"
#include "domain/tracking/tracking.h"

// What mount_tracking puts together; one .cc file each.
namespace slipway::mlflow {

inline constexpr http::Permission kReadsTracking = http::reads("tracking");
inline constexpr http::Permission kWritesTracking = http::writes("tracking");

void mount_experiments(Api& api, tracking::Tracking& tracking);
void mount_runs(Api& api, tracking::Tracking& tracking);
void mount_logging(Api& api, tracking::Tracking& tracking);
void mount_inputs(Api& api, tracking::Tracking& tracking);
void mount_search_datasets(Api& api, tracking::Tracking& tracking);
void mount_histories(Api& api, tracking::Tracking& tracking);

}  // namespace slipway::mlflow
