#pragma once

#include "app/circle.h"
#include "base/clock.h"
#include "io/http/router.h"

namespace slipway::app {

/// POST /api/slipway/v1/clock {"time": "2011-05-01T00:00:00Z"} of a server with --clock replay:
/// turns the clock there, and answers when the loop has done all that is due by then. GET says what
/// time it is.
void mount_clock(http::Router& router, ReplayClock& clock, Circle& circle);
/// The same addresses of a server whose clock cannot be turned: GET, and a refusal that says how.
void mount_clock(http::Router& router, const Clock& clock);

}  // namespace slipway::app
