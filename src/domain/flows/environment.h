#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/flows/facts.h"

// What a command ran in, found out without running anything: interpreter, installed packages,
// system, processor, seeds.
namespace slipway::flows {

/// The Python that a command line starts.
struct PythonFound {
  std::optional<std::filesystem::path> python;
  bool is_unknown = false;  // one may be started, and which can't be told
};
/// As the shell will see it: a program that is a Python, or a script whose first line names one,
/// with the PATH and the folder that the line itself sets, a venv's `activate` included. Shells,
/// other scripts, variables and what only runs on a condition are unknown; programs of other kinds
/// are no Python. `path`: the value of PATH.
PythonFound python_of(std::string_view command, const std::filesystem::path& folder,
                      std::string_view path);

/// "name==version" of every distribution below the folders, sorted. Reads METADATA and PKG-INFO;
/// runs no code. At most 10,000.
std::vector<std::string> installed_distributions(const std::vector<std::filesystem::path>& folders);

/// Describes environments; remembers what it found for one run. One thread.
class Environments {
 public:
  /// `variables`: of the commands; PATH and the seeds are read from them.
  explicit Environments(std::map<std::string, std::string> variables)
      : variables_(std::move(variables)) {}

  /// Description: {"interpreter": {...}, {"kind": "unknown"} or null (no Python), "system": {...},
  /// "processor": {...}, "seeds":
  /// {...}}. `seeds`: of the parameters.
  DescribedFact describe(const std::vector<std::string>& commands,
                         const std::filesystem::path& folder, const wire::Json& seeds);

 private:
  const wire::Json& interpreter(const std::filesystem::path& python);
  std::string variable(const std::string& name) const;

  std::map<std::string, std::string> variables_;
  std::map<std::filesystem::path, wire::Json> interpreters_;
  std::optional<wire::Json> machine_;  // system and processor
};

/// The parameters that are seeds: those whose last name is seed, random_seed or random_state, at
/// any depth of `params` ({file: {key: value}}); as {"file:key": value}.
wire::Json seeds_in(const wire::Json& params);

}  // namespace slipway::flows
