#include <unistd.h>

#include <functional>
#include <iostream>

#include "app/cli/catalogue.h"
#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/delivery_client.h"
#include "app/monitor_api.h"
#include "app/project.h"
#include "base/text.h"
#include "io/wire/json.h"

// monitors, incidents: what is watched, and what is wrong.
namespace slipway::app {
namespace {

using wire::Json;

bool is_set(const Json& json, std::string_view key) {
  const Json* found = json.find(key);
  return found && found->is_bool() && found->as_bool();
}
std::string words_of(const Json& json, std::string_view key) {
  std::vector<std::string> words;
  for (const Json& one : list_at(json, key))
    if (one.is_string()) words.push_back(one.as_string());
  return join(words, ", ");
}

/// "2011-05-01 to 2011-05-08", or with the time of day where it matters.
std::string span_of(const Json& window) {
  constexpr std::int64_t kDayMs = 24 * 3'600'000;
  const std::int64_t from = number_at(window, "start_ms"), to = number_at(window, "end_ms");
  const std::size_t shown = from % kDayMs == 0 && to % kDayMs == 0 ? 10 : 16;
  return to_iso8601(from).substr(0, shown) + " to " + to_iso8601(to).substr(0, shown);
}

int print(const Result<Json>& answer, const Surroundings& surroundings,
          const std::function<std::string(const Json&)>& text) {
  if (!answer.ok()) {
    const int code = report(answer.error(), surroundings);
    return answer.error().code == Code::kConflict ? kAnswerIsNo : code;
  }
  wire::DumpStyle style;
  style.non_finite_as_string = true;
  surroundings.out << (surroundings.json ? wire::dump(*answer, style) + "\n" : text(*answer));
  return kDone;
}

// --- monitors ------------------------------------------------------------------------------------

/// "version 3: good (2011-05-01 to 2011-05-08): mae is 0.2, at most 1 asked for"
std::string verdict_text(const Json& window, const std::string& live) {
  const std::string version = text_at(window, "version");
  return (version.empty() ? "" : "version " + version) +
         (version.empty() || version == live ? "" : ", not live") + (version.empty() ? "" : ": ") +
         text_at(window, "status") + " (" + span_of(window) + "): " + text_at(window, "words");
}

/// What serves comes first; a window that was judged later, of another version, below it.
std::string verdicts_text(const Json& monitor) {
  const Json *last = monitor.find("last"), *of_live = monitor.find("last_of_live");
  if (last == nullptr) return "no window judged yet";
  const std::string live = text_at(monitor, "live");
  if (of_live != nullptr && text_at(*of_live, "id") == text_at(*last, "id"))
    return verdict_text(*last, live);
  std::string text = live.empty() ? "nothing serves" : "version " + live + ": no window judged yet";
  if (of_live != nullptr) text = verdict_text(*of_live, live);
  return text + "\n  " + verdict_text(*last, live);
}

std::string monitor_text(const Json& monitor) {
  std::string text = text_at(monitor, "deployment") + "/" + text_at(monitor, "monitor") + ": ";
  if (!is_set(monitor, "begun")) return text + "nothing to look at yet\n";
  text += verdicts_text(monitor);
  text += "\n  next: " + to_iso8601(number_at(monitor, "next_due_ms")) + "\n";
  if (!text_at(monitor, "incident").empty())
    text += "  open incident " + text_at(monitor, "incident") + "\n";
  return text;
}

std::string window_text(const Json& window) {
  const std::string version = text_at(window, "version"), columns = words_of(window, "columns");
  return span_of(window) + "  " + text_at(window, "deployment") + "/" + text_at(window, "monitor") +
         (version.empty() ? "" : " version " + version) + ": " + text_at(window, "status") + ", " +
         text_at(window, "words") + (columns.empty() ? "" : " [" + columns + "]") + "\n";
}

std::string each(const Json& answer, const char* list,
                 const std::function<std::string(const Json&)>& text, const char* none) {
  std::string all;
  for (const Json& one : list_at(answer, list)) all += text(one);
  return all.empty() ? none : all;
}

/// "DEPLOYMENT" or "DEPLOYMENT/MONITOR".
WindowsRequest windows_of(const std::string& subject) {
  WindowsRequest request;
  const std::size_t slash = subject.find('/');
  request.deployment = subject.substr(0, slash);
  if (slash != std::string::npos) request.monitor = subject.substr(slash + 1);
  return request;
}

/// Windows of a monitor that is no longer declared are shown too; without any it may be a slip.
Result<Json> look_at_windows(const Arguments& arguments, const Surroundings& surroundings,
                             const WindowsRequest& request, const std::string& subject) {
  const std::string path = with_query("/windows", {{"deployment", request.deployment},
                                                   {"monitor", request.monitor},
                                                   {"limit", std::to_string(request.limit)},
                                                   {"verdicts", request.verdicts ? "true" : ""}});
  Json windows = TRY(look(arguments, surroundings, path,
                          [&](db::Tx& tx) { return list_windows(tx, request); }));
  if (list_at(windows, "windows").empty())
    TRY(find_monitors(TRY(look(arguments, surroundings, "/monitors", list_monitors)), subject));
  return windows;
}

int run_monitors(const Arguments& arguments, const Surroundings& surroundings) {
  if (arguments.positional.empty())
    return print(
        look(arguments, surroundings, "/monitors", list_monitors), surroundings,
        [](const Json& all) {
          return each(all, "monitors", monitor_text,
                      "no monitors: slipway.yaml declares them, `slipway apply` makes them hold\n");
        });
  WindowsRequest request = windows_of(arguments.positional.front());
  const auto limit = to_int64(flag(arguments, "limit", "20"));
  if (!limit) return report(usage("--limit takes a whole number"), surroundings);
  request.limit = *limit;
  request.verdicts = arguments.on("verdicts");
  const std::string& subject = arguments.positional.front();
  return print(
      look_at_windows(arguments, surroundings, request, subject), surroundings,
      [](const Json& all) {
        return each(all, "windows", window_text, "no window of that was judged yet\n");
      });
}

// --- incidents -----------------------------------------------------------------------------------

std::string incident_text(const Json& incident) {
  std::string text = text_at(incident, "id") + "  " +
                     (is_set(incident, "open") ? "open" : "closed") + "  " +
                     text_at(incident, "deployment") + "/" + text_at(incident, "monitor") + "  " +
                     to_iso8601(number_at(incident, "opened_ms")) + "\n  version " +
                     text_at(incident, "version") + ": " + text_at(incident, "words") + "\n";
  if (!list_at(incident, "columns").empty())
    text += "  likely: " + words_of(incident, "columns") + "\n";
  const std::string candidate = text_at(incident, "remedy_candidate");
  if (is_set(incident, "remedy_under_way"))
    text += candidate.empty() ? "  a remedy is under way\n"
                              : "  version " + candidate + ", which it asked for, is on its way\n";
  if (const std::string undecided = text_at(incident, "remedy_undecided"); !undecided.empty())
    text += "  version " + undecided +
            ", which it asked for, is undecided and paused: a person decides (`slipway promote`, "
            "`slipway resume` or `slipway rollback`, each with the deployment " +
            text_at(incident, "deployment") + ")\n";
  if (const std::string remedy = text_at(incident, "remedy_version");
      is_set(incident, "open") && !remedy.empty())
    text += "  version " + remedy +
            ", which it asked for, was promoted: a good window of it ends this\n";
  if (const std::int64_t failed = number_at(incident, "failed_remedies"); failed > 0)
    text += "  " + std::to_string(failed) + (failed == 1 ? " remedy" : " remedies") +
            " failed: `slipway incidents " + text_at(incident, "id") + "` says why\n";
  for (const Json& trigger : list_at(incident, "cooling"))
    text += "  trigger " + text_at(trigger, "trigger") + " fired " +
            to_iso8601(number_at(trigger, "fired_ms")) + " and cools down until " +
            to_iso8601(number_at(trigger, "until_ms")) + "\n";
  if (!is_set(incident, "open"))
    text += "  closed " + to_iso8601(number_at(incident, "closed_ms")) + " by " +
            text_at(incident, "closed_by") + ", remedy: " + text_at(incident, "remedy") + " (" +
            text_at(incident, "reason") + ")\n";
  return text;
}

std::string history_text(const Json& incident) {
  std::string text = incident_text(incident);
  for (const Json& change : list_at(incident, "history")) {
    text += "    " + to_iso8601(number_at(change, "time_ms")) + "  " + text_at(change, "action");
    if (!text_at(change, "reason").empty()) text += ": " + text_at(change, "reason");
    text += "\n";
  }
  return text;
}

Result<Json> close_at_place(const Arguments& arguments, const Surroundings& surroundings,
                            const std::string& id) {
  ProjectPlace place;
  place.state = state_folder(arguments, surroundings);
  place.store = flag(arguments, "store");
  const CloseRequest request{user_name(), flag(arguments, "reason")};
  return delivery_at(place, "/incidents/" + http::percent_encode(id) + "/close",
                     wire::encode(request), [&](const DeliveryWorld& world) {
                       const UnixMs now = world.clock.now_ms();
                       return world.pool.write([&](db::Tx& tx) {
                         return close_incident_by_hand(tx, id, request, now);
                       });
                     });
}

int run_incidents(const Arguments& arguments, const Surroundings& surroundings) {
  const bool close = arguments.on("close");
  if (close && (arguments.positional.empty() || !arguments.on("reason")))
    return report(usage("--close needs the incident's id, and a --reason"), surroundings);
  if (close)
    return print(close_at_place(arguments, surroundings, arguments.positional.front()),
                 surroundings, history_text);
  if (!arguments.positional.empty()) {
    const std::string& id = arguments.positional.front();
    return print(look(arguments, surroundings, "/incidents/" + http::percent_encode(id),
                      [&](db::Tx& tx) { return show_incident(tx, id); }),
                 surroundings, history_text);
  }
  IncidentsRequest request;
  request.open = arguments.on("open");
  return print(
      look(arguments, surroundings,
           with_query("/incidents", {{"open", request.open ? "true" : ""}}),
           [&](db::Tx& tx) { return list_incidents(tx, request); }),
      surroundings,
      [](const Json& all) { return each(all, "incidents", incident_text, "no incidents\n"); });
}

std::vector<Flag> with_catalogue(std::vector<Flag> flags) {
  for (Flag& flag : catalogue_flags()) flags.push_back(std::move(flag));
  return flags;
}

}  // namespace

std::vector<Command> monitor_commands() {
  std::vector<Command> all;
  all.push_back({.name = "monitors",
                 .summary = "what is watched, and how the last window was; of one, its windows",
                 .positional = "DEPLOYMENT[/MONITOR]",
                 .positional_max = 1,
                 .positional_help = "whose windows are shown",
                 .flags = with_catalogue({{"--limit", "N", "so many windows (20)"},
                                          {"--verdicts", "", "with --json: all that was judged"}}),
                 .examples = {"slipway monitors", "slipway monitors bikes/quality --limit 5"},
                 .run = run_monitors});
  all.push_back({.name = "incidents",
                 .summary = "what is wrong, and was; of one, its history; or close it by hand",
                 .positional = "ID",
                 .positional_max = 1,
                 .positional_help = "of an incident, or how it begins",
                 .flags = with_catalogue({{"--open", "", "only those that are open"},
                                          {"--close", "", "by hand, with a reason"},
                                          {"--reason", "TEXT", "why"}}),
                 .examples = {"slipway incidents --open",
                              "slipway incidents 0190a5c0-0000-7000-8000-000000000000 --close "
                              "--reason 'a strike, no decay'"},
                 .run = run_incidents});
  return all;
}

}  // namespace slipway::app
