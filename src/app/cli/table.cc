#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <memory>

#include "app/cli/common.h"
#include "app/cli/help.h"
#include "base/text.h"
#include "dialects/dvc/later.h"
#include "io/wire/json.h"

namespace slipway::app {
namespace {

std::string long_name(const Flag& flag) {
  std::string name(split(flag.names, ',').back());
  return name.substr(name.find_first_not_of('-'));
}

/// A flag with a value, where the library puts it, and what it knows of the flag.
struct Slot {
  std::string name;
  std::unique_ptr<std::string> value;
  const CLI::Option* option;
};

/// What the library fills in while it parses one command.
struct Slots {
  std::vector<std::pair<std::string, std::unique_ptr<bool>>> switches;
  std::vector<Slot> values;
  std::vector<std::string> positional;
};

void declare_flags(CLI::App& parser, const Command& command, Slots& slots) {
  for (const Flag& flag : command.flags) {
    if (flag.value_name.empty()) {
      slots.switches.emplace_back(long_name(flag), std::make_unique<bool>(false));
      parser.add_flag(flag.names, *slots.switches.back().second, flag.help);
    } else {
      auto value = std::make_unique<std::string>();
      const CLI::Option* option =
          parser.add_option(flag.names, *value, flag.help)->option_text(flag.value_name);
      slots.values.push_back({long_name(flag), std::move(value), option});
    }
  }
}

/// "PATH" of "[PATH...]": what the library calls it in its errors.
std::string positional_name(const Command& command) {
  return command.positional.substr(0, command.positional.find(' '));
}

void declare(CLI::App& parser, const Command& command, Slots& slots) {
  declare_flags(parser, command, slots);
  if (command.positional_max == 0) return;
  CLI::Option* option = parser.add_option(positional_name(command), slots.positional, "");
  option->expected(static_cast<int>(command.positional_min), 1 << 20);
  if (command.positional_min > 0) option->required();
}

Arguments gathered(const Slots& slots) {
  Arguments arguments;
  for (const auto& [name, value] : slots.switches) {
    if (*value) arguments.flags[name] = "true";
  }
  for (const auto& [name, value, option] : slots.values) {
    const bool given = option->count() > 0;
    // A place that is named is meant, whatever server the environment names.
    if (given && (name == "state" || name == "store")) unsetenv("SLIPWAY_URL");
    const std::string& text = given ? *value : from_environment(name);
    if (!text.empty())
      arguments.flags[name] = text;
    else if (given)
      arguments.empty.insert(name);
  }
  arguments.positional = slots.positional;
  return arguments;
}

int wrong_use(const std::string& message, const std::string& hint,
              const Surroundings& surroundings) {
  return report(with_tag(invalid(message + "; " + hint), "usage"), surroundings);
}

int wrong_use_of(const Command& command, const std::string& message,
                 const Surroundings& surroundings) {
  return wrong_use(message, "see `slipway " + command.name + " --help`", surroundings);
}

/// Takes `--json` out of what stands before a `--`; whether it was there.
bool take_json(std::vector<std::string>& arguments) {
  auto end = std::find(arguments.begin(), arguments.end(), "--");
  auto kept = std::remove(arguments.begin(), end, "--json");
  const bool is_there = kept != end;
  arguments.erase(kept, end);
  return is_there;
}

/// "; did you mean '--force'?" for the first flag that the command has not.
std::string flag_hint(const Command& command, const std::vector<std::string>& given) {
  std::vector<std::string> known = {"--help", "--json"};
  for (const Flag& flag : command.flags)
    for (const std::string_view name : split(flag.names, ',')) known.emplace_back(name);
  for (const std::string& argument : given) {
    if (argument == "--") return "";
    const std::string name = argument.substr(0, argument.find('='));
    const bool is_known = std::find(known.begin(), known.end(), name) != known.end();
    if (!name.starts_with("--") || is_known) continue;
    const auto near = nearest(name, known);
    return near ? "; did you mean '" + *near + "'?" : "";
  }
  return "";
}

bool asks_for_help(const std::vector<std::string>& arguments) {
  auto end = std::find(arguments.begin(), arguments.end(), "--");
  return std::any_of(arguments.begin(), end,
                     [](const std::string& a) { return a == "--help" || a == "-h"; });
}

int show_help(const Command& command, const Surroundings& surroundings) {
  surroundings.out << (surroundings.json ? wire::dump(to_json(command)) + "\n" : help_of(command));
  return kDone;
}

int show_overview(const std::vector<Command>& all, const Surroundings& surroundings) {
  if (!surroundings.json) {
    surroundings.out << overview(all);
    return kDone;
  }
  wire::Json::Array list;
  for (const Command& command : all) list.push_back(to_json(command));
  wire::Json json;
  json.set("commands", std::move(list));
  surroundings.out << wire::dump(json) << "\n";
  return kDone;
}

int show_version(const Surroundings& surroundings) {
  wire::Json json;
  json.set("version", SLIPWAY_VERSION);
  surroundings.out << (surroundings.json ? wire::dump(json) : "slipway " SLIPWAY_VERSION) << "\n";
  return kDone;
}

/// A command with a grammar of its own.
int run_raw(const Command& command, std::vector<std::string> rest,
            const Surroundings& surroundings) {
  Arguments arguments;
  arguments.positional = std::move(rest);
  return command.run(arguments, surroundings);
}

int run_one(const Command& command, std::vector<std::string> rest, Surroundings surroundings) {
  if (!command.speaks_json && surroundings.json) {
    return wrong_use("`slipway " + command.name + "` has no answer in JSON",
                     "leave --json out; where DVC has it, it stands after DVC's command: `slipway "
                     "dvc status --json`",
                     surroundings);
  }
  if (command.raw && !command.speaks_json) return run_raw(command, std::move(rest), surroundings);
  if (command.speaks_json && take_json(rest)) surroundings.json = true;
  if (asks_for_help(rest)) return show_help(narrowed(command, rest.front()), surroundings);
  if (command.raw) return run_raw(command, std::move(rest), surroundings);
  CLI::App parser(command.summary, "slipway " + command.name);
  Slots slots;
  declare(parser, command, slots);
  const std::string hint = flag_hint(command, rest);
  std::reverse(rest.begin(), rest.end());  // the library takes them last first
  try {
    parser.parse(rest);
  } catch (const CLI::ParseError& error) {
    return wrong_use_of(command, error.what() + hint, surroundings);
  }
  if (slots.positional.size() > command.positional_max) {
    return wrong_use_of(command, "too many arguments: '" + slots.positional.back() + "'",
                        surroundings);
  }
  return command.run(gathered(slots), surroundings);
}

const Command* find(const std::vector<Command>& all, const std::string& name) {
  auto found = std::find_if(all.begin(), all.end(),
                            [&](const Command& command) { return command.name == name; });
  return found == all.end() ? nullptr : &*found;
}

int refuse_name(const std::vector<Command>& all, const std::string& name,
                const Surroundings& surroundings) {
  // Whoever comes from DVC looks for its commands here, too.
  if (std::optional<std::string> later = dvc::not_yet(name))
    return report(with_tag(invalid(*later), "unsupported"), surroundings);
  std::vector<std::string> names;
  for (const Command& command : all) names.push_back(command.name);
  std::string message = "there is no command '" + name + "'";
  if (auto near = nearest(name, names)) message += "; did you mean '" + *near + "'?";
  return wrong_use(message, "`slipway --help` lists the commands", surroundings);
}

/// `slipway help [COMMAND]`, and `slipway help --markdown` for the page of all of them.
int run_help(const std::vector<Command>& all, const std::vector<std::string>& rest,
             const Surroundings& surroundings) {
  if (rest.empty() || asks_for_help(rest)) return show_overview(all, surroundings);
  if (rest.front() == "--markdown" && !surroundings.json) {
    surroundings.out << reference_page(all);
    return kDone;
  }
  const Command* command = find(all, rest.front());
  if (command == nullptr) return refuse_name(all, rest.front(), surroundings);
  return run_one(*command, {rest.size() > 1 ? rest[1] : "", "--help"}, surroundings);
}

}  // namespace

bool may_have_colours(bool is_terminal, const char* no_color, const char* term) {
  const bool refuses = no_color != nullptr && *no_color != '\0';
  return is_terminal && !refuses && term != nullptr && std::string_view(term) != "dumb";
}

std::string heading(const std::string& text, const Surroundings& surroundings) {
  return surroundings.colours ? "\x1b[1m" + text + "\x1b[0m" : text;
}

int exit_code_of(const Error& error) {
  if (error.tag == "usage") return kUsedWrongly;
  if (error.tag == "refused" || error.tag == "changed") return kAnswerIsNo;
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

void warn(const std::string& message, const Surroundings& surroundings) {
  surroundings.err << "slipway: warning: " << message << "\n";
}

int run_command_line(const std::vector<std::string>& arguments, const Surroundings& given) {
  Surroundings surroundings = given;
  const std::vector<Command> all = commands();
  auto at = std::find_if(arguments.begin(), arguments.end(),
                         [](const std::string& argument) { return argument != "--json"; });
  surroundings.json = given.json || at != arguments.begin();
  if (at == arguments.end() && surroundings.json)
    return wrong_use("found no command", "`slipway --help` lists the commands", surroundings);
  if (at == arguments.end()) {
    surroundings.out << overview(all);
    return kUsedWrongly;
  }
  const std::string& name = *at;
  std::vector<std::string> rest(at + 1, arguments.end());
  if (const Command* command = find(all, name))
    return run_one(*command, std::move(rest), surroundings);
  if (take_json(rest)) surroundings.json = true;
  if (name == "--version") return show_version(surroundings);
  if (name == "--help" || name == "-h" || name == "help") return run_help(all, rest, surroundings);
  return refuse_name(all, name, surroundings);
}

}  // namespace slipway::app
