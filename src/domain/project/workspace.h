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

/// What triggers wait for and the repository does not have, with what is there that is nearest.
struct Absent {
  std::string name;  // a glob, or a path
  std::string near;  // "": nothing is like it
};
WIRE(Absent, name, near)

/// What triggers on git and data could see.
struct Sources {
  bool has_git = false;
  std::string head;                   // the branch that is checked out; "": none
  std::vector<std::string> branches;  // local ones, and those that were fetched from origin
  std::vector<Absent> globs;          // of `git: paths`, that match no file
  std::vector<Absent> data;           // of `data`, that are no file, not tracked, and no output
};
WIRE(Sources, has_git, head, branches, globs, data)

struct Workspace {
  std::vector<StageRead> stages;
  std::vector<std::string> unknown_stages;  // named by pipelines, and nothing is called so
  std::vector<ParamsFile> params;           // those that could be read, or are not there
  std::string unreadable;                   // why the stages are not known; "": they are
  std::optional<Sources> sources;           // nothing: not looked at
};
WIRE(Workspace, stages, unknown_stages, params, unreadable, sources)

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

/// Triggers that wait for a branch, a file or data that is not there: warnings, as it may come
/// later.
Remarks silent_triggers(const ProjectFile& file, const Workspace& workspace);

/// The glob without its folder or file that is not there, and the nearest one in its place:
/// "src/**" for "scr/**" beside src/train.py. "": nothing is like it.
std::string nearest_glob(const std::string& glob, const std::vector<std::string>& files);

}  // namespace slipway::project
