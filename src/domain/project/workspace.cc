#include "domain/project/workspace.h"

#include <algorithm>

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
    for (const std::string& name : pipeline.stages) {
      if (std::find(unknown.begin(), unknown.end(), name) == unknown.end()) continue;
      const std::string what = "the pipeline " + pipeline.name + " names the stage " + name;
      if (known.empty()) {
        remarks_.warnings.push_back(at(pipeline.at, what + ", and there are no stages yet"));
      } else {
        remarks_.refusals.push_back(
            at(pipeline.at, what + ", which is in no dvc.yaml" + hint(name, known)));
      }
    }
  }

  void judge_inputs(const TriggerSpec& trigger) {
    for (const ParamMapping& mapping : trigger.params) judge_param(trigger, mapping);
    if (!trigger.data || reads_data(trigger.data->to)) return;
    remarks_.warnings.push_back(at(
        trigger.data->at, "no stage depends on " + trigger.data->to + ": what the trigger " +
                              trigger.name +
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
  return judging.take();
}

}  // namespace slipway::project
