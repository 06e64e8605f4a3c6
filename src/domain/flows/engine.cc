#include "domain/flows/engine.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <thread>

#include "base/ids.h"
#include "base/text.h"
#include "domain/data/commands.h"
#include "domain/flows/golden.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// How long a finished stage may wait for its line in dvc.lock while others follow: one wait for
/// the disk then serves them all.
constexpr milliseconds kCommitEvery{200};
/// The part of their time after which interrupted commands get SIGTERM too: some heed only that.
constexpr double kAskAgainAt = 0.8;
/// A supervisor whose starter was killed needs at most one second and a bit.
constexpr milliseconds kLeftoverWaitMax{10'000};
constexpr milliseconds kPause{10};
/// Of a process whose supervisor was killed, between asking and killing.
constexpr milliseconds kLeftoverGrace{500};
/// A stage that lasts longer than this is known while it runs; from then on facts go every second.
constexpr milliseconds kHandOverFirst{200}, kHandOverEvery{1000};
constexpr int kLockTriesMax = 40;  // of three seconds each

std::string host_name() {
  char name[256] = {};
  return gethostname(name, sizeof(name) - 1) == 0 ? name : "";
}

/// In the environment of everything that belongs to an attempt.
std::string mark_of(const std::string& attempt) {
  return "SLIPWAY_ATTEMPT=" + attempt;
}

std::string quoted_names(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) text += i + 1 == names.size() ? " and " : ", ";
    text += "'" + names[i] + "'";
  }
  return text;
}

/// How an attempt ended whose starter did not live to say it: as the supervisor saw it, and lost
/// only when that is gone too.
AttemptEnded left_fact(const LeftAttempt& left, const std::optional<proc::Outcome>& outcome,
                       UnixMs now_ms) {
  using Kind = proc::Outcome::Kind;
  AttemptEnded fact;
  fact.id = left.id;
  fact.stage = left.stage;
  fact.pipeline = left.pipeline;
  fact.ended_ms = now_ms;
  fact.message = "the run that started it ended before it could say how this ended";
  if (!outcome || outcome->kind == Kind::kLost) return fact;
  fact.exit_code = outcome->code;
  fact.signal = outcome->signal;
  fact.cpu_us = outcome->cpu_us;
  fact.memory_max_kb = outcome->memory_max_kb;
  if (outcome->ended_ms != 0) fact.ended_ms = outcome->ended_ms;
  fact.message = "the run that started it ended before its outputs were recorded";
  fact.state = outcome->cancelled ? AttemptEnded::State::kCancelled
               : outcome->ok()    ? AttemptEnded::State::kSucceeded
                                  : AttemptEnded::State::kFailed;
  return fact;
}

bool has_all_outs(const Step& step) {
  return std::all_of(step.outs.begin(), step.outs.end(),
                     [](const StepOut& out) { return !out.recorded.md5.empty(); });
}

}  // namespace

std::optional<StatFacts> StatFacts::of(const fs::path& file) {
  struct stat status {};
  if (stat(file.c_str(), &status) != 0) return std::nullopt;
  auto ns = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return StatFacts{static_cast<std::uint64_t>(status.st_size), status.st_ino, ns(status.st_mtim),
                   ns(status.st_ctim)};
}

void LockFiles::put(const fs::path& pipeline_file, const std::string& stage,
                    data::LockedStage locked, std::size_t place) {
  files_[lock_path_of(pipeline_file)].put.push_back({stage, std::move(locked), place});
}

bool LockFiles::set(Open& open, Put put) {
  std::vector<std::string> later;
  if (open.file->find(put.stage) == nullptr) {
    for (auto at = open.added.upper_bound(put.place); at != open.added.end(); ++at)
      later.push_back(at->second);
    open.added[put.place] = put.stage;
  }
  return open.file->set(put.stage, std::move(put.locked), later);
}

Result<std::vector<LockFiles::Written>> LockFiles::write(const fs::path& scratch) {
  std::vector<Written> written;
  for (auto& [path, open] : files_) {
    if (open.put.empty()) continue;
    std::optional<StatFacts> now = StatFacts::of(path);
    // The project's lock was given up while commands ran: another process may have written it.
    if (!open.file || now != open.facts) open.file = TRY(data::LockFile::read(path));
    bool is_new = !open.file->existed();
    bool changed = is_new;
    for (Put& put : open.put) {
      if (set(open, std::move(put))) changed = true;
    }
    open.put.clear();
    if (!changed) continue;
    TRY(open.file->write(scratch));
    open.facts = StatFacts::of(path);
    written.push_back({path, is_new});
  }
  return written;
}

Engine::Engine(data::Repository& repository, const ReproOptions& options,
               const ReproServices& services)
    : repository_(repository),
      options_(options),
      services_(services),
      run_cache_(repository.cache().run_cache(), repository.scratch()),
      environments_(services.variables) {}

