#pragma once

#include "io/http/router.h"

namespace slipway::serving {
class Deployments;
class Serving;
}  // namespace slipway::serving

// The Open Inference Protocol V2 over REST, with Triton's binary tensor extension.
namespace slipway::oip {

/// Adds the routes under /v2. A name that a deployment has, or a model that one serves, is answered
/// by it; any other by `serving`. Both must outlive the server. Errors look like {"error": "..."}.
void mount(http::Router& router, serving::Serving& serving, serving::Deployments& deployments);

}  // namespace slipway::oip
