#include <algorithm>

#include "app/cli/verbs.h"
#include "app/project.h"
#include "app/reproduce.h"
#include "base/log.h"
#include "dialects/dvc/pipelines.h"
#include "domain/flows/commands.h"
#include "io/proc/proc.h"

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
  RunRecorder recorder(default_state(surroundings.folder), surroundings.err, greets);
  flows::CommandContext context{*spawner, clock, recorder, &recorder, flows::process_variables()};
  return run(context);
}

}  // namespace

int run_repro(const Arguments& arguments, const Surroundings& surroundings) {
  std::vector<std::string> rest = arguments.positional;
  auto json = std::remove(rest.begin(), rest.end(), "--json");
  data::Console console{surroundings.out, surroundings.err,
                        surroundings.json || json != rest.end()};
  rest.erase(json, rest.end());
  bool is_quiet = console.json || std::any_of(rest.begin(), rest.end(), [](const std::string& one) {
                    return one == "-q" || one == "--quiet";
                  });
  return with_context(surroundings, !is_quiet, [&](const flows::CommandContext& context) {
    return flows::run_repro(rest, surroundings.folder, context, console);
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
