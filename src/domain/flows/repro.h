#pragma once

#include <chrono>
#include <filesystem>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"
#include "domain/data/repository.h"
#include "domain/flows/facts.h"
#include "io/proc/proc.h"

// Brings a project up to date: runs the stages that changed, in order, and records what came out.
namespace slipway::flows {

enum class OnError {
  kStop,    // start nothing more; what runs is finished
  kGoOn,    // leave out only what depends on the failed stage (--keep-going)
  kIgnore,  // leave out nothing (--ignore-errors)
};

struct ReproOptions {
  std::vector<std::string> targets = {};  // none: the dvc.yaml in `from`
  std::filesystem::path from = {};        // absolute
  bool force = false;
  bool single_item = false;
  bool pipeline = false;
  bool all_pipelines = false;
  bool recursive = false;
  bool glob = false;
  bool downstream = false;
  bool force_downstream = false;
  bool dry = false;
  bool no_commit = false;     // outputs are recorded but not put into the cache
  bool no_run_cache = false;  // remembered executions are not looked for
  bool allow_missing = false;
  OnError on_error = OnError::kStop;
  int jobs = 1;  // stages that run at the same time, at most 256
  /// Of the commands when one runs at a time; -1 means /dev/null. With more jobs input is
  /// /dev/null, and what they print goes to these line by line, with the stage's name before it.
  int input = -1, output = 1, error = 2;
  /// Readable when the user asks to stop (see Interrupts); -1 for none. The first time running
  /// commands get SIGINT and nothing new is started; late in their grace they get SIGTERM, and
  /// after it, or the second time, all that still runs of them is killed.
  int interrupts = -1;
  std::chrono::milliseconds interrupt_grace{10'000};
  bool signals_as_codes = false;               // a command that a signal ended "exited with -9"
  std::string command_line = "slipway repro";  // shown to others who want the same paths
};

/// What there is to say while it happens.
struct Note {
  enum class Kind {
    kSkipped,    // unchanged
    kRunning,    // is about to run; with --dry `lines` are its commands
    kRestored,   // outputs come from the cache
    kVerifying,  // frozen, or a .dvc file: only its outputs are looked at
    kFrozen,     // its dependencies are not looked at
    kFailed,     // `text` says why; more stages follow
    kLeftOut,    // `text`: names of the stages left out for the failure before
    kLockFile,   // `text`: the file that is updated
    kNewLockFile,
    kWaiting,      // for a stage that an earlier, killed run left behind
    kInterrupted,  // no more stages are started; `text`: seconds that commands have to end
    kKilled,       // `text`: names of the stages whose commands did not end when asked
  };
  Kind kind;
  std::string stage;
  std::string text;
  std::vector<std::string> lines;
  bool is_data = false;  // `stage` is a .dvc file
};

/// Called on the thread of repro(). What it prints must be out (flushed) when it returns: the next
/// thing on the terminal may come from a command.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void note(const Note& note) = 0;
};

/// Says it in DVC's words.
class TextObserver final : public Observer {
 public:
  /// `is_bold`: for a terminal, where what begins a stage stands out from what its commands say.
  TextObserver(std::ostream& out, std::ostream& err, bool is_bold = false)
      : out_(out), err_(err), is_bold_(is_bold) {}
  void note(const Note& note) override;

 private:
  std::ostream& out_;
  std::ostream& err_;
  bool is_bold_ = false;
  bool has_run_ = false;  // something before, which a blank line sets off
};

/// Where the commands' tracking clients are sent.
class Tracking {
 public:
  virtual ~Tracking() = default;
  /// Base address of the server; asked for once, before the first command of a run starts, so that
  /// a server may be started then.
  virtual Result<std::string> url() = 0;
  /// Whether the tracking server that a user named is certain to be gone: then it is not waited
  /// for.
  virtual bool is_gone(const std::string& uri) {
    (void)uri;
    return false;
  }
  /// The attempt's own token.
  virtual Result<std::string> token(const std::string& attempt) = 0;
  /// A Python program that asks a model for golden rows (golden.h): run after a stage's commands,
  /// in their environment, with --after-stage, --target COLUMN and the places. It never fails, and
  /// prints only what keeps it from doing so. Empty: none.
  virtual std::string_view golden_helper() const { return {}; }
};

/// Variables that tie what a command's clients record to the attempt: SLIPWAY_URL,
/// MLFLOW_TRACKING_URI and MLFLOW_TRACKING_TOKEN (unless `known` names another server than `url`),
/// MLFLOW_RUN_CONTEXT.
std::map<std::string, std::string> tracking_variables(
    const std::map<std::string, std::string>& known, const std::string& url,
    const std::string& token, const std::string& attempt, const std::string& stage);

/// The address of a tracking server that the user chose, and that is not the one at `url`; "".
std::string chosen_server(const std::map<std::string, std::string>& known, const std::string& url);

/// What a run needs from around it. All are borrowed; tracking may be null.
struct ReproServices {
  const proc::Spawner& spawner;
  const Clock& clock;
  FactSink& facts;
  Observer& observer;
  Tracking* tracking = nullptr;
  std::map<std::string, std::string> variables;  // the environment that commands inherit
};

struct StageFailure {
  std::string stage;
  std::string reason;  // "failed to run: exit 3, exited with 3"
};

struct ReproResult {
  std::vector<std::string> ran;  // names, in the order they ended; restored and verified ones too
  std::vector<std::string> restored;   // of these
  std::vector<StageFailure> failures;  // without ignored ones
  bool failures_noted = false;         // their reasons were told to the observer already
  bool interrupted = false;
  std::vector<std::filesystem::path> files;  // that were written and belong into git, absolute
  bool staged = false;                       // and are in git's index already

  bool ok() const { return failures.empty() && !interrupted; }
  /// "failed to reproduce 'x': REASON" or "failed to reproduce stages: 'x', 'y'"; empty when ok().
  std::string message() const;
};

/// Takes the project's lock, and gives it up while it only waits for commands. An error is one that
/// kept it from beginning or going on (bad files, a lock that is taken: tag "locked", a full disk);
/// stages that fail are in the result.
///
/// Promises, also across a SIGKILL at any moment: dvc.lock is the old one or a new one, whole; it
/// names an output only after that output was hashed when no process of its attempt was left, its
/// objects were synced and its facts were flushed; a stage never runs twice at the same time.
/// dvc.lock is written at most every 200 ms while stages follow each other, and before returning.
Result<ReproResult> repro(data::Repository& repository, const ReproOptions& options,
                          const ReproServices& services);

/// SIGINT and SIGTERM as a descriptor to poll. Blocks both for the calling thread and those that it
/// starts later; the commands of stages get them back. Restores them when destroyed.
class Interrupts {
 public:
  static Result<Interrupts> open();
  Interrupts(Interrupts&& other) noexcept;
  ~Interrupts();
  int fd() const { return fd_.get(); }

 private:
  explicit Interrupts(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

/// Variables of this process.
std::map<std::string, std::string> process_variables();

}  // namespace slipway::flows
