#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>
#include <memory>

#include "app/cli/command.h"
#include "base/text.h"
#include "dialects/dvc/later.h"
#include "io/wire/json.h"

namespace slipway::app {
namespace {

std::string long_name(const Flag& flag) {
  std::string name(split(flag.names, ',').back());
  return name.substr(name.find_first_not_of('-'));
}

/// What the library fills in while it parses one command.
struct Slots {
  std::vector<std::pair<std::string, std::unique_ptr<bool>>> switches;
  std::vector<std::pair<std::string, std::unique_ptr<std::string>>> values;
  std::vector<std::string> positional;
};

std::string footer_of(const Command& command) {
  std::string text;
  for (const std::string& example : command.examples)
    text += (text.empty() ? "Examples:\n  " : "\n  ") + example;
  return text;
}

void declare_flags(CLI::App& parser, const Command& command, Slots& slots) {
  for (const Flag& flag : command.flags) {
    if (flag.value_name.empty()) {
      slots.switches.emplace_back(long_name(flag), std::make_unique<bool>(false));
      parser.add_flag(flag.names, *slots.switches.back().second, flag.help);
    } else {
      slots.values.emplace_back(long_name(flag), std::make_unique<std::string>());
      parser.add_option(flag.names, *slots.values.back().second, flag.help)
          ->option_text(flag.value_name);
    }
  }
}

void declare(CLI::App& parser, const Command& command, Slots& slots) {
  declare_flags(parser, command, slots);
  parser.footer(footer_of(command));
  if (command.positional_max == 0) return;
  CLI::Option* option = parser.add_option(command.positional, slots.positional, "");
  option->option_text(command.positional_min > 0 ? "(required)" : "(optional)");
  option->expected(static_cast<int>(command.positional_min), 1 << 20);
  if (command.positional_min > 0) option->required();
}

Arguments gathered(const Slots& slots) {
  Arguments arguments;
  for (const auto& [name, value] : slots.switches) {
    if (*value) arguments.flags[name] = "true";
  }
  for (const auto& [name, value] : slots.values) {
    if (!value->empty()) arguments.flags[name] = *value;
  }
  arguments.positional = slots.positional;
  return arguments;
}

int wrong_use(const std::string& message, const std::string& hint,
              const Surroundings& surroundings) {
  surroundings.err << "slipway: error: " << message << "\n" << hint << "\n";
  return kUsedWrongly;
}

std::string overview(const std::vector<Command>& all) {
  std::string text =
      "slipway: from an idea to a model in production, and back\n\nUsage: slipway [--json] COMMAND "
      "[ARGUMENT...]\n\n"
      "Commands:\n";
  for (const Command& command : all) {
    text += "  " + command.name +
            std::string(12 - std::min<std::size_t>(11, command.name.size()), ' ') +
            command.summary + "\n";
  }
  return text +
         "\n`slipway COMMAND --help` says more. Exit codes: 0 done, 1 the answer is no, 2 used "
         "wrongly,\n"
         "3 could not be done.\n";
}

bool asks_for_help(const std::vector<std::string>& arguments) {
  return std::any_of(arguments.begin(), arguments.end(),
                     [](const std::string& a) { return a == "--help" || a == "-h"; });
}

int run_one(const Command& command, std::vector<std::string> rest, Surroundings surroundings) {
  CLI::App parser(command.summary, "slipway " + command.name);
  Slots slots;
  declare(parser, command, slots);
  bool help = asks_for_help(rest);
  if (help && !(command.raw && command.flags.empty())) {
    surroundings.out << parser.help();
    return kDone;
  }
  auto json = std::remove(rest.begin(), rest.end(), "--json");
  if (!command.raw && json != rest.end()) {
    surroundings.json = true;
    rest.erase(json, rest.end());
  }
  if (command.raw) {
    Arguments arguments;
    arguments.positional = std::move(rest);
    return command.run(arguments, surroundings);
  }
  std::reverse(rest.begin(), rest.end());  // the library takes them last first
  try {
    parser.parse(rest);
  } catch (const CLI::ParseError& error) {
    return wrong_use(error.what(), "see `slipway " + command.name + " --help`", surroundings);
  }
  if (slots.positional.size() > command.positional_max) {
    return wrong_use("too many arguments: '" + slots.positional.back() + "'",
                     "see `slipway " + command.name + " --help`", surroundings);
  }
  return command.run(gathered(slots), surroundings);
}

}  // namespace

int exit_code_of(const Error& error) {
  if (error.tag == "usage") return kUsedWrongly;
  return kCouldNotBeDone;
}

int report(const Error& error, const Surroundings& surroundings) {
  if (surroundings.json) {
    wire::Json body;
    body.set("error", error.message);
    body.set("code", to_string(error.code));
    surroundings.out << wire::dump(body) << "\n";
  } else {
    surroundings.err << "slipway: error: " << error.message << "\n";
  }
  return exit_code_of(error);
}

int run_command_line(const std::vector<std::string>& arguments, const Surroundings& given) {
  Surroundings surroundings = given;
  const std::vector<Command> all = commands();
  std::size_t at = 0;
  while (at < arguments.size() && arguments[at] == "--json") {
    surroundings.json = true;
    ++at;
  }
  if (at == arguments.size() || arguments[at] == "--help" || arguments[at] == "-h" ||
      arguments[at] == "help") {
    surroundings.out << overview(all);
    return at == arguments.size() ? kUsedWrongly : kDone;
  }
  if (arguments[at] == "--version") {
    surroundings.out << "slipway " SLIPWAY_VERSION "\n";
    return kDone;
  }
  std::vector<std::string> names;
  for (const Command& command : all) {
    if (command.name == arguments[at]) {
      return run_one(command,
                     {arguments.begin() + static_cast<std::ptrdiff_t>(at) + 1, arguments.end()},
                     surroundings);
    }
    names.push_back(command.name);
  }
  // Whoever comes from DVC looks for its commands here, too.
  if (std::optional<std::string> later = dvc::not_yet(arguments[at])) {
    return report(with_tag(invalid(*later), "unsupported"), surroundings);
  }
  std::string message = "there is no command '" + arguments[at] + "'";
  if (auto near = nearest(arguments[at], names)) message += "; did you mean '" + *near + "'?";
  return wrong_use(message, "`slipway --help` lists the commands", surroundings);
}

}  // namespace slipway::app
