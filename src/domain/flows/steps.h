#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "domain/data/data_file.h"
#include "domain/data/lock_file.h"
#include "domain/data/repository.h"
#include "domain/flows/plan.h"
#include "domain/project/stage.h"

// The stages and .dvc files of a project with what is recorded of them.
namespace slipway::flows {

struct StepDep {
  std::string path;                // as written
  std::filesystem::path absolute;  // normalized
  data::Version recorded;          // md5 empty: nothing is
};

struct StepOut {
  std::string path;
  std::filesystem::path absolute;
  data::Version recorded;
  bool cache = true;
  bool persist = false;
  project::OutputKind kind = project::OutputKind::kOut;
};

struct StepParams {
  std::string file;
  std::filesystem::path absolute;
  std::vector<std::string> keys;  // empty: the whole file
  bool is_recorded = false;
  std::vector<std::pair<std::string, yaml::Node>> recorded;
};

/// A stage of a dvc.yaml, or a .dvc file.
struct Step {
  std::string name;  // "train", "sub/dvc.yaml:train", "x.dvc": as seen from where it is asked
  std::string id;    // the same seen from the root, with "dvc.yaml:" always
  std::filesystem::path file;    // absolute
  std::filesystem::path folder;  // its commands run in and its paths are relative to
  bool is_data = false;          // a .dvc file: no command
  bool frozen = false;
  bool always_changed = false;
  project::Stage stage;  // empty for a .dvc file
  std::vector<StepDep> deps;
  std::vector<StepParams> params;
  std::vector<StepOut> outs;
  bool is_locked = false;  // dvc.lock has an entry
  yaml::Node locked_cmd;

  /// Without dependencies and outputs: runs whenever it is asked for.
  bool is_callback() const { return !is_data && deps.empty() && params.empty() && outs.empty(); }
  /// Takes over what is recorded; outs and deps that it does not name become unrecorded.
  void fill(const data::LockedStage* locked);
};

/// All steps, read once. Not thread-safe.
class Steps {
 public:
  /// `from`: the absolute folder that names are relative to.
  static Result<Steps> load(const data::Repository& repository, const std::filesystem::path& from);

  std::vector<Step>& all() { return steps_; }
  const std::vector<Step>& all() const { return steps_; }
  const std::filesystem::path& from() const { return from_; }
  Result<Graph> graph() const;

  /// Indices, in order and without doubles, of what `target` names: a stage of the dvc.yaml in the
  /// current folder, FILE:STAGE, a dvc.yaml or .dvc file, an output; with `recursive` also a folder
  /// that they stand in, with `glob` a pattern of stage names. kMissing with tag "no_target".
  Result<std::vector<std::size_t>> find(const std::string& target, bool recursive, bool glob) const;
  /// Those of all targets together; of the dvc.yaml in the current folder when there are none.
  Result<std::vector<std::size_t>> find_all(const std::vector<std::string>& targets, bool recursive,
                                            bool glob) const;

 private:
  std::filesystem::path from_;
  std::vector<Step> steps_;
};

/// The dvc.lock that belongs to a dvc.yaml.
std::filesystem::path lock_path_of(const std::filesystem::path& pipeline_file);

}  // namespace slipway::flows
