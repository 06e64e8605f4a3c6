#include "app/cli/help.h"

#include <algorithm>

#include "base/text.h"
#include "dialects/dvc/later.h"

namespace slipway::app {
namespace {

using wire::Json;

constexpr std::size_t kNamesWidth = 24;

constexpr char kIntroduction[] =
    "# Command line\n\n"
    "`slipway COMMAND --help` says what stands here; a test compares this page with the commands, "
    "and\n"
    "`slipway help --markdown` writes it anew.\n\n"
    "With `--json`, before or after the command, standard output is one JSON document, also when "
    "something\n"
    "went wrong: `{\"error\": MESSAGE, \"code\": KIND}`, where KIND is `invalid`, `missing`, "
    "`conflict`, `denied`,\n"
    "`busy`, `unavailable` or `internal`. What could be done in part is answered with that part "
    "and "
    "exit code 3. Without\n"
    "it errors are one line on standard error, `slipway: error: ...`; warnings are there either "
    "way.\n\n"
    "| exit code | meaning |\n|---|---|\n"
    "| 0 | done |\n"
    "| 1 | the answer is no: a check failed, something differs or is missing, a stage failed, a "
    "plan was refused |\n"
    "| 2 | used wrongly: an unknown command or flag, a value that can't be |\n"
    "| 3 | could not be done, or not all of it: no project, a target or file that is not there, a "
    "lock that is taken, "
    "a file that can't be read, something that would be lost without `--force`, a `dvc.yaml` that "
    "was passed over |\n\n"
    "`slipway dvc` ends with DVC's own codes instead: 0, 1 (the command's own failure), 251 "
    "(configuration),\n"
    "253 (no project), 254 (used wrongly), 255 (anything else).\n";

/// Both are for every command that Slipway parses itself.
std::vector<Flag> flags_of(const Command& command) {
  std::vector<Flag> flags = command.flags;
  if (command.speaks_json) flags.push_back({"--json", "", "answer with one JSON document"});
  flags.push_back({"-h,--help", "", "say this"});
  return flags;
}

/// "-o, --output FILE"
std::string shown(const Flag& flag) {
  return replace_all(flag.names, ",", ", ") + (flag.value_name.empty() ? "" : " ") +
         flag.value_name;
}

/// "PATH...", "[TARGET...]", "FILE"; a form that says more itself is left as it is.
std::string shown_positional(const Command& command) {
  const std::string& form = command.positional;
  if (command.positional_max == 0 || form.find(' ') != std::string::npos) return form;
  const std::string many = command.positional_max > 1 ? form + "..." : form;
  return command.positional_min == 0 ? "[" + many + "]" : many;
}

std::string usage_of(const Command& command) {
  std::string usage = "slipway " + command.name;
  if (!command.flags.empty()) usage += " [FLAG...]";
  const std::string positional = shown_positional(command);
  return positional.empty() ? usage : usage + " " + positional;
}

std::string_view first_word(std::string_view text) {
  return text.substr(0, text.find(' '));
}

/// nullptr: the word is none.
const Verb* find_verb(const Command& command, std::string_view word) {
  const auto found = std::find_if(command.verbs.begin(), command.verbs.end(),
                                  [&](const Verb& one) { return first_word(one.form) == word; });
  return found == command.verbs.end() ? nullptr : &*found;
}

/// Which it is for alone; none: for all.
std::vector<std::string_view> verbs_of(const Flag& flag, const Command& command) {
  const std::size_t colon = flag.help.find(": ");
  if (colon == std::string::npos) return {};
  std::vector<std::string_view> verbs;
  for (const std::string_view word : split(std::string_view(flag.help).substr(0, colon), ',')) {
    verbs.push_back(trim(word));
    if (find_verb(command, verbs.back()) == nullptr) return {};
  }
  return verbs;
}

/// "  NAMES   text"; names that are too wide have a line of their own.
std::string line_of(const std::string& names, const std::string& text) {
  std::string line = "  " + names;
  if (line.size() + 2 > kNamesWidth)
    line += "\n" + std::string(kNamesWidth, ' ');
  else
    line.resize(kNamesWidth, ' ');
  return line + text + "\n";
}

/// A bar would end the cell.
std::string cell(const std::string& text) {
  return replace_all(text, "|", "\\|");
}

std::string section_of(const Command& command) {
  std::string text = "\n## slipway " + command.name + "\n\n" + command.summary + "\n\n    " +
                     usage_of(command) + "\n\n| argument | meaning |\n|---|---|\n";
  const std::string positional = shown_positional(command);
  if (!positional.empty())
    text += "| `" + cell(positional) + "` | " + cell(command.positional_help) + " |\n";
  for (const Flag& flag : flags_of(command))
    text += "| `" + cell(shown(flag)) + "` | " + cell(flag.help) + " |\n";
  if (!command.examples.empty()) text += "\n";
  for (const std::string& example : command.examples) text += "    $ " + example + "\n";
  return text;
}

/// DVC's commands that are not there, and what is in their place.
std::string later_section() {
  std::string text =
      "\n## Commands of DVC that come later\n\n"
      "DVC 3 itself works on a project of Slipway as it is: files, cache and locks are the same. "
      "`slipway NAME` and\n`slipway dvc NAME` of these say what to do instead.\n\n";
  std::vector<std::string> names;
  for (const std::string& name : dvc::commands_not_yet()) names.push_back("`" + name + "`");
  std::string line;
  for (const std::string& name : names) {
    constexpr std::size_t kLineWidth = 110;
    const std::string end = &name == &names.back() ? "." : ",";
    if (line.size() + name.size() + 2 > kLineWidth) {
      text += line + "\n";
      line.clear();
    }
    line += (line.empty() ? "" : " ") + name + end;
  }
  return text + line + "\n";
}

}  // namespace

std::string overview(const std::vector<Command>& all) {
  std::string text =
      "slipway: from an idea to a model in production, and back\n\nUsage: slipway [--json] COMMAND "
      "[ARGUMENT...]\n\nCommands:\n";
  for (const Command& command : all) {
    std::string name = command.name;
    name.resize(std::max<std::size_t>(name.size() + 1, 12), ' ');
    text += "  " + name + command.summary + "\n";
  }
  return text +
         "\n`slipway COMMAND --help` says more. Exit codes: 0 done, 1 the answer is no, 2 used "
         "wrongly,\n3 could not be done.\n";
}

std::string help_of(const Command& command) {
  std::string text = command.summary + "\n\nUsage: " + usage_of(command) + "\n";
  if (!command.positional_help.empty())
    text += "\n" + line_of(shown_positional(command), command.positional_help);
  text += "\nFlags:\n";
  for (const Flag& flag : flags_of(command)) text += line_of(shown(flag), flag.help);
  if (!command.examples.empty()) text += "\nExamples:\n";
  for (const std::string& example : command.examples) text += "  " + example + "\n";
  return text;
}

Command narrowed(const Command& command, std::string_view verb) {
  const Verb* own = find_verb(command, verb);
  if (own == nullptr) return command;
  Command narrow = command;
  narrow.summary = own->summary;
  narrow.positional = own->form;
  narrow.positional_min = narrow.positional_max = 1;
  narrow.positional_help.clear();
  narrow.flags.clear();
  for (Flag flag : command.flags) {
    const std::vector<std::string_view> of = verbs_of(flag, command);
    if (!of.empty() && std::find(of.begin(), of.end(), verb) == of.end()) continue;
    if (!of.empty()) flag.help = flag.help.substr(flag.help.find(": ") + 2);
    narrow.flags.push_back(std::move(flag));
  }
  const std::string begin = "slipway " + command.name + " " + std::string(verb);
  std::erase_if(narrow.examples,
                [&](const std::string& example) { return !example.starts_with(begin); });
  return narrow;
}

Json to_json(const Command& command) {
  Json::Array flags, examples;
  for (const Flag& flag : flags_of(command)) {
    Json one;
    one.set("names", flag.names);
    one.set("value", flag.value_name);
    one.set("help", flag.help);
    flags.push_back(std::move(one));
  }
  for (const std::string& example : command.examples) examples.emplace_back(example);
  Json json;
  json.set("name", command.name);
  json.set("summary", command.summary);
  json.set("usage", usage_of(command));
  json.set("positional", shown_positional(command));
  json.set("positional_help", command.positional_help);
  json.set("flags", std::move(flags));
  json.set("examples", std::move(examples));
  return json;
}

std::string reference_page(const std::vector<Command>& all) {
  std::string page = kIntroduction;
  for (const Command& command : all) page += section_of(command);
  return page + later_section();
}

}  // namespace slipway::app
