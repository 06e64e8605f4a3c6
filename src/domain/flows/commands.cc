#include "domain/flows/commands.h"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <ostream>

#include "base/text.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using wire::Json;

constexpr int kDone = 0, kNo = 1, kUsage = 2, kCouldNot = 3;

Error usage(std::string message) {
  Error error = invalid(std::move(message));
  error.tag = "usage";
  return error;
}

using Setter = std::function<void(ParsedRepro&)>;

const std::map<std::string, Setter>& flags() {
  static const std::map<std::string, Setter> table = [] {
    std::map<std::string, Setter> all;
    auto add = [&](std::initializer_list<const char*> names, Setter setter) {
      for (const char* name : names) all[name] = setter;
    };
    add({"-f", "--force"}, [](ParsedRepro& p) { p.options.force = true; });
    add({"-s", "--single-item"}, [](ParsedRepro& p) { p.options.single_item = true; });
    add({"-p", "--pipeline"}, [](ParsedRepro& p) { p.options.pipeline = true; });
    add({"-P", "--all-pipelines"}, [](ParsedRepro& p) { p.options.all_pipelines = true; });
    add({"-R", "--recursive"}, [](ParsedRepro& p) { p.options.recursive = true; });
    add({"--glob"}, [](ParsedRepro& p) { p.options.glob = true; });
    add({"--downstream"}, [](ParsedRepro& p) { p.options.downstream = true; });
    add({"--force-downstream"}, [](ParsedRepro& p) { p.options.force_downstream = true; });
    add({"--dry"}, [](ParsedRepro& p) { p.options.dry = true; });
    add({"--no-commit"}, [](ParsedRepro& p) { p.options.no_commit = true; });
    add({"--no-run-cache"}, [](ParsedRepro& p) { p.options.no_run_cache = true; });
    add({"--allow-missing"}, [](ParsedRepro& p) { p.options.allow_missing = true; });
    add({"-k", "--keep-going"}, [](ParsedRepro& p) { p.options.on_error = OnError::kGoOn; });
    add({"--ignore-errors"}, [](ParsedRepro& p) { p.options.on_error = OnError::kIgnore; });
    add({"-q", "--quiet"}, [](ParsedRepro& p) { p.quiet = true; });
    add({"-v", "--verbose"}, [](ParsedRepro&) {});
    return all;
  }();
  return table;
}

Result<int> jobs_of(std::string_view text) {
  constexpr std::int64_t kJobsMax = 256;
  auto jobs = to_int64(text);
  if (jobs && *jobs >= 1 && *jobs <= kJobsMax) return static_cast<int>(*jobs);
  return usage("-j takes a number from 1 to 256, not \"" + std::string(text) + "\"");
}

int fail(data::Console& console, const Error& error) {
  console.err << "slipway: " << error.message << "\n";
  return error.tag == "usage" ? kUsage : kCouldNot;
}

void hint_files(data::Console& console, const ReproResult& result, const fs::path& from) {
  if (result.files.empty() || result.staged) return;
  console.out << "\nFor git:";
  for (const fs::path& file : result.files) console.out << " " << data::shown(file, from);
  console.out << "\n";
}

Json to_json(const ReproResult& result, const fs::path& from) {
  auto list = [](const auto& items, auto text) {
    Json::Array array;
    for (const auto& item : items) array.emplace_back(text(item));
    return Json(std::move(array));
  };
  auto same = [](const std::string& name) { return name; };
  Json json;
  json.set("ran", list(result.ran, same));
  json.set("restored", list(result.restored, same));
  Json failures = Json(Json::Object());
  for (const StageFailure& failure : result.failures) failures.set(failure.stage, failure.reason);
  json.set("failed", std::move(failures));
  json.set("interrupted", result.interrupted);
  json.set("files", list(result.files, [&](const fs::path& p) { return data::shown(p, from); }));
  return json;
}

/// Notes of a run whose answer is JSON: nothing but errors, and those on the other stream.
class QuietObserver final : public Observer {
 public:
  void note(const Note&) override {}
};

Json states_json(const Differences::States& states) {
  Json json = Json(Json::Object());
  for (const auto& [key, state] : states) json.set(key, data::to_string(state));
  return json;
}

Json status_json(const StageStatus& status) {
  const Differences& found = status.found;
  Json::Array parts;
  if (!found.deps.empty() || !found.params.empty()) {
    Json deps = states_json(found.deps);
    for (const auto& [file, states] : found.params) deps.set(file, states_json(states));
    Json part;
    part.set("changed deps", std::move(deps));
    parts.push_back(std::move(part));
  }
  if (!found.outs.empty()) {
    Json part;
    part.set("changed outs", states_json(found.outs));
    parts.push_back(std::move(part));
  }
  if (found.always) parts.emplace_back("always changed");
  if (found.command) parts.emplace_back("changed command");
  return parts;
}

StageStatus to_status(const data::OwnerStatus& owner, const fs::path& from) {
  StageStatus status;
  status.owner = owner.owner;
  status.found.always = owner.always_changed;
  for (const auto& [path, state] : owner.deps)
    status.found.deps.emplace_back(data::shown(path, from), state);
  for (const auto& [path, state] : owner.outs)
    status.found.outs.emplace_back(data::shown(path, from), state);
  return status;
}

void show_states(std::ostream& out, const Differences::States& states, const char* indent) {
  for (const auto& [key, state] : states) {
    std::string word = data::to_string(state);
    word.resize(std::max<std::size_t>(word.size() + 1, 14), ' ');
    out << indent << word << key << "\n";
  }
}

