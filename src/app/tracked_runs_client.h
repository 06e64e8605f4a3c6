#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "app/tracked_runs.h"
#include "base/stop.h"

namespace slipway::app {

/// Where the catalogue is, when no server elsewhere is named.
struct RunsPlace {
  std::filesystem::path state;
  std::string store;  // URI; empty: the one in the state folder
};

/// What a server answers at /api/slipway/v1/tracked-runs`path`; where none has the state folder,
/// what `here` does on the catalogue itself, which it may change if `changes`. Waits.
Result<wire::Json> tracked_runs_at(
    const RunsPlace& place, const std::string& path, const std::string& body, bool changes,
    const std::function<Result<wire::Json>(const TrackedWorld&)>& here);

/// The text of an export, handed on piece by piece; from a server, or from the catalogue itself.
Result<> export_at(
    const RunsPlace& place, const std::string& body,
    const std::function<Result<std::shared_ptr<http::BodyReader>>(const TrackedWorld&)>& here,
    const std::function<Result<>(std::string_view)>& take);

}  // namespace slipway::app
