#include "domain/flows/runs_work.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <ostream>
#include <thread>

#include "base/file.h"
#include "base/text.h"
#include "domain/data/commands.h"
#include "io/git/git.h"
#include "io/yaml/yaml.h"

namespace slipway::flows {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;
using std::chrono::steady_clock;
using wire::Json;

// --- the files ---

constexpr const char* kKinds[] = {"done",      "nothing_new", "failed",
                                  "cancelled", "timed_out",   "lost"};

std::string text_of(const Json& json, const char* key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}
std::int64_t number_of(const Json& json, const char* key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_integer() ? value->as_int64() : 0;
}

Result<Json> read_object(const fs::path& file) {
  constexpr std::uint64_t kBytesMax = 8u << 20;
  Json json = TRY(wire::parse(TRY(read_file(file, kBytesMax))));
  if (!json.is_object()) return invalid(file.string() + " is no JSON object");
  return json;
}

// --- git ---

Result<std::string> git_in(const fs::path& folder, std::vector<std::string> arguments) {
  const std::string what = arguments.front();
  git::Outcome outcome = TRY(git::run(folder, arguments));
  if (outcome.status == 0) return std::string(trim(outcome.out));
  return unavailable("git " + what + " failed: " + std::string(trim(outcome.err)));
}

/// The commit that `name` means; kInvalid when there is none.
Result<std::string> commit_at(const fs::path& root, const std::string& name) {
  git::Outcome outcome = TRY(
      git::run(root, {"rev-parse", "--verify", "--quiet", "--end-of-options", name + "^{commit}"}));
  if (outcome.status != 0) return invalid("there is no commit " + name + " in " + root.string());
  return std::string(trim(outcome.out));
}

Result<std::string> commit_of(const fs::path& root, const RunPlan& plan) {
  if (!plan.commit.empty()) return commit_at(root, plan.commit);
  if (plan.branch.empty()) return commit_at(root, "HEAD");
  return commit_at(root, "refs/heads/" + plan.branch);
}

/// As in RFC 3339 with a zone, so that git takes it as it is.
void date_commits(UnixMs now_ms) {
  constexpr std::int64_t kSecond = 1000;
  const std::string date = std::to_string(now_ms / kSecond) + " +0000";
  setenv("GIT_AUTHOR_DATE", date.c_str(), 1);
  setenv("GIT_COMMITTER_DATE", date.c_str(), 1);
}

// --- the work tree ---

/// Where things are during the work.
struct Place {
  fs::path top;      // of the project's repository
  fs::path project;  // the same folder as the project, in the private tree
  std::string commit;
};

Result<> share_cache(const fs::path& project, const fs::path& cache) {
  const fs::path dvc = project / ".dvc";
  std::error_code failure;
  const bool is_new = fs::create_directories(dvc, failure);
  if (failure) return system_error("cannot make " + dvc.string(), failure.value());
  // A project whose .dvc is in no commit has no .gitignore in it either.
  if (is_new) TRY(write_file_quick(dvc / ".gitignore", "*\n"));
  return write_file_quick(dvc / "config.local", "[cache]\n    dir = " + cache.string() + "\n");
}

/// What the commit has of versioned data, as far as the cache has it.
Result<> check_out_data(const fs::path& project) {
  data::Repository repository = TRY(data::Repository::open(project));
  data::CheckoutRequest request;
  request.from = project;
  request.force = true;
  request.allow_missing = true;
  TRY(data::checkout(repository, request));
  return {};
}

Result<> remove_files(const RunFolder& folder) {
  std::error_code failure;
  fs::remove(folder.path / "ready", failure);
  fs::remove_all(folder.tree(), failure);
  if (failure) return system_error("cannot remove " + folder.tree().string(), failure.value());
  return {};
}

/// Nobody else makes or forgets a tree meanwhile.
Result<> check_out(const RunFolder& folder, const git::WorkTree& git, const Place& place,
                   const fs::path& cache) {
  constexpr std::chrono::minutes kWaitMax{10};
  TRY(remove_files(folder));
  const std::optional<Fd> alone = TRY(git.lock_trees(kWaitMax));
  if (!alone) {
    return unavailable("others have made work trees of " + place.top.string() +
                       " for ten minutes without a pause");
  }
  TRY(git_in(place.top, {"worktree", "prune"}));
  TRY(git_in(place.top, {"worktree", "add", "--detach", "--force", "--quiet",
                         folder.tree().string(), place.commit}));
  return share_cache(place.project, cache);
}

bool is_inside(const std::string& relative) {
  const fs::path path = fs::path(relative).lexically_normal();
  if (path.empty() || path.is_absolute()) return false;
  return *path.begin() != "..";
}

/// A place of the work tree to write a file at: no link of it leads out, and nothing is there.
Result<fs::path> place_for(const fs::path& project, const std::string& relative) {
  if (!is_inside(relative)) return invalid("\"" + relative + "\" is no path in the project");
  const fs::path file = (project / relative).lexically_normal();
  std::error_code failure;
  fs::create_directories(file.parent_path(), failure);
  const fs::path folder = fs::canonical(file.parent_path(), failure);
  const fs::path root = fs::canonical(project, failure);
  const auto [end, ignored] = std::mismatch(root.begin(), root.end(), folder.begin(), folder.end());
  if (failure || end != root.end()) {
    return invalid("\"" + relative + "\" leads out of the project");
  }
  return file;
}

Result<> write_params(const fs::path& project, const RunPlan& plan) {
  std::map<std::string, std::vector<ParamInput>> files;
  for (const ParamInput& input : plan.params) files[input.file].push_back(input);
  for (const auto& [name, inputs] : files) {
    const fs::path file = TRY(place_for(project, name));
    Result<std::string> before = read_file(file, 16u << 20);
    if (!before.ok() && before.error().code != Code::kMissing) return before.error();
    const std::string text = before.ok() ? *before : std::string();
    const std::string after = TRY(with_values(text, name, inputs));
    if (after != text) TRY(write_file_quick(file, after));
  }
  return {};
}

bool is_record(const RunPlan::Data& data) {
  return data.to.ends_with(".dvc");
}

/// A file of the person's folder that git tracks stays in git, and so in the run's commit.
Result<bool> stays_in_git(const data::Repository& repository, const RunPlan::Data& data,
                          const fs::path& file) {
  if (is_record(data)) return true;
  if (data.from != kFromProject) return false;
  return !TRY(repository.tracked_by_git({file})).empty();
}

/// So that the run's commit says which version it worked with, as after `slipway add`. Data that a
/// stage makes, or that lies in a folder that is tracked, `repro` itself records.
Result<> record_version(data::Repository& repository, const fs::path& project,
                        const std::string& to) {
  Result<data::Added> added = data::add(repository, {{to}, project});
  if (!added.ok() && added.error().tag == "tracked_by_git") {
    // What was deployed and came back never goes into git, though an empty table stood there.
    TRY(git_in(project, {"--literal-pathspecs", "rm", "-r", "--cached", "--quiet", "--", to}));
    added = data::add(repository, {{to}, project});
  }
  if (added.ok()) return {};
  const std::string& tag = added.error().tag;
  if (tag == "pipeline_output" || tag.starts_with("overlap") || tag == "no_output") return {};
  return added.error();
}

/// Lets the tree have the version that was drawn. Whatever was there is replaced, and not written
/// through where it is a link into the cache.
Result<> place_one(data::Repository& repository, const fs::path& project,
                   const RunPlan::Data& data) {
  const fs::path file = TRY(place_for(project, data.to));
  data::Version version;
  version.md5 = data.md5;
  version.size = data.size;
  if (data.nfiles >= 0) version.nfiles = data.nfiles;
  version.is_executable = access(file.c_str(), X_OK) == 0;  // as before
  const bool in_git = TRY(stays_in_git(repository, data, file));
  TRY(repository.checkout(file, version, {.force = true}));
  return in_git ? repository.unprotect(file) : record_version(repository, project, data.to);
}

/// The .dvc files among what was drawn, or all the rest.
Result<> place_drawn(const fs::path& project, const RunPlan& plan, bool records) {
  data::Repository repository = TRY(data::Repository::open(project));
  for (const RunPlan::Data& data : plan.data)
    if (is_record(data) == records) TRY(place_one(repository, project, data));
  return {};
}

/// Files beside drawn data that the run's commit has besides: what says its version, and that git
/// is to leave it alone.
std::vector<std::string> records_of(const fs::path& project, const RunPlan& plan) {
  std::vector<std::string> files;
  std::error_code ignored;
  for (const RunPlan::Data& data : plan.data) {
    const fs::path record = is_record(data) ? data.to : data.to + ".dvc";
    for (const fs::path& file : {record, fs::path(data.to).parent_path() / ".gitignore"})
      if (fs::exists(project / record, ignored) && fs::exists(project / file, ignored))
        files.push_back(file.string());
  }
  return files;
}

/// The tree as the run needs it; one that is ready already stays.
Result<Place> prepare(const RunFolder& folder, const RunRequest& request) {
  std::optional<git::WorkTree> git = git::WorkTree::find(request.project);
  if (!git) {
    return invalid("the project at " + request.project.string() +
                   " is in no git repository; a run needs a commit to work at");
  }
  Place place;
  place.top = git->root();
  const fs::path below = request.project.lexically_relative(place.top);
  place.project = below == "." ? folder.tree() : folder.tree() / below;
  const fs::path ready = folder.path / "ready";
  Result<std::string> known = read_file(ready, 4096);
  if (known.ok()) {
    place.commit = std::string(trim(*known));
    return place;
  }
  place.commit = TRY(commit_of(place.top, request.plan));
  fs::path cache = request.project / ".dvc" / "cache";
  if (Result<data::Repository> main = data::Repository::open(request.project); main.ok())
    cache = main->config().cache_folder;
  TRY(check_out(folder, *git, place, cache));
  TRY(write_params(place.project, request.plan));
  TRY(place_drawn(place.project, request.plan, /*records=*/true));
  TRY(check_out_data(place.project));
  TRY(place_drawn(place.project, request.plan, /*records=*/false));
  TRY(write_file_quick(ready, place.commit + "\n"));
  return place;
}

// --- what came out ---

/// A commit of everything that git tracks there, of dvc.lock and what else the stages' files are,
/// under a reference of the run's own.
Result<std::string> keep(const RunRequest& request, const Place& place,
                         const std::vector<fs::path>& written) {
  date_commits(request.now_ms);
  TRY(git_in(place.project, {"add", "--update", "--", "."}));
  std::vector<std::string> add = {"--literal-pathspecs", "add", "--"};
  std::error_code ignored;
  for (const fs::path& file : written)
    if (fs::exists(file, ignored)) add.push_back(file.string());
  if (add.size() > 3) TRY(git_in(place.project, add));
  std::vector<std::string> records = {"--literal-pathspecs", "add", "--force", "--"};
  for (std::string& file : records_of(place.project, request.plan))
    records.push_back(std::move(file));
  if (records.size() > 4) TRY(git_in(place.project, records));
  const std::string tree = TRY(git_in(place.project, {"write-tree"}));
  const std::string commit = TRY(
      git_in(place.project, {"-c", "user.name=slipway", "-c", "user.email=slipway@localhost",
                             "commit-tree", tree, "-p", place.commit, "-m", "run " + request.run}));
  const std::string ref = "refs/slipway/runs/" + request.run;
  TRY(git_in(place.project, {"update-ref", ref, commit}));
  return ref;
}

/// Facts on their way, with the run they are part of; and whether anything was executed at all, in
/// whichever attempt of the run.
class RunFacts final : public FactSink {
 public:
  RunFacts(FactSink& to, const RunFolder& folder, std::string run)
      : to_(to), mark_(folder.path / "executed"), run_(std::move(run)) {}

