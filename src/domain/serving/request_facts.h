#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "domain/serving/deployments.h"

// What callers of a deployment say beside the inputs, and what they are told beside the answer,
// whatever the protocol. Pure functions. Any thread.
namespace slipway::serving {

inline constexpr char kKeyHeader[] = "X-Slipway-Key";
inline constexpr char kEventTimeHeader[] = "X-Slipway-Event-Time";
inline constexpr char kRequestIdHeader[] = "X-Request-Id";
inline constexpr char kPredictionIdHeader[] = "X-Slipway-Prediction-Id";
inline constexpr char kRouteHeader[] = "X-Slipway-Route";

inline constexpr std::size_t kKeyBytesMax = 1024;

/// As sent; "" where left out.
struct Said {
  std::string_view key, event_time, client_id;
};
/// kInvalid, tag "bad_request", for what is no time, or a key that is too long.
Result<RequestFacts> request_facts(const Said& said);

/// Whether a candidate on trial is to be asked for what the stable version reads, column by column.
bool reads_as_stable(const Assignment& assignment);

/// Who answered; valid as long as the assignment's deployment.
const std::string& route_text(const Assignment& assignment, bool fell_back);

}  // namespace slipway::serving
