#pragma once

#include <functional>
#include <string>

#include "app/loop/trigger_part.h"
#include "base/clock.h"
#include "io/http/router.h"

namespace slipway::app {

struct HookOptions {
  /// Of webhooks of git hosts; "": they are refused.
  std::string git_secret;
  /// A branch moved, says a host that knows the secret; "" when nobody said which. Any thread.
  std::function<void(const std::string& branch)> pushed;
};

/// What others tell when something happened: POST /events (CloudEvents, with the handshake of
/// OPTIONS), POST /hooks/alertmanager, POST /hooks/git. An answer 202 means that it is kept, and
/// that whoever listens has decided about it: {"accepted", "duplicates", "unheard", "resolved",
/// "runs": [ID], "decisions": [{"event", "trigger", "act", "rule", "reason", "run"}],
/// "decisions_left_out"}. All must outlive the router.
void mount_hooks(http::Router& router, TriggerPost& triggers, const Clock& clock,
                 HookOptions options);

}  // namespace slipway::app