void show_status(std::ostream& out, const StageStatus& status) {
  const Differences& found = status.found;
  out << status.owner << "\n";
  show_states(out, found.deps, "  input   ");
  for (const auto& [file, states] : found.params) {
    for (const auto& [key, state] : states) {
      show_states(out, {{file + ":" + key, state}}, "  param   ");
    }
  }
  show_states(out, found.outs, "  output  ");
  if (found.command) out << "  command modified\n";
  if (found.always) out << "  always runs\n";
}

Result<std::vector<StageStatus>> all_status(data::Repository& repository,
                                            const std::vector<std::string>& targets,
                                            const fs::path& from) {
  std::vector<StageStatus> all = TRY(flows::status(repository, targets, from));
  for (const data::OwnerStatus& owner : TRY(data::status(repository, targets, from))) {
    all.push_back(to_status(owner, from));
  }
  return all;
}

}  // namespace

std::vector<std::string> repro_flags() {
  std::vector<std::string> names = {"-j", "--jobs"};
  for (const auto& [name, setter] : flags()) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

Result<ParsedRepro> parse_repro(const std::vector<std::string>& arguments, const fs::path& from) {
  ParsedRepro parsed;
  parsed.options.from = from;
  parsed.options.command_line = "slipway repro";
  bool only_targets = false;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    parsed.options.command_line += " " + argument;
    if (only_targets || !argument.starts_with("-") || argument == "-") {
      parsed.options.targets.push_back(argument);
    } else if (argument == "--") {
      only_targets = true;
    } else if (argument == "-j" || argument == "--jobs") {
      if (++i == arguments.size()) return usage(argument + " takes a number");
      parsed.options.jobs = TRY(jobs_of(arguments[i]));
    } else if (argument.starts_with("--jobs=")) {
      parsed.options.jobs = TRY(jobs_of(std::string_view(argument).substr(7)));
    } else if (argument.starts_with("-j")) {
      parsed.options.jobs = TRY(jobs_of(std::string_view(argument).substr(2)));
    } else if (auto flag = flags().find(argument); flag != flags().end()) {
      flag->second(parsed);
    } else if (argument == "--pull" || argument == "-i" || argument == "--interactive" ||
               argument == "-m") {
      Error error = invalid("not supported yet: repro " + argument);
      error.tag = "unsupported";
      return error;
    } else {
      return usage("unrecognized arguments: " + argument);
    }
  }
  return parsed;
}

Result<ReproResult> repro_here(ReproOptions options, const CommandContext& context,
                               Observer& observer) {
  data::Repository repository = TRY(data::Repository::open(options.from));
  Interrupts interrupts = TRY(Interrupts::open());
  options.interrupts = interrupts.fd();
  // A session without the terminal could only fail to read from it.
  options.input = isatty(STDIN_FILENO) != 0 ? -1 : STDIN_FILENO;
  ReproServices services{context.spawner, context.clock,    context.facts,
                         observer,        context.tracking, context.variables};
  return repro(repository, options, services);
}

int run_repro(const std::vector<std::string>& arguments, const fs::path& from,
              const CommandContext& context, data::Console& console) {
  Result<ParsedRepro> parsed = parse_repro(arguments, from);
  if (!parsed.ok()) return fail(console, parsed.error());
  TextObserver talking(console.out, console.err);
  QuietObserver quiet;
  bool is_quiet = parsed->quiet || console.json;
  if (console.json) parsed->options.output = STDERR_FILENO;
  Observer& observer = is_quiet ? static_cast<Observer&>(quiet) : talking;
  Result<ReproResult> result = repro_here(parsed->options, context, observer);
  if (!result.ok()) return fail(console, result.error());
  if (console.json) console.out << wire::dump(to_json(*result, from)) << "\n";
  if (!result->ok()) {
    console.err << "slipway: " << result->message() << "\n";
    return kNo;
  }
  if (is_quiet) return kDone;
  if (result->ran.empty())
    console.out << "Data and pipelines are up to date.\n";
  else
    hint_files(console, *result, from);
  return kDone;
}

int run_status(const std::vector<std::string>& targets, const fs::path& from,
               data::Console& console) {
  Result<data::Repository> repository = data::Repository::open(from);
  if (!repository.ok()) return fail(console, repository.error());
  Result<std::vector<StageStatus>> all = all_status(*repository, targets, from);
  if (!all.ok()) return fail(console, all.error());
  if (console.json) {
    Json json = Json(Json::Object());
    for (const StageStatus& status : *all) json.set(status.owner, status_json(status));
    console.out << wire::dump(json) << "\n";
  } else {
    for (const StageStatus& status : *all) show_status(console.out, status);
    if (all->empty()) console.out << "Data and pipelines are up to date.\n";
  }
  return all->empty() ? kDone : kNo;
}

int run_commit(const data::CommitRequest& request, data::Console& console) {
  Result<data::Repository> repository = data::Repository::open(request.from);
  if (!repository.ok()) return fail(console, repository.error());
  Result<data::Added> data_files = data::commit(*repository, request);
  if (!data_files.ok() && data_files.error().tag == "changed") {
    console.err << "slipway: " << data_files.error().message
                << " differs from what is recorded; -f records it as it is\n";
    return kNo;
  }
  if (!data_files.ok()) return fail(console, data_files.error());
  Result<std::vector<fs::path>> stage_files = flows::commit(
      *repository, StageCommit{request.targets, request.from, request.force, request.relink});
  if (!stage_files.ok() && stage_files.error().tag == "changed") {
    console.err << "slipway: " << stage_files.error().message << "\n";
    return kNo;
  }
  if (!stage_files.ok()) return fail(console, stage_files.error());
  ReproResult shown;
  shown.files = data_files->files;
  shown.files.insert(shown.files.end(), stage_files->begin(), stage_files->end());
  shown.staged = data_files->staged;
  hint_files(console, shown, request.from);
  return kDone;
}

}  // namespace slipway::flows
