#include "app/cli/models.h"

#include <iostream>

#include "app/cli/catalogue.h"
#include "app/cli/common.h"
#include "app/models_api.h"
#include "base/text.h"
#include "io/wire/json.h"

// models: registered models, and what was changed about them.
namespace slipway::app {
namespace {

using wire::Json;

std::string line_of(const Json& change) {
  std::string line =
      text_at(change, "time") + "  " + text_at(change, "who") + "  " + text_at(change, "change");
  if (change.find("version") != nullptr)
    line += " version " + std::to_string(number_at(change, "version"));
  if (change.find("key") != nullptr) line += " " + text_at(change, "key");
  if (change.find("to") != nullptr) line += ": " + text_at(change, "to");
  if (change.find("from") != nullptr) line += " (was " + text_at(change, "from") + ")";
  if (change.find("why") != nullptr) line += ": " + text_at(change, "why");
  if (change.find("cause_seq") != nullptr)
    line += ", because of event " + std::to_string(number_at(change, "cause_seq"));
  return line + "\n";
}

std::string text_of(const Json& history, const std::string& alias) {
  std::string text;
  for (const Json& change : list_at(history, "changes")) text += line_of(change);
  if (history.find("more")->as_bool()) text = "(there were older changes)\n" + text;
  const Json* held = history.find("as_of");
  if (held == nullptr) return text;
  text += "at " + text_at(*held, "time") + ":\n";
  if (!held->find("existed")->as_bool()) return text + "  there was no such model\n";
  for (const auto& [name, version] : held->find("aliases")->as_object()) {
    if (alias.empty() || alias == name)
      text += "  " + name + " was version " + std::to_string(version.as_int64()) + "\n";
  }
  if (!alias.empty() && held->find("aliases")->find(alias) == nullptr)
    text += "  nothing was " + alias + "\n";
  return text;
}

Result<HistoryQuery> query_of(const Arguments& arguments) {
  HistoryQuery query;
  query.model = arguments.positional[1];
  query.alias = flag(arguments, "alias");
  if (arguments.on("at")) {
    Result<UnixMs> at = time_of(flag(arguments, "at"));
    if (!at.ok()) return with_tag(at.error(), "usage");
    query.at = *at;
  }
  if (arguments.on("limit")) {
    const auto limit = to_int64(flag(arguments, "limit"));
    if (!limit || *limit < 1 || *limit > 10'000)
      return usage("found --limit " + flag(arguments, "limit") +
                   ", expected a number from 1 to 10000");
    query.limit = static_cast<int>(*limit);
  }
  return query;
}

int run_models(const Arguments& arguments, const Surroundings& surroundings) {
  if (arguments.positional.front() != "history") {
    return report(usage("`slipway models` tells the history of a model: found '" +
                        arguments.positional.front() + "', expected history"),
                  surroundings);
  }
  const Result<HistoryQuery> query = query_of(arguments);
  if (!query.ok()) return report(query.error(), surroundings);
  const std::string path =
      with_query("/models/" + http::percent_encode(query->model) + "/history",
                 {{"alias", query->alias},
                  {"at", flag(arguments, "at")},
                  {"limit", flag(arguments, "limit")}});
  const Result<Json> history = look(arguments, surroundings, path,
                                    [&](db::Tx& tx) { return model_history(tx, *query); });
  if (!history.ok()) return report(history.error(), surroundings);
  surroundings.out << (surroundings.json ? wire::dump(*history) + "\n"
                                         : text_of(*history, query->alias));
  return kDone;
}

}  // namespace

std::vector<Command> models_commands() {
  std::vector<Flag> flags = catalogue_flags();
  flags.push_back({"--alias", "NAME", "changes of this alias alone"});
  flags.push_back({"--at", "TIME", "what held then: 2026-05-03 (its end, UTC) or a full time"});
  flags.push_back({"--limit", "N", "how many changes, the newest (1000)"});
  std::vector<Command> all;
  all.push_back({.name = "models",
                 .summary = "who changed what about a registered model, and what held at a time",
                 .positional = "history NAME",
                 .positional_min = 2,
                 .positional_max = 2,
                 .positional_help = "a registered model; one that is gone too",
                 .flags = flags,
                 .examples = {"slipway models history rides",
                              "slipway models history rides --alias champion --at 2026-05-03"},
                 .run = run_models});
  return all;
}

}  // namespace slipway::app
