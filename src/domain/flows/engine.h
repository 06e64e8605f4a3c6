#pragma once

#include <chrono>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "domain/flows/attempts.h"
#include "domain/flows/changes.h"
#include "domain/flows/commit.h"
#include "domain/flows/environment.h"
#include "domain/flows/plan.h"
#include "domain/flows/record.h"
#include "domain/flows/repro.h"
#include "domain/flows/run_cache.h"
#include "domain/flows/steps.h"

namespace slipway::flows {

/// Size, times and inode of a file: equal ones mean that nobody wrote it.
struct StatFacts {
  std::uint64_t size = 0, inode = 0;
  std::int64_t mtime_ns = 0, ctime_ns = 0;
  static std::optional<StatFacts> of(const std::filesystem::path& file);
  bool operator==(const StatFacts&) const = default;
};

/// dvc.lock files while stages are added to them: written together, and read again when somebody
/// else changed one meanwhile. Not thread-safe.
class LockFiles {
 public:
  /// Takes `locked` for the stage into the next write. An entry that is there keeps its place; new
  /// ones stand in the order of `place`, in whichever they come.
  void put(const std::filesystem::path& pipeline_file, const std::string& stage,
           data::LockedStage locked, std::size_t place);
  struct Written {
    std::filesystem::path file;
    bool is_new = false;
  };
  /// Writes what was put, each file atomically and durably; those that changed. `scratch`:
  /// Repository::scratch().
  Result<std::vector<Written>> write(const std::filesystem::path& scratch);

 private:
  struct Put {
    std::string stage;
    data::LockedStage locked;
    std::size_t place = 0;
  };
  struct Open {
    std::optional<data::LockFile> file;
    std::optional<StatFacts> facts;
    std::vector<Put> put;
    std::map<std::size_t, std::string> added;  // stages that had no entry, by their places
  };
  static bool set(Open& open, Put put);

  std::map<std::filesystem::path, Open> files_;
};

/// One call of repro(). One thread.
class Engine {
 public:
  Engine(data::Repository& repository, const ReproOptions& options, const ReproServices& services);
  Result<ReproResult> run();

 private:
  using Time = std::chrono::steady_clock::time_point;
  enum class State { kOutside, kWaiting, kRunning, kUnchanged, kDone, kFailed, kLeftOut };

  struct Running {
    std::size_t step = 0;
    std::string id;
    proc::Attempt attempt;
    data::PathsLock claim;
    AttemptFolder folder;
    std::vector<LineRelay> relays;
  };
  /// Done, and waiting to be named by dvc.lock.
  struct Finished {
    std::size_t step = 0;
    data::LockedStage locked;
    bool remember = false;
  };
  struct Entry {
    data::LockedStage locked;
    bool from_run_cache = false;
  };

  // --- the plan ---
  Result<> prepare();
  bool is_single() const;
  bool waits_for(std::size_t step, std::size_t other) const;
  bool can_start() const;
  Result<> start_next();
  void leave(std::size_t step, State state);
  void ran(std::size_t step);

  // --- one step; errors are the step's own failure ---
  Result<> begin(std::size_t step);
  std::vector<const Step*> upstream_of(std::size_t step) const;
  bool would_be_fed(std::size_t step) const;
  Result<> verify(std::size_t step);
  Result<> verify_data(const Step& step);
  Result<> execute(std::size_t step, bool forced);
  Result<std::optional<Entry>> find_entry(const Step& step, const data::LockedStage& inputs);
  Result<> restore(std::size_t step, const data::LockedStage& inputs, const Entry& entry);
  Result<> launch(std::size_t step, const data::LockedStage* inputs);
  Result<> add_golden(const Step& step, const std::map<std::string, std::string>& variables,
                      proc::Request& request) const;
  Result<proc::Attempt> spawn(const Step& step, const std::string& id, const AttemptFolder& folder,
                              const std::vector<LineRelay>& relays, const StageLock& lock);
  Result<StageLock> take_stage_lock(const std::string& stage_id, const std::string& name);
  Result<data::PathsLock> claim(const Step& step);
  Result<> refuse_tracked(const Step& step);
  bool is_remembered(const Step& step) const;
  Result<> record(std::size_t step, data::LockedStage locked, bool remember);
  void fail(std::size_t step, const std::string& reason);
  void go_on_without(std::size_t step);

  // --- waiting for commands ---
  Result<> wait();
  Result<> take_over(Running& running, const proc::Outcome& outcome);
  Result<> finish_success(Running& running, const proc::Outcome& outcome);
  void take_interrupts();
  void ask_to_end();
  void press_on();
  void signal_running(int number);
  void kill_running();
  std::string reason_of(const Step& step, const proc::Outcome& outcome) const;

  // --- durable ---
  Result<> commit_if_due();
  Result<> commit();
  Result<> ignore_outs();
  Result<> ignore_outs_of(const std::vector<Finished>& finished);
  void fail_late(std::size_t step, const std::string& reason);
  void hand_over_if_due();
  Result<> recover();
  Result<> recover(const LeftAttempt& left);
  void tell_lock_files();
  Result<> regain_lock();

  Result<> keep(Result<> kept);
  Result<InputFacts> input_facts(const Step& step, const data::LockedStage* inputs);
  AttemptEnded ended_fact(const Running& running, const proc::Outcome& outcome) const;
  void note(Note::Kind kind, const Step& step, std::string text = {},
            std::vector<std::string> lines = {});
  std::string shown(const std::filesystem::path& path) const;

  data::Repository& repository_;
  const ReproOptions& options_;
  const ReproServices& services_;
  ReproResult result_;

  Steps steps_;
  std::optional<Graph> graph_;
  std::vector<std::size_t> position_;  // of a step in the plan
  std::vector<std::size_t> plan_;
  std::vector<std::size_t> waits_;  // how many steps before it in the plan must be over first
  std::vector<State> states_;
  std::vector<bool> forced_;
  std::set<std::size_t> ready_;  // positions
  bool stopped_ = false;
  std::optional<Error> broken_;  // no facts can be kept: the run ends, whatever may be ignored
  int interrupts_ = 0;
  Time ask_again_at_ = Time::max(), kill_at_ = Time::max();  // of what runs, once interrupted

  std::optional<data::RepositoryLock> lock_;
  std::list<Running> running_;
  std::vector<Finished> finished_;
  std::vector<AttemptFolder> done_folders_;
  Time finished_since_;
  LockFiles lock_files_;
  using OutPlace = std::pair<std::size_t, std::size_t>;  // of its step in the plan, and there
  std::map<OutPlace, std::filesystem::path> ignored_;    // outputs that got a line in .gitignore
  ParamsFiles params_;
  RunCache run_cache_;
  Environments environments_;
  CommitWatch commit_{repository_, steps_};
  std::optional<std::set<std::filesystem::path>> tracked_;
  std::vector<LockFiles::Written> untold_;  // that an observer hears of between stages
  Time hand_over_at_ = Time::max();         // the next moment for it while commands run
  std::set<std::filesystem::path> files_;
};

}  // namespace slipway::flows
