#include <chrono>
#include <iostream>

#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/import_client.h"
#include "app/project.h"
#include "base/log.h"
#include "io/wire/json.h"

// import: what another program kept.
namespace slipway::app {
namespace {

using wire::Json;

/// A line a second, so that nobody takes it for hanging.
class Ticker {
 public:
  explicit Ticker(std::ostream& err) : err_(err) {}
  void show(const mlflow_store::Progress& progress) {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::seconds(1);
    const mlflow_store::Counts& made = progress.made;
    err_ << "slipway: " << made.runs + progress.runs_known << " of " << progress.runs_in_all
         << " runs, " << made.points << " points";
    if (made.files > 0) err_ << ", " << made.files << " files (" << (made.bytes >> 20) << " MiB)";
    err_ << std::endl;
  }

 private:
  std::ostream& err_;
  std::chrono::steady_clock::time_point next_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(1);
};

Result<ImportRequest> request_of(const Arguments& arguments, const Surroundings& surroundings) {
  if (arguments.positional.front() != "mlflow") {
    return usage("`slipway import` knows stores of mlflow: found '" + arguments.positional.front() +
                 "', expected `slipway import mlflow SOURCE`");
  }
  if (arguments.positional.size() < 2) {
    return usage(
        "SOURCE is missing: expected `slipway import mlflow SOURCE`, with sqlite:///mlflow.db, "
        "postgresql://USER@HOST/DB, or a folder (mlruns)");
  }
  ImportRequest request;
  request.source = arguments.positional[1];
  request.target.state = state_folder(arguments, surroundings);
  request.target.store = flag(arguments, "store");
  request.options.copy_files = arguments.on("copy-artifacts");
  request.target.artifacts = flag(arguments, "artifacts");
  const bool is_named = request.target.artifacts != from_environment("artifacts");
  if (is_named && !request.options.copy_files)
    return usage("--artifacts goes with --copy-artifacts: nothing is written there otherwise");
  if (!request.target.artifacts.empty() &&
      request.target.artifacts.find("://") == std::string::npos) {
    request.target.artifacts =
        (surroundings.folder / request.target.artifacts).lexically_normal().string();
  }
  request.options.actor = user_name();
  request.options.here = surroundings.folder;
  const std::string from = flag(arguments, "artifacts-from");
  if (!from.empty()) request.options.artifacts_from = surroundings.folder / from;
  if (!from.empty() && !request.options.copy_files)
    return usage("--artifacts-from goes with --copy-artifacts");
  std::error_code ignored;
  if (!from.empty() && !std::filesystem::is_directory(request.options.artifacts_from, ignored)) {
    return usage("--artifacts-from " + from +
                 ": there is no such folder; expected the one of the old server's "
                 "--artifacts-destination");
  }
  return request;
}

int run_import(const Arguments& arguments, const Surroundings& surroundings) {
  set_log_level(LogLevel::kWarning);
  const Result<ImportRequest> request = request_of(arguments, surroundings);
  if (!request.ok()) return report(request.error(), surroundings);
  Ticker ticker(surroundings.err);
  const auto done = import_mlflow(
      *request, [&](const mlflow_store::Progress& progress) { ticker.show(progress); });
  if (!done.ok()) return report(done.error(), surroundings);
  surroundings.out << (surroundings.json ? wire::dump(to_json(*done)) + "\n" : to_text(*done));
  return done->is_whole() ? kDone : kCouldNotBeDone;
}

}  // namespace

std::vector<Command> import_commands() {
  std::vector<Command> all;
  all.push_back(
      {.name = "import",
       .summary = "take over what MLflow kept: experiments, runs, models, with their ids",
       .positional = "mlflow SOURCE",
       .positional_min = 1,
       .positional_max = 2,
       .positional_help = "sqlite:///mlflow.db, postgresql://USER@HOST/DB, or a folder (mlruns); "
                          "after a kill the same command goes on",
       .flags = {{"--copy-artifacts", "", "copy files too; else they stay where they are"},
                 {"--artifacts-from", "DIR",
                  "what was behind mlflow-artifacts:/ (the old server's --artifacts-destination)"},
                 {"--artifacts", "PLACE",
                  "where files go, as of `up` (SLIPWAY_ARTIFACTS; artifacts of the state folder)"},
                 {"--state", "DIR", "the state folder (.slipway of this project)"},
                 {"--store", "URI", "the catalogue, when it is not where this state had it last"}},
       .examples = {"slipway import mlflow sqlite:///mlflow.db",
                    "slipway import mlflow mlruns --copy-artifacts",
                    "slipway --json import mlflow postgresql://mlflow@db/mlflow"},
       .run = run_import});
  return all;
}

}  // namespace slipway::app
