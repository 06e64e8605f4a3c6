#pragma once

#include "io/http/router.h"

namespace slipway::serving {
class Serving;
}

// The Open Inference Protocol V2 over REST, with Triton's binary tensor extension.
namespace slipway::oip {

/// Adds the routes under /v2. `serving` must outlive the server. Errors look like {"error": "..."}.
void mount(http::Router& router, serving::Serving& serving);

}  // namespace slipway::oip
