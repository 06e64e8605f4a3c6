#include <algorithm>

#include "domain/project/bindings.h"
#include "domain/project/sections.h"

namespace slipway::project {
namespace {

template <class T>
std::vector<std::string> names_of(const std::vector<T>& items) {
  std::vector<std::string> names;
  for (const T& item : items) names.push_back(item.name);
  return names;
}

std::vector<std::string> requirement_ids(const ProjectFile& file) {
  std::vector<std::string> ids;
  for (const Requirement& requirement : file.use_case.requirements) ids.push_back(requirement.id);
  return ids;
}

/// A fault unless `name` is empty or known.
bool check(Reader& reader, yaml::Position at, const std::string& what, const std::string& name,
           const std::vector<std::string>& known) {
  if (name.empty()) return false;
  if (std::find(known.begin(), known.end(), name) != known.end()) return true;
  reader.fault(at, "found the " + what + " " + in_quotes(name) + ", expected " + one_of(known) +
                       reader.hint(name, known));
  return false;
}

std::vector<std::string> monitors_of(const ProjectFile& file, const std::string& deployment) {
  std::vector<std::string> names;
  for (const DeploymentSpec& spec : file.deployments) {
    if (!deployment.empty() && spec.name != deployment) continue;
    for (const MonitorSpec& monitor : spec.monitors) {
      // Several deployments may have one of the same name; it is named once.
      if (std::find(names.begin(), names.end(), monitor.name) == names.end())
        names.push_back(monitor.name);
    }
  }
  return names;
}

void check_trigger(Reader& reader, const ProjectFile& file, const TriggerSpec& trigger) {
  check(reader, trigger.pipeline_at, "pipeline", trigger.pipeline, names_of(file.pipelines));
  if (const auto* incident = std::get_if<IncidentSource>(&trigger.source)) {
    const std::string& deployment = incident->deployment;
    bool known = deployment.empty() || check(reader, incident->deployment_at, "deployment",
                                             deployment, names_of(file.deployments));
    if (known) {
      check(reader, incident->monitor_at, "monitor", incident->monitor,
            monitors_of(file, deployment));
    }
  }
  if (trigger.data) {
    constexpr std::size_t kPrefix = sizeof("deployments/") - 1;
    if (trigger.data->from.size() > kPrefix) {
      check(reader, trigger.data->from_at, "deployment", trigger.data->from.substr(kPrefix),
            names_of(file.deployments));
    }
  }
}

void check_guard(Reader& reader, const ProjectFile& file, const GuardSpec& guard) {
  const bool is_known =
      check(reader, guard.requirement_at, "requirement", guard.requirement, requirement_ids(file));
  if (!is_known) return;
  if (file.find_requirement(guard.requirement)->on == "serving") return;
  reader.fault(guard.requirement_at,
               "found a guard of " + in_quotes(guard.requirement) +
                   ", which is on holdout, expected a requirement on serving; the gate "
                   "\"quality\" enforces those on holdout");
}

void check_monitor(Reader& reader, const ProjectFile& file, const MonitorSpec& monitor) {
  bool known = check(reader, monitor.requirement_at, "requirement", monitor.requirement,
                     requirement_ids(file));
  bool timeless = known && is_span_metric(file.find_requirement(monitor.requirement)->metric);
  if (monitor.window.count() > 0 || timeless) return;
  if (!known && !monitor.requirement.empty()) return;  // said already
  reader.fault(monitor.at, "found no \"window\" in the monitor " + in_quotes(monitor.name) +
                               ", expected a span such as 7d");
}

std::string enforcer_for(const Requirement& requirement) {
  std::string monitor = "a monitor with \"requirement: " + requirement.id + "\"";
  if (requirement.on == "holdout") return "the gate \"quality\" or " + monitor;
  std::string gate = requirement.metric == "latency_ms" ? "the gate \"performance\", " : "";
  return gate + "a guard or " + monitor;
}

}  // namespace

void check_references(Reader& reader, const ProjectFile& file) {
  for (const TriggerSpec& trigger : file.triggers) check_trigger(reader, file, trigger);
  for (const DeploymentSpec& deployment : file.deployments) {
    for (const GuardSpec& guard : deployment.guards) check_guard(reader, file, guard);
    for (const MonitorSpec& monitor : deployment.monitors) check_monitor(reader, file, monitor);
  }
}

void check_enforcement(Reader& reader, const ProjectFile& file) {
  std::vector<Binding> all = bindings(file);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!all[i].enforcers.empty()) continue;
    const Requirement& requirement = file.use_case.requirements[i];
    reader.fault(requirement.at, "found nothing that enforces the requirement " +
                                     in_quotes(requirement.id) + ", expected " +
                                     enforcer_for(requirement) + " in a deployment");
  }
}

}  // namespace slipway::project
