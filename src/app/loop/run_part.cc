#include "app/loop/run_part.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

#include "base/check.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "domain/flows/repro.h"
#include "domain/flows/run_folders.h"
#include "domain/notify/notify.h"

namespace slipway::app {
namespace {

namespace fs = std::filesystem;
using flows::PipelineRun;
using flows::RunOutcome;
using flows::RunState;

constexpr std::chrono::milliseconds kGrace{15'000};

Result<Fd> open_log(const fs::path& file) {
  Fd fd(open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666));
  if (!fd) return system_error("cannot open " + file.string(), errno);
  return fd;
}

/// Without what the server keeps to itself: training code, and its log, may be anybody's.
std::vector<std::string> environment_of(const PipelineRun& run,
                                        const project::Applied* applied) {
  std::map<std::string, std::string> variables = flows::process_variables();
  for (const char* own : {"SLIPWAY_HOOK_SECRET", "SLIPWAY_NATS"}) variables.erase(own);
  if (applied != nullptr) {
    for (const project::Notification& told : applied->declared.file.notify) {
      for (const std::string* written : {&told.webhook, &told.secret})
        variables.erase(notify::variable_in(*written).value_or(""));
    }
  }
  variables["SLIPWAY_RUN"] = run.id;
  std::vector<std::string> entries;
  for (const auto& [name, value] : variables) entries.push_back(name + "=" + value);
  return entries;
}

/// How it ended when the process left no word of its own.
RunOutcome outcome_without_word(const proc::Outcome& ended) {
  RunOutcome outcome;
  outcome.kind = RunOutcome::Kind::kFailed;
  if (ended.cancelled) {
    outcome.kind = RunOutcome::Kind::kCancelled;
  } else if (ended.kind == proc::Outcome::Kind::kNotStarted) {
    outcome.reason = "the run's process could not be started: " + ended.message;
  } else if (ended.kind == proc::Outcome::Kind::kExited) {
    outcome.reason = "the run's process ended with " + std::to_string(ended.code) +
                     " and said nothing; see its log";
  } else {
    outcome.kind = RunOutcome::Kind::kLost;
    outcome.reason = ended.kind == proc::Outcome::Kind::kSignaled
                         ? "the run's process was killed by signal " + std::to_string(ended.signal)
                         : "the run's process vanished";
  }
  return outcome;
}

/// Gone with everything in it, also what one that was killed left.
class Scratch {
 public:
  explicit Scratch(fs::path folder) : folder_(std::move(folder)) { clear(); }
  ~Scratch() { clear(); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const fs::path& folder() const { return folder_; }

 private:
  void clear() const {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  fs::path folder_;
};

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

}  // namespace

// --- Readables ---

Readables::Readables(std::function<void()> wake)
    : wake_(std::move(wake)), changed_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(changed_);
  thread_ = std::thread([this] { run(); });
}

Readables::~Readables() {
  wanted_.with([](Wanted& wanted) { wanted.stopped = true; });
  eventfd_write(changed_.get(), 1);
  thread_.join();
}

void Readables::watch(const std::vector<int>& fds) {
  std::vector<Fd> own;
  for (int fd : fds) own.emplace_back(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  wanted_.with([&](Wanted& wanted) {
    wanted.fds = std::move(own);
    wanted.is_new = true;
  });
  eventfd_write(changed_.get(), 1);
}

void Readables::run() {
  std::vector<Fd> watched;
  while (true) {
    std::vector<pollfd> polled{{changed_.get(), POLLIN, 0}};
    for (const Fd& fd : watched) polled.push_back({fd.get(), POLLIN, 0});
    if (poll(polled.data(), polled.size(), -1) < 0 && errno != EINTR) return;
    eventfd_t ignored = 0;
    eventfd_read(changed_.get(), &ignored);
    bool stopped = false;
    std::vector<Fd> left;
    bool woken = false;
    for (std::size_t i = 0; i < watched.size(); ++i) {
      if (polled[i + 1].revents == 0) left.push_back(std::move(watched[i]));
      woken = woken || polled[i + 1].revents != 0;
    }
    watched = std::move(left);
    wanted_.with([&](Wanted& wanted) {
      stopped = wanted.stopped;
      if (std::exchange(wanted.is_new, false)) watched = std::move(wanted.fds);
    });
    if (stopped) return;
    if (woken) wake_();
  }
}

// --- RunPart ---

RunPart::RunPart(db::Pool& pool, db::Pool& acting, const proc::Spawner& spawner, Place place,
                 std::function<void()> wake, Draw draw, TakeFacts take_facts, Publish publish,
                 IsThere is_there)
    : pool_(pool),
      acting_(acting),
      spawner_(spawner),
      place_(std::move(place)),
      draw_(std::move(draw)),
      take_facts_(std::move(take_facts)),
      publish_(std::move(publish)),
      is_there_(std::move(is_there)),
      drawing_(wake),
      readables_(wake) {}

Result<bool> RunPart::turn(UnixMs now) {
  const Result<bool> kept = take_drawn(now);
  Result<bool> looked = look_at_all(&RunPart::look_at, now);
  if (!kept.ok() && (!looked.ok() || !*looked)) return kept;
  if (kept.ok() && *kept && looked.ok()) return true;
  return looked;
}

Result<bool> RunPart::stand_by(UnixMs now, const std::string&) {
  // What was being drawn the server that acts now draws for itself.
  if (drawn_ && !drawing_.is_under_way()) {
    drawing_.take();
    drawn_.reset();
  }
  undrawn_.clear();
  return look_at_all(&RunPart::look_at_own, now);
}

Result<bool> RunPart::look_at_all(Look look, UnixMs now) {
  const auto runs = TRY(pool_.read([](db::Tx& tx) { return flows::open_runs(tx); }));
  bool did = false;
  std::optional<Error> first;
  for (const PipelineRun& run : runs) {
    Result<bool> looked = (this->*look)(run, now);
    // Somebody changed it meanwhile, which is a reason to look again.
    if (!looked.ok() && looked.error().tag == "stale") looked = true;
    if (!looked.ok() && !first) first = with_context("run " + run.id, looked.error());
    did = did || (looked.ok() && *looked);
  }
  watch_running();
  if (first && !did) return *first;
  return did;
}

/// One that another server has begun is that one's, also while it is away: its process may live.
Result<bool> RunPart::look_at_own(const PipelineRun& run, UnixMs now) {
  return run.state == RunState::kRunning && is_own(run) ? attend_or_adopt(run, now) : false;
}

Result<bool> RunPart::attend_or_adopt(const PipelineRun& run, UnixMs now) {
  return running_.contains(run.id) ? attend(run, now) : adopt(run, now);
}

/// Somebody wants its end, and nobody is left to bring it about.
Result<bool> RunPart::end_if_abandoned(const PipelineRun& run, UnixMs now) {
  if (run.cancel_asked.empty() || !is_there_) return false;
  return acting_.write([&](db::Tx& tx) -> Result<bool> {
    if (TRY(is_there_(tx, run.server))) return false;
    RunOutcome outcome;
    outcome.kind = RunOutcome::Kind::kCancelled;
    outcome.reason = "its server is away; what it has started may still run there";
    TRY(flows::end_attempt(tx, run, outcome, now));
    return true;
  });
}

Result<bool> RunPart::look_at(const PipelineRun& run, UnixMs now) {
  if (run.state == RunState::kRunning)
    return is_own(run) || run.server.empty() ? attend_or_adopt(run, now)
                                             : end_if_abandoned(run, now);
  if (!flows::is_due(run, now) || running_.size() >= kRunsMax) return false;
  return start(run, now);
}

void RunPart::watch_running() {
  std::vector<int> fds;
  for (const auto& [id, running] : running_)
    if (running.attempt) fds.push_back(running.attempt->fd());
  readables_.watch(fds);
}

Result<bool> RunPart::attend(const PipelineRun& run, UnixMs now) {
  Running& running = running_.at(run.id);
  if (!running.attempt) return adopt(run, now);
  if (!run.cancel_asked.empty() && !running.cancelled) {
    TRY(running.attempt->cancel());
    running.cancelled = true;
  }
  std::optional<proc::Outcome> ended = TRY(running.attempt->take());
  if (!ended) return false;
  Result<RunOutcome> outcome = flows::read_outcome(folder_of(run), run.attempts);
  if (!outcome.ok()) outcome = outcome_without_word(*ended);
  return finish(run, std::move(*outcome), now);
}

/// An attempt of a server that is gone, or one that was asked for and never started.
Result<bool> RunPart::adopt(const PipelineRun& run, UnixMs now) {
  const flows::RunFolder folder = folder_of(run);
  Result<proc::Attempt> attempt = proc::adopt(folder.attempt(run.attempts));
  if (attempt.ok()) {
    running_[run.id].attempt.emplace(std::move(*attempt));
    return attend(run, now);
  }
  if (attempt.error().tag != "no_record" && attempt.error().code != Code::kMissing)
    return attempt.error();
  return launch(run, now);
}

Result<bool> RunPart::start(const PipelineRun& run, UnixMs now) {
  if (!flows::has_its_data(run.plan)) return draw(run, now);
  const PipelineRun begun = TRY(
      acting_.write([&](db::Tx& tx) { return flows::begin_attempt(tx, run, now, place_.server); }));
  failpoint("run.attempt_begun");
  return launch(begun, now);
}

/// The data that it asks for is drawn first, elsewhere; what was cut off is drawn again, and comes
/// out the same.
Result<bool> RunPart::draw(const PipelineRun& run, UnixMs now) {
  if (auto failed = undrawn_.find(run.id); failed != undrawn_.end()) {
    const Error why = failed->second;
    undrawn_.erase(failed);
    TRY(give_up(run, why, now));
    return true;
  }
  if (drawn_) return false;  // one at a time
  drawn_ = std::make_shared<Drawing>(Drawing{run, {}});
  drawing_.start([draw = draw_, drawing = drawn_, folder = folder_of(run)]() -> Result<> {
    for (const flows::RunPlan::Data& data : drawing->run.plan.data) {
      const Scratch scratch(folder.path / "drawing");
      drawing->drawn.push_back(TRY(draw(drawing->run, data, scratch.folder())));
    }
    return {};
  });
  return true;
}

/// The versions become the run's; until then their objects are only bytes in the cache.
Result<bool> RunPart::take_drawn(UnixMs now) {
  if (!drawn_) return false;
  if (const std::optional<Result<>> ended = drawing_.take(); ended && !ended->ok()) {
    undrawn_.insert_or_assign(drawn_->run.id, ended->error());
    drawn_.reset();
    return true;
  }
  if (drawing_.is_under_way()) return false;
  failpoint("run.data_drawn");
  const Result<PipelineRun> kept = acting_.write(
      [&](db::Tx& tx) { return flows::keep_drawn(tx, drawn_->run, drawn_->drawn, now); });
  // Cancelled meanwhile, say: then it needs none, or is drawn for as it is now.
  const bool is_stale = !kept.ok() && kept.error().tag == "stale";
  if (!kept.ok() && !is_stale) return kept.error();
  drawn_.reset();
  failpoint("run.data_kept");
  return true;
}

/// Without the data it cannot begin.
Result<> RunPart::give_up(const PipelineRun& run, const Error& error, UnixMs now) {
  RunOutcome outcome;
  outcome.kind = RunOutcome::Kind::kFailed;
  outcome.reason = "its data could not be drawn: " + error.message;
  TRY(acting_.write([&](db::Tx& tx) -> Result<PipelineRun> {
    return flows::end_attempt(tx, TRY(flows::begin_attempt(tx, run, now, place_.server)), outcome,
                              now);
  }));
  return {};
}

Result<bool> RunPart::launch(const PipelineRun& run, UnixMs now) {
  const flows::RunFolder folder = folder_of(run);
  flows::RunRequest request{run.id, run.attempts, run.plan, place_.project, place_.state, 0, now};
  if (run.plan.timeout_ms > 0)
    request.timeout_ms = std::max<std::int64_t>(1, run.plan.timeout_ms - run.spent_ms);
  TRY(flows::write_request(folder, request));
  std::optional<Fd> lock = TRY(flows::lock_run(folder));
  if (!lock) {
    // Its supervisor is starting, or what a killed one left is not over yet.
    running_[run.id];
    return false;
  }
  const Fd log = TRY(open_log(folder.log()));
  proc::Request process;
  process.commands = {{{place_.program.string(), "run-attempt", folder.path.string()}, ""}};
  const auto applied = TRY(pool_.read([&](db::Tx& tx) { return project_.get(tx); }));
  process.environment = environment_of(run, applied.get());
  process.folder = folder.path;
  process.output = process.error = log.get();
  process.held = lock->get();
  process.record = folder.attempt(run.attempts);
  process.durable_record = true;
  process.outlives_starter = true;
  process.grace = kGrace;
  running_[run.id].attempt.emplace(TRY(spawner_.run(process)));
  failpoint("run.attempt_started");
  return true;
}

Result<bool> RunPart::finish(const PipelineRun& run, RunOutcome outcome, UnixMs now) {
  // What it made is known by its facts, which it may have left when this server was away.
  TRY(take_facts_());
  PipelineRun ending = run;
  if (!outcome.commit.empty()) ending.plan.commit = outcome.commit;
  if (outcome.kind == RunOutcome::Kind::kDone) {
    Result<std::string> published = publish_(ending, now);
    if (!published.ok() && published.error().code == Code::kUnavailable) return published.error();
    if (!published.ok()) {
      outcome.kind = RunOutcome::Kind::kFailed;
      outcome.permanent = true;
      outcome.reason = published.error().message;
    } else if (outcome.reason.empty()) {
      outcome.reason = std::move(*published);
    }
  }
  failpoint("run.published");
  const PipelineRun ended =
      TRY(pool_.write([&](db::Tx& tx) { return flows::end_attempt(tx, run, outcome, now); }));
  running_.erase(run.id);
  failpoint("run.ended");
  if (flows::is_over(ended.state)) clean_up(ended);
  return true;
}

/// Trees are kept of what went wrong, to be looked at: until the next run of the pipeline has
/// ended.
void RunPart::clean_up(const PipelineRun& ended) {
  constexpr int kLookMax = 200;
  auto runs = pool_.read([](db::Tx& tx) { return flows::recent_runs(tx, kLookMax); });
  if (!runs.ok()) return;
  for (const PipelineRun& run : *runs) {
    const bool is_fine = run.state == RunState::kSucceeded || run.state == RunState::kSkipped;
    const bool is_kept = run.id == ended.id && !is_fine;
    if (run.plan.pipeline != ended.plan.pipeline || !flows::is_over(run.state) || is_kept) continue;
    const flows::RunFolder folder = folder_of(run);
    if (!is_there(folder.tree())) continue;
    Result<> removed = flows::remove_tree(folder, place_.project);
    if (!removed.ok()) {
      log_warning("the work tree of a run stays",
                  {{"run", run.id}, {"why", removed.error().message}});
    }
  }
}

}  // namespace slipway::app
