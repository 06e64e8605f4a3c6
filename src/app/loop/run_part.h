#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "app/circle.h"
#include "app/loop/errand.h"
#include "base/file.h"
#include "base/guarded.h"
#include "domain/flows/runs_store.h"
#include "domain/flows/runs_work.h"
#include "domain/project/applied.h"
#include "io/proc/proc.h"

namespace slipway::app {

/// Calls `wake` when a descriptor becomes readable. One thread may call watch().
class Readables {
 public:
  explicit Readables(std::function<void()> wake);
  ~Readables();
  /// These, by duplicates of its own, instead of those before. Each wakes once.
  void watch(const std::vector<int>& fds);

 private:
  void run();

  const std::function<void()> wake_;
  Fd changed_;  // an eventfd: other descriptors to watch, or the end
  struct Wanted {
    std::vector<Fd> fds;
    bool is_new = false, stopped = false;
  };
  Guarded<Wanted> wanted_;
  std::thread thread_;
};

/// Executes the pipeline runs of the catalogue: each attempt is a process of its own with a
/// supervisor, so it outlives this server, and the next one adopts it by its records.
class RunPart final : public Part {
 public:
  struct Place {
    std::filesystem::path program;  // this one
    std::filesystem::path project, state;
    std::string server;  // which of several this is; "" when it is the only one
  };
  /// Whether the server of that name is there at present.
  using IsThere = std::function<Result<bool>(db::Tx& tx, const std::string& server)>;
  /// Puts data that a run asks for into the cache, durable, and says which version that is: the
  /// same whenever it is asked. `scratch`: a folder that may be used, and is not there yet.
  using Draw = std::function<Result<flows::DataFact>(const flows::PipelineRun& run,
                                                     const flows::RunPlan::Data& data,
                                                     const std::filesystem::path& scratch)>;
  /// Publishes what a run that succeeded made, unless its stages did, and answers what there is to
  /// say of it. Idempotent.
  using Publish = std::function<Result<std::string>(const flows::PipelineRun& run, UnixMs now)>;

  /// Takes what attempts that are over found out into the catalogue.
  using TakeFacts = std::function<Result<>()>;

  /// All must outlive it. `acting`: the same database, for what only the server that acts may do.
  /// `wake`: Circle::wake().
  RunPart(db::Pool& pool, db::Pool& acting, const proc::Spawner& spawner, Place place,
          std::function<void()> wake, Draw draw, TakeFacts take_facts, Publish publish,
          IsThere is_there = {});

  std::string name() const override { return "runs"; }
  Result<bool> turn(UnixMs now) override;
  /// What this server has begun it sees to the end.
  Result<bool> stand_by(UnixMs now, const std::string& why) override;
  bool is_pending() const override { return !running_.empty() || drawing_.is_under_way(); }

  static constexpr std::size_t kRunsMax = 2;  // at the same time

 private:
  struct Running {
    std::optional<proc::Attempt> attempt;  // nothing: its supervisor has not said who it is yet
    bool cancelled = false;
  };

  flows::RunFolder folder_of(const flows::PipelineRun& run) const {
    return flows::RunFolder::of(place_.state, run.id);
  }
  using Look = Result<bool> (RunPart::*)(const flows::PipelineRun& run, UnixMs now);
  Result<bool> look_at_all(Look look, UnixMs now);
  Result<bool> look_at(const flows::PipelineRun& run, UnixMs now);
  Result<bool> look_at_own(const flows::PipelineRun& run, UnixMs now);
  Result<bool> attend_or_adopt(const flows::PipelineRun& run, UnixMs now);
  Result<bool> end_if_abandoned(const flows::PipelineRun& run, UnixMs now);
  bool is_own(const flows::PipelineRun& run) const { return run.server == place_.server; }
  Result<bool> attend(const flows::PipelineRun& run, UnixMs now);
  Result<bool> adopt(const flows::PipelineRun& run, UnixMs now);
  Result<bool> start(const flows::PipelineRun& run, UnixMs now);
  Result<bool> draw(const flows::PipelineRun& run, UnixMs now);
  Result<bool> take_drawn(UnixMs now);
  Result<bool> launch(const flows::PipelineRun& run, UnixMs now);
  Result<bool> finish(const flows::PipelineRun& run, flows::RunOutcome outcome, UnixMs now);
  Result<> give_up(const flows::PipelineRun& run, const Error& error, UnixMs now);
  void clean_up(const flows::PipelineRun& ended);
  void watch_running();

  db::Pool& pool_;
  db::Pool& acting_;
  const proc::Spawner& spawner_;
  const Place place_;
  const Draw draw_;
  const TakeFacts take_facts_;
  const Publish publish_;
  const IsThere is_there_;
  project::CurrentProject project_;
  std::map<std::string, Running> running_;
  Errand drawing_;
  struct Drawing {
    flows::PipelineRun run;
    std::vector<flows::DataFact> drawn;
  };
  std::shared_ptr<Drawing> drawn_;        // under way, or to be kept
  std::map<std::string, Error> undrawn_;  // why there is no data for a run
  Readables readables_;
};

}  // namespace slipway::app
