#pragma once

#include "io/db/db.h"
#include "io/http/router.h"

namespace slipway::app {

/// GET /ready: 200 while the catalogue can be written, else 503 with the reason. It asks neither
/// disk nor database. What lives without the catalogue is not meant: /health says that the process
/// does, /v2/health/ready that models can be asked.
void mount_health(http::Router& router, db::Pool& pool);

}  // namespace slipway::app
