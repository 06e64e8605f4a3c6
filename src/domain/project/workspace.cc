#include "domain/project/workspace.h"

#include <algorithm>
#include <iterator>

#include "base/text.h"

namespace slipway::project {
namespace {

std::string at(yaml::Position position, const std::string& message) {
  return yaml::error_at(kProjectFile, position, message).message;
}

std::string hint(const std::string& word, const std::vector<std::string>& known) {
  const auto near = nearest(word, known);
  return near ? "; did you mean '" + *near + "'?" : "";
}

void append_keys(const yaml::Node& node, const std::string& path, std::vector<std::string>& keys) {
  if (!path.empty()) keys.push_back(path);
  if (!node.is_mapping()) return;
  for (const yaml::Entry& entry : node.entries) {
    if (keys.size() >= kKeysMax) return;
    append_keys(entry.value, path.empty() ? entry.key.text : path + "." + entry.key.text, keys);
  }
}

/// Whether one of two dotted or slashed paths is the other, or inside it.
bool touch(const std::string& a, const std::string& b, char separator) {
  const std::string &outer = a.size() < b.size() ? a : b, &inner = a.size() < b.size() ? b : a;
  return inner.starts_with(outer) &&
         (inner.size() == outer.size() || inner[outer.size()] == separator);
}

bool depends_on(const StageRead& stage, const std::string& path) {
  return std::any_of(stage.deps.begin(), stage.deps.end(),
                     [&](const std::string& dep) { return dep == "." || touch(dep, path, '/'); });
}

bool reads(const StageRead& stage, const ParamName& name) {
  if (depends_on(stage, name.file)) return true;
  return std::any_of(stage.params.begin(), stage.params.end(), [&](const ParamsRead& params) {
    if (params.file != name.file) return false;
    return params.keys.empty() ||
           std::any_of(params.keys.begin(), params.keys.end(),
                       [&](const std::string& key) { return touch(key, name.key, '.'); });
  });
}

const ParamsFile* find_file(const Workspace& workspace, const std::string& name) {
  for (const ParamsFile& file : workspace.params)
    if (file.file == name) return &file;
  return nullptr;
}

class Judging {
 public:
  explicit Judging(const Workspace& workspace) : workspace_(workspace) {}

  void judge_stages(const PipelineSpec& pipeline) {
    const std::vector<std::string>& unknown = workspace_.unknown_stages;
    std::vector<std::string> known;
    for (const StageRead& stage : workspace_.stages) known.push_back(stage.name);
    for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
      const std::string& name = pipeline.stages[i];
      if (std::find(unknown.begin(), unknown.end(), name) == unknown.end()) continue;
      const yaml::Position place = pipeline.stages_at[i];
      const std::string what = "the pipeline " + pipeline.name + " names the stage " + name;
      if (known.empty()) {
        remarks_.warnings.push_back(at(place, what + ", and there are no stages yet"));
      } else {
        remarks_.refusals.push_back(
            at(place, what + ", which is in no dvc.yaml" + hint(name, known)));
      }
    }
  }

  void judge_inputs(const TriggerSpec& trigger) {
    for (const ParamMapping& mapping : trigger.params) judge_param(trigger, mapping);
    if (!trigger.data || reads_data(trigger.data->to)) return;
    remarks_.warnings.push_back(
        at(trigger.data->to_at,
           "no stage depends on " + trigger.data->to + ": what the trigger " + trigger.name +
               " draws would change nothing, and its runs would be skipped; "
               "name it in the deps of the stage that trains, and read it there"));
  }

  Remarks take() { return std::move(remarks_); }

 private:
  bool reads_data(const std::string& path) const {
    return std::any_of(workspace_.stages.begin(), workspace_.stages.end(),
                       [&](const StageRead& stage) { return depends_on(stage, path); });
  }

