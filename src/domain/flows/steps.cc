#include "domain/flows/steps.h"

#include <fnmatch.h>

#include <algorithm>
#include <unordered_map>

#include "domain/data/commands.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

fs::path absolute(const std::string& path, const fs::path& folder) {
  fs::path result = (folder / path).lexically_normal();
  return result.has_filename() ? result : result.parent_path();
}

std::string address(const fs::path& file, const std::string& stage, const fs::path& from) {
  std::string shown = data::shown(file, from);
  return shown == "dvc.yaml" ? stage : shown + ":" + stage;
}

Step to_step(const project::Stage& stage, const fs::path& from, const fs::path& root) {
  Step step;
  step.name = address(stage.file, stage.name, from);
  step.id = data::shown(stage.file, root) + ":" + stage.name;
  step.file = stage.file;
  step.folder = stage.folder();
  step.frozen = stage.frozen;
  step.always_changed = stage.always_changed;
  for (const project::Dependency& dep : stage.deps) {
    step.deps.push_back(
        {project::recorded_path(dep.path, step.folder, root), absolute(dep.path, step.folder), {}});
  }
  for (const project::ParamsSource& source : stage.params) {
    step.params.push_back({project::recorded_path(source.file, step.folder, root),
                           absolute(source.file, step.folder),
                           source.keys,
                           false,
                           {}});
  }
  for (const project::Output& out : stage.outs) {
    step.outs.push_back({project::recorded_path(out.path, step.folder, root),
                         absolute(out.path, step.folder),
                         {},
                         out.cache,
                         out.persist,
                         out.kind});
  }
  step.stage = stage;
  return step;
}

Result<Step> to_step(const data::DataFile& file, const fs::path& from, const fs::path& root) {
  Step step;
  step.name = data::shown(file.file, from);
  step.id = data::shown(file.file, root);
  if (!file.cmd.empty()) {
    Error error = invalid("not supported yet: " + step.name +
                          " has a \"cmd\" (DVC 1 wrote such files); move it into dvc.yaml");
    error.tag = "unsupported";
    return error;
  }
  step.file = file.file;
  step.folder = file.folder();
  step.is_data = true;
  step.frozen = file.frozen;
  step.always_changed = file.always_changed;
  for (const data::Record& dep : file.deps) {
    if (dep.path.find("://") != std::string::npos || dep.version.md5.empty()) continue;
    step.deps.push_back({dep.path, absolute(dep.path, step.folder), dep.version});
  }
  for (const data::DataFile::Out& out : file.outs) {
    step.outs.push_back({out.record.path, absolute(out.record.path, step.folder),
                         out.record.version, out.cache, out.persist, project::OutputKind::kOut});
  }
  return step;
}

/// How often a path is looked up among the records of one stage is small: a search is enough.
const data::Record* find_record(const std::vector<data::Record>& records, const std::string& path) {
  for (const data::Record& record : records) {
    if (record.path == path) return &record;
  }
  return nullptr;
}

Error no_target(const std::string& message) {
  Error error = missing(message);
  error.tag = "no_target";
  return error;
}

bool lies_in(const fs::path& inner, const fs::path& outer) {
  const std::string &in = inner.native(), &out = outer.native();
  return in.size() > out.size() && in.starts_with(out) && in[out.size()] == '/';
}

bool is_stage_file(const std::string& name) {
  return name == "dvc.yaml" || name.ends_with("/dvc.yaml") || name.ends_with(".dvc");
}

}  // namespace

fs::path lock_path_of(const fs::path& pipeline_file) {
  fs::path path = pipeline_file;
  return path.replace_extension(".lock");
}

void Step::fill(const data::LockedStage* locked) {
  is_locked = locked != nullptr;
  locked_cmd = locked != nullptr ? locked->cmd : yaml::Node();
  for (StepDep& dep : deps) {
    const data::Record* record = locked ? find_record(locked->deps, dep.path) : nullptr;
    dep.recorded = record ? record->version : data::Version();
  }
  for (StepOut& out : outs) {
    const data::Record* record = locked ? find_record(locked->outs, out.path) : nullptr;
    out.recorded = record ? record->version : data::Version();
  }
  for (StepParams& source : params) {
    source.is_recorded = false;
    source.recorded.clear();
    if (locked == nullptr) continue;
    for (const data::LockedParams& values : locked->params) {
      if (values.file != source.file) continue;
      source.is_recorded = true;
      source.recorded = values.values;
    }
  }
}

