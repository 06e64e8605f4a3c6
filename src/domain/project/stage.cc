#include "domain/project/stage.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/file.h"
#include "base/text.h"

namespace slipway::project {

std::string normalized(const std::string& path) {
  std::string result = std::filesystem::path(path).lexically_normal().string();
  while (result.size() > 1 && result.back() == '/') result.pop_back();
  return result;
}

namespace {

using yaml::Entry;
using yaml::Node;

bool is_stage_file(const std::string& path) {
  return is_stage_file_name(std::filesystem::path(path).filename().string());
}

const char* what_is(const Node& node) {
  switch (node.type) {
    case yaml::Type::kNull:
      return "nothing";
    case yaml::Type::kBool:
      return "true or false";
    case yaml::Type::kInteger:
    case yaml::Type::kFloat:
      return "a number";
    case yaml::Type::kDate:
      return "a date";
    case yaml::Type::kString:
      return "a text";
    case yaml::Type::kSequence:
      return "a list";
    case yaml::Type::kMapping:
      return "a map";
  }
  return "something else";
}

/// Turns nodes into typed values; every error carries the position of the node.
class Reader {
 public:
  explicit Reader(std::string name) : name_(std::move(name)) {}

  Error fail(const Node& node, const std::string& message) const {
    return yaml::error_at(name_, node.at, message);
  }
  Error unsupported(const Node& node, const std::string& what, const std::string& instead) const {
    Error error = fail(node, "not supported yet: " + what + "; " + instead);
    error.tag = "unsupported";
    return error;
  }
  Error expected(const Node& node, const std::string& key, const std::string& what) const {
    return fail(node, "\"" + key + "\" takes " + what + ", here is " + what_is(node));
  }

  Result<std::string> text(const Node& node, const std::string& key) const {
    if (!node.is_string()) return expected(node, key, "a text");
    return node.text;
  }
  Result<bool> truth(const Node& node, const std::string& key) const {
    if (node.type != yaml::Type::kBool) return expected(node, key, "true or false");
    return node.as_bool();
  }
  Result<std::vector<std::string>> texts(const Node& node, const std::string& key) const {
    if (!node.is_sequence()) return expected(node, key, "a list");
    std::vector<std::string> result;
    for (const Node& item : node.items) result.push_back(TRY(text(item, key)));
    return result;
  }
  Error unknown(const Entry& entry, const std::string& where,
                const std::vector<std::string>& known) const {
    std::string message = "\"" + entry.key.text + "\" is no key of " + where;
    if (auto close = nearest(entry.key.text, known))
      message += "; did you mean \"" + *close + "\"?";
    return fail(entry.key, message);
  }

  /// Templating is not resolved: whoever reads on would take the pattern for a value.
  Result<> refuse_templates(const Node& node) const {
    if (node.is_string() && node.text.find("${") != std::string::npos) {
      return unsupported(node, "templating (\"${...}\")",
                         "write the value in its place, or let the command read it from a file "
                         "named under \"params\"");
    }
    for (const Node& item : node.items) TRY(refuse_templates(item));
    for (const Entry& entry : node.entries) {
      TRY(refuse_templates(entry.key));
      TRY(refuse_templates(entry.value));
    }
    return {};
  }

