#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "app/cli/common.h"
#include "app/cli/verbs.h"
#include "app/delivery_client.h"
#include "app/project.h"
#include "base/text.h"
#include "domain/delivery/verdict.h"
#include "domain/project/project_file.h"
#include "io/wire/json.h"

// deployments, deploy, promote, rollback, gates: delivery, seen and done by hand.
namespace slipway::app {
namespace {

using wire::Json;

ProjectPlace place_of(const Arguments& arguments, const Surroundings& surroundings) {
  ProjectPlace place;
  place.state = state_folder(arguments, surroundings);
  place.store = flag(arguments, "store");
  return place;
}

/// A request that is not wrong, but can't be granted as things stand, is answered with no.
int report_no(const Error& error, const Surroundings& surroundings) {
  const int code = report(error, surroundings);
  return error.code == Code::kConflict ? kAnswerIsNo : code;
}

Result<Json> list_at_place(const ProjectPlace& place) {
  return delivery_at(place, "/deployments", std::nullopt,
                     [](const DeliveryWorld& world) { return list_deployments(world); });
}

Result<Json> show_at_place(const ProjectPlace& place, const std::string& name) {
  return delivery_at(place, "/deployments/" + http::percent_encode(name), std::nullopt,
                     [&](const DeliveryWorld& world) { return show_deployment(world, name); });
}

/// The one that was named, or the only one there is.
Result<std::string> name_of(const Arguments& arguments, const ProjectPlace& place) {
  if (!arguments.positional.empty()) return arguments.positional.front();
  const Json all = TRY(list_at_place(place));
  std::vector<std::string> names;
  for (const Json& one : list_at(all, "deployments")) names.push_back(text_at(one, "name"));
  if (names.size() == 1) return names.front();
  if (names.empty())
    return missing(
        "no deployment is there: slipway.yaml declares them, `slipway apply` makes them");
  return usage("there are several deployments (" + join(names, ", ") + "): name one");
}

// --- text ----------------------------------------------------------------------------------------

std::string version_words(std::int64_t version) {
  return version == 0 ? "nothing" : "version " + std::to_string(version);
}

std::string rollout_words(const Json& rollout) {
  std::string words = "version " + std::to_string(number_at(rollout, "version")) + " is " +
                      text_at(rollout, "phase");
  if (const Json* percent = rollout.find("percent"))
    words += " (" + python_repr(percent->as_double()) + " %, step " +
             std::to_string(number_at(rollout, "step") + 1) + " of " +
             std::to_string(number_at(rollout, "steps")) + ")";
  if (!text_at(rollout, "paused").empty()) words += ", paused: " + text_at(rollout, "paused");
  return words;
}

/// "ann: a holiday"; the name alone where no reason was given.
std::string with_reason(const std::string& who, const std::string& reason) {
  return reason.empty() ? who : who + ": " + reason;
}

/// Whether it is known to answer nothing though a version should.
bool is_dark(const Json& deployment) {
  const Json* answers = deployment.find("answers");
  const bool is_answered = answers && answers->is_bool() && answers->as_bool();
  return !text_at(deployment, "fault").empty() && !is_answered;
}

std::string summary_of(const Json& deployment) {
  const std::string fault = text_at(deployment, "fault");
  std::string text = text_at(deployment, "name") + ": " +
                     version_words(number_at(deployment, "stable")) + " of " +
                     text_at(deployment, "model") +
                     (is_dark(deployment) ? " should serve, and does not\n" : " serves\n");
  if (!fault.empty()) text += "  " + fault + "\n";
  const Json* rollout = deployment.find("rollout");
  if (rollout && rollout->is_object()) text += "  " + rollout_words(*rollout) + "\n";
  const Json* waiting = deployment.find("waiting");
  if (waiting && waiting->is_object())
    text += "  version " + std::to_string(number_at(*waiting, "version")) + " waits for it\n";
  if (!text_at(deployment, "frozen_by").empty())
    text += "  frozen by " +
            with_reason(text_at(deployment, "frozen_by"), text_at(deployment, "frozen_reason")) +
            "\n";
  const Json* declared = deployment.find("declared");
  if (declared && declared->is_bool() && !declared->as_bool())
    text += "  slipway.yaml declares it no more: it answers nothing\n";
  return text;
}

/// The gate that waits for a person is the only one that has no verdict yet.
bool waits_for_person(const Json& rollout) {
  if (text_at(rollout, "phase") != "gating") return false;
  std::vector<std::string> open;
  for (const Json& gate : list_at(rollout, "gates_wanted"))
    if (gate.is_string()) open.push_back(gate.as_string());
  for (const Json& gate : list_at(rollout, "gates")) std::erase(open, text_at(gate, "gate"));
  return open == std::vector<std::string>{delivery::kApproval};
}

/// `model`: of the deployment.
std::string gates_text(const Json& rollout, const std::string& model) {
  std::string text;
  for (const Json& gate : list_at(rollout, "gates"))
    text += "    gate " + text_at(gate, "gate") + ": " + text_at(gate, "status") + ", " +
            text_at(gate, "words") + "\n";
  if (waits_for_person(rollout))
    text += "    gate approval: waits for a person: `slipway gates approve " +
            std::to_string(number_at(rollout, "version")) + " --model " + model +
            " --reason TEXT`\n";
  return text;
}

/// One that went live says so for ever; whether it is the one that serves stands beside it.
bool is_live(const Json& rollout) {
  return text_at(rollout, "phase") == "live";
}

std::string line_of_rollout(const Json& rollout) {
  const Json* serves = rollout.find("serves");
  const bool was = is_live(rollout) && !(serves && serves->is_bool() && serves->as_bool());
  return "version " + std::to_string(number_at(rollout, "version")) + ": " + (was ? "was " : "") +
         text_at(rollout, "phase") + ", " + text_at(rollout, "reason");
}

/// When it went live, else when it ended; of one that is under way, when it was asked for.
std::int64_t time_of_rollout(const Json& rollout) {
  const std::int64_t live = number_at(rollout, "live_ms"), ended = number_at(rollout, "ended_ms");
  if (is_live(rollout) && live != 0) return live;
  return ended != 0 ? ended : number_at(rollout, "created_ms");
}

std::string line_of_rollback(const Json& rollback) {
  return "rolled back from version " + std::to_string(number_at(rollback, "from")) +
         " to version " + std::to_string(number_at(rollback, "to")) + " by " +
         with_reason(text_at(rollback, "actor"), text_at(rollback, "reason"));
}

std::string history_text(const Json& deployment) {
  std::vector<std::pair<std::int64_t, std::string>> lines;
  for (const Json& rollback : list_at(deployment, "rollbacks"))
    lines.emplace_back(number_at(rollback, "time_ms"), line_of_rollback(rollback));
  for (const Json& rollout : list_at(deployment, "rollouts"))
    lines.emplace_back(time_of_rollout(rollout), line_of_rollout(rollout));
  std::stable_sort(lines.begin(), lines.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text = lines.empty() ? "" : "  history, newest first:\n";
  for (const auto& [time, line] : lines) text += "    " + to_iso8601(time) + " " + line + "\n";
  return text;
}

std::string details_of(const Json& deployment) {
  std::string text = summary_of(deployment);
  if (const Json* rollout = deployment.find("rollout"); rollout && rollout->is_object()) {
    text += "  gates and guards of version " + std::to_string(number_at(*rollout, "version")) +
            ":\n" + gates_text(*rollout, text_at(deployment, "model"));
    for (const Json& guard : list_at(*rollout, "guards"))
      text += "    guard " + text_at(guard, "words") + "\n";  // which begin with its name
    if (const Json* next = rollout->find("next"))
      text += "    next: " + text_at(*next, "action") + ", " + text_at(*next, "reason") + "\n";
  }
  text += history_text(deployment);
  for (const Json& one : list_at(deployment, "quarantine"))
    text += "  version " + std::to_string(number_at(one, "version")) +
            " is in quarantine: " + text_at(one, "reason") + "\n";
  return text;
}

int print(const Result<Json>& answer, const Surroundings& surroundings,
          const std::function<std::string(const Json&)>& text) {
  if (!answer.ok()) return report_no(answer.error(), surroundings);
  wire::DumpStyle style;
  style.non_finite_as_string = true;
  surroundings.out << (surroundings.json ? wire::dump(*answer, style) + "\n" : text(*answer));
  return kDone;
}

// --- commands ------------------------------------------------------------------------------------

int run_deployments(const Arguments& arguments, const Surroundings& surroundings) {
  const ProjectPlace place = place_of(arguments, surroundings);
  if (!arguments.positional.empty())
    return print(show_at_place(place, arguments.positional.front()), surroundings, details_of);
  return print(list_at_place(place), surroundings, [](const Json& all) {
    std::string text;
    for (const Json& one : list_at(all, "deployments")) text += summary_of(one);
    return text.empty() ? "no deployments: slipway.yaml declares them, `slipway apply` makes them\n"
                        : text;
  });
}

Result<Json> act_at_place(const Arguments& arguments, const ProjectPlace& place,
                          const std::string& action, std::int64_t version) {
  const std::string name = TRY(name_of(arguments, place));
  DeliveryRequest request;
  request.actor = user_name();
  request.reason = flag(arguments, "reason");
  request.version = version;
  request.force = arguments.on("force");
  return delivery_at(
      place, "/deployments/" + http::percent_encode(name) + "/" + action, wire::encode(request),
      [&](const DeliveryWorld& world) { return act_on_deployment(world, name, action, request); });
}

/// What was asked for, before how things stand: the server acts a moment later.
int print_asked(const Result<Json>& answer, const Surroundings& surroundings, std::string asked) {
  return print(answer, surroundings, [&](const Json& deployment) {
    return asked + "\n" + summary_of(deployment) + "`slipway deployments " +
           text_at(deployment, "name") + "` says what comes of it\n";
  });
}

/// Of an action without a version.
std::string asked_words(std::string_view action) {
  if (action == "promote") return "promotion asked for: it goes live once its gates have passed";
  if (action == "rollback") return "taken back";
  if (action == "freeze") return "frozen: no step forward until it is lifted";
  if (action == "unfreeze") return "frozen no more";
  if (action == "pause") return "the rollout is paused";
  return "the rollout goes on";
}

std::function<int(const Arguments&, const Surroundings&)> runs(const char* action) {
  return [action](const Arguments& arguments, const Surroundings& surroundings) {
    return print_asked(act_at_place(arguments, place_of(arguments, surroundings), action, 0),
                       surroundings, asked_words(action));
  };
}

Result<std::int64_t> version_in(const std::string& text) {
  const auto version = to_int64(text);
  if (version && *version > 0) return *version;
  return usage("a version is a number from 1, found '" + text + "'");
}

/// What `deploy` is to do, and to which version: exactly one of its flags.
Result<std::pair<std::string, std::int64_t>> wish_of(const Arguments& arguments) {
  std::vector<std::string> wishes;
  for (const char* name : {"version", "freeze", "unfreeze", "pause", "resume", "release"})
    if (arguments.on(name)) wishes.push_back(name);
  if (wishes.size() != 1)
    return usage("say one of --version N, --freeze, --unfreeze, --pause, --resume or --release N");
  const std::string& wish = wishes.front();
  if (wish == "version" || wish == "release") {
    const std::int64_t version = TRY(version_in(flag(arguments, wish)));
    return std::pair(wish == "version" ? std::string("deploy") : wish, version);
  }
  return std::pair(wish, std::int64_t{0});
}

Result<Json> release_at_place(const Arguments& arguments, const ProjectPlace& place,
                              std::int64_t version) {
  const std::string name = TRY(name_of(arguments, place));
  const std::string model = text_at(TRY(show_at_place(place, name)), "model");
  DeliveryRequest request;
  request.actor = user_name();
  request.deployment = name;
  TRY(delivery_at(
      place,
      "/models/" + http::percent_encode(model) + "/versions/" + std::to_string(version) +
          "/release",
      wire::encode(request),
      [&](const DeliveryWorld& world) { return release_version(world, model, version, request); }));
  return show_at_place(place, name);
}

int run_deploy(const Arguments& arguments, const Surroundings& surroundings) {
  const ProjectPlace place = place_of(arguments, surroundings);
  const auto wish = wish_of(arguments);
  if (!wish.ok()) return report(wish.error(), surroundings);
  const std::string version = "version " + std::to_string(wish->second);
  if (wish->first == "release")
    return print_asked(release_at_place(arguments, place, wish->second), surroundings,
                       version + " is out of quarantine: it may be deployed again");
  return print_asked(act_at_place(arguments, place, wish->first, wish->second), surroundings,
                     wish->first == "deploy" ? version + " asked for: its gates come first"
                                             : asked_words(wish->first));
}

// --- gates ---------------------------------------------------------------------------------------

/// The rollout under way, else the newest.
const Json* newest_rollout(const Json& deployment) {
  const Json* rollout = deployment.find("rollout");
  if (rollout && rollout->is_object()) return rollout;
  const Json::Array& all = list_at(deployment, "rollouts");
  return all.empty() ? nullptr : &all.front();
}

int show_gates(const Arguments& arguments, const Surroundings& surroundings) {
  const ProjectPlace place = place_of(arguments, surroundings);
  Arguments named = arguments;
  named.positional.erase(named.positional.begin());
  Result<std::string> name = name_of(named, place);
  if (!name.ok()) return report(name.error(), surroundings);
  const Result<Json> shown = show_at_place(place, *name);
  if (!shown.ok()) return report(shown.error(), surroundings);
  const Json* rollout = newest_rollout(*shown);
  if (rollout == nullptr)
    return report(missing("no version of " + *name + " was at its gates yet"), surroundings);
  const Json::Array& gates = list_at(*rollout, "gates");
  if (surroundings.json)
    surroundings.out << wire::dump(*rollout) << "\n";
  else
    surroundings.out << "version " << number_at(*rollout, "version") << ":\n"
                     << gates_text(*rollout, text_at(*shown, "model"));
  const bool passed = std::all_of(gates.begin(), gates.end(), [](const Json& gate) {
    const std::string status = text_at(gate, "status");
    return status == "pass" || status == "waived";
  });
  return passed && !gates.empty() && !waits_for_person(*rollout) ? kDone : kAnswerIsNo;
}

/// --model, else that of the only deployment.
Result<std::string> model_of(const Arguments& arguments, const ProjectPlace& place) {
  const std::string model = flag(arguments, "model");
  if (!model.empty()) return model;
  const Json all = TRY(list_at_place(place));
  std::vector<std::string> models;
  for (const Json& one : list_at(all, "deployments")) {
    const std::string name = text_at(one, "model");
    if (std::find(models.begin(), models.end(), name) == models.end()) models.push_back(name);
  }
  if (models.size() == 1) return models.front();
  if (models.empty())
    return missing("no deployment is there, which would have a model: name one with --model");
  return usage("there are deployments of several models: name one, --model " +
               join(models, " or --model "));
}

/// "approve" or "disapprove".
Result<Json> decide_on(const std::string& what, const Arguments& arguments,
                       const ProjectPlace& place) {
  if (arguments.positional.size() != 2)
    return usage("name the version: `slipway gates " + what + " N --reason TEXT`");
  DeliveryRequest request;
  request.actor = flag(arguments, "name").empty() ? user_name() : flag(arguments, "name");
  request.reason = flag(arguments, "reason");
  if (request.reason.empty()) return usage("say why: --reason TEXT");
  const std::int64_t version = TRY(version_in(arguments.positional[1]));
  const std::string model = TRY(model_of(arguments, place));
  const auto act = what == "approve" ? approve_version : disapprove_version;
  return delivery_at(place,
                     "/models/" + http::percent_encode(model) + "/versions/" +
                         std::to_string(version) + "/" + what,
                     wire::encode(request), [&](const DeliveryWorld& world) {
                       return act(world, model, version, request);
                     });
}

Result<Json> waive(const Arguments& arguments, const ProjectPlace& place) {
  if (arguments.positional.size() != 2) return usage("name the gate: `slipway gates waive GATE`");
  WaiverRequest request;
  request.gate = arguments.positional[1];
  request.name = flag(arguments, "name").empty() ? user_name() : flag(arguments, "name");
  request.reason = flag(arguments, "reason");
  request.lasts = flag(arguments, "for");
  if (request.reason.empty() || request.lasts.empty())
    return usage("a waiver needs a reason and an end: --reason TEXT --for 7d");
  if (!project::parse_span(request.lasts))
    return usage("found --for '" + request.lasts +
                 "', expected a span such as 90s, 2m, 6h, 7d or 2w");
  if (arguments.on("version")) request.version = TRY(version_in(flag(arguments, "version")));
  const std::string model = TRY(model_of(arguments, place));
  return delivery_at(
      place, "/models/" + http::percent_encode(model) + "/waivers", wire::encode(request),
      [&](const DeliveryWorld& world) { return waive_gate(world, model, request); });
}

Result<Json> revoke(const Arguments& arguments, const ProjectPlace& place) {
  if (arguments.positional.size() != 2) return usage("name the waiver: `slipway gates revoke ID`");
  const std::string& id = arguments.positional[1];
  DeliveryRequest request;
  request.actor = user_name();
  return delivery_at(
      place, "/waivers/" + http::percent_encode(id) + "/revoke", wire::encode(request),
      [&](const DeliveryWorld& world) { return revoke_gate_waiver(world, id, request.actor); });
}

int run_gates(const Arguments& arguments, const Surroundings& surroundings) {
  const std::string& what = arguments.positional.front();
  const ProjectPlace place = place_of(arguments, surroundings);
  if (what == "show") return show_gates(arguments, surroundings);
  if (what == "waive")
    return print(waive(arguments, place), surroundings, [](const Json& waiver) {
      return "gate " + text_at(waiver, "gate") + " of " + text_at(waiver, "model") +
             " is waived until " + to_iso8601(number_at(waiver, "expires_ms")) + " (" +
             text_at(waiver, "id") + ")\n";
    });
  if (what == "revoke")
    return print(revoke(arguments, place), surroundings,
                 [](const Json& waiver) { return "revoked " + text_at(waiver, "id") + "\n"; });
  if (what == "approve" || what == "disapprove")
    return print(decide_on(what, arguments, place), surroundings, [](const Json& decided) {
      return text_at(decided, "model") + "/" + std::to_string(number_at(decided, "version")) +
             (decided.find("approved")->as_bool() ? " is approved\n" : " is approved no more\n");
    });
  return report(usage("`slipway gates` shows, approves, disapproves, waives or revokes: found '" +
                      what + "', expected show, approve, disapprove, waive or revoke"),
                surroundings);
}

std::vector<Flag> with_place(std::vector<Flag> flags) {
  for (Flag& place : project_flags()) flags.push_back(std::move(place));
  return flags;
}

}  // namespace

std::vector<Command> delivery_commands() {
  const Flag reason{"--reason", "TEXT", "why, for the log"};
  std::vector<Command> all;
  all.push_back({.name = "deployments",
                 .summary = "what serves, and which rollouts are under way",
                 .positional = "NAME",
                 .positional_max = 1,
                 .positional_help = "a deployment; all when none is named",
                 .flags = with_place({}),
                 .examples = {"slipway deployments", "slipway --json deployments bikes"},
                 .run = run_deployments});
  all.push_back({.name = "deploy",
                 .summary = "send a version on its way through gates, shadow and canary",
                 .positional = "NAME",
                 .positional_max = 1,
                 .positional_help = "a deployment; the only one when there is one",
                 .flags = with_place({{"--version", "N", "the version that is to serve"},
                                      {"--force", "", "though it was rolled back before"},
                                      {"--freeze", "", "no step forward until it is lifted"},
                                      {"--unfreeze", "", "lift it"},
                                      {"--pause", "", "hold the rollout under way"},
                                      {"--resume", "", "let it go on"},
                                      {"--release", "N", "take a version out of quarantine"},
                                      reason}),
                 .examples = {"slipway deploy bikes --version 7",
                              "slipway deploy bikes --freeze --reason 'public holiday'"},
                 .run = run_deploy});
  all.push_back({.name = "promote",
                 .summary = "the candidate under way is to serve now, unless it is shown harmful",
                 .positional = "NAME",
                 .positional_max = 1,
                 .positional_help = "a deployment; the only one when there is one",
                 .flags = with_place({reason}),
                 .examples = {"slipway promote bikes --reason 'reviewed by hand'"},
                 .run = runs("promote")});
  all.push_back({.name = "rollback",
                 .summary = "the candidate goes; without one the previous version comes back",
                 .positional = "NAME",
                 .positional_max = 1,
                 .positional_help = "a deployment; the only one when there is one",
                 .flags = with_place(
                     {{"--force", "", "though the previous version was rolled back before"}, reason}),
                 .examples = {"slipway rollback bikes --reason 'wrong data'"},
                 .run = runs("rollback")});
  all.push_back(
      {.name = "gates",
       .summary = "what the gates say (exit code 1 if one is shut), approvals and waivers",
       .positional = "show|approve|disapprove|waive|revoke ...",
       .positional_min = 1,
       .positional_max = 2,
       .positional_help = "show [NAME] of a deployment, approve VERSION, disapprove VERSION, "
                          "waive GATE, or revoke ID of a waiver",
       .flags = with_place({{"--model", "NAME",
                             "waive, approve: the model (that of the only deployment)"},
                            {"--version", "N", "waive: of this version alone"},
                            {"--for", "SPAN", "waive: how long, 7d"},
                            {"--name", "NAME", "waive, approve: who answers for it (you)"},
                            reason}),
       .examples = {"slipway gates show bikes",
                    "slipway gates approve 7 --reason 'looked at the errors by district'",
                    "slipway gates waive parity --version 7 --reason 'no golden rows' --for 7d"},
       .run = run_gates});
  return all;
}

}  // namespace slipway::app
