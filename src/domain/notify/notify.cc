#include "domain/notify/notify.h"

#include <algorithm>

#include "base/base64.h"
#include "base/hash.h"
#include "io/http/message.h"
#include "io/wire/json.h"

namespace slipway::notify {
namespace {

struct Word {
  const char* word;
  std::vector<std::string> types;
};

const std::vector<Word>& table() {
  static const std::vector<Word> kTable = {
      {"incident", {"incident.opened", "incident.unresolved", "incident.closed"}},
      {"rollback", {"rollout.rolled_back", "deployment.rolled_back"}},
      {"promotion", {"rollout.promoted"}},
      {"rollout_paused", {"rollout.paused"}},
      {"run_failed", {"pipeline_run.failed", "pipeline_run.timed_out"}}};
  return kTable;
}

}  // namespace

bool is_wanted(const std::vector<std::string>& words, std::string_view event_type) {
  for (const Word& one : table()) {
    if (std::find(words.begin(), words.end(), one.word) == words.end()) continue;
    if (std::find(one.types.begin(), one.types.end(), event_type) != one.types.end()) return true;
  }
  return false;
}

const std::vector<std::string>& told_types() {
  static const std::vector<std::string> kTypes = [] {
    std::vector<std::string> types;
    for (const Word& one : table()) types.insert(types.end(), one.types.begin(), one.types.end());
    return types;
  }();
  return kTypes;
}

std::string body_of(const graph::LoggedEvent& event, const std::string& project) {
  wire::Json data = event.event.data.is_object() ? event.event.data : wire::Json();
  data.set("seq", event.seq);
  data.set("cause_seq", event.event.cause_seq);
  data.set("actor", event.event.actor);
  wire::Json body;
  body.set("specversion", "1.0");
  body.set("id", event.id);
  body.set("source", "/slipway/" + http::percent_encode(project));
  body.set("type", "slipway." + event.event.type);
  body.set("subject", event.event.subject.kind + "/" + event.event.subject.id);
  body.set("time", to_iso8601(event.time_ms));
  body.set("datacontenttype", "application/json");
  body.set("data", std::move(data));
  return wire::dump(body);
}

std::vector<Header> headers_of(const std::string& event_id, UnixMs now_ms,
                               const std::string& secret, std::string_view body) {
  const std::string timestamp = std::to_string(now_ms / 1000);
  std::vector<Header> headers = {{"Content-Type", "application/cloudevents+json; charset=utf-8"},
                                 {"webhook-id", event_id},
                                 {"webhook-timestamp", timestamp}};
  if (secret.empty()) return headers;
  constexpr std::string_view kPrefix = "whsec_";
  std::string key = secret;
  if (secret.starts_with(kPrefix)) {
    // One that is no Base64 is taken as it is: a wrong signature shows at the receiver, no
    // signature would not.
    if (auto bytes = base64_decode(std::string_view(secret).substr(kPrefix.size()))) key = *bytes;
  }
  const std::string signed_text = event_id + "." + timestamp + "." + std::string(body);
  headers.push_back({"webhook-signature", "v1," + base64_encode(hmac_sha256(key, signed_text))});
  return headers;
}

UnixMs pause_after(int attempts) {
  constexpr UnixMs kSecond = 1000, kHour = 3'600'000;
  return attempts >= 12 ? kHour : std::min(kHour, kSecond << std::max(0, attempts - 1));
}

std::optional<std::string> resolve(const std::string& written, Variable variable) {
  const std::optional<std::string> name = variable_in(written);
  return name ? variable(*name) : written;
}

std::optional<std::string> variable_in(const std::string& written) {
  constexpr std::string_view kBegin = "${env:";
  if (!written.starts_with(kBegin) || !written.ends_with('}')) return std::nullopt;
  return written.substr(kBegin.size(), written.size() - kBegin.size() - 1);
}

}  // namespace slipway::notify
