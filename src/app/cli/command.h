#pragma once

#include <filesystem>
#include <functional>
#include <iosfwd>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// A command of the command line as a value. The table of all of them is in commands.cc; only
// table.cc knows the library that parses arguments.
namespace slipway::app {

/// Exit codes of every command but `dvc`, whose own are in dialects/dvc.
enum ExitCode {
  kDone = 0,
  kAnswerIsNo = 1,  // a check failed, something is out of date
  kUsedWrongly = 2,
  kCouldNotBeDone = 3,
};
/// By its tag: "usage" is wrong use, "refused" and "changed" are an answer; all else could not be
/// done.
int exit_code_of(const Error& error);

struct Flag {
  std::string names;       // "-f,--force"
  std::string value_name;  // "ADDR:PORT"; empty for a switch
  std::string help;
};

struct Verb {
  std::string form;  // "show RUN"
  std::string summary;
};

/// What was given on the command line.
struct Arguments {
  std::map<std::string, std::string, std::less<>>
      flags;  // by long name without dashes; a switch has "true"
  std::set<std::string, std::less<>> empty;  // those that were given with nothing: as if not given
  std::vector<std::string> positional;
  bool on(std::string_view flag) const { return flags.find(flag) != flags.end(); }
};

/// Where a command runs and prints.
struct Surroundings {
  std::filesystem::path folder;  // absolute
  std::ostream& out;
  std::ostream& err;
  bool json = false;
  bool colours = false;  // `out` is a terminal that may have them
};
/// Never in pipes and files; NO_COLOR (https://no-color.org) and TERM=dumb are heard.
bool may_have_colours(bool is_terminal, const char* no_color, const char* term);
/// Stands out from the lines below it, where there are colours.
std::string heading(const std::string& text, const Surroundings& surroundings);

struct Command {
  std::string name;
  std::string summary;
  std::string positional = {};  // "PATH"; of what the numbers do not say, the whole form
  std::size_t positional_min = 0;
  std::size_t positional_max = 0;  // npos-like: std::string::npos
  std::string positional_help = {};
  std::vector<Flag> flags = {};
  std::vector<std::string> examples = {};
  /// First words of `positional` that have a help of their own: a flag is for some of them alone
  /// whose help begins with them, as "delete, restore: ...".
  std::vector<Verb> verbs = {};
  /// Everything after the name goes to `run` as positional, unparsed: the command has a grammar of
  /// its own (flags above are for the help).
  bool raw = false;
  /// `--json` makes its answer one JSON document. One that is raw too answers `--help` itself.
  bool speaks_json = true;
  std::function<int(const Arguments&, const Surroundings&)> run = {};
};

/// All commands, in the order of the help.
std::vector<Command> commands();

/// Parses and runs. `arguments` without the program's name.
int run_command_line(const std::vector<std::string>& arguments, const Surroundings& surroundings);

/// "slipway: error: MESSAGE" on `err` (or {"error": ...} on `out` with --json), and the exit code.
int report(const Error& error, const Surroundings& surroundings);

/// "slipway: warning: MESSAGE" on `err`.
void warn(const std::string& message, const Surroundings& surroundings);

}  // namespace slipway::app
