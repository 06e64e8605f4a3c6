#include <iostream>
#include <limits>

#include "app/cli/command.h"
#include "app/cli/models.h"
#include "app/cli/verbs.h"

namespace slipway::app {
namespace {

constexpr std::size_t kMany = std::numeric_limits<std::size_t>::max();
constexpr char kTargets[] =
    "a stage, .dvc file, dvc.yaml, output, or a folder around them; all when none is named";

std::vector<Flag> repro_flags() {
  return {{"-f,--force", "", "run stages even if nothing changed"},
          {"-s,--single-item", "", "only the named stages, without what they depend on"},
          {"-j,--jobs", "N", "stages that run at the same time (1)"},
          {"-k,--keep-going", "", "after a failure go on with what does not depend on it"},
          {"--downstream", "", "the named stages and all that depends on them"},
          {"--dry", "", "say what would run"},
          {"--no-run-cache", "", "do not take outputs from earlier executions"},
          {"--no-commit", "", "do not put outputs into the cache"},
          {"--force-downstream", "", "run what depends on a stage that ran, changed or not"},
          {"-p,--pipeline", "", "the whole pipelines that the named stages are in"},
          {"-P,--all-pipelines", "", "the stages of every dvc.yaml of the project"},
          {"-R,--recursive", "", "a folder as target: the stages in and below it"},
          {"--glob", "", "targets are patterns of stage names"},
          {"--allow-missing", "", "data that is missing but recorded is no reason to run"},
          {"--ignore-errors", "", "after a failure go on with everything"},
          {"-q,--quiet", "", "say only what went wrong"},
          {"-v,--verbose", "", "taken for DVC's sake; says nothing more"}};
}

}  // namespace

std::vector<Command> commands() {
  std::vector<Command> all;
  all.push_back({.name = "init",
                 .summary = "lay out a project in this folder",
                 .flags = {{"--no-scm", "", "without git"},
                           {"--subdir", "", "in a folder of a git repository that begins above"},
                           {"--minimal", "",
                            "slipway.yaml alone, where folders and documents have their places"},
                           {"-f,--force", "",
                            "write an existing .dvc anew: its config goes, its cache stays"}},
                 .examples = {"git init && slipway init",
                              "slipway init --minimal   # in a repository that uses DVC already"},
                 .run = run_init});
  all.push_back(
      {.name = "up",
       .summary = "run the server for this project: tracking, registry, serving, page",
       .flags = up_flags(),
       .examples = {"slipway up", "slipway up --listen 127.0.0.1:0 --state /var/lib/slipway"},
       .run = run_up});
  all.push_back({.name = "add",
                 .summary = "put files or folders under data versioning",
                 .positional = "PATH",
                 .positional_min = 1,
                 .positional_max = kMany,
                 .positional_help = "a file or folder of the project",
                 .flags = {{"--no-commit", "", "record without storing in the cache"},
                           {"--no-relink", "", "leave the workspace file as it is"}},
                 .examples = {"slipway add data/hour.csv"},
                 .run = run_add});
  all.push_back({.name = "status",
                 .summary = "what differs from what is recorded (exit code 1 if anything does)",
                 .positional = "TARGET",
                 .positional_max = kMany,
                 .positional_help = kTargets,
                 .examples = {"slipway status", "slipway --json status train"},
                 .run = run_status});
  all.push_back({.name = "checkout",
                 .summary = "bring recorded data from the cache into the workspace",
                 .positional = "TARGET",
                 .positional_max = kMany,
                 .positional_help = kTargets,
                 .flags = {{"-f,--force", "", "overwrite what was never stored"},
                           {"--relink", "", "make the links anew"},
                           {"--allow-missing", "", "go on where objects are not in the cache"}},
                 .examples = {"git checkout v1 && slipway checkout"},
                 .run = run_checkout});
  all.push_back({.name = "commit",
                 .summary = "record the present state of data and stages without running anything",
                 .positional = "TARGET",
                 .positional_max = kMany,
                 .positional_help = kTargets,
                 .flags = {{"-f,--force", "", "even if something differs"},
                           {"--no-relink", "", "leave the workspace files as they are"}},
                 .examples = {"slipway commit -f train"},
                 .run = run_commit});
  all.push_back({.name = "repro",
                 .summary = "run the stages of dvc.yaml that are out of date",
                 .positional = "TARGET",
                 .positional_max = kMany,
                 .positional_help = "a stage, FILE:STAGE, dvc.yaml, .dvc file or output; the "
                                    "dvc.yaml here when none is named",
                 .flags = repro_flags(),
                 .examples = {"slipway repro", "slipway repro -j 2 train",
                              "slipway repro --downstream prepare"},
                 .raw = true,
                 .run = run_repro});
  all.push_back(
      {.name = "lint",
       .summary = "what this project lacks: owner, purpose, contracts, tests, pages, folders",
       .flags = {{"--rules", "", "list what it asks for, and why"},
                 {"--keys", "", "list every key that slipway.yaml may have"}},
       .examples = {"slipway lint", "slipway --json lint"},
       .run = run_lint});
  all.push_back({.name = "plan",
                 .summary = "what applying slipway.yaml would change, and whether it can work",
                 .flags = project_flags(),
                 .examples = {"slipway plan", "slipway --json plan"},
                 .run = run_plan});
  all.push_back({.name = "apply",
                 .summary = "make slipway.yaml hold, all of it or nothing",
                 .flags = project_flags(),
                 .examples = {"slipway plan && slipway apply"},
                 .run = run_apply});
  for (Command& command : checks_commands()) all.push_back(std::move(command));
  for (Command& command : features_commands()) all.push_back(std::move(command));
  for (Command& command : people_commands()) all.push_back(std::move(command));
  for (Command& command : monitor_commands()) all.push_back(std::move(command));
  for (Command& command : import_commands()) all.push_back(std::move(command));
  for (Command& command : sync_commands()) all.push_back(std::move(command));
  for (Command& command : doctor_commands()) all.push_back(std::move(command));
  for (Command& command : runs_commands()) all.push_back(std::move(command));
  for (Command& command : models_commands()) all.push_back(std::move(command));
  for (Command& command : delivery_commands()) all.push_back(std::move(command));
  for (Command& command : feedback_commands()) all.push_back(std::move(command));
  all.push_back({.name = "explain",
                 .summary = "where a prediction, model version, run or piece of data comes from",
                 .positional = "SUBJECT",
                 .positional_min = 1,
                 .positional_max = 1,
                 .positional_help =
                     "the id of a prediction, models:/NAME/VERSION, run:ID, data:MD5 or a path",
                 .flags = explain_flags(),
                 .examples = {"slipway explain bikes.019753a8-3c1a-7e05-8a4e-0f6b1d2c3e4f/0",
                              "slipway explain models:/bikes/1",
                              "slipway explain run:0123456789abcdef0123456789abcdef",
                              "slipway explain --effects data:d41d8cd98f00b204e9800998ecf8427e"},
                 .run = run_explain});
  for (Command& command : report_commands()) all.push_back(std::move(command));
  all.push_back({.name = "dvc",
                 .summary = "the data and stage commands with DVC's own words and exit codes",
                 .positional = "COMMAND [ARGUMENT...]",
                 .positional_max = kMany,
                 .positional_help = "as for DVC; `slipway dvc --help` lists them",
                 .examples = {"slipway dvc status --json"},
                 .raw = true,
                 .speaks_json = false,
                 .run = run_dvc});
  return all;
}

}  // namespace slipway::app
