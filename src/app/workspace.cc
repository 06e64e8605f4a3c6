#include "app/workspace.h"

#include <algorithm>
#include <set>

#include "base/text.h"
#include "domain/data/repository.h"
#include "domain/flows/steps.h"
#include "domain/flows/trigger.h"
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

/// `made`: what stages and .dvc files put into the work tree.
Result<> read_stages(const fs::path& root, const project::ProjectFile& file,
                     project::Workspace& workspace, std::vector<std::string>& made) {
  Result<data::Repository> repository = data::Repository::open(root);
  if (!repository.ok() && repository.error().code == Code::kMissing) {
    for (const project::PipelineSpec& pipeline : file.pipelines)
      for (const std::string& name : pipeline.stages) workspace.unknown_stages.push_back(name);
    return {};  // a project without DVC has no stages
  }
  if (!repository.ok()) return repository.error();
  const fs::path from = repository->root();
  const flows::Steps steps = TRY(flows::Steps::load(*repository, from));
  for (const flows::Step& step : steps.all()) {
    if (!step.is_data) workspace.stages.push_back(stage_read(step, from));
    for (const auto& out : step.outs) made.push_back(shown(out.absolute, from));
  }
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

// --- what triggers wait for

Result<std::vector<std::string>> lines_of(const fs::path& root,
                                          const std::vector<std::string>& arguments,
                                          char separator) {
  const git::Outcome outcome = TRY(git::run(root, arguments));
  std::vector<std::string> lines;
  if (outcome.status != 0) return lines;
  for (std::string_view line : split(outcome.out, separator))
    if (!line.empty()) lines.emplace_back(line);
  return lines;
}

/// Local branches, and those of origin that were fetched, each once.
Result<std::vector<std::string>> branches_of(const fs::path& root) {
  constexpr std::size_t kBranchesMax = 1000;
  std::vector<std::string> names;
  for (const std::string prefix : {"refs/heads/", "refs/remotes/origin/"}) {
    for (const std::string& ref :
         TRY(lines_of(root, {"for-each-ref", "--format=%(refname)", prefix}, '\n'))) {
      const std::string name = ref.substr(prefix.size());
      const bool is_known = std::find(names.begin(), names.end(), name) != names.end();
      if (name != "HEAD" && !is_known && names.size() < kBranchesMax) names.push_back(name);
    }
  }
  return names;
}

/// Whether a trigger on `path` would find something, now or once its stage has run.
bool is_known(const fs::path& root, const std::string& path, const std::vector<std::string>& made) {
  std::error_code ignored;
  if (fs::exists(root / path, ignored) || fs::exists(root / (path + ".dvc"), ignored)) return true;
  return std::any_of(made.begin(), made.end(), [&](const std::string& out) {
    return out == path || path.starts_with(out + "/") || out.starts_with(path + "/");
  });
}

/// What may have been meant: files of the project, with the data that .dvc files stand for.
std::vector<std::string> data_there(const fs::path& root, const fs::path& git_root,
                                    const std::vector<std::string>& files,
                                    std::vector<std::string> made) {
  for (const std::string& file : files) {
    const fs::path here = (git_root / file).lexically_relative(root);
    if (!here.empty() && *here.begin() != "..") made.push_back(here.string());
  }
  return made;
}

Result<project::Sources> read_sources(const fs::path& root, const project::ProjectFile& file,
                                      const std::vector<std::string>& made) {
  project::Sources sources;
  const auto tree = git::WorkTree::find(root);
  std::vector<std::string> files;
  sources.has_git = tree.has_value();
  if (tree) {
    const auto head = TRY(lines_of(tree->root(), {"symbolic-ref", "--short", "-q", "HEAD"}, '\n'));
    if (!head.empty()) sources.head = head.front();
    sources.branches = TRY(branches_of(tree->root()));
    // What was not added yet as well: whoever writes a trigger first is not told that it waits.
    files = TRY(lines_of(tree->root(), {"ls-files", "-z", "-c", "-o", "--exclude-standard"}, '\0'));
    constexpr std::size_t kFilesMax = 100'000;
    if (files.size() > kFilesMax) return sources;  // not all of them would be looked at
  }
  for (const project::TriggerSpec& trigger : file.triggers) {
    const auto* git = std::get_if<project::GitSource>(&trigger.source);
    const auto* data = std::get_if<project::DataSource>(&trigger.source);
    for (const std::string& glob : git != nullptr ? git->paths : std::vector<std::string>()) {
      if (!tree || flows::touches({glob}, files)) continue;
      sources.globs.push_back({glob, project::nearest_glob(glob, files)});
    }
    if (data == nullptr || is_known(root, data->path, made)) continue;
    const auto near =
        nearest(data->path, data_there(root, tree ? tree->root() : root, files, made));
    sources.data.push_back({data->path, near.value_or("")});
  }
  return sources;
}

bool waits(const project::TriggerSpec& trigger) {
  return std::holds_alternative<project::GitSource>(trigger.source) ||
         std::holds_alternative<project::DataSource>(trigger.source);
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
  std::vector<std::string> made;
  const Result<> read = read_stages(root, file, workspace, made);
  if (!read.ok()) workspace.unreadable = read.error().message;
  if (std::any_of(file.triggers.begin(), file.triggers.end(), waits)) {
    Result<project::Sources> sources = read_sources(root, file, made);
    if (sources.ok()) workspace.sources = std::move(*sources);
  }
  std::set<std::string> names;
  for (const project::TriggerSpec& trigger : file.triggers)
    for (const project::ParamMapping& mapping : trigger.params)
      names.insert(project::param_name(mapping.key).file);
  for (const std::string& name : names) read_params_file(root, name, workspace);
  return workspace;
}

}  // namespace slipway::app