std::string Engine::shown(const fs::path& path) const {
  return data::shown(path, options_.from);
}

void Engine::note(Note::Kind kind, const Step& step, std::string text,
                  std::vector<std::string> lines) {
  tell_lock_files();  // they belong to stages before this one
  services_.observer.note({kind, step.name, std::move(text), std::move(lines), step.is_data});
}

// --- the plan ---

Result<> Engine::prepare() {
  steps_ = TRY(Steps::load(repository_, options_.from));
  std::vector<std::size_t> targets;
  bool everything = options_.all_pipelines;
  if (!everything)
    targets = TRY(steps_.find_all(options_.targets, options_.recursive, options_.glob));
  graph_ = TRY(steps_.graph());
  Selection selection = Selection::kWithUpstream;
  if (options_.pipeline)
    selection = Selection::kPipelines;
  else if (is_single())
    selection = Selection::kOnly;
  else if (options_.downstream && !everything)
    selection = Selection::kDownstream;
  bool nothing = targets.empty() && !everything;  // a dvc.yaml without stages
  if (!nothing) plan_ = graph_->order(targets, selection);

  std::size_t count = steps_.all().size();
  states_.assign(count, State::kOutside);
  forced_.assign(count, options_.force);
  position_.assign(count, 0);
  waits_.assign(count, 0);
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    states_[plan_[i]] = State::kWaiting;
    position_[plan_[i]] = i;
  }
  for (std::size_t i = 0; i < plan_.size(); ++i) {
    std::size_t step = plan_[i];
    for (std::size_t other : graph_->touching(step)) {
      if (waits_for(step, other)) ++waits_[step];
    }
    if (waits_[step] == 0) ready_.insert(i);
  }
  return {};
}

bool Engine::is_single() const {
  return options_.single_item && !options_.pipeline && !options_.all_pipelines;
}

/// Of two that touch each other the plan says which goes first; mostly, but not with --single-item
/// or a frozen stage, the one that the other depends on.
bool Engine::waits_for(std::size_t step, std::size_t other) const {
  return states_[step] == State::kWaiting && states_[other] != State::kOutside &&
         position_[other] < position_[step];
}

bool Engine::can_start() const {
  return !stopped_ && !ready_.empty() &&
         running_.size() < static_cast<std::size_t>(std::clamp(options_.jobs, 1, 256));
}

Result<> Engine::start_next() {
  std::size_t step = plan_[*ready_.begin()];
  ready_.erase(ready_.begin());
  take_interrupts();
  if (stopped_) return {};
  Result<> begun = begin(step);
  if (broken_) return *broken_;
  if (!begun.ok()) fail(step, begun.error().message);
  return commit_if_due();
}

/// `step` is over: what waits for it may go on.
void Engine::leave(std::size_t step, State state) {
  states_[step] = state;
  for (std::size_t other : graph_->touching(step)) {
    if (waits_for(other, step) && --waits_[other] == 0) ready_.insert(position_[other]);
  }
}

/// Marks a step that was run, restored or verified.
void Engine::ran(std::size_t step) {
  result_.ran.push_back(steps_.all()[step].name);
  if (options_.force_downstream && !is_single()) {
    for (std::size_t effect : graph_->downstream(step)) forced_[effect] = true;
  }
  leave(step, State::kDone);
}

void Engine::fail(std::size_t step, const std::string& reason) {
  const Step& failed = steps_.all()[step];
  bool ignored = options_.on_error == OnError::kIgnore;
  if (!ignored) result_.failures.push_back({failed.name, reason});
  if (options_.on_error == OnError::kStop) {
    states_[step] = State::kFailed;
    stopped_ = true;
    return;
  }
  result_.failures_noted = true;
  note(Note::Kind::kFailed, failed, reason + (ignored ? " (ignored)" : ""));
  if (!ignored && !is_single()) go_on_without(step);
  leave(step, State::kFailed);
}

/// Leaves out what depends on `step`.
void Engine::go_on_without(std::size_t step) {
  std::vector<std::size_t> left_out;
  std::vector<std::string> names;
  for (std::size_t effect : graph_->dependents(step)) {
    if (states_[effect] != State::kWaiting) continue;
    states_[effect] = State::kLeftOut;
    left_out.push_back(effect);
    names.push_back(steps_.all()[effect].name);
  }
  for (std::size_t effect : left_out) leave(effect, State::kLeftOut);
  if (names.empty()) return;
  std::string stages = names.size() > 1 ? "Stages " : "Stage ";
  note(Note::Kind::kLeftOut, steps_.all()[step],
       stages + quoted_names(names) + " will be skipped due to this failure");
}

// --- one step ---

