#include "app/project.h"

#include <algorithm>
#include <sstream>

#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/project_client.h"
#include "app/project_judges.h"
#include "app/workspace.h"
#include "base/text.h"
#include "domain/data/commands.h"
#include "domain/project/layout.h"
#include "domain/project/lint.h"
#include "domain/project/outlook.h"

namespace slipway::app {
namespace {

ProjectPlace place_of(const Arguments& arguments, const Surroundings& surroundings) {
  ProjectPlace place;
  place.state = state_folder(arguments, surroundings);
  place.store = flag(arguments, "store");
  return place;
}

/// What is for people stands in the answer too.
std::string take_text(wire::Json& answer) {
  wire::Json::Object& members = answer.as_object();
  for (auto member = members.begin(); member != members.end(); ++member) {
    if (member->first != "text") continue;
    std::string text = member->second.as_string();
    members.erase(member);
    return text;
  }
  return "";
}

/// Data versioning, unless it is there; the layout of the project is added to what is there either
/// way.
int init_data(const Arguments& arguments, const Surroundings& surroundings) {
  if (arguments.on("no-scm") && arguments.on("subdir")) {
    return report(with_tag(invalid("--no-scm and --subdir exclude each other: without git, or in a "
                                   "folder of a git repository that begins above?"),
                           "usage"),
                  surroundings);
  }
  std::error_code ignored;
  bool there = std::filesystem::exists(surroundings.folder / ".dvc", ignored);
  if (there && !arguments.on("force")) return kDone;
  std::ostringstream said;  // run_init says it in its own words
  data::Console console{said, surroundings.err, surroundings.json};
  int code = data::run_init(surroundings.folder, arguments.on("no-scm"), arguments.on("force"),
                            arguments.on("subdir"), console);
  if (code != kDone) surroundings.out << said.str();
  return code;
}

void append_lines(const std::string& rule, const std::vector<std::string>& lines,
                  std::vector<project::Finding>& findings) {
  for (const std::string& line : lines) {
    const std::size_t end = line.find(": ");
    const bool placed = end != std::string::npos;
    findings.push_back(
        {rule, placed ? line.substr(0, end) : "", placed ? line.substr(end + 2) : line});
  }
}

/// What the modules that will act on the project say of it, and what would come of it. What the
/// file doesn't parse for is said by lint already, as are documents that are not there.
void append_judgement(const Surroundings& surroundings, std::vector<project::Finding>& findings) {
  const std::filesystem::path root = project_root(surroundings.folder);
  Result<project::Draft> draft = project::read_draft(root);
  if (!draft.ok()) return;
  const project::ProjectFile& file = draft->declared.file;
  append_lines("declaration", judge_draft(*draft), findings);
  project::Remarks unworkable, unread;
  const project::Workspace workspace = read_workspace(root, file);
  if (draft->is_whole) {
    unworkable = project::unworkable(file);
    unread = project::unread_contracts(file, workspace);
  }
  append_lines("declaration", unworkable.refusals, findings);
  const auto is_off = [](const auto& off) { return off.first == "foreseen"; };
  if (std::any_of(file.lint.off.begin(), file.lint.off.end(), is_off)) return;
  append_lines("foreseen", unworkable.warnings, findings);
  append_lines("foreseen", unread.warnings, findings);
  append_lines("foreseen", project::silent_triggers(file, workspace).warnings, findings);
  append_lines("foreseen", remarks_on(draft->declared).warnings, findings);
}

/// As `plan` says them: they are as true where nothing changed.
std::string warnings_of(const wire::Json& done) {
  std::string text;
  const wire::Json* plan = done.find("plan");
  const wire::Json* warnings = plan != nullptr ? plan->find("warnings") : nullptr;
  if (warnings == nullptr) return text;
  for (const wire::Json& warning : warnings->as_array())
    text += "warning: " + warning.as_string() + "\n";
  return text;
}

/// Whether a server has taken it, or none runs that could act on it.
std::string when_it_holds(const wire::Json& done) {
  const wire::Json* served = done.find("served");
  const bool is_served = served != nullptr && served->is_bool() && served->as_bool();
  return is_served ? "" : "; it takes hold when `slipway up` runs";
}

int report_refusal(const Error& error, const Surroundings& surroundings) {
  int code = report(error, surroundings);
  return error.tag == "refused" ? kAnswerIsNo : code;
}

}  // namespace

int run_init(const Arguments& arguments, const Surroundings& surroundings) {
  std::error_code ignored;
  const bool had_data = std::filesystem::exists(surroundings.folder / ".dvc", ignored);
  if (int code = init_data(arguments, surroundings); code != kDone) return code;
  const auto extent = arguments.on("minimal") ? project::Extent::kMinimal : project::Extent::kWhole;
  Result<std::vector<std::string>> made = project::lay_out(surroundings.folder, extent);
  if (!made.ok()) return report(made.error(), surroundings);
  if (!had_data) made->insert(made->begin(), ".dvc");
  if (surroundings.json) {
    wire::Json::Array list;
    for (const std::string& path : *made) list.emplace_back(path);
    wire::Json json;
    json.set("made", std::move(list));
    surroundings.out << wire::dump(json) << "\n";
    return kDone;
  }
  for (const std::string& path : *made) surroundings.out << "made " << path << "\n";
  surroundings.out << (made->empty() ? "nothing to make: a project is in "
                                     : "a project begins in ")
                   << surroundings.folder.string()
                   << "; `slipway lint` says what it lacks, `slipway add PATH` versions data\n";
  return kDone;
}

namespace {

/// What it asks for, and every key of slipway.yaml: nothing is looked at.
int list_rules(const Surroundings& surroundings) {
  wire::Json::Array list;
  for (const project::LintRule& rule : project::lint_rules()) {
    wire::Json json;
    json.set("rule", rule.id);
    json.set("asks", rule.asks);
    json.set("why", rule.why);
    json.set("may_be_off", rule.may_be_off);
    list.push_back(std::move(json));
    if (surroundings.json) continue;
    surroundings.out << rule.id << ": asks for " << rule.asks << "; " << rule.why
                     << (rule.may_be_off ? "" : " (cannot be off)") << "\n";
  }
  wire::Json json;
  json.set("rules", std::move(list));
  if (surroundings.json) surroundings.out << wire::dump(json) << "\n";
  return kDone;
}

int list_keys(const Surroundings& surroundings) {
  wire::Json::Array list;
  for (const std::string& key : project::known_keys()) {
    list.emplace_back(key);
    if (!surroundings.json) surroundings.out << key << "\n";
  }
  wire::Json json;
  json.set("keys", std::move(list));
  if (surroundings.json) surroundings.out << wire::dump(json) << "\n";
  return kDone;
}

}  // namespace

int run_lint(const Arguments& arguments, const Surroundings& surroundings) {
  if (arguments.on("rules")) return list_rules(surroundings);
  if (arguments.on("keys")) return list_keys(surroundings);
  Result<project::RepositoryView> repository =
      project::view_repository(project_root(surroundings.folder));
  if (!repository.ok()) return report(repository.error(), surroundings);
  std::vector<project::Finding> findings = project::lint(*repository);
  append_judgement(surroundings, findings);
  if (surroundings.json) {
    wire::Json::Array list;
    for (const project::Finding& finding : findings) list.push_back(project::to_json(finding));
    wire::Json json;
    json.set("missing", std::move(list));
    surroundings.out << wire::dump(json) << "\n";
  } else {
    for (const project::Finding& finding : findings)
      surroundings.out << project::to_text(finding) << "\n";
    if (findings.empty()) surroundings.out << "nothing is missing\n";
  }
  return findings.empty() ? kDone : kAnswerIsNo;
}

std::vector<Flag> project_flags() {
  return {{"--state", "DIR", "the state folder (.slipway of this project)"},
          {"--store", "URI", "the catalogue, when it is not where this state had it last"}};
}

int run_plan(const Arguments& arguments, const Surroundings& surroundings) {
  Result<ProjectRequest> request = gather_project(project_root(surroundings.folder));
  if (!request.ok()) return report(request.error(), surroundings);
  Result<wire::Json> plan = plan_at(place_of(arguments, surroundings), *request);
  if (!plan.ok()) return report(plan.error(), surroundings);
  std::string text = take_text(*plan);
  surroundings.out << (surroundings.json ? wire::dump(*plan) + "\n" : text);
  const wire::Json* refusals = plan->find("refusals");
  return refusals != nullptr && !refusals->as_array().empty() ? kAnswerIsNo : kDone;
}

int run_apply(const Arguments& arguments, const Surroundings& surroundings) {
  Result<ProjectRequest> request = gather_project(project_root(surroundings.folder));
  if (!request.ok()) return report(request.error(), surroundings);
  Result<wire::Json> done = apply_at(place_of(arguments, surroundings), *request);
  if (!done.ok()) return report_refusal(done.error(), surroundings);
  std::string text = take_text(*done);
  if (surroundings.json) {
    surroundings.out << wire::dump(*done) << "\n";
  } else if (!done->find("changed")->as_bool()) {
    surroundings.out << "nothing changed: this is what is applied already\n"
                     << warnings_of(*done);
  } else {
    surroundings.out << text << "applied as number " << done->find("number")->as_int64()
                     << when_it_holds(*done) << "\n";
  }
  return kDone;
}

}  // namespace slipway::app
