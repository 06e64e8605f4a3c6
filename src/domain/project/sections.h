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

/// What one section says of another: a name that does not exist there is a fault.
void check_references(Reader& reader, const ProjectFile& file);
/// Every requirement that no gate, guard or monitor enforces is a fault.
void check_enforcement(Reader& reader, const ProjectFile& file);

}  // namespace slipway::project