Result<> Engine::begin(std::size_t step) {
  const Step& one = steps_.all()[step];
  if (one.frozen && !one.is_data) note(Note::Kind::kFrozen, one);
  bool forced = forced_[step];
  if (!forced) {
    Asked asked{Depth::kFirst, options_.allow_missing, upstream_of(step)};
    Differences found = TRY(differences(repository_, one, params_, options_.from, asked));
    if (!found.any()) {
      note(Note::Kind::kSkipped, one);
      leave(step, State::kUnchanged);
      return {};
    }
  }
  if (one.is_data || one.frozen) return verify(step);
  return execute(step, forced);
}

/// Nobody's with --single-item: nothing but the step itself is looked at then.
std::vector<const Step*> Engine::upstream_of(std::size_t step) const {
  std::vector<const Step*> upstream;
  if (is_single()) return upstream;
  for (std::size_t cause : graph_->upstream(step)) upstream.push_back(&steps_.all()[cause]);
  return upstream;
}

/// Whether this is a rehearsal in which a step before it would have made its dependencies.
bool Engine::would_be_fed(std::size_t step) const {
  const std::vector<std::size_t>& causes = graph_->upstream(step);
  return options_.dry && std::any_of(causes.begin(), causes.end(), [&](std::size_t cause) {
           return states_[cause] == State::kDone;
         });
}

Result<> Engine::verify(std::size_t step) {
  const Step& one = steps_.all()[step];
  if (one.is_data && !one.frozen && !one.deps.empty()) {
    return with_tag(invalid("not supported yet: updating the import " + one.name), "unsupported");
  }
  if (options_.dry) return ran(step), Result<>();
  note(Note::Kind::kVerifying, one, one.frozen ? "frozen" : "");
  std::string absent;
  int count = 0;
  for (const StepOut& out : one.outs) {
    if (TRY(repository_.version_of(out.absolute))) continue;
    absent += (count++ > 0 ? ", " : "") + shown(out.absolute);
  }
  if (count > 0)
    return missing(std::string("missing data 'source") + (count > 1 ? "s" : "") + "': " + absent);
  data::PathsLock claimed = TRY(claim(one));
  if (one.is_data) {
    TRY(verify_data(one));
    return ran(step), Result<>();
  }
  TRY(refuse_tracked(one));
  data::LockedStage locked = TRY(inputs_now(repository_, one, params_, options_.from));
  bool remember = is_remembered(one);
  SaveOptions save{!options_.no_commit, true, remember, options_.allow_missing};
  TRY(save_outs(repository_, one, locked, save, options_.from));
  TRY(record(step, std::move(locked), remember));
  ran(step);
  return {};
}

Result<> Engine::verify_data(const Step& step) {
  data::DataFile file = TRY(data::DataFile::read(step.file));
  for (std::size_t i = 0; i < step.outs.size() && i < file.outs.size(); ++i) {
    const StepOut& out = step.outs[i];
    bool store = out.cache && !options_.no_commit;
    std::optional<data::Version> version =
        store ? TRY(repository_.save(out.absolute)) : TRY(repository_.version_of(out.absolute));
    if (!version) return missing("output '" + shown(out.absolute) + "' does not exist");
    file.outs[i].record.version = *version;
  }
  TRY(repository_.sync());
  TRY(file.write(repository_.scratch()));
  files_.insert(step.file);
  return {};
}

Result<> Engine::execute(std::size_t step, bool forced) {
  const Step& one = steps_.all()[step];
  std::optional<data::LockedStage> inputs;
  Result<data::LockedStage> now = inputs_now(repository_, one, params_, options_.from);
  if (now.ok()) inputs = std::move(*now);
  // DVC runs a forced stage without looking; what is still missing afterwards is an error then.
  bool may_come = !now.ok() && now.error().code == Code::kMissing && (forced || would_be_fed(step));
  if (!now.ok() && !may_come) return now.error();
  if (inputs && !forced && is_rememberable(one, repository_.root())) {
    std::optional<Entry> entry = TRY(find_entry(one, *inputs));
    if (entry) return restore(step, *inputs, *entry);
  }
  if (!options_.dry) return launch(step, inputs ? &*inputs : nullptr);
  std::vector<std::string> lines;
  for (const std::string& command : commands_of(one.stage)) lines.push_back("> " + command);
  note(Note::Kind::kRunning, one, {}, std::move(lines));
  ran(step);
  return {};
}

