#include "domain/project/lint.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/file.h"
#include "base/text.h"
#include "domain/project/layout.h"
#include "domain/project/project_file.h"
#include "domain/project/reader.h"
#include "domain/project/sections.h"
#include "domain/project/stage.h"

namespace slipway::project {
namespace {

using yaml::Node;
using Findings = std::vector<Finding>;

// --- slipway.yaml
// ----------------------------------------------------------------------------------

void lint_use_case(const UseCase& use_case, Findings& out) {
  struct Wanted {
    const char* rule;
    const char* key;
    const std::string& value;
    const char* what;
  };
  const Wanted wanted[] = {
      {"purpose", "problem", use_case.problem, "what the model is for"},
      {"user", "user", use_case.user, "who acts on its answers"},
      {"owner", "owner", use_case.owner, "who answers for it"},
  };
  for (const Wanted& one : wanted) {
    if (!one.value.empty()) continue;
    out.push_back({one.rule, kProjectFile,
                   std::string("found no use_case.") + one.key + ", expected " + one.what});
  }
  if (use_case.requirements.empty()) {
    out.push_back({"requirements", kProjectFile,
                   "found no requirement, expected at least one that the model has to meet"});
  }
}

/// Why there is no text of a file: it is not there, or is none.
std::string absence(const RepositoryView& repository, const std::string& path) {
  const bool is_there = repository.files.count(path) > 0;
  return is_there ? "found what cannot be read as a text (a pipe, a device, a folder behind a "
                    "link, no permission, or more than 4 MiB)"
                  : "found no file";
}

/// The position that a message of the parser begins with, and the rest.
Finding finding_of(std::string_view line) {
  std::size_t space = line.find(": ");
  bool placed = space != std::string_view::npos && line.starts_with(kProjectFile);
  if (!placed) return {"slipway.yaml", kProjectFile, std::string(line)};
  return {"slipway.yaml", std::string(line.substr(0, space)), std::string(line.substr(space + 2))};
}

std::optional<ProjectFile> lint_project(const RepositoryView& repository, Findings& out) {
  std::optional<std::string> text = repository.text(kProjectFile);
  if (!text && repository.files.count(kProjectFile) > 0) {
    out.push_back(
        {"slipway.yaml", kProjectFile,
         absence(repository, kProjectFile) + ", expected the declaration of the project"});
    return {};
  }
  if (!text) {
    out.push_back({"slipway.yaml", "",
                   "found no slipway.yaml, expected one; `" +
                       init_command(repository.text(".dvc/config").has_value()) + "` makes it"});
    return {};
  }
  Result<ProjectFile> file = parse_project(*text);
  if (file.ok()) return std::move(*file);
  for (std::string_view line : split(file.error().message, '\n')) out.push_back(finding_of(line));
  return {};
}

// --- contracts
// -------------------------------------------------------------------------------------

bool says_something(const Node* node) {
  if (node == nullptr || node->is_null()) return false;
  if (node->is_sequence()) return !node->items.empty();
  if (node->is_mapping()) return !node->entries.empty();
  return !trim(node->text).empty();
}

/// ODCS keeps what it has no word for as {property, value} pairs.
bool has_custom(const Node& node, std::string_view name) {
  const Node* list = node.find("customProperties");
  if (list == nullptr || !list->is_sequence()) return false;
  return std::any_of(list->items.begin(), list->items.end(), [&](const Node& item) {
    const Node* property = item.find("property");
    return property != nullptr && property->text == name && says_something(item.find("value"));
  });
}

bool describes(const Node& contract, const char* key) {
  const Node* description = contract.find("description");
  return description != nullptr && says_something(description->find(key));
}

bool has_owner(const Node& contract) {
  const Node* team = contract.find("team");
  if (team != nullptr && team->is_mapping()) {
    return says_something(team->find("name")) || says_something(team->find("members"));
  }
  return says_something(team) || has_custom(contract, "owner");
}

bool has_source(const Node& contract) {
  return says_something(contract.find("servers")) || has_custom(contract, "source");
}

void lint_columns(const std::string& where, const Node& contract, Findings& out) {
  const Node* schema = contract.find("schema");
  if (schema == nullptr || !schema->is_sequence()) return;
  std::vector<std::string> silent;
  for (const Node& table : schema->items) {
    const Node* properties = table.find("properties");
    if (properties == nullptr || !properties->is_sequence()) continue;
    for (const Node& column : properties->items) {
      const Node* name = column.find("name");
      bool described =
          says_something(column.find("description")) || says_something(column.find("businessName"));
      if (!described && name != nullptr) silent.push_back(name->text);
    }
  }
  if (silent.empty()) return;
  out.push_back({"contract-columns", where,
                 "found no description of " + one_of(silent) + ", expected one for each column"});
}

void lint_contract(const std::string& path, const std::string& text, Findings& out) {
  constexpr std::size_t kContractNodesMax = 1'000'000;
  yaml::Limits limits;
  limits.bytes_max = 4u << 20;
  limits.nodes_max = kContractNodesMax;
  Result<Node> contract = yaml::parse(text, path, yaml::Schema::kYaml12, limits);
  if (!contract.ok()) {
    out.push_back({"contract", path, contract.error().message});
    return;
  }
  struct Wanted {
    const char* rule;
    bool there;
    const char* message;
  };
  const Wanted wanted[] = {
      {"contract-owner", has_owner(*contract), "found no team, expected the owner of the data"},
      {"contract-purpose", describes(*contract, "purpose"),
       "found no description.purpose, expected what the data is for"},
      {"contract-limitations", describes(*contract, "limitations"),
       "found no description.limitations, expected what the data must not be used for"},
      {"contract-source", has_source(*contract),
       "found no servers and no custom property \"source\", expected where the data comes from"},
      {"contract-labelling", has_custom(*contract, "labelling"),
       "found no custom property \"labelling\", expected how labels are made (\"none\" where there "
       "are none)"},
  };
  for (const Wanted& one : wanted) {
    if (!one.there) out.push_back({one.rule, path, one.message});
  }
  lint_columns(path, *contract, out);
}

void lint_contracts(const RepositoryView& repository, const ProjectFile& file, Findings& out) {
  if (file.contracts.empty()) {
    out.push_back({"contracts", kProjectFile,
                   "found no contract, expected one for each table that a pipeline reads"});
  }
  std::set<std::string> seen;
  for (const ContractBinding& binding : file.contracts) {
    if (!seen.insert(binding.file).second) continue;
    std::optional<std::string> text = repository.text(binding.file);
    if (text) {
      lint_contract(binding.file, *text, out);
    } else {
      out.push_back({"contract", binding.file,
                     absence(repository, binding.file) + ", expected the contract of " +
                         binding.path + "; `slipway infer` makes a first one"});
    }
  }
}

// --- pipelines
// -------------------------------------------------------------------------------------

void lint_pipelines(const RepositoryView& repository, const ProjectFile& file, Findings& out) {
  std::optional<std::string> text = repository.text("dvc.yaml");
  if (!text) {
    if (!file.pipelines.empty()) {
      out.push_back(
          {"stages", "dvc.yaml", "found no dvc.yaml, expected the stages of the pipelines"});
    }
    return;
  }
  Result<Pipeline> stages = parse_pipeline(*text, "dvc.yaml");
  if (!stages.ok()) {
    // What is only not supported here is nothing that the project lacks.
    if (stages.error().tag != "unsupported")
      out.push_back({"stages", "dvc.yaml", stages.error().message});
    return;
  }
  std::vector<std::string> known;
  for (const Stage& stage : stages->stages) known.push_back(stage.name);
  for (const PipelineSpec& pipeline : file.pipelines) {
    for (std::size_t i = 0; i < pipeline.stages.size(); ++i) {
      const std::string& stage = pipeline.stages[i];
      bool elsewhere = stage.find(':') != std::string::npos;
      if (elsewhere || std::find(known.begin(), known.end(), stage) != known.end()) continue;
      std::string where = yaml::error_at(kProjectFile, pipeline.stages_at[i], "").message;
      out.push_back({"stages", where.substr(0, where.rfind(':')),
                     "found the stage " + in_quotes(stage) + " in the pipeline " +
                         in_quotes(pipeline.name) + ", expected " + one_of(known) +
                         did_you_mean(stage, known)});
    }
  }
}

// --- folders, tests, documentation
// -----------------------------------------------------------------

void lint_places(const RepositoryView& repository, Findings& out) {
  for (const Place& place : places()) {
    bool there = std::any_of(place.names.begin(), place.names.end(), [&](const std::string& name) {
      return repository.folders.count(name) > 0;
    });
    if (there) continue;
    out.push_back({place.rule, "",
                   "found no folder for " + place.what + ", expected " + one_of(place.names)});
  }
}

bool is_test(const std::string& path) {
  bool in_tests = path.starts_with("tests/") || path.starts_with("test/") ||
                  path.find("/tests/") != std::string::npos;
  std::string_view name = std::string_view(path).substr(path.rfind('/') + 1);
  return name.starts_with("test_") || name.find("_test.") != std::string_view::npos ||
         name.find(".test.") != std::string_view::npos ||
         (in_tests && name.starts_with("test") && name.find('.') != std::string_view::npos);
}

void lint_tests(const RepositoryView& repository, Findings& out) {
  if (std::any_of(repository.files.begin(), repository.files.end(), is_test)) return;
  out.push_back({"tests", "", "found no test, expected files such as tests/test_features.py"});
}

bool is_page(const std::string& path) {
  bool in_docs = path.starts_with("docs/") || path.find('/') == std::string::npos;
  return in_docs && (path.ends_with(".md") || path.ends_with(".rst"));
}

/// What pages say of the topics.
struct Said {
  std::set<std::string> topics;  // rules of those that have text
  std::map<std::string, std::string> empty_sections;  // by rule: "Experiments" of docs/model.md
};

/// Adds the topics of one page: those whose heading has something below it, and the other headings.
void collect_topics(const std::string& path, std::string_view page, Said& said) {
  std::vector<std::string> open;  // of the heading that we are below
  bool comment = false;
  for (std::string_view line : split(page, '\n')) {
    std::string_view words = trim(line);
    if (words.starts_with("#")) {
      open.clear();
      std::string heading = to_lower(words);
      for (const Topic& topic : topics()) {
        for (const std::string& word : topic.words) {
          if (heading.find(word) == std::string::npos) continue;
          open.push_back(topic.rule);
          const std::string_view title = trim(words.substr(words.find_first_not_of('#')));
          said.empty_sections.try_emplace(topic.rule, in_quotes(title) + " of " + path);
        }
      }
      continue;
    }
    comment = comment || words.starts_with("<!--");
    if (!comment && !words.empty()) said.topics.insert(open.begin(), open.end());
    if (comment && words.ends_with("-->")) comment = false;
  }
}

void lint_documentation(const RepositoryView& repository, Findings& out) {
  constexpr int kPagesMax = 1000;
  Said said;
  int pages = 0;
  for (const std::string& path : repository.files) {
    if (!is_page(path) || ++pages > kPagesMax) continue;
    if (std::optional<std::string> page = repository.text(path)) collect_topics(path, *page, said);
  }
  for (const Topic& topic : topics()) {
    if (said.topics.count(topic.rule) > 0) continue;
    const auto empty = said.empty_sections.find(topic.rule);
    if (empty != said.empty_sections.end()) {
      out.push_back({topic.rule, "",
                     "found the section " + empty->second + " empty, expected it to say " +
                         topic.what});
      continue;
    }
    out.push_back({topic.rule, "",
                   "found no page that says " + topic.what + ", expected a section with \"" +
                       topic.words.front() + "\" in its heading, in docs/ or README.md"});
  }
}

// --- the repository
// --------------------------------------------------------------------------------

bool is_left_out(const std::string& name) {
  static const std::set<std::string> names = {"node_modules", "venv", "__pycache__",
                                              "site-packages"};
  return name.starts_with(".") || names.count(name) > 0;
}

/// Of a file that is wrong elsewhere too: what is off stays off.
LintSpec spec_of(const RepositoryView& repository) {
  ProjectFile file;
  if (const std::optional<std::string> text = repository.text(kProjectFile))
    read_sections(*text, file);
  return std::move(file.lint);
}

bool is_off(const LintSpec& spec, const Finding& finding) {
  return std::any_of(spec.off.begin(), spec.off.end(),
                     [&](const auto& off) { return off.first == finding.rule; });
}

}  // namespace

std::vector<Finding> lint(const RepositoryView& repository) {
  Findings findings;
  const LintSpec spec = spec_of(repository);
  if (std::optional<ProjectFile> file = lint_project(repository, findings)) {
    lint_use_case(file->use_case, findings);
    lint_contracts(repository, *file, findings);
    lint_pipelines(repository, *file, findings);
  }
  if (!spec.own_layout) lint_places(repository, findings);
  lint_tests(repository, findings);
  lint_documentation(repository, findings);
  findings.erase(std::remove_if(findings.begin(), findings.end(),
                                [&](const Finding& finding) { return is_off(spec, finding); }),
                 findings.end());
  return findings;
}

Result<RepositoryView> view_repository(const std::filesystem::path& root) {
  namespace fs = std::filesystem;
  RepositoryView view;
  std::error_code error;
  fs::recursive_directory_iterator walk(root, fs::directory_options::skip_permission_denied, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    std::string name = walk->path().filename().string();
    bool folder = walk->is_directory(error) && !walk->is_symlink(error);
    if (folder && is_left_out(name)) {
      walk.disable_recursion_pending();
      continue;
    }
    std::string path = walk->path().lexically_relative(root).string();
    (folder ? view.folders : view.files).insert(std::move(path));
    if (view.files.size() + view.folders.size() >= kViewMax) break;
  }
  if (error) return unavailable("cannot read " + root.string() + ": " + error.message());
  view.text = [root](const std::string& path) -> std::optional<std::string> {
    constexpr std::uint64_t kTextMax = 4u << 20;
    Result<std::string> text = read_file(root / path, kTextMax);
    return text.ok() ? std::optional<std::string>(std::move(*text)) : std::nullopt;
  };
  return view;
}

std::string to_text(const Finding& finding) {
  std::string place = finding.where.empty() ? "" : finding.where + ": ";
  return place + finding.message + " (" + finding.rule + ")";
}

wire::Json to_json(const Finding& finding) {
  wire::Json json;
  json.set("rule", finding.rule);
  json.set("where", finding.where);
  json.set("message", finding.message);
  return json;
}

}  // namespace slipway::project