Result<Steps> Steps::load(const data::Repository& repository, const fs::path& from) {
  Steps steps;
  steps.from_ = from;
  data::Repository::StageFiles files = TRY(repository.stage_files());
  for (const fs::path& file : files.single) {
    data::DataFile read = TRY(data::DataFile::read(file));
    steps.steps_.push_back(TRY(to_step(read, from, repository.root())));
  }
  for (const fs::path& file : files.pipelines) {
    project::Pipeline pipeline = TRY(project::read_pipeline(file));
    const fs::path lock_path = lock_path_of(file);
    data::LockFile lock = TRY(data::LockFile::read(lock_path, data::shown(lock_path, from)));
    for (const project::Stage& stage : pipeline.stages) {
      steps.steps_.push_back(to_step(stage, from, repository.root()));
      steps.steps_.back().fill(lock.find(stage.name));
    }
  }
  return steps;
}

Result<Graph> Steps::graph() const {
  std::vector<PlanNode> nodes;
  nodes.reserve(steps_.size());
  for (const Step& step : steps_) {
    PlanNode node;
    node.name = step.name;
    node.file = step.file;
    node.frozen = step.frozen;
    for (const StepDep& dep : step.deps) node.deps.push_back(dep.absolute);
    for (const StepParams& source : step.params) node.deps.push_back(source.absolute);
    for (const StepOut& out : step.outs) {
      node.outs.push_back(out.absolute);
      node.out_names.push_back(out.path);
    }
    nodes.push_back(std::move(node));
  }
  return Graph::build(std::move(nodes));
}

Result<std::vector<std::size_t>> Steps::find(const std::string& target, bool recursive,
                                             bool glob) const {
  std::vector<std::size_t> found;
  auto collect = [&](auto fits) {
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      if (fits(steps_[i])) found.push_back(i);
    }
    return !found.empty();
  };
  std::size_t colon = target.rfind(':');
  bool has_file = colon != std::string::npos;
  fs::path file = has_file ? absolute(target.substr(0, colon), from_) : from_ / "dvc.yaml";
  std::string name = has_file ? target.substr(colon + 1) : target;
  bool found_stage = collect([&](const Step& step) {
    if (step.is_data || step.file != file) return false;
    return glob ? fnmatch(name.c_str(), step.stage.name.c_str(), 0) == 0 : step.stage.name == name;
  });
  if (found_stage) return found;
  fs::path path = absolute(target, from_);
  std::error_code ignored;
  if (is_stage_file(target) && fs::exists(path, ignored)) {
    collect([&](const Step& step) { return step.file == path; });
    return found;  // a dvc.yaml without stages is no mistake
  }
  if (recursive && fs::is_directory(path, ignored)) {
    collect([&](const Step& step) { return lies_in(step.file, path); });
    return found;
  }
  bool found_output = collect([&](const Step& step) {
    return std::any_of(step.outs.begin(), step.outs.end(),
                       [&](const StepOut& out) { return out.absolute == path; });
  });
  if (found_output) return found;
  if (is_stage_file(target)) return no_target("'" + path.string() + "' does not exist");
  if (!fs::exists(file, ignored)) {
    return no_target("'" + (has_file ? file.string() : "dvc.yaml") + "' does not exist");
  }
  return no_target("Stage '" + name + "' not found inside '" + data::shown(file, from_) + "' file");
}

Result<std::vector<std::size_t>> Steps::find_all(const std::vector<std::string>& targets,
                                                 bool recursive, bool glob) const {
  std::vector<std::size_t> all;
  std::vector<std::string> asked = targets;
  if (asked.empty()) asked.push_back("dvc.yaml");
  std::vector<bool> seen(steps_.size(), false);
  for (const std::string& target : asked) {
    for (std::size_t i : TRY(find(target, recursive, glob))) {
      if (!seen[i]) all.push_back(i);
      seen[i] = true;
    }
  }
  return all;
}

}  // namespace slipway::flows
