#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "domain/flows/facts.h"
#include "domain/flows/steps.h"
#include "io/proc/proc.h"

// What lies around one execution of a stage: its folder, its lock, its shell, its output.
namespace slipway::flows {

/// The shell line of a command, as DVC has it: the user's shell without its start-up files.
std::vector<std::string> shell_arguments(const std::string& command, const std::string& shell);

/// The commands of a stage, one after another: the items of a list, or the lines of a text.
std::vector<std::string> commands_of(const project::Stage& stage);

/// Kept by whoever runs a stage, and by nobody else on this machine. It lives in the descriptor:
/// given to a supervisor (proc::Request::held) it ends with the attempt.
class StageLock {
 public:
  /// Nothing when somebody has it. `state`: the project's .slipway.
  static Result<std::optional<StageLock>> try_take(const std::filesystem::path& state,
                                                   std::string_view stage_id);
  int fd() const { return fd_.get(); }

 private:
  explicit StageLock(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

/// .slipway/attempts/ID: there from before an attempt starts until its end is recorded.
struct AttemptFolder {
  std::filesystem::path path;

  static Result<AttemptFolder> create(const std::filesystem::path& state, const std::string& id,
                                      const std::string& stage_id, const std::string& stage,
                                      const std::string& pipeline);
  void remove() const;
};

/// An attempt whose folder is there although the process that started it is gone.
struct LeftAttempt {
  AttemptFolder folder;
  std::string id, stage_id, stage, pipeline;
};
/// Folders of living starters are not among them. The caller holds the project's lock.
Result<std::vector<LeftAttempt>> left_attempts(const std::filesystem::path& state);

/// What a command prints, passed on line by line with a prefix.
class LineRelay {
 public:
  /// `to`: borrowed, must stay open.
  static Result<LineRelay> open(std::string prefix, int to);
  /// Give this to the command, then close_end() our copy.
  int end() const { return write_end_.get(); }
  void close_end() { write_end_ = Fd(); }
  /// To poll for reading; -1 when there is nothing to come.
  int fd() const { return read_end_.get(); }
  /// Passes on what is there; does not wait.
  void pump();
  /// The rest, also without a line's end.
  void finish();

 private:
  LineRelay() = default;
  void pass_on(std::string_view line) const;

  std::string prefix_, partial_;
  int to_ = -1;
  Fd read_end_, write_end_;
};

}  // namespace slipway::flows
