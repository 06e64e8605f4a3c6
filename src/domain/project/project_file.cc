#include "domain/project/project_file.h"

#include "base/file.h"
#include "domain/project/layout.h"
#include "domain/project/reader.h"
#include "domain/project/sections.h"

namespace slipway::project {
namespace {

using yaml::Node;

const Keys<ProjectFile>& file_keys() {
  using P = ProjectFile;
  static const Keys<P> keys = {
      {"version", [](Reader& r, const Node& n, P& p) { r.count(n, 1, 1, p.version); }, true},
      {"project", [](Reader& r, const Node& n, P& p) { r.name(n, p.name); }, true},
      {"use_case", read_use_case, false, use_case_paths},
      {"contracts", read_contracts},
      {"features", [](Reader& r, const Node& n,
                      P& p) { r.texts(n, &Reader::path, p.feature_views, &p.feature_views_at); }},
      {"pipelines", read_pipelines, false, pipeline_paths},
      {"triggers", read_triggers, false, trigger_paths},
      {"deployments", read_deployments, false, deployment_paths},
      {"notify", read_notifications, false, notification_paths},
  };
  return keys;
}

Result<Node> parse_tree(std::string_view text) {
  yaml::Limits limits;
  limits.bytes_max = kFileBytesMax;
  limits.depth_max = 20;
  limits.nodes_max = 200'000;
  limits.alias_nodes_max = 10'000;
  return yaml::parse(text, kProjectFile, yaml::Schema::kYaml12, limits);
}

template <class T>
const T* find_named(const std::vector<T>& items, std::string_view name) {
  for (const T& item : items) {
    if (item.name == name) return &item;
  }
  return nullptr;
}

}  // namespace

const Requirement* ProjectFile::find_requirement(std::string_view id) const {
  for (const Requirement& requirement : use_case.requirements) {
    if (requirement.id == id) return &requirement;
  }
  return nullptr;
}
const PipelineSpec* ProjectFile::find_pipeline(std::string_view pipeline) const {
  return find_named(pipelines, pipeline);
}
const DeploymentSpec* ProjectFile::find_deployment(std::string_view deployment) const {
  return find_named(deployments, deployment);
}
const ContractBinding* ProjectFile::find_contract(std::string_view data_path) const {
  for (const ContractBinding& binding : contracts) {
    if (binding.path == data_path) return &binding;
  }
  return nullptr;
}

Result<ProjectFile> parse_project(std::string_view text) {
  Node root = TRY(parse_tree(text));
  if (root.at.line == 0) root.at = {1, 1};  // an empty text
  Faults faults(kProjectFile);
  Reader reader(faults);
  ProjectFile file;
  if (!read_map(reader, root, {1, 1}, "the file", file_keys(), file)) return faults.error();
  check_references(reader, file);
  // Judged on a file that is right otherwise: after a misspelt guard it would say the same twice.
  if (!faults.any()) check_enforcement(reader, file);
  if (faults.any()) return faults.error();
  return file;
}

Result<ProjectFile> read_project(const std::filesystem::path& root) {
  Result<std::string> text = read_file(root / kProjectFile, kFileBytesMax);
  if (!text.ok() && text.error().code == Code::kMissing) {
    std::error_code ignored;
    const bool has_dvc = std::filesystem::exists(root / ".dvc" / "config", ignored);
    return missing("there is no " + std::string(kProjectFile) + " in " + root.string() + "; `" +
                   init_command(has_dvc) + "` lays one out");
  }
  if (!text.ok()) return text.error();
  return parse_project(*text);
}

std::vector<std::string> known_keys() {
  return paths_of(file_keys(), "");
}

}  // namespace slipway::project
