#include "domain/project/bindings.h"

namespace slipway::project {
namespace {

bool gate_enforces(const std::string& gate, const Requirement& requirement) {
  if (gate == "quality") return requirement.on == "holdout";
  if (gate == "performance")
    return requirement.on == "serving" && requirement.metric == "latency_ms";
  return false;
}

void append_enforcers(const DeploymentSpec& deployment, const Requirement& requirement,
                      std::vector<Enforcer>& out) {
  for (const std::string& gate : deployment.gates) {
    if (gate_enforces(gate, requirement)) out.push_back({"gate", deployment.name, gate});
  }
  for (const GuardSpec& guard : deployment.guards) {
    if (guard.requirement == requirement.id) {
      out.push_back({"guard", deployment.name, guard.requirement});
    }
  }
  for (const MonitorSpec& monitor : deployment.monitors) {
    if (monitor.requirement == requirement.id) {
      out.push_back({"monitor", deployment.name, monitor.name});
    }
  }
}

}  // namespace

std::string to_text(const Enforcer& enforcer) {
  return enforcer.kind + " " + enforcer.name + " of " + enforcer.deployment;
}

std::vector<Binding> bindings(const ProjectFile& file) {
  std::vector<Binding> all;
  for (const Requirement& requirement : file.use_case.requirements) {
    Binding binding{requirement.id, {}};
    for (const DeploymentSpec& deployment : file.deployments) {
      append_enforcers(deployment, requirement, binding.enforcers);
    }
    all.push_back(std::move(binding));
  }
  return all;
}

}  // namespace slipway::project
