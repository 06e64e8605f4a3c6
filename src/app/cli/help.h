#pragma once

#include <string>
#include <vector>

#include "app/cli/command.h"
#include "io/wire/json.h"

// What the command line says of itself, all of it from the table of commands.
namespace slipway::app {

/// `slipway --help`.
std::string overview(const std::vector<Command>& all);
/// `slipway COMMAND --help`.
std::string help_of(const Command& command);
/// The same as values, for `slipway --json COMMAND --help`.
wire::Json to_json(const Command& command);
/// The page docs/reference/command-line.md.
std::string reference_page(const std::vector<Command>& all);

}  // namespace slipway::app
