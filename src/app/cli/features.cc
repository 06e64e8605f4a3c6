#include <algorithm>

#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/features_api.h"
#include "app/project.h"
#include "base/text.h"
#include "domain/features/training.h"
#include "domain/project/project_file.h"

namespace slipway::app {
namespace {

namespace fs = std::filesystem;
using features::Plan;
using wire::Json;

/// The files of all views: those that slipway.yaml names, or those in features/.
Result<std::vector<std::string>> view_files(const fs::path& root) {
  Result<project::ProjectFile> project = project::read_project(root);
  if (project.ok()) return project->feature_views;
  if (project.error().code != Code::kMissing) return project.error();
  std::vector<std::string> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(root / "features", ignored)) {
    if (entry.path().extension() == ".yaml") {
      files.push_back("features/" + entry.path().filename().string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

/// A view by the name that stands in it, or by its file.
Result<std::string> file_of_view(const fs::path& root, const std::string& name) {
  if (name.ends_with(".yaml") || name.ends_with(".yml")) return name;
  std::vector<std::string> known;
  for (const std::string& file : TRY(view_files(root))) {
    const features::View view = TRY(features::read_view(root, file));
    if (view.name == name) return file;
    known.push_back(view.name);
  }
  const std::optional<std::string> close = nearest(name, known);
  return missing(
      "no feature view is named '" + name + "'" +
      (close ? "; did you mean '" + *close + "'?" : ": name it under `features:` in slipway.yaml"));
}

Result<std::vector<features::ViewUse>> uses_of(const fs::path& root, const std::string& texts) {
  std::vector<features::ViewUse> uses;
  for (std::string_view text : split(texts, ' ')) {
    if (trim(text).empty()) continue;
    const features::UseText use = TRY(features::parse_use(trim(text)));
    const std::string file = TRY(file_of_view(root, use.view));
    uses.push_back({TRY(Plan::make(TRY(features::read_view(root, file)))), use.alias, use.keys});
  }
  if (uses.empty()) return usage("found no --view, expected the names of feature views");
  return uses;
}

Json report_json(const features::TrainingResult& result, const std::string& output) {
  Json::Array views;
  for (const features::ViewReport& report : result.reports) {
    Json view;
    view.set("view", report.view);
    view.set("alias", report.alias);
    view.set("unmatched", static_cast<std::int64_t>(report.unmatched));
    view.set("expired", static_cast<std::int64_t>(report.expired));
    view.set("undated_source_rows", static_cast<std::int64_t>(report.undated));
    view.set("overflows", report.faults.overflows);
    view.set("domain_errors", report.faults.domain_errors);
    view.set("failed_casts", report.faults.failed_casts);
    views.push_back(std::move(view));
  }
  Json json;
  json.set("output", output);
  json.set("rows", static_cast<std::int64_t>(result.rows));
  json.set("md5", result.md5);
  json.set("views", std::move(views));
  return json;
}

void print_report(const features::TrainingResult& result, const std::string& output,
                  std::ostream& out) {
  out << output << ": " << result.rows << " rows\n";
  for (const features::ViewReport& report : result.reports) {
    out << "  " << report.alias << ": " << report.unmatched << " rows without a match, "
        << report.expired << " expired";
    if (report.faults.total() > 0)
      out << ", " << report.faults.total() << " values could not be computed";
    out << "\n";
  }
}

Result<int> train_set(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string entities = flag(arguments, "entities"), output = flag(arguments, "output");
  if (entities.empty()) return usage("found no --entities, expected a table of entities and times");
  if (output.empty()) return usage("found no --output, expected the name of a CSV file");
  const fs::path root = project_root(surroundings.folder);
  const std::vector<features::ViewUse> uses = TRY(uses_of(root, flag(arguments, "view")));
  features::TrainingRules rules;
  rules.event_time = flag(arguments, "event-time");
  rules.created_cutoff = arguments.on("created-cutoff");
  rules.full_names = arguments.on("full-names");
  const features::TrainingFiles files{root, surroundings.folder / entities,
                                      surroundings.folder / output};
  const features::TrainingResult result = TRY(features::write_training_set(files, uses, rules));
  TRY(record_at(state_folder(arguments, surroundings), to_graph(files, result, uses, rules)));
  if (surroundings.json)
    surroundings.out << wire::dump(report_json(result, output)) << "\n";
  else
    print_report(result, output, surroundings.out);
  return kDone;
}

Result<int> materialize(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string name = flag(arguments, "view");
  if (name.empty()) return usage("found no --view, expected the name of a feature view");
  const fs::path root = project_root(surroundings.folder);
  const std::string file = TRY(file_of_view(root, name));
  const Json report = TRY(materialize_at(state_folder(arguments, surroundings),
                                         {root.string(), file, flag(arguments, "at")}));
  if (surroundings.json) {
    surroundings.out << wire::dump(report) << "\n";
    return kDone;
  }
  const auto number = [&](const char* key) { return report.find(key)->as_int64(); };
  surroundings.out << name << ": " << number("entities") << " entities, " << number("written")
                   << " of " << number("rows") << " rows written\n";
  return kDone;
}

Result<std::map<std::string, std::string>> request_of(const std::string& text) {
  std::map<std::string, std::string> request;
  if (text.empty()) return request;
  for (std::string_view pair : split(text, ',')) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string_view::npos) {
      return usage("found '" + std::string(pair) + "', expected NAME=VALUE");
    }
    request[std::string(pair.substr(0, equals))] = pair.substr(equals + 1);
  }
  return request;
}

void print_lookup(const Json& answer, std::ostream& out) {
  out << answer.find("view")->as_string() << ": " << answer.find("presence")->as_string() << "\n";
  const std::string at = answer.find("at")->as_string();
  const Json *newest = answer.find("newest"), *too_late = answer.find("too_late");
  if (newest != nullptr && newest->is_string())
    out << "  its newest row is of " << newest->as_string() << ", after " << at
        << ": online the newest row of an entity is kept alone;\n  what it was then says `slipway "
           "features train-set`\n";
  if (too_late != nullptr && too_late->is_bool() && too_late->as_bool())
    out << "  too late: " << at
        << " lies so long before its newest event that events of its windows are forgotten;\n  "
           "what they were then says `slipway features train-set`\n";
  for (const auto& [name, value] : answer.find("features")->as_object()) {
    out << "  " << name << " = " << (value.is_string() ? value.as_string() : wire::dump(value))
        << "\n";
  }
}

/// Exit code 1 when there is no row, or an expired one.
Result<int> get(const Arguments& arguments, const Surroundings& surroundings) {
  LookupRequest request;
  request.view = flag(arguments, "view");
  if (request.view.empty()) return usage("found no --view, expected the name of a feature view");
  request.key.assign(arguments.positional.begin() + 1, arguments.positional.end());
  request.request = TRY(request_of(flag(arguments, "request")));
  request.at = flag(arguments, "at");
  const Json answer = TRY(look_up_at(state_folder(arguments, surroundings), request));
  if (surroundings.json)
    surroundings.out << wire::dump(answer) << "\n";
  else
    print_lookup(answer, surroundings.out);
  return answer.find("presence")->as_string() == "present" ? kDone : kAnswerIsNo;
}

int run_features(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string& verb = arguments.positional.front();
  Result<int> code = usage("found '" + verb + "', expected train-set, materialize or get");
  if (verb == "train-set") code = train_set(arguments, surroundings);
  if (verb == "materialize") code = materialize(arguments, surroundings);
  if (verb == "get") code = get(arguments, surroundings);
  return code.ok() ? *code : report(code.error(), surroundings);
}

}  // namespace

std::vector<Command> features_commands() {
  constexpr std::size_t kMany = std::string::npos;
  return {
      {.name = "features",
       .summary = "training sets as of each row's time, and features online",
       .positional = "VERB [KEY...]",
       .positional_min = 1,
       .positional_max = kMany,
       .positional_help = "train-set, materialize, or get with the key of an entity",
       .flags = {{"--view", "VIEWS",
                  "names of views; NAME:ALIAS:KEY=COLUMN for another alias or key"},
                 {"--entities", "FILE", "train-set: entities and times, CSV or Parquet"},
                 {"-o,--output", "FILE", "train-set: the CSV file to write"},
                 {"--event-time", "COLUMN", "train-set: of the entities (event_timestamp)"},
                 {"--created-cutoff", "", "train-set: only what had been created by then"},
                 {"--full-names", "", "train-set: ALIAS__FEATURE"},
                 {"--at", "TIME", "materialize: rows up to then; get: as of then (now)"},
                 {"--request", "NAME=VALUE,...", "get: columns that come with a request"},
                 {"--state", "DIR", "the state folder (.slipway of this project)"}},
       .examples = {"slipway features train-set --view station --entities rides.csv -o train.csv",
                    "slipway features materialize --view station",
                    "slipway features get --view station 17"},
       .run = run_features}};
}

}  // namespace slipway::app
