#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <iostream>

#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/owner.h"
#include "app/runs_export.h"
#include "app/tracked_runs_client.h"
#include "app/trash.h"
#include "base/file.h"
#include "base/terminal.h"
#include "base/text.h"
#include "io/table/table.h"

// runs best, show, export, delete, restore: runs that scripts logged.
namespace slipway::app {
namespace {

using wire::Json;

RunsPlace place_of(const Arguments& arguments, const Surroundings& surroundings) {
  return {state_folder(arguments, surroundings), flag(arguments, "store")};
}

std::vector<std::string> listed(const Arguments& arguments, std::string_view name) {
  std::vector<std::string> items;
  const std::string text = flag(arguments, name);
  for (const std::string_view item : split(text, ',')) {
    if (!trim(item).empty()) items.emplace_back(trim(item));
  }
  return items;
}

int show(const Result<Json>& answer, const Surroundings& surroundings,
         const std::function<void(const Json&, std::ostream&)>& as_text) {
  if (!answer.ok()) {
    const bool refused = answer.error().code == Code::kConflict && answer.error().tag.empty();
    return report(refused ? with_tag(answer.error(), "refused") : answer.error(), surroundings);
  }
  if (surroundings.json) {
    surroundings.out << wire::dump(*answer) << "\n";
  } else {
    as_text(*answer, surroundings.out);
  }
  return kDone;
}

Result<std::string> sole_name(const Arguments& arguments) {
  if (arguments.positional.size() == 2) return arguments.positional[1];
  return usage("`runs " + arguments.positional.front() + "` takes the id or the name of a run");
}

Result<> no_more(const Arguments& arguments) {
  if (arguments.positional.size() == 1) return {};
  return usage("`runs " + arguments.positional.front() + "` takes nothing more, found '" +
               arguments.positional[1] + "'");
}

/// A member that whoever logged the run wrote.
std::string shown_at(const Json& json, std::string_view key) {
  return for_terminal(text_at(json, key));
}

// --- best ---

/// Six digits are what a person reads.
std::string number_of(const Json& value) {
  if (value.is_null()) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", value.as_double());
  return text;
}

std::string padded(std::string text, std::size_t width) {
  const std::size_t length = count_code_points(text);
  if (length < width) text.append(width - length, ' ');
  return text + "  ";
}

/// For a column of a table.
std::string cut(const std::string& text) {
  constexpr std::size_t kWidth = 60;
  const std::string_view shown = take_code_points(text, kWidth);
  return std::string(shown) + (shown.size() < text.size() ? "..." : "");
}

using Line = std::vector<std::string>;

void print_table(const std::vector<Line>& lines, std::ostream& out) {
  std::vector<std::size_t> widths(lines.front().size(), 0);
  for (const Line& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i)
      widths[i] = std::max(widths[i], count_code_points(line[i]));
  for (const Line& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i)
      text += i + 1 < line.size() ? padded(line[i], widths[i]) : line[i];
    out << text << "\n";
  }
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g%%", share * 100);
  return text;
}

std::string words_against(const std::string& against) {
  if (against == "first") return "best run";
  if (against == "worse") return "worse";
  if (against == "better") return "BETTER in the mean";
  if (against == "not_shown") return "no difference shown";
  return "not known: one run shows nothing";
}

/// "lr=0.1, opt=adam"
std::string configuration_of(const Json& contender) {
  constexpr std::size_t kShown = 60;
  std::string text;
  for (const auto& [name, value] : contender.find("configuration")->as_object())
    text += (text.empty() ? "" : ", ") + for_terminal(name) + "=" +
            for_terminal(value.is_string() ? value.as_string() : "");
  const std::string_view shown = take_code_points(text, kShown);
  return std::string(shown) + (shown.size() < text.size() ? "..." : "");
}

void print_best(const Json& json, std::ostream& out) {
  const Json::Array& contenders = list_at(json, "contenders");
  const std::string across = text_at(json, "across");
  const bool lower = text_at(json, "goal") == "minimize";
  out << shown_at(json, "metric") << " (" << text_at(json, "taken") << ", "
      << (lower ? "lower" : "higher") << " is better): " << number_at(json, "runs") << " runs";
  if (number_at(json, "not_finite") > 0)
    out << ", " << number_at(json, "not_finite") << " without a finite value left out";
  out << "\n";
  std::vector<Line> lines{{across.empty()         ? "configuration"
                           : across == "branches" ? "branch"
                                                  : for_terminal(across),
                           "best run", "value", "runs", "mean",
                           percent(json.find("confidence")->as_double()) + " interval", "",
                           "params"}};
  std::size_t number = 0;
  for (const Json& one : contenders) {
    std::string group = cut(shown_at(one, "group"));
    if (across.empty()) group = std::to_string(++number);
    if (group.empty()) group = "(none)";
    const Json& interval = *one.find("interval");
    lines.push_back(
        {group, text_at(one, "run_id") + " " + cut(shown_at(one, "name")),
         number_of(*one.find("value")),
         std::to_string(number_at(one, "runs")), number_of(*one.find("mean")),
         interval.is_null()
             ? "-"
             : number_of(interval.as_array()[0]) + " to " + number_of(interval.as_array()[1]),
         words_against(text_at(one, "against_best")), configuration_of(one)});
  }
  print_table(lines, out);
  if (!across.empty() && number_at(json, "groups") > static_cast<std::int64_t>(contenders.size()))
    out << "(the best " << contenders.size() << " of " << number_at(json, "groups")
        << "; --limit shows more)\n";
  out << shown_at(json, "verdict") << "\n";
  if (json.find("event") != nullptr)
    out << "kept as event " << number_at(json, "event")
        << " of the best run (`slipway runs show`)\n";
}

Result<BestRequest> best_of(const Arguments& arguments) {
  BestRequest request;
  request.experiments = listed(arguments, "experiment");
  request.filter = flag(arguments, "filter");
  request.metric = flag(arguments, "metric");
  if (request.metric.empty()) return usage("`runs best` needs --metric NAME");
  if (arguments.on("minimize") && arguments.on("maximize"))
    return usage("a metric is either to be small (--minimize) or large (--maximize)");
  if (arguments.on("minimize")) request.goal = "minimize";
  if (arguments.on("maximize")) request.goal = "maximize";
  request.taken = flag(arguments, "of");
  request.across = flag(arguments, "across");
  request.varying = listed(arguments, "vary");
  request.actor = user_name();
  if (arguments.on("confidence")) {
    const auto confidence = to_double(flag(arguments, "confidence"));
    if (!confidence || !(*confidence > 0 && *confidence < 1))
      return usage("found --confidence " + flag(arguments, "confidence") +
                   ", expected a share between 0 and 1, as 0.95");
    request.confidence = *confidence;
  }
  if (arguments.on("limit")) {
    const auto limit = to_int64(flag(arguments, "limit"));
    if (!limit || *limit < 1 || *limit > 50)
      return usage("found --limit " + flag(arguments, "limit") +
                   ", expected a number from 1 to 50");
    request.limit = *limit;
  }
  return request;
}

int run_best(const Arguments& arguments, const Surroundings& surroundings) {
  if (Result<> none = no_more(arguments); !none.ok()) return report(none.error(), surroundings);
  const Result<BestRequest> request = best_of(arguments);
  if (!request.ok()) return report(request.error(), surroundings);
  const bool records = arguments.on("record");
  return show(tracked_runs_at(place_of(arguments, surroundings),
                              records ? "/record-best" : "/best", wire::encode(*request), records,
                              [&](const TrackedWorld& world) {
                                return records ? record_best(world, *request, nullptr,
                                                             {request->actor, ""})
                                               : best_run(world, *request, nullptr);
                              }),
              surroundings, print_best);
}

// --- show ---

void print_run(const Json& run, std::ostream& out) {
  out << text_at(run, "run_id") << "  " << shown_at(run, "name") << "  " << text_at(run, "status")
      << (run.find("deleted")->as_bool() ? "  deleted" : "") << "\n  experiment "
      << shown_at(run, "experiment") << " (" << text_at(run, "experiment_id") << ")\n  "
      << text_at(run, "start_time") << " to "
      << (run.find("end_time")->is_null() ? "now" : text_at(run, "end_time")) << "\n";
  for (const char* kind : {"params", "metrics", "tags"}) {
    const Json::Object& members = run.find(kind)->as_object();
    if (members.empty()) continue;
    out << kind << "\n";
    for (const auto& [key, value] : members) {
      out << "  " << for_terminal(key) << " = ";
      if (value.is_string()) {
        constexpr std::size_t kShown = 200;
        const std::string_view text = take_code_points(value.as_string(), kShown);
        out << for_terminal(text) << (text.size() < value.as_string().size() ? "..." : "") << "\n";
        continue;
      }
      const std::int64_t points = number_at(value, "points");
      const Json& latest = *value.find("value");
      out << (latest.is_string() ? latest.as_string() : wire::dump(latest));
      if (points > 1)
        out << " (" << points << " points, " << number_of(*value.find("min")) << " to "
            << number_of(*value.find("max")) << ")";
      out << "\n";
    }
  }
  for (const Json& dataset : list_at(run, "datasets"))
    out << "used " << for_terminal(dataset.as_string()) << "\n";
  for (const Json& one : list_at(run, "comparisons")) {
    const Json& found = *one.find("found");
    out << "best ";
    if (found.find("runs") != nullptr) out << "of " << number_at(found, "runs") << " ";
    out << "by " << shown_at(found, "metric") << " on "
        << text_at(one, "time") << ", asked by " << shown_at(one, "actor") << ": "
        << shown_at(found, "verdict") << "\n";
  }
}

int run_show(const Arguments& arguments, const Surroundings& surroundings) {
  const Result<std::string> name = sole_name(arguments);
  if (!name.ok()) return report(name.error(), surroundings);
  const NamedRequest request{*name, listed(arguments, "experiment")};
  return show(tracked_runs_at(place_of(arguments, surroundings), "/show", wire::encode(request),
                              /*changes=*/false,
                              [&](const TrackedWorld& world) {
                                return show_tracked_run(world, request, nullptr);
                              }),
              surroundings, print_run);
}

// --- delete, restore ---

void print_many(const Json& json, const std::string& verb, std::ostream& out) {
  const bool dry = json.find("dry_run")->as_bool();
  const std::int64_t count = number_at(json, "runs");
  out << (dry ? "would " + verb : verb + (verb.ends_with('e') ? "d" : "ed")) << " " << count
      << (count == 1 ? " run" : " runs") << "\n";
  const Json::Array& some = list_at(json, "some");
  for (const Json& run : some)
    out << "  " << text_at(run, "run_id") << "  " << shown_at(run, "name") << "\n";
  if (count > static_cast<std::int64_t>(some.size()))
    out << "  and " << count - static_cast<std::int64_t>(some.size()) << " more\n";
  if (!dry && verb == "delete" && count > 0)
    out << "`slipway runs restore` brings them back, until `slipway runs gc` removes them\n";
}

int run_many(const Arguments& arguments, const Surroundings& surroundings) {
  if (Result<> none = no_more(arguments); !none.ok()) return report(none.error(), surroundings);
  const std::string verb = arguments.positional.front();
  ManyRequest request;
  request.experiments = listed(arguments, "experiment");
  request.filter = flag(arguments, "filter");
  request.all = arguments.on("all");
  request.dry_run = arguments.on("dry-run");
  request.actor = user_name();
  if (request.experiments.empty())
    return report(usage("`runs " + verb + "` needs --experiment: an id or a name, or several"),
                  surroundings);
  if (trim(request.filter).empty() && !request.all)
    return report(
        usage("`runs " + verb + "` needs --filter, or --all for every run of the experiment"),
        surroundings);
  auto act = verb == "delete" ? delete_runs : restore_runs;
  return show(tracked_runs_at(place_of(arguments, surroundings), "/" + verb, wire::encode(request),
                              /*changes=*/!request.dry_run,
                              [&](const TrackedWorld& world) {
                                return act(world, request, {user_name(), ""});
                              }),
              surroundings,
              [&](const Json& json, std::ostream& out) { print_many(json, verb, out); });
}

// --- export ---

/// Terms are told apart by commas, but for those in quotes.
std::vector<std::string> order_terms(const std::string& text) {
  std::vector<std::string> terms(1);
  char quote = 0;
  for (const char c : text) {
    if (quote == 0 && c == ',') {
      terms.emplace_back();
      continue;
    }
    if (quote == 0 && (c == '`' || c == '"' || c == '\'')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    }
    terms.back() += c;
  }
  for (std::string& term : terms) term = std::string(trim(term));
  std::erase(terms, "");
  return terms;
}

Result<std::string> format_of(const Arguments& arguments) {
  std::string format = flag(arguments, "format");
  const std::string output = flag(arguments, "output");
  for (const char* known : {"csv", "json", "parquet"}) {
    if (format == known) return format;
    if (format.empty() && output.ends_with(std::string(".") + known)) return std::string(known);
  }
  const std::string ending = std::filesystem::path(output).extension().string();
  if (format.empty() && !ending.empty() && ending != ".txt") {
    return usage("found -o " + output + ", expected a file that ends in .csv, .json or .parquet, " +
                 "or --format for what is to be written into it");
  }
  if (format.empty()) return std::string("csv");
  return usage("found --format " + format + ", expected csv, json or parquet");
}

Result<table::Type> type_of(const std::string& name) {
  if (name == "text") return table::Type::kText;
  if (name == "bool") return table::Type::kBool;
  if (name == "real") return table::Type::kReal;
  if (name == "timestamp") return table::Type::kTimestamp;
  return invalid("the server tells of a column of the type '" + name +
                 "', which is not known here");
}

/// A file that goes unless it is kept.
class Draft {
 public:
  explicit Draft(std::filesystem::path path) : path_(std::move(path)) {}
  ~Draft() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove(path_, ignored);
  }
  Draft(const Draft&) = delete;
  const std::filesystem::path& path() const { return path_; }
  Result<> become(const std::filesystem::path& target) {
    const Fd file(::open(path_.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file || fsync(file.get()) != 0)
      return system_error("cannot sync " + path_.string(), errno);
    if (rename(path_.c_str(), target.c_str()) != 0)
      return system_error("cannot write " + target.string(), errno);
    path_.clear();
    return sync_folder(target.parent_path());
  }

 private:
  std::filesystem::path path_;
};

Result<std::uint64_t> write_text(const RunsPlace& place, const ExportRequest& request,
                                 std::ostream& out, const std::string& where) {
  std::uint64_t bytes = 0;
  TRY(export_at(
      place, wire::encode(request),
      [&](const TrackedWorld& world) { return export_runs(world, request, nullptr); },
      [&](std::string_view text) -> Result<> {
        out.write(text.data(), static_cast<std::streamsize>(text.size()));
        if (!out) return unavailable("cannot write " + where);
        bytes += text.size();
        return {};
      }));
  out.flush();
  if (!out) return unavailable("cannot write " + where);
  return bytes;
}

Result<std::vector<table::Field>> fields_of(const RunsPlace& place, const ExportRequest& request) {
  const Json answer = TRY(tracked_runs_at(
      place, "/columns", wire::encode(request), /*changes=*/false,
      [&](const TrackedWorld& world) { return export_columns(world, request, nullptr); }));
  std::vector<table::Field> fields;
  for (const Json& column : list_at(answer, "columns"))
    fields.push_back({text_at(column, "name"), TRY(type_of(text_at(column, "type")))});
  return fields;
}

Result<Json> export_to(const RunsPlace& place, ExportRequest request, const std::string& format,
                       const std::filesystem::path& target) {
  std::vector<table::Field> fields;
  if (format == "parquet") {
    fields = TRY(fields_of(place, request));
    request.columns.clear();
    for (const table::Field& field : fields) request.columns.push_back(field.name);
  }
  Draft text(temporary_for(target, {}).concat(format == "json" ? ".json" : ".csv"));
  {
    std::ofstream file(text.path(), std::ios::binary);
    if (!file) return system_error("cannot write " + text.path().string(), errno);
    TRY(write_text(place, request, file, text.path().string()));
  }
  if (format != "parquet") {
    TRY(text.become(target));
  } else {
    Draft table(temporary_for(target, {}).concat(".parquet"));
    TRY(table::csv_to_parquet(text.path(), table.path(), fields));
    TRY(table.become(target));
  }
  Json json;
  json.set("file", target.string());
  json.set("format", format);
  json.set("bytes", static_cast<std::int64_t>(std::filesystem::file_size(target)));
  return json;
}

int run_export(const Arguments& arguments, const Surroundings& surroundings) {
  if (Result<> none = no_more(arguments); !none.ok()) return report(none.error(), surroundings);
  const Result<std::string> format = format_of(arguments);
  if (!format.ok()) return report(format.error(), surroundings);
  ExportRequest request;
  request.experiments = listed(arguments, "experiment");
  request.filter = flag(arguments, "filter");
  request.order_by = order_terms(flag(arguments, "order-by"));
  request.view = flag(arguments, "view");
  request.columns = listed(arguments, "columns");
  request.spreadsheet = arguments.on("for-spreadsheets");
  request.format = *format == "json" ? "json" : "csv";
  const RunsPlace place = place_of(arguments, surroundings);
  const std::string output = flag(arguments, "output");
  if (!output.empty() && output != "-") {
    const Result<std::filesystem::path> target = file_to_write(surroundings.folder / output);
    if (!target.ok()) return report(target.error(), surroundings);
    return show(export_to(place, request, *format, *target), surroundings,
                [](const Json& json, std::ostream& out) {
                  out << "wrote " << text_at(json, "file") << ", " << number_at(json, "bytes")
                      << " bytes\n";
                });
  }
  if (*format == "parquet" || (surroundings.json && *format != "json")) {
    return report(usage("name the file to write with -o FILE"), surroundings);
  }
  const auto written = write_text(place, request, surroundings.out, "standard output");
  return written.ok() ? kDone : report(written.error(), surroundings);
}

// --- gc ---

Result<Json> empty_trash(const RunsPlace& place, const EmptyRequest& request) {
  const auto here = [](const TrackedWorld&) -> Result<Json> {
    return unavailable(
        "no server runs for this project, and only one knows where the files are: `slipway up` "
        "starts one");
  };
  const Json asked =
      TRY(tracked_runs_at(place, "/gc", wire::encode(request), /*changes=*/false, here));
  if (request.dry_run) return asked;
  for (std::int64_t left = 1; left > 0;) {
    const Json worked = TRY(tracked_runs_at(place, "/gc/work", "{}", /*changes=*/false, here));
    left = number_at(worked, "left");
  }
  return asked;
}

void print_emptied(const Json& json, std::ostream& out) {
  const bool dry = json.find("dry_run")->as_bool();
  const char* done = dry ? " would be permanently deleted." : " has been permanently deleted.";
  constexpr std::pair<const char*, const char*> kKinds[] = {
      {"runs", "Run"}, {"models", "Logged model"}, {"experiments", "Experiment"}};
  bool any = false;
  for (const auto& [list, word] : kKinds) {
    for (const Json& id : list_at(json, list)) {
      out << word << " with ID " << id.as_string() << done << "\n";
      any = true;
    }
  }
  constexpr std::pair<const char*, const char*> kIds[] = {
      {"run_id", "Run"}, {"model_id", "Logged model"}, {"experiment_id", "Experiment"}};
  for (const Json& kept : list_at(json, "kept")) {
    for (const auto& [id, word] : kIds) {
      if (kept.find(id) != nullptr)
        out << word << " with ID " << text_at(kept, id) << " is kept: " << text_at(kept, "why")
            << "\n";
    }
  }
  if (!any) out << "nothing that is deleted " << (dry ? "would go" : "went") << "\n";
}

int run_gc(const Arguments& arguments, const Surroundings& surroundings) {
  if (Result<> none = no_more(arguments); !none.ok()) return report(none.error(), surroundings);
  EmptyRequest request;
  for (const char* selector : {"older-than", "run-ids", "experiment-ids"})
    if (arguments.empty.contains(selector) ||
        (arguments.on(selector) && listed(arguments, selector).empty()))
      return report(usage(std::string("found --") + selector +
                          " that names nothing; without it everything that is deleted is meant"),
                    surroundings);
  if (arguments.on("older-than")) request.older_than = flag(arguments, "older-than");
  if (arguments.on("run-ids")) request.run_ids = listed(arguments, "run-ids");
  if (arguments.on("experiment-ids")) request.experiment_ids = listed(arguments, "experiment-ids");
  request.force = listed(arguments, "force");
  request.dry_run = arguments.on("dry-run");
  request.actor = user_name();
  return show(empty_trash(place_of(arguments, surroundings), request), surroundings, print_emptied);
}

struct Verb {
  const char* name;
  int (*run)(const Arguments& arguments, const Surroundings& surroundings);
};
constexpr Verb kVerbs[] = {{"best", run_best},   {"show", run_show},    {"export", run_export},
                           {"delete", run_many}, {"restore", run_many}, {"gc", run_gc}};

const Verb* verb_of(const Arguments& arguments) {
  if (arguments.positional.empty()) return nullptr;
  for (const Verb& verb : kVerbs)
    if (arguments.positional.front() == verb.name) return &verb;
  return nullptr;
}

}  // namespace

