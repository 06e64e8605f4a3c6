#include <unistd.h>

#include "app/cli/common.h"
#include "app/cli/stages.h"
#include "app/cli/verbs.h"
#include "app/reproduce.h"
#include "base/log.h"
#include "base/text.h"
#include "dialects/dvc/pipelines.h"
#include "domain/flows/commands.h"
#include "domain/flows/steps.h"
#include "io/proc/proc.h"
#include "io/wire/json.h"

namespace slipway::app {
namespace {

/// Calls `run` with what a command that starts others needs. The spawner is forked first, while
/// this process is small and has one thread.
/// `greets`: says where the tracking API is.
template <class F>
int with_context(const Surroundings& surroundings, bool greets, F run) {
  set_log_level(LogLevel::kWarning);  // a server of its own must not talk between the commands
  Result<proc::Spawner> spawner = proc::Spawner::start();
  if (!spawner.ok()) return report(spawner.error(), surroundings);
  SystemClock clock;
  // Arguments are parsed as DVC does: the folder is named by the environment alone.
  RunRecorder recorder(state_folder(Arguments(), surroundings), surroundings.err, greets);
  flows::CommandContext context{*spawner, clock, recorder, &recorder, flows::process_variables()};
  return run(context);
}

/// What a run whose answer is JSON, or that is quiet, says on its way.
class QuietObserver final : public flows::Observer {
 public:
  void note(const flows::Note&) override {}
};

/// Says which stage may have been meant where a target is none.
Error with_nearest(Error error, const flows::ReproOptions& options) {
  if (error.tag != "no_target") return error;
  Result<data::Repository> repository = data::Repository::open(options.from);
  if (!repository.ok()) return error;
  Result<flows::Steps> steps = flows::Steps::load(*repository, options.from);
  if (!steps.ok()) return error;
  std::vector<std::string> known;
  for (const flows::Step& step : steps->all()) {
    known.push_back(step.name);
    for (const flows::StepOut& out : step.outs)
      known.push_back(data::shown(out.absolute, options.from));
  }
  for (const std::string& target : options.targets) {
    if (steps->find(target, options.recursive, options.glob).ok()) continue;
    if (auto near = nearest(target, known)) error.message += "; did you mean '" + *near + "'?";
    return error;
  }
  return error;
}

wire::Json names(const std::vector<std::string>& names) {
  wire::Json::Array list;
  for (const std::string& name : names) list.emplace_back(name);
  return list;
}

wire::Json to_json(const flows::ReproResult& result, const std::filesystem::path& from) {
  wire::Json failures = wire::Json(wire::Json::Object());
  for (const flows::StageFailure& failure : result.failures)
    failures.set(failure.stage, failure.reason);
  wire::Json::Array files;
  for (const std::filesystem::path& file : result.files)
    files.emplace_back(data::shown(file, from));
  wire::Json json;
  json.set("ran", names(result.ran));
  json.set("restored", names(result.restored));
  json.set("failed", std::move(failures));
  json.set("interrupted", result.interrupted);
  json.set("files", std::move(files));
  return json;
}

void say_done(const flows::ReproResult& result, const Surroundings& surroundings) {
  if (result.ran.empty()) {
    surroundings.out << "Data and pipelines are up to date.\n";
    return;
  }
  Result<data::Repository> repository = data::Repository::open(surroundings.folder);
  if (!repository.ok() || result.staged) return;
  say_for_git(*repository, for_git(*repository, result.files), surroundings);
}

/// Of a flag that is none: the nearest, and where they stand.
Error with_help(Error error, const std::vector<std::string>& arguments) {
  if (error.tag != "usage") return error;
  const std::vector<std::string> known = flows::repro_flags();
  for (const std::string& argument : arguments) {
    const std::string name = argument.substr(0, argument.find('='));
    if (!error.message.ends_with(": " + argument)) continue;
    if (const auto near = nearest(name, known)) error.message += "; did you mean '" + *near + "'?";
    break;
  }
  error.message += "; see `slipway repro --help`";
  return error;
}

int reproduce(flows::ParsedRepro& parsed, const flows::CommandContext& context,
              const Surroundings& surroundings) {
  flows::TextObserver talking(surroundings.out, surroundings.err, surroundings.colours);
  QuietObserver quiet;
  const bool is_quiet = parsed.quiet || surroundings.json;
  if (surroundings.json) parsed.options.output = STDERR_FILENO;  // of the commands
  flows::Observer& observer = is_quiet ? static_cast<flows::Observer&>(quiet) : talking;
  Result<flows::ReproResult> result = flows::repro_here(parsed.options, context, observer);
  if (!result.ok()) return report(with_nearest(result.error(), parsed.options), surroundings);
  if (surroundings.json)
    surroundings.out << wire::dump(to_json(*result, surroundings.folder)) << "\n";
  if (!result->ok()) {
    surroundings.err << "slipway: error: " << result->message() << "\n";
    return kAnswerIsNo;
  }
  if (!is_quiet) say_done(*result, surroundings);
  return kDone;
}

}  // namespace

int run_repro(const Arguments& arguments, const Surroundings& surroundings) {
  Result<flows::ParsedRepro> parsed = flows::parse_repro(arguments.positional, surroundings.folder);
  if (!parsed.ok()) return report(with_help(parsed.error(), arguments.positional), surroundings);
  const bool greets = !parsed->quiet && !surroundings.json;
  return with_context(surroundings, greets, [&](const flows::CommandContext& context) {
    return reproduce(*parsed, context, surroundings);
  });
}

int run_dvc(const Arguments& arguments, const Surroundings& surroundings) {
  return with_context(surroundings, false, [&](const flows::CommandContext& context) {
    dvc::FlowPipelines pipelines(surroundings.folder, context);
    return dvc::run_dvc(arguments.positional, surroundings.folder, surroundings.out,
                        surroundings.err, &pipelines);
  });
}

}  // namespace slipway::app
