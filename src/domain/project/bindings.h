#pragma once

#include <string>
#include <vector>

#include "domain/project/project_file.h"

namespace slipway::project {

/// One gate, guard or monitor of a deployment.
struct Enforcer {
  std::string kind;  // "gate", "guard", "monitor"
  std::string deployment;
  std::string name;  // of the gate or monitor; a guard has that of its requirement
  bool operator==(const Enforcer&) const = default;
};
/// "gate quality of bikes"
std::string to_text(const Enforcer& enforcer);

struct Binding {
  std::string requirement;
  std::vector<Enforcer> enforcers;
};

/// For each requirement, in the order of the file, what enforces it:
/// - the gate "quality": every requirement on holdout;
/// - the gate "performance": every requirement on serving whose metric is latency_ms;
/// - a guard or monitor that names it.
/// parse_project refuses a file with a requirement that nothing enforces.
std::vector<Binding> bindings(const ProjectFile& file);

}  // namespace slipway::project
