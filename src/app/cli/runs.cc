#include <unistd.h>

#include <iostream>
#include <limits>

#include "app/app.h"
#include "app/catalogue.h"
#include "app/cli/catalogue.h"
#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/event_words.h"
#include "app/owner.h"
#include "app/project.h"
#include "app/reproduce.h"
#include "app/runs_api.h"
#include "app/state.h"
#include "app/workspace.h"
#include "base/log.h"
#include "base/text.h"
#include "domain/flows/run_folders.h"
#include "domain/flows/runs_store.h"
#include "domain/flows/runs_work.h"
#include "io/git/git.h"
#include "io/http/client.h"

namespace slipway::app {
namespace {

using wire::Json;

/// Asks the server; runs are its to make.
Result<Json> ask_server(const std::filesystem::path& state, const std::string& path,
                        const Json& body) {
  TRY(require_state(state));  // asking makes none
  return at_owner(
      state,
      []() -> Result<Json> {
        return unavailable(
            "no server runs for this project; `slipway up` starts one, and "
            "`slipway repro` runs stages without");
      },
      [&](const std::string& url, const std::string& secret) -> Result<Json> {
        http::Response response =
            TRY(post_to_owner(url + "/api/slipway/v1" + path, secret, wire::dump(body)));
        constexpr int kOk = 200, kCreated = 201;
        if (response.status == kOk || response.status == kCreated)
          return wire::parse(response.body);
        Error error = unavailable(message_of(response));
        if (response.status == http::status_of(Code::kMissing)) error.code = Code::kMissing;
        if (response.status == http::status_of(Code::kConflict)) error = with_tag(error, "refused");
        return error;
      });
}

std::string text(const Json& json, const char* key) {
  const Json* value = json.find(key);
  if (value == nullptr) return "";
  return value->is_string() ? value->as_string() : wire::dump(*value);
}

std::string time_text(const Json& json, const char* key) {
  const Json* value = json.find(key);
  const bool is_set = value != nullptr && value->is_integer() && value->as_int64() != 0;
  return is_set ? to_iso8601(value->as_int64()) : "";
}

std::string line_of(const Json& run) {
  std::string line = text(run, "id") + "  " + text(run, "state") + "  " + text(run, "pipeline");
  const std::string trigger = text(run, "trigger"), reason = text(run, "reason");
  line += "  " + time_text(run, "created_ms") + (trigger.empty() ? "" : "  by " + trigger);
  return line + (reason.empty() ? "" : "  (" + reason + ")");
}

std::string line_of_event(const Json& event) {
  std::string line = text(event, "seq") + "  " + text(event, "time") + "  " + text(event, "type") +
                     "  " + text(event, "subject");
  const Json* data = event.find("data");
  const std::string words = data != nullptr ? words_of_event(text(event, "type"), *data) : "";
  const std::string actor = text(event, "actor");
  if (!actor.empty() && actor != "slipway") line += "  by " + actor;
  return line + (words.empty() ? "" : "  (" + words + ")");
}

int show(const Result<Json>& shown, const Surroundings& surroundings,
         const std::function<void(const Json&, std::ostream&)>& as_text) {
  if (!shown.ok()) return report(shown.error(), surroundings);
  if (surroundings.json)
    surroundings.out << wire::dump(*shown) << "\n";
  else
    as_text(*shown, surroundings.out);
  return kDone;
}

int report_refusal(const Error& error, const Surroundings& surroundings) {
  const int code = report(error, surroundings);
  return error.tag == "refused" ? kAnswerIsNo : code;
}

// --- run ---

Result<Json> wish_of(const Arguments& arguments, const Surroundings& surroundings) {
  Json wish;
  wish.set("pipeline", arguments.positional.front());
  wish.set("actor", user_name());
  std::string commit = flag(arguments, "commit");
  if (commit.empty()) {
    std::optional<git::WorkTree> tree = git::WorkTree::find(surroundings.folder);
    if (tree) commit = TRY(tree->head()).value_or("");
  }
  wish.set("commit", commit);
  Json params = Json(Json::Object());
  std::vector<std::string> names;
  for (std::size_t i = 1; i < arguments.positional.size(); ++i) {
    const std::string& pair = arguments.positional[i];
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return with_tag(invalid("found '" + pair + "', expected KEY=VALUE"), "usage");
    params.set(pair.substr(0, equals), pair.substr(equals + 1));
    names.push_back(pair.substr(0, equals));
  }
  TRY(check_parameters(project_root(surroundings.folder), commit, names));
  wish.set("params", std::move(params));
  return wish;
}

/// Files of the work tree that are not as the commit has them, which a run does not see.
Json::Array uncommitted(const std::filesystem::path& folder) {
  Json::Array files;
  const Result<git::Outcome> listed =
      git::run(folder, {"diff", "--name-only", "--no-renames", "-z", "HEAD", "--"});
  if (!listed.ok() || listed->status != 0) return files;  // no git, no commit: the server says so
  for (std::string_view path : split(listed->out, '\0'))
    if (!path.empty()) files.emplace_back(std::string(path));
  return files;
}

void warn_of(const Json::Array& files, const std::string& commit, std::ostream& err) {
  constexpr std::size_t kShort = 8;
  const std::size_t more = files.size() - 1;
  err << "warning: " << files.front().as_string();
  if (more > 0) err << " and " << more << (more == 1 ? " more file" : " more files");
  err << (more > 0 ? " differ" : " differs") << " from commit " << commit.substr(0, kShort)
      << ", at which the run works; commit what it shall see\n";
}

int run_pipeline(const Arguments& arguments, const Surroundings& surroundings) {
  Result<Json> wish = wish_of(arguments, surroundings);
  if (!wish.ok()) return report(wish.error(), surroundings);
  Result<Json> run = ask_server(state_folder(arguments, surroundings), "/runs", *wish);
  if (!run.ok()) return report_refusal(run.error(), surroundings);
  if (flag(arguments, "commit").empty()) {
    const Json::Array files = uncommitted(surroundings.folder);
    if (!files.empty() && !surroundings.json)
      warn_of(files, text(*wish, "commit"), surroundings.err);
    run->set("uncommitted", files);
  }
  return show(run, surroundings, [](const Json& json, std::ostream& out) {
    out << "asked for run " << text(json, "id") << "; `slipway logs " << text(json, "id")
        << "` shows what it prints\n";
  });
}

int run_cancel(const Arguments& arguments, const Surroundings& surroundings) {
  Json body;
  body.set("actor", user_name());
  Result<Json> run =
      ask_server(state_folder(arguments, surroundings),
                 "/runs/" + http::percent_encode(arguments.positional.front()) + "/cancel", body);
  if (!run.ok()) return report_refusal(run.error(), surroundings);
  return show(run, surroundings, [](const Json& json, std::ostream& out) {
    out << (text(json, "state") == "cancelled" ? "cancelled " : "asked to end: ")
        << text(json, "id") << "\n";
  });
}

// --- looking ---

std::string path_of_run(const std::string& id) {
  return "/runs/" + http::percent_encode(id);
}

Result<int> limit_of(const Arguments& arguments) {
  constexpr std::int64_t kMost = 1000;
  const std::string given = flag(arguments, "limit", "20");
  const auto limit = to_int64(given);
  if (limit && *limit >= 1 && *limit <= kMost) return static_cast<int>(*limit);
  return with_tag(invalid("found --limit " + given + ", expected a number from 1 to 1000"),
                  "usage");
}

int run_runs(const Arguments& arguments, const Surroundings& surroundings) {
  if (is_tracked_verb(arguments)) return run_tracked(arguments, surroundings);
  if (arguments.positional.size() > 1) {
    return report(usage("found `runs " + arguments.positional.front() + " " +
                        arguments.positional[1] +
                        "`, expected a pipeline run alone, or best, show, export, delete, restore "
                        "or gc"),
                  surroundings);
  }
  if (!arguments.positional.empty()) {
    const std::string& id = arguments.positional.front();
    Result<Json> run = look(arguments, surroundings, path_of_run(id),
                            [&](db::Tx& tx) { return show_run(tx, id); });
    return show(run, surroundings, [](const Json& json, std::ostream& out) {
      out << line_of(json) << "\n";
      for (const char* key : {"commit", "ref"})
        if (!text(json, key).empty()) out << "  " << key << " " << text(json, key) << "\n";
      for (const Json& attempt : json.find("attempts_made")->as_array()) {
        out << "  attempt " << text(attempt, "number") << ": " << text(attempt, "state");
        if (!text(attempt, "reason").empty()) out << " (" << text(attempt, "reason") << ")";
        out << "\n";
      }
    });
  }
  Result<int> limit = limit_of(arguments);
  if (!limit.ok()) return report(limit.error(), surroundings);
  const std::string pipeline = flag(arguments, "pipeline");
  const std::string path =
      with_query("/runs", {{"pipeline", pipeline}, {"limit", std::to_string(*limit)}});
  Result<Json> runs = look(arguments, surroundings, path,
                           [&](db::Tx& tx) { return show_runs(tx, pipeline, *limit); });
  return show(runs, surroundings, [](const Json& json, std::ostream& out) {
    const Json::Array& list = json.find("runs")->as_array();
    for (const Json& run : list) out << line_of(run) << "\n";
    if (list.empty()) {
      out << "there was no pipeline run yet: `slipway run PIPELINE` asks for one, triggers do "
             "(runs "
             "that scripts logged with MLflow are on the page, under Experiments)\n";
    }
  });
}

/// From the folder of the run that `id` begins.
Result<std::string> log_here(const Arguments& arguments, const Surroundings& surroundings,
                             const std::string& id) {
  Metrics metrics;
  const auto pool = TRY(open_catalogue(arguments, surroundings, metrics));
  const flows::PipelineRun run =
      TRY(pool->read([&](db::Tx& tx) { return flows::run_by_prefix(tx, id); }));
  Result<std::string> log =
      read_file(flows::RunFolder::of(state_folder(arguments, surroundings), run.id).log());
  if (log.ok() || log.error().code != Code::kMissing) return log;
  if (run.ended_ms != 0 && run.started_ms != 0) return flows::log_is_gone(run.id, run.ended_ms);
  return std::string();
}

int run_logs(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string& id = arguments.positional.front();
  Result<std::optional<std::string>> elsewhere = ask_elsewhere(path_of_run(id) + "/log");
  if (!elsewhere.ok()) return report(elsewhere.error(), surroundings);
  Result<std::string> log = *elsewhere ? Result<std::string>(std::move(**elsewhere))
                                       : log_here(arguments, surroundings, id);
  if (!log.ok()) return report(log.error(), surroundings);
  Json json;
  json.set("run", id);
  json.set("log", std::move(*log));
  return show(json, surroundings,
              [](const Json& shown, std::ostream& out) { out << text(shown, "log"); });
}

int run_events(const Arguments& arguments, const Surroundings& surroundings) {
  Result<int> limit = limit_of(arguments);
  if (!limit.ok()) return report(limit.error(), surroundings);
  const std::string why = flag(arguments, "why");
  const auto after = to_int64(flag(arguments, "after", "-1"));
  if (!after) {
    return report(with_tag(invalid("--after takes the number of an event"), "usage"), surroundings);
  }
  const std::string path =
      why.empty() ? with_query("/events", {{"after", std::to_string(*after)},
                                           {"limit", std::to_string(*limit)}})
                  : path_of_run(why) + "/why";
  Result<Json> events = look(arguments, surroundings, path, [&](db::Tx& tx) {
    return why.empty() ? show_events(tx, *after, *limit) : why_run(tx, why);
  });
  return show(events, surroundings, [](const Json& json, std::ostream& out) {
    for (const Json& event : json.find("events")->as_array()) out << line_of_event(event) << "\n";
  });
}

// --- git's hooks ---

constexpr char kHookMark[] = "# made by `slipway hooks install`";

/// Whether it may be written: it is not there, it is ours, or the person says so.
Result<> may_replace(const std::filesystem::path& hook, const Arguments& arguments,
                     const Surroundings& surroundings) {
  Result<std::string> before = read_file(hook);
  if (!before.ok() && before.error().code == Code::kMissing) return {};
  if (!before.ok()) return before.error();
  if (before->find(kHookMark) != std::string::npos || arguments.on("replace")) return {};
  if (isatty(STDIN_FILENO) != 0 && !surroundings.json) {
    surroundings.err << "slipway: replace " << hook.string() << " (it is kept as "
                     << hook.filename().string() << ".before)? [y/N] " << std::flush;
    std::string answer;
    std::getline(std::cin, answer);
    if (answer == "y" || answer == "yes") return {};
  }
  return with_tag(
      conflict(hook.string() + " is there already and not ours; --replace keeps it as " +
               hook.filename().string() + ".before"),
      "refused");
}

Result<> install_hook(const std::filesystem::path& hook, const std::string& program) {
  std::error_code failure;
  std::filesystem::create_directories(hook.parent_path(), failure);
  Result<std::string> before = read_file(hook);
  if (before.ok() && before->find(kHookMark) == std::string::npos)
    std::filesystem::rename(hook, std::filesystem::path(hook).concat(".before"), failure);
  if (failure) return system_error("cannot keep " + hook.string(), failure.value());
  std::string quoted = "'" + replace_all(program, "'", "'\\''") + "'";
  return write_file_atomic(hook,
                           std::string("#!/bin/sh\n") + kHookMark +
                               ": tells the server of this project that a branch moved\n" + quoted +
                               " hooks tell >/dev/null 2>&1 </dev/null &\n",
                           0777);
}

Result<Json> install_hooks(const Arguments& arguments, const Surroundings& surroundings) {
  git::Outcome outcome = TRY(git::run(
      surroundings.folder, {"rev-parse", "--path-format=absolute", "--git-path", "hooks"}));
  if (outcome.status != 0) return missing("there is no git repository here");
  std::error_code failure;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failure);
  if (failure) return system_error("cannot find this program", failure.value());
  const std::filesystem::path folder{std::string(trim(outcome.out))};
  const char* names[] = {"post-commit", "post-merge", "post-rewrite"};
  for (const char* name : names) TRY(may_replace(folder / name, arguments, surroundings));
  Json::Array made;
  for (const char* name : names) {
    TRY(install_hook(folder / name, program.string()));
    made.emplace_back((folder / name).string());
  }
  Json json;
  json.set("made", std::move(made));
  return json;
}

int run_hooks(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string& what = arguments.positional.front();
  if (what == "tell") {
    Result<Json> told =
        ask_server(state_folder(arguments, surroundings), "/triggers/look", Json(Json::Object()));
    return show(told, surroundings, [](const Json&, std::ostream&) {});
  }
  if (what != "install")
    return report(with_tag(invalid("found '" + what + "', expected install or tell"), "usage"),
                  surroundings);
  Result<Json> made = install_hooks(arguments, surroundings);
  if (!made.ok()) return report_refusal(made.error(), surroundings);
  return show(made, surroundings, [](const Json& json, std::ostream& out) {
    for (const Json& path : json.find("made")->as_array())
      out << "made " << path.as_string() << "\n";
  });
}

// --- what the server starts ---

/// One attempt of a run. 0 once its outcome is written, whatever it is.
int run_attempt(const Arguments& arguments, const Surroundings& surroundings) {
  set_log_level(LogLevel::kWarning);
  Result<proc::Spawner> spawner = proc::Spawner::start();
  if (!spawner.ok()) return report(spawner.error(), surroundings);
  const flows::RunFolder folder{surroundings.folder / arguments.positional.front()};
  Result<flows::RunRequest> request = flows::read_request(folder);
  if (!request.ok()) return report(request.error(), surroundings);
  SystemClock clock;
  flows::TextObserver observer(surroundings.out, surroundings.err);
  flows::RunOutcome outcome;
  {
    // What it did is with the server, or waits for it in the state folder, before it says how it
    // ended.
    RunRecorder recorder(request->state, surroundings.err, false, RunRecorder::Role::kFollows);
    outcome =
        flows::work(folder, *request,
                    {*spawner, clock, recorder, observer, &recorder, flows::process_variables()});
  }
  if (!outcome.reason.empty()) surroundings.err << "slipway: " << outcome.reason << std::endl;
  Result<> written = flows::write_outcome(folder, request->attempt, outcome);
  return written.ok() ? kDone : report(written.error(), surroundings);
}

std::vector<Flag> place_flags() {
  return {{"--state", "DIR", "the state folder (.slipway of this project)"}};
}
std::vector<Flag> with_place(std::vector<Flag> flags) {
  for (Flag& flag : place_flags()) flags.push_back(std::move(flag));
  flags.push_back({"--store", "URI", "the catalogue, when it is not where this state had it last"});
  return flags;
}

}  // namespace