  Result<> started(const AttemptStarted& fact) override {
    TRY(write_file_quick(mark_, ""));
    AttemptStarted with_run = fact;
    with_run.pipeline_run = run_;
    return to_.started(with_run);
  }
  Result<> ended(const AttemptEnded& fact) override { return to_.ended(fact); }
  Result<> restored(const StageRestored& fact) override { return to_.restored(fact); }
  Result<> flush() override { return to_.flush(); }
  void hand_over() override { to_.hand_over(); }

  bool has_executed() const {
    std::error_code ignored;
    return fs::exists(mark_, ignored);
  }

 private:
  FactSink& to_;
  fs::path mark_;
  std::string run_;
};

/// Asks this process to stop once the time is over, and again after a while. It measures with a
/// clock that never jumps.
class TimeLimit {
 public:
  explicit TimeLimit(std::int64_t limit_ms) {
    if (limit_ms > 0) thread_ = std::thread([this, limit_ms] { run(milliseconds(limit_ms)); });
  }
  ~TimeLimit() {
    {
      std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }
  bool is_reached() const { return reached_; }

 private:
  void run(milliseconds span) {
    constexpr milliseconds kAgain{10'000};
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, span, [this] { return over_; })) {
      reached_ = true;
      kill(getpid(), SIGTERM);
      span = kAgain;
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool over_ = false;
  std::atomic<bool> reached_{false};
  std::thread thread_;
};

RunOutcome failed(const Error& error) {
  RunOutcome outcome;
  outcome.kind = RunOutcome::Kind::kFailed;
  outcome.reason = error.message;
  outcome.permanent = error.code == Code::kInvalid || error.code == Code::kMissing;
  // Something around it was away: the server, the disk, another program.
  if (error.code == Code::kUnavailable) outcome.kind = RunOutcome::Kind::kLost;
  return outcome;
}

RunOutcome outcome_of(const ReproResult& result, bool executed, const TimeLimit& limit,
                      std::int64_t limit_ms) {
  using Kind = RunOutcome::Kind;
  RunOutcome outcome;
  outcome.kind = executed ? Kind::kDone : Kind::kNothingNew;
  outcome.reason = result.message();
  if (result.ok()) return outcome;
  outcome.kind = Kind::kFailed;
  for (const StageFailure& failure : result.failures)
    outcome.failed_stages.push_back(failure.stage);
  if (result.failures.size() == 1)
    outcome.reason = result.failures[0].stage + ": " + result.failures[0].reason;
  if (result.interrupted) outcome.kind = Kind::kCancelled;
  if (limit.is_reached()) {
    outcome.kind = Kind::kTimedOut;
    outcome.reason = "took longer than " + project::to_text(project::Span(limit_ms));
  }
  return outcome;
}

Result<RunOutcome> attempt(const RunFolder& folder, const RunRequest& request,
                           const WorkServices& services) {
  Interrupts interrupts = TRY(Interrupts::open());
  TimeLimit limit(request.timeout_ms);
  const Place place = TRY(prepare(folder, request));
  data::Repository repository = TRY(data::Repository::open(place.project));
  // A folder above has a project too: the person's.
  std::error_code failure;
  if (!fs::equivalent(repository.root(), place.project, failure)) {
    return invalid("the commit " + place.commit + " has no project in it");
  }
  ReproOptions options;
  options.targets = request.plan.stages;
  options.from = place.project;
  options.interrupts = interrupts.fd();
  options.command_line = "slipway run " + request.plan.pipeline;
  RunFacts facts(services.facts, folder, request.run);
  ReproServices repro_services{services.spawner,  services.clock,    facts,
                               services.observer, services.tracking, services.variables};
  repro_services.variables["SLIPWAY_RUN"] = request.run;
  const ReproResult result = TRY(repro(repository, options, repro_services));
  RunOutcome outcome = outcome_of(result, facts.has_executed(), limit, request.plan.timeout_ms);
  outcome.commit = place.commit;
  if (outcome.kind != RunOutcome::Kind::kNothingNew)
    outcome.ref = TRY(keep(request, place, result.files));
  return outcome;
}

// --- values in YAML ---

/// A text that every reader of YAML takes for one, the older ones too: to them yes is true and 12:30
/// a number.
yaml::Node text_node(const std::string& value) {
  yaml::Node node = yaml::Node::string(value);
  node.quoted = yaml::resolve(value, yaml::Schema::kYaml11) != yaml::Type::kString;
  return node;
}

/// 017 is a postcode, and 1_000 a name: a number is written in one way.
bool is_as_written(const std::string& value, yaml::Type type) {
  if (value.find('_') != std::string::npos) return false;
  if (type != yaml::Type::kInteger) return true;
  const std::string_view digits = std::string_view(value).substr(value[0] == '-' ? 1 : 0);
  return digits.find_first_not_of("0123456789") == std::string_view::npos &&
         (digits == "0" || digits[0] != '0');
}

yaml::Node node_for(const std::string& value, const yaml::Node* before) {
  const yaml::Type type = yaml::resolve(value, yaml::Schema::kYaml12);
  const bool was_text = before != nullptr && before->is_string();
  const bool is_typed =
      type == yaml::Type::kInteger || type == yaml::Type::kFloat || type == yaml::Type::kBool;
  if (was_text || !is_typed || !is_as_written(value, type)) return text_node(value);
  yaml::Node node;
  node.type = type;
  node.text = value;
  return node;
}

Result<> set_value(yaml::Node& root, const std::string& name, const ParamInput& input) {
  yaml::Node* at = &root;
  const std::vector<std::string_view> parts = split(input.key, '.');
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    yaml::Node* next = at->find(parts[i]);
    if (next == nullptr || next->is_null())
      next = &at->set(std::string(parts[i]), yaml::Node::mapping());
    if (!next->is_mapping()) {
      return invalid("the parameter " + input.key + " lies in " + std::string(parts[i]) +
                     ", which is no map in " + name);
    }
    at = next;
  }
  const yaml::Node* before = at->find(parts.back());
  at->set(std::string(parts.back()), node_for(input.value, before));
  return {};
}

}  // namespace

Result<std::string> with_values(const std::string& text, const std::string& name,
                                const std::vector<ParamInput>& inputs) {
  const yaml::Node before = TRY(yaml::parse(text, name));
  yaml::Node after = before;
  if (after.is_null()) after = yaml::Node::mapping();
  if (!after.is_mapping()) return invalid(name + " is no map of parameters");
  for (const ParamInput& input : inputs) TRY(set_value(after, name, input));
  return yaml::edit(text, before, after);
}

Result<> write_request(const RunFolder& folder, const RunRequest& request) {
  Json json;
  json.set("run", request.run);
  json.set("attempt", request.attempt);
  json.set("plan", to_json(request.plan));
  json.set("project", request.project.string());
  json.set("state", request.state.string());
  json.set("timeout_ms", request.timeout_ms);
  json.set("now_ms", request.now_ms);
  std::error_code failure;
  fs::create_directories(folder.attempt(request.attempt), failure);
  if (failure) return system_error("cannot make " + folder.path.string(), failure.value());
  return write_file_quick(folder.request(), wire::dump(json));
}

Result<RunRequest> read_request(const RunFolder& folder) {
  const Json json = TRY(read_object(folder.request()));
  RunRequest request;
  request.run = text_of(json, "run");
  request.attempt = static_cast<int>(number_of(json, "attempt"));
  const Json* plan = json.find("plan");
  if (plan == nullptr || request.run.empty() || request.attempt < 1) {
    return invalid(folder.request().string() + " is not what a run is told");
  }
  request.plan = TRY(run_plan_from(*plan));
  request.project = text_of(json, "project");
  request.state = text_of(json, "state");
  request.timeout_ms = number_of(json, "timeout_ms");
  request.now_ms = number_of(json, "now_ms");
  return request;
}

Result<> write_outcome(const RunFolder& folder, int attempt_number, const RunOutcome& outcome) {
  Json json;
  json.set("kind", kKinds[static_cast<std::size_t>(outcome.kind)]);
  json.set("failed_stages",
           Json(Json::Array(outcome.failed_stages.begin(), outcome.failed_stages.end())));
  json.set("permanent", outcome.permanent);
  json.set("reason", outcome.reason);
  json.set("commit", outcome.commit);
  json.set("ref", outcome.ref);
  json.set("spent_ms", outcome.spent_ms);
  return write_file_atomic(folder.outcome(attempt_number), wire::dump(json));
}

Result<RunOutcome> read_outcome(const RunFolder& folder, int attempt_number) {
  const Json json = TRY(read_object(folder.outcome(attempt_number)));
  RunOutcome outcome;
  const auto kind = std::find(std::begin(kKinds), std::end(kKinds), text_of(json, "kind"));
  if (kind == std::end(kKinds)) return invalid("an outcome of an unknown kind");
  outcome.kind = static_cast<RunOutcome::Kind>(kind - std::begin(kKinds));
  if (const Json* stages = json.find("failed_stages"); stages != nullptr && stages->is_array()) {
    for (const Json& stage : stages->as_array())
      if (stage.is_string()) outcome.failed_stages.push_back(stage.as_string());
  }
  const Json* permanent = json.find("permanent");
  outcome.permanent = permanent != nullptr && permanent->is_bool() && permanent->as_bool();
  outcome.reason = text_of(json, "reason");
  outcome.commit = text_of(json, "commit");
  outcome.ref = text_of(json, "ref");
  outcome.spent_ms = number_of(json, "spent_ms");
  return outcome;
}

RunOutcome work(const RunFolder& folder, const RunRequest& request, const WorkServices& services) {
  const auto begun = steady_clock::now();
  Result<RunOutcome> done = attempt(folder, request, services);
  RunOutcome outcome = done.ok() ? std::move(*done) : failed(done.error());
  outcome.spent_ms = std::chrono::duration_cast<milliseconds>(steady_clock::now() - begun).count();
  return outcome;
}

Result<> remove_tree(const RunFolder& folder, const fs::path& project) {
  constexpr std::chrono::seconds kWaitMax{1};
  TRY(remove_files(folder));
  const std::optional<git::WorkTree> git = git::WorkTree::find(project);
  if (!git) return {};
  // Whoever makes the next one forgets this one, if there is no time for it now.
  const std::optional<Fd> alone = TRY(git->lock_trees(kWaitMax));
  if (alone) TRY(git_in(git->root(), {"worktree", "prune"}));
  return {};
}

}  // namespace slipway::flows
