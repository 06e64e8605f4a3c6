#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "domain/data/commands.h"

// `slipway dvc ...`: DVC's commands with DVC's words, JSON and exit codes (0, 1, 251 to 255). No
// state of its own.
namespace slipway::dvc {

/// What `status` says of one stage; states are DVC's words ("modified", "new", "deleted", "not in
/// cache").
struct StageStatus {
  std::string owner;  // "train", "sub/dvc.yaml:train", relative to the folder asked from
  using States = std::vector<std::pair<std::string, std::string>>;
  States deps;                                         // path, state
  std::vector<std::pair<std::string, States>> params;  // file, key and state of each
  States outs;
  bool changed_command = false;
  bool always_changed = false;
};

/// What pipelines answer; the application fills it in from the flows module.
class Pipelines {
 public:
  virtual ~Pipelines() = default;
  /// Stages that differ from dvc.lock, in file order; `targets` empty means all.
  virtual Result<std::vector<StageStatus>> status(const std::vector<std::string>& targets) = 0;
  /// Records the present state of stages' dependencies and outputs in dvc.lock.
  virtual Result<> commit(const std::vector<std::string>& targets, bool force, bool relink) = 0;
  /// `dvc repro` with what follows it; prints by itself, returns the exit code.
  virtual int repro(const std::vector<std::string>& arguments, std::ostream& out,
                    std::ostream& err) = 0;
};

/// `arguments` without the program's name. `pipelines` may be null: then stages are left out, and
/// repro is refused.
int run_dvc(const std::vector<std::string>& arguments, const std::filesystem::path& from,
            std::ostream& out, std::ostream& err, Pipelines* pipelines);

/// The exit code DVC ends with for an error, and what it says.
int exit_code(const Error& error);
std::string message_of(const Error& error);

}  // namespace slipway::dvc
