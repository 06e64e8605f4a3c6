#pragma once

namespace slipway::blob {

/// The tag of a kUnavailable whose words are for whoever runs the server alone: they say where the
/// store is.
inline constexpr char kStoreFault[] = "artifact_store";

}  // namespace slipway::blob