Result<std::optional<Engine::Entry>> Engine::find_entry(const Step& step,
                                                        const data::LockedStage& inputs) {
  std::optional<Entry> nothing;
  Differences found = TRY(differences(repository_, step, params_, options_.from, {}));
  bool same_inputs = step.is_locked && !found.command && found.deps.empty() && found.params.empty();
  std::optional<Entry> entry;
  if (same_inputs && has_all_outs(step)) {
    entry = Entry{inputs, false};
    for (data::Record& record : entry->locked.outs) {
      for (const StepOut& out : step.outs) {
        if (out.path == record.path) record.version = out.recorded;
      }
    }
  } else if (!options_.no_run_cache) {
    std::optional<data::LockedStage> remembered = TRY(run_cache_.find(inputs));
    if (remembered) entry = Entry{std::move(*remembered), true};
  }
  if (!entry) return nothing;
  for (const data::Record& out : entry->locked.outs) {
    Result<bool> all = repository_.cache().has_all(out.version);
    if (!all.ok() && all.error().code != Code::kInvalid) return all.error();
    if (!all.ok() || !*all) return nothing;
  }
  return entry;
}

Result<> Engine::restore(std::size_t step, const data::LockedStage& inputs, const Entry& entry) {
  const Step& one = steps_.all()[step];
  note(Note::Kind::kRestored, one);
  result_.restored.push_back(one.name);
  if (options_.dry) return ran(step), Result<>();
  TRY(refuse_tracked(one));
  data::PathsLock claimed = TRY(claim(one));
  StageLock lock = TRY(take_stage_lock(one.id, one.name));
  for (const data::Record& record : entry.locked.outs) {
    auto out = std::find_if(one.outs.begin(), one.outs.end(),
                            [&](const StepOut& o) { return o.path == record.path; });
    TRY(repository_.checkout(out->absolute, record.version, {.force = true}));
    if (!out->cache) TRY(repository_.unprotect(out->absolute));
  }
  data::LockedStage locked = inputs;
  bool remember = is_remembered(one);
  SaveOptions save{!options_.no_commit, true, remember, false};
  TRY(save_outs(repository_, one, locked, save, options_.from));
  StageRestored fact;
  fact.id = uuid7(services_.clock.now_ms());
  fact.host = host_name();
  fact.inputs = TRY(input_facts(one, &inputs));
  fact.from_run_cache = entry.from_run_cache;
  fact.time_ms = services_.clock.now_ms();
  fact.outputs = data_facts(one, locked.outs, repository_.root());
  TRY(keep(services_.facts.restored(fact)));
  TRY(record(step, std::move(locked), remember));
  ran(step);
  return {};
}

Result<data::PathsLock> Engine::claim(const Step& step) {
  std::vector<fs::path> reads, writes;
  for (const StepDep& dep : step.deps) reads.push_back(dep.absolute);
  for (const StepParams& source : step.params) reads.push_back(source.absolute);
  for (const StepOut& out : step.outs) writes.push_back(out.absolute);
  return repository_.lock_paths(options_.command_line, reads, writes);
}

/// Waits for what a killed run may have left running of this stage.
Result<StageLock> Engine::take_stage_lock(const std::string& stage_id, const std::string& name) {
  fs::path state = TRY(repository_.state_folder());
  Time until = steady_clock::now() + kLeftoverWaitMax;
  bool told = false;
  while (true) {
    std::optional<StageLock> lock = TRY(StageLock::try_take(state, stage_id));
    if (lock) return std::move(*lock);
    if (steady_clock::now() > until) {
      return with_tag(busy("stage '" + name + "' is being run by another process"), "locked");
    }
    if (!told) services_.observer.note({Note::Kind::kWaiting, name, {}, {}, false});
    told = true;
    std::this_thread::sleep_for(kPause);
  }
}

Result<> Engine::refuse_tracked(const Step& step) {
  if (!tracked_) {
    std::vector<fs::path> outs;
    for (std::size_t i : plan_) {
      for (const StepOut& out : steps_.all()[i].outs) {
        if (out.cache) outs.push_back(out.absolute);
      }
    }
    tracked_ = TRY(repository_.tracked_by_git(outs));
  }
  for (const StepOut& out : step.outs) {
    if (!out.cache || !tracked_->contains(out.absolute)) continue;
    std::string name = shown(out.absolute);
    return with_tag(
        conflict(
            " output '" + name +
            "' is already tracked by SCM (e.g. Git).\n    You can remove it from Git, then "
            "add to DVC.\n        To stop tracking from Git:\n            git rm -r --cached '" +
            name + "'\n            git commit -m \"stop tracking " + name + "\" "),
        "tracked_by_git");
  }
  return {};
}

