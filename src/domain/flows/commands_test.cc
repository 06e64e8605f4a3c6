#include "domain/flows/commands.h"

#include <gtest/gtest.h>

#include <sstream>

#include "domain/flows/flows_testing.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

ReproOptions options_of(const Words& arguments) {
  Result<ParsedRepro> parsed = parse_repro(arguments, "/p");
  EXPECT_TRUE(parsed.ok()) << parsed.error().message;
  return parsed.ok() ? parsed->options : ReproOptions();
}

TEST(ParseRepro, KnowsEverySpelling) {
  using Field = bool ReproOptions::*;
  for (const auto& [names, field] : std::vector<std::pair<Words, Field>>{
           {{"-f", "--force"}, &ReproOptions::force},
           {{"-s", "--single-item"}, &ReproOptions::single_item},
           {{"-p", "--pipeline"}, &ReproOptions::pipeline},
           {{"-P", "--all-pipelines"}, &ReproOptions::all_pipelines},
           {{"-R", "--recursive"}, &ReproOptions::recursive},
           {{"--glob"}, &ReproOptions::glob},
           {{"--downstream"}, &ReproOptions::downstream},
           {{"--force-downstream"}, &ReproOptions::force_downstream},
           {{"--dry"}, &ReproOptions::dry},
           {{"--no-commit"}, &ReproOptions::no_commit},
           {{"--no-run-cache"}, &ReproOptions::no_run_cache},
           {{"--allow-missing"}, &ReproOptions::allow_missing}}) {
    EXPECT_FALSE(options_of({}).*field);
    for (const std::string& name : names) EXPECT_TRUE(options_of({name}).*field) << name;
  }
  EXPECT_EQ(options_of({}).on_error, OnError::kStop);
  EXPECT_EQ(options_of({"-k"}).on_error, OnError::kGoOn);
  EXPECT_EQ(options_of({"--keep-going"}).on_error, OnError::kGoOn);
  EXPECT_EQ(options_of({"--ignore-errors"}).on_error, OnError::kIgnore);
  EXPECT_TRUE(parse_repro({"-q"}, "/p")->quiet);
  EXPECT_FALSE(parse_repro({"-v"}, "/p")->quiet);
}

TEST(ParseRepro, ListsWhatItTakes) {
  for (const std::string& name : repro_flags()) {
    Result<ParsedRepro> parsed = parse_repro({name}, "/p");
    EXPECT_TRUE(parsed.ok() || parsed.error().message == name + " takes a number") << name;
  }
}

TEST(ParseRepro, TakesJobsInEveryForm) {
  for (const Words& arguments :
       std::vector<Words>{{"-j", "3"}, {"-j3"}, {"--jobs", "3"}, {"--jobs=3"}}) {
    EXPECT_EQ(options_of(arguments).jobs, 3) << arguments[0];
  }
  for (const char* text : {"0", "-1", "257", "x", "", "1.5", "99999999999999999999"}) {
    Result<ParsedRepro> parsed = parse_repro({"-j", text}, "/p");
    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_EQ(parsed.error().tag, "usage");
    EXPECT_EQ(parsed.error().message,
              "-j takes a number from 1 to 256, not \"" + std::string(text) + "\"");
  }
  EXPECT_EQ(parse_repro({"a", "-j"}, "/p").error().message, "-j takes a number");
}

TEST(ParseRepro, TellsTargetsFromFlags) {
  ReproOptions options = options_of({"a", "-f", "--", "-s", "b"});
  EXPECT_EQ(options.targets, (Words{"a", "-s", "b"}));
  EXPECT_TRUE(options.force);
  EXPECT_FALSE(options.single_item);
  EXPECT_EQ(options.from, "/p");
  EXPECT_EQ(options.command_line, "slipway repro a -f -- -s b");
}

TEST(ParseRepro, RefusesWhatItDoesNotKnowAndWhatComesLater) {
  EXPECT_EQ(parse_repro({"--nonsense"}, "/p").error().tag, "usage");
  for (const char* flag : {"--pull", "-i", "--interactive", "-m"}) {
    Result<ParsedRepro> parsed = parse_repro({"--allow-missing", flag}, "/p");
    ASSERT_FALSE(parsed.ok()) << flag;
    EXPECT_EQ(parsed.error().tag, "unsupported");
    EXPECT_EQ(parsed.error().message, "not supported yet: repro " + std::string(flag));
  }
}

TEST(TextObserver, LetsStagesStandOutOnATerminalOnly) {
  std::ostringstream out, err;
  TextObserver(out, err).note({Note::Kind::kRunning, "train", {}, {}, false});
  EXPECT_EQ(out.str(), "Running stage 'train':\n");
  out.str("");
  TextObserver(out, err, true).note({Note::Kind::kRunning, "train", {}, {}, false});
  EXPECT_EQ(out.str(), "\x1b[1mRunning stage 'train':\x1b[0m\n");
}

}  // namespace
}  // namespace slipway::flows
