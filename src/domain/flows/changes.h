#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "domain/data/repository.h"
#include "domain/flows/steps.h"

// Whether a step differs from what is recorded of it.
namespace slipway::flows {

/// Params files, each parsed once as long as it does not change on disk. Not thread-safe.
class ParamsFiles {
 public:
  /// Null when there is no such file. Valid until the next call for the same file.
  Result<const yaml::Node*> get(const std::filesystem::path& file);

 private:
  struct Read {
    std::int64_t mtime_ns = 0, ctime_ns = 0;
    std::uint64_t inode = 0, size = 0;
    yaml::Node values;
  };
  std::map<std::filesystem::path, Read> files_;
};

/// The values that `source` names: for the whole file its top-level keys. Missing keys are left
/// out.
std::vector<std::pair<std::string, yaml::Node>> values_of(const StepParams& source,
                                                          const yaml::Node& file);

/// Differences of a step; paths as seen from where it is asked.
struct Differences {
  using States = std::vector<std::pair<std::string, data::State>>;
  States deps;  // a params file as a whole is among them when it is deleted or nothing is recorded
  std::vector<std::pair<std::string, States>> params;  // file, then key and state
  States outs;
  bool command = false;
  bool always = false;

  bool any() const {
    return command || always || !deps.empty() || !params.empty() || !outs.empty();
  }
};

enum class Depth {
  kAll,    // everything, as `status` says it
  kFirst,  // any() is right, and that is all
};

struct Asked {
  Depth depth = Depth::kAll;
  /// What is only missing in the workspace or cache does not count; a dependency counts still when
  /// one of `upstream` says that it became another than the step has seen.
  bool missing_allowed = false;
  std::vector<const Step*> upstream = {};  // of the step; borrowed
};

/// `from`: what shown paths are relative to.
Result<Differences> differences(data::Repository& repository, const Step& step, ParamsFiles& params,
                                const std::filesystem::path& from, const Asked& asked);

}  // namespace slipway::flows
