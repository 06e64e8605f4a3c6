#pragma once

#include <memory>

#include "app/app.h"
#include "io/blob/blobs.h"

// What a server and a command that owns the state for a while open alike.
namespace slipway::app {

/// Where files of runs and models lie, as people call it: a folder or a bucket.
std::string artifacts_place(const AppOptions& options);
/// What lies there, without records.
Result<std::unique_ptr<blob::Blobs>> open_artifacts(const AppOptions& options, const Clock& clock);
/// kConflict, tag "owned": who has the state folder.
Error owned_elsewhere(const StateFolder& state);

}  // namespace slipway::app