Result<> Engine::launch(std::size_t step, const data::LockedStage* inputs) {
  const Step& one = steps_.all()[step];
  data::PathsLock claimed = TRY(claim(one));
  StageLock lock = TRY(take_stage_lock(one.id, one.name));
  for (const StepOut& out : one.outs) {
    if (out.persist)
      TRY(repository_.unprotect(out.absolute));
    else
      TRY(repository_.remove(out.absolute));
  }
  AttemptStarted fact;
  fact.id = uuid7(services_.clock.now_ms());
  fact.inputs = TRY(input_facts(one, inputs));
  fact.environment = environments_.describe(commands_of(one.stage), one.folder,
                                            seeds_in(fact.inputs.params.description));
  fact.host = host_name();
  fact.started_ms = services_.clock.now_ms();
  fs::path state = TRY(repository_.state_folder());
  AttemptFolder folder =
      TRY(AttemptFolder::create(state, fact.id, one.id, fact.inputs.stage, fact.inputs.pipeline));
  TRY(keep(services_.facts.started(fact)));
  note(Note::Kind::kRunning, one);
  std::vector<LineRelay> relays;
  if (options_.jobs > 1) {
    relays.push_back(TRY(LineRelay::open("[" + one.name + "] ", options_.output)));
    relays.push_back(TRY(LineRelay::open("[" + one.name + "] ", options_.error)));
  }
  proc::Attempt attempt = TRY(spawn(one, fact.id, folder, relays, lock));
  for (LineRelay& relay : relays) relay.close_end();
  running_.push_back({step, fact.id, std::move(attempt), std::move(claimed), std::move(folder),
                      std::move(relays)});
  states_[step] = State::kRunning;
  hand_over_at_ = std::min(hand_over_at_, steady_clock::now() + kHandOverFirst);
  return {};
}

/// After the stage's own commands, where a Python ran them: the models that it logged are asked.
Result<> Engine::add_golden(const Step& step, const std::map<std::string, std::string>& variables,
                            proc::Request& request) const {
  const std::string_view helper =
      services_.tracking != nullptr ? services_.tracking->golden_helper() : std::string_view();
  if (helper.empty()) return {};
  const std::optional<GoldenWish> wish = TRY(golden_wish(step));
  if (!wish) return {};
  const auto path = variables.find("PATH");
  std::optional<fs::path> python;
  for (const std::string& command : commands_of(step.stage)) {
    const PythonFound found =
        python_of(command, step.folder, path == variables.end() ? "" : path->second);
    if (found.python) python = found.python;
  }
  if (!python) return {};
  std::vector<std::string> words = {python->string(), "-B", "-c", std::string(helper),
                                    "--after-stage"};
  if (!wish->target.empty()) words.insert(words.end(), {"--target", wish->target});
  for (const fs::path& place : wish->places) words.push_back(place.string());
  request.commands.push_back({std::move(words), ""});
  return {};
}

Result<proc::Attempt> Engine::spawn(const Step& step, const std::string& id,
                                    const AttemptFolder& folder,
                                    const std::vector<LineRelay>& relays, const StageLock& lock) {
  std::map<std::string, std::string> variables = services_.variables;
  variables.emplace("DVC_ROOT", repository_.root().string());
  variables["DVC_STAGE"] = step.name;
  if (services_.tracking != nullptr) {
    std::string url = TRY(services_.tracking->url());  // another one when the server was lost
    std::string token = TRY(services_.tracking->token(id));
    const std::string chosen = chosen_server(variables, url);
    if (!chosen.empty() && services_.tracking->is_gone(chosen))
      variables.erase("MLFLOW_TRACKING_URI");
    for (auto& [name, value] : tracking_variables(variables, url, token, id, step.stage.name)) {
      variables[name] = value;
    }
  }
  proc::Request request;
  auto shell = variables.find("SHELL");
  for (const std::string& command : commands_of(step.stage)) {
    request.commands.push_back(
        {shell_arguments(command, shell == variables.end() ? "" : shell->second),
         "> " + command + "\n"});
  }
  TRY(add_golden(step, variables, request));
  variables.erase("SLIPWAY_ATTEMPT");
  for (const auto& [name, value] : variables) request.environment.push_back(name + "=" + value);
  request.environment.push_back(mark_of(id));
  request.folder = step.folder;
  request.record = folder.path;
  request.held = lock.fd();
  bool alone = relays.empty();
  request.input = alone ? options_.input : -1;
  request.output = alone ? options_.output : relays[0].end();
  request.error = alone ? options_.error : relays[1].end();
  return services_.spawner.run(request);
}

/// Whether its execution goes into the run cache: plain outputs that are kept nowhere can't be
/// brought back; uncached metrics and plots are kept for it.
bool Engine::is_remembered(const Step& step) const {
  auto is_lost = [](const StepOut& out) {
    return !out.cache && out.kind == project::OutputKind::kOut;
  };
  return !options_.no_commit && is_rememberable(step, repository_.root()) &&
         std::none_of(step.outs.begin(), step.outs.end(), is_lost);
}

/// The step is what `locked` says; dvc.lock will say so with the next commit.
Result<> Engine::record(std::size_t step, data::LockedStage locked, bool remember) {
  Step& one = steps_.all()[step];
  if (finished_.empty()) finished_since_ = steady_clock::now();
  one.fill(&locked);
  finished_.push_back({step, std::move(locked), remember});
  return {};
}

