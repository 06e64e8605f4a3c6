#pragma once

#include <string>

#include "dialects/mlflow/api.h"
#include "io/blob/blobs.h"
#include "io/http/router.h"

namespace slipway::registry {
class LoggedModels;
}
namespace slipway::tracking {
class Tracking;
}

// How MLflow's client moves large files: in parts, to and from addresses that it is told. A store
// that clients can reach (S3) has addresses of its own; else they are this server's.
namespace slipway::mlflow {

/// Adds /mpu/create, /mpu/complete, /mpu/abort, /mpu/part and /presigned to the group of the proxy,
/// whose routes begin with `prefix`.
void mount_parts(Calls& group, blob::Blobs& blobs, const std::string& prefix);
/// Adds /artifacts/presigned-upload-url and /artifacts/presigned-download-url.
void mount_presigned(Api& api, blob::Blobs& blobs, registry::LoggedModels& models,
                     tracking::Tracking& tracking);

/// The key of `location` in the store, for a request that can't be served when it lies elsewhere.
Result<std::string> root_of(const std::string& location);

/// The name of a file in a path of any system: "b.bin" of "C:\\a\\b.bin".
std::string_view file_name_of(std::string_view local_path);

}  // namespace slipway::mlflow
