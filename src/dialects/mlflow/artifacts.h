#pragma once

#include <functional>
#include <string>

#include "dialects/mlflow/artifact_path.h"
#include "io/http/router.h"

namespace slipway::blob {
class Blobs;
}
namespace slipway::registry {
class Registry;
class LoggedModels;
}  // namespace slipway::registry
namespace slipway::tracking {
class Tracking;
}

// Files: MLflow's artifact proxy, and listings and downloads below a run, a version or a logged
// model.
namespace slipway::mlflow {

/// Adds /api/2.0/mlflow-artifacts/... and its twin under /ajax-api, .../artifacts/list,
/// /get-artifact, /model-versions/get-artifact and the files of logged models. Uploads and
/// downloads pass through in constant memory; an upload is durable before it is answered. What is
/// passed must outlive the server. `may_remove` is asked before a file or folder is deleted; its
/// error is the answer.
using MayRemove = std::function<Result<>(const std::string& key)>;
void mount_artifacts(http::Router& router, blob::Blobs& blobs, registry::Registry& registry,
                     registry::LoggedModels& models, tracking::Tracking& tracking,
                     MayRemove may_remove = {});

}  // namespace slipway::mlflow
