#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

// Paths of artifacts: what may be one, where it lies in the store, how its file is announced. Pure;
// errors are kInvalid in MLflow's words.
namespace slipway::mlflow {

/// Of the environment: where S3 is, to MLflow's server.
inline constexpr char kS3EndpointVariable[] = "MLFLOW_S3_ENDPOINT_URL";

/// `path` percent-decoded until nothing is left to decode, without empty and "." segments:
/// "a%20b//c/" is "a b/c". Clients escape a path once in an address and once more in a query, so
/// only what is decoded names the same file in both. kInvalid "Invalid path" when it is absolute,
/// climbs by "..", however often it is decoded, or holds a '#', a backslash or a control character.
Result<std::string> safe_path(std::string_view path);
/// The same for a file that is to be written: its path must be normal already, and not empty.
Result<std::string> path_to_write(std::string_view path);

/// The key in this server's artifact store that a location means: "1/0af/artifacts" for
/// "mlflow-artifacts:/1/0af/artifacts". kConflict, tag "not_servable", for files that lie
/// elsewhere.
Result<std::string> artifact_key(std::string_view location);
/// `path` below the key `root`; either may be empty.
std::string below(const std::string& root, const std::string& path);

/// By the file's name, as MLflow guesses it; "application/octet-stream" when nothing is known.
std::string_view content_type_of(std::string_view name);
/// The value of Content-Disposition that makes a browser save a file instead of showing it.
std::string attachment(std::string_view name);

}  // namespace slipway::mlflow
