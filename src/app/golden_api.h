#pragma once

#include "domain/tracking/tracking.h"
#include "io/blob/blobs.h"
#include "io/db/db.h"
#include "io/http/router.h"

namespace slipway::app {

/// GET /api/slipway/v1/attempts/{id}/models: {"models": [URI]}, what an attempt has logged and has
/// no golden rows yet, for the helper that makes them (python/slipway/golden.py).
void mount_golden(http::Router& router, db::Pool& pool, tracking::Tracking& tracking,
                  blob::Blobs& blobs);

}  // namespace slipway::app
