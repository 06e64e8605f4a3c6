#include "app/workspace.h"

#include <set>

#include "domain/data/repository.h"
#include "domain/flows/steps.h"
#include "domain/project/params.h"
#include "io/git/git.h"

namespace slipway::app {
namespace {

namespace fs = std::filesystem;

std::string shown(const fs::path& path, const fs::path& root) {
  return path.lexically_relative(root).string();
}

project::StageRead stage_read(const flows::Step& step, const fs::path& root) {
  project::StageRead stage;
  stage.name = step.name;
  for (const flows::StepDep& dep : step.deps) stage.deps.push_back(shown(dep.absolute, root));
  for (const flows::StepParams& params : step.params)
    stage.params.push_back({shown(params.absolute, root), params.keys});
  return stage;
}

Result<> read_stages(const fs::path& root, const project::ProjectFile& file,
                     project::Workspace& workspace) {
  Result<data::Repository> repository = data::Repository::open(root);
  if (!repository.ok() && repository.error().code == Code::kMissing) {
    for (const project::PipelineSpec& pipeline : file.pipelines)
      for (const std::string& name : pipeline.stages) workspace.unknown_stages.push_back(name);
    return {};  // a project without DVC has no stages
  }
  if (!repository.ok()) return repository.error();
  const fs::path from = repository->root();
  const flows::Steps steps = TRY(flows::Steps::load(*repository, from));
  for (const flows::Step& step : steps.all())
    if (!step.is_data) workspace.stages.push_back(stage_read(step, from));
  for (const project::PipelineSpec& pipeline : file.pipelines) {
    for (const std::string& name : pipeline.stages) {
      const auto found = steps.find(name, false, false);
      if (!found.ok() && found.error().tag == "no_target") workspace.unknown_stages.push_back(name);
    }
  }
  return {};
}

bool is_inside(const fs::path& path) {
  const fs::path normal = path.lexically_normal();
  return !normal.empty() && !normal.is_absolute() && *normal.begin() != "..";
}

void read_params_file(const fs::path& root, const std::string& name,
                      project::Workspace& workspace) {
  if (!is_inside(name)) return;
  const auto values = project::read_params(root / name);
  if (values.ok()) workspace.params.push_back({name, true, project::keys_of(*values)});
  if (!values.ok() && values.error().code == Code::kMissing)
    workspace.params.push_back({name, false, {}});
}

/// A YAML file at a commit; kMissing where that has none.
Result<yaml::Node> params_at(const fs::path& root, const std::string& commit,
                             const std::string& name) {
  if (commit.empty()) return project::read_params(root / name);
  const git::Outcome shown = TRY(git::run(root, {"show", commit + ":./" + name}));
  if (shown.status != 0) return missing("there is no file " + name + " at " + commit);
  return yaml::parse(shown.out, name);
}

Result<> check_parameter(const fs::path& root, const std::string& commit, const std::string& text) {
  const project::ParamName name = project::param_name(text);
  if (!is_inside(name.file)) return invalid("\"" + name.file + "\" is no path in the project");
  const Result<yaml::Node> values = params_at(root, commit, name.file);
  project::ParamsFile file{name.file, values.ok(), {}};
  if (values.ok()) file.keys = project::keys_of(*values);
  if (!values.ok() && values.error().code != Code::kMissing) return {};  // the run says what it is
  if (const auto fault = project::fault_of(name, file)) return invalid(*fault);
  return {};
}

}  // namespace

Result<> check_parameters(const fs::path& root, const std::string& commit,
                          const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    Result<> checked = check_parameter(root, commit, name);
    if (!checked.ok()) return with_tag(checked.error(), "usage");
  }
  return {};
}

project::Workspace read_workspace(const fs::path& root, const project::ProjectFile& file) {
  project::Workspace workspace;
  const Result<> read = read_stages(root, file, workspace);
  if (!read.ok()) workspace.unreadable = read.error().message;
  std::set<std::string> names;
  for (const project::TriggerSpec& trigger : file.triggers)
    for (const project::ParamMapping& mapping : trigger.params)
      names.insert(project::param_name(mapping.key).file);
  for (const std::string& name : names) read_params_file(root, name, workspace);
  return workspace;
}

}  // namespace slipway::app