/// Passes on what became of a fact: work without evidence is not done.
Result<> Engine::keep(Result<> kept) {
  if (!kept.ok()) broken_ = kept.error();
  return kept;
}

Result<InputFacts> Engine::input_facts(const Step& step, const data::LockedStage* inputs) {
  InputFacts facts;
  facts.commit = TRY(commit_.now());
  facts.stage = step.stage.name;
  facts.pipeline = data::shown(step.file, repository_.root());
  if (step.stage.is_command_list) {
    wire::Json::Array list;
    for (const std::string& command : step.stage.commands) list.emplace_back(command);
    facts.command = std::move(list);
  } else if (!step.stage.commands.empty()) {
    facts.command = step.stage.commands[0];
  }
  if (inputs == nullptr) return facts;
  facts.data = data_facts(step, inputs->deps, repository_.root());
  facts.params = described(params_json(*inputs));
  return facts;
}

// --- waiting for commands ---

Result<> Engine::wait() {
  lock_.reset();
  std::vector<pollfd> waited;
  if (options_.interrupts >= 0) waited.push_back({options_.interrupts, POLLIN, 0});
  for (const Running& running : running_) {
    waited.push_back({running.attempt.fd(), POLLIN, 0});
    for (const LineRelay& relay : running.relays) waited.push_back({relay.fd(), POLLIN, 0});
  }
  Time until = std::min({hand_over_at_, ask_again_at_, kill_at_});
  if (!finished_.empty()) until = std::min(until, finished_since_ + kCommitEvery);
  auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
  auto timeout =
      static_cast<int>(std::clamp<std::int64_t>(left.count() + 1, 0, kHandOverEvery.count()));
  if (poll(waited.data(), waited.size(), timeout) < 0 && errno != EINTR) {
    return system_error("cannot wait for commands", errno);
  }
  take_interrupts();
  press_on();
  for (auto running = running_.begin(); running != running_.end();) {
    for (LineRelay& relay : running->relays) relay.pump();
    std::optional<proc::Outcome> outcome = TRY(running->attempt.take());
    auto current = running++;
    if (!outcome) continue;
    for (LineRelay& relay : current->relays) relay.finish();
    TRY(regain_lock());
    TRY(take_over(*current, *outcome));
    running_.erase(current);
  }
  TRY(commit_if_due());
  hand_over_if_due();
  return {};
}

/// Without the project's lock: it may take as long as a server that does not answer.
void Engine::hand_over_if_due() {
  if (running_.empty() || steady_clock::now() < hand_over_at_) return;
  lock_.reset();
  services_.facts.hand_over();
  hand_over_at_ = steady_clock::now() + kHandOverEvery;
}

Result<> Engine::regain_lock() {
  for (int tries = 1; !lock_; ++tries) {
    Result<data::RepositoryLock> lock = repository_.lock();
    if (lock.ok())
      lock_.emplace(std::move(*lock));
    else if (lock.error().tag != "locked" || tries == kLockTriesMax)
      return lock.error();
  }
  return {};
}

std::string Engine::reason_of(const Step& step, const proc::Outcome& outcome) const {
  std::vector<std::string> commands = commands_of(step.stage);
  std::string command = outcome.command < commands.size() ? commands[outcome.command] : "";
  std::string failed = "failed to run: " + command;
  switch (outcome.kind) {
    case proc::Outcome::Kind::kExited:
      return failed + ", exited with " + std::to_string(outcome.code);
    case proc::Outcome::Kind::kSignaled:
      if (options_.signals_as_codes)
        return failed + ", exited with -" + std::to_string(outcome.signal);
      return failed + ", killed by signal " + std::to_string(outcome.signal) + " (" +
             strsignal(outcome.signal) + ")";
    case proc::Outcome::Kind::kNotStarted:
    case proc::Outcome::Kind::kLost:
      return failed + ": " + outcome.message;
  }
  return failed;
}

AttemptEnded Engine::ended_fact(const Running& running, const proc::Outcome& outcome) const {
  const Step& step = steps_.all()[running.step];
  AttemptEnded fact;
  fact.id = running.id;
  fact.stage = step.stage.name;
  fact.pipeline = data::shown(step.file, repository_.root());
  bool stopped = outcome.cancelled || (interrupts_ > 0 && !outcome.ok());
  fact.state = stopped ? AttemptEnded::State::kCancelled : AttemptEnded::State::kFailed;
  if (outcome.kind == proc::Outcome::Kind::kLost) fact.state = AttemptEnded::State::kLost;
  fact.exit_code = outcome.code;
  fact.signal = outcome.signal;
  fact.ended_ms = outcome.ended_ms != 0 ? outcome.ended_ms : services_.clock.now_ms();
  fact.cpu_us = outcome.cpu_us;
  fact.memory_max_kb = outcome.memory_max_kb;
  return fact;
}

