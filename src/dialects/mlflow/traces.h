#pragma once

#include "base/clock.h"
#include "domain/tracking/tracking.h"
#include "io/db/db.h"
#include "io/http/router.h"

namespace slipway::mlflow {

/// Adds POST /v1/traces (OTLP) and MLflow's calls for traces, their tags and assessments. All must
/// outlive the server.
void mount_traces(http::Router& router, db::Pool& pool, tracking::Tracking& tracking,
                  const Clock& clock);

}  // namespace slipway::mlflow