std::vector<Command> runs_commands() {
  constexpr std::size_t kMany = std::numeric_limits<std::size_t>::max();
  std::vector<Command> all;
  std::vector<Flag> run_flags = place_flags();
  run_flags.push_back({"--commit", "COMMIT", "to work at (HEAD)"});
  all.push_back({.name = "run",
                 .summary = "let the server run a pipeline, in a work tree of its own",
                 .positional = "PIPELINE [KEY=VALUE...]",
                 .positional_min = 1,
                 .positional_max = kMany,
                 .positional_help = "a pipeline of slipway.yaml, and parameters for it",
                 .flags = run_flags,
                 .examples = {"slipway run train", "slipway run train as_of=2011-10-24"},
                 .run = run_pipeline});
  std::vector<Flag> runs_flags = with_place({{"--pipeline", "NAME", "pipeline runs of this one"},
                                             {"--limit", "N", "how many (20; of best: 5)"}});
  for (Flag& flag : tracked_flags()) runs_flags.push_back(std::move(flag));
  all.push_back(
      {.name = "runs",
       .summary = "the latest pipeline runs, or one of them; and of runs that scripts logged: the "
                  "best, one by its name, a search as a file, many deleted, restored or removed",
       .positional = "RUN | best | show RUN | export | delete | restore | gc",
       .positional_max = 2,
       .positional_help = "a pipeline run's id, or its beginning; or what to do about tracked runs",
       .flags = runs_flags,
       .examples = {"slipway runs", "slipway --json runs 0190a2",
                    "slipway runs best --metric val_loss --minimize --across branches",
                    "slipway runs show amber-heron-417",
                    "slipway runs export --experiment first --filter \"metrics.r2 > 0.4\" -o "
                    "runs.parquet",
                    "slipway runs delete --experiment first --filter \"params.lr = '9'\" --dry-run",
                    "slipway runs gc --older-than 30d --dry-run"},
       .verbs = {{"best", "the best tracked runs, or configurations, by a metric"},
                 {"show RUN", "all that is known of a tracked run, by its name or id"},
                 {"export", "tracked runs as a table"},
                 {"delete", "delete many tracked runs; `restore` brings them back until `gc`"},
                 {"restore", "bring deleted runs back"},
                 {"gc", "remove deleted runs, with their files, for good"}},
       .run = run_runs});
  all.push_back({.name = "logs",
                 .summary = "what a pipeline run has printed",
                 .positional = "RUN",
                 .positional_min = 1,
                 .positional_max = 1,
                 .positional_help = "a run's id, or its beginning",
                 .flags = with_place({}),
                 .examples = {"slipway logs 0190a2"},
                 .run = run_logs});
  all.push_back({.name = "cancel",
                 .summary = "end a pipeline run",
                 .positional = "RUN",
                 .positional_min = 1,
                 .positional_max = 1,
                 .positional_help = "a run's id, or its beginning",
                 .flags = place_flags(),
                 .examples = {"slipway cancel 0190a2"},
                 .run = run_cancel});
  all.push_back({.name = "events",
                 .summary = "what happened, and why",
                 .flags = with_place({{"--why", "RUN", "the chain of causes of a pipeline run"},
                                      {"--after", "SEQ", "what came after this event"},
                                      {"--limit", "N", "how many (20)"}}),
                 .examples = {"slipway events", "slipway events --why 0190a2"},
                 .run = run_events});
  std::vector<Flag> hooks_flags = place_flags();
  hooks_flags.push_back({"--replace", "", "hooks that are there already, which are kept beside"});
  all.push_back({.name = "hooks",
                 .summary = "git's hooks that tell the server of this project of new commits",
                 .positional = "install|tell",
                 .positional_min = 1,
                 .positional_max = 1,
                 .positional_help = "install them, or do what they do: tell the server to look",
                 .flags = hooks_flags,
                 .examples = {"slipway hooks install"},
                 .run = run_hooks});
  all.push_back({.name = "run-attempt",
                 .summary = "one attempt of a pipeline run; the server starts this",
                 .positional = "FOLDER",
                 .positional_min = 1,
                 .positional_max = 1,
                 .positional_help = "the run's folder in the state folder",
                 .examples = {"slipway run-attempt .slipway/runs/RUN"},
                 .speaks_json = false,
                 .run = run_attempt});
  return all;
}

}  // namespace slipway::app