/// An attempt is over, whichever way.
Result<> Engine::take_over(Running& running, const proc::Outcome& outcome) {
  if (outcome.kind == proc::Outcome::Kind::kLost) {
    TRY(proc::end_marked(mark_of(running.id), kLeftoverGrace));
  }
  params_ = ParamsFiles();  // a command may have written them
  done_folders_.push_back(running.folder);
  std::string reason;
  if (outcome.ok() && !outcome.cancelled) {
    Result<> done = finish_success(running, outcome);
    if (done.ok()) return {};
    if (broken_) return *broken_;
    reason = done.error().message;
  } else {
    reason = reason_of(steps_.all()[running.step], outcome);
  }
  AttemptEnded fact = ended_fact(running, outcome);
  fact.message = reason;
  TRY(services_.facts.ended(fact));
  fail(running.step, reason);
  return {};
}

Result<> Engine::finish_success(Running& running, const proc::Outcome& outcome) {
  const Step& step = steps_.all()[running.step];
  data::LockedStage locked = TRY(inputs_now(repository_, step, params_, options_.from));
  TRY(refuse_tracked(step));
  bool remember = is_remembered(step);
  SaveOptions save{!options_.no_commit, true, remember, options_.allow_missing};
  TRY(save_outs(repository_, step, locked, save, options_.from));
  AttemptEnded fact = ended_fact(running, outcome);
  fact.state = AttemptEnded::State::kSucceeded;
  fact.outputs = data_facts(step, locked.outs, repository_.root());
  TRY(keep(services_.facts.ended(fact)));
  TRY(record(running.step, std::move(locked), remember));
  ran(running.step);
  return {};
}

void Engine::take_interrupts() {
  if (options_.interrupts < 0) return;
  pollfd waited{options_.interrupts, POLLIN, 0};
  while (poll(&waited, 1, 0) > 0) {
    signalfd_siginfo info{};
    if (read(options_.interrupts, &info, sizeof(info)) <= 0) return;
    stopped_ = true;
    result_.interrupted = true;
    if (interrupts_++ == 0)
      ask_to_end();
    else
      kill_running();
  }
}

void Engine::ask_to_end() {
  const auto limit = options_.interrupt_grace;
  const std::string seconds =
      std::to_string(std::chrono::duration_cast<std::chrono::seconds>(limit).count());
  services_.observer.note({Note::Kind::kInterrupted, {}, seconds, {}, false});
  signal_running(SIGINT);
  kill_at_ = steady_clock::now() + limit;
  ask_again_at_ = kill_at_ - std::chrono::duration_cast<Time::duration>(limit * (1 - kAskAgainAt));
}

/// Of commands that were asked to end, and may not heed that.
void Engine::press_on() {
  const Time now = steady_clock::now();
  if (now >= kill_at_) return kill_running();
  if (now < ask_again_at_) return;
  ask_again_at_ = Time::max();
  signal_running(SIGTERM);
}

void Engine::signal_running(int number) {
  // A command that is gone already has its outcome on the way.
  for (Running& running : running_) static_cast<void>(running.attempt.signal(number).ok());
}

void Engine::kill_running() {
  ask_again_at_ = kill_at_ = Time::max();
  std::vector<std::string> names;
  for (Running& running : running_) {
    names.push_back(steps_.all()[running.step].name);
    static_cast<void>(running.attempt.kill().ok());
  }
  if (names.empty()) return;
  services_.observer.note({Note::Kind::kKilled, {}, quoted_names(names), {}, false});
}

// --- durable ---

Result<> Engine::commit_if_due() {
  if (finished_.empty() || steady_clock::now() - finished_since_ < kCommitEvery) return {};
  return commit();
}

/// Objects, then what may name them, then facts, then what lets others skip the stage, dvc.lock
/// last: in this order a cut at any place leaves nothing that points to what is not there.
Result<> Engine::commit() {
  if (finished_.empty() && done_folders_.empty()) return {};
  TRY(regain_lock());
  TRY(repository_.sync());
  TRY(ignore_outs());
  TRY(services_.facts.flush());
  for (Finished& finished : finished_) {
    const Step& step = steps_.all()[finished.step];
    if (finished.remember) TRY(run_cache_.save(finished.locked));
    lock_files_.put(step.file, step.stage.name, std::move(finished.locked),
                    position_[finished.step]);
  }
  finished_.clear();
  for (LockFiles::Written& written : TRY(lock_files_.write(repository_.scratch()))) {
    files_.insert(written.file);
    bool is_told = std::any_of(untold_.begin(), untold_.end(), [&](const LockFiles::Written& one) {
      return one.file == written.file;
    });
    if (!is_told) untold_.push_back(std::move(written));
  }
  for (const AttemptFolder& folder : done_folders_) folder.remove();
  done_folders_.clear();
  return {};
}

