#include "domain/project/project_file.h"

#include "base/file.h"
#include "base/text.h"
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
      {"lint", read_lint, false, lint_paths},
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

std::vector<std::string> read_sections(std::string_view text, ProjectFile& file) {
  Result<Node> tree = parse_tree(text);
  if (!tree.ok()) return {tree.error().message};
  Node& root = *tree;
  if (root.at.line == 0) root.at = {1, 1};  // an empty text
  Faults faults(kProjectFile);
  Reader reader(faults);
  if (!read_map(reader, root, {1, 1}, "the file", file_keys(), file)) return faults.lines();
  check_references(reader, file);
  check_enforcement(reader, root, faults, file);
  return faults.lines();
}

Result<ProjectFile> parse_project(std::string_view text) {
  ProjectFile file;
  const std::vector<std::string> faults = read_sections(text, file);
  if (!faults.empty()) return invalid(join(faults, "\n"));
  return file;
}

Result<std::string> read_project_text(const std::filesystem::path& root) {
  Result<std::string> text = read_file(root / kProjectFile, kFileBytesMax);
  if (!text.ok() && text.error().code == Code::kMissing) {
    std::error_code ignored;
    const bool has_dvc = std::filesystem::exists(root / ".dvc" / "config", ignored);
    return missing("there is no " + std::string(kProjectFile) + " in " + root.string() + "; `" +
                   init_command(has_dvc) + "` lays one out");
  }
  return text;
}

Result<ProjectFile> read_project(const std::filesystem::path& root) {
  return parse_project(TRY(read_project_text(root)));
}

std::vector<std::string> known_keys() {
  return paths_of(file_keys(), "");
}

}  // namespace slipway::project