 private:
  std::string name_;
};

Result<> read_commands(const Reader& reader, const Node& node, Stage& stage) {
  if (node.is_sequence()) {
    stage.is_command_list = true;
    stage.commands = TRY(reader.texts(node, "cmd"));
    return {};
  }
  stage.commands = {TRY(reader.text(node, "cmd"))};
  return {};
}

Result<> read_deps(const Reader& reader, const Node& node, Stage& stage) {
  if (!node.is_sequence()) return reader.expected(node, "deps", "a list of paths");
  for (const Node& item : node.items) {
    std::string path = TRY(reader.text(item, "deps"));
    if (path.find("://") != std::string::npos) {
      return reader.unsupported(item, "a dependency that is no file (" + path + ")",
                                "let a stage fetch it, and depend on the file it makes");
    }
    if (is_stage_file(path))
      return reader.fail(item, "stage file '" + path + "' cannot be a dependency");
    // One that is named twice counts twice, in dvc.lock and in the run cache's key, as with DVC.
    stage.deps.push_back({std::move(path), item.at});
  }
  return {};
}

ParamsSource& params_of(Stage& stage, const std::string& file, yaml::Position at) {
  for (ParamsSource& source : stage.params) {
    if (source.file == file) return source;
  }
  stage.params.push_back({file, {}, at});
  return stage.params.back();
}

/// Files that are named whole anywhere in the list: keys of them that stand beside say nothing
/// more.
std::set<std::string> whole_params_files(const Node& list) {
  std::set<std::string> files;
  for (const Node& item : list.items) {
    for (const Entry& entry : item.entries) {
      const bool empty = entry.value.is_sequence() && entry.value.items.empty();
      if (entry.value.is_null() || empty) files.insert(normalized(entry.key.text));
    }
  }
  return files;
}

Result<> read_params_list(const Reader& reader, const Node& node, Stage& stage) {
  if (!node.is_sequence()) return reader.expected(node, "params", "a list");
  const std::set<std::string> whole = whole_params_files(node);
  const auto add = [&](const std::string& file, yaml::Position at, std::vector<std::string> keys) {
    ParamsSource& source = params_of(stage, file, at);
    if (whole.contains(file)) return;
    for (std::string& key : keys) {
      bool there = std::find(source.keys.begin(), source.keys.end(), key) != source.keys.end();
      if (!there) source.keys.push_back(std::move(key));
    }
  };
  for (const Node& item : node.items) {
    if (item.is_string()) {
      add("params.yaml", item.at, {item.text});
      continue;
    }
    if (!item.is_mapping()) return reader.expected(item, "params", "keys, or maps of file to keys");
    for (const Entry& entry : item.entries) {
      std::vector<std::string> keys;
      if (!entry.value.is_null()) keys = TRY(reader.texts(entry.value, entry.key.text));
      // Unlike other paths it stands in dvc.lock without its detours.
      add(normalized(entry.key.text), entry.key.at, std::move(keys));
    }
  }
  return {};
}

using FlagReader = std::function<Result<>(const Reader&, const Node&, Output&)>;

/// What may stand under a path in outs, metrics and plots.
const std::map<std::string, FlagReader>& flag_readers() {
  static const std::map<std::string, FlagReader> readers = {
      {"cache",
       [](auto& r, auto& n, auto& o) -> Result<> {
         o.cache = TRY(r.truth(n, "cache"));
         return {};
       }},
      {"persist",
       [](auto& r, auto& n, auto& o) -> Result<> {
         o.persist = TRY(r.truth(n, "persist"));
         return {};
       }},
      {"push",
       [](auto& r, auto& n, auto& o) -> Result<> {
         o.push = TRY(r.truth(n, "push"));
         return {};
       }},
      {"checkpoint",
       [](auto& r, auto& n, auto&) -> Result<> {
         TRY(r.truth(n, "checkpoint"));
         return {};
       }},
      {"remote",
       [](auto& r, auto& n, auto& o) -> Result<> {
         o.remote = TRY(r.text(n, "remote"));
         return {};
       }},
      {"desc",
       [](auto& r, auto& n, auto& o) -> Result<> {
         o.desc = TRY(r.text(n, "desc"));
         return {};
       }},
      {"type",
       [](auto& r, auto& n, auto& o) -> Result<> {
         o.type = TRY(r.text(n, "type"));
         return {};
       }},
      {"labels",
       [](auto& r, auto& n, auto& o) -> Result<> {
         o.labels = TRY(r.texts(n, "labels"));
         return {};
       }},
      {"meta",
       [](auto&, auto& n, auto& o) -> Result<> {
         o.meta = n;
         return {};
       }},
  };
  return readers;
}

bool is_plot_flag(const std::string& key) {
  static const std::set<std::string> flags = {"template", "x",     "y",     "x_label",
                                              "y_label",  "title", "header"};
  return flags.contains(key);
}

Result<> read_flags(const Reader& reader, const Node& flags, Output& out) {
  if (!flags.is_mapping()) return reader.expected(flags, out.path, "a map of flags");
  for (const Entry& entry : flags.entries) {
    auto found = flag_readers().find(entry.key.text);
    if (found != flag_readers().end()) {
      TRY(found->second(reader, entry.value, out));
    } else if (out.kind == OutputKind::kPlot && is_plot_flag(entry.key.text)) {
      out.plot.set(entry.key.text, entry.value);
    } else {
      std::vector<std::string> known;
      for (const auto& [name, unused] : flag_readers()) known.push_back(name);
      return reader.unknown(entry, "an output", known);
    }
  }
  return {};
}

Result<> add_output(const Reader& reader, const Node& path, const Node* flags, OutputKind kind,
                    Stage& stage) {
  Output out;
  out.kind = kind;
  out.at = path.at;
  out.path = TRY(reader.text(path, "outs"));
  if (out.path.find("://") != std::string::npos) {
    return reader.unsupported(path, "an output that is no file (" + out.path + ")",
                              "write a file, and let its command copy it there");
  }
  if (is_stage_file(out.path))
    return reader.fail(path, "DVC file '" + out.path + "' cannot be an output");
  if (flags != nullptr && flags->is_sequence()) {
    // Several plots of one file; what holds for the file may stand in any of them.
    for (const Node& item : flags->items) TRY(read_flags(reader, item, out));
  } else if (flags != nullptr) {
    TRY(read_flags(reader, *flags, out));
  }
  for (const Output& other : stage.outs) {
    if (normalized(other.path) == normalized(out.path)) {
      return reader.fail(path,
                         "the output \"" + out.path + "\" stands in this stage a second time");
    }
  }
  stage.outs.push_back(std::move(out));
  return {};
}

Result<> read_outputs(const Reader& reader, const Node& node, OutputKind kind,
                      const std::string& key, Stage& stage) {
  if (!node.is_sequence()) return reader.expected(node, key, "a list");
  for (const Node& item : node.items) {
    if (item.is_string()) {
      TRY(add_output(reader, item, nullptr, kind, stage));
      continue;
    }
    if (!item.is_mapping()) return reader.expected(item, key, "paths, or maps of path to flags");
    for (const Entry& entry : item.entries) {
      TRY(add_output(reader, entry.key, &entry.value, kind, stage));
    }
  }
  return {};
}

using KeyReader = std::function<Result<>(const Reader&, const Node&, Stage&)>;

const std::map<std::string, KeyReader>& key_readers() {
  static const std::map<std::string, KeyReader> readers = {
      {"cmd", read_commands},
      {"deps", read_deps},
      {"params", read_params_list},
      {"wdir",
       [](auto& r, auto& n, auto& s) -> Result<> {
         s.wdir = TRY(r.text(n, "wdir"));
         return {};
       }},
      {"desc",
       [](auto& r, auto& n, auto& s) -> Result<> {
         s.desc = TRY(r.text(n, "desc"));
         return {};
       }},
      {"frozen",
       [](auto& r, auto& n, auto& s) -> Result<> {
         s.frozen = TRY(r.truth(n, "frozen"));
         return {};
       }},
      {"always_changed",
       [](auto& r, auto& n, auto& s) -> Result<> {
         s.always_changed = TRY(r.truth(n, "always_changed"));
         return {};
       }},
      {"meta",
       [](auto&, auto& n, auto& s) -> Result<> {
         s.meta = n;
         return {};
       }},
  };
  return readers;
}

Result<> refuse_generators(const Reader& reader, const Node& body) {
  static constexpr std::string_view kGenerators[] = {"foreach", "do", "matrix", "vars"};
  for (const Entry& entry : body.entries) {
    for (std::string_view generator : kGenerators) {
      if (entry.key.text == generator) {
        return reader.unsupported(entry.key, "\"" + entry.key.text + "\" in a stage",
                                  "write each stage out under a name of its own");
      }
    }
  }
  return reader.refuse_templates(body);
}

Result<Stage> read_stage(const Reader& reader, const Entry& entry,
                         const std::filesystem::path& file) {
  Stage stage;
  stage.name = entry.key.text;
  stage.file = file;
  stage.at = entry.key.at;
  const Node& body = entry.value;
  if (!body.is_mapping()) return reader.expected(body, stage.name, "a map");
  TRY(refuse_generators(reader, body));
  for (const Entry& field : body.entries) {
    const std::string& key = field.key.text;
    if (key == "outs" || key == "metrics" || key == "plots") continue;
    auto found = key_readers().find(key);
    if (found == key_readers().end()) {
      std::vector<std::string> known = {"outs", "metrics", "plots"};
      for (const auto& [name, unused] : key_readers()) known.push_back(name);
      return reader.unknown(field, "a stage", known);
    }
    TRY(found->second(reader, field.value, stage));
  }
  static constexpr std::pair<const char*, OutputKind> kOutputs[] = {
      {"outs", OutputKind::kOut}, {"metrics", OutputKind::kMetric}, {"plots", OutputKind::kPlot}};
  for (const auto& [key, kind] : kOutputs) {
    if (const Node* node = body.find(key)) TRY(read_outputs(reader, *node, kind, key, stage));
  }
  if (body.find("cmd") == nullptr) {
    return reader.fail(entry.key, "the stage \"" + stage.name + "\" has no \"cmd\"");
  }
  return stage;
}

Result<Pipeline> to_pipeline(const Reader& reader, const Node& root,
                             const std::filesystem::path& file) {
  Pipeline pipeline;
  pipeline.file = file;
  if (root.is_null()) return pipeline;
  if (!root.is_mapping()) return reader.fail(root, "the file must be a map with \"stages\"");
  for (const Entry& entry : root.entries) {
    const std::string& key = entry.key.text;
    if (key == "stages") {
      if (!entry.value.is_mapping()) return reader.expected(entry.value, key, "a map of stages");
      for (const Entry& stage : entry.value.entries) {
        pipeline.stages.push_back(TRY(read_stage(reader, stage, file)));
      }
    } else if (key == "params") {
      pipeline.params = TRY(reader.texts(entry.value, key));
    } else if (key == "metrics") {
      pipeline.metrics = TRY(reader.texts(entry.value, key));
    } else if (key == "plots") {
      pipeline.plots = entry.value;
    } else if (key == "artifacts") {
      pipeline.artifacts = entry.value;
    } else if (key == "datasets") {
      pipeline.datasets = entry.value;
    } else if (key == "vars") {
      return reader.unsupported(entry.key, "\"vars\" (templating)",
                                "write the values in their places, or use \"params\"");
    } else {
      return reader.unknown(
          entry, "dvc.yaml",
          {"stages", "params", "metrics", "plots", "artifacts", "datasets", "vars"});
    }
  }
  return pipeline;
}

Result<Pipeline> parse_named(std::string_view text, const std::filesystem::path& file,
                             const std::string& name) {
  Node root = TRY(yaml::parse(text, name));
  return to_pipeline(Reader(name), root, file);
}

}  // namespace

bool is_stage_file_name(std::string_view name) {
  return name.ends_with(".dvc") || name == "dvc.yaml";
}

std::string recorded_path(const std::string& written, const std::filesystem::path& folder,
                          const std::filesystem::path& root) {
  const std::filesystem::path path = std::filesystem::path(written).lexically_normal();
  if (!path.native().starts_with(root.native() + "/")) return written;
  return normalized(path.lexically_relative(folder).string());
}

std::filesystem::path Stage::folder() const {
  std::filesystem::path result = (file.parent_path() / wdir).lexically_normal();
  return result.has_filename() ? result : result.parent_path();
}

Node Stage::cmd() const {
  if (!is_command_list) return Node::string(commands.empty() ? "" : commands.front());
  Node list = Node::sequence();
  for (const std::string& command : commands) list.add(Node::string(command));
  return list;
}

const Stage* Pipeline::find(std::string_view name) const {
  for (const Stage& stage : stages) {
    if (stage.name == name) return &stage;
  }
  return nullptr;
}

Result<Pipeline> parse_pipeline(std::string_view text, const std::filesystem::path& file) {
  return parse_named(text, file, file.filename().string());
}

Result<Pipeline> read_pipeline(const std::filesystem::path& file) {
  constexpr std::uint64_t kBytesMax = 64u << 20;
  std::string text = TRY(read_file(file, kBytesMax));
  std::error_code ignored;
  std::filesystem::path shown = file.lexically_relative(std::filesystem::current_path(ignored));
  bool below = !shown.empty() && !shown.string().starts_with("..");
  return parse_named(text, file, below ? shown.string() : file.string());
}

}  // namespace slipway::project
