#include "app/cli/verbs.h"
#include "domain/data/commands.h"

namespace slipway::app {
namespace {

data::Console console_of(const Surroundings& surroundings) {
  return {surroundings.out, surroundings.err, surroundings.json};
}

}  // namespace

int run_add(const Arguments& arguments, const Surroundings& surroundings) {
  data::Console console = console_of(surroundings);
  return data::run_add({arguments.positional, surroundings.folder, !arguments.on("no-commit"),
                        !arguments.on("no-relink")},
                       console);
}

int run_checkout(const Arguments& arguments, const Surroundings& surroundings) {
  data::Console console = console_of(surroundings);
  return data::run_checkout({arguments.positional, surroundings.folder, arguments.on("force"),
                             arguments.on("relink"), arguments.on("allow-missing")},
                            console);
}

}  // namespace slipway::app
