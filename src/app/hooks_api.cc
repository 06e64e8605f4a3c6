#include "app/hooks_api.h"

#include "dialects/hooks/alertmanager.h"
#include "dialects/hooks/cloudevents.h"
#include "dialects/hooks/git.h"
#include "io/wire/json.h"

namespace slipway::app {
namespace {

using wire::Json;

constexpr std::uint64_t kBodyBytesMax = 8u << 20;
constexpr int kAccepted = 202, kUnknownMedia = 415;

http::Response render_error(const Error& error) {
  http::Response response = http::render_plain_error(error);
  if (error.tag == "media_type") response.status = kUnknownMedia;
  return response;
}

constexpr std::size_t kDecisionsShown = 100;

Json decision_of(const flows::Occasion& occasion, const std::string& trigger, const char* act,
                 const std::string& rule, const std::string& reason) {
  Json json;
  json.set("event", occasion.id);
  json.set("trigger", trigger.empty() ? Json() : Json(trigger));
  json.set("act", act);
  json.set("rule", rule);
  json.set("reason", reason);
  return json;
}

/// What each trigger that is for it decided, or why none did.
void add_decisions(const flows::Occasion& occasion, const flows::Noticed& noticed,
                   Json::Array& all) {
  for (const flows::Decided& one : noticed.decided) {
    const flows::Decision& decision = one.decision;
    all.push_back(decision_of(occasion, one.trigger, to_string(decision.act), decision.rule,
                              decision.reason));
    if (!one.run.empty()) all.back().set("run", one.run);
  }
  if (noticed.is_new) return;
  for (const std::string& trigger : noticed.heard_by)
    all.push_back(decision_of(occasion, trigger, "duplicate", "duplicate",
                              "it was told before; the first time counts"));
  if (noticed.listeners == 0)
    all.push_back(decision_of(occasion, "", "unheard", "unheard", noticed.unheard));
}

/// What became of each, in numbers and, of the first ones, in words.
http::Response accepted(const std::vector<flows::Occasion>& occasions,
                        const std::vector<flows::Noticed>& all, std::size_t resolved = 0) {
  std::int64_t kept = 0, duplicates = 0, unheard = 0;
  Json::Array runs, decisions;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const flows::Noticed& noticed = all[i];
    add_decisions(occasions[i], noticed, decisions);
    kept += noticed.is_new ? 1 : 0;
    duplicates += !noticed.is_new && noticed.listeners > 0 ? 1 : 0;
    unheard += noticed.listeners == 0 ? 1 : 0;
    for (const flows::Decided& decided : noticed.decided)
      if (!decided.run.empty()) runs.emplace_back(decided.run);
  }
  Json json;
  json.set("accepted", kept);
  json.set("duplicates", duplicates);
  json.set("unheard", unheard);
  if (resolved > 0) json.set("resolved", static_cast<std::int64_t>(resolved));
  json.set("runs", std::move(runs));
  if (decisions.size() > kDecisionsShown) {
    json.set("decisions_left_out", static_cast<std::int64_t>(decisions.size() - kDecisionsShown));
    decisions.resize(kDecisionsShown);
  }
  json.set("decisions", std::move(decisions));
  return http::Response::json(wire::dump(json), kAccepted);
}

Result<http::Response> take_events(const http::Request& request, TriggerPost& triggers,
                                   const Clock& clock) {
  const UnixMs now = clock.now_ms();
  const std::vector<flows::Occasion> occasions = TRY(hooks::read_cloudevents(request, now));
  return accepted(occasions, TRY(triggers.tell(occasions, now)));
}

Result<http::Response> take_alerts(const http::Request& request, TriggerPost& triggers,
                                   const Clock& clock) {
  const UnixMs now = clock.now_ms();
  const hooks::Alerts alerts = TRY(hooks::read_alerts(request.body, now));
  return accepted(alerts.firing, TRY(triggers.tell(alerts.firing, now)), alerts.resolved);
}

Result<http::Response> take_push(const http::Request& request, const HookOptions& options) {
  if (options.git_secret.empty()) {
    return denied(
        "this server knows no secret of webhooks; start it with --hook-secret or "
        "SLIPWAY_HOOK_SECRET");
  }
  const hooks::Push push = TRY(hooks::read_push(request, options.git_secret));
  if (push.moved) options.pushed(push.branch);
  Json json;
  json.set("branch", push.branch);
  return http::Response::json(wire::dump(json), kAccepted);
}

/// A sender asks whether it may send (CloudEvents' protection against abuse).
Result<http::Response> answer_handshake(const http::Request& request) {
  const std::string_view origin = request.headers.get("WebHook-Request-Origin");
  http::Response response;
  response.headers.add("Allow", "POST, OPTIONS");
  if (origin.empty()) return response;
  response.headers.add("WebHook-Allowed-Origin", std::string(origin));
  response.headers.add("WebHook-Allowed-Rate", "*");
  return response;
}

}  // namespace

void mount_hooks(http::Router& router, TriggerPost& triggers, const Clock& clock,
                 HookOptions options) {
  http::Router::Group group = router.group("", render_error);
  const http::Permission permission = http::writes("triggers");
  group.add({http::Method::kPost, "/events", permission, http::Place::kBlocking, kBodyBytesMax},
            [&](http::Request& request) { return take_events(request, triggers, clock); });
  group.add({http::Method::kOptions, "/events", http::kPublic, http::Place::kInline},
            [](http::Request& request) { return answer_handshake(request); });
  group.add({http::Method::kPost, "/hooks/alertmanager", permission, http::Place::kBlocking,
             kBodyBytesMax},
            [&](http::Request& request) { return take_alerts(request, triggers, clock); });
  // Without a secret every push is refused: nobody needs room for what anybody sends.
  constexpr std::uint64_t kRefusedBytesMax = 64u << 10;
  const std::uint64_t push_bytes_max =
      options.git_secret.empty() ? kRefusedBytesMax : kBodyBytesMax;
  group.add(
      {http::Method::kPost, "/hooks/git", http::kPublic, http::Place::kBlocking, push_bytes_max},
      [options = std::move(options)](http::Request& request) {
        return take_push(request, options);
      });
}

}  // namespace slipway::app
