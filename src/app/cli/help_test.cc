#include "app/cli/help.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "base/file.h"
#include "base/text.h"
#include "domain/flows/commands.h"

namespace slipway::app {
namespace {

const Command& command(const std::string& name) {
  static const std::vector<Command> all = commands();
  return *std::find_if(all.begin(), all.end(),
                       [&](const Command& one) { return one.name == name; });
}

/// What stands on standard output, which has to be one JSON document and a line's end.
wire::Json document(const std::vector<std::string>& arguments, int status) {
  std::ostringstream out, err;
  EXPECT_EQ(run_command_line(arguments, {"/nonexistent", out, err}), status)
      << join(arguments, " ") << ": " << out.str() << err.str();
  EXPECT_EQ(err.str(), "") << join(arguments, " ");
  Result<wire::Json> json = wire::parse(out.str());
  EXPECT_TRUE(json.ok()) << join(arguments, " ") << ": " << out.str();
  return json.ok() ? *json : wire::Json(wire::Json::Object());
}

std::string error_of(const std::vector<std::string>& arguments) {
  wire::Json json = document(arguments, kUsedWrongly);
  const wire::Json* error = json.find("error");
  EXPECT_NE(json.find("code"), nullptr) << join(arguments, " ");
  return error == nullptr ? "" : error->as_string();
}

TEST(Help, DescribesEveryArgument) {
  for (const Command& one : commands()) {
    EXPECT_FALSE(one.summary.empty()) << one.name;
    EXPECT_EQ(one.positional_help.empty(), one.positional_max == 0) << one.name;
    for (const Flag& flag : one.flags) {
      EXPECT_FALSE(flag.help.empty()) << flag.names;
      EXPECT_NE(help_of(one).find(flag.help), std::string::npos) << flag.names;
    }
    EXPECT_NE(help_of(one).find(one.positional_help), std::string::npos) << one.name;
  }
}

TEST(Help, ShowsHowManyArgumentsThereCanBe) {
  EXPECT_NE(help_of(command("add")).find("slipway add [FLAG...] PATH...\n"), std::string::npos);
  EXPECT_NE(help_of(command("status")).find("slipway status [TARGET...]\n"), std::string::npos);
  EXPECT_NE(help_of(command("check")).find("slipway check [FLAG...] FILE\n"), std::string::npos);
  EXPECT_NE(help_of(command("lint")).find("slipway lint [FLAG...]\n"), std::string::npos);
}

TEST(Help, ListsEveryFlagThatReproTakes) {
  std::vector<std::string> listed;
  for (const Flag& flag : command("repro").flags) {
    for (std::string_view name : split(flag.names, ',')) listed.emplace_back(name);
  }
  std::sort(listed.begin(), listed.end());
  EXPECT_EQ(listed, flows::repro_flags());
}

TEST(Help, OfOneCommandCanBeAskedForInTwoWays) {
  std::ostringstream one, other, err;
  EXPECT_EQ(run_command_line({"help", "add"}, {"/", one, err}), kDone);
  EXPECT_EQ(run_command_line({"add", "--help"}, {"/", other, err}), kDone);
  EXPECT_EQ(one.str(), other.str());
  EXPECT_EQ(run_command_line({"help", "ad"}, {"/", one, err}), kUsedWrongly);
  EXPECT_NE(err.str().find("did you mean 'add'?"), std::string::npos) << err.str();
}

TEST(Help, OfAVerbLeavesOutWhatIsForOthers) {
  const std::string best = help_of(narrowed(command("runs"), "best"));
  EXPECT_NE(best.find("Usage: slipway runs [FLAG...] best\n"), std::string::npos) << best;
  EXPECT_NE(best.find("  --metric NAME         by this metric\n"), std::string::npos) << best;
  EXPECT_NE(best.find("--experiment"), std::string::npos) << best;
  EXPECT_EQ(best.find("--older-than"), std::string::npos) << best;
  EXPECT_EQ(best.find("runs export"), std::string::npos) << best;
  const std::string restore = help_of(narrowed(command("runs"), "restore"));
  EXPECT_NE(restore.find("--dry-run             say which"), std::string::npos) << restore;
  EXPECT_EQ(help_of(narrowed(command("runs"), "0190a2")), help_of(command("runs")));
  std::ostringstream one, other, err;
  EXPECT_EQ(run_command_line({"runs", "gc", "-h"}, {"/", one, err}), kDone);
  EXPECT_EQ(run_command_line({"help", "runs", "gc"}, {"/", other, err}), kDone);
  EXPECT_EQ(one.str(), other.str());
  EXPECT_EQ(one.str(), help_of(narrowed(command("runs"), "gc")));
}

// What a command says in JSON is tried on projects by tests/protocol/project.
TEST(Json, HelpIsADocument) {
  EXPECT_EQ(document({"--json", "--help"}, kDone).find("commands")->as_array().size(),
            commands().size());
  EXPECT_EQ(document({"help", "--json"}, kDone).find("commands")->as_array().size(),
            commands().size());
  EXPECT_EQ(document({"--version", "--json"}, kDone).find("version")->as_string(), SLIPWAY_VERSION);
  for (const Command& one : commands()) {
    if (!one.speaks_json) continue;
    EXPECT_EQ(document({"--json", one.name, "--help"}, kDone).find("name")->as_string(), one.name);
    EXPECT_EQ(document({one.name, "-h", "--json"}, kDone).find("name")->as_string(), one.name);
  }
}

TEST(Json, WrongUseIsADocument) {
  EXPECT_NE(error_of({"--json"}).find("no command"), std::string::npos);
  EXPECT_NE(error_of({"--json", "stauts"}).find("did you mean 'status'?"), std::string::npos);
  EXPECT_NE(error_of({"stauts", "--json"}).find("did you mean 'status'?"), std::string::npos);
  EXPECT_NE(error_of({"--json", "dvc", "status"}).find("no answer in JSON"), std::string::npos);
  for (const Command& one : commands()) {
    if (!one.speaks_json) continue;
    std::vector<std::string> wrong = {"--json", one.name, "--no-such-flag"};
    wrong.resize(wrong.size() + one.positional_min, "a");  // what is required is asked for first
    EXPECT_NE(error_of(wrong).find("--no-such-flag"), std::string::npos) << one.name;
    if (one.positional_min > 0) {
      EXPECT_NE(error_of({one.name, "--json"}), "") << one.name;
    }
    if (one.positional_max > 1) continue;
    EXPECT_NE(error_of({one.name, "--json", "a", "b"}).find("--help"), std::string::npos)
        << one.name;
  }
}

TEST(Json, IsNoFlagAfterTwoDashes) {
  std::ostringstream out, err;
  EXPECT_EQ(run_command_line({"lint", "--", "--json"}, {"/", out, err}), kUsedWrongly);
  EXPECT_EQ(out.str(), "");
}

TEST(ReferencePage, IsTheOneInTheDocuments) {
  const std::string file = SLIPWAY_SOURCE_DIR "/docs/reference/command-line.md";
  Result<std::string> page = read_file(file);
  ASSERT_TRUE(page.ok()) << page.error().message;
  EXPECT_TRUE(*page == reference_page(commands()))
      << "`slipway help --markdown > docs/reference/command-line.md` writes it anew";
}

}  // namespace
}  // namespace slipway::app
