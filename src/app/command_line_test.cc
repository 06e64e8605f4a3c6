#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>

#include "app/app.h"
#include "app/cli/command.h"
#include "base/ids.h"
#include "dialects/dvc/later.h"

namespace slipway::app {
namespace {

struct Ran {
  int status;
  std::string out, err;
};

Ran run(const std::vector<std::string>& arguments) {
  std::ostringstream out, err;
  int status = run_command_line(arguments, {"/", out, err});
  return {status, out.str(), err.str()};
}

TEST(CommandLine, ListsEveryCommandInItsHelp) {
  Ran ran = run({"--help"});
  EXPECT_EQ(ran.status, kDone);
  for (const Command& command : commands()) {
    EXPECT_NE(ran.out.find("\n  " + command.name + " "), std::string::npos) << command.name;
  }
}

TEST(CommandLine, EveryCommandSaysWhatItIsFor) {
  for (const Command& command : commands()) {
    if (command.name == "dvc") continue;  // answers --help itself, in DVC's words
    Ran ran = run({command.name, "--help"});
    EXPECT_EQ(ran.status, kDone) << command.name;
    EXPECT_NE(ran.out.find(command.summary), std::string::npos) << ran.out;
    for (const std::string& example : command.examples)
      EXPECT_NE(ran.out.find(example), std::string::npos) << example;
  }
}

TEST(CommandLine, NamesTheNearestCommand) {
  Ran ran = run({"stauts"});
  EXPECT_EQ(ran.status, kUsedWrongly);
  EXPECT_NE(ran.err.find("did you mean 'status'?"), std::string::npos) << ran.err;
}

TEST(CommandLine, SaysWhichOfDvcsCommandsComeLater) {
  for (const char* name : {"push", "exp", "plots"}) {
    Ran ran = run({name, "show"});
    EXPECT_EQ(ran.status, kCouldNotBeDone) << name;
    EXPECT_EQ(ran.err, "slipway: error: " + *dvc::not_yet(name) + "\n");
    Ran json = run({"--json", name});
    EXPECT_NE(json.out.find("not supported yet"), std::string::npos) << json.out;
  }
}

// A command that comes must leave the list of those that come later.
TEST(CommandLine, HasNoneOfThoseThatComeLater) {
  for (const Command& command : commands()) {
    // Of MLflow's stores, and about this program: those of dvc have the same names.
    if (command.name == "import" || command.name == "doctor") continue;
    EXPECT_EQ(dvc::not_yet(command.name), std::nullopt) << command.name;
  }
}

TEST(CommandLine, RefusesAFlagItDoesNotKnow) {
  Ran ran = run({"up", "--listne", "127.0.0.1:0"});
  EXPECT_EQ(ran.status, kUsedWrongly);
  EXPECT_NE(ran.err.find("--listne"), std::string::npos) << ran.err;
}

TEST(CommandLine, NamesTheNearestFlag) {
  for (const auto& [arguments, near] :
       std::vector<std::pair<std::vector<std::string>, std::string>>{
           {{"up", "--listne", "127.0.0.1:0"}, "--listen"},
           {{"runs", "--pipline=train"}, "--pipeline"},
           {{"repro", "--forse"}, "--force"},
           {{"repro", "--job=2"}, "--jobs"}}) {
    Ran ran = run(arguments);
    EXPECT_EQ(ran.status, kUsedWrongly) << ran.err;
    EXPECT_NE(
        ran.err.find("; did you mean '" + near + "'?; see `slipway " + arguments[0] + " --help`"),
        std::string::npos)
        << ran.err;
  }
}

TEST(CommandLine, RefusesToListenToTheNetwork) {
  const auto state = std::filesystem::temp_directory_path() / ("slipway-" + random_hex32());
  Ran ran = run({"up", "--listen", "0.0.0.0:0", "--state", state.string()});
  std::filesystem::remove_all(state);
  EXPECT_EQ(ran.status, kUsedWrongly);
  EXPECT_NE(ran.err.find("without users"), std::string::npos) << ran.err;
  EXPECT_NE(ran.err.find("slipway users create NAME --admin"), std::string::npos) << ran.err;
}

TEST(CommandLine, SaysErrorsAsJsonWhenAsked) {
  Ran ran = run({"--json", "explain", "nonsense", "--state", "/nonexistent/state"});
  EXPECT_EQ(ran.status, kCouldNotBeDone);
  EXPECT_TRUE(ran.out.starts_with("{\"error\"")) << ran.out;
}

TEST(Colours, AreForTerminalsThatWantThem) {
  EXPECT_TRUE(may_have_colours(true, nullptr, "xterm"));
  EXPECT_TRUE(may_have_colours(true, "", "xterm"));
  EXPECT_FALSE(may_have_colours(true, "1", "xterm"));
  EXPECT_FALSE(may_have_colours(true, nullptr, "dumb"));
  EXPECT_FALSE(may_have_colours(true, nullptr, nullptr));
  EXPECT_FALSE(may_have_colours(false, nullptr, "xterm"));
}

TEST(Colours, MakeHeadingsStandOut) {
  std::ostringstream out, err;
  EXPECT_EQ(heading("train", {"/", out, err}), "train");
  EXPECT_EQ(heading("train", {"/", out, err, false, true}), "\x1b[1mtrain\x1b[0m");
}

TEST(Address, ReadsHostAndPort) {
  EXPECT_EQ(parse_address("127.0.0.1:5000")->port, 5000);
  EXPECT_EQ(parse_address("[::1]:0")->host, "::1");
  for (const char* text :
       {"", "5000", "localhost", "localhost:", "localhost:x", "localhost:70000", ":1", "::1:5"}) {
    EXPECT_FALSE(parse_address(text).ok()) << text;
  }
}

TEST(Address, KnowsLoopback) {
  for (const char* host : {"localhost", "127.0.0.1", "127.8.9.1", "::1"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const char* host : {"0.0.0.0", "::", "10.0.0.1", "example.org"})
    EXPECT_FALSE(is_loopback(host)) << host;
}

}  // namespace
}  // namespace slipway::app
