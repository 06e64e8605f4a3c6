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

/// The Python that a command line leads to: one named in it, or the one in the first line of the
/// script that it starts. Nothing for others. `path`: the value of PATH.
std::optional<std::filesystem::path> python_of(std::string_view command,
                                               const std::filesystem::path& folder,
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

  /// Description: {"interpreter": {...} or null, "system": {...}, "processor": {...}, "seeds":
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
