#pragma once

#include "domain/flows/runs.h"
#include "domain/registry/registry.h"
#include "io/db/db.h"

namespace slipway::app {

/// Registers the newest model that the stages of a run logged under the name that its pipeline
/// declares. Nothing to do where they registered one under it themselves, or logged none (what
/// trains was up to date). Idempotent. Any thread that may wait, but not the writer's.
Result<> publish_run(db::Pool& pool, registry::Registry& registry, const flows::PipelineRun& run);

}  // namespace slipway::app
