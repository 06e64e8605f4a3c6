#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "domain/flows/facts.h"
#include "domain/flows/repro.h"

// `slipway repro` as it is typed, and what it needs from the program.
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

}  // namespace slipway::flows
