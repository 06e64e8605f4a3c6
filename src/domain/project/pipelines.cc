#include <limits>

#include "domain/project/sections.h"

namespace slipway::project {
namespace {

using yaml::Node;

const Keys<PipelineSpec>& register_keys() {
  static const Keys<PipelineSpec> keys = {
      {"model", [](Reader& r, const Node& n, PipelineSpec& p) { r.model(n, p.register_model); },
       true},
  };
  return keys;
}

const Keys<PipelineSpec>& pipeline_keys() {
  static const Keys<PipelineSpec> keys = {
      {"stages", [](Reader& r, const Node& n,
                    PipelineSpec& p) { r.texts(n, &Reader::text, p.stages, &p.stages_at); }},
      {"register",
       [](Reader& r, const Node& n, PipelineSpec& p) {
         read_map(r, n, n.at, "\"register\"", register_keys(), p);
       },
       false, [] { return paths_of(register_keys(), "."); }},
      {"attempts",
       [](Reader& r, const Node& n, PipelineSpec& p) { r.count(n, 1, 100, p.attempts_max); }},
      {"timeout", [](Reader& r, const Node& n, PipelineSpec& p) { r.span(n, p.timeout); }},
  };
  return keys;
}

}  // namespace

void read_contracts(Reader& reader, const Node& node, ProjectFile& file) {
  reader.members(node, "data files to contracts", [&](const yaml::Entry& entry) {
    ContractBinding binding;
    binding.at = entry.key.at;
    reader.key = "contracts";
    if (!reader.path(entry.key, binding.path)) return;
    if (file.find_contract(binding.path) != nullptr) {
      reader.fault(entry.key.at, "found " + in_quotes(binding.path) +
                                     " a second time, expected one contract a table");
    }
    reader.key = binding.path;
    binding.file_at = entry.value.at;
    reader.path(entry.value, binding.file);
    file.contracts.push_back(std::move(binding));
  });
}

void read_pipelines(Reader& reader, const Node& node, ProjectFile& file) {
  reader.members(node, "pipelines", [&](const yaml::Entry& entry) {
    PipelineSpec pipeline;
    pipeline.at = entry.key.at;
    reader.key = "pipelines";
    if (!reader.name(entry.key, pipeline.name)) return;
    reader.key = pipeline.name;
    // Nothing at all is a pipeline of all stages.
    if (!entry.value.is_null()) {
      read_map(reader, entry.value, entry.key.at, "the pipeline " + in_quotes(pipeline.name),
               pipeline_keys(), pipeline);
    }
    file.pipelines.push_back(std::move(pipeline));
  });
}

std::vector<std::string> pipeline_paths() {
  return paths_of(pipeline_keys(), ".NAME.");
}

}  // namespace slipway::project
