#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "domain/project/project_file.h"
#include "io/wire/codec.h"
#include "io/yaml/yaml.h"

// What lies beside slipway.yaml and is named in it: the stages of dvc.yaml and the parameters that
// they read. Values; any thread.
namespace slipway::project {

struct ParamsRead {
  std::string file;
  std::vector<std::string> keys;  // dotted; empty: the whole file
};
WIRE(ParamsRead, file, keys)

/// Paths are relative to the repository's root.
struct StageRead {
  std::string name;  // as slipway.yaml has it: "train", "sub/dvc.yaml:train"
  std::vector<std::string> deps;
  std::vector<ParamsRead> params;
};
WIRE(StageRead, name, deps, params)

struct ParamsFile {
  std::string file;
  bool is_there = false;
  std::vector<std::string> keys;  // every dotted path in it, those of maps included
};
WIRE(ParamsFile, file, is_there, keys)

struct Workspace {
  std::vector<StageRead> stages;
  std::vector<std::string> unknown_stages;  // named by pipelines, and nothing is called so
  std::vector<ParamsFile> params;           // those that could be read, or are not there
  std::string unreadable;                   // why the stages are not known; "": they are
};
WIRE(Workspace, stages, unknown_stages, params, unreadable)

/// Every dotted path of a params file, in order; at most kKeysMax.
std::vector<std::string> keys_of(const yaml::Node& params);
inline constexpr std::size_t kKeysMax = 10'000;

/// "FILE:KEY" or a KEY of params.yaml, as `with.params` and `slipway run` have it.
struct ParamName {
  std::string file, key;
};
ParamName param_name(std::string_view text);

/// What is wrong with the name of a parameter: "there is no train.tree in params.yaml; did you mean
/// 'train.trees'?". Nothing when it is there.
std::optional<std::string> fault_of(const ParamName& name, const ParamsFile& file);

/// What slipway.yaml names and nothing has, and what a run would change to no effect. Each begins
/// with "slipway.yaml:LINE:COLUMN: ".
struct Remarks {
  std::vector<std::string> warnings, refusals;
};
Remarks judge(const ProjectFile& file, const Workspace& workspace);

/// Of that the contracts whose table no stage reads and no trigger draws: warnings. Nothing where
/// the stages are not known, or there are none yet.
Remarks unread_contracts(const ProjectFile& file, const Workspace& workspace);

}  // namespace slipway::project
