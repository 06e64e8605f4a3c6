#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "domain/flows/repro.h"
#include "domain/flows/runs.h"

// One attempt of a pipeline run, as the process that does it sees it: a private work tree at the
// run's commit, its inputs, its stages, and what came out. docs/formats/runs.md describes the
// files.
namespace slipway::flows {

/// The folder of a run, in the state folder: what it was told, what it prints, how it ended.
struct RunFolder {
  std::filesystem::path path;

  static RunFolder of(const std::filesystem::path& state, const std::string& run) {
    return {state / "runs" / run};
  }
  std::filesystem::path request() const { return path / "request.json"; }
  std::filesystem::path tree() const { return path / "tree"; }
  std::filesystem::path log() const { return path / "log"; }
  std::filesystem::path lock() const { return path / "lock"; }
  /// The records of its supervisor, and the outcome.
  std::filesystem::path attempt(int number) const {
    return path / "attempts" / std::to_string(number);
  }
  std::filesystem::path outcome(int number) const { return attempt(number) / "outcome.json"; }
};

/// What the process is told.
struct RunRequest {
  std::string run;
  int attempt = 1;
  RunPlan plan;
  std::filesystem::path project;  // root of the project whose work tree stays untouched
  std::filesystem::path state;    // the server's state folder
  std::int64_t timeout_ms = 0;    // what is left of it; 0: none
  UnixMs now_ms = 0;              // by the server's clock: the date of the run's commit
};
Result<> write_request(const RunFolder& folder, const RunRequest& request);
Result<RunRequest> read_request(const RunFolder& folder);

/// Durable and whole: the process's last act.
Result<> write_outcome(const RunFolder& folder, int attempt, const RunOutcome& outcome);
/// kMissing when the process did not come to it.
Result<RunOutcome> read_outcome(const RunFolder& folder, int attempt);

/// What the work needs from around it; all borrowed.
struct WorkServices {
  const proc::Spawner& spawner;
  const Clock& clock;
  FactSink& facts;
  Observer& observer;
  Tracking* tracking = nullptr;
  std::map<std::string, std::string> variables;
};
/// Does the attempt and says how it ended; whatever goes wrong is an outcome too. A tree that an
/// earlier attempt of the run left is used again, so that only what failed is repeated. SIGTERM
/// asks it to stop. The calling process should have nothing else to do: its signals are watched.
RunOutcome work(const RunFolder& folder, const RunRequest& request, const WorkServices& services);

/// Takes the private work tree away, and git's record of it. Absent is fine.
Result<> remove_tree(const RunFolder& folder, const std::filesystem::path& project);

/// The text of a YAML file with values at dotted keys. What reads as a number or a truth value
/// becomes one, unless the value before was a text; everything else is a text. kInvalid where a key
/// lies inside something that is no map.
Result<std::string> with_values(const std::string& text, const std::string& name,
                                const std::vector<ParamInput>& inputs);

}  // namespace slipway::flows
