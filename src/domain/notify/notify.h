#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "graph/graph.h"

// Who is told about which events, and what is sent: values, pure. Bodies are CloudEvents 1.0 in
// structured JSON, signed as the Standard Webhooks specification 1.0 says.
namespace slipway::notify {

/// Whether one of `words` ("incident", "rollback", "promotion", "rollout_paused", "run_failed": as
/// slipway.yaml has them) stands for such an event.
bool is_wanted(const std::vector<std::string>& words, std::string_view event_type);
/// Every type of event that any word stands for.
const std::vector<std::string>& told_types();

/// {"specversion": "1.0", "id", "source": "/slipway/PROJECT", "type": "slipway.TYPE", "subject":
/// "KIND/ID", "time", "datacontenttype", "data": the event's, with "seq", "cause_seq", "actor"}.
std::string body_of(const graph::LoggedEvent& event, const std::string& project);

struct Header {
  std::string name, value;
};
/// webhook-id, webhook-timestamp and, with a secret, webhook-signature: "v1," and the Base64 of the
/// HMAC-SHA-256 of "ID.TIMESTAMP.BODY". A secret that begins with "whsec_" is Base64 after that;
/// any other is taken as it is. `now_ms` is that of this attempt.
std::vector<Header> headers_of(const std::string& event_id, UnixMs now_ms,
                               const std::string& secret, std::string_view body);

/// How long to wait after `attempts` failures: 1 s, doubling up to an hour.
UnixMs pause_after(int attempts);
/// After this long a receiver that never answered well is given up, for that event.
inline constexpr UnixMs kGiveUpMs = 3 * 24 * 3600 * 1000LL;

/// "${env:NAME}" filled in, any other text as it is; nothing when the variable is not set. Never
/// kept or logged.
using Variable = std::optional<std::string> (*)(const std::string& name);
std::optional<std::string> resolve(const std::string& written, Variable variable);
/// NAME of "${env:NAME}"; nothing for any other text.
std::optional<std::string> variable_in(const std::string& written);

}  // namespace slipway::notify
