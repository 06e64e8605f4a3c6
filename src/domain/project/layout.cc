#include "domain/project/layout.h"

#include <algorithm>

#include "base/file.h"
#include "base/text.h"
#include "domain/project/project_file.h"

namespace slipway::project {
namespace {

constexpr char kFirstProject[] =
    R"yaml(## What a person declares about this project. `slipway lint` says what is missing, `slipway plan` what a
## change would do, `slipway apply` does it. `slipway lint --keys` lists every key.
version: 1
project: NAME

## What the model is for, who uses its answers, who answers for it, and what is demanded of it. Each
## requirement is enforced by a gate, guard or monitor of a deployment below.
use_case:
#   problem: What will happen next, so that somebody can act in time.
#   user: dispatcher
#   owner: team@example.org
#   requirements:
#     - {id: quality, metric: mae_relative, at_most: 0.35, on: holdout}
#     - {id: latency, metric: latency_ms, at_most: 5, share: 0.99, on: serving}

## The contract of each table: what its columns hold. `slipway infer` writes a first one.
contracts:
#   data/raw/table.csv: contracts/table.odcs.yaml

## Stages of dvc.yaml that run together, and the model that comes out.
pipelines:
#   train: {stages: [prepare, train, evaluate], register: {model: NAME}}

## What starts a pipeline: a calendar, new data, new code, a message, an alert, an incident.
triggers:
#   nightly: {pipeline: train, cron: "30 2 * * *", tz: UTC}
#   new-data: {pipeline: train, data: data/raw/table.csv, settle: 2m}
#   decay: {pipeline: train, incident: {monitor: quality}, cooldown: 21d}

## What serves, how a new version comes to serve, and what is watched.
deployments:
#   NAME:
#     model: NAME
#     gates: [integrity, signature, contract, parity, quality]
#     traffic: 1000/d
#     rollout:
#       - shadow: {percent: 100, min_requests: 200, min_time: 1d, max_wait: 14d}
#       - canary: {percent: 20, min_requests: 200, min_time: 1d, max_wait: 14d}
#     guards: [{metric: error_rate, margin: 0.1, critical: true}, {requirement: latency}]
#     monitors:
#       drift: {against: training, window: 7d}
#       quality: {requirement: quality, labels: delayed, window: 7d}

## Who is told.
notify:
#   - {webhook: "${env:SLIPWAY_WEBHOOK}", on: [incident, rollback]}

## What `slipway lint` does not ask for: `slipway lint --rules` lists the rules. With `layout: own` no
## folders of the standard layout.
lint:
#   off: {notebooks: we keep none}
)yaml";

constexpr char kFirstModelPage[] = R"(# The model

## Selection criteria

<!-- Which kinds of models were considered, and why this one was taken. -->

## Design of experiments

<!-- What was varied, what was held fixed, how data was split, which metric decided. -->

## Pseudo-code

<!-- What training and prediction do, step by step. -->
)";

constexpr char kFirstRunningPage[] = R"(# Running it

## How to run locally

    slipway checkout        # the data, as it was recorded
    slipway repro           # the stages of dvc.yaml that are out of date
    slipway up              # tracking, registry, serving and the page, at http://127.0.0.1:5000

## Deployment process

A version that a pipeline registers goes through the gates, the shadow and canary steps and the guards that
`slipway.yaml` declares for its deployment, and serves when all of them say yes. `slipway plan` shows what a change of
`slipway.yaml` would do, `slipway apply` makes it hold.
)";

bool is_taken(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(std::filesystem::symlink_status(path, ignored));
}

Result<> make_file(const std::filesystem::path& root, const NewFile& file,
                   std::vector<std::string>& made) {
  std::filesystem::path path = root / file.path;
  if (is_taken(path)) return {};
  std::error_code error;
  std::filesystem::create_directories(path.parent_path(), error);
  if (error) {
    return unavailable("cannot make " + path.parent_path().string() + ": " + error.message());
  }
  TRY(write_file_quick(path, file.text));
  made.push_back(file.path);
  return {};
}

}  // namespace

const std::vector<Place>& places() {
  static const std::vector<Place> all = {
      {"raw-data", "raw data", {"data/raw", "data/input", "data"}},
      {"processed-data",
       "processed data",
       {"data/processed", "data/interim", "data/prepared", "data/output"}},
      {"data-pipeline",
       "the data pipeline",
       {"src/data", "src/pipeline", "src/etl", "pipeline", "pipelines", "etl", "src"}},
      {"data-tests", "tests of data engineering", {"tests/data", "test/data", "tests", "test"}},
      {"trained-model", "the trained model", {"models", "model", "artifacts"}},
      {"notebooks", "notebooks", {"notebooks", "notebook"}},
      {"feature-engineering", "feature engineering", {"src/features", "features", "src"}},
      {"model-engineering",
       "model engineering",
       {"src/models", "src/model", "src/train", "train", "src"}},
      {"scripts", "shell scripts", {"scripts", "bin"}},
      {"tests", "tests", {"tests", "test"}},
      {"deployment-files", "deployment files", {"deploy", "deployment", "docker", "k8s", "helm"}},
  };
  return all;
}

const std::vector<Topic>& topics() {
  static const std::vector<Topic> all = {
      {"selection-criteria", "how the model was selected", {"selection", "model choice"}},
      {"experiments", "how the experiments were designed", {"experiment"}},
      {"pseudo-code",
       "what the model does in pseudo-code",
       {"pseudo-code", "pseudocode", "algorithm"}},
      {"run-locally", "how to run it locally", {"run locally", "running", "quick start", "usage"}},
      {"deployment-process", "how it is deployed", {"deploy", "release"}},
  };
  return all;
}

std::vector<NewFile> first_files(const std::string& project) {
  return {{kProjectFile, replace_all(kFirstProject, "NAME", project)},
          {"docs/model.md", kFirstModelPage},
          {"docs/running.md", kFirstRunningPage}};
}

std::string project_name_of(const std::string& folder_name) {
  constexpr std::size_t kNameMax = 60;
  std::string name;
  for (char c : to_lower(folder_name)) {
    bool keep = is_digit(c) || (c >= 'a' && c <= 'z');
    if (keep)
      name += c;
    else if (!name.empty() && name.back() != '-')
      name += '-';
    if (name.size() == kNameMax) break;
  }
  while (!name.empty() && name.back() == '-') name.pop_back();
  return name.empty() ? "project" : name;
}

Result<std::vector<std::string>> lay_out(const std::filesystem::path& root, Extent extent) {
  std::vector<std::string> made;
  for (NewFile file : first_files(project_name_of(root.filename().string()))) {
    if (extent == Extent::kMinimal && file.path != kProjectFile) continue;
    if (extent == Extent::kMinimal)
      file.text = replace_all(file.text, "\nlint:\n", "\nlint:\n  layout: own\n");
    TRY(make_file(root, file, made));
  }
  if (extent == Extent::kMinimal) return made;
  std::error_code ignored;
  // What is there is found before anything is made, so that one new folder doesn't stand for
  // others.
  std::vector<std::string> absent;
  for (const Place& place : places()) {
    bool there = std::any_of(place.names.begin(), place.names.end(), [&](const std::string& name) {
      return std::filesystem::is_directory(root / name, ignored);
    });
    if (!there) absent.push_back(place.names.front());
  }
  for (const std::string& folder : absent) TRY(make_file(root, {folder + "/.gitkeep", ""}, made));
  return made;
}

std::string init_command(bool has_dvc) {
  return has_dvc ? "slipway init --minimal" : "slipway init";
}

}  // namespace slipway::project
