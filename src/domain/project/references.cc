#include <algorithm>
#include <limits>
#include <set>

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
  if (monitor.window_at.line > 0) return;              // its value is wrong, said already
  reader.fault(monitor.at, "found no \"window\" in the monitor " + in_quotes(monitor.name) +
                               ", expected a span such as 7d");
}

std::string enforcer_for(const Requirement& requirement) {
  std::string monitor = "a monitor with \"requirement: " + requirement.id + "\"";
  if (requirement.on == "holdout") return "the gate \"quality\" or " + monitor;
  std::string gate = requirement.metric == "latency_ms" ? "the gate \"performance\", " : "";
  return gate + "a guard or " + monitor;
}

/// Where an entry of a map ends: where the next one begins, or the map.
yaml::Position end_of(const yaml::Node& map, std::size_t i, yaml::Position end) {
  return i + 1 < map.entries.size() ? map.entries[i + 1].key.at : end;
}

constexpr yaml::Position kTheEnd = {std::numeric_limits<int>::max(), 0};

bool may_hide_enforcers(const yaml::Node& deployment, yaml::Position begin, yaml::Position end,
                        const Faults& faults) {
  static const std::set<std::string> enforcing_nothing = {"model",   "alias",    "traffic",
                                                          "rollout", "features", "log"};
  if (!deployment.is_mapping() || deployment.entries.empty()) return faults.any_in(begin, end);
  if (faults.any_in(begin, deployment.entries.front().key.at)) return true;
  for (std::size_t i = 0; i < deployment.entries.size(); ++i) {
    const yaml::Node& key = deployment.entries[i].key;
    if (enforcing_nothing.contains(key.text)) continue;
    if (faults.any_in(key.at, end_of(deployment, i, end))) return true;
  }
  return false;
}

/// Whether something is wrong with a gate, guard or monitor, or with a key that may be meant to
/// hold them: a requirement that nothing enforces is not told twice.
bool may_hide_enforcers(const yaml::Node& root, const Faults& faults) {
  const yaml::Node* deployments = root.find("deployments");
  if (deployments == nullptr) return true;
  for (std::size_t i = 0; i < root.entries.size(); ++i) {
    if (root.entries[i].key.text != "deployments") continue;
    const yaml::Position end = end_of(root, i, kTheEnd);
    if (!deployments->is_mapping()) return faults.any_in(root.entries[i].key.at, end);
    for (std::size_t k = 0; k < deployments->entries.size(); ++k) {
      const yaml::Entry& entry = deployments->entries[k];
      const yaml::Position last = end_of(*deployments, k, end);
      if (may_hide_enforcers(entry.value, entry.key.at, last, faults)) return true;
    }
  }
  return false;
}

/// Where each begins, and where the section ends that holds them.
std::vector<yaml::Position> begins_of_requirements(const yaml::Node& root,
                                                   const ProjectFile& file) {
  std::vector<yaml::Position> begins;
  for (const Requirement& requirement : file.use_case.requirements)
    begins.push_back(requirement.at);
  for (std::size_t i = 0; i < root.entries.size(); ++i)
    if (root.entries[i].key.text == "use_case") begins.push_back(end_of(root, i, kTheEnd));
  begins.push_back(kTheEnd);
  return begins;
}

}  // namespace

void check_references(Reader& reader, const ProjectFile& file) {
  for (const TriggerSpec& trigger : file.triggers) check_trigger(reader, file, trigger);
  for (const DeploymentSpec& deployment : file.deployments) {
    for (const GuardSpec& guard : deployment.guards) check_guard(reader, file, guard);
    for (const MonitorSpec& monitor : deployment.monitors) check_monitor(reader, file, monitor);
  }
}

void check_enforcement(Reader& reader, const yaml::Node& root, const Faults& faults,
                       const ProjectFile& file) {
  if (faults.any() && may_hide_enforcers(root, faults)) return;
  const std::vector<yaml::Position> begins = begins_of_requirements(root, file);
  std::vector<Binding> all = bindings(file);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (!all[i].enforcers.empty() || faults.any_in(begins[i], begins[i + 1])) continue;
    const Requirement& requirement = file.use_case.requirements[i];
    reader.fault(requirement.at, "found nothing that enforces the requirement " +
                                     in_quotes(requirement.id) + ", expected " +
                                     enforcer_for(requirement) + " in a deployment");
  }
}

}  // namespace slipway::project
