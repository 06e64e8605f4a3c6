#pragma once

#include "io/http/router.h"

namespace slipway::tracking {
class Tracking;
}

// MLflow's tracking API: experiments, runs, params, metrics, tags, inputs and outputs, histories.
namespace slipway::mlflow {

/// The version of MLflow whose server this one answers like; clients choose features by it.
inline constexpr char kMlflowVersion[] = "3.17.2";
/// For tracking::TrackingOptions: artifacts go through this server.
inline constexpr char kArtifactRoot[] = "mlflow-artifacts:/";

/// Adds the routes of tracking under /api/2.0/mlflow and /ajax-api/2.0/mlflow, /health, /version,
/// server-info, and what is answered to a call of MLflow's API that no route takes. `tracking` must
/// outlive the server.
void mount_tracking(http::Router& router, tracking::Tracking& tracking);

}  // namespace slipway::mlflow
