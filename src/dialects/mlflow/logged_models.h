#pragma once

#include "io/http/router.h"

namespace slipway::registry {
class LoggedModels;
}
namespace slipway::tracking {
class Tracking;
}

// MLflow's logged models: what a run wrote, before anybody registers it.
namespace slipway::mlflow {

/// Adds /logged-models and what is below it to both prefixes of the API, but for the files
/// (artifacts.h). What is passed must outlive the server.
void mount_logged_models(http::Router& router, registry::LoggedModels& models,
                         tracking::Tracking& tracking);

}  // namespace slipway::mlflow