bool is_tracked_verb(const Arguments& arguments) {
  return verb_of(arguments) != nullptr;
}

int run_tracked(const Arguments& arguments, const Surroundings& surroundings) {
  return verb_of(arguments)->run(arguments, surroundings);
}

std::vector<Flag> tracked_flags() {
  return {
      {"--experiment", "E[,E...]",
       "of tracked runs: those of these experiments, by id or name (all)"},
      {"--filter", "FILTER", "those that match, in the words of MLflow's search"},
      {"--metric", "NAME", "best: by this metric"},
      {"--minimize", "", "best: lower is better (losses and errors by their name)"},
      {"--maximize", "", "best: higher is better (everything else)"},
      {"--of", "last|min|max", "best: which value of the series (last)"},
      {"--across", "branches|tags.KEY|params.KEY",
       "best: compare the best run of each, not the best configurations"},
      {"--vary", "PARAM[,...]",
       "best: params in which runs of one configuration may differ (seed, random_state, ...)"},
      {"--confidence", "SHARE", "best: that all intervals hold together (0.95)"},
      {"--record", "", "best: keep what was found in the log, as an event of the best run"},
      {"-o,--output", "FILE", "export: where to (standard output)"},
      {"--format", "csv|json|parquet", "export: as the file's name ends, else csv"},
      {"--order-by", "TERM[,...]", "export: \"metrics.loss ASC, start_time DESC\""},
      {"--columns", "NAME[,...]", "export: only these, as run_id, params.lr, metrics.loss, tags.x"},
      {"--view", "active|deleted|all", "export: which runs (active)"},
      {"--for-spreadsheets", "",
       "export: in CSV, a text that a spreadsheet would take for a formula begins with an apostrophe"},
      {"--all", "", "delete, restore: every run of the experiment"},
      {"--dry-run", "", "delete, restore, gc: say which, and change nothing"},
      {"--older-than", "AGE", "gc: what was deleted so long ago, as 30d or 2d8h5m20s (any)"},
      {"--run-ids", "ID[,ID...]", "gc: of the deleted runs only these, as with `mlflow gc`"},
      {"--experiment-ids", "ID[,ID...]", "gc: of the deleted experiments only these, likewise"},
      {"--force", "ID[,ID...]", "gc: these runs also where a version was made of them"},
  };
}

}  // namespace slipway::app