void Engine::tell_lock_files() {
  std::vector<LockFiles::Written> told;
  told.swap(untold_);
  for (const LockFiles::Written& written : told) {
    Note::Kind kind = written.is_new ? Note::Kind::kNewLockFile : Note::Kind::kLockFile;
    services_.observer.note({kind, {}, shown(written.file), {}, false});
  }
}

/// All at once; when that can't be, each stage for itself, and one whose outputs can't be ignored
/// has failed.
Result<> Engine::ignore_outs() {
  if (ignore_outs_of(finished_).ok()) return {};
  std::vector<Finished> good;
  for (Finished& finished : finished_) {
    std::vector<Finished> alone;
    alone.push_back(std::move(finished));
    Result<> done = ignore_outs_of(alone);
    if (done.ok())
      good.push_back(std::move(alone.front()));
    else
      fail_late(alone.front().step, done.error().message);
  }
  finished_ = std::move(good);
  return {};
}

Result<> Engine::ignore_outs_of(const std::vector<Finished>& finished) {
  std::map<OutPlace, fs::path> outs;  // in the order of the plan, whichever ended first
  for (const Finished& one : finished) {
    std::size_t index = 0;
    for (const StepOut& out : steps_.all()[one.step].outs) {
      if (out.cache) outs[{position_[one.step], index++}] = out.absolute;
    }
  }
  std::vector<data::Repository::IgnoreLine> lines;
  for (const auto& [place, path] : outs) {
    lines.push_back({path});
    for (auto later = ignored_.upper_bound(place); later != ignored_.end(); ++later)
      lines.back().before.push_back(later->second);
  }
  data::Repository::Ignored done = TRY(repository_.ignore_all(lines));
  files_.insert(done.files.begin(), done.files.end());
  std::set<fs::path> is_new(done.paths.begin(), done.paths.end());
  for (const auto& [place, path] : outs) {
    if (is_new.contains(path)) ignored_[place] = path;
  }
  return {};
}

/// Of a stage that counted as done, and that others may have gone on from.
void Engine::fail_late(std::size_t step, const std::string& reason) {
  const Step& failed = steps_.all()[step];
  std::erase(result_.ran, failed.name);
  if (options_.on_error == OnError::kIgnore) {
    note(Note::Kind::kFailed, failed, reason + " (ignored)");
    return;
  }
  result_.failures.push_back({failed.name, reason});
  if (options_.on_error == OnError::kStop) stopped_ = true;
}

/// Ends what a killed run left behind: waits until nothing of it lives, and says what became of it.
Result<> Engine::recover() {
  fs::path state = repository_.root() / ".slipway";
  for (const LeftAttempt& left : TRY(left_attempts(state))) TRY(recover(left));
  return commit();
}

Result<> Engine::recover(const LeftAttempt& left) {
  Result<proc::Attempt> attempt = proc::adopt(left.folder.path);
  std::optional<proc::Outcome> outcome;
  if (attempt.ok() && !(outcome = TRY(attempt->take()))) {
    services_.observer.note({Note::Kind::kWaiting, left.stage, {}, {}, false});
    outcome = TRY(attempt->wait_for(kLeftoverWaitMax));
  }
  if (attempt.ok() && !outcome) {
    return with_tag(busy("stage '" + left.stage + "' still runs, left by an earlier run"),
                    "locked");
  }
  bool is_watched = outcome && outcome->kind != proc::Outcome::Kind::kLost;
  if (!is_watched) TRY(proc::end_marked(mark_of(left.id), kLeftoverGrace));
  done_folders_.push_back(left.folder);
  if (left.stage_id.empty()) return {};
  TRY(take_stage_lock(left.stage_id, left.stage));
  // It may have been about to start a moment ago.
  if (!outcome && (attempt = proc::adopt(left.folder.path)).ok()) outcome = TRY(attempt->take());
  return services_.facts.ended(left_fact(left, outcome, services_.clock.now_ms()));
}

Result<ReproResult> Engine::run() {
  lock_.emplace(TRY(repository_.lock()));
  repository_.sync_later();
  TRY(prepare());
  if (!options_.dry) TRY(recover());
  while (true) {
    while (can_start()) TRY(start_next());
    if (running_.empty()) break;
    TRY(wait());
    TRY(regain_lock());
  }
  if (options_.dry) return std::move(result_);
  TRY(commit());
  tell_lock_files();
  repository_.flush();
  result_.files.assign(files_.begin(), files_.end());
  result_.staged = TRY(repository_.autostage(result_.files));
  return std::move(result_);
}

}  // namespace slipway::flows
