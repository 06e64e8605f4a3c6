#include "domain/project/workspace.h"

#include <algorithm>
#include <iterator>
#include <set>

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

namespace {

/// What a trigger would have to wait for in vain.
class Listening {
 public:
  explicit Listening(const Sources& sources) : sources_(sources) {}

  void look_at(const TriggerSpec& trigger) {
    if (const auto* git = std::get_if<GitSource>(&trigger.source)) look_at_git(trigger, *git);
    if (const auto* data = std::get_if<DataSource>(&trigger.source)) look_at_data(trigger, *data);
  }

  Remarks take() { return std::move(remarks_); }

 private:
  void warn(yaml::Position place, const std::string& message) {
    remarks_.warnings.push_back(at(place, message));
  }

  void look_at_git(const TriggerSpec& trigger, const GitSource& source) {
    const std::string who = "the trigger " + trigger.name + " waits for commits";
    if (!sources_.has_git)
      return warn(trigger.at, who + ", and the project is in no git repository: nothing fires it");
    look_at_branch(trigger, source, who);
    for (std::size_t i = 0; i < source.paths.size(); ++i) {
      const Absent* absent = find(sources_.globs, source.paths[i]);
      if (absent == nullptr) continue;
      warn(source.paths_at[i],
           who + " that change " + absent->name +
               ", which matches no file of the repository: nothing fires it until one is there" +
               suggestion(*absent));
    }
  }

  void look_at_branch(const TriggerSpec& trigger, const GitSource& source, const std::string& who) {
    std::vector<std::string> there = sources_.branches;
    const bool is_born = std::find(there.begin(), there.end(), sources_.head) != there.end();
    if (!sources_.head.empty() && !is_born) there.insert(there.begin(), sources_.head);
    if (std::find(there.begin(), there.end(), source.branch) != there.end()) return;
    constexpr std::size_t kShownMax = 10;
    const auto near = nearest(source.branch, there);
    const std::string meant = near ? *near : sources_.head;
    if (there.size() > kShownMax) there.resize(kShownMax);
    warn(source.branch_at.value_or(trigger.at),
         who + " on the branch " + source.branch +
             (source.branch_at ? "" : ", as no other one is named") +
             ", and the repository has no such branch (it has " +
             (there.empty() ? "none" : join(there, ", ")) +
             "): nothing fires it until there is one" +
             (meant.empty() ? "" : "; did you mean \"branch: " + meant + "\"?"));
  }

  void look_at_data(const TriggerSpec& trigger, const DataSource& source) {
    const Absent* absent = find(sources_.data, source.path);
    if (absent == nullptr) return;
    warn(source.path_at,
         "the trigger " + trigger.name + " waits for a change of " + source.path +
             ", which is no file, is not tracked (there is no " + source.path +
             ".dvc) and is made by no stage: nothing fires it until it is there" +
             suggestion(*absent));
  }

  static const Absent* find(const std::vector<Absent>& all, const std::string& name) {
    const auto found = std::find_if(all.begin(), all.end(),
                                    [&](const Absent& absent) { return absent.name == name; });
    return found == all.end() ? nullptr : &*found;
  }

  static std::string suggestion(const Absent& absent) {
    return absent.near.empty() ? "" : "; did you mean '" + absent.near + "'?";
  }

  const Sources& sources_;
  Remarks remarks_;
};

/// The folders that files lie in, each once, "a" and "a/b" of "a/b/c".
std::vector<std::string> folders_of(const std::vector<std::string>& files) {
  std::set<std::string> folders;
  for (const std::string& file : files)
    for (std::size_t end = file.find('/'); end != std::string::npos; end = file.find('/', end + 1))
      folders.insert(file.substr(0, end));
  return {folders.begin(), folders.end()};
}

}  // namespace

Remarks silent_triggers(const ProjectFile& file, const Workspace& workspace) {
  if (!workspace.sources) return {};
  Listening listening(*workspace.sources);
  for (const TriggerSpec& trigger : file.triggers) listening.look_at(trigger);
  return listening.take();
}

std::string nearest_glob(const std::string& glob, const std::vector<std::string>& files) {
  const std::vector<std::string> folders = folders_of(files);
  const std::string named = glob.ends_with('/') ? glob.substr(0, glob.size() - 1) : glob;
  if (std::find(folders.begin(), folders.end(), named) != folders.end()) return named + "/**";
  const std::size_t wild = glob.find_first_of("*?");
  if (wild == std::string::npos) {
    if (auto near = nearest(glob, files)) return *near;
    const auto folder = nearest(named, folders);
    return folder ? *folder + "/**" : "";
  }
  const std::size_t end = glob.rfind('/', wild);
  if (end == std::string::npos) return "";  // no folder is named
  const std::string folder = glob.substr(0, end);
  if (std::find(folders.begin(), folders.end(), folder) != folders.end()) return "";
  const auto near = nearest(folder, folders);
  return near ? *near + glob.substr(end) : "";
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
