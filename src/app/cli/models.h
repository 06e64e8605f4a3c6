#pragma once

#include <vector>

#include "app/cli/command.h"

namespace slipway::app {

/// models.
std::vector<Command> models_commands();

}  // namespace slipway::app
