#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "domain/project/project_file.h"
#include "domain/project/workspace.h"

// What a file that parses could not do: metrics that nobody computes, gates without anything to
// judge, deployments of models that nobody registered; and what it means for whoever is answered
// that a deployment is taken away. Pure; any thread.
namespace slipway::project {

/// The metrics that a monitor's window can tell, and those that the gate "quality" computes itself
/// from held-out rows. Others it takes from what the run logged.
const std::vector<std::string>& window_metrics();
const std::vector<std::string>& holdout_metrics();

/// A registered model.
struct ModelFacts {
  std::int64_t newest = 0;  // version; 0: none
  /// What the run of that version logged; nothing where it has no run that is known.
  std::optional<std::vector<std::string>> metrics;
};
using ModelsKnown = std::map<std::string, ModelFacts>;

/// What a deployment serves that was applied.
struct Served {
  std::int64_t stable = 0, candidate = 0;  // versions; 0: none
  /// The version that its model's bare name means to the registry.
  std::optional<std::int64_t> registry_version = {};
  std::string model = {};  // whose versions it serves, or would; "" for none yet
};
using ServedKnown = std::map<std::string, Served>;  // by name of the deployment

/// Refusals: a quality gate that has nothing to judge, a monitor whose metric no window can tell.
/// Warnings: a bound on the wrong side of a metric, metrics of classes and of numbers for one
/// model, a monitor of outcomes that does not wait for them. Needs nothing but the file.
Remarks unworkable(const ProjectFile& file);

/// Warnings of metrics that the newest version's run does not have, and of models whose name is
/// nearly that of a registered one; notes of models that have no version yet.
struct Prospects {
  std::vector<std::string> notes, warnings;
};
Prospects prospects(const ProjectFile& file, const ModelsKnown& models);

/// Of a deployment that was applied, and that `next` has no more, or for another model: who is
/// answered by it now, and what becomes of them.
std::string farewell(const DeploymentSpec& before, const ProjectFile& next, const Served& served,
                     const std::optional<Rate>& traffic);

}  // namespace slipway::project
