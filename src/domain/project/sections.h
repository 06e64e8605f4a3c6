#pragma once

#include <string>
#include <vector>

#include "domain/project/project_file.h"
#include "domain/project/reader.h"

// The sections of slipway.yaml, each in a .cc of its own: a reader for the value of the top-level
// key, and the paths that may stand below it. For project_file.cc.
namespace slipway::project {

void read_use_case(Reader& reader, const yaml::Node& node, ProjectFile& file);
std::vector<std::string> use_case_paths();

void read_contracts(Reader& reader, const yaml::Node& node, ProjectFile& file);

void read_pipelines(Reader& reader, const yaml::Node& node, ProjectFile& file);
std::vector<std::string> pipeline_paths();

void read_triggers(Reader& reader, const yaml::Node& node, ProjectFile& file);
std::vector<std::string> trigger_paths();

void read_deployments(Reader& reader, const yaml::Node& node, ProjectFile& file);
std::vector<std::string> deployment_paths();

void read_notifications(Reader& reader, const yaml::Node& node, ProjectFile& file);
std::vector<std::string> notification_paths();

void read_lint(Reader& reader, const yaml::Node& node, ProjectFile& file);
std::vector<std::string> lint_paths();

/// What one section says of another: a name that does not exist there is a fault.
void check_references(Reader& reader, const ProjectFile& file);
/// Every requirement that no gate, guard or monitor enforces is a fault, unless what was found
/// before may be the reason: in the requirement itself, or in what would enforce it.
void check_enforcement(Reader& reader, const yaml::Node& root, const Faults& faults,
                       const ProjectFile& file);

/// kMissing says how to get a slipway.yaml.
Result<std::string> read_project_text(const std::filesystem::path& root);

/// Reads as much of the text as is right, and says what is not, as parse_project does.
std::vector<std::string> read_sections(std::string_view text, ProjectFile& file);

}  // namespace slipway::project
