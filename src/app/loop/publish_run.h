#pragma once

#include <string>
#include <vector>

#include "domain/flows/runs.h"
#include "domain/project/project_file.h"
#include "domain/registry/registry.h"
#include "io/db/db.h"

namespace slipway::app {

/// The models that a run is for, by what was declared: the one that its pipeline registers, that of
/// the deployment whose answers it draws, and those of the deployments whose incidents start it.
/// `file` null: nothing is declared.
std::vector<std::string> models_wanted(const flows::PipelineRun& run,
                                       const project::ProjectFile* file);

/// Registers the newest model that the stages of a run logged under the name that its pipeline
/// declares. Nothing to do where they registered one under it themselves, or logged none (what
/// trains was up to date). Answers what to say of it: "", or that the models in `wanted` got no
/// version, so that nothing goes on from here. Idempotent. Any thread that may wait, but not the
/// writer's.
Result<std::string> publish_run(db::Pool& pool, registry::Registry& registry,
                                const flows::PipelineRun& run,
                                const std::vector<std::string>& wanted = {});

}  // namespace slipway::app
