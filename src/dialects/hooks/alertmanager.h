#pragma once

#include <string_view>
#include <vector>

#include "domain/flows/trigger.h"

// The webhook of Prometheus Alertmanager, version 4. Pure; any thread.
namespace slipway::hooks {

struct Alerts {
  std::vector<flows::Occasion> firing;
  std::size_t resolved = 0;  // nothing is started for those
};
/// kInvalid for what is no such message.
Result<Alerts> read_alerts(std::string_view body, UnixMs now_ms);

}  // namespace slipway::hooks
