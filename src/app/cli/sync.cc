#include <chrono>
#include <cstdlib>
#include <iostream>

#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/owner.h"
#include "app/sync_client.h"
#include "base/file.h"
#include "base/log.h"
#include "base/text.h"
#include "io/wire/json.h"

// sync: what was logged where there is no network.
namespace slipway::app {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

Result<std::string> token_of(const Arguments& arguments, const Surroundings& surroundings) {
  std::string file = flag(arguments, "token-file");
  if (file.empty() && !variable("SLIPWAY_TOKEN").empty()) return variable("SLIPWAY_TOKEN");
  if (file.empty()) file = variable("SLIPWAY_TOKEN_FILE");
  if (file.empty()) return variable("MLFLOW_TRACKING_TOKEN");
  return std::string(trim(TRY(read_file(surroundings.folder / file))));
}

Result<SyncRequest> request_of(const Arguments& arguments, const Surroundings& surroundings) {
  SyncRequest request;
  request.source = arguments.positional.front();
  request.here = surroundings.folder;
  request.url = flag(arguments, "to", variable("SLIPWAY_URL"));
  if (request.url.empty())
    return usage("name the server with --to http://HOST:PORT, or in SLIPWAY_URL");
  TRY(check_server_url(request.url, arguments.on("to") ? "--to" : "SLIPWAY_URL"));
  while (request.url.ends_with('/')) request.url.pop_back();
  request.token = TRY(token_of(arguments, surroundings));
  return request;
}

/// A line a second, so that nobody takes it for hanging.
class Ticker {
 public:
  explicit Ticker(std::ostream& err) : err_(err) {}
  void show(const SyncProgress& progress) {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::seconds(1);
    err_ << "slipway: " << progress.runs << " of " << progress.runs_in_all << " runs, "
         << progress.so_far.points << " points, " << progress.so_far.files << " files ("
         << (progress.so_far.bytes >> 20) << " MiB)" << std::endl;
  }

 private:
  std::ostream& err_;
  std::chrono::steady_clock::time_point next_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(1);
};

int run_sync(const Arguments& arguments, const Surroundings& surroundings) {
  set_log_level(LogLevel::kWarning);
  const Result<SyncRequest> request = request_of(arguments, surroundings);
  if (!request.ok()) return report(request.error(), surroundings);
  Ticker ticker(surroundings.err);
  const auto done =
      sync_store(*request, [&](const SyncProgress& progress) { ticker.show(progress); });
  if (!done.ok()) return report(done.error(), surroundings);
  surroundings.out << (surroundings.json ? wire::dump(to_json(*done)) + "\n" : to_text(*done));
  return done->is_whole() ? kDone : kCouldNotBeDone;
}

}  // namespace

std::vector<Command> sync_commands() {
  std::vector<Command> all;
  all.push_back(
      {.name = "sync",
       .summary = "send what scripts logged without a network to a server; again, what is new",
       .positional = "SOURCE",
       .positional_min = 1,
       .positional_max = 1,
       .positional_help = "what MLFLOW_TRACKING_URI was for the scripts: sqlite:///FILE or a "
                          "folder; after a kill the same command goes on",
       .flags = {{"--to", "URL", "the server (SLIPWAY_URL)"},
                 {"--token-file", "FILE",
                  "a file with the token to show it (SLIPWAY_TOKEN, SLIPWAY_TOKEN_FILE, "
                  "MLFLOW_TRACKING_TOKEN)"}},
       .examples = {"slipway sync sqlite:///offline/mlflow.db --to http://tracking:5000",
                    "slipway --json sync mlruns --to https://tracking --token-file ~/.token"},
       .run = run_sync});
  return all;
}

}  // namespace slipway::app
