#include "dialects/hooks/alertmanager.h"

#include "base/hash.h"
#include "graph/kinds.h"
#include "io/wire/codec.h"

namespace slipway::hooks {
namespace {

using flows::Occasion;
using wire::Json;

constexpr wire::Limits kLimits{8u << 20, 20, 200'000};
constexpr std::size_t kAlertsMax = 1000, kTextBytesMax = 1024;

std::string text_of(const Json& json, const char* key) {
  const Json* value = json.find(key);
  return value != nullptr && value->is_string() ? value->as_string() : std::string();
}

Result<Occasion> occasion_of(const Json& alert, const std::string& receiver, UnixMs now_ms) {
  const Json* labels = alert.find("labels");
  if (labels == nullptr || !labels->is_object()) return invalid("an alert has no labels");
  std::string fingerprint = text_of(alert, "fingerprint");
  // Releases of before 2019 do not send it; the labels are what identifies an alert.
  wire::DumpStyle sorted;
  sorted.sort_keys = true;
  if (fingerprint.empty()) fingerprint = sha256_hex(wire::dump(*labels, sorted)).substr(0, 16);
  const std::string started = text_of(alert, "startsAt");
  if (fingerprint.size() > kTextBytesMax || started.size() > kTextBytesMax)
    return invalid("an alert's fingerprint or startsAt is longer than 1024 bytes");
  Occasion occasion;
  occasion.id = fingerprint + "/" + started + "/firing";
  occasion.key = "alert/" + occasion.id;
  occasion.cause = {graph::kind::kAlert, occasion.id};
  occasion.type = "alert";
  occasion.source = receiver;
  occasion.subject = text_of(*labels, "alertname");
  occasion.time_ms = parse_iso8601(started).value_or(now_ms);
  occasion.data = alert;
  return occasion;
}

}  // namespace

Result<Alerts> read_alerts(std::string_view body, UnixMs now_ms) {
  const Json json = TRY(wire::parse(body, kLimits));
  const Json* alerts = json.find("alerts");
  if (text_of(json, "version") != "4" || alerts == nullptr || !alerts->is_array())
    return invalid("this is no message of Alertmanager's webhook, version 4");
  if (alerts->as_array().size() > kAlertsMax)
    return invalid("a message holds at most " + std::to_string(kAlertsMax) + " alerts");
  Alerts read;
  for (const Json& alert : alerts->as_array()) {
    const std::string status = text_of(alert, "status");
    if (status != "firing" && status != "resolved")
      return invalid("an alert's status is \"" + status + "\", neither firing nor resolved");
    if (status == "resolved") {
      ++read.resolved;
      continue;
    }
    read.firing.push_back(TRY(occasion_of(alert, text_of(json, "receiver"), now_ms)));
  }
  return read;
}

}  // namespace slipway::hooks
