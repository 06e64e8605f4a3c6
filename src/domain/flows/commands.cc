#include "domain/flows/commands.h"

#include <unistd.h>

#include <algorithm>
#include <functional>

#include "base/text.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;

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

}  // namespace slipway::flows