  void judge_param(const TriggerSpec& trigger, const ParamMapping& mapping) {
    const ParamName name = param_name(mapping.key);
    const ParamsFile* file = find_file(workspace_, name.file);
    if (file != nullptr) {
      if (const auto fault = fault_of(name, *file)) {
        remarks_.refusals.push_back(
            at(mapping.at, "the trigger " + trigger.name + " sets a parameter: " + *fault));
        return;
      }
    }
    const bool is_read = std::any_of(workspace_.stages.begin(), workspace_.stages.end(),
                                     [&](const StageRead& stage) { return reads(stage, name); });
    if (is_read) return;
    remarks_.warnings.push_back(at(mapping.at, "no stage has the parameter " + name.key + " of " +
                                                   name.file +
                                                   " in its params: setting it would change "
                                                   "nothing, and runs would be skipped"));
  }

  const Workspace& workspace_;
  Remarks remarks_;
};

}  // namespace

std::vector<std::string> keys_of(const yaml::Node& params) {
  std::vector<std::string> keys;
  append_keys(params, "", keys);
  return keys;
}

ParamName param_name(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return {"params.yaml", std::string(text)};
  return {std::string(text.substr(0, colon)), std::string(text.substr(colon + 1))};
}

std::optional<std::string> fault_of(const ParamName& name, const ParamsFile& file) {
  if (!file.is_there) return "there is no file " + name.file + ", which would have " + name.key;
  if (file.keys.size() >= kKeysMax) return std::nullopt;  // not all of them are known
  if (std::find(file.keys.begin(), file.keys.end(), name.key) != file.keys.end()) {
    return std::nullopt;
  }
  return "there is no " + name.key + " in " + name.file + hint(name.key, file.keys);
}

Remarks unread_contracts(const ProjectFile& file, const Workspace& workspace) {
  Remarks remarks;
  if (!workspace.unreadable.empty() || workspace.stages.empty()) return remarks;
  std::vector<std::string> deps;
  for (const StageRead& stage : workspace.stages)
    deps.insert(deps.end(), stage.deps.begin(), stage.deps.end());
  for (const ContractBinding& contract : file.contracts) {
    // What a trigger draws is judged by it before the run starts.
    const bool is_drawn =
        std::any_of(file.triggers.begin(), file.triggers.end(), [&](const TriggerSpec& trigger) {
          return trigger.data && trigger.data->to == contract.path;
        });
    const bool is_read = std::find(deps.begin(), deps.end(), contract.path) != deps.end();
    if (is_drawn || is_read) continue;
    const auto outer = std::find_if(deps.begin(), deps.end(), [&](const std::string& dep) {
      return contract.path.starts_with(dep + "/");
    });
    const std::string rest = outer == deps.end() ? "no stage depends on " + contract.path
                                                 : "a stage depends on the folder " + *outer +
                                                       ", and none on " + contract.path + " itself";
    remarks.warnings.push_back(
        at(contract.at, rest + ": the gate \"contract\" judges nothing by " + contract.file +
                            "; name the table in the deps of the stage that reads it" +
                            (outer == deps.end() ? hint(contract.path, deps) : "")));
  }
  return remarks;
}

Remarks judge(const ProjectFile& file, const Workspace& workspace) {
  Judging judging(workspace);
  if (!workspace.unreadable.empty()) {
    Remarks remarks;
    remarks.warnings.push_back("slipway.yaml: whether its stages are there was not judged: " +
                               workspace.unreadable);
    return remarks;
  }
  for (const PipelineSpec& pipeline : file.pipelines) judging.judge_stages(pipeline);
  if (workspace.stages.empty()) return judging.take();
  for (const TriggerSpec& trigger : file.triggers) judging.judge_inputs(trigger);
  Remarks remarks = judging.take();
  Remarks unread = unread_contracts(file, workspace);
  std::move(unread.warnings.begin(), unread.warnings.end(), std::back_inserter(remarks.warnings));
  return remarks;
}

}  // namespace slipway::project
