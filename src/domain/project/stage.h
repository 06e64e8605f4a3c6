#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/yaml/yaml.h"

// dvc.yaml as typed values with positions. Values only, apart from read_pipeline. Any thread.
namespace slipway::project {

/// "./a//b/" as "a/b"; absolute paths stay absolute.
std::string normalized(const std::string& path);

/// Whether a file of this name holds stages or tracks data, so that it can be neither an output nor
/// a dependency.
bool is_stage_file_name(std::string_view name);

/// What dvc.lock and the run cache call a path of a stage in `folder`: what is written ("data/",
/// "./train.py"), but an absolute path below `root` as it is seen from there. All of DVC's records
/// are found by these spellings, so they must be its own.
std::string recorded_path(const std::string& written, const std::filesystem::path& folder,
                          const std::filesystem::path& root);

/// A path as written in a stage, relative to the stage's working folder.
struct Dependency {
  std::string path;
  yaml::Position at;
};

struct ParamsSource {
  std::string file = "params.yaml";  // as written, relative to the working folder
  std::vector<std::string> keys;     // dotted paths in written order; empty: the whole file
  yaml::Position at;
};

enum class OutputKind { kOut, kMetric, kPlot };

struct Output {
  std::string path;
  OutputKind kind = OutputKind::kOut;
  bool cache = true;     // its bytes go into the cache
  bool persist = false;  // it is not removed before a run
  bool push = true;
  std::string remote, desc, type;
  std::vector<std::string> labels;
  yaml::Node meta;
  yaml::Node plot;  // the flags of a plot (template, x, y, ...): a mapping, or null
  yaml::Position at;
};

struct Stage {
  std::string name;
  std::filesystem::path file;         // the dvc.yaml it stands in, absolute when read from disk
  std::string wdir = ".";             // as written; relative to the folder of `file`
  std::vector<std::string> commands;  // run one after another; a list's items, or the single string
  bool is_command_list = false;       // `cmd` was written as a list, and dvc.lock has a list too
  std::vector<Dependency> deps;
  std::vector<ParamsSource> params;  // merged per file, files in written order
  std::vector<Output> outs;          // outs, metrics and plots, in that order
  bool frozen = false;
  bool always_changed = false;
  std::string desc;
  yaml::Node meta;
  yaml::Position at;

  /// The folder its commands run in and its paths are relative to, absolute and normalized.
  std::filesystem::path folder() const;
  /// `cmd` as dvc.lock has it: a string or a list.
  yaml::Node cmd() const;
};

struct Pipeline {
  std::filesystem::path file;
  std::vector<Stage> stages;                 // in file order
  std::vector<std::string> params, metrics;  // top-level lists of files
  yaml::Node plots, artifacts, datasets;     // top-level, as written

  const Stage* find(std::string_view name) const;
};

/// kInvalid begins with "dvc.yaml:LINE:COLUMN: ". What is not handled yet (templating, foreach,
/// matrix, ...) is an error that starts "not supported yet: " after the position, with Error::tag
/// "unsupported".
Result<Pipeline> parse_pipeline(std::string_view text, const std::filesystem::path& file);
/// kMissing when there is no such file.
Result<Pipeline> read_pipeline(const std::filesystem::path& file);

}  // namespace slipway::project
