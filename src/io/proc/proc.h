#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/result.h"

// Commands of others: started by a small process that was forked before there were threads, each
// attempt watched over by a process of its own (its supervisor) that leaves nothing behind.
//
// A supervisor leads its own session and adopts every process that the commands leave orphaned. An
// attempt is over when all of them are gone: what still runs after the last command is asked to
// end, then killed.
namespace slipway::proc {

/// One program, found by its path or in the PATH of the request's environment. No shell.
struct Command {
  std::vector<std::string> arguments;  // the first is the program
  std::string announcement;            // written to standard output before it starts
};

struct Request {
  std::vector<Command> commands;         // one after another, until one fails; at least one
  std::vector<std::string> environment;  // "NAME=value": all that the commands get
  std::filesystem::path folder;          // they run in, absolute
  /// Borrowed until run() returns; -1 means /dev/null.
  int input = -1, output = -1, error = -1;
  /// Kept open by the supervisor, and inherited by the commands, until the attempt is over: a lock
  /// that lives in it then ends with the attempt, not with the starter, nor with a supervisor that
  /// was killed while commands live on. Borrowed as above.
  int held = -1;
  /// The attempt's folder, which must exist: `record` appears there before the first command
  /// starts, `exit` when the attempt is over (docs/formats/attempt-record.md). Empty: no records.
  std::filesystem::path record;
  bool durable_record = false;    // the records survive a power cut (two syncs each)
  bool outlives_starter = false;  // else the attempt is ended when the starter dies
  /// Between asking (SIGTERM) and killing; when the starter died at most one second.
  std::chrono::milliseconds grace{2000};
};

struct Outcome {
  enum class Kind {
    kExited,      // `code` says how
    kSignaled,    // `signal` ended it
    kNotStarted,  // the program or the folder is not there; `message` says what
    kLost,        // the supervisor is gone and left no record
  };
  Kind kind = Kind::kLost;
  int code = 0;
  int signal = 0;
  std::size_t command = 0;  // index of the last one that was started
  bool cancelled = false;   // by cancel(), or because the starter died
  UnixMs ended_ms = 0;
  std::int64_t cpu_us = 0;         // user and system time of all its processes
  std::int64_t memory_max_kb = 0;  // of the largest of them
  std::string message;

  bool ok() const { return kind == Kind::kExited && code == 0; }
  /// As shells count: 128 + signal, 127 when it could not be started.
  int shell_code() const;
};

/// A running attempt, by the process that started it or by one that took it over. Move-only. One
/// thread at a time. Destroying it ends the attempt, unless that outlives its starter.
class Attempt {
 public:
  Attempt(Attempt&&) noexcept = default;
  Attempt& operator=(Attempt&&) noexcept = default;

  /// Becomes readable when take() has an outcome: for poll(2).
  int fd() const { return fd_.get(); }
  /// The outcome once it is over; does not wait.
  Result<std::optional<Outcome>> take();
  /// Waits until it is over.
  Result<Outcome> wait();
  /// Waits up to `span`; nothing when it still runs.
  Result<std::optional<Outcome>> wait_for(std::chrono::milliseconds span);
  /// Sends a signal to the process group of the running command. One that would end a command and
  /// comes while none runs ends the attempt before the next: kSignaled, with that signal.
  Result<> signal(int number);
  /// Asks it to end, and kills what is still there after the grace time. Does not wait.
  Result<> cancel();
  /// Kills all its processes without asking. Does not wait.
  Result<> kill();

 private:
  friend class Spawner;
  friend Result<Attempt> adopt(const std::filesystem::path& record);
  Attempt() = default;

  Fd fd_;  // a control socket, or a pidfd of the supervisor when adopted
  bool adopted_ = false;
  std::filesystem::path record_;  // when adopted
  std::optional<Outcome> outcome_;
};

/// Takes over an attempt whose starter is gone, by the records in its folder: any process, any
/// number of times. An attempt that is over gives its outcome at once, one whose supervisor
/// vanished kLost. kMissing with tag "no_record": it was never started.
Result<Attempt> adopt(const std::filesystem::path& record);

/// Ends the processes of this user that were started with `entry` ("NAME=value") in their
/// environment, wherever they have gone: for what lives on after its supervisor was killed. Asks,
/// then kills after `grace`. How many there were; kBusy when one is still there two seconds later.
Result<std::size_t> end_marked(std::string_view entry, std::chrono::milliseconds grace);

/// The small process that starts attempts. Owned by one object; ends with it.
class Spawner {
 public:
  /// Forks. Call it before the first thread is started and before anything large is loaded.
  static Result<Spawner> start();
  Spawner(Spawner&&) noexcept = default;
  Spawner& operator=(Spawner&&) noexcept = default;

  /// Any thread; does not wait for the commands to start. kInvalid for a request that can't be
  /// (nothing to run, relative folder, longer than 64 MiB); kUnavailable when the spawner is gone.
  Result<Attempt> run(const Request& request) const;
  pid_t pid() const { return pid_; }

 private:
  Spawner(Fd requests, pid_t pid) : requests_(std::move(requests)), pid_(pid) {}
  Fd requests_;
  pid_t pid_ = -1;
};

}  // namespace slipway::proc
