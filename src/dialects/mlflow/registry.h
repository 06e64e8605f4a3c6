#pragma once

#include "io/http/router.h"

namespace slipway::registry {
class Registry;
class LoggedModels;
}  // namespace slipway::registry
namespace slipway::tracking {
class Tracking;
}

// MLflow's model registry: registered models, their versions, stages, aliases and tags.
namespace slipway::mlflow {

/// Adds /registered-models/... and /model-versions/... to both prefixes of the API. What is passed
/// must outlive the server. `logged_models` and `tracking` say where a version's source may lie.
void mount_registry(http::Router& router, registry::Registry& registry,
                    registry::LoggedModels& logged_models, tracking::Tracking& tracking);

}  // namespace slipway::mlflow
