#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

// Where files are said to be. Pure.
namespace slipway::mlflow_store {

struct PlaceOptions {
  std::filesystem::path here;            // what relative paths are relative to
  std::filesystem::path artifacts_from;  // where mlflow-artifacts:/ leads; may be empty
};

/// The folder on this machine that a location means: a path, file:/path, mlflow-artifacts:/path
/// where it is known. Nothing for what is elsewhere (s3://, ...) or climbs by "..".
std::optional<std::filesystem::path> local_folder(std::string_view location,
                                                  const PlaceOptions& options);
bool is_behind_server(std::string_view location);  // mlflow-artifacts:
/// The same text for the same place: a path without scheme where it is one, no '/' at its end.
std::string normal_place(std::string_view location);
/// The location of this server's store with that key.
std::string location_of(const std::string& key);
/// The key of a location of this server's store: as a location of the old server is kept too.
std::optional<std::string> key_of(std::string_view location);

}  // namespace slipway::mlflow_store
