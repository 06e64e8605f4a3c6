#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/cli/command.h"
#include "io/wire/json.h"

// What the command line says of itself, all of it from the table of commands.
namespace slipway::app {

/// `slipway --help`.
std::string overview(const std::vector<Command>& all);
/// `slipway COMMAND --help`.
std::string help_of(const Command& command);
/// What remains of a command for one of its verbs: its own form, summary, flags and examples. The
/// command itself for a word that is none.
Command narrowed(const Command& command, std::string_view verb);
/// The same as values, for `slipway --json COMMAND --help`.
wire::Json to_json(const Command& command);
/// The page docs/reference/command-line.md.
std::string reference_page(const std::vector<Command>& all);

}  // namespace slipway::app
