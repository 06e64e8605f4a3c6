#pragma once

#include <filesystem>
#include <iosfwd>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "domain/data/commands.h"
#include "domain/flows/facts.h"
#include "domain/flows/repro.h"
#include "domain/flows/stages.h"

// The face of `slipway repro`, and the stages' part of `slipway status` and `slipway commit`.
namespace slipway::flows {

/// What a command needs from the program. All borrowed.
struct CommandContext {
  const proc::Spawner& spawner;
  const Clock& clock;
  FactSink& facts;
  Tracking* tracking = nullptr;
  std::map<std::string, std::string> variables;  // process_variables(), as a rule
};

/// DVC's flags of `repro`, and `-j N`. kInvalid with tag "usage"; tag "unsupported" for --pull and
/// -i.
struct ParsedRepro {
  ReproOptions options;
  bool quiet = false;
};
/// All spellings of flags that parse_repro() takes, sorted.
std::vector<std::string> repro_flags();
Result<ParsedRepro> parse_repro(const std::vector<std::string>& arguments,
                                const std::filesystem::path& from);

/// Runs `options` with interrupts watched; standard streams go to the commands.
Result<ReproResult> repro_here(ReproOptions options, const CommandContext& context,
                               Observer& observer);

/// Exit codes: 0 done, 1 a stage failed or the run was interrupted, 2 used wrongly, 3 could not be
/// done (no project, bad files, a lock that is taken).
int run_repro(const std::vector<std::string>& arguments, const std::filesystem::path& from,
              const CommandContext& context, data::Console& console);

/// Of stages and .dvc files together: 0 up to date, 1 something differs, 3 could not be done. With
/// console.json the object of `dvc status --json`.
int run_status(const std::vector<std::string>& targets, const std::filesystem::path& from,
               data::Console& console);

/// Of stages and .dvc files together. 1: something differs and `force` was not given.
int run_commit(const data::CommitRequest& request, data::Console& console);

}  // namespace slipway::flows
